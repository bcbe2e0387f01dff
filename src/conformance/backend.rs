//! What every backend promises: the contract of [`Backend`], part by part.
#![expect(clippy::expect_used, reason = "these are the assertions of tests")]

use std::sync::Arc;

use tokio::sync::Barrier;

use crate::backend::{Backend, Candidates, Change, Claim, Commit};
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::fields::{Field, Fields};
use crate::identity::{Lineage, RecordName, Version};
use crate::lookup::{LookupKey, LookupKind};
use crate::operation::Context;
use crate::record::{Record, Writer};
use crate::secret::SecretText;

pub(super) type Shared = Arc<dyn Backend>;

/// A record in its first state: of this user, with this access token.
pub(super) fn record(user: &str, access: &str) -> Arc<Record> {
    let mut fields = Fields::new();
    fields.set(Field::UserName, Some(SecretText::new(user)));
    fields.set(Field::AccessToken, Some(SecretText::new(access)));
    Arc::new(Record {
        name: RecordName::random().expect("the system has randomness"),
        version: Version::first().expect("the system has randomness"),
        fields: Arc::new(fields),
        ids: Vec::new(),
        adopted: Vec::new(),
        lineage: Lineage::first().expect("the system has randomness"),
        longest_life: None,
        first_refresh: None,
        created_at: Timestamp::from_micros(1_700_000_000_000_001),
        saved_at: Timestamp::from_micros(1_700_000_000_000_002),
        writer: Writer::Save,
        lease: None,
    })
}

/// The next state of `record`, with this access token.
pub(super) fn next(record: &Record, access: &str) -> Arc<Record> {
    let mut fields = Fields::clone(&record.fields);
    fields.set(Field::AccessToken, Some(SecretText::new(access)));
    let version = record.version.next().expect("the system has randomness");
    Arc::new(Record { version, fields: Arc::new(fields), ..record.clone() })
}

pub(super) fn insert(record: &Arc<Record>) -> Change {
    Change { name: record.name, expected: None, value: Some(Arc::clone(record)) }
}

pub(super) fn replace(old: &Record, new: &Arc<Record>) -> Change {
    Change { name: old.name, expected: Some(old.version), value: Some(Arc::clone(new)) }
}

pub(super) fn remove(old: &Record) -> Change {
    Change { name: old.name, expected: Some(old.version), value: None }
}

pub(super) fn user_key(user: &str) -> LookupKey {
    LookupKey::new(LookupKind::User, user)
}

pub(super) async fn commit(backend: &Shared, changes: Vec<Change>, claims: Vec<Claim>) -> Result<(), ErrorKind> {
    let answer = backend.commit(&Context::new(), Commit { changes, claims }).await;
    answer.map(|answer| answer.value).map_err(|error| error.kind())
}

/// A commit that must fail with `Conflict`, and change nothing.
pub(super) async fn conflicts(backend: &Shared, changes: Vec<Change>, claims: Vec<Claim>) {
    let before = versions(backend).await;
    assert_eq!(commit(backend, changes, claims).await, Err(ErrorKind::Conflict));
    assert_eq!(versions(backend).await, before, "a refused commit changes nothing");
}

pub(super) async fn read(backend: &Shared, name: RecordName) -> Option<Arc<Record>> {
    backend.read(&Context::new(), name).await.expect("a read does not fail").value
}

pub(super) async fn resolve(backend: &Shared, keys: &[LookupKey]) -> Candidates {
    backend.resolve(&Context::new(), keys).await.expect("a lookup does not fail").value
}

pub(super) async fn clear(backend: &Shared) -> usize {
    backend.clear(&Context::new()).await.expect("a clear does not fail").value
}

/// What is listed: names and versions, sorted.
pub(super) async fn versions(backend: &Shared) -> Vec<(RecordName, Version)> {
    let listed = backend.list(&Context::new()).await.expect("a list does not fail").value;
    let mut versions: Vec<_> = listed.iter().map(|record| (record.name, record.version)).collect();
    versions.sort_unstable();
    versions
}

/// The claim that rests on what a key resolves to now.
pub(super) async fn claim(backend: &Shared, key: LookupKey) -> Claim {
    let names = resolve(backend, &[key]).await.by_key.into_iter().next().expect("an answer for each key");
    Claim { key, names }
}

/// An empty backend has no record, by name, key or list.
pub async fn an_empty_backend_has_nothing(backend: &Shared) {
    assert!(read(backend, record("u", "a").name).await.is_none());
    let found = resolve(backend, &[user_key("u")]).await;
    assert_eq!((found.by_key, found.records.len()), (vec![Vec::new()], 0));
    assert!(versions(backend).await.is_empty());
    assert_eq!(clear(backend).await, 0);
}

/// A record comes back in every part as it was committed.
pub async fn a_record_is_read_back_in_every_part(backend: &Shared) {
    let mut fields = Fields::new();
    for field in Field::ALL {
        fields.set(field, Some(SecretText::new(&format!("{},\"\r\n\0😀", field.name()))));
    }
    let full = Arc::new(Record {
        fields: Arc::new(fields),
        version: Version { sequence: 77, nonce: [3; 16] },
        ids: ["17", "../"].map(Arc::from).to_vec(),
        adopted: [4, 5].map(|byte| RecordName::from_bytes([byte; 16])).to_vec(),
        lineage: Lineage { counter: 5, nonce: [9; 8] },
        first_refresh: Some(SecretText::new("first")),
        writer: Writer::Import,
        ..Record::clone(&record("u", "a"))
    });
    assert_eq!(commit(backend, vec![insert(&full)], Vec::new()).await, Ok(()));
    let by_name = read(backend, full.name).await;
    let by_key = resolve(backend, &[LookupKey::new(LookupKind::Id, "../")]).await.records.pop();
    for back in [by_name, by_key] {
        let back = back.expect("the record is there");
        assert_eq!((back.name, back.version, back.lineage), (full.name, full.version, full.lineage));
        assert_eq!((&back.ids, &back.adopted, back.writer), (&full.ids, &full.adopted, full.writer));
        assert_eq!((back.created_at, back.saved_at), (full.created_at, full.saved_at));
        assert!(back.fields == full.fields && back.first_refresh == full.first_refresh);
    }
}

/// An insert over a record that exists is a conflict.
pub async fn an_insert_expects_absence(backend: &Shared) {
    let old = record("u", "a");
    assert_eq!(commit(backend, vec![insert(&old)], Vec::new()).await, Ok(()));
    conflicts(backend, vec![insert(&next(&old, "b"))], Vec::new()).await;
    conflicts(backend, vec![Change { value: None, ..insert(&old) }], Vec::new()).await;
}

/// A change names the version it replaces; an older one, a newer one, or a twin of the same number is a conflict.
pub async fn a_change_expects_its_version(backend: &Shared) {
    let first = record("u", "a");
    let second = next(&first, "b");
    conflicts(backend, vec![replace(&first, &second)], Vec::new()).await;
    assert_eq!(commit(backend, vec![insert(&first)], Vec::new()).await, Ok(()));
    assert_eq!(commit(backend, vec![replace(&first, &second)], Vec::new()).await, Ok(()));
    let twin = next(&first, "c");
    assert_eq!(twin.version.sequence, second.version.sequence);
    let third = next(&second, "d");
    for stale in [&first, &twin, &third] {
        conflicts(backend, vec![replace(stale, &third)], Vec::new()).await;
        conflicts(backend, vec![remove(stale)], Vec::new()).await;
    }
    assert_eq!(commit(backend, vec![replace(&second, &third)], Vec::new()).await, Ok(()));
    assert_eq!(read(backend, first.name).await.map(|record| record.version), Some(third.version));
}

/// A deleted record is gone from name, key and list, and what expected it conflicts.
pub async fn a_deleted_record_is_gone(backend: &Shared) {
    let (old, other) = (record("u", "a"), record("v", "b"));
    assert_eq!(commit(backend, vec![insert(&old), insert(&other)], Vec::new()).await, Ok(()));
    assert_eq!(commit(backend, vec![remove(&old)], Vec::new()).await, Ok(()));
    assert!(read(backend, old.name).await.is_none());
    assert!(resolve(backend, &old.lookup_keys()).await.records.is_empty());
    assert_eq!(versions(backend).await, [(other.name, other.version)]);
    conflicts(backend, vec![replace(&old, &next(&old, "c"))], Vec::new()).await;
    conflicts(backend, vec![remove(&old)], Vec::new()).await;
}

/// All changes of a commit take effect.
pub async fn a_commit_of_many_records_takes_effect_as_a_whole(backend: &Shared) {
    let many: Vec<_> = (0..1000_u32).map(|number| record(&number.to_string(), "a")).collect();
    assert_eq!(commit(backend, many.iter().map(insert).collect(), Vec::new()).await, Ok(()));
    assert_eq!(versions(backend).await.len(), 1000);
    let (kept, gone) = many.split_at(500);
    let new: Vec<_> = kept.iter().map(|old| next(old, "b")).collect();
    let mut changes: Vec<_> = kept.iter().zip(&new).map(|(old, new)| replace(old, new)).collect();
    changes.extend(gone.iter().map(|old| remove(old)));
    assert_eq!(commit(backend, changes, Vec::new()).await, Ok(()));
    let mut expected: Vec<_> = new.iter().map(|record| (record.name, record.version)).collect();
    expected.sort_unstable();
    assert_eq!(versions(backend).await, expected);
}

/// One expectation that fails, first or last, keeps all changes from happening.
pub async fn a_commit_of_many_records_fails_as_a_whole(backend: &Shared) {
    let (one, two, three) = (record("u", "a"), record("v", "b"), record("w", "c"));
    assert_eq!(commit(backend, vec![insert(&one), insert(&two)], Vec::new()).await, Ok(()));
    let stale = replace(&next(&two, "x"), &next(&two, "y"));
    let good = [replace(&one, &next(&one, "z")), insert(&three), remove(&one)];
    for good in good {
        conflicts(backend, vec![good.clone(), stale.clone()], Vec::new()).await;
        conflicts(backend, vec![stale.clone(), good], Vec::new()).await;
    }
    assert!(read(backend, three.name).await.is_none());
    assert!(resolve(backend, &[user_key("w")]).await.records.is_empty());
}

/// A clear deletes everything, says how much, and what expected a record of before conflicts.
pub async fn a_clear_deletes_everything(backend: &Shared) {
    let old: Vec<_> = (0..20_u32).map(|number| record(&number.to_string(), "a")).collect();
    assert_eq!(commit(backend, old.iter().map(insert).collect(), Vec::new()).await, Ok(()));
    let claim = claim(backend, user_key("3")).await;
    assert_eq!(clear(backend).await, 20);
    assert!(versions(backend).await.is_empty());
    for record in &old {
        assert!(read(backend, record.name).await.is_none());
        assert!(resolve(backend, &record.lookup_keys()).await.records.is_empty());
        conflicts(backend, vec![replace(record, &next(record, "b"))], Vec::new()).await;
    }
    let new = record("3", "b");
    conflicts(backend, vec![insert(&new)], vec![claim]).await;
    assert_eq!(commit(backend, vec![insert(&new)], Vec::new()).await, Ok(()));
    assert_eq!(versions(backend).await, [(new.name, new.version)]);
}

/// Of 32 commits at once that expect one version, one takes effect.
pub async fn of_many_commits_on_one_version_one_wins(backend: &Shared) {
    let old = record("u", "a");
    assert_eq!(commit(backend, vec![insert(&old)], Vec::new()).await, Ok(()));
    let rivals: Vec<_> = (0..32_u32).map(|number| next(&old, &number.to_string())).collect();
    let commits = rivals.iter().map(|new| (vec![replace(&old, new)], Vec::new())).collect();
    assert_one_wins(std::slice::from_ref(backend), commits).await;
    let stands = read(backend, old.name).await.expect("the record is there");
    assert!(rivals.iter().any(|rival| rival.version == stands.version && rival.fields == stands.fields));
}

/// Makes these commits at once, over these handles in turn; exactly one must succeed, the others conflict.
pub(super) async fn assert_one_wins(handles: &[Shared], commits: Vec<(Vec<Change>, Vec<Claim>)>) {
    let start = Arc::new(Barrier::new(commits.len()));
    let mut running = Vec::new();
    for ((changes, claims), handle) in commits.into_iter().zip(handles.iter().cycle()) {
        let (handle, start) = (Arc::clone(handle), Arc::clone(&start));
        running.push(tokio::spawn(async move {
            start.wait().await;
            commit(&handle, changes, claims).await
        }));
    }
    let mut won = 0;
    for rival in running {
        match rival.await.expect("a commit does not panic") {
            Ok(()) => won += 1,
            Err(kind) => assert_eq!(kind, ErrorKind::Conflict),
        }
    }
    assert_eq!(won, 1);
}
