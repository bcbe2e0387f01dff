use super::*;
use crate::backend::file::frame::{MARKER, Role, open, parts, role, tag};
use crate::crypto::aead::Refused;
use crate::error::ErrorKind;
use crate::identity::random_bytes;

const VAULT_ID: [u8; 16] = [0xA1; 16];
const TAG_BEFORE: [u8; TAG_LEN] = [0xB2; TAG_LEN];
const NUMBER: u64 = 41;

fn key() -> DataKey {
    DataKey::new(&[1; 32])
}

fn name(byte: u8) -> RecordName {
    RecordName::from_bytes([byte; 16])
}

fn changes() -> [NewPart<'static>; 3] {
    [
        NewPart::put_again(name(1), Timestamp::from_micros(10), b"first record"),
        NewPart::tombstone(name(2), Timestamp::from_micros(11)),
        NewPart::put_again(name(3), Timestamp::from_micros(12), b""),
    ]
}

fn seal(changes: &[NewPart<'_>]) -> Result<(Vec<u8>, [u8; TAG_LEN])> {
    let (key, nonce) = (key(), random_bytes().unwrap());
    let seal = Seal { key: &key, vault_id: &VAULT_ID, number: NUMBER, tag_before: TAG_BEFORE, nonce };
    let (plaintext, mut out) = (Plaintext::whole(changes), Vec::new());
    let tag = seal.append(&plaintext, &mut out).inspect_err(|_| assert!(out.is_empty()))?;
    assert_eq!(out.len(), plaintext.frame_len());
    Ok((out, tag))
}

fn sealed() -> Vec<u8> {
    seal(&changes()).unwrap().0
}

fn plaintext() -> Vec<u8> {
    open(&key(), &VAULT_ID, NUMBER, &TAG_BEFORE, &mut sealed()).unwrap().to_vec()
}

fn opens(frame: &[u8]) -> bool {
    open(&key(), &VAULT_ID, NUMBER, &TAG_BEFORE, &mut frame.to_vec()).is_ok()
}

#[test]
fn a_frame_opens_to_what_was_sealed() {
    let (mut frame, tag_answered) = seal(&changes()).unwrap();
    let head = FrameHead::parse(&frame).unwrap();
    assert_eq!((head.number, head.tag_before, HEAD_LEN + head.sealed_len), (NUMBER, TAG_BEFORE, frame.len()));
    assert_eq!(tag(&frame), tag_answered);
    assert_eq!(HEAD_LEN, 44);

    let opened = open(&key(), &VAULT_ID, NUMBER, &TAG_BEFORE, &mut frame).unwrap();
    let parts = parts(opened).unwrap();
    assert!(parts.iter().map(|part| part.body.clone()).eq(Plaintext::whole(&changes()).bodies()));
    let bodies: Vec<_> = parts.iter().map(|part| part.body.clone().map(|range| &opened[range])).collect();
    assert_eq!(bodies, [Some(&b"first record"[..]), None, Some(&b""[..])]);
    let named: Vec<_> = parts.iter().map(|part| (part.name, part.time.as_micros())).collect();
    assert_eq!(named, [(name(1), 10), (name(2), 11), (name(3), 12)]);
}

#[test]
fn nothing_of_the_plaintext_stays_behind_a_sealing() {
    let frame = sealed();
    assert!(!frame.windows(12).any(|bytes| bytes == b"first record"));
    let (key, changes) = (key(), changes());
    let seal = Seal { key: &key, vault_id: &VAULT_ID, number: NUMBER, tag_before: TAG_BEFORE, nonce: [7; NONCE_LEN] };
    let mut exactly = Vec::with_capacity(frame.len());
    seal.append(&Plaintext::whole(&changes), &mut exactly).unwrap();
    assert_eq!(exactly.capacity(), frame.len(), "it did not grow");
}

#[test]
fn every_bit_counts() {
    let frame = sealed();
    assert!(opens(&frame));
    for at in 0..frame.len() {
        for change in (0..8).map(|bit| 1 << bit) {
            let mut changed = frame.clone();
            changed[at] ^= change;
            assert!(!opens(&changed), "byte {at} ^ {change}");
        }
    }
}

#[test]
fn a_frame_in_another_place_is_refused() {
    let frame = sealed();
    let refused = |key: &DataKey, vault_id: &[u8; 16], number, tag_before: &[u8; 16]| {
        open(key, vault_id, number, tag_before, &mut frame.clone()) == Err(Refused)
    };
    assert!(refused(&DataKey::new(&[2; 32]), &VAULT_ID, NUMBER, &TAG_BEFORE));
    assert!(refused(&key(), &[0xA2; 16], NUMBER, &TAG_BEFORE));
    assert!(refused(&key(), &VAULT_ID, NUMBER + 1, &TAG_BEFORE));
    assert!(refused(&key(), &VAULT_ID, NUMBER, &[0xB3; 16]));
}

// The head says what the reader expects, so that only the AAD is left to notice it.
#[test]
fn a_frame_whose_head_was_fitted_to_another_place_is_refused() {
    let mut frame = sealed();
    frame[8..16].copy_from_slice(&(NUMBER + 1).to_be_bytes());
    assert_eq!(open(&key(), &VAULT_ID, NUMBER + 1, &TAG_BEFORE, &mut frame), Err(Refused));
    let mut frame = sealed();
    frame[16..32].copy_from_slice(&[0xB3; 16]);
    assert_eq!(open(&key(), &VAULT_ID, NUMBER, &[0xB3; 16], &mut frame), Err(Refused));
}

#[test]
fn every_cut_and_every_addition_is_refused() {
    let frame = sealed();
    for end in 0..frame.len() {
        assert!(!opens(&frame[..end]), "cut at {end}");
    }
    assert!(!opens(&[&frame[..], &[0]].concat()));
}

#[test]
fn two_sealings_of_the_same_share_neither_nonce_nor_bytes() {
    let (one, other) = (sealed(), sealed());
    assert_ne!(FrameHead::parse(&one).unwrap().nonce, FrameHead::parse(&other).unwrap().nonce);
    assert_ne!(one[HEAD_LEN..], other[HEAD_LEN..]);
}

#[test]
fn a_head_beyond_the_bounds_is_none() {
    let mut head = sealed()[..HEAD_LEN].to_vec();
    let mut parsed = |length: u32| {
        head[4..8].copy_from_slice(&length.to_be_bytes());
        FrameHead::parse(&head).map(|head| head.sealed_len)
    };
    let most = u32::try_from(MAX_PLAINTEXT + TAG_LEN).unwrap();
    assert_eq!((parsed(0), parsed(17), parsed(18)), (None, None, Some(18)));
    assert_eq!((parsed(most), parsed(most + 1), parsed(u32::MAX)), (Some(MAX_PLAINTEXT + TAG_LEN), None, None));
    assert_eq!(FrameHead::parse(&[0; HEAD_LEN]), None);
    assert_eq!(FrameHead::parse(&head[..HEAD_LEN - 1]), None);
}

#[test]
fn a_frame_takes_its_most_and_not_a_byte_more() {
    let most = vec![7; MAX_PLAINTEXT - COUNT_LEN - PART_LEN + 1];
    let of = |body| seal(&[NewPart::put_again(name(1), Timestamp::default(), body)]);
    assert!(opens(&of(&most[1..]).unwrap().0));
    assert_eq!(of(&most).unwrap_err().kind(), ErrorKind::InvalidInput);
    let tombstones = |count| {
        seal(
            &std::iter::repeat_with(|| NewPart::tombstone(name(1), Timestamp::default()))
                .take(count)
                .collect::<Vec<_>>(),
        )
    };
    assert!(opens(&tombstones(usize::from(IS_PART) - 1).unwrap().0));
    assert_eq!(tombstones(usize::from(IS_PART)).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn nonces_of_one_draw_differ() {
    let drawn = nonces(1000).unwrap();
    assert_eq!(drawn.iter().collect::<std::collections::HashSet<_>>().len(), 1000);
}

#[test]
fn a_plaintext_that_is_not_in_the_format_is_refused() {
    let good = plaintext();
    assert_eq!(parts(&[0, 0]).unwrap(), []);
    for end in 0..good.len() {
        assert_eq!(parts(&good[..end]).unwrap_err().kind(), ErrorKind::Damaged, "cut at {end}");
    }
    let changed = |at: usize, bytes: &[u8]| {
        let mut plaintext = good.clone();
        plaintext[at..at + bytes.len()].copy_from_slice(bytes);
        parts(&plaintext).is_err()
    };
    const SECOND: usize = COUNT_LEN + PART_LEN + 12;
    assert!(changed(0, &[0, 2]), "a count that leaves bytes behind");
    assert!(changed(0, &[0xFF, 0xFF]), "a count beyond what is there");
    assert!(changed(COUNT_LEN, &[0]) && changed(COUNT_LEN, &[3]), "an unknown kind");
    assert!(changed(SECOND - 12 - 4, &[0xFF; 4]), "a length beyond what is there");
    assert!(changed(COUNT_LEN, &[KIND_TOMBSTONE]), "a tombstone with a record");
    assert!(!changed(SECOND, &[KIND_PUT]), "a put of nothing is in the format; the record codec refuses it");
}

#[test]
fn random_bytes_never_panic() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..50_000 {
        let mut bytes = vec![0; random.usize(..200)];
        random.fill(&mut bytes);
        if bytes.len() > 2 {
            bytes[..2].copy_from_slice(&[0, random.u8(..4)]);
        }
        if let Ok(parts) = parts(&bytes) {
            assert!(parts.into_iter().filter_map(|part| part.body).all(|range| bytes.get(range).is_some()));
        }
        for (place, byte) in bytes.iter_mut().zip(MARKER) {
            *place = byte;
        }
        assert!(!opens(&bytes));
    }
}

#[test]
fn a_frame_tells_what_it_is_to_its_commit() {
    let opened = |plaintext: Plaintext<'_>| {
        let (key, nonce, mut out) = (key(), random_bytes().unwrap(), Vec::new());
        let seal = Seal { key: &key, vault_id: &VAULT_ID, number: NUMBER, tag_before: TAG_BEFORE, nonce };
        seal.append(&plaintext, &mut out).unwrap();
        open(&key, &VAULT_ID, NUMBER, &TAG_BEFORE, &mut out).unwrap().to_vec()
    };
    let changes = changes();
    let (whole, part) = (opened(Plaintext::whole(&changes)), opened(Plaintext::part(&changes)));
    assert_eq!((role(&whole), role(&part)), (Role::Whole, Role::Part));
    assert_eq!(parts(&part).unwrap(), parts(&whole).unwrap());
    let closing = opened(Plaintext::closing());
    assert_eq!((role(&closing), parts(&closing).unwrap()), (Role::Closing, Vec::new()));

    let part_of_nothing = opened(Plaintext::part(&[]));
    assert_eq!(role(&part_of_nothing), Role::Part);
    assert_eq!(parts(&part_of_nothing).unwrap_err().kind(), ErrorKind::Damaged);
}
