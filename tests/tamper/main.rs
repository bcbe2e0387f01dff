//! Whoever can write to a vault's file changes it in every way we could think of. What comes of it is a clear error,
//! or exactly what the vault held at an earlier commit, where its end was cut or spoilt; never another answer.
#![cfg(feature = "file")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has to stop")]
#![allow(clippy::indexing_slicing, clippy::panic, reason = "as above")]

mod bounds;
mod frames;
mod headers;
mod layout;
mod open_handle;
mod parts;
mod story;

use std::sync::Arc;

use tokenvault::backend::file::FileBackend;
use tokenvault::error::ErrorKind;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;

use crate::story::{Seen, Story};

/// The kinds of error that a changed file may give.
fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Damaged | ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::WrongKey)
}

/// What a file says whose last frame is spoilt: the frames before it, and that something is torn.
fn is_earlier(seen: &Seen, story: &Story, bytes: &[u8]) -> bool {
    let frames = layout::frames(bytes);
    let last = frames.last().unwrap().start;
    seen.as_ref().is_ok_and(|(held, verified)| {
        story.committed.contains(held) && verified.torn_bytes > 0 && verified.bytes == last as u64
    })
}

#[tokio::test]
async fn every_byte_flipped_is_found() {
    let story = Story::new().await;
    let last = layout::frames(&story.bytes).last().unwrap().clone();
    for at in 0..story.bytes.len() {
        for bits in [0x01, 0xff] {
            let mut bytes = story.bytes.clone();
            bytes[at] ^= bits;
            let seen = story.look_at(&bytes).await;
            let is_right = match &seen {
                Err(kind) if at < layout::header_len(&story.bytes) => is_refusal(*kind),
                Err(kind) => *kind == ErrorKind::Damaged && at < last.start,
                Ok((held, verified)) if at >= last.end => held == story.last() && verified.torn_bytes > 0,
                Ok(_) => at >= last.start && is_earlier(&seen, &story, &story.bytes),
            };
            assert!(is_right, "byte {at}, bits {bits:02x}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_file_cut_anywhere_is_refused_or_as_it_was_at_an_earlier_commit() {
    let story = Story::new().await;
    let frames = layout::frames(&story.bytes);
    let mut least = 0;
    for at in 0..layout::end(&story.bytes) {
        let seen = story.look_at(&story.bytes[..at]).await;
        // What the file was made with: two records and the frame that closes it.
        if at < frames[2].end {
            assert!(seen.as_ref().is_err_and(|kind| is_refusal(*kind)), "cut at byte {at}: {seen:?}");
            continue;
        }
        let (held, verified) = seen.unwrap();
        let whole = frames.iter().rfind(|frame| frame.end <= at).unwrap();
        let torn = story.bytes[whole.end..at].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        assert_eq!((verified.bytes, verified.torn_bytes), (whole.end as u64, torn as u64), "cut at byte {at}");
        let step = story.committed.iter().position(|committed| *committed == held);
        let step = step.unwrap_or_else(|| panic!("cut at byte {at}: never committed: {held:?}"));
        assert!(step >= least, "cut at byte {at}: more bytes show less");
        least = step;
    }
    assert_eq!(least, story.committed.len() - 2, "only the last commit is missing");
}

#[tokio::test]
async fn a_writer_goes_on_behind_a_cut_and_keeps_what_it_cuts_off() {
    let story = Story::new().await;
    let last = layout::frames(&story.bytes).last().unwrap().clone();
    let (before, _) = story.look_at(&story.bytes[..last.start]).await.unwrap();
    for at in [last.start + 1, last.start + layout::HEAD, last.end - 1] {
        let name = format!("cut-{at}.tv");
        let path = story.path(&name);
        story::write(&path, &story.bytes[..at]);
        let vault = Vault::new(Arc::new(FileBackend::open(story.options(&path)).unwrap()));
        let mut token = story::token("eve", at);
        vault.save_token(&Context::new(), &mut token).await.unwrap();
        let (held, verified) = story.look_at(&std::fs::read(&path).unwrap()).await.unwrap();
        assert_eq!(verified.torn_bytes, 0);
        assert!(held.contains_key(token.id().unwrap()));
        assert!(before.iter().all(|(id, texts)| held.get(id) == Some(texts)), "what was there before is there still");
        assert_eq!(held.len(), before.len() + 1);
        let kept = story.beside(&name, "torn");
        assert_eq!(kept.len(), 1);
        assert_eq!(std::fs::read(&kept[0]).unwrap(), &story.bytes[last.start..at]);
    }
}
