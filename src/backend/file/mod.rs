//! Records in one encrypted file: append-only, every byte of it under AES-256-GCM, shared by any number of processes
//! of one machine.
//!
//! docs/format.md describes the bytes. In memory a handle keeps where each record lies and by which keys it is found,
//! never a secret; a read is one positioned read and one open.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;

use crate::backend::file::core::Core;
use crate::backend::file::disk::Disk;
use crate::backend::file::handle::Handle;
use crate::backend::file::os_disk::OsDisk;
use crate::backend::file::queue::Work;
use crate::backend::file::rewrite::Rewrite;

use crate::backend::audit_key::{AuditKey, AuditKeySource};
use crate::backend::{Backend, Candidates, Commit};
use crate::crypto::kdf::KdfCost;
use crate::error::Result;
use crate::identity::RecordName;
use crate::lookup::LookupKey;
use crate::operation::{Answer, Context};
use crate::record::Record;

mod append;
mod core;
mod create;
mod disk;
mod examine;
mod frame;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod handle;
mod header;
mod held_key;
mod joined;
mod key_source;
mod opening;
mod options;
mod os_disk;
mod os_metadata;
mod output;
mod queue;
mod rewrite;
mod scan;
mod sealing;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use crate::backend::file::examine::Examination;
pub use crate::backend::file::key_source::KeySource;
#[cfg(feature = "cli")]
pub(crate) use crate::backend::file::key_source::read_secret;
pub use crate::backend::file::options::FileOptions;
pub use crate::backend::file::status::FileStatus;
pub use crate::backend::file::verify::Verification;

/// The encrypted file.
///
/// Reads run on the caller's thread: microseconds, unless another process is writing at that moment. Writes are durable
/// (`fdatasync`) when they are answered. A commit that finds nobody else writing runs on the caller's thread too, for
/// as long as one sync takes; whatever waits, or may take longer, is left to a thread of the handle's own.
///
/// # Security
/// The file is refused where others than its owner may use it, and on network file systems. SECURITY.md says what an
/// attacker with the file can and cannot do.
pub struct FileBackend {
    options: FileOptions,
    handle: ArcSwap<Handle>,
}

impl FileBackend {
    /// Makes a new vault, and opens it. `cost` is what a passphrase costs to try; a key file needs none.
    ///
    /// # Errors
    /// `InvalidInput` where there is something under the path already, which is left as it is.
    pub fn create(options: FileOptions, cost: KdfCost) -> Result<Self> {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk::default());
        create::create(&*disk, &options, cost)?;
        Self::on(options.resolved(), disk)
    }

    /// Opens a vault. A symbolic link is followed now and not again: what is written anew takes the place of the file,
    /// not of the link.
    ///
    /// # Errors
    /// `NotFound` where there is none, `WrongKey`, `PermissionDenied`, `Damaged`, `Unsupported` for a newer format;
    /// the file is left as it is.
    pub fn open(options: FileOptions) -> Result<Self> {
        Self::on(options.resolved(), Arc::new(OsDisk::default()))
    }

    fn on(options: FileOptions, disk: Arc<dyn Disk>) -> Result<Self> {
        let handle = Handle::new(Core::open(options.clone(), disk)?);
        Ok(Self { options, handle: ArcSwap::from_pointee(handle) })
    }

    /// Writes the vault anew under a new data key. Other processes go on, before and after. Answers the file's new
    /// generation.
    ///
    /// # Errors
    /// As a commit has them; then the old file stays in place.
    pub async fn rotate_key(&self, context: &Context) -> Result<u64> {
        self.write(context, Work::Rewrite(Rewrite::default())).await?;
        self.generation()
    }

    /// Writes the vault anew under a new data key and a new passphrase or key file. A passphrase gets a new salt, and
    /// the cost `cost`. Answers the file's new generation.
    ///
    /// Other processes that hold the old passphrase take the new one from their passphrase file, or answer `WrongKey`.
    ///
    /// # Errors
    /// As a commit has them; then the old file stays in place, under the old key.
    pub async fn change_key(&self, context: &Context, new: KeySource, cost: KdfCost) -> Result<u64> {
        let derivation = new.new_derivation(cost)?;
        self.write(context, Work::Rewrite(Rewrite::under(new, derivation))).await?;
        self.generation()
    }

    /// Copies the vault, as it is at one moment, to a new file under the same key. Answers how many records it holds.
    ///
    /// # Errors
    /// `InvalidInput` where there is something under that path already.
    #[expect(clippy::unused_async, reason = "asynchronous like every operation that may take long")]
    pub async fn backup(&self, _: &Context, to: &Path) -> Result<usize> {
        verify::backup(self.handle()?.core(), to)
    }

    /// Opens every frame and every record of the file, and says what it found.
    ///
    /// # Errors
    /// `Damaged` where anything does not open.
    #[expect(clippy::unused_async, reason = "asynchronous like every operation that may take long")]
    pub async fn verify(&self, _: &Context) -> Result<Verification> {
        verify::verify(self.handle()?.core())
    }

    /// What the file is made of. Changes nothing.
    ///
    /// # Errors
    /// As a read has them.
    pub fn status(&self) -> Result<FileStatus> {
        status::status(self.handle()?.core())
    }

    /// Tries what a write takes, and leaves everything as it was.
    ///
    /// # Errors
    /// Those of a process that was forked; what came of trying is in the answer.
    pub fn examine(&self) -> Result<Examination> {
        Ok(examine::examine(self.handle()?.core()))
    }

    /// Tries whether the disk takes so many bytes: in a file beside, which is removed.
    ///
    /// # Errors
    /// `StorageFull` where it does not; else as a write has them.
    pub fn check_room(&self, bytes: usize) -> Result<()> {
        examine::room(self.handle()?.core(), bytes)
    }

    /// Tries what making a vault under `path` takes, where there is none, and leaves everything as it was.
    ///
    /// # Errors
    /// What it would fail with.
    pub fn examine_place(path: &Path) -> Result<()> {
        examine::place(&OsDisk::default(), path)
    }

    fn generation(&self) -> Result<u64> {
        Ok(self.handle()?.core().state().header.generation)
    }

    async fn write(&self, context: &Context, work: Work) -> Result<usize> {
        let wait = self.wait(context);
        self.handle()?.write(work, wait).await
    }

    /// How long an operation may wait for other processes.
    fn wait(&self, context: &Context) -> Duration {
        let until_deadline = context.deadline().map(|deadline| deadline.since(self.options.clock.now()));
        until_deadline.map_or(self.options.lock_wait, |left| left.min(self.options.lock_wait))
    }

    /// This process's handle. In a forked process, the parent's is left alone, whatever it was doing: a new one is
    /// made before any of its locks is touched.
    fn handle(&self) -> Result<Arc<Handle>> {
        let handle = self.handle.load();
        if handle.is_ours() {
            return Ok(Arc::clone(&handle));
        }
        let disk = handle.core().disk.after_fork();
        let options = FileOptions { key: handle.core().key_source(), ..self.options.clone() };
        let ours = Arc::new(Handle::new(Core::open(options, disk)?));
        let before = self.handle.swap(Arc::clone(&ours));
        if !before.is_ours() {
            forget(before);
        }
        Ok(ours)
    }
}

impl Drop for FileBackend {
    fn drop(&mut self) {
        let handle = self.handle.load_full();
        if !handle.is_ours() {
            drop(handle.core().disk.after_fork());
            forget(handle);
        }
    }
}

/// Leaves a parent's handle as it is, in a process that was forked: its locks may be held by threads that do not exist
/// here, its thread cannot be joined, and the numbers of its descriptors may mean other files by now.
fn forget(parents: Arc<Handle>) {
    std::mem::forget(parents);
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for FileBackend {
    async fn read(&self, _: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        self.handle()?.core().fresh_state()?.read(name).map(Answer::of_store)
    }

    async fn resolve(&self, _: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
        let handle = self.handle()?;
        let state = handle.core().fresh_state()?;
        let (by_key, found) = state.directory.resolve(keys);
        let records = found.into_iter().map(|entry| state.read_at(entry)).collect::<Result<_>>()?;
        Ok(Answer::of_store(Candidates { records, by_key }))
    }

    async fn commit(&self, context: &Context, commit: Commit) -> Result<Answer<()>> {
        self.write(context, Work::Commit(commit)).await.map(|_| Answer::of_store(()))
    }

    async fn list(&self, _: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
        self.handle()?.core().fresh_state()?.read_all().map(Answer::of_store)
    }

    async fn clear(&self, context: &Context) -> Result<Answer<usize>> {
        self.write(context, Work::Rewrite(Rewrite::without_records())).await.map(Answer::of_store)
    }
}

/// Derived from the root key, which outlives rotations and changes of the passphrase.
#[async_trait]
impl AuditKeySource for FileBackend {
    async fn audit_key(&self, _: &Context) -> Result<AuditKey> {
        Ok(AuditKey::new(&*self.handle()?.core().state().root.audit_key()?))
    }

    async fn existing_audit_key(&self, context: &Context) -> Result<Option<AuditKey>> {
        self.audit_key(context).await.map(Some)
    }
}

impl fmt::Display for FileBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file:{}", self.options.path.display())
    }
}

impl fmt::Debug for FileBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBackend").field("path", &self.options.path).finish_non_exhaustive()
    }
}
