//! The real disk, on which any call can be stopped.

use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use crate::backend::file::disk::{Disk, DiskFile, LockKind, Metadata, Owner};
use crate::backend::file::os_disk::OsDisk;

/// Who has to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shut {
    #[default]
    Never,
    Syncs,
    /// Whoever makes this call; the first since it was closed has number 0.
    Call(usize),
}

#[derive(Debug, Default)]
struct Passage {
    closed: Shut,
    calls: usize,
    waiting: usize,
}

/// Where calls to the disk wait while it is closed for them.
#[derive(Debug, Default)]
pub(super) struct Gate {
    passage: Mutex<Passage>,
    changed: Condvar,
}

impl Gate {
    pub(super) fn close(&self) {
        self.set(Shut::Syncs);
    }

    pub(super) fn close_for_call(&self, number: usize) {
        self.set(Shut::Call(number));
    }

    pub(super) fn open(&self) {
        self.set(Shut::Never);
    }

    fn set(&self, closed: Shut) {
        let mut passage = self.passage.lock().unwrap();
        (passage.closed, passage.calls) = (closed, 0);
        self.changed.notify_all();
    }

    /// Returns once somebody stands before the gate, or it is open; answers whether somebody does.
    pub(super) fn wait_for_somebody(&self) -> bool {
        let passage = self.passage.lock().unwrap();
        let is_awaited = |passage: &mut Passage| passage.waiting == 0 && passage.closed != Shut::Never;
        self.changed.wait_while(passage, is_awaited).unwrap().waiting > 0
    }

    fn pass(&self, is_sync: bool) {
        let mut passage = self.passage.lock().unwrap();
        let number = passage.calls;
        passage.calls += 1;
        let must_wait = match passage.closed {
            Shut::Never => false,
            Shut::Syncs => is_sync,
            Shut::Call(closed) => closed == number,
        };
        if must_wait {
            passage.waiting += 1;
            self.changed.notify_all();
            let mut passage = self.changed.wait_while(passage, |passage| passage.closed != Shut::Never).unwrap();
            passage.waiting -= 1;
        }
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
        self.gate.pass(false);
        self.disk.open(path).map(|file| self.gated(file))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.gate.pass(false);
        self.disk.create_new(path).map(|file| self.gated(file))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.gate.pass(false);
        self.disk.metadata(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.gate.pass(false);
        self.disk.rename(from, to)
    }

    fn link_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.gate.pass(false);
        self.disk.link_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.gate.pass(false);
        self.disk.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.gate.pass(false);
        self.disk.sync_folder(folder)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.gate.pass(false);
        self.disk.names(folder)
    }

    fn is_local(&self, folder: &Path) -> io::Result<bool> {
        self.gate.pass(false);
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
        self.gate.pass(false);
        self.file.metadata()
    }

    fn is_writable(&self) -> bool {
        self.file.is_writable()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.gate.pass(false);
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.gate.pass(false);
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.gate.pass(false);
        self.file.set_len(len)
    }

    fn set_owner(&self, owner: Owner) -> io::Result<()> {
        self.gate.pass(false);
        self.file.set_owner(owner)
    }

    fn set_aside(&self, place: Range<u64>) -> io::Result<()> {
        self.gate.pass(false);
        self.file.set_aside(place)
    }

    fn sync(&self) -> io::Result<()> {
        self.gate.pass(true);
        self.file.sync()
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        self.gate.pass(false);
        self.file.try_lock(kind)
    }

    fn unlock(&self) -> io::Result<()> {
        self.gate.pass(false);
        self.file.unlock()
    }
}
