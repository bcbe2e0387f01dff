//! The disk of the operating system.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt, fchown};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::statfs::{FsType, statfs};

use crate::backend::file::disk::{Disk, DiskFile, LockKind, Metadata, Owner};
use crate::backend::file::os_metadata;

/// Magic numbers of file systems over a network, from statfs(2): there a lock may be advisory between machines, late,
/// or nothing at all.
const NETWORK: [u32; 9] = [
    0x6969,      // NFS
    0x517b,      // SMB
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB2
    0x5346_414f, // AFS
    0x00c3_6400, // Ceph
    0x0bd0_0bd0, // Lustre
    0x0102_1997, // 9P
    0x0116_1970, // GFS2
];

/// What room is filled with.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// More files than one handle ever has open at once.
const MAX_OPEN: usize = 16;

/// The operating system's disk. It knows its open descriptors without a lock, so that a forked process can close them
/// whatever its parent was doing.
#[derive(Debug)]
pub(super) struct OsDisk(Arc<[AtomicI32; MAX_OPEN]>);

impl Default for OsDisk {
    fn default() -> Self {
        Self(Arc::new([const { AtomicI32::new(-1) }; MAX_OPEN]))
    }
}

impl OsDisk {
    fn register(&self, file: File, is_writable: bool) -> Box<dyn DiskFile> {
        let descriptor = file.as_raw_fd();
        for place in self.0.iter() {
            if place.compare_exchange(-1, descriptor, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                break;
            }
        }
        Box::new(OsFile { file, is_writable, descriptors: Arc::clone(&self.0) })
    }
}

impl Disk for OsDisk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => Ok(self.register(file, true)),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) =>
            {
                Ok(self.register(File::open(path)?, false))
            }
            Err(error) => Err(error),
        }
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        Ok(self.register(file, true))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        os_metadata::of_path(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }

    fn is_local(&self, folder: &Path) -> io::Result<bool> {
        let FsType(magic) = statfs(folder)?.filesystem_type();
        // The field is signed on some platforms and wider than the magic on others: its low 32 bits are the number.
        Ok(!NETWORK.iter().any(|network| i64::from(*network) == (magic & 0xffff_ffff)))
    }

    fn after_fork(&self) -> Arc<dyn Disk> {
        for place in self.0.iter() {
            let descriptor: RawFd = place.swap(-1, Ordering::SeqCst);
            if descriptor >= 0 {
                // Closing leaves the parent's lock alone; unlocking would take it away from the parent.
                let _ = nix::unistd::close(descriptor);
            }
        }
        Arc::new(Self::default())
    }
}

#[derive(Debug)]
struct OsFile {
    file: File,
    is_writable: bool,
    descriptors: Arc<[AtomicI32; MAX_OPEN]>,
}

impl Drop for OsFile {
    fn drop(&mut self) {
        let descriptor = self.file.as_raw_fd();
        for place in self.descriptors.iter() {
            let _ = place.compare_exchange(descriptor, -1, Ordering::SeqCst, Ordering::SeqCst);
        }
    }
}

impl DiskFile for OsFile {
    fn metadata(&self) -> io::Result<Metadata> {
        os_metadata::of_file(&self.file)
    }

    fn is_writable(&self) -> bool {
        self.is_writable
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn set_owner(&self, owner: Owner) -> io::Result<()> {
        fchown(&self.file, Some(owner.user), Some(owner.group))
    }

    fn set_aside(&self, place: Range<u64>) -> io::Result<()> {
        let mut at = place.start;
        while at < place.end {
            let count = usize::try_from(place.end - at).unwrap_or(usize::MAX).min(ZEROS.len());
            self.file.write_all_at(ZEROS.get(..count).unwrap_or_default(), at)?;
            at += count as u64;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        let locked = match kind {
            LockKind::Shared => self.file.try_lock_shared(),
            LockKind::Exclusive => self.file.try_lock(),
        };
        match locked {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}
