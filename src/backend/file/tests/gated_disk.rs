//! The real disk, on which a sync can be stopped.

use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use crate::backend::file::disk::{Disk, DiskFile, LockKind, Metadata, Owner};
use crate::backend::file::os_disk::OsDisk;

#[derive(Debug, Default)]
struct Passage {
    is_closed: bool,
    waiting: usize,
}

/// Where whoever syncs a file waits while it is closed.
#[derive(Debug, Default)]
pub(super) struct Gate {
    passage: Mutex<Passage>,
    changed: Condvar,
}

impl Gate {
    pub(super) fn close(&self) {
        self.passage.lock().unwrap().is_closed = true;
    }

    pub(super) fn open(&self) {
        self.passage.lock().unwrap().is_closed = false;
        self.changed.notify_all();
    }

    /// Returns once somebody stands before the gate.
    pub(super) fn wait_for_somebody(&self) {
        let passage = self.passage.lock().unwrap();
        drop(self.changed.wait_while(passage, |passage| passage.waiting == 0).unwrap());
    }

    fn pass(&self) {
        let mut passage = self.passage.lock().unwrap();
        passage.waiting += 1;
        self.changed.notify_all();
        let mut passage = self.changed.wait_while(passage, |passage| passage.is_closed).unwrap();
        passage.waiting -= 1;
    }
}

#[derive(Debug)]
pub(super) struct GatedDisk {
    disk: OsDisk,
    gate: Arc<Gate>,
}

impl GatedDisk {
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        Self { disk: OsDisk::default(), gate }
    }

    fn gated(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(GatedFile { file, gate: Arc::clone(&self.gate) })
    }
}

impl Disk for GatedDisk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open(path).map(|file| self.gated(file))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.create_new(path).map(|file| self.gated(file))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.disk.metadata(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn link_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.link_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.disk.sync_folder(folder)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.disk.names(folder)
    }

    fn is_local(&self, folder: &Path) -> io::Result<bool> {
        self.disk.is_local(folder)
    }

    /// In a child nothing is gated: the gate's own lock may be held by a thread of the parent.
    fn after_fork(&self) -> Arc<dyn Disk> {
        self.disk.after_fork()
    }
}

#[derive(Debug)]
struct GatedFile {
    file: Box<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl DiskFile for GatedFile {
    fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    fn is_writable(&self) -> bool {
        self.file.is_writable()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn set_owner(&self, owner: Owner) -> io::Result<()> {
        self.file.set_owner(owner)
    }

    fn set_aside(&self, place: Range<u64>) -> io::Result<()> {
        self.file.set_aside(place)
    }

    fn sync(&self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync()
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        self.file.try_lock(kind)
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}
