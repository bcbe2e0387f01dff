//! Copying every token of one store into another: names, ids, sign-ins and versions stay as they are, so a sealed file is
//! also the backup of a vault in AWS.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::backend::{Backend, Change, Claim, Commit};
use crate::claims::{self, Standing};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::{RecordName, Version};
use crate::operation::Context;
use crate::record::Record;
use crate::record_codec;

/// Tokens of one commit: a store in AWS writes each page of its index once for all of them.
const BATCH: usize = 100;

/// How often a single token is tried again that others stand in the way of.
const MAX_ROUNDS: usize = 4;

/// How to copy.
#[derive(Clone, Copy, Default)]
pub struct CopyOptions<'a> {
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// Told how many tokens are decided, of how many.
    pub progress: Option<&'a (dyn Fn(usize, usize) + Sync)>,
}

impl fmt::Debug for CopyOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyOptions").field("dry_run", &self.dry_run).finish_non_exhaustive()
    }
}

/// What became of each token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "tokens that could not be copied are told of here, not by an error"]
pub struct CopyReport {
    /// Tokens that the target had not.
    pub new: usize,
    /// Tokens that the target had in an older state.
    pub updated: usize,
    /// Tokens that the target has just so.
    pub unchanged: usize,
    /// Ids of tokens that the target has in a newer state, and keeps.
    pub kept: Vec<Arc<str>>,
    /// Tokens that stand against something else in the target. It was left as it is.
    pub conflicts: Vec<CopyConflict>,
    /// Ids of tokens that were changed in one of the two while they were copied.
    pub changed_meanwhile: Vec<Arc<str>>,
    /// How many tokens the source has.
    pub in_source: usize,
    /// How many tokens the target has, its own among them.
    pub in_target: usize,
    /// Of all that was copied or was there, as it is in both: the first 16 hexadecimal digits of a SHA-256. None of a
    /// dry run.
    pub fingerprint: Option<String>,
}

/// A token that was not copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyConflict {
    /// Its id.
    pub id: Arc<str>,
    /// Why, in a few words.
    pub reason: &'static str,
}

/// Copies every token of `from` into `to`. What is there already is not written again, so what was broken off is taken up
/// by a second copy. Nothing in `to` is overwritten by an older state, or by one that does not follow from it.
///
/// At the end both are read again and compared.
///
/// # Errors
/// `Damaged` where the target does not hold what was written; else as the stores have them.
pub async fn copy(
    from: &dyn Backend,
    to: &dyn Backend,
    context: &Context,
    options: &CopyOptions<'_>,
) -> Result<CopyReport> {
    let of_source = |error: Error| error.with_store(&from);
    let of_target = |error: Error| error.with_store(&to);
    let mut source = from.list(context).await.map_err(of_source)?.value;
    source.sort_unstable_by_key(|record| (record.created_at, record.name));
    let held = by_name(to.list(context).await.map_err(of_target)?.value);
    let copier = Copier { to, context, options, total: source.len(), done: AtomicUsize::new(0) };
    let mut report = CopyReport { in_source: source.len(), in_target: held.len(), ..CopyReport::default() };
    copier.all(&source, &held, &mut report).await.map_err(of_target)?;
    if !options.dry_run {
        let source = by_name(from.list(context).await.map_err(of_source)?.value);
        let target = by_name(to.list(context).await.map_err(of_target)?.value);
        compare(&source, &target, &mut report).map_err(of_target)?;
    }
    Ok(report)
}

type ByName = HashMap<RecordName, Arc<Record>>;

fn by_name(records: Vec<Arc<Record>>) -> ByName {
    records.into_iter().map(|record| (record.name, record)).collect()
}

/// How a state of the source stands to the one of the same name in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Newer,
    Same,
    Older,
    /// Both were changed apart from each other.
    Apart,
}

fn age(source: &Record, target: &Record) -> Age {
    if source.version == target.version {
        return Age::Same;
    }
    let is_later = |one: &Record, other: &Record| {
        let is_later_sign_in = one.lineage == other.lineage || one.lineage.counter > other.lineage.counter;
        is_later_sign_in && one.version.sequence > other.version.sequence && one.saved_at >= other.saved_at
    };
    match (is_later(source, target), is_later(target, source)) {
        (true, _) => Age::Newer,
        (_, true) => Age::Older,
        _ => Age::Apart,
    }
}

/// A token to be written, and the version it replaces.
struct Write {
    record: Arc<Record>,
    expected: Option<Version>,
}

enum Fate {
    Written,
    Conflict(&'static str),
    /// Somebody else wrote; look again.
    Crossed,
}

struct Copier<'a> {
    to: &'a dyn Backend,
    context: &'a Context,
    options: &'a CopyOptions<'a>,
    total: usize,
    done: AtomicUsize,
}

impl Copier<'_> {
    async fn all(&self, source: &[Arc<Record>], held: &ByName, report: &mut CopyReport) -> Result<()> {
        let mut writes = Vec::new();
        for record in source {
            let conflict = |reason| CopyConflict { id: record.id(), reason };
            match held.get(&record.name).map(|target| (age(record, target), target.version)) {
                None => writes.push(Write { record: Arc::clone(record), expected: None }),
                Some((Age::Newer, expected)) => {
                    writes.push(Write { record: Arc::clone(record), expected: Some(expected) });
                }
                Some((Age::Same, _)) => report.unchanged += 1,
                Some((Age::Older, _)) => report.kept.push(record.id()),
                Some((Age::Apart, _)) => {
                    report.conflicts.push(conflict("both states were changed, apart from each other"));
                }
            }
        }
        self.advance(self.total.saturating_sub(writes.len()));
        for batch in writes.chunks(BATCH) {
            self.batch(batch, report).await?;
            self.advance(batch.len());
        }
        Ok(())
    }

    fn advance(&self, more: usize) {
        let done = self.done.fetch_add(more, Ordering::Relaxed) + more;
        if let Some(progress) = self.options.progress {
            progress(done, self.total);
        }
    }

    async fn batch(&self, batch: &[Write], report: &mut CopyReport) -> Result<()> {
        let (mut commit, mut fit) = (Commit::default(), Vec::new());
        for write in batch {
            match claims::standing(self.to, self.context, &write.record, false).await? {
                Standing::Free(claims, _) => {
                    add(&mut commit, write, claims);
                    fit.push(write);
                }
                Standing::Taken(_, reason) => report.conflicts.push(conflict(write, reason.said())),
            }
        }
        if self.options.dry_run || self.commit(commit).await? {
            fit.iter().for_each(|write| count(write, report));
            return Ok(());
        }
        for write in fit {
            match self.one(write).await? {
                None => count(write, report),
                Some(reason) => report.conflicts.push(conflict(write, reason)),
            }
        }
        Ok(())
    }

    /// Writes one token by itself. Answers why not, where it cannot be.
    async fn one(&self, write: &Write) -> Result<Option<&'static str>> {
        for _ in 0..MAX_ROUNDS {
            match self.try_one(write).await? {
                Fate::Written => return Ok(None),
                Fate::Conflict(reason) => return Ok(Some(reason)),
                Fate::Crossed => {}
            }
        }
        Ok(Some("it was deleted there, or somebody is signing in as its user"))
    }

    async fn try_one(&self, write: &Write) -> Result<Fate> {
        let held = self.to.read(self.context, write.record.name).await?.value;
        match held.as_ref().map(|held| age(&write.record, held)) {
            Some(Age::Same) => return Ok(Fate::Written),
            Some(Age::Older | Age::Apart) => return Ok(Fate::Conflict("it was changed there meanwhile")),
            Some(Age::Newer) | None => {}
        }
        let claims = match claims::standing(self.to, self.context, &write.record, false).await? {
            Standing::Free(claims, _) => claims,
            Standing::Taken(_, reason) => return Ok(Fate::Conflict(reason.said())),
        };
        let write = Write { record: Arc::clone(&write.record), expected: held.map(|held| held.version) };
        let mut commit = Commit::default();
        add(&mut commit, &write, claims);
        Ok(if self.commit(commit).await? { Fate::Written } else { Fate::Crossed })
    }

    /// Answers whether it took effect.
    async fn commit(&self, commit: Commit) -> Result<bool> {
        if commit.changes.is_empty() {
            return Ok(true);
        }
        match self.to.commit(self.context, commit).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn add(commit: &mut Commit, write: &Write, claims: Vec<Claim>) {
    let (name, value) = (write.record.name, Some(Arc::clone(&write.record)));
    commit.changes.push(Change { name, expected: write.expected, value });
    // Two clients of one user share a key; what it leads to was read twice.
    let is_new = |claim: &Claim| !commit.claims.iter().any(|other| other.key == claim.key);
    let new: Vec<Claim> = claims.into_iter().filter(is_new).collect();
    commit.claims.extend(new);
}

fn conflict(write: &Write, reason: &'static str) -> CopyConflict {
    CopyConflict { id: write.record.id(), reason }
}

fn count(write: &Write, report: &mut CopyReport) {
    match write.expected {
        Some(_) => report.updated += 1,
        None => report.new += 1,
    }
}

/// Compares what both hold of the tokens that were to be the same.
fn compare(source: &ByName, target: &ByName, report: &mut CopyReport) -> Result<()> {
    let apart: BTreeSet<&str> =
        report.kept.iter().chain(report.conflicts.iter().map(|conflict| &conflict.id)).map(AsRef::as_ref).collect();
    let mut names: Vec<RecordName> = source.keys().copied().collect();
    names.sort_unstable();
    let (mut of_source, mut of_target, mut changed) = (Sha256::new(), Sha256::new(), Vec::new());
    for name in names {
        let Some(record) = source.get(&name).filter(|record| !apart.contains(&*record.id())) else { continue };
        match target.get(&name).filter(|held| held.version == record.version) {
            Some(held) => {
                digest(&mut of_source, record);
                digest(&mut of_target, held);
            }
            None => changed.push(record.id()),
        }
    }
    report.changed_meanwhile = changed;
    (report.in_source, report.in_target) = (source.len(), target.len());
    let (of_source, of_target) = (of_source.finalize(), of_target.finalize());
    if of_source != of_target {
        return Err(Error::damaged("the target holds something else than was written")
            .with_hint("run the same command again; if it stays, look into what else writes to the target"));
    }
    report.fingerprint = HEXLOWER.encode(&of_source).get(..16).map(str::to_owned);
    Ok(())
}

fn digest(hash: &mut Sha256, record: &Record) {
    let bytes = record_codec::encode(record);
    hash.update(record.name.as_bytes());
    hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(&*bytes);
}
