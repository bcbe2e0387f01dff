//! Whole frames, taken out, put in, moved about and set back.

use std::sync::Arc;

use tokenvault::backend::file::FileBackend;
use tokenvault::error::ErrorKind;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;

use crate::story::{self, Story};
use crate::{is_earlier, layout};

#[tokio::test]
async fn a_frame_that_is_missing_doubled_or_elsewhere_is_found() {
    let story = Story::new().await;
    let count = layout::frames(&story.bytes).len();
    let whole: Vec<usize> = (0..count).collect();
    let mut tried = 0;
    for one in 0..count {
        let mut without = whole.clone();
        without.remove(one);
        let mut orders = Vec::new();
        for place in 0..count {
            let mut moved = without.clone();
            moved.insert(place, one);
            let mut repeated = whole.clone();
            repeated.insert(place, one);
            let mut replaced = whole.clone();
            replaced[place] = one;
            let mut swapped = whole.clone();
            swapped.swap(one, place);
            orders.extend([moved, repeated, replaced, swapped]);
        }
        orders.push([whole.clone(), vec![one]].concat());
        if one + 1 < count {
            orders.push(without);
        }
        for order in orders {
            // The whole file with its last frame once more is the one order here that begins like the right one.
            if order == whole {
                continue;
            }
            let seen = story.look_at(&layout::arranged(&story.bytes, &order)).await;
            assert_eq!(seen.err(), Some(ErrorKind::Damaged), "{order:?}");
            tried += 1;
        }
    }
    assert!(tried > 3 * count * (count - 1));
}

#[tokio::test]
async fn without_its_last_frames_a_file_is_as_it_was_before_them() {
    let story = Story::new().await;
    let count = layout::frames(&story.bytes).len();
    let mut steps = Vec::new();
    for kept in 3..=count {
        let order: Vec<usize> = (0..kept).collect();
        let (held, verified) = story.look_at(&layout::arranged(&story.bytes, &order)).await.unwrap();
        assert_eq!(verified.torn_bytes, 0, "a cut between two frames cannot be told from an earlier commit");
        steps.push(story.committed.iter().position(|committed| *committed == held).expect("a committed state"));
    }
    assert!(steps.is_sorted_by(|one, next| one < next), "{steps:?}");
    assert_eq!((steps[0], *steps.last().unwrap()), (0, story.committed.len() - 1));
}

#[tokio::test]
async fn a_frame_of_another_branch_fits_only_where_nothing_follows() {
    let story = Story::new().await;
    let frames = layout::frames(&story.bytes);
    for (number, frame) in frames.iter().enumerate().skip(3) {
        // The same vault up to here, that then went another way: a frame of this number, with this one before it.
        let other = branch(&story, &story.bytes[..frame.start], number).await;
        let theirs = layout::frames(&other)[number].clone();
        let mut bytes = story.bytes[..frame.start].to_vec();
        bytes.extend_from_slice(&other[theirs.clone()]);
        let (held, _) = story.look_at(&bytes).await.unwrap();
        assert_eq!(held, story.look_at(&other[..theirs.end]).await.unwrap().0, "that branch, and nothing of this one");
        bytes.extend_from_slice(&story.bytes[frame.end..]);
        let seen = story.look_at(&bytes).await;
        let expected = (number + 1 < frames.len()).then_some(ErrorKind::Damaged);
        assert_eq!(seen.err(), expected, "frame {number} set back");
    }
}

async fn branch(story: &Story, bytes: &[u8], number: usize) -> Vec<u8> {
    let path = story.path(&story::long_name(&format!("branch-{number}-")));
    story::write(&path, bytes);
    let vault = Vault::new(Arc::new(FileBackend::open(story.options(&path)).unwrap()));
    vault.save_token(&Context::new(), &mut story::token("mallory", number)).await.unwrap();
    std::fs::read(&path).unwrap()
}

#[tokio::test]
async fn zeros_in_the_middle_are_found() {
    let story = Story::new().await;
    let frames = layout::frames(&story.bytes);
    for (number, frame) in frames.iter().enumerate() {
        for (from, to) in [(frame.start, frame.end), (frame.start, frame.start + 1), (frame.end - 1, frame.end)] {
            let mut bytes = story.bytes.clone();
            bytes[from..to].fill(0);
            if bytes == story.bytes {
                continue;
            }
            let seen = story.look_at(&bytes).await;
            if number + 1 < frames.len() {
                assert_eq!(seen.err(), Some(ErrorKind::Damaged), "frame {number}, {from}..{to}");
            } else if to - from < frame.len() {
                assert!(is_earlier(&seen, &story, &story.bytes), "frame {number}, {from}..{to}: {seen:?}");
            }
        }
        for hole in [1, 44, 4096] {
            let bytes = [&story.bytes[..frame.start], &vec![0; hole], &story.bytes[frame.start..]].concat();
            assert_eq!(story.look_at(&bytes).await.err(), Some(ErrorKind::Damaged), "{hole} zeros before {number}");
        }
    }
}

#[tokio::test]
async fn junk_behind_the_end_changes_no_answer() {
    let story = Story::new().await;
    let end = layout::end(&story.bytes);
    let mut random = fastrand::Rng::with_seed(2);
    for len in [1, 2, 43, 44, 45, 1000, 100_000, layout::LONGEST, layout::LONGEST + 1, 3 << 20] {
        for at in [end, story.bytes.len()] {
            let mut bytes = story.bytes[..at].to_vec();
            bytes.resize_with(at + len, || random.u8(1..));
            let seen = story.look_at(&bytes).await;
            match seen {
                Ok((held, verified)) => {
                    assert_eq!((&held, verified.torn_bytes), (story.last(), (at - end + len) as u64));
                }
                Err(kind) => assert!(kind == ErrorKind::Damaged && at - end + len > layout::LONGEST, "{len} bytes"),
            }
        }
    }
}
