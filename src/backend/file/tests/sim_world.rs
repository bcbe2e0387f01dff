//! A file system in memory. What is not synced is pending, for each file and for the folder; processes die and fail
//! between any two calls; locks belong to the open description.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::backend::file::disk::{Identity, LockKind, Metadata, Owner};
use crate::backend::file::tests::sim_disk::SimDisk;
use crate::backend::file::tests::sim_image::{FileChange, Image, NameChange};

/// A call to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Open,
    Create,
    Stat,
    Rename,
    Link,
    Remove,
    SyncFolder,
    Names,
    FileStat,
    Read,
    Write,
    SetLen,
    SetOwner,
    SetAside,
    Sync,
    Lock,
    Unlock,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    /// Unlocking never fails. A failed write has written half; a failed sync has lost what was pending (and reads still show it, as on Linux).
    Fail(io::ErrorKind),
    /// It takes effect, and is reported as failed.
    FailLate(io::ErrorKind),
    /// The process is killed before it.
    Die,
}

pub(super) type Hook = Box<dyn FnMut(usize, Step) -> Verdict + Send>;

#[derive(Default)]
pub(super) struct Inode {
    /// What processes read.
    pub(super) seen: Vec<u8>,
    pub(super) owner: Owner,
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<FileChange>,
    pub(super) locks: BTreeMap<usize, (usize, LockKind)>,
}

#[derive(Default)]
pub(super) struct Tables {
    pub(super) names: BTreeMap<PathBuf, u64>,
    pub(super) durable_names: BTreeMap<PathBuf, u64>,
    pub(super) pending_names: Vec<NameChange>,
    pub(super) inodes: BTreeMap<u64, Inode>,
    /// Who the processes are.
    pub(super) user: Owner,
    /// Read-only media, or another owner's file.
    pub(super) is_read_only: bool,
    /// The folder is on another machine.
    pub(super) is_remote: bool,
    /// Set where something was written through a descriptor after a failed sync.
    pub(super) misuse: Option<String>,
    next: usize,
}

impl Tables {
    pub(super) fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }

    pub(super) fn inode(&mut self, path: &Path) -> io::Result<u64> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn change(&mut self, inode: u64, change: FileChange) {
        let inode = self.inodes.get_mut(&inode).unwrap();
        change.apply(&mut inode.seen);
        inode.pending.push(change);
    }

    pub(super) fn metadata(&self, inode: u64) -> Metadata {
        let Inode { seen, owner, .. } = &self.inodes[&inode];
        let (identity, len) = (Identity { device: 1, inode }, seen.len() as u64);
        Metadata { identity, owner: *owner, len, mode: 0o600, is_file: true }
    }

    pub(super) fn next(&mut self) -> usize {
        self.next += 1;
        self.next
    }
}

/// The computer that the processes run on, until its power goes.
#[derive(Clone, Default)]
pub(super) struct World(Arc<Mutex<Tables>>);

impl World {
    pub(super) fn from_image(image: &Image) -> Self {
        let world = Self::default();
        let mut tables = world.tables();
        tables.names = image.names.clone();
        tables.durable_names = image.names.clone();
        tables.next = image.files.keys().max().map_or(0, |last| *last as usize);
        for (number, bytes) in &image.files {
            let inode = Inode { seen: bytes.clone(), durable: bytes.clone(), ..Inode::default() };
            tables.inodes.insert(*number, inode);
        }
        drop(tables);
        world
    }

    pub(super) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn process(&self) -> Arc<SimDisk> {
        let id = self.tables().next();
        let (calls, is_dead) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(SimDisk(Arc::new(Process { world: self.clone(), id, calls, is_dead, hook: Mutex::new(None) })))
    }

    /// The names in the folder.
    pub(super) fn names(&self) -> Vec<String> {
        self.tables().names.keys().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    /// What processes read under `path`.
    pub(super) fn bytes(&self, path: &Path) -> Vec<u8> {
        let mut tables = self.tables();
        let inode = tables.inode(path).unwrap();
        tables.inodes[&inode].seen.clone()
    }
}

/// A process: it may be killed, and its calls be made to fail.
pub(super) struct Process {
    pub(super) world: World,
    pub(super) id: usize,
    pub(super) calls: AtomicUsize,
    pub(super) is_dead: AtomicBool,
    pub(super) hook: Mutex<Option<Hook>>,
}

impl Process {
    fn judge(&self, step: Step) -> io::Result<Verdict> {
        if self.is_dead.load(Ordering::SeqCst) {
            return Err(io::Error::other("the process is dead"));
        }
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let mut hook = self.hook.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = hook.as_mut().map_or(Verdict::Go, |hook| hook(number, step));
        if verdict == Verdict::Die {
            self.is_dead.store(true, Ordering::SeqCst);
            for inode in self.world.tables().inodes.values_mut() {
                inode.locks.retain(|_, (process, _)| *process != self.id);
            }
            return Err(io::Error::other("the process is killed"));
        }
        Ok(verdict)
    }

    pub(super) fn run<T>(
        &self,
        step: Step,
        act: impl FnOnce(&mut Tables) -> io::Result<T>,
        on_failure: impl FnOnce(&mut Tables),
    ) -> io::Result<T> {
        let verdict = self.judge(step)?;
        let mut tables = self.world.tables();
        match verdict {
            Verdict::Fail(kind) if step != Step::Unlock => {
                on_failure(&mut tables);
                Err(kind.into())
            }
            Verdict::FailLate(kind) => act(&mut tables).and_then(|_| Err(kind.into())),
            _ => act(&mut tables),
        }
    }
}
