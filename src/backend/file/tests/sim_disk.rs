//! The simulated disk, as one process has it.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::backend::file::disk::{Disk, DiskFile, Metadata};
use crate::backend::file::tests::sim_file::SimFile;
use crate::backend::file::tests::sim_image::NameChange;
use crate::backend::file::tests::sim_world::{Inode, Process, Step, Tables, Verdict};

/// One process's view of the file system.
pub(super) struct SimDisk(pub(super) Arc<Process>);

impl SimDisk {
    /// Decides what becomes of each call from now on; the first has number 0.
    pub(super) fn on_each_call(&self, hook: impl FnMut(usize, Step) -> Verdict + Send + 'static) {
        self.0.calls.store(0, Ordering::SeqCst);
        *self.0.hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(hook));
    }

    pub(super) fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    pub(super) fn holds_a_lock(&self) -> bool {
        let tables = self.0.world.tables();
        tables.inodes.values().any(|inode| inode.locks.values().any(|(process, _)| *process == self.0.id))
    }

    pub(super) fn is_dead(&self) -> bool {
        self.0.is_dead.load(Ordering::SeqCst)
    }

    fn run<T>(&self, step: Step, act: impl FnOnce(&mut Tables) -> io::Result<T>) -> io::Result<T> {
        self.0.run(step, act, |_| ())
    }

    fn file(&self, tables: &mut Tables, inode: u64) -> Box<dyn DiskFile> {
        Box::new(SimFile::new(Arc::clone(&self.0), tables.next(), inode, !tables.is_read_only))
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimDisk({})", self.0.id)
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.run(Step::Open, |tables| {
            let inode = tables.inode(path)?;
            Ok(self.file(tables, inode))
        })
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.run(Step::Create, |tables| {
            if tables.is_read_only {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            if tables.names.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let inode = tables.next() as u64;
            tables.inodes.insert(inode, Inode { owner: tables.user, ..Inode::default() });
            tables.change_names(NameChange::Link(path.to_owned(), inode));
            Ok(self.file(tables, inode))
        })
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.run(Step::Stat, |tables| {
            let inode = tables.inode(path)?;
            Ok(tables.metadata(inode))
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(Step::Rename, |tables| {
            let inode = tables.inode(from)?;
            tables.change_names(NameChange::Rename(from.to_owned(), to.to_owned(), inode));
            Ok(())
        })
    }

    fn link_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(Step::Link, |tables| {
            let inode = tables.inode(from)?;
            if tables.names.contains_key(to) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            tables.change_names(NameChange::Link(to.to_owned(), inode));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.run(Step::Remove, |tables| {
            tables.inode(path)?;
            tables.change_names(NameChange::Remove(path.to_owned()));
            Ok(())
        })
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.run(Step::SyncFolder, |tables| {
            for change in std::mem::take(&mut tables.pending_names) {
                change.apply(&mut tables.durable_names);
            }
            Ok(())
        })
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.run(Step::Names, |tables| {
            let inside = tables.names.keys().filter(|path| path.parent() == Some(folder));
            Ok(inside.map(|path| path.file_name().unwrap().to_owned()).collect())
        })
    }

    fn is_local(&self, _: &Path) -> io::Result<bool> {
        Ok(!self.0.world.tables().is_remote)
    }

    fn after_fork(&self) -> Arc<dyn Disk> {
        self.0.world.process()
    }
}
