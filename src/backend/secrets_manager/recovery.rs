//! What is left of deleted tokens: their secrets, in their recovery window.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::backend::recovery::{Purged, RecoveryWindow};
use crate::backend::secrets_manager::calls::{Asked, Found, Which};
use crate::backend::secrets_manager::line::{Edit, LeftOver, Outcome};
use crate::backend::secrets_manager::tokens::State;
use crate::backend::secrets_manager::value::{self, Body, Head};
use crate::backend::secrets_manager::version::VersionId;
use crate::backend::secrets_manager::{SecretsManagerBackend, answer};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::lookup::{LookupKey, LookupKind};
use crate::operation::{Answer, Context};
use crate::record::Record;

const PARALLEL: usize = 16;

/// How often a secret is looked at that others take to its end meanwhile, or that a read does not show yet.
const MAX_ROUNDS: u32 = 12;

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl RecoveryWindow for SecretsManagerBackend {
    /// Of an id that a user brought, the index knows for as long as nobody has written to its page since.
    async fn deleted(&self, context: &Context, id: &str) -> Result<Answer<Vec<RecordName>>> {
        let asked = Asked::new(context);
        let mut names: BTreeSet<RecordName> = RecordName::parse(id).into_iter().collect();
        let listed = self.index.entries(&asked, &[LookupKey::new(LookupKind::Id, id)]).await?;
        names.extend(listed.concat().iter().map(|entry| entry.name));
        let states = self.tokens.read_all(&asked, names).await?;
        let dead = states.into_iter().filter(|(_, state)| matches!(state, State::Dead)).map(|(name, _)| name);
        Ok(answer(dead.collect(), asked))
    }

    async fn exhume(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        let asked = Asked::new(context);
        let record = self.exhumed(&asked, name).await?;
        Ok(answer(record.map(Arc::new), asked))
    }

    async fn bury(&self, context: &Context, name: RecordName) -> Result<Answer<()>> {
        let asked = Asked::new(context);
        self.calls.delete(&asked, &self.prefix.record(name)).await?;
        Ok(answer((), asked))
    }

    /// Its entries go first: a name that is listed and has no secret would be one that somebody may make a token under.
    async fn purge(&self, context: &Context, name: RecordName) -> Result<Answer<bool>> {
        let asked = Asked::new(context);
        if let State::Live(_) = self.tokens.read(&asked, name).await? {
            return Err(not_deleted());
        }
        self.unlist(&asked, name).await?;
        let is_free = self.free(&asked, name).await?;
        Ok(answer(is_free, asked))
    }

    async fn clear_for_good(&self, context: &Context) -> Result<Answer<Purged>> {
        let asked = Asked::new(context);
        let leaves = self.index.all_leaves(&asked).await?;
        let mut names: BTreeSet<RecordName> =
            leaves.iter().flat_map(|(_, loaded)| loaded.page.entries()).map(|entry| entry.name).collect();
        let deleted = self.committer().clear(&asked).await?;
        let beginning = format!("{}/token/", self.prefix);
        let listed = self.calls.secrets(&asked, &beginning).await?;
        let has_listed = listed.is_some();
        for secret in listed.unwrap_or_default().into_iter().filter(|secret| secret.is_doomed) {
            names.extend(secret.name.strip_prefix(&beginning).and_then(RecordName::parse));
        }
        let free = |name| self.free(&asked, name);
        let freed: Vec<bool> = stream::iter(names).map(free).buffer_unordered(PARALLEL).try_collect().await?;
        let purged = freed.into_iter().filter(|is_free| *is_free).count();
        Ok(answer(Purged { deleted, purged, has_listed }, asked))
    }

    fn days(&self) -> i64 {
        self.calls.recovery_days
    }
}

impl SecretsManagerBackend {
    /// Takes away what is kept under a dead name. A name that was taken keeps its tombstone until its recovery window is
    /// over: whoever was making a token under it would succeed else, and nothing would lead there. Answers whether the name
    /// is free.
    async fn free(&self, asked: &Asked<'_>, name: RecordName) -> Result<bool> {
        let secret = self.prefix.record(name);
        let is_taken = self.calls.labels(asked, &secret).await?.current == Some(VersionId::of_taken(name));
        if !is_taken {
            self.calls.purge(asked, &secret).await?;
        }
        Ok(!is_taken)
    }

    /// The last state of a deleted token, whose secret is taken back for that.
    async fn exhumed(&self, asked: &Asked<'_>, name: RecordName) -> Result<Option<Record>> {
        let secret = self.prefix.record(name);
        let mut is_restored = false;
        for round in 0..MAX_ROUNDS {
            match self.calls.get(asked, &secret, Which::Current).await? {
                Found::Absent if round > 2 => return Ok(None),
                Found::Absent => {}
                Found::Doomed if self.calls.restore(asked, &secret).await? => is_restored = true,
                Found::Doomed => return Ok(None),
                Found::Value(value) => match value::decode_record(name, &value.bytes)? {
                    (_, Body::Record(_)) if !is_restored => return Err(not_deleted()),
                    // It was scheduled for deletion by somebody else than a vault.
                    (_, Body::Record(_)) => self.bury_for_good(asked, name).await?,
                    // A name that was taken so that nobody makes a token under it.
                    (head, Body::Tombstone(_)) if head.sequence <= 1 => {
                        self.calls.delete(asked, &secret).await?;
                        return Ok(None);
                    }
                    (head, Body::Tombstone(_)) => {
                        if let Some(record) = self.before(asked, name, &head).await? {
                            return Ok(Some(Arc::unwrap_or_clone(record)));
                        }
                    }
                },
            }
            self.calls.pace.back_off(round).await;
        }
        Err(Error::new(ErrorKind::Unavailable, "AWS does not show the token's last value yet").with_hint("try again"))
    }

    async fn bury_for_good(&self, asked: &Asked<'_>, name: RecordName) -> Result<()> {
        let State::Live(record) = self.tokens.read(asked, name).await? else { return Ok(()) };
        let buried = match self.tokens.at(asked, name, record.version).await {
            Ok(held) => self.tokens.bury(asked, name, &held).await,
            Err(error) => Err(error),
        };
        match buried {
            // Somebody else was at it: the next look shows what came of that.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            buried => buried,
        }
    }

    /// The value that a tombstone replaced; `None` where a read does not show it.
    async fn before(&self, asked: &Asked<'_>, name: RecordName, tombstone: &Head) -> Result<Option<Arc<Record>>> {
        let Found::Value(value) = self.calls.get(asked, &self.prefix.record(name), Which::Previous).await? else {
            return Ok(None);
        };
        match value::decode_record(name, &value.bytes)? {
            // A read from before would show the value before that.
            (head, Body::Record(record)) if head.sequence.saturating_add(1) == tombstone.sequence => Ok(Some(record)),
            _ => Ok(None),
        }
    }

    /// Takes a dead name out of every page.
    async fn unlist(&self, asked: &Asked<'_>, name: RecordName) -> Result<()> {
        for _ in 0..MAX_ROUNDS {
            let mut is_done = true;
            for (place, loaded) in self.index.all_leaves(asked).await? {
                let own = loaded.page.entries().iter().filter(|entry| entry.name == name);
                let take_out: Vec<LeftOver> =
                    own.map(|entry| LeftOver { key: entry.key, name, seen: u64::MAX }).collect();
                if take_out.is_empty() {
                    continue;
                }
                let edit = Arc::new(Edit { take_out, is_fence: true, ..Edit::default() });
                is_done &=
                    matches!(self.index.edit(asked, &self.tokens, (&place, loaded), edit).await?, Outcome::Done(_));
            }
            if is_done {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Busy, "the index kept being split").with_hint("try again"))
    }
}

fn not_deleted() -> Error {
    Error::invalid("the token is not deleted").with_hint("`tokenvault list` shows what is there")
}
