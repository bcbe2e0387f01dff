//! One process's view of one vault file: freshness, locks, reopening.
//!
//! Order of locks: `turn`, then the file's own lock, then `state`. Readers hold `state` only while they read.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, TryLockError};
use std::time::Duration;

use crate::backend::file::disk::{Disk, DiskFile, LockKind, Metadata};
use crate::backend::file::frame::HEAD_LEN;
use crate::backend::file::header::Header;
use crate::backend::file::held_key::HeldKey;
use crate::backend::file::key_source::KeySource;
use crate::backend::file::opening::{self, io_error};
use crate::backend::file::options::FileOptions;
use crate::backend::file::scan::{ALLOCATION, Tail};
use crate::backend::file::state::{State, set_back};
use crate::error::{Error, ErrorKind, Result};

pub(super) struct Core {
    pub(super) options: FileOptions,
    pub(super) disk: Arc<dyn Disk>,
    state: RwLock<State>,
    held: Mutex<HeldKey>,
    /// Held by whoever locks the file: the file's lock belongs to the descriptor, which the whole process shares.
    turn: Mutex<()>,
    /// This process holds the file's exclusive lock, and `state` was brought up to date under it: nobody else can
    /// have written since.
    is_writing: AtomicBool,
    /// What is in memory must not be believed any more; the next operation reads the file anew.
    pub(super) must_reload: AtomicBool,
    /// The folder has been synced since this inode was opened.
    is_settled: AtomicBool,
    /// How many microseconds this process has waited for the file's lock, in all.
    waited: AtomicU64,
    /// A sync has failed: what reads show may not be on the disk, and no later sync would say so. Only a new file
    /// settles that.
    is_doubtful: AtomicBool,
}

/// The file's lock, and this process's turn to hold it.
///
/// The file, because a rewrite moves the lock to the new one.
pub(super) struct Locked<'a> {
    core: &'a Core,
    file: Mutex<Arc<dyn DiskFile>>,
    /// No room is set aside behind this.
    file_len: AtomicU64,
    _turn: MutexGuard<'a, ()>,
}

impl Locked<'_> {
    /// Sets room aside ahead where a frame at `place` goes beyond the end of the file: so most syncs have no length to
    /// write. Where the disk has no room for it they have.
    pub(super) fn set_aside(&self, file: &dyn DiskFile, place: Range<u64>) {
        let len = self.file_len.load(Ordering::SeqCst);
        let room = place.end.next_multiple_of(ALLOCATION);
        if place.end > len && file.set_aside(len.max(place.start)..room).is_ok() {
            self.file_len.store(room, Ordering::SeqCst);
        }
    }

    /// A rewrite has put `file` in place, and has its lock: the old one is given back.
    pub(super) fn moved_to(&self, file: Arc<dyn DiskFile>) {
        let mut current = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        give_back(&*std::mem::replace(&mut *current, file));
        self.file_len.store(0, Ordering::SeqCst);
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.core.is_writing.store(false, Ordering::SeqCst);
        give_back(&**self.file.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn give_back(file: &dyn DiskFile) {
    if let Err(error) = file.unlock() {
        tracing::warn!(%error, "the vault's lock could not be given back; it ends with this process");
    }
}

impl Core {
    pub(super) fn open(options: FileOptions, disk: Arc<dyn Disk>) -> Result<Self> {
        opening::check(&*disk, &options.path)?;
        let (file, header) = opening::open_header(&*disk, &options.path)?;
        let held = HeldKey::derive(options.key.clone(), &header.derivation)?;
        let (root, data_key) = header.unlock(&held.key())?;
        let core = Self {
            state: RwLock::new(State::new(file, header, root, data_key)?),
            options,
            disk,
            held: Mutex::new(held),
            turn: Mutex::new(()),
            is_writing: AtomicBool::new(false),
            must_reload: AtomicBool::new(false),
            is_settled: AtomicBool::new(false),
            waited: AtomicU64::new(0),
            is_doubtful: AtomicBool::new(false),
        };
        drop(core.lock(LockKind::Shared, core.options.lock_wait)?);
        Ok(core)
    }

    /// What is known, brought up to date first if anybody has written since.
    pub(super) fn fresh_state(&self) -> Result<RwLockReadGuard<'_, State>> {
        // While this process writes, nobody else can; and its own write is not acknowledged yet.
        if !self.is_writing.load(Ordering::SeqCst) && !self.is_current(self.path_metadata()?)? {
            drop(self.lock(LockKind::Shared, self.options.lock_wait)?);
        }
        Ok(self.state())
    }

    pub(super) fn state(&self) -> RwLockReadGuard<'_, State> {
        // Whoever panicked while writing left the state as it was before or after one whole step.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known.
    pub(super) fn change_state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Syncs the vault's file. Where that fails, nothing more is written through this descriptor, nor into this file.
    pub(super) fn sync_file(&self, file: &dyn DiskFile) -> std::io::Result<()> {
        file.sync().inspect_err(|_| {
            self.is_doubtful.store(true, Ordering::SeqCst);
            self.must_reload.store(true, Ordering::SeqCst);
        })
    }

    /// Whether the next write must be a rewrite, because a sync has failed.
    pub(super) fn is_doubtful(&self) -> bool {
        self.is_doubtful.load(Ordering::SeqCst)
    }

    /// A new file is in place, all of it durable.
    pub(super) fn settle_doubt(&self) {
        self.is_doubtful.store(false, Ordering::SeqCst);
    }

    /// Whether nothing has been written since the state was brought up to date. `metadata` is the path's.
    fn is_current(&self, metadata: Metadata) -> Result<bool> {
        if self.must_reload.load(Ordering::SeqCst) {
            return Ok(false);
        }
        let state = self.state();
        if !state.is_closed || metadata.identity != state.identity || metadata.len < state.position.offset {
            return Ok(false);
        }
        if metadata.len == state.position.offset {
            return Ok(true);
        }
        let mut head = [0; HEAD_LEN];
        let count = state.file.read_at(&mut head, state.position.offset).map_err(|e| io_error("read the vault", e))?;
        let next = head.get(..count).unwrap_or_default();
        let is_ignored = |(len, seen): &(u64, Vec<u8>)| *len == metadata.len && seen == next;
        Ok([0; HEAD_LEN].starts_with(next) || state.ignored_tail.as_ref().is_some_and(is_ignored))
    }

    fn path_metadata(&self) -> Result<Metadata> {
        self.disk.metadata(&self.options.path).map_err(|error| io_error("look at the vault", error))
    }

    /// Takes the lock on the file that is under the path now, and brings the state up to date under it.
    /// Other threads of this process are waited for in any case; `wait` bounds the wait for other processes.
    pub(super) fn lock(&self, kind: LockKind, wait: Duration) -> Result<Locked<'_>> {
        self.lock_in_turn(self.turn.lock().unwrap_or_else(PoisonError::into_inner), kind, wait)
    }

    /// Takes the lock for writing if nobody has it, in this process or another; else answers `Busy`.
    pub(super) fn lock_at_once(&self) -> Result<Locked<'_>> {
        let turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(ErrorKind::Busy, "another thread has the vault locked").with_hint("try again"));
            }
        };
        self.lock_in_turn(turn, LockKind::Exclusive, Duration::ZERO)
    }

    fn lock_in_turn<'a>(&'a self, turn: MutexGuard<'a, ()>, kind: LockKind, wait: Duration) -> Result<Locked<'a>> {
        if self.must_reload.load(Ordering::SeqCst) {
            self.reopen()?;
        }
        let mut waited = Duration::ZERO;
        loop {
            let file = Arc::clone(&self.state().file);
            if kind == LockKind::Exclusive && !file.is_writable() {
                return Err(read_only());
            }
            let before = waited;
            let taken = opening::wait_for_lock(&*file, kind, wait, &mut waited);
            self.add_to_waited(waited.saturating_sub(before));
            taken?;
            let metadata = self.path_metadata().inspect_err(|_| give_back(&*file))?;
            let is_known = self.state().is_as_known().inspect_err(|_| give_back(&*file))?;
            if metadata.identity == self.state().identity && is_known {
                let locked = Locked { core: self, file: Mutex::new(file), file_len: metadata.len.into(), _turn: turn };
                self.catch_up(kind, metadata)?;
                self.is_writing.store(kind == LockKind::Exclusive, Ordering::SeqCst);
                return Ok(locked);
            }
            // Somebody rewrote the vault, and the lock is on a file that nobody will read again; or copied over it.
            give_back(&*file);
            self.reopen()?;
        }
    }

    fn add_to_waited(&self, time: Duration) {
        self.waited.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// How long this process has waited for the file's lock, in all.
    pub(super) fn waited(&self) -> Duration {
        Duration::from_micros(self.waited.load(Ordering::SeqCst))
    }

    /// How long somebody may still wait who gives up at that sum of [`waited`](Self::waited).
    pub(super) fn wait_until(&self, give_up: Duration) -> Duration {
        give_up.saturating_sub(self.waited())
    }

    fn catch_up(&self, kind: LockKind, metadata: Metadata) -> Result<()> {
        if kind == LockKind::Exclusive && !self.is_settled.load(Ordering::SeqCst) {
            // A rewriter that was killed may have left a rename that is not durable: a frame's own sync covers only the file.
            self.sync_folder()?;
            self.is_settled.store(true, Ordering::SeqCst);
        }
        if self.is_current(metadata)? && self.state().ignored_tail.is_none() {
            return Ok(());
        }
        let len = metadata.len;
        let caught_up = self.change_state(|state| {
            if len < state.position.offset {
                return Err(set_back());
            }
            let known = state.ignored_tail.take();
            match state.catch_up()? {
                Tail::Clean => Ok(()),
                Tail::Torn(bytes) if kind == LockKind::Exclusive => self.cut_tail(state, bytes),
                Tail::Torn(bytes) => ignore_tail(state, bytes, len, known),
            }
        });
        // Frames may have been taken in before the one that failed: what is known is not to be believed.
        caught_up.inspect_err(|_| self.must_reload.store(true, Ordering::SeqCst))
    }

    /// Cuts a torn tail off, and keeps it beside the file.
    fn cut_tail(&self, state: &State, bytes: u64) -> Result<()> {
        let mut tail = vec![0; usize::try_from(bytes).unwrap_or_default()];
        let count = state.file.read_at(&mut tail, state.position.offset).map_err(|e| io_error("read the vault", e))?;
        tail.truncate(count);
        let aside = opening::beside(&self.options.path, "torn")?;
        let kept = self.disk.create_new(&aside).and_then(|file| {
            file.write_at(&tail, 0)?;
            file.sync()
        });
        kept.map_err(|error| io_error("keep the torn end of the vault beside it", error))?;
        self.sync_folder()?;
        state.file.set_len(state.position.offset).map_err(|error| io_error("cut the torn end off", error))?;
        self.sync_file(&*state.file).map_err(|error| io_error("sync the vault", error))?;
        tracing::warn!(bytes, kept = %aside.display(), "a write that did not come to its end was cut off the vault");
        Ok(())
    }

    /// Opens the file that is under the path now, and forgets what was known of the one before.
    fn reopen(&self) -> Result<()> {
        let (file, header) = opening::open_header(&*self.disk, &self.options.path).map_err(no_longer_a_vault)?;
        let mut held = self.held_key();
        self.check_succession(&header)?;
        let (key, (root, data_key)) = held.unlock(&header)?;
        let fresh = State::new(file, header, root, data_key)?.that_follows(&self.state());
        held.keep(key, &fresh.header.derivation);
        self.is_settled.store(false, Ordering::SeqCst);
        self.must_reload.store(false, Ordering::SeqCst);
        tracing::debug!(generation = fresh.header.generation, "opened the file that is under the vault's path now");
        self.change_state(|state| *state = fresh);
        Ok(())
    }

    /// The file under the path must be this vault, and no older than what this process has seen of it.
    fn check_succession(&self, header: &Header) -> Result<()> {
        let state = self.state();
        if header.vault_id != state.header.vault_id {
            return Err(Error::damaged("another vault has been put in this one's place")
                .with_hint("put the right file back, or start this program anew to use the other vault"));
        }
        if header.generation < state.header.generation {
            return Err(set_back());
        }
        Ok(())
    }

    /// What opens the vault now; what opened it first where that cannot be looked at, as in a process that was forked
    /// while a thread held the lock.
    pub(super) fn key_source(&self) -> KeySource {
        self.held.try_lock().map_or_else(|_| self.options.key.clone(), |held| held.source().clone())
    }

    /// The key that opens the vault.
    pub(super) fn held_key(&self) -> MutexGuard<'_, HeldKey> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sync_folder(&self) -> Result<()> {
        self.disk
            .sync_folder(opening::folder(&self.options.path))
            .map_err(|error| io_error("sync the vault's folder", error))
    }
}

/// A reader leaves a torn tail alone, and remembers it, so as not to judge it at every read.
fn ignore_tail(state: &mut State, bytes: u64, len: u64, known: Option<(u64, Vec<u8>)>) -> Result<()> {
    let mut head = vec![0; HEAD_LEN];
    let count = state.file.read_at(&mut head, state.position.offset).map_err(|e| io_error("read the vault", e))?;
    head.truncate(count);
    state.ignored_tail = Some((len, head));
    if state.ignored_tail == known {
        return Ok(());
    }
    tracing::warn!(bytes, "the vault ends in a write that did not come to its end; the next writer cuts it off");
    Ok(())
}

pub(super) fn read_only() -> Error {
    Error::new(ErrorKind::PermissionDenied, "the vault can be read but not written")
        .with_hint("check the file's owner and mode, and whether its disk is mounted read-only")
}

/// A vault was there: whatever lies in its place now is not a matter of a wrong path.
fn no_longer_a_vault(error: Error) -> Error {
    if error.kind() != ErrorKind::InvalidInput {
        return error;
    }
    Error::damaged("what lies under the vault's path is no longer a vault")
        .with_hint("put the vault back, or restore the last backup; then find out who changed the file")
        .with_source(error)
}
