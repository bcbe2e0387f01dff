//! Where header and frames lie in a vault file: enough of the format to take one apart, and no key.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::story::ROOM;

pub(crate) const MARKER: [u8; 4] = [0x54, 0x56, 0xF7, 0xA3];
/// Bytes of a frame before the sealed ones.
pub(crate) const HEAD: usize = 44;
/// The longest frame.
pub(crate) const LONGEST: usize = HEAD + (1 << 20) + 16;

/// Where the header ends.
pub(crate) fn header_len(bytes: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([bytes[10], bytes[11]]))
}

/// Where each frame lies.
pub(crate) fn frames(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut frames, mut at) = (Vec::new(), header_len(bytes));
    while bytes.get(at..at + 4) == Some(&MARKER) {
        let sealed = u32::from_be_bytes(bytes[at + 4..at + 8].try_into().unwrap());
        let end = at + HEAD + sealed as usize;
        frames.push(at..end);
        at = end;
    }
    frames
}

/// Where the last frame ends.
pub(crate) fn end(bytes: &[u8]) -> usize {
    frames(bytes).last().map_or(header_len(bytes), |frame| frame.end)
}

/// The file with only a little of the room that was set aside.
pub(crate) fn trimmed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(end(&bytes));
    bytes.resize(bytes.len() + ROOM, 0);
    bytes
}

/// The header of `bytes` and these frames of it, in this order.
pub(crate) fn arranged(bytes: &[u8], order: &[usize]) -> Vec<u8> {
    let frames = frames(bytes);
    let mut out = bytes[..header_len(bytes)].to_vec();
    for number in order {
        out.extend_from_slice(&bytes[frames[*number].clone()]);
    }
    out
}

/// The header of one file and the frames of another.
pub(crate) fn joined(header: &[u8], frames: &[u8]) -> Vec<u8> {
    [&header[..header_len(header)], &frames[header_len(frames)..]].concat()
}

/// Makes a header's checksum right again after a change: anybody can.
pub(crate) fn set_checksum(header: &mut [u8]) {
    let at = header_len(header) - 64;
    let checksum = Sha256::digest(&header[..at]);
    header[at..at + 32].copy_from_slice(&checksum);
}
