//! What the operating system says of a file.
//!
//! On Linux it is asked for no more than is needed: since 6.13, a file whose times anybody has asked for gets a new time
//! at its next write, and the sync of that write has it to journal (kernel documentation, "Multigrain Timestamps"). It
//! made a save a quarter slower.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::backend::file::disk::{Identity, Metadata, Owner};

pub(super) fn of_path(path: &Path) -> io::Result<Metadata> {
    #[cfg(target_os = "linux")]
    if let Some(found) = linux::statx(rustix::fs::CWD, path, rustix::fs::AtFlags::empty()) {
        return found;
    }
    fs::metadata(path).map(|metadata| convert(&metadata))
}

pub(super) fn of_file(file: &File) -> io::Result<Metadata> {
    #[cfg(target_os = "linux")]
    if let Some(found) = linux::statx(file, Path::new(""), rustix::fs::AtFlags::EMPTY_PATH) {
        return found;
    }
    file.metadata().map(|metadata| convert(&metadata))
}

fn convert(metadata: &fs::Metadata) -> Metadata {
    Metadata {
        identity: Identity { device: metadata.dev(), inode: metadata.ino() },
        owner: Owner { user: metadata.uid(), group: metadata.gid() },
        len: metadata.len(),
        mode: metadata.mode() & 0o7777,
        is_file: metadata.is_file(),
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::AsFd;
    use std::path::Path;

    use rustix::fs::{AtFlags, FileType, StatxFlags, makedev};

    use crate::backend::file::disk::{Identity, Metadata, Owner};

    const WANTED: StatxFlags = StatxFlags::TYPE
        .union(StatxFlags::MODE)
        .union(StatxFlags::UID)
        .union(StatxFlags::GID)
        .union(StatxFlags::INO)
        .union(StatxFlags::SIZE);

    /// `None` where the call is not to be had, as in sandboxes that are older than it.
    pub(super) fn statx(folder: impl AsFd, path: &Path, flags: AtFlags) -> Option<io::Result<Metadata>> {
        match rustix::fs::statx(folder, path, flags, WANTED) {
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => None,
            Err(error) => Some(Err(error.into())),
            Ok(found) => Some(Ok(Metadata {
                identity: Identity { device: makedev(found.stx_dev_major, found.stx_dev_minor), inode: found.stx_ino },
                owner: Owner { user: found.stx_uid, group: found.stx_gid },
                len: found.stx_size,
                mode: u32::from(found.stx_mode) & 0o7777,
                is_file: FileType::from_raw_mode(found.stx_mode.into()) == FileType::RegularFile,
            })),
        }
    }
}
