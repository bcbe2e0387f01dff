//! Parts of a commit, and what may stand behind them.

use std::path::Path;

use crate::backend::file::disk::Disk;
use crate::backend::file::frame::Role;
use crate::backend::file::scan::{MAX_COMMIT, Position, Scanner, Tail};
use crate::backend::file::sealing::{NewPart, Plaintext, Seal};
use crate::backend::file::tests::sim_world::World;
use crate::clock::Timestamp;
use crate::crypto::aead::DataKey;
use crate::error::{ErrorKind, Result};
use crate::identity::{RecordName, random_bytes};

const VAULT: [u8; 16] = [9; 16];
const START: Position = Position { offset: 0, number: 0, tag_before: [0; 16] };

/// Walks over a file of these frames: how many there are up to the last whole commit, and the tail.
fn walk(roles: &[Role]) -> Result<(u64, Tail)> {
    let key = DataKey::new(&[7; 32]);
    let (mut bytes, mut at) = (Vec::new(), START);
    let change = [NewPart::tombstone(RecordName::from_bytes([1; 16]), Timestamp::from_micros(1))];
    for role in roles {
        let plaintext = match role {
            Role::Whole => Plaintext::whole(&change),
            Role::Part => Plaintext::part(&change),
            Role::Closing => Plaintext::closing(),
        };
        let Position { number, tag_before, .. } = at;
        let seal = Seal { key: &key, vault_id: &VAULT, number, tag_before, nonce: random_bytes().unwrap() };
        let tag = seal.append(&plaintext, &mut bytes).unwrap();
        at = at.behind(plaintext.frame_len(), tag);
    }
    let file = World::default().process().create_new(Path::new("/sim/frames")).unwrap();
    file.write_at(&bytes, 0).unwrap();
    let mut scanner = Scanner::new(&*file, &key, &VAULT, START).unwrap();
    while scanner.next()?.is_some() {}
    Ok((scanner.position().number, scanner.tail()?))
}

#[test]
fn parts_count_once_they_are_closed() {
    use Role::{Closing, Part, Whole};
    assert_eq!(walk(&[Whole, Part, Part, Closing, Whole]).unwrap(), (5, Tail::Clean));
    for torn in [&[Whole, Part][..], &[Whole, Part, Part]] {
        let (number, tail) = walk(torn).unwrap();
        assert!(number == 1 && matches!(tail, Tail::Torn(_)), "{torn:?}: {tail:?}");
    }
}

#[test]
fn a_commit_behind_parts_that_nobody_closed_is_damage() {
    // Whoever writes next cuts them off first.
    let error = walk(&[Role::Whole, Role::Part, Role::Whole]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
}

#[test]
fn a_tail_is_torn_up_to_the_longest_commit_and_damage_beyond() {
    let key = DataKey::new(&[7; 32]);
    let tail = |len: usize| {
        let file = World::default().process().create_new(Path::new("/sim/tail")).unwrap();
        file.write_at(&vec![1; len], 0).unwrap();
        Scanner::new(&*file, &key, &VAULT, START).unwrap().tail()
    };
    assert_eq!(tail(MAX_COMMIT).unwrap(), Tail::Torn(MAX_COMMIT as u64));
    assert_eq!(tail(MAX_COMMIT + 1).unwrap_err().kind(), ErrorKind::Damaged);
}
