use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use tempfile::{NamedTempFile, TempDir};

use super::*;
use crate::backend::file::header::Header;
use crate::crypto::keys::RootKey;

const FLOOR: KdfCost = KdfCost { memory_kib: KdfCost::MIN_MEMORY_KIB, passes: 1, lanes: 1 };
const ARGON2ID: KeyDerivation = KeyDerivation::Argon2id { cost: FLOOR, salt: [5; 32] };

fn file(bytes: &[u8], mode: u32) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
    file
}

fn passphrase(text: &str) -> KeySource {
    KeySource::Passphrase(SecretText::new(text))
}

/// Keys have no equality, so each is asked whether it opens what the other locked.
fn same(one: &KeyEncryptionKey, other: &KeyEncryptionKey) -> bool {
    let bytes = Header::create([0; 16], 1, KeyDerivation::KeyFile, one, &RootKey::random().unwrap(), &[0; 32]).unwrap();
    Header::parse(&bytes).unwrap().unlock(other).is_ok()
}

fn refused(source: &KeySource, derivation: &KeyDerivation) -> Error {
    source.derive(derivation).unwrap_err()
}

#[test]
fn a_passphrase_file_means_its_line() {
    let typed = passphrase("correct horse ü").derive(&ARGON2ID).unwrap();
    for ending in ["", "\n", "\r\n"] {
        let file = file(format!("correct horse ü{ending}").as_bytes(), 0o600);
        let read = KeySource::PassphraseFile(file.path().into()).derive(&ARGON2ID).unwrap();
        assert!(same(&typed, &read), "ending {ending:?}");
    }
    for other in ["correct horse ü\n\n", "correct horse ü ", "correct horse ü\r", "\ncorrect horse ü"] {
        let file = file(other.as_bytes(), 0o600);
        let read = KeySource::PassphraseFile(file.path().into()).derive(&ARGON2ID).unwrap();
        assert!(!same(&typed, &read), "{other:?}");
    }
}

#[test]
fn a_passphrase_file_may_hold_any_bytes() {
    let file = file(b"\0\xFF\xFE", 0o400);
    KeySource::PassphraseFile(file.path().into()).derive(&ARGON2ID).unwrap();
}

#[test]
fn empty_and_endless_passphrases_are_refused() {
    for empty in ["", "\n", "\r\n"] {
        let file = file(empty.as_bytes(), 0o600);
        let error = refused(&KeySource::PassphraseFile(file.path().into()), &ARGON2ID);
        assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidInput, "the passphrase is empty"));
    }
    assert_eq!(refused(&passphrase(""), &ARGON2ID).kind(), ErrorKind::InvalidInput);

    let longest = "x".repeat(MAX_PASSPHRASE);
    let with_line_end = file(format!("{longest}\r\n").as_bytes(), 0o600);
    let read = KeySource::PassphraseFile(with_line_end.path().into()).derive(&ARGON2ID).unwrap();
    assert!(same(&read, &passphrase(&longest).derive(&ARGON2ID).unwrap()));
    for too_long in [format!("{longest}x"), format!("{longest}x\r\n"), longest.repeat(20)] {
        let error = refused(&KeySource::PassphraseFile(file(too_long.as_bytes(), 0o600).path().into()), &ARGON2ID);
        assert_eq!(error.message(), "the passphrase is longer than 64 KiB");
        assert_eq!(refused(&passphrase(&too_long), &ARGON2ID).message(), "the passphrase is longer than 64 KiB");
    }
}

#[test]
fn a_key_file_is_its_32_bytes() {
    let file = file(&[9; 32], 0o600);
    let read = KeySource::KeyFile(file.path().into()).derive(&KeyDerivation::KeyFile).unwrap();
    assert!(same(&read, &KeyEncryptionKey::new(&[9; 32])));
}

#[test]
fn a_key_file_of_another_length_is_refused() {
    for length in [0, 1, 31, 33, 64, 100_000] {
        let file = file(&vec![b'\n'; length], 0o600);
        let error = refused(&KeySource::KeyFile(file.path().into()), &KeyDerivation::KeyFile);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{length} bytes");
        assert!(error.message().ends_with("does not hold exactly 32 bytes"), "{error}");
    }
}

#[test]
fn modes_decide_who_is_trusted() {
    for mode in [0o400, 0o600, 0o440, 0o640, 0o700, 0o500] {
        let key = file(&[9; 32], mode);
        assert!(KeySource::KeyFile(key.path().into()).derive(&KeyDerivation::KeyFile).is_ok(), "{mode:o}");
    }
    for mode in [0o644, 0o604, 0o444, 0o620, 0o660, 0o602, 0o666, 0o777] {
        let file = file(&[b'k'; 32], mode);
        let path = file.path().to_owned();
        for (source, derivation) in [
            (KeySource::KeyFile(path.clone()), KeyDerivation::KeyFile),
            (KeySource::PassphraseFile(path.clone()), ARGON2ID),
        ] {
            let error = refused(&source, &derivation);
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{mode:o}");
            assert!(error.message().contains(&format!("mode {mode:04o}")), "{error}");
            assert!(error.hint().is_some_and(|hint| hint.contains("chmod 600") && hint.contains("0400")));
        }
    }
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
    for (path, message) in [
        (folder.path().join("nothing"), "does not exist"),
        (folder.path().to_owned(), "is not a regular file"),
        (pipe, "is not a regular file"),
    ] {
        let error = refused(&KeySource::KeyFile(path.clone()), &KeyDerivation::KeyFile);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.message().ends_with(message), "{error}");
        assert!(refused(&KeySource::PassphraseFile(path), &ARGON2ID).message().ends_with(message));
    }
}

#[test]
fn a_link_leads_to_the_file_that_counts() {
    let folder = TempDir::new().unwrap();
    let (key, link) = (folder.path().join("key"), folder.path().join("link"));
    fs::copy(file(&[9; 32], 0o400).path(), &key).unwrap();
    std::os::unix::fs::symlink(&key, &link).unwrap();
    assert!(KeySource::KeyFile(link).derive(&KeyDerivation::KeyFile).is_ok());
}

#[test]
fn the_wrong_kind_of_source_names_the_right_one() {
    let key = KeySource::KeyFile(file(&[9; 32], 0o600).path().into());
    let error = refused(&key, &ARGON2ID);
    assert_eq!(error.kind(), ErrorKind::WrongKey);
    assert_eq!(error.message(), "this vault opens with a passphrase, not with a key file");
    for source in [passphrase("text"), KeySource::PassphraseFile("/nowhere".into())] {
        let error = refused(&source, &KeyDerivation::KeyFile);
        assert_eq!(error.kind(), ErrorKind::WrongKey);
        assert_eq!(error.message(), "this vault opens with a key file, not with a passphrase");
    }
}

#[test]
fn a_new_derivation_has_a_salt_of_its_own_and_a_cost_within_the_bounds() {
    let one = passphrase("text").new_derivation(FLOOR).unwrap();
    let other = passphrase("text").new_derivation(FLOOR).unwrap();
    assert_ne!(one, other);
    assert_eq!(KeySource::KeyFile("key".into()).new_derivation(FLOOR).unwrap(), KeyDerivation::KeyFile);
    let beyond = passphrase("text").new_derivation(KdfCost { passes: 17, ..FLOOR }).unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::InvalidInput);
}

#[test]
fn debug_shows_the_path_and_never_the_passphrase() {
    assert_eq!(format!("{:?}", passphrase("canary")), "Passphrase(..)");
    assert_eq!(format!("{:?}", KeySource::KeyFile("/a/key".into())), "KeyFile(\"/a/key\")");
}
