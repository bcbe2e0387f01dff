//! What the library prints, logs, panics with and writes to disk.

use std::error::Error as _;
use std::fmt::{Debug, Write as _};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokenvault::audit::facts::{Facts, Subject};
use tokenvault::audit::keys::Keys;
use tokenvault::audit::line::Ending;
use tokenvault::audit::query::{Calls, Filter};
use tokenvault::audit::read::pieces;
use tokenvault::backend::audit_key::AuditKey;
use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::backend::{Backend, Change, Claim, Commit};
use tokenvault::crypto::kdf::KdfCost;
use tokenvault::error::Result;
use tokenvault::fields::Field;
use tokenvault::identity::RecordName;
use tokenvault::lookup::{LookupKey, LookupKind};
use tokenvault::operation::Context;
use tokenvault::record_codec;
use tokenvault::secret::SecretText;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::canary::{self, Wanted};
use crate::{files, layers, write};

const CHEAP: KdfCost = KdfCost { memory_kib: KdfCost::MIN_MEMORY_KIB, passes: 1, lanes: 1 };

/// Everything that was printed so far.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl io::Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Printed {
    fn debug(&self, thing: &dyn Debug) {
        let mut text = format!("{thing:?}\n{thing:#?}\n");
        text.write_char('\n').unwrap();
        self.0.lock().unwrap().extend_from_slice(text.as_bytes());
    }

    /// An error in every way that there is to print it.
    fn error<T: Debug>(&self, outcome: Result<T>) {
        let error = outcome.as_ref().expect_err("this is refused");
        self.debug(error);
        let mut text = format!("{error} {error:#} {:?} {:?} {:?}\n", error.hint(), error.store(), error.message());
        let mut cause = error.source();
        while let Some(inner) = cause {
            writeln!(text, "{inner} {inner:?}").unwrap();
            cause = inner.source();
        }
        self.0.lock().unwrap().extend_from_slice(text.as_bytes());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| outcome.unwrap()));
        assert!(panicked.is_err());
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    /// From now on, everything that is logged or panicked with in this process comes here.
    fn listen(&self) {
        let (log, panics) = (self.clone(), self.clone());
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || log.clone()).init();
        std::panic::set_hook(Box::new(move |panic| {
            let _ = writeln!(io::stderr(), "{panic}");
            panics.debug(&(panic.to_string(), panic.payload_as_str()));
        }));
    }
}

struct Scene {
    folder: TempDir,
    printed: Printed,
    texts: [(Field, String); 9],
    passphrases: [String; 2],
}

impl Scene {
    fn new() -> Self {
        let mut random = fastrand::Rng::new();
        let printed = Printed::default();
        printed.listen();
        let texts = canary::texts(&mut random);
        let passphrases = [canary::secret(&mut random), canary::secret(&mut random)];
        Self { folder: TempDir::new().unwrap(), printed, texts, passphrases }
    }

    fn wanted(&self) -> Wanted {
        let texts = self.texts.iter().map(|(_, text)| &**text);
        Wanted::new(texts.chain(self.passphrases.iter().map(|text| &**text)))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn options(&self, passphrase: &str) -> FileOptions {
        FileOptions::new(self.path("vault.tv"), KeySource::Passphrase(SecretText::new(passphrase)))
    }

    fn token(&self) -> OAuthToken {
        self.texts.iter().fold(OAuthToken::new(), |token, (field, text)| token.with(*field, text))
    }

    fn text(&self, field: Field) -> &str {
        self.texts.iter().find(|(own, _)| *own == field).map(|(_, text)| text).unwrap()
    }
}

#[tokio::test]
async fn nothing_that_is_printed_logged_or_written_holds_a_secret() {
    let scene = Scene::new();
    let (file, cx) =
        (Arc::new(FileBackend::create(scene.options(&scene.passphrases[0]), CHEAP).unwrap()), Context::new());
    let memory = Arc::new(MemoryBackend::new());
    for backend in [Arc::clone(&file) as Arc<dyn Backend>, memory] {
        let vault = Vault::new(Arc::clone(&backend));
        vault.save_token(&cx, &mut scene.token()).await.unwrap();
        values(&scene, &vault).await;
        refusals(&scene, &vault).await;
        vault.delete_tokens(&cx).await.unwrap();
        vault.save_token(&cx, &mut scene.token()).await.unwrap();
    }
    let opened = (&*scene.path("vault.tv"), KeySource::Passphrase(SecretText::new(&scene.passphrases[0])));
    layers::used(&scene.token(), scene.folder.path(), opened, |thing| scene.printed.debug(thing)).await;
    whole_files(&scene, &file).await;
    let said = scene.printed.bytes();
    let text = String::from_utf8_lossy(&said);
    let layers = ["Coordinated", "Recorder", "Audited", "Measured", "Unsaved", "Journaled", "Refresher", "Opened"];
    for layer in layers {
        assert!(text.contains(&format!("{layer} {{")) || cfg!(not(feature = "provider")), "no {layer} was printed");
    }
    for part in ["AccessToken", "WrongKey", "Damaged", "was cut off the vault", "panicked", "InvalidInput"] {
        assert!(text.contains(part), "the test has printed what it was to print: no {part}");
    }
    scene.wanted().assert_not_in(&said, "what was printed");
    let written = files(scene.folder.path());
    let names: Vec<_> = written.iter().map(|path| path.file_name().unwrap().to_string_lossy()).collect();
    for part in ["vault.tv", "backup.tv", ".vault.tv.torn-"] {
        assert!(names.iter().any(|name| name.starts_with(part)), "no {part} in {names:?}");
    }
    for path in &written {
        scene.wanted().assert_not_in(&std::fs::read(path).unwrap(), &path.display().to_string());
        scene.wanted().assert_not_in(path.as_os_str().as_encoded_bytes(), "the name of a file");
    }
}

/// Everything that can be printed, with all secrets in it.
async fn values(scene: &Scene, vault: &Vault) {
    let (cx, printed, token) = (Context::new(), &scene.printed, scene.token());
    let mut found = OAuthToken::new().with(Field::UserName, scene.text(Field::UserName));
    assert!(vault.find_token(&cx, &mut found).await.unwrap().value);
    let id = found.id().unwrap().to_owned();
    let record = vault.backend().read(&cx, RecordName::parse(&id).unwrap()).await.unwrap().value.unwrap();
    let key = LookupKey::new(LookupKind::User, scene.text(Field::UserName));
    let digits = key.as_bytes().map(|byte| byte.to_string()).join(", ");
    let change = Change { name: record.name, expected: None, value: Some(Arc::clone(&record)) };
    let claim = Claim { key, names: vec![record.name] };
    let before = printed.bytes().len();
    let printables: [&dyn Debug; 16] = [
        &token,
        &found,
        &found.detached(),
        token.fields(),
        &token.get(Field::AccessToken),
        &vault.find_token_by_id(&cx, &id).await.unwrap(),
        &vault.get_tokens(&cx).await.unwrap(),
        &record,
        &record_codec::decode(record.name, &record_codec::encode(&record)).unwrap(),
        &vault.backend().list(&cx).await.unwrap(),
        &vault.backend().resolve(&cx, &[key]).await.unwrap(),
        &Commit { changes: vec![change], claims: vec![claim] },
        vault,
        vault.backend(),
        &scene.options(&scene.passphrases[0]),
        &KeySource::Passphrase(SecretText::new(&scene.passphrases[0])),
    ];
    for thing in printables {
        printed.debug(thing);
    }
    audit_values(scene);
    assert!(!String::from_utf8_lossy(&printed.bytes()[before..]).contains(&digits), "guessed names can be hashed");
    let other = token.clone().with(Field::AccessToken, "another");
    assert!(std::panic::catch_unwind(|| assert_eq!(token.fields(), other.fields())).is_err());
}

/// Operations that are refused, with all secrets in them.
async fn refusals(scene: &Scene, vault: &Vault) {
    let (cx, printed) = (Context::new(), &scene.printed);
    let mut stored = OAuthToken::new().with(Field::UserName, scene.text(Field::UserName));
    vault.find_token(&cx, &mut stored).await.unwrap();
    let id = stored.id().unwrap().to_owned();
    let secret = scene.text(Field::AccessToken);
    for mut token in [
        OAuthToken::new(),
        OAuthToken::new().with(Field::UserName, scene.text(Field::UserName)).with_id("1"),
        scene.token().with_id(&format!("{secret}\0")),
        scene.token().with_id(&secret.repeat(100)),
        scene.token().with_id("tvaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        scene.token().with(Field::ExpiresIn, secret),
        scene.token().with(Field::AccessToken, &secret.repeat(10_000)),
        scene.token().detached().with(Field::UserName, secret).with_id(&id),
        stored.clone().with_id("another"),
    ] {
        printed.error(vault.save_token(&cx, &mut token).await);
    }
    let two = [("client one", "1"), ("client two", "2")];
    for (client, refresh) in two {
        let mut token = OAuthToken::new()
            .with(Field::UserName, secret)
            .with(Field::ClientId, client)
            .with(Field::RefreshToken, refresh);
        vault.save_token(&cx, &mut token).await.unwrap();
    }
    let mut ambiguous = OAuthToken::new().with(Field::UserName, secret).with(Field::RefreshToken, secret);
    printed.error(vault.save_token(&cx, &mut ambiguous).await);
    vault.delete_token(&cx, &id).await.unwrap();
    printed.error(vault.save_token(&cx, &mut stored).await);
}

/// What an audit trail is made of and read into: an id may be anything, a secret too.
fn audit_values(scene: &Scene) {
    let (id, user) = (scene.text(Field::AccessToken), scene.text(Field::UserName));
    let mut facts = Facts::of(Ending::Ok);
    (facts.token, facts.user) = (Some(id), Some(user));
    let keys = Keys::derive(&AuditKey::new(&[7; 32])).unwrap();
    let mut filter = Filter::default();
    filter.set_token(id, Some(&keys));
    filter.set_user(user, Some(&keys));
    let start = r#"{"v":1,"time":"t","kind":"call","operation":"find_token","outcome":"ok""#;
    let [written_id, written_user] = [id, user].map(serde_json::Value::from);
    let line = format!(
        r#"{start},"token":{written_id},"user":{written_user},"chain":"c","seq":0,"mac":"{}"}}"#,
        "ab".repeat(32)
    );
    let mut calls = Calls::default();
    let before = scene.printed.bytes().len();
    pieces(line.as_bytes(), |piece| {
        scene.printed.debug(&piece);
        scene.printed.debug(&piece.line().unwrap());
        calls.take_piece(piece);
    })
    .unwrap();
    let subjects = [Subject::All, Subject::Id(id), Subject::Token { id: Some(id), user: Some(user) }];
    let printables: [&dyn Debug; 4] = [&subjects, &facts, &filter, &calls];
    for thing in printables {
        scene.printed.debug(thing);
    }
    let said = String::from_utf8(scene.printed.bytes()[before..].to_vec()).unwrap();
    assert!(said.contains("find_token") && said.contains("Filter"), "{said}");
    for text in [id, user] {
        let core: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        let numbers = core.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
        assert!(!said.contains(&core) && !said.contains(&numbers), "{said}");
    }
}

/// A vault's file under wrong keys, torn, damaged, rotated and copied.
async fn whole_files(scene: &Scene, file: &Arc<FileBackend>) {
    let (cx, printed) = (Context::new(), &scene.printed);
    let [first, second] = scene.passphrases.each_ref();
    let by_second = KeySource::Passphrase(SecretText::new(second));
    printed.error(FileBackend::open(scene.options(second)));
    printed.error(FileBackend::open(scene.options("")));
    printed.error(FileBackend::open(scene.options(&first.repeat(5000))));
    write(&scene.path("key-file"), &[1; 31]);
    let wrong_key = KeySource::KeyFile(scene.path("key-file"));
    printed.error(FileBackend::open(FileOptions::new(scene.path("vault.tv"), wrong_key)));
    let vault = Vault::new(Arc::clone(file) as _);
    vault.save_token(&cx, &mut scene.token()).await.unwrap();
    file.rotate_key(&cx).await.unwrap();
    file.change_key(&cx, by_second, CHEAP).await.unwrap();
    file.backup(&cx, &scene.path("backup.tv")).await.unwrap();
    printed.error(file.backup(&cx, &scene.path("backup.tv")).await);
    printed.debug(&file.verify(&cx).await.unwrap());
    vault.save_token(&cx, &mut scene.token().with(Field::ApiDomain, "changed")).await.unwrap();
    // The last frame loses its last bytes: what is left of it is kept beside the vault.
    let bytes = std::fs::read(scene.path("vault.tv")).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    write(&scene.path("vault.tv"), &bytes[..end - 9]);
    let torn = Vault::new(Arc::new(FileBackend::open(scene.options(second)).unwrap()));
    torn.save_token(&cx, &mut scene.token().with(Field::ApiDomain, "again")).await.unwrap();
    printed.error(vault.get_tokens(&cx).await);
    let mut bytes = std::fs::read(scene.path("vault.tv")).unwrap();
    bytes[300] ^= 1;
    write(&scene.path("vault.tv"), &bytes);
    printed.error(FileBackend::open(scene.options(second)));
}
