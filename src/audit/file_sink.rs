//! An audit trail in a file, which any number of processes of a machine may share: each line is one write at the file's
//! end, and a process begins by naming the last line that is there.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use nix::fcntl::OFlag;
use rustix::io::retry_on_intr;

use crate::audit::chain;
use crate::audit::keys::Mac;
use crate::audit::sink::{End, OpenSink, Sink};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

/// How much of a file's end is searched for its last line.
const SEARCHED: u64 = 64 * 1024;
/// What nobody else may: write, and whoever is not of the file's group not even read.
const REFUSED_MODE: u32 = 0o037;

/// A file that was seen so lately is taken to be there still: a look costs half as much as a line.
const SEEN: Duration = Duration::from_millis(1);

/// A file that lines are added to. Made with mode 0600 where it is not there.
///
/// Where somebody removes it, another is made by the next line a millisecond later, or at the end, and what the removed one took
/// since it was last seen is written again. A change, and a lease, wait until the file was seen.
#[derive(Clone, Debug)]
pub struct AuditFile(PathBuf);

impl AuditFile {
    /// The file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn opened(&self) -> io::Result<File> {
        // Neither does a pipe hold us up that nobody reads, nor does a link lead elsewhere.
        let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).custom_flags(flags).open(&self.0)
    }
}

impl fmt::Display for AuditFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file:{}", self.0.display())
    }
}

impl OpenSink for AuditFile {
    fn open(&self) -> Result<Box<dyn Sink>> {
        let path = self.0.display();
        let file = self.opened().map_err(|cause| {
            Error::new(ErrorKind::Unavailable, format!("the audit file {path} cannot be opened"))
                .with_hint("check the path, and who may write there; a symbolic link is not followed")
                .with_source(cause)
        })?;
        let metadata = file.metadata().map_err(|cause| {
            Error::new(ErrorKind::Unavailable, format!("the audit file {path} cannot be looked at")).with_source(cause)
        })?;
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::PermissionDenied, format!("{path} is not a regular file"))
                .with_hint("name a file for the audit trail, or one that is not there yet"));
        }
        if metadata.mode() & REFUSED_MODE != 0 {
            return Err(Error::new(ErrorKind::PermissionDenied, format!("others may use the audit file {path}"))
                .with_hint(format!("take that away with: chmod 600 {path}")));
        }
        Ok(Box::new(FileSink { file, seen_at: None, is_settled: true, known_end: None }))
    }
}

/// Its writes are done when they return, so nothing here ever waits.
#[derive(Debug)]
struct FileSink {
    file: File,
    /// When it was known to be there, last.
    seen_at: Option<Timestamp>,
    is_settled: bool,
    /// How long it is if nobody else has written since its end was read, and the MAC of the last line that is not ours.
    known_end: Option<(u64, Option<Mac>)>,
}

impl FileSink {
    fn look(&mut self) -> io::Result<()> {
        if links(&self.file)? == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the audit file was removed"));
        }
        self.is_settled = true;
        Ok(())
    }
}

#[async_trait]
impl Sink for FileSink {
    async fn write(&mut self, lines: &[u8], now: Timestamp) -> io::Result<()> {
        let written = retry_on_intr(|| rustix::io::write(&self.file, lines))?;
        if written < lines.len() {
            return Err(io::Error::new(io::ErrorKind::WriteZero, "only a part of a line was taken"));
        }
        if let Some((length, _)) = &mut self.known_end {
            *length += lines.len() as u64;
        }
        // Looked at afterwards: a line in a file that nobody can find any more is no line.
        let is_seen = self.seen_at.is_some_and(|at| at <= now && now.since(at) < SEEN);
        self.is_settled = false;
        if !is_seen {
            self.look()?;
            self.seen_at = Some(now);
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.is_settled
    }

    async fn settle(&mut self) -> io::Result<()> {
        self.look()
    }

    async fn end(&mut self, except: Option<&str>) -> io::Result<End> {
        let length = self.file.metadata()?.len();
        if let (Some((known, mac)), Some(_)) = (self.known_end, except)
            && known == length
        {
            return Ok(End { mac, is_torn: false });
        }
        let start = length.saturating_sub(SEARCHED);
        let mut end = vec![0; usize::try_from(length - start).unwrap_or_default()];
        self.file.read_exact_at(&mut end, start)?;
        let is_own = |line: &[u8]| except.is_some_and(|id| chain::is_of(line, id));
        // A line without its break is one that somebody is writing, or a torn one.
        let whole = end.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
        let mut lines = whole.filter_map(chain::parts).peekable();
        if length > 0 && lines.peek().is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "what is in the file is no audit trail"));
        }
        let mac = lines.rfind(|(line, _)| !is_own(line)).map(|(_, mac)| mac);
        self.known_end = Some((length, mac));
        Ok(End { mac, is_torn: end.last().is_some_and(|byte| *byte != b'\n') })
    }
}

/// How many names a file has. Its times are not asked for: that would make the next write dearer (see
/// backend/file/os_metadata.rs).
fn links(file: &File) -> io::Result<u64> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, StatxFlags};
        match rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::NLINK) {
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {}
            found => return Ok(u64::from(found?.stx_nlink)),
        }
    }
    Ok(file.metadata()?.nlink())
}
