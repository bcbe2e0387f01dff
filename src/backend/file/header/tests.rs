use super::*;

const VAULT_ID: [u8; 16] = [0xA1; 16];
const SALT: [u8; 32] = [0x5A; 32];
const FLOOR: KdfCost = KdfCost { memory_kib: KdfCost::MIN_MEMORY_KIB, passes: 1, lanes: 1 };
const ARGON2ID: KeyDerivation = KeyDerivation::Argon2id { cost: FLOOR, salt: SALT };

const FORMAT_AT: usize = 8;
const LENGTH_AT: usize = 10;
const KIND_AT: usize = 36;
const SOURCE_LENGTH_AT: usize = 37;
const SOURCE_AT: usize = 39;

fn kek() -> KeyEncryptionKey {
    KeyEncryptionKey::new(&[1; 32])
}

fn header(derivation: KeyDerivation) -> Vec<u8> {
    Header::create(VAULT_ID, 7, derivation, &kek(), &RootKey::random().unwrap(), &[3; 32]).unwrap()
}

/// Puts `bytes` at `at` and makes the checksum right again: what an attacker can do.
fn forged(mut header: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    header[at..at + bytes.len()].copy_from_slice(bytes);
    let checked = header.len() - CHECKSUM_LEN - MAC_LEN;
    let checksum = Sha256::digest(&header[..checked]);
    header[checked..checked + CHECKSUM_LEN].copy_from_slice(&checksum);
    header
}

fn parse_error(bytes: &[u8]) -> Error {
    Header::parse(bytes).unwrap_err()
}

#[test]
fn a_header_reads_back_as_written() {
    for (derivation, length) in [(KeyDerivation::KeyFile, 195), (ARGON2ID, 239)] {
        let mut bytes = header(derivation);
        let hash = Sha256::digest(&bytes);
        bytes.extend_from_slice(b"a frame, and more");
        let parsed = Header::parse(&bytes).unwrap();
        assert_eq!((parsed.vault_id, parsed.generation, parsed.derivation), (VAULT_ID, 7, derivation));
        assert_eq!((parsed.len(), &parsed.tag()[..]), (length, &hash[..16]));
    }
}

#[test]
fn the_keys_come_out_as_they_went_in() {
    let root = RootKey::random().unwrap();
    let first = Header::create(VAULT_ID, 1, KeyDerivation::KeyFile, &kek(), &root, &[3; 32]).unwrap();
    let (unlocked, data_key) = Header::parse(&first).unwrap().unlock(&kek()).unwrap();
    let mut buffer = *b"text";
    let tag = data_key.seal_in_place(&[0; 12], b"", &mut buffer).unwrap();
    DataKey::new(&[3; 32]).open_in_place(&[0; 12], b"", &mut buffer, &tag).unwrap();

    // Wrapping is deterministic in everything but the nonce, so the root key shows in a second wrapping under it.
    let wrap = |root| kek().wrap(&[0; 12], b"", root, &[0; 32]).unwrap();
    assert_eq!(wrap(&unlocked), wrap(&root));
}

#[test]
fn every_bit_counts() {
    let bytes = header(ARGON2ID);
    for at in 0..bytes.len() {
        for change in (0..8).map(|bit| 1 << bit) {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            if let Ok(parsed) = Header::parse(&changed) {
                assert!(at >= bytes.len() - MAC_LEN, "byte {at} ^ {change} is behind no checksum");
                assert_eq!(parsed.unlock(&kek()).unwrap_err().kind(), ErrorKind::WrongKey);
            }
        }
    }
}

#[test]
fn every_byte_counts_also_under_a_right_checksum() {
    let bytes = header(ARGON2ID);
    for at in 0..bytes.len() - CHECKSUM_LEN - MAC_LEN {
        for change in [0x01, 0x02, 0x10, 0x80, 0xFF] {
            let changed = forged(bytes.clone(), at, &[bytes[at] ^ change]);
            let refused = Header::parse(&changed).and_then(|parsed| parsed.unlock(&kek()));
            assert!(refused.is_err(), "byte {at} ^ {change}");
        }
    }
}

#[test]
fn every_cut_is_refused() {
    let bytes = header(ARGON2ID);
    for end in 0..bytes.len() {
        let kind = if end < MAGIC.len() { ErrorKind::InvalidInput } else { ErrorKind::Damaged };
        assert_eq!(parse_error(&bytes[..end]).kind(), kind, "cut at {end}");
    }
}

#[test]
fn another_key_and_a_forged_header_are_refused_in_the_same_words() {
    let bytes = header(ARGON2ID);
    let wrong_key = Header::parse(&bytes).unwrap().unlock(&KeyEncryptionKey::new(&[2; 32])).unwrap_err();
    let forged = Header::parse(&forged(bytes, SOURCE_AT + 12, &[0; 32])).unwrap().unlock(&kek()).unwrap_err();
    assert_eq!(wrong_key.kind(), ErrorKind::WrongKey);
    assert_eq!(format!("{wrong_key:?}"), format!("{forged:?}"));
    assert_eq!(wrong_key.message(), "the passphrase or key does not open this vault, or its header was changed");
}

#[test]
fn a_header_of_another_vault_does_not_lend_its_wrapped_keys() {
    // Even where the MAC were no hurdle, the wrapping is bound to the vault: here the owner of the key makes the MAC.
    let mut bytes = forged(header(KeyDerivation::KeyFile), 12, &[0xB2; 16]);
    let mac_at = bytes.len() - MAC_LEN;
    let mac = kek().header_mac(&bytes[..mac_at]).unwrap();
    bytes[mac_at..].copy_from_slice(&mac);
    assert_eq!(Header::parse(&bytes).unwrap().unlock(&kek()).unwrap_err().kind(), ErrorKind::WrongKey);
}

#[test]
fn what_is_no_vault_is_said_to_be_none() {
    for bytes in [&b""[..], b"tkn", b"SQLite format 3\0 and so on", b"id,user_name,client_id\r\n", &[0; 300]] {
        let error = parse_error(bytes);
        assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidInput, "not a tokenvault file"));
    }
}

#[test]
fn a_newer_format_is_said_to_be_newer_whatever_comes_behind() {
    let mut bytes = header(KeyDerivation::KeyFile);
    for (format, kind) in [(2, ErrorKind::Unsupported), (u16::MAX, ErrorKind::Unsupported), (0, ErrorKind::Damaged)] {
        bytes[FORMAT_AT..LENGTH_AT].copy_from_slice(&format.to_be_bytes());
        let error = parse_error(&bytes[..20]);
        assert_eq!(error.kind(), kind);
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_key_source_of_a_newer_build_is_named_so() {
    let error = parse_error(&forged(header(KeyDerivation::KeyFile), KIND_AT, &[2]));
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    for length in [0, 12, 64, 194, 196, 4097, u16::MAX] {
        let mut bytes = forged(header(KeyDerivation::KeyFile), LENGTH_AT, &u16::to_be_bytes(length));
        bytes.resize(usize::from(u16::MAX), 0);
        assert_eq!(parse_error(&bytes).kind(), ErrorKind::Damaged, "header length {length}");
    }
    for length in [1, 44, 200, u16::MAX] {
        let bytes = forged(header(KeyDerivation::KeyFile), SOURCE_LENGTH_AT, &u16::to_be_bytes(length));
        assert_eq!(parse_error(&bytes).kind(), ErrorKind::Damaged, "key source length {length}");
    }
    // Each kind with the other's length.
    assert_eq!(parse_error(&forged(header(KeyDerivation::KeyFile), KIND_AT, &[1])).kind(), ErrorKind::Damaged);
    assert_eq!(parse_error(&forged(header(ARGON2ID), KIND_AT, &[0])).kind(), ErrorKind::Damaged);
}

#[test]
fn a_cost_beyond_the_bounds_is_refused_when_read_and_when_written() {
    let memory = parse_error(&forged(header(ARGON2ID), SOURCE_AT, &u32::MAX.to_be_bytes()));
    assert_eq!(memory.kind(), ErrorKind::Damaged);
    assert!(memory.message().contains("more memory than the ceiling"), "{memory}");
    for at in [SOURCE_AT, SOURCE_AT + 4, SOURCE_AT + 8] {
        for number in [0, u32::MAX] {
            let error = parse_error(&forged(header(ARGON2ID), at, &number.to_be_bytes()));
            assert_eq!(error.kind(), ErrorKind::Damaged, "{number} at {at}");
        }
    }

    let cost = KdfCost { memory_kib: KdfCost::MAX_MEMORY_KIB + 1, ..FLOOR };
    let beyond = KeyDerivation::Argon2id { cost, salt: SALT };
    let refused = Header::create(VAULT_ID, 1, beyond, &kek(), &RootKey::random().unwrap(), &[3; 32]);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn random_bytes_behind_the_magic_never_open_and_never_panic() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..20_000 {
        let mut bytes = vec![0; random.usize(..400)];
        random.fill(&mut bytes);
        let start = [&MAGIC[..], &FORMAT.to_be_bytes(), &[0, random.u8(..)]].concat();
        for (place, byte) in bytes.iter_mut().zip(start) {
            *place = byte;
        }
        assert!(Header::parse(&bytes).is_err());
    }
}
