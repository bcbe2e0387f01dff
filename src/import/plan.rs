//! What each row of an import means, and the one commit that writes all of it.

use std::fmt;
use std::sync::Arc;

use crate::backend::{Claim, Commit};
use crate::error::{Error, ErrorKind, Result};
use crate::fields::{Field, Fields};
use crate::identity::{Beginning, RecordName};
use crate::import::overlay::{Entry, Overlay};
use crate::import::reserved::Reserved;
use crate::import::row::{Refusal, Row, Rows};
use crate::import::summary::{Effect, Merge, Summary};
use crate::intake;
use crate::lookup::{LookupKey, LookupKind};
use crate::matching;
use crate::merging;
use crate::operation::{Context, Operation};
use crate::record::{Record, Writer, token_keys};
use crate::vault::Vault;

/// What becomes of the ids of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ids {
    /// They lead to the tokens, as they did in the source. A row whose id belongs to another user or client is refused.
    #[default]
    Keep,
    /// They are dropped: rows mean tokens as a save without an id does, and new tokens get ids of the vault's making.
    New,
}

/// How to import.
#[derive(Clone, Copy, Default)]
pub struct ImportOptions<'a> {
    /// What becomes of the ids.
    pub ids: Ids,
    /// Also write over tokens that something else than an import has written since.
    pub overwrite: bool,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// Import the other rows where some are refused, instead of nothing.
    pub skip_refused: bool,
    /// Told how many rows are decided, of how many. It starts again where others write meanwhile.
    pub progress: Option<&'a (dyn Fn(usize, usize) + Sync)>,
}

impl fmt::Debug for ImportOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportOptions")
            .field("ids", &self.ids)
            .field("overwrite", &self.overwrite)
            .field("dry_run", &self.dry_run)
            .field("skip_refused", &self.skip_refused)
            .finish_non_exhaustive()
    }
}

/// Imports `source`: all of it in one commit, or nothing. How whole a commit is that is broken off is the backend's to
/// say; after one over AWS Secrets Manager, a second import goes on where it ended.
///
/// Rows are taken in their order, each as a save of an import. A row with an id that is stored means that token, unless
/// only one of the two names a user or client and they have no token in common: a second file has the ids 1, 2, 3 again.
/// Else one of the same user and client means that token, or one that the rules of matching find and that has a token in
/// common with the row; the row's id leads there too. Else it is a new token. A token that anything but an import has written since is kept as it is, unless told otherwise: whoever imports
/// at every start puts no old token over a newer one. A token that was deleted since is new again: an import brings in
/// what the source holds. The second import of a source with `--ids keep` writes nothing.
///
/// Where a row is refused, nothing is imported unless told otherwise; that is the summary's to say, see
/// [`Summary::check`].
///
/// # Errors
/// `Busy` where others kept writing to the same tokens; else as the store has them. None of them changes anything.
pub async fn import(vault: &Vault, context: &Context, source: &Rows, options: &ImportOptions<'_>) -> Result<Summary> {
    run(vault, context, source, options).await.map_err(vault.explain(Operation::Import))
}

async fn run(vault: &Vault, context: &Context, source: &Rows, options: &ImportOptions<'_>) -> Result<Summary> {
    let keys: Vec<RowKeys> = source.rows.iter().map(|row| RowKeys::of(row, options.ids)).collect();
    let mut round = 0;
    loop {
        vault.check_round(context, round)?;
        let Known { overlay, reserved, mut claims } = known(vault, context, &source.rows, &keys, options.ids).await?;
        let (beginnings, fates) = (Beginning::draw_many(keys.len())?, Vec::with_capacity(keys.len()));
        let planner = Planner { vault, options, overlay, reserved, beginnings, fates };
        let (summary, overlay, reserved) = planner.plan(source, &keys)?;
        reserved.settle(&mut claims);
        let changes = overlay.into_changes();
        if summary.effect != Effect::Imported {
            return Ok(summary);
        }
        // Without changes: what the rows were found to be in the vault already must be there to stay.
        let commit = if changes.is_empty() { Commit::default() } else { Commit { changes, claims } };
        match vault.backend().commit(context, commit).await {
            Ok(_) => return Ok(summary),
            Err(error) if error.kind() == ErrorKind::Conflict => round += 1,
            Err(error) => return Err(error),
        }
    }
}

/// What the vault holds that the rows have to do with.
struct Known {
    /// Every record that they could mean or collide with.
    overlay: Overlay,
    reserved: Reserved,
    /// That this is all of them.
    claims: Vec<Claim>,
}

async fn known(vault: &Vault, context: &Context, rows: &[Row], keys: &[RowKeys], ids: Ids) -> Result<Known> {
    let backend = vault.backend();
    let mut keys: Vec<LookupKey> =
        keys.iter().flat_map(|keys| keys.id.iter().chain(&keys.of_fields)).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    let mut found = backend.resolve(context, &keys).await?.value;
    if ids == Ids::Keep {
        for name in rows.iter().filter_map(|row| RecordName::parse(&row.id)) {
            found.records.extend(backend.read(context, name).await?.value);
        }
    }
    let mut more: Vec<LookupKey> = found.records.iter().filter_map(|record| late_owner_key(record)).collect();
    more.retain(|key| keys.binary_search(key).is_err());
    more.sort_unstable();
    more.dedup();
    let owners = backend.resolve(context, &more).await?.value;
    found.records.extend(owners.records);
    found.by_key.extend(owners.by_key);
    keys.extend(more);
    let reserved = Reserved::of(&keys, &found);
    let claims = keys.into_iter().zip(found.by_key).map(|(key, names)| Claim { key, names }).collect();
    Ok(Known { overlay: Overlay::new(found.records, rows.len()), reserved, claims })
}

/// The lookup keys of a row, made once: each is a hash.
struct RowKeys {
    /// Of its id, where that counts.
    id: Option<LookupKey>,
    /// As [`matching::keys`] has them.
    of_fields: Vec<LookupKey>,
}

impl RowKeys {
    fn of(row: &Row, ids: Ids) -> Self {
        let id = (ids == Ids::Keep).then(|| LookupKey::new(LookupKind::Id, &row.id));
        Self { id, of_fields: matching::keys(&row.fields) }
    }

    /// Those of the new record that the row's fields make.
    fn of_new(&self, fields: &Fields) -> Vec<LookupKey> {
        let of_user = if fields.get(Field::UserName).is_some() { &self.of_fields[..] } else { &[] };
        let mut keys: Vec<LookupKey> = self.id.into_iter().chain(of_user.iter().copied()).collect();
        keys.extend(token_keys(fields, None));
        keys
    }
}

/// A record of a user without a client can get one from a row that does not name the user. Then it must not meet
/// another record of both.
fn late_owner_key(record: &Record) -> Option<LookupKey> {
    let user = record.fields.text(Field::UserName).filter(|_| record.fields.get(Field::ClientId).is_none())?;
    Some(LookupKey::new(LookupKind::User, user))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    New,
    Updated,
    Merged(Option<usize>),
    Unchanged,
    Kept,
}

/// Takes the rows one by one, in memory.
struct Planner<'a, B> {
    vault: &'a Vault,
    options: &'a ImportOptions<'a>,
    overlay: Overlay,
    reserved: Reserved,
    /// For the rows that are new.
    beginnings: B,
    fates: Vec<(usize, RecordName, Fate)>,
}

impl<B: Iterator<Item = Beginning>> Planner<'_, B> {
    fn plan(mut self, source: &Rows, keys: &[RowKeys]) -> Result<(Summary, Overlay, Reserved)> {
        let mut summary =
            Summary { skipped: source.skipped.clone(), refused: source.refused.clone(), ..Summary::default() };
        for (done, (row, keys)) in (1..).zip(source.rows.iter().zip(keys)) {
            match self.take(row, keys) {
                Ok((name, fate)) => {
                    self.fates.push((row.line, name, fate));
                    summary.looks_like_seconds.extend(intake::looks_like_seconds(&row.fields).then_some(row.line));
                }
                // The messages of these are fixed sentences, as every error's.
                Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Ambiguous) => {
                    summary.refused.push(Refusal::new(row.line, error.message().to_owned()));
                }
                Err(error) => return Err(error),
            }
            if let Some(progress) = self.options.progress {
                progress(done, source.rows.len());
            }
        }
        summary.refused.sort_by_key(|refusal| refusal.line);
        summary.effect = match self.options {
            ImportOptions { skip_refused: false, .. } if !summary.refused.is_empty() => Effect::Stopped,
            ImportOptions { dry_run: true, .. } => Effect::DryRun,
            _ => Effect::Imported,
        };
        self.tell(&mut summary);
        Ok((summary, self.overlay, self.reserved))
    }

    fn tell(&self, summary: &mut Summary) {
        for (line, name, fate) in &self.fates {
            let is_written = self.overlay.get(*name).is_some_and(Entry::is_changed);
            match fate {
                Fate::Kept => summary.kept.push(*line),
                Fate::Unchanged => summary.unchanged.push(*line),
                // Rows of one token that end where it was before.
                _ if !is_written => summary.unchanged.push(*line),
                Fate::New => summary.new.push(*line),
                Fate::Updated => summary.updated.push(*line),
                Fate::Merged(earlier) => summary.merged.push(Merge { line: *line, earlier: *earlier }),
            }
        }
    }

    fn take(&mut self, row: &Row, keys: &RowKeys) -> Result<(RecordName, Fate)> {
        let id = match self.options.ids {
            Ids::Keep => Some(&row.id),
            Ids::New => None,
        };
        intake::check(id.map(|id| &**id), &row.fields)?;
        if let Some(entry) = self.target(row, keys)? {
            let (record, earlier) = (Arc::clone(&entry.record), entry.line);
            return self.update(&record, id, row, earlier);
        }
        intake::check_insert(&row.fields)?;
        let beginning = self.beginnings.next().map_or_else(Beginning::draw, Ok)?;
        let mut record = merging::first_state(beginning, &row.fields, id.cloned(), Writer::Import, self.vault.tick());
        let reserved = self.reserved.take(keys.id.iter().chain(&keys.of_fields).copied());
        record.name = reserved.unwrap_or(record.name);
        let name = record.name;
        self.overlay.put_new(record, &keys.of_new(&row.fields), row.line);
        Ok((name, Fate::New))
    }

    fn target(&self, row: &Row, keys: &RowKeys) -> Result<Option<&Entry>> {
        let (fields, of_fields) = (&row.fields, &keys.of_fields);
        let Some(id_key) = keys.id else {
            return self.overlay.for_save(fields, of_fields);
        };
        let Some(entry) = self.overlay.by_id(&row.id, id_key) else {
            let own = self.overlay.by_owner(fields, of_fields);
            return Ok(own.or_else(|| self.overlay.with_common_token(fields, of_fields)));
        };
        if matching::contradicts(fields, &entry.record) {
            return Err(Error::invalid("the row's id belongs to another user or client"));
        }
        if matching::is_unproven(fields, &entry.record) {
            return Err(Error::invalid(
                "the row's id belongs to a token that may be another user's: one of the two names no user or client, and \
                 they have no token in common",
            ));
        }
        Ok(Some(entry))
    }

    fn update(
        &mut self,
        old: &Record,
        id: Option<&Arc<str>>,
        row: &Row,
        earlier: Option<usize>,
    ) -> Result<(RecordName, Fate)> {
        let next = self.next(old, &row.fields)?;
        let is_kept = next.is_none();
        // Kept: nothing of it changes but the ids, also not when and by what it was written.
        let mut next = next.map_or_else(|| Ok(Record { version: old.version.next()?, ..old.clone() }), Ok)?;
        self.check_owner(old, &next)?;
        let new_id = id.filter(|id| !old.has_id(id));
        next.ids.extend(new_id.cloned());
        let is_changed = new_id.is_some() || next.fields != old.fields;
        if is_changed {
            self.overlay.put_over(next);
        }
        if is_kept {
            return Ok((old.name, Fate::Kept));
        }
        self.overlay.set_line(old.name, row.line);
        let fate = match (earlier, new_id, is_changed) {
            (Some(_), _, _) | (None, Some(_), _) => Fate::Merged(earlier),
            (None, None, true) => Fate::Updated,
            (None, None, false) => Fate::Unchanged,
        };
        Ok((old.name, fate))
    }

    /// The record with the row over it; `None` where it is kept.
    fn next(&self, old: &Record, given: &Fields) -> Result<Option<Record>> {
        let now = self.vault.tick();
        if self.options.overwrite {
            return merging::overwritten_state(given, old, Writer::Import, now).map(Some);
        }
        if old.writer != Writer::Import {
            return Ok(None);
        }
        let merged = merging::next_state(given, None, old, Writer::Import, now)?;
        Ok((!merged.is_superseded).then_some(merged.record))
    }

    fn check_owner(&self, old: &Record, next: &Record) -> Result<()> {
        let is_taken = !matching::is_same_owner(&old.fields, &next.fields)
            && self.overlay.by_owner(&next.fields, &matching::keys(&next.fields)).is_some();
        if is_taken { Err(Error::invalid("another token is of this user and client already")) } else { Ok(()) }
    }
}
