//! Headers that do not belong to the frames behind them, and headers that ask for too much.

use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::crypto::kdf::KdfCost;
use tokenvault::error::ErrorKind;
use tokenvault::secret::SecretText;

use crate::layout;
use crate::story::{self, Story};

#[tokio::test]
async fn a_header_of_another_generation_or_vault_does_not_fit() {
    let (story, other) = (Story::new().await, Story::new().await);
    let (now, before) = (&story.bytes, &story.before_rotation);
    for (header, frames, what) in [
        (before, now, "an older header on newer frames"),
        (now, before, "a newer header on older frames"),
        (&other.bytes, now, "the header of another vault under the same key"),
        (now, &other.bytes, "the frames of another vault under the same key"),
    ] {
        let seen = story.look_at(&layout::joined(header, frames)).await;
        assert_eq!(seen.err(), Some(ErrorKind::Damaged), "{what}");
    }
}

#[tokio::test]
async fn a_header_with_nothing_behind_it_is_not_an_empty_vault() {
    let story = Story::new().await;
    for bytes in [&story.bytes, &story.before_rotation] {
        let header = &bytes[..layout::header_len(bytes)];
        for zeros in [0, 1, 44, 4096] {
            let seen = story.look_at(&[header, &vec![0; zeros]].concat()).await;
            assert_eq!(seen.err(), Some(ErrorKind::Damaged), "{zeros} zeros");
        }
    }
}

#[tokio::test]
async fn an_older_whole_copy_is_an_earlier_commit() {
    let story = Story::new().await;
    let (held, verified) = story.look_at(&story.before_rotation).await.unwrap();
    assert_eq!((held, verified.generation, verified.torn_bytes), (story.committed[0].clone(), 1, 0));
}

#[tokio::test]
async fn costs_beyond_the_bounds_are_refused_before_they_are_paid() {
    let story = Story::new().await;
    let path = story.path("passphrase.tv");
    let options = FileOptions::new(&path, KeySource::Passphrase(SecretText::new("correct horse")));
    let cost = KdfCost { memory_kib: KdfCost::MIN_MEMORY_KIB, passes: 1, lanes: 1 };
    drop(FileBackend::create(options.clone(), cost).unwrap());
    let good = std::fs::read(&path).unwrap();
    // Behind magic, format, length, vault id, generation, kind and length: memory, passes, lanes.
    for (at, asked) in [
        (39, u32::MAX),
        (39, KdfCost::MAX_MEMORY_KIB + 1),
        (39, KdfCost::MIN_MEMORY_KIB - 1),
        (39, 0),
        (43, u32::MAX),
        (43, 0),
        (47, u32::MAX),
        (47, 0),
    ] {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&asked.to_be_bytes());
        layout::set_checksum(&mut bytes);
        story::write(&path, &bytes);
        let error = FileBackend::open(options.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{asked} at {at}");
    }
    // Within the bounds, a cost that is not the vault's own gives another key.
    let mut bytes = good.clone();
    bytes[43..47].copy_from_slice(&2_u32.to_be_bytes());
    layout::set_checksum(&mut bytes);
    story::write(&path, &bytes);
    assert_eq!(FileBackend::open(options).unwrap_err().kind(), ErrorKind::WrongKey);
}

#[tokio::test]
async fn a_header_made_to_fit_by_somebody_without_the_key_is_refused() {
    let story = Story::new().await;
    let len = layout::header_len(&story.bytes);
    // With the checksum set right, only the MAC is left to tell.
    for at in 0..len - 64 {
        let mut bytes = story.bytes.clone();
        bytes[at] ^= 0x01;
        if layout::header_len(&bytes) == len {
            layout::set_checksum(&mut bytes[..len]);
        }
        let kind = story.look_at(&bytes).await.unwrap_err();
        assert!(crate::is_refusal(kind), "byte {at}: {kind:?}");
        // Vault id, generation, nonce, wrapped keys: nothing but the MAC speaks for them.
        if (12..36).contains(&at) || at >= 39 {
            assert_eq!(kind, ErrorKind::WrongKey, "byte {at}");
        }
    }
}
