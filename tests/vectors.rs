//! The file format's vectors, through the public face: what was written once must open for ever. And the other way
//! round: a vault written now is left, with its description, for the Python reader (tests/vectors/read.py).
#![cfg(feature = "file")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::backend::{Backend, Change, Commit};
use tokenvault::clock::Timestamp;
use tokenvault::crypto::kdf::KdfCost;
use tokenvault::error::ErrorKind;
use tokenvault::fields::{Field, Fields};
use tokenvault::identity::{Lineage, RecordName, Version};
use tokenvault::operation::Context;
use tokenvault::record::{Record, Writer};
use tokenvault::secret::SecretText;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn described(name: &str) -> Value {
    serde_json::from_slice(&fs::read(vectors().join(name).with_extension("json")).unwrap()).unwrap()
}

/// A copy that only its owner may use: what a working copy of the repository is not.
fn private_copy(name: &str, folder: &TempDir) -> PathBuf {
    let copy = folder.path().join(name);
    fs::copy(vectors().join(name), &copy).unwrap();
    fs::set_permissions(&copy, Permissions::from_mode(0o600)).unwrap();
    copy
}

/// A record in the words of the vectors' descriptions.
fn words(record: &Record) -> Value {
    let fields: Map<String, Value> =
        record.fields.present().map(|(field, text)| (field.name().to_owned(), json!(text.expose()))).collect();
    let mut words = json!({
        "name": record.name.to_string(),
        "version": { "sequence": record.version.sequence, "nonce": HEXLOWER.encode(&record.version.nonce) },
        "lineage": { "counter": record.lineage.counter, "nonce": HEXLOWER.encode(&record.lineage.nonce) },
        "created_at": record.created_at.as_micros(),
        "saved_at": record.saved_at.as_micros(),
        "writer": match record.writer { Writer::Save => "save", Writer::Import => "import" },
        "ids": record.ids.iter().map(|id| id.to_string()).collect::<Vec<_>>(),
        "fields": fields,
        "first_refresh": record.first_refresh.as_ref().map(SecretText::expose),
    });
    // The first vectors' descriptions do not know it.
    if let Some(life) = record.longest_life {
        words.as_object_mut().unwrap().insert("longest_life".to_owned(), json!(life.as_secs()));
    }
    words
}

async fn records(backend: &FileBackend) -> Value {
    let mut records = backend.list(&Context::default()).await.unwrap().value;
    records.sort_by_key(|record| record.name.to_string());
    records.iter().map(|record| words(record)).collect()
}

async fn assert_as_described(options: FileOptions, described: &Value) {
    let backend = FileBackend::open(options).unwrap();
    assert_eq!(records(&backend).await, described["records"]);
    let found = backend.verify(&Context::default()).await.unwrap();
    assert_eq!(
        json!([found.generation, found.frames, found.bytes]),
        json!([described["generation"], described["frames"], described["bytes"]])
    );
    assert_eq!(found.torn_bytes, described["torn_bytes"].as_u64().unwrap_or(0));
}

#[tokio::test]
async fn the_key_file_vector_opens_to_what_was_written() {
    let folder = TempDir::new().unwrap();
    let described = described("v1-keyfile");
    let key = KeySource::KeyFile(private_copy("v1-keyfile.key", &folder));
    assert_as_described(FileOptions::new(private_copy("v1-keyfile.tv", &folder), key), &described).await;
}

#[tokio::test]
async fn of_the_vector_in_parts_only_what_is_closed_counts() {
    let folder = TempDir::new().unwrap();
    let described = described("v1-parts");
    assert!(described["torn_bytes"].as_u64().unwrap() > 0);
    let key = KeySource::KeyFile(private_copy("v1-parts.key", &folder));
    assert_as_described(FileOptions::new(private_copy("v1-parts.tv", &folder), key), &described).await;
}

#[tokio::test]
async fn the_passphrase_vector_opens_to_what_was_written() {
    let folder = TempDir::new().unwrap();
    let described = described("v1-passphrase");
    let key = KeySource::Passphrase(SecretText::new(described["passphrase"].as_str().unwrap()));
    assert_as_described(FileOptions::new(private_copy("v1-passphrase.tv", &folder), key), &described).await;
}

#[tokio::test]
async fn a_vector_can_be_written_on() {
    let folder = TempDir::new().unwrap();
    let key = KeySource::KeyFile(private_copy("v1-keyfile.key", &folder));
    let options = FileOptions::new(private_copy("v1-keyfile.tv", &folder), key);
    let context = Context::default();

    let vault = Vault::new(Arc::new(FileBackend::open(options.clone()).unwrap()));
    let found = vault.find_token_by_id(&context, "1").await.unwrap().value.unwrap();
    assert_eq!(found.get(Field::RefreshToken).unwrap().expose(), "1000.r2");
    let mut refreshed =
        found.as_ref().clone().with(Field::AccessToken, "1000.a3").with(Field::ExpiresIn, "1795400000000");
    vault.save_token(&context, &mut refreshed).await.unwrap();
    drop(vault);

    let vault = Vault::new(Arc::new(FileBackend::open(options).unwrap()));
    let found = vault.find_token_by_id(&context, "../2").await.unwrap().value.unwrap();
    assert_eq!(found.get(Field::AccessToken).unwrap().expose(), "1000.a3");
    assert_eq!(vault.get_tokens(&context).await.unwrap().value.len(), 3);
}

#[test]
fn the_other_vectors_key_opens_neither() {
    let folder = TempDir::new().unwrap();
    let key = KeySource::KeyFile(private_copy("v1-keyfile.key", &folder));
    let options = FileOptions::new(private_copy("v1-passphrase.tv", &folder), key);
    assert_eq!(FileBackend::open(options).unwrap_err().kind(), ErrorKind::WrongKey);
}

/// A vault with a life behind it: two users, an id that was brought, a refresh, a deletion, a new data key.
async fn live(options: FileOptions) -> FileBackend {
    let cost = KdfCost { memory_kib: KdfCost::MIN_MEMORY_KIB, passes: 2, lanes: 2 };
    let backend = Arc::new(FileBackend::create(options.clone(), cost).unwrap());
    let vault = Vault::new(backend.clone());
    let context = Context::default();
    let client = OAuthToken::new().with(Field::ClientId, "1000.CLIENT").with(Field::ClientSecret, "sëcret");
    let mut ada = client.clone().with(Field::UserName, "ada").with(Field::RefreshToken, "1000.r1").with_id("brought");
    vault.save_token(&context, &mut ada).await.unwrap();
    let mut gone = client.clone().with(Field::UserName, "gone").with(Field::AccessToken, "1000.gone");
    vault.save_token(&context, &mut gone).await.unwrap();
    assert!(vault.delete_token(&context, gone.id().unwrap()).await.unwrap().value);
    backend.rotate_key(&context).await.unwrap();
    let long = "long".repeat(2100);
    let record = |user| {
        let fields = [(Field::UserName, user), (Field::AccessToken, &*long)];
        let token = fields.into_iter().fold(client.clone(), |token, (field, text)| token.with(field, text));
        record_of(token.fields())
    };
    let records = [record("many"), record("at once")];
    let changes = records.map(|value| Change { name: value.name, expected: None, value: Some(Arc::new(value)) });
    backend.commit(&context, Commit { changes: changes.to_vec(), claims: Vec::new() }).await.unwrap();
    let mut zoe = client.with(Field::UserName, "Zoë 😀").with(Field::GrantToken, "1000.grant");
    vault.save_token(&context, &mut zoe).await.unwrap();
    ada.set(Field::RefreshToken, Some(SecretText::new("1000.r2")));
    vault.save_token(&context, &mut ada).await.unwrap();
    drop((vault, backend));
    let backend = FileBackend::open(options).unwrap();
    let found = backend.verify(&context).await.unwrap();
    assert!(found.frames > 2, "the reader is to meet a record that was written over");
    backend
}

/// As an import makes it, without a user's id.
fn record_of(fields: &Fields) -> Record {
    let at = Timestamp::from_millis(1_795_400_000_000);
    Record {
        name: RecordName::random().unwrap(),
        version: Version::first().unwrap(),
        fields: Arc::new(fields.clone()),
        ids: Vec::new(),
        adopted: Vec::new(),
        lineage: Lineage::first().unwrap(),
        longest_life: Some(Duration::from_secs(3600)),
        first_refresh: None,
        created_at: at,
        saved_at: at,
        writer: Writer::Import,
        lease: None,
    }
}

/// Leaves the vault's description beside it, for `read.py FOLDER`.
async fn describe(backend: &FileBackend, name: &str, key: Value) {
    let found = backend.verify(&Context::default()).await.unwrap();
    let records = records(backend).await;
    assert_eq!(records.as_array().map(Vec::len), Some(4));
    let mut described = json!({
        "vault": format!("{name}.tv"),
        "generation": found.generation,
        "frames": found.frames,
        "bytes": found.bytes,
        "records": records,
    });
    described.as_object_mut().unwrap().extend(key.as_object().unwrap().clone());
    write(&left_for_python().join(name).with_extension("json"), described.to_string().as_bytes());
}

fn left_for_python() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("vectors")
}

#[allow(clippy::disallowed_methods, reason = "a test's own files")]
fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Makes room for a new vault: what an earlier run left goes.
fn room_for(name: &str) -> PathBuf {
    fs::create_dir_all(left_for_python()).unwrap();
    let path = left_for_python().join(name).with_extension("tv");
    assert!(fs::remove_file(&path).is_ok() || !path.exists());
    path
}

#[tokio::test]
async fn a_vault_under_a_key_file_is_left_for_the_python_reader() {
    let path = room_for("fresh-keyfile");
    write(&path.with_extension("key"), &[0x6B; 32]);
    let backend = live(FileOptions::new(&path, KeySource::KeyFile(path.with_extension("key")))).await;
    describe(&backend, "fresh-keyfile", json!({ "key_file": "fresh-keyfile.key" })).await;
    #[cfg(feature = "audit")]
    leave_trail(Arc::new(backend), &path.with_extension("audit")).await;
}

/// The trail of two handles, for read_audit.py.
#[cfg(feature = "audit")]
async fn leave_trail(backend: Arc<FileBackend>, path: &Path) {
    use tokenvault::audit::file_sink::AuditFile;
    use tokenvault::audit::keys::Keys;
    use tokenvault::audit::recorder::{Recorder, RecorderOptions};
    use tokenvault::backend::audit_key::AuditKeySource;
    use tokenvault::layer::audit::Audited;

    assert!(fs::remove_file(path).is_ok() || !path.exists());
    let context = Context::new().with_principal("Zoë \u{1b} \"😀\"");
    let keys = Keys::derive(&backend.audit_key(&context).await.unwrap()).unwrap();
    for user in ["ada", "nobody"] {
        let recorder = Recorder::new(Arc::new(AuditFile::new(path)), keys.clone(), RecorderOptions::default());
        let store = Audited::new(Arc::new(Vault::new(Arc::clone(&backend) as _)), Arc::new(recorder));
        let mut wanted = OAuthToken::new().with(Field::UserName, user);
        assert_eq!(store.find_token(&context, &mut wanted).await.unwrap().value, user == "ada");
        assert!(!store.delete_token(&context, "not there").await.unwrap().value);
    }
}

#[tokio::test]
async fn a_vault_under_a_passphrase_is_left_for_the_python_reader() {
    let path = room_for("fresh-passphrase");
    let backend = live(FileOptions::new(&path, KeySource::Passphrase(SecretText::new("pässphrase")))).await;
    describe(&backend, "fresh-passphrase", json!({ "passphrase": "pässphrase" })).await;
}
