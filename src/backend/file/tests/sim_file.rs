//! An open file of the simulated disk.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::backend::file::disk::{DiskFile, LockKind, Metadata, Owner};
use crate::backend::file::tests::sim_image::FileChange;
use crate::backend::file::tests::sim_world::{Process, Step, Tables};

/// How many bytes are set aside at once.
const ROOM: usize = 1024;

/// An open description.
pub(super) struct SimFile {
    process: Arc<Process>,
    descriptor: usize,
    inode: u64,
    is_writable: bool,
    /// A sync through this descriptor has failed.
    failed: AtomicBool,
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimFile({} of inode {})", self.descriptor, self.inode)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        if let Some(inode) = self.process.world.tables().inodes.get_mut(&self.inode) {
            inode.locks.remove(&self.descriptor);
        }
    }
}

impl SimFile {
    pub(super) fn new(process: Arc<Process>, descriptor: usize, inode: u64, is_writable: bool) -> Self {
        Self { process, descriptor, inode, is_writable, failed: AtomicBool::new(false) }
    }

    fn write(&self, step: Step, change: FileChange) -> io::Result<()> {
        let half = change.half();
        let act = |tables: &mut Tables, change: FileChange| {
            if !self.is_writable {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            if self.failed.load(Ordering::SeqCst) && step != Step::SetLen {
                tables.misuse = Some(format!("{step:?} through a descriptor whose sync had failed"));
            }
            tables.change(self.inode, change);
            Ok(())
        };
        self.process.run(
            step,
            |tables| act(tables, change),
            |tables| {
                if let Some(half) = half {
                    let _ = act(tables, half);
                }
            },
        )
    }
}

impl DiskFile for SimFile {
    fn metadata(&self) -> io::Result<Metadata> {
        self.process.run(Step::FileStat, |tables| Ok(tables.metadata(self.inode)), |_| ())
    }

    fn is_writable(&self) -> bool {
        self.is_writable
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = |tables: &mut Tables| {
            let rest = tables.inodes[&self.inode].seen.get(offset as usize..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        };
        self.process.run(Step::Read, read, |_| ())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write(Step::Write, FileChange::Write(offset as usize, bytes.to_vec()))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.write(Step::SetLen, FileChange::SetLen(len as usize))
    }

    fn set_owner(&self, owner: Owner) -> io::Result<()> {
        let set_owner = |tables: &mut Tables| {
            let (user, inode) = (tables.user, tables.inodes.get_mut(&self.inode).unwrap());
            // As chown(2): giving away is root's; a group is the owner's to choose among those of their own.
            if user.user != 0 && (inode.owner.user != owner.user || user.group != owner.group) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            inode.owner = owner;
            Ok(())
        };
        self.process.run(Step::SetOwner, set_owner, |_| ())
    }

    fn set_aside(&self, place: Range<u64>) -> io::Result<()> {
        let seen = self.process.world.tables().inodes[&self.inode].seen.len();
        assert!(place.start as usize >= seen, "zeros over what is written");
        // Less than is asked for, so that a tail is judged quickly.
        self.write(Step::SetAside, FileChange::Extend((place.end as usize).min(seen + ROOM)))
    }

    fn sync(&self) -> io::Result<()> {
        let sync = |tables: &mut Tables| {
            let inode = tables.inodes.get_mut(&self.inode).unwrap();
            for change in std::mem::take(&mut inode.pending) {
                change.apply(&mut inode.durable);
            }
            Ok(())
        };
        self.process.run(Step::Sync, sync, |tables| {
            self.failed.store(true, Ordering::SeqCst);
            // Linux marks what it could not write as clean: readable, never written again, nobody told a second time.
            let pending = &mut tables.inodes.get_mut(&self.inode).unwrap().pending;
            pending.retain(|change| !matches!(change, FileChange::Write(..)));
        })
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        let lock = |tables: &mut Tables| {
            let locks = &mut tables.inodes.get_mut(&self.inode).unwrap().locks;
            // As flock(2): a change of kind gives the old lock up first.
            locks.remove(&self.descriptor);
            let is_free = match kind {
                LockKind::Exclusive => locks.is_empty(),
                LockKind::Shared => locks.values().all(|(_, other)| *other == LockKind::Shared),
            };
            if is_free {
                locks.insert(self.descriptor, (self.process.id, kind));
            }
            Ok(is_free)
        };
        self.process.run(Step::Lock, lock, |_| ())
    }

    fn unlock(&self) -> io::Result<()> {
        let unlock = |tables: &mut Tables| {
            tables.inodes.get_mut(&self.inode).unwrap().locks.remove(&self.descriptor);
            Ok(())
        };
        self.process.run(Step::Unlock, unlock, |_| ())
    }
}
