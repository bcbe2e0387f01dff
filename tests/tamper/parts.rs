//! A commit that was appended in parts: it is there whole, or it is an error, or it was never closed and none of it counts.

use std::ops::Range;
use std::sync::Arc;

use tokenvault::backend::file::FileBackend;
use tokenvault::crypto::kdf::KdfCost;
use tokenvault::error::ErrorKind;
use tokenvault::import::{self, ImportOptions};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;

use crate::layout;
use crate::story::{self, Held, Story};

/// Rows whose records do not fit into one frame of a commit.
const ROWS: usize = 40;

/// A vault in which a save, an import in parts and another save lie one behind the other.
struct Parted {
    story: Story,
    bytes: Vec<u8>,
    /// What it held before the import, after it, and at the end.
    held: [Held; 3],
    /// The import's frames; the last one closes it.
    import: Range<usize>,
}

async fn parted() -> Parted {
    let (story, cx) = (Story::new().await, Context::new());
    let path = story.path("parted.tv");
    let file = Arc::new(FileBackend::create(story.options(&path), KdfCost::default()).unwrap());
    let vault = Vault::new(Arc::clone(&file) as _);
    vault.save_token(&cx, &mut story::token("ada", 0)).await.unwrap();
    let before = story::look_through(&file).await.unwrap().0;
    let first = layout::frames(&std::fs::read(&path).unwrap()).len();
    let header = "id,user_name,client_id,client_secret,refresh_token,access_token,grant_token,expiry_time,redirect_url,api_domain";
    let row = |number| format!("\n{number},user {number},client,,,{},,,,", "x".repeat(500));
    let csv = header.to_owned() + &(0..ROWS).map(row).collect::<String>();
    let rows = import::csv::parse(csv.as_bytes()).unwrap();
    let done = import::import(&vault, &cx, &rows, &ImportOptions::default()).await.unwrap();
    assert_eq!(done.new.len(), ROWS);
    let imported = story::look_through(&file).await.unwrap().0;
    let behind = layout::frames(&std::fs::read(&path).unwrap()).len();
    assert_eq!(behind - first, ROWS + 1, "a part for each row, and one that closes them");
    vault.save_token(&cx, &mut story::token("bob", 0)).await.unwrap();
    let end = story::look_through(&file).await.unwrap().0;
    let bytes = layout::trimmed(std::fs::read(&path).unwrap());
    Parted { story, bytes, held: [before, imported, end], import: first..behind }
}

#[tokio::test]
async fn a_part_that_is_changed_missing_or_elsewhere_is_found() {
    let Parted { story, bytes, import, .. } = parted().await;
    let frames = layout::frames(&bytes);
    for number in import.clone() {
        for at in [frames[number].start, frames[number].start + 20, frames[number].end - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(story.look_at(&changed).await.err(), Some(ErrorKind::Damaged), "byte {at} of frame {number}");
        }
        let whole: Vec<usize> = (0..frames.len()).collect();
        let mut without = whole.clone();
        without.remove(number);
        let mut swapped = whole.clone();
        swapped.swap(number, number - 1);
        let mut repeated = whole;
        repeated.insert(number, number);
        for order in [without, swapped, repeated] {
            let seen = story.look_at(&layout::arranged(&bytes, &order)).await;
            assert_eq!(seen.err(), Some(ErrorKind::Damaged), "frame {number}");
        }
    }
}

#[tokio::test]
async fn a_commit_that_was_not_closed_is_none() {
    let Parted { story, bytes, held: [before, imported, _], import } = parted().await;
    let frames = layout::frames(&bytes);
    let (start, last) = (frames[import.start].start, &frames[import.end - 1]);
    for end in (start..last.end).step_by(97).chain([last.start, last.end - 1]) {
        let (found, verified) = story.look_at(&bytes[..end]).await.unwrap();
        let torn = bytes[start..end].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        assert_eq!((found, verified.bytes, verified.torn_bytes), (before.clone(), start as u64, torn as u64));
    }
    assert_eq!(story.look_at(&bytes[..last.end]).await.unwrap().0, imported);

    // Written, but not in order: a part is missing, or the first, and the next are there.
    for hole in [import.start, import.start + 7] {
        let mut torn = bytes[..last.start].to_vec();
        torn[frames[hole].clone()].fill(0);
        let (found, verified) = story.look_at(&torn).await.unwrap();
        assert_eq!((found, verified.bytes), (before.clone(), start as u64), "without part {hole}");
        assert!(verified.torn_bytes > 0);
    }
}

#[tokio::test]
async fn a_writer_cuts_off_what_was_not_closed_and_keeps_it() {
    let Parted { story, bytes, held: [before, ..], import } = parted().await;
    let frames = layout::frames(&bytes);
    let (start, end) = (frames[import.start].start, frames[import.end - 1].start);
    let path = story.path("unclosed.tv");
    story::write(&path, &bytes[..end]);
    let vault = Vault::new(Arc::new(FileBackend::open(story.options(&path)).unwrap()));
    let mut token = story::token("eve", 0);
    vault.save_token(&Context::new(), &mut token).await.unwrap();
    let (found, verified) = story.look_at(&std::fs::read(&path).unwrap()).await.unwrap();
    assert_eq!((found.len(), verified.torn_bytes), (before.len() + 1, 0));
    assert!(found.contains_key(token.id().unwrap()));
    let kept = story.beside("unclosed.tv", "torn");
    assert_eq!(kept.iter().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>(), [&bytes[start..end]]);
}
