//! Processes that have one vault open on a simulated disk.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{self, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::backend::file::disk::Disk;
use crate::backend::file::tests::sim_disk::SimDisk;
use crate::backend::file::tests::sim_image::Image;
use crate::backend::file::tests::sim_world::World;
use crate::backend::file::{FileBackend, FileOptions, KeySource, Verification, create};
use crate::backend::{Backend, Change, Commit};
use crate::clock::{ManualClock, Timestamp};
use crate::crypto::kdf::KdfCost;
use crate::error::Result;
use crate::fields::Field;
use crate::identity::Beginning;
use crate::merging;
use crate::operation::Context;
use crate::record::Writer;
use crate::store::TokenStore;
use crate::token::OAuthToken;
use crate::vault::Vault;

/// Which access token each user has.
pub(super) type Contents = BTreeMap<String, String>;

pub(super) const PATH: &str = "/sim/vault.tv";

pub(super) fn contents(pairs: &[(&str, &str)]) -> Contents {
    pairs.iter().map(|(user, access)| ((*user).to_owned(), (*access).to_owned())).collect()
}

/// Scales the sampled rounds.
#[allow(clippy::disallowed_methods, reason = "how long to test is the tester's word")]
pub(super) fn soak() -> usize {
    std::env::var("TOKENVAULT_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread; also while another is being run on it, which tokio refuses.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut task::Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// The keys, the clock, and how long to wait for a lock.
pub(super) struct Scene {
    keys: TempDir,
    pub(super) clock: Arc<ManualClock>,
    pub(super) lock_wait: Duration,
}

impl Scene {
    pub(super) fn new() -> Self {
        let keys = TempDir::new().unwrap();
        for (name, byte) in [("old", 7), ("new", 8)] {
            write_key(&keys.path().join(name), &[byte; 32]);
        }
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
        Self { keys, clock, lock_wait: Duration::ZERO }
    }

    pub(super) fn key(&self, name: &str) -> KeySource {
        KeySource::KeyFile(self.keys.path().join(name))
    }

    pub(super) fn options(&self, path: impl Into<PathBuf>, key: &str) -> FileOptions {
        let (clock, lock_wait) = (Arc::clone(&self.clock), self.lock_wait);
        FileOptions { lock_wait, clock, ..FileOptions::new(path, self.key(key)) }
    }

    pub(super) fn create(&self, disk: &SimDisk) -> Result<()> {
        create::create(disk, &self.options(PATH, "old"), KdfCost::default())
    }

    pub(super) fn open(&self, disk: &Arc<SimDisk>) -> Result<Process> {
        self.open_as(disk, PATH, "old")
    }

    pub(super) fn open_as(&self, disk: &Arc<SimDisk>, path: &str, key: &str) -> Result<Process> {
        self.open_with(disk, self.options(path, key))
    }

    fn open_with(&self, disk: &Arc<SimDisk>, options: FileOptions) -> Result<Process> {
        let (disk, own) = (Arc::clone(disk) as Arc<dyn Disk>, Arc::clone(disk));
        let file = Arc::new(FileBackend::on(options, disk)?);
        Ok(Process { disk: own, vault: Vault::with_clock(Arc::clone(&file) as _, Arc::clone(&self.clock) as _), file })
    }

    /// A vault of these users, each with the access token "first".
    pub(super) fn image(&self, users: &[&str]) -> Image {
        let world = World::default();
        let disk = world.process();
        self.create(&disk).unwrap();
        let process = self.open(&disk).unwrap();
        for user in users {
            process.save(user, "first").unwrap();
        }
        drop(process);
        world.seen()
    }

    pub(super) fn world(&self, users: &[&str]) -> World {
        World::from_image(&self.image(users))
    }

    /// What another process finds in the vault now. It waits for whoever is still tidying up in the background.
    pub(super) fn found(&self, world: &World) -> Contents {
        self.found_by("old", world).unwrap()
    }

    /// The same under one of the two keys.
    pub(super) fn found_by(&self, key: &str, world: &World) -> Result<Contents> {
        let patient = FileOptions { lock_wait: Duration::from_secs(60), ..self.options(PATH, key) };
        self.open_with(&world.process(), patient)?.contents()
    }
}

#[allow(clippy::disallowed_methods, reason = "a test's own files")]
pub(super) fn write_key(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

pub(super) fn token(user: &str, access: &str) -> OAuthToken {
    let token = OAuthToken::new().with(Field::UserName, user).with(Field::ClientId, "client");
    token.with(Field::AccessToken, access)
}

/// A process that has the vault open. Dropping it waits for what it is still writing.
pub(super) struct Process {
    pub(super) disk: Arc<SimDisk>,
    pub(super) vault: Vault,
    pub(super) file: Arc<FileBackend>,
}

impl Process {
    /// Also waits until the writing thread has given its lock back: it answers before.
    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let done = block_on(work);
        for _ in 0..1_000_000 {
            if !self.disk.holds_a_lock() {
                return done;
            }
            std::thread::yield_now();
        }
        panic!("a lock was not given back")
    }

    pub(super) fn save(&self, user: &str, access: &str) -> Result<()> {
        self.run(self.vault.save_token(&Context::new(), &mut token(user, access))).map(drop)
    }

    pub(super) fn delete(&self, user: &str) -> Result<()> {
        let mut token = OAuthToken::new().with(Field::UserName, user);
        self.run(async {
            if self.vault.find_token(&Context::new(), &mut token).await?.value {
                self.vault.delete_token(&Context::new(), token.id().unwrap()).await?;
            }
            Ok(())
        })
    }

    /// One commit of many new records, as an import makes it.
    pub(super) fn save_all(&self, pairs: &[(&str, &str)]) -> Result<()> {
        let change = |(user, access): &(&str, &str)| {
            let token = token(user, access);
            let (beginning, now) = (Beginning::draw().unwrap(), self.vault.tick());
            let record = merging::first_state(beginning, token.shared_fields(), None, Writer::Import, now);
            Change { name: record.name, expected: None, value: Some(Arc::new(record)) }
        };
        let commit = Commit { changes: pairs.iter().map(change).collect(), claims: Vec::new() };
        self.run(self.file.commit(&Context::new(), commit)).map(drop)
    }

    pub(super) fn clear(&self) -> Result<()> {
        self.run(self.vault.delete_tokens(&Context::new())).map(drop)
    }

    pub(super) fn rotate(&self) -> Result<u64> {
        self.run(self.file.rotate_key(&Context::new()))
    }

    pub(super) fn change_key(&self, new: KeySource) -> Result<u64> {
        self.run(self.file.change_key(&Context::new(), new, KdfCost::default()))
    }

    pub(super) fn backup(&self, to: &str) -> Result<usize> {
        self.run(self.file.backup(&Context::new(), Path::new(to)))
    }

    pub(super) fn verify(&self) -> Result<Verification> {
        self.run(self.file.verify(&Context::new()))
    }

    pub(super) fn contents(&self) -> Result<Contents> {
        contents_of(&self.vault)
    }
}

/// Which access token each user has in a vault.
pub(super) fn contents_of(vault: &Vault) -> Result<Contents> {
    let tokens = block_on(vault.get_tokens(&Context::new()))?.value;
    let text = |token: &OAuthToken, field| token.get(field).map_or(String::new(), |text| text.expose().to_owned());
    Ok(tokens.iter().map(|token| (text(token, Field::UserName), text(token, Field::AccessToken))).collect())
}
