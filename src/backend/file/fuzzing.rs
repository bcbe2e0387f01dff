//! What the fuzz targets call: the parsers of the file, behind the key that an attacker does not have.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::backend::file::disk::{DiskFile, Identity, LockKind, Metadata, Owner};
use crate::backend::file::frame::{self, FrameHead, HEAD_LEN};
use crate::backend::file::header::Header;
use crate::backend::file::scan::{Position, Scanner};
use crate::backend::file::sealing::{NewPart, Plaintext, Seal};
use crate::clock::Timestamp;
use crate::crypto::aead::DataKey;
use crate::identity::{RecordName, random_bytes};
use crate::record_codec;

const KEY: [u8; 32] = [7; 32];
const VAULT: [u8; 16] = [9; 16];

/// A header is refused, or is within its bounds.
pub(crate) fn header(data: &[u8]) {
    if let Ok(header) = Header::parse(data) {
        assert!(header.len() <= data.len());
    }
}

/// As the bytes of a file behind the header: frames that open, and a tail that is judged. As a plaintext: what a frame
/// holds, and records that read back as they are written.
pub(crate) fn frame(data: &[u8]) {
    if let Some(head) = FrameHead::parse(data) {
        assert!(HEAD_LEN + head.sealed_len <= frame::MAX_FRAME);
    }
    walk(data);
    let Ok(parts) = frame::parts(data) else { return };
    for part in parts {
        let Some(bytes) = part.body.and_then(|body| data.get(body)) else { continue };
        let Ok(record) = record_codec::decode(part.name, bytes) else { continue };
        let again = record_codec::decode(part.name, &record_codec::encode(&record));
        assert!(again.is_ok_and(|again| again.fields == record.fields && again.version == record.version));
    }
}

/// Two frames of the data's own making, then the data itself.
fn walk(data: &[u8]) {
    let key = DataKey::new(&KEY);
    let (mut file, mut tag_before) = (Vec::new(), [0; 16]);
    for number in 0..2 {
        let body = data.get(..64).unwrap_or(data);
        let parts = [NewPart::put_again(RecordName::from_bytes([1; 16]), Timestamp::default(), body)];
        let Ok(nonce) = random_bytes() else { return };
        let seal = Seal { key: &key, vault_id: &VAULT, number, tag_before, nonce };
        let Ok(tag) = seal.append(&Plaintext::whole(&parts), &mut file) else { return };
        tag_before = tag;
    }
    let whole = file.len() as u64;
    file.extend_from_slice(data);
    let file = Bytes(Arc::from(file));
    let start = Position { offset: 0, number: 0, tag_before: [0; 16] };
    let Ok(mut scanner) = Scanner::new(&file, &key, &VAULT, start) else { return };
    while scanner.next().is_ok_and(|opened| opened.is_some()) {}
    assert_eq!(scanner.position().offset, whole, "nobody makes a frame without the key");
    let _ = scanner.tail();
}

/// A file that is only read.
#[derive(Debug)]
struct Bytes(Arc<[u8]>);

impl DiskFile for Bytes {
    fn metadata(&self) -> io::Result<Metadata> {
        let identity = Identity { device: 0, inode: 0 };
        let owner = Owner { user: 0, group: 0 };
        Ok(Metadata { identity, owner, len: self.0.len() as u64, mode: 0o600, is_file: true })
    }

    fn is_writable(&self) -> bool {
        false
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (place, byte) in buffer.iter_mut().zip(rest) {
            *place = *byte;
        }
        Ok(count)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_owner(&self, _: Owner) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_aside(&self, _: Range<u64>) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self, _: LockKind) -> io::Result<bool> {
        Ok(true)
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}
