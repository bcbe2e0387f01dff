//! What a vault is made of, as it is: pages, tokens, leases, the audit trail's key. Nothing is changed, not even what a read
//! finds to be put right.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::backend::secrets_manager::age::ServiceTime;
use crate::backend::secrets_manager::batch::MOST;
use crate::backend::secrets_manager::calls::{Asked, Found, Value, Which};
use crate::backend::secrets_manager::census::{PageFound, entries};
use crate::backend::secrets_manager::naming::PagePlace;
use crate::backend::secrets_manager::page::{SPLIT_SIZE, SPLIT_WRITES};
use crate::backend::secrets_manager::survey::Trouble;
use crate::backend::secrets_manager::value::{self, Body, MAX_WRITES};
use crate::backend::secrets_manager::version::VersionId;
use crate::backend::secrets_manager::{SecretsManagerBackend, answer};
use crate::backend::tally::Tally;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::operation::{Answer, Context};

const PARALLEL: usize = 16;

/// What there is under a vault's prefix.
#[derive(Debug)]
#[non_exhaustive]
pub struct Look {
    /// The Region that is asked.
    pub region: Option<String>,
    /// The KMS key that the index names; none is the account's `aws/secretsmanager`.
    pub kms_key_id: Option<String>,
    /// Which building of the index is in force.
    pub epoch: u64,
    /// The pages of the index, the root first.
    pub pages: Vec<PageSeen>,
    /// How many names the index lists.
    pub listed: usize,
    /// The tokens, where they were looked at.
    pub tokens: Option<TokensSeen>,
    /// When the key of the audit trail was made; `None` where there is none.
    pub audit_key: Result<Option<KeySeen>>,
    /// By how many milliseconds this machine's clock is ahead of the service's, which tells whole seconds.
    pub clock_ahead: Option<i64>,
}

/// The secret of the audit trail's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySeen {
    /// When it was made, by the service's clock.
    pub created: Option<Timestamp>,
    /// Whether it is scheduled for deletion.
    pub is_doomed: bool,
}

/// A page of the index.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PageSeen {
    /// Its secret.
    pub secret: String,
    /// How many pages are above it.
    pub depth: usize,
    /// Entries; none on a page whose entries are on those below it.
    pub entries: usize,
    /// Bytes of its value.
    pub bytes: usize,
    /// How often it was written within 24 hours.
    pub writes: usize,
    /// Whether its entries are on the pages below it.
    pub is_signpost: bool,
    /// What is wrong with it.
    pub trouble: Option<Trouble>,
    id: Option<VersionId>,
}

impl PageSeen {
    /// A page of more bytes is split before it is written again.
    pub const MAX_BYTES: usize = SPLIT_SIZE;
    /// A page that was written more often within 24 hours is split before it is written again.
    pub const MAX_WRITES: usize = SPLIT_WRITES;
    /// A secret is written no more often than this within 24 hours: AWS keeps about a hundred versions of it.
    pub const QUOTA: usize = MAX_WRITES;
}

/// The secrets of the tokens.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TokensSeen {
    /// Live tokens, and their leases.
    pub tally: Tally,
    /// Names that are listed, of tokens that were deleted: tombstones, and what is scheduled for deletion.
    pub deleted: usize,
    /// Names that are listed and have no secret: one is being made, or was deleted long ago.
    pub vacant: usize,
    /// Secrets that hold no token, or one of a newer format.
    pub unreadable: Vec<String>,
    /// Tokens whose version in force was not written by a vault.
    pub by_hand: Vec<String>,
    /// Tokens that were written more often than three quarters of what AWS allows, and how often.
    pub busy: Vec<(String, usize)>,
    /// How many could not be read, and why the first of them could not.
    pub unread: Option<(usize, Error)>,
    live: Vec<(RecordName, VersionId)>,
}

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The index alone: a call for each of its pages.
    Index,
    /// Every token as well: a call for each, or for twenty of them.
    Tokens,
}

/// Why the service is not asked any more by this look: it was out of reach, after all attempts of a call.
#[derive(Default)]
struct Away(OnceLock<Error>);

impl Away {
    /// What comes of asking, unless it was out of reach already.
    async fn unless<T>(&self, asking: impl Future<Output = Result<T>>) -> Result<T> {
        if let Some(error) = self.0.get() {
            return Err(error.again());
        }
        asking.await.inspect_err(|error| {
            if error.kind() == ErrorKind::Unavailable {
                let _ = self.0.set(error.again());
            }
        })
    }
}

impl SecretsManagerBackend {
    /// Looks at what there is. Changes nothing, and takes no right but GetSecretValue; of the audit trail's key only
    /// DescribeSecret tells, which may be missing. Where the service goes out of reach meanwhile, what was not asked by then is
    /// not asked any more, and counts as not read.
    ///
    /// # Errors
    /// `NotFound` where there is no vault; else as a read of the index's root has them.
    pub async fn look(&self, context: &Context, depth: Depth) -> Result<Answer<Look>> {
        let asked = Asked::new(context);
        let clock_ahead = self.clock_ahead(&asked).await.map_err(|error| error.with_store(self))?;
        let tree = self.census().tree(&asked).await.map_err(|error| error.with_store(self))?;
        let Some(PageFound::Whole(root)) = tree.get(&PagePlace::root()) else {
            // In the words of everybody else who meets it.
            let unread = self.index.read_listed(&asked, &PagePlace::root()).await.err().unwrap_or_else(passing);
            return Err(unread.with_store(self));
        };
        let (names, away): (BTreeSet<RecordName>, _) =
            (entries(&tree).iter().map(|entry| entry.name).collect(), Away::default());
        let mut look = Look {
            region: self.region(),
            kms_key_id: root.page.kms_key_id.clone(),
            epoch: root.page.epoch,
            pages: tree.iter().map(|(place, found)| self.page_seen(place, found)).collect(),
            listed: names.len(),
            tokens: None,
            audit_key: away.unless(self.audit_key_seen(&asked)).await,
            clock_ahead,
        };
        look.pages.sort_by(|one, other| (one.depth, &one.secret).cmp(&(other.depth, &other.secret)));
        if depth == Depth::Tokens {
            look.tokens = Some(self.tokens_seen(&asked, names, (&away, clock_ahead.unwrap_or_default())).await);
        }
        Ok(answer(look, asked))
    }

    /// Which of the pages and tokens that were seen have an old version in force, by the names of their secrets. Two calls for
    /// each.
    ///
    /// # Errors
    /// As the reads have them.
    pub async fn set_back(&self, context: &Context, look: &Look) -> Result<Answer<Vec<String>>> {
        let asked = Asked::new(context);
        let pages = look.pages.iter().filter_map(|page| Some((page.secret.clone(), page.id.clone()?)));
        let tokens = look.tokens.iter().flat_map(|tokens| &tokens.live);
        let secrets: Vec<_> = pages.chain(tokens.map(|(name, id)| (self.prefix.record(*name), id.clone()))).collect();
        let census = self.census();
        let asks = secrets.into_iter().map(|(secret, id)| {
            let (asked, census) = (&asked, &census);
            async move {
                let is_set_back = census.is_set_back(asked, &secret, &id).await;
                is_set_back.map(|is_set_back| is_set_back.then_some(secret))
            }
        });
        let found: Vec<Option<String>> = stream::iter(asks).buffered(PARALLEL).try_collect().await?;
        Ok(answer(found.into_iter().flatten().collect(), asked))
    }

    /// The root is asked for, so that where there is no vault the first answer says so.
    async fn clock_ahead(&self, asked: &Asked<'_>) -> Result<Option<i64>> {
        let (secret, time) = (self.prefix.index(), ServiceTime::default());
        let call = || {
            let call = self.calls.client.get_secret_value().secret_id(&secret);
            call.customize().interceptor(time.clone()).send()
        };
        if let Err(fault) = self.calls.ask(asked, "GetSecretValue", false, call).await {
            let error = fault.explained();
            if error.kind() == ErrorKind::Unavailable {
                return Err(error);
            }
            return Err(self.index.read_listed(asked, &PagePlace::root()).await.err().unwrap_or(error));
        }
        let own = i64::try_from(self.calls.pace.now().as_millis()).unwrap_or(i64::MAX);
        // Date has whole seconds: on average it is half of one behind.
        Ok(time.get().map(|told| own.saturating_sub(told.saturating_add(500))))
    }

    fn page_seen(&self, place: &PagePlace, found: &PageFound) -> PageSeen {
        let secret = self.prefix.page(place);
        let unseen = |trouble| PageSeen {
            secret: secret.clone(),
            depth: place.digits().len(),
            entries: 0,
            bytes: 0,
            writes: 0,
            is_signpost: false,
            trouble: Some(trouble),
            id: None,
        };
        let loaded = match found {
            PageFound::Whole(loaded) => loaded,
            PageFound::Missing => return unseen(Trouble::PageMissing),
            PageFound::Doomed => return unseen(Trouble::PageDoomed),
            PageFound::Unreadable => return unseen(Trouble::PageUnreadable),
        };
        let trouble = match loaded {
            _ if loaded.page.is_closed(place) => Some(Trouble::PageClosed),
            _ if loaded.head.id != loaded.id => Some(Trouble::ByHand),
            _ => None,
        };
        PageSeen {
            entries: loaded.page.entries().len(),
            bytes: value::encode_page(&loaded.head, place, &loaded.page).len(),
            writes: loaded.head.writes.count(self.calls.pace.now()),
            is_signpost: loaded.page.is_signpost(),
            id: Some(loaded.id.clone()),
            trouble,
            ..unseen(Trouble::ByHand)
        }
    }

    async fn audit_key_seen(&self, asked: &Asked<'_>) -> Result<Option<KeySeen>> {
        let described = self.calls.describe(asked, &self.prefix.audit_key()).await?;
        Ok(described.map(|told| KeySeen { created: told.created, is_doomed: told.is_doomed }))
    }

    async fn tokens_seen(
        &self,
        asked: &Asked<'_>,
        names: BTreeSet<RecordName>,
        (away, clock_ahead): (&Away, i64),
    ) -> TokensSeen {
        let names: Vec<RecordName> = names.into_iter().collect();
        let size = if self.calls.are_batches_granted() { MOST } else { 1 };
        let batches: Vec<Vec<RecordName>> = names.chunks(size).map(<[RecordName]>::to_vec).collect();
        let found = stream::iter(batches).map(|names| self.found(asked, names, away)).buffered(PARALLEL);
        let mut found = std::pin::pin!(found);
        let (mut seen, now) = (TokensSeen::default(), self.calls.pace.now());
        while let Some(found) = found.next().await {
            for (name, found) in found {
                self.count(&mut seen, name, found, (now, clock_ahead));
            }
        }
        seen
    }

    /// What is under these names, at most twenty: together where that may be, and what did not come of it one by one.
    async fn found(&self, asked: &Asked<'_>, names: Vec<RecordName>, away: &Away) -> Vec<(RecordName, Result<Found>)> {
        let secrets: Vec<String> = names.iter().map(|name| self.prefix.record(*name)).collect();
        let mut together = match names.len() {
            0 | 1 => None,
            _ if !self.calls.are_batches_granted() || away.0.get().is_some() => None,
            _ => self.calls.get_batch(asked, &secrets).await,
        }
        .unwrap_or_default();
        let mut all = Vec::with_capacity(names.len());
        for (name, secret) in names.into_iter().zip(&secrets) {
            let found = match together.remove(secret) {
                Some(Ok(found)) => Ok(found),
                Some(Err(_)) | None => away.unless(self.calls.get(asked, secret, Which::Current)).await,
            };
            all.push((name, found));
        }
        all
    }

    fn count(
        &self,
        seen: &mut TokensSeen,
        name: RecordName,
        found: Result<Found>,
        (now, clock_ahead): (Timestamp, i64),
    ) {
        let Value { id, bytes, written } = match found {
            Ok(Found::Value(value)) => value,
            Ok(Found::Doomed) => return seen.deleted += 1,
            Ok(Found::Absent) => return seen.vacant += 1,
            Err(error) => {
                let before = seen.unread.take();
                let (count, first) = before.unwrap_or((0, error));
                seen.unread = Some((count + 1, first));
                return;
            }
        };
        let secret = self.prefix.record(name);
        let (head, record) = match value::decode_record(name, &bytes) {
            Ok((head, Body::Record(record))) => (head, record),
            Ok((_, Body::Tombstone(_))) => return seen.deleted += 1,
            Err(_) => return seen.unreadable.push(secret),
        };
        // A lease counts from when the service says that it was written.
        seen.tally.add(&record, written.map(|at| moved(at, clock_ahead)), now);
        let writes = head.writes.count(now);
        if writes > MAX_WRITES / 4 * 3 {
            seen.busy.push((secret.clone(), writes));
        }
        if head.id != id {
            seen.by_hand.push(secret);
        }
        seen.live.push((name, id));
    }
}

/// A moment of the service's clock by this machine's.
fn moved(at: Timestamp, ahead: i64) -> Timestamp {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX).saturating_add(ahead);
    Timestamp::from_millis(u64::try_from(millis).unwrap_or_default())
}

fn passing() -> Error {
    Error::new(ErrorKind::Busy, "the index was being changed while it was read").with_hint("run the same command again")
}
