//! Moving a vault to another KMS key, while it is in use.
//!
//! First the root of the index, then every other page: their secrets, and what they say the key is. From then on new
//! tokens come under the new key, and those that are being made under the old one are listed, since an entry is written
//! before its secret. Then the key of the audit trail and the tokens, until a pass over all finds nothing to move.
//!
//! Giving a secret another key makes no version, so no save is lost, none counts against the quota of versions, and what
//! was broken off is simply begun again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::backend::secrets_manager::calls::{Asked, Calls};
use crate::backend::secrets_manager::index::Index;
use crate::backend::secrets_manager::key_report::{CURRENT, KeyReport, Progress, is_elsewhere};
use crate::backend::secrets_manager::line::Loaded;
use crate::backend::secrets_manager::lost::{page_doomed, page_missing};
use crate::backend::secrets_manager::naming::{PagePlace, Prefix};
use crate::backend::secrets_manager::page::Page;
use crate::backend::secrets_manager::tokens::Tokens;
use crate::backend::secrets_manager::upkeep_calls::{Changed, ListedVersion};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;

const PARALLEL: usize = 16;

/// How often all is looked at while others make tokens; each time something was moved.
const MAX_PASSES: u32 = 32;

/// How often a page is written that others write, too.
const MAX_ROUNDS: u32 = 64;

/// How often is looked again for what a read may not show yet.
const MAX_LOOKS: u32 = 6;

/// One change of the key, under way.
pub(super) struct KeyChange<'a> {
    pub(super) index: &'a Index,
    pub(super) tokens: &'a Tokens,
    pub(super) prefix: &'a Prefix,
    /// The new key.
    pub(super) key: &'a str,
    pub(super) progress: Progress<'a>,
}

/// One look at everything.
struct Pass<'a> {
    /// The new key as AWS words it.
    told: &'a str,
    /// What was moved before: a read may still show it as it was.
    moved: &'a BTreeSet<String>,
    looks: Mutex<Looks>,
}

/// What was looked at, and what was changed.
#[derive(Default)]
struct Looks {
    /// Each secret, and whether it is scheduled for deletion.
    secrets: BTreeMap<String, bool>,
    changed: BTreeSet<String>,
}

impl Pass<'_> {
    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn saw(&self, secret: String, is_doomed: bool) {
        self.looks().secrets.insert(secret, is_doomed);
    }

    fn changed(&self, secret: &str) {
        self.looks().changed.insert(secret.to_owned());
    }
}

impl KeyChange<'_> {
    fn calls(&self) -> &Calls {
        &self.index.calls
    }

    /// Moves everything. Answers what is under other keys all the same.
    pub(super) async fn run(&self, asked: &Asked<'_>) -> Result<KeyReport> {
        let mut moved = BTreeSet::new();
        let told = self.move_root(asked, &mut moved).await?;
        let mut report = KeyReport::default();
        let secrets = loop {
            report.passes += 1;
            let pass = Pass { told: &told, moved: &moved, looks: Mutex::default() };
            let Looks { secrets, changed } = self.pass(asked, pass).await?;
            let is_over = changed.is_empty();
            moved.extend(changed);
            if is_over {
                break secrets;
            }
            if report.passes == MAX_PASSES {
                return Err(Error::new(ErrorKind::Busy, "others kept making tokens under the old key")
                    .with_hint("run the same command again"));
            }
        };
        report.moved = moved.len();
        self.survey(asked, secrets, &mut report).await?;
        Ok(report)
    }

    /// Puts the root's secret under the new key, and writes into it which key that is. Answers the key as AWS words it.
    async fn move_root(&self, asked: &Asked<'_>, moved: &mut BTreeSet<String>) -> Result<String> {
        let (root, calls) = (PagePlace::root(), self.calls());
        self.index.read_listed(asked, &root).await?;
        let secret = self.index.secret(&root);
        let before = calls.describe(asked, &secret).await?.and_then(|told| told.kms_key_id);
        if before.as_deref() != Some(self.key) {
            match calls.set_key(asked, &secret, self.key).await? {
                Changed::Done => drop(moved.insert(secret.clone())),
                Changed::Absent => return Err(page_missing(&secret)),
                Changed::Doomed => return Err(page_doomed(&secret)),
            }
        }
        let mut told = before.clone();
        // A read may show the key from before; and the key may have another name there.
        for look in 0..MAX_LOOKS {
            told = calls.describe(asked, &secret).await?.and_then(|told| told.kms_key_id);
            if told.as_deref() == Some(self.key) || told != before {
                break;
            }
            calls.pace.back_off(look + 3).await;
        }
        self.write_key(asked, &root).await?;
        told.ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "AWS does not show the new key yet").with_hint("try again")
        })
    }

    /// Writes the new key into a page: nobody who read the page before writes it then. Answers whether that was news.
    async fn write_key(&self, asked: &Asked<'_>, place: &PagePlace) -> Result<(Loaded, bool)> {
        for round in 0..MAX_ROUNDS {
            let loaded = self.index.read_listed(asked, place).await?;
            if loaded.page.kms_key_id.as_deref() == Some(self.key) {
                return Ok((loaded, round > 0));
            }
            let page = Page { kms_key_id: Some(self.key.to_owned()), ..loaded.page.clone() };
            if let Some(stands) = self.index.put(asked, place, &loaded, page).await? {
                return Ok((stands, true));
            }
            self.calls().pace.back_off(round.min(4)).await;
        }
        Err(Error::new(ErrorKind::Busy, "others kept writing to the same page of the index").with_hint("try again"))
    }

    /// Looks at everything once, and moves what is not under the new key.
    async fn pass(&self, asked: &Asked<'_>, pass: Pass<'_>) -> Result<Looks> {
        let (mut names, mut open) = (BTreeSet::new(), vec![PagePlace::root()]);
        while !open.is_empty() {
            let look = |place: PagePlace| self.move_page(asked, &pass, place);
            let level = stream::iter(std::mem::take(&mut open)).map(look).buffer_unordered(PARALLEL);
            for (place, loaded) in level.try_collect::<Vec<_>>().await? {
                if loaded.page.is_signpost() {
                    open.extend((0..16).map(|digit| place.child(digit, loaded.page.epoch)));
                }
                names.extend(loaded.page.entries().iter().map(|entry| entry.name));
            }
        }
        self.move_audit_key(asked, &pass).await?;
        let (done, total) = (AtomicUsize::new(0), names.len());
        let (pass_over, done) = (&pass, &done);
        let look = |name| async move {
            let moved = self.move_token(asked, pass_over, name).await;
            (self.progress)(done.fetch_add(1, Ordering::Relaxed) + 1, total);
            moved
        };
        stream::iter(names).map(look).buffer_unordered(PARALLEL).try_collect::<()>().await?;
        Ok(pass.looks.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    async fn move_page(&self, asked: &Asked<'_>, pass: &Pass<'_>, place: PagePlace) -> Result<(PagePlace, Loaded)> {
        self.index.read_listed(asked, &place).await?;
        self.move_secret(asked, pass, self.index.secret(&place)).await?;
        let (loaded, is_news) = self.write_key(asked, &place).await?;
        if is_news {
            pass.changed(&self.index.secret(&place));
        }
        if !loaded.page.is_signpost() {
            // A split that is under way, or was broken off, has made pages that nothing leads to so far.
            let ahead = (0..16).map(|digit| place.child(digit, loaded.page.epoch));
            let look = |child: PagePlace| async move {
                if self.move_secret(asked, pass, self.index.secret(&child)).await? == Looked::Moved {
                    self.write_key(asked, &child).await?;
                }
                Ok::<_, Error>(())
            };
            stream::iter(ahead).map(look).buffer_unordered(PARALLEL).try_collect::<()>().await?;
        }
        Ok((place, loaded))
    }

    /// Where there is none it is made, so that whoever is about to make it under the old key finds this one.
    async fn move_audit_key(&self, asked: &Asked<'_>, pass: &Pass<'_>) -> Result<()> {
        let secret = self.prefix.audit_key();
        if self.move_secret(asked, pass, secret.clone()).await? == Looked::Absent {
            pass.changed(&secret);
            if self.calls().make_audit_key(asked, &secret, Some(self.key)).await?.is_none() {
                // Somebody has made it, and the next pass looks at it: not before it shows.
                self.calls().pace.catch_up(MAX_LOOKS).await;
            }
        }
        Ok(())
    }

    /// A name that is listed and has no secret is taken, so that who is about to make one under the old key begins anew.
    async fn move_token(&self, asked: &Asked<'_>, pass: &Pass<'_>, name: RecordName) -> Result<()> {
        let secret = self.prefix.record(name);
        for look in 0..MAX_LOOKS {
            if self.move_secret(asked, pass, secret.clone()).await? != Looked::Absent {
                return Ok(());
            }
            self.calls().pace.back_off(look).await;
        }
        pass.changed(&secret);
        match self.tokens.bar(asked, name).await {
            // Somebody has made it: the next pass looks at it.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            barred => barred,
        }
    }

    async fn move_secret(&self, asked: &Asked<'_>, pass: &Pass<'_>, secret: String) -> Result<Looked> {
        let Some(described) = self.calls().describe(asked, &secret).await? else { return Ok(Looked::Absent) };
        let is_there = described.kms_key_id.as_deref() == Some(pass.told) || pass.moved.contains(&secret);
        if is_there || described.is_doomed {
            pass.saw(secret, described.is_doomed);
            return Ok(Looked::Left);
        }
        let looked = match self.calls().set_key(asked, &secret, self.key).await? {
            Changed::Done => {
                pass.changed(&secret);
                Looked::Moved
            }
            Changed::Absent => return Ok(Looked::Absent),
            Changed::Doomed => Looked::Left,
        };
        pass.saw(secret, looked == Looked::Left);
        Ok(looked)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looked {
    Absent,
    Left,
    Moved,
}

impl KeyChange<'_> {
    /// Looks at the versions of every secret, those as well that nothing leads to any more, and moves once more what AWS
    /// has not encrypted anew.
    async fn survey(&self, asked: &Asked<'_>, secrets: BTreeMap<String, bool>, report: &mut KeyReport) -> Result<()> {
        let mut secrets = secrets;
        for part in ["audit-key", "index", "token"] {
            let listed = self.calls().secrets(asked, &format!("{}/{part}", self.prefix)).await?;
            report.has_listed = listed.is_some();
            for secret in listed.unwrap_or_default().into_iter().filter(|secret| self.prefix.owns(&secret.name)) {
                secrets.entry(secret.name).or_insert(secret.is_doomed);
            }
        }
        report.secrets = secrets.len();
        let new = self.key_of_root(asked).await?;
        let (done, total, is_hopeless) = (AtomicUsize::new(0), secrets.len(), AtomicBool::new(false));
        let look = |(secret, is_doomed): (String, bool)| {
            let (new, done, is_hopeless) = (&new, &done, &is_hopeless);
            async move {
                let mut versions = self.calls().versions(asked, &secret).await?;
                if !is_doomed && is_stuck(&versions, new) {
                    versions = self.move_again(asked, &secret, new, is_hopeless).await?;
                }
                (self.progress)(done.fetch_add(1, Ordering::Relaxed) + 1, total);
                Ok::<_, Error>((versions, is_doomed))
            }
        };
        let mut looked = stream::iter(secrets).map(look).buffer_unordered(PARALLEL);
        while let Some((versions, is_doomed)) = looked.try_next().await? {
            report.count(&versions, is_doomed, &new);
        }
        Ok(())
    }

    /// Moves what is still under another key. A listing may show it as it was; where it stays so, the caller may not
    /// encrypt under the new key, and that holds for the others as well.
    async fn move_again(
        &self,
        asked: &Asked<'_>,
        secret: &str,
        new: &[String],
        is_hopeless: &AtomicBool,
    ) -> Result<Vec<ListedVersion>> {
        self.calls().set_key(asked, secret, self.key).await?;
        for look in 0..MAX_LOOKS {
            let versions = self.calls().versions(asked, secret).await?;
            if !is_stuck(&versions, new) || is_hopeless.load(Ordering::Relaxed) {
                return Ok(versions);
            }
            self.calls().pace.back_off(look + 3).await;
        }
        is_hopeless.store(true, Ordering::Relaxed);
        self.calls().versions(asked, secret).await
    }

    /// The new key as listings of versions name it: that of the root's current value, which was written under it.
    async fn key_of_root(&self, asked: &Asked<'_>) -> Result<Vec<String>> {
        let root = PagePlace::root();
        for look in 0..MAX_LOOKS {
            let current = self.index.read_listed(asked, &root).await?.id;
            let versions = self.calls().versions(asked, &self.index.secret(&root)).await?;
            if let Some(version) = versions.into_iter().find(|version| version.id == current.as_str()) {
                return Ok(version.keys);
            }
            self.calls().pace.back_off(look).await;
        }
        Err(Error::new(ErrorKind::Unavailable, "AWS does not list the version of the index that it answers with")
            .with_hint("run the same command again"))
    }
}

fn is_stuck(versions: &[ListedVersion], new: &[String]) -> bool {
    let is_current = |version: &ListedVersion| version.labels.iter().any(|label| label == CURRENT);
    versions.iter().any(|version| is_current(version) && is_elsewhere(version, new))
}
