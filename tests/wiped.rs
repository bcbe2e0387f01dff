//! No key stays behind in the process's memory: it is read back, byte by byte.
//!
//! One test, so that nothing else in this process holds the same keys.
#![cfg(all(feature = "file", target_os = "linux"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs::{self, File, Permissions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::backend::{Backend, Change, Commit};
use tokenvault::operation::Context;
use tokenvault::record::Record;
use tokenvault::secret::SecretText;

/// In hexadecimal digits, and only so: the test must not itself be what holds a key.
const KEYS: [&str; 5] = ["key_encryption_key", "wrapping_key", "header_mac_key", "root_key", "data_key"];

const WINDOW: usize = 64 * 1024;
/// Half a key: AES keeps the halves apart, as its first two round keys.
const SOUGHT: usize = 16;

struct Vector {
    described: Value,
    folder: TempDir,
}

impl Vector {
    fn new(name: &str) -> Self {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
        let described: Value =
            serde_json::from_slice(&fs::read(vectors.join(format!("{name}.json"))).unwrap()).unwrap();
        let folder = TempDir::new().unwrap();
        for file in ["vault", "key_file"] {
            let Some(file) = described.get(file).and_then(Value::as_str) else { continue };
            fs::copy(vectors.join(file), folder.path().join(file)).unwrap();
            fs::set_permissions(folder.path().join(file), Permissions::from_mode(0o600)).unwrap();
        }
        Self { described, folder }
    }

    fn text(&self, what: &str) -> Option<&str> {
        self.described.get(what).and_then(Value::as_str)
    }

    fn path(&self, what: &str) -> Option<PathBuf> {
        self.text(what).map(|name| self.folder.path().join(name))
    }

    fn open(&self) -> FileBackend {
        let key_file = self.path("key_file").map(KeySource::KeyFile);
        let passphrase = || self.text("passphrase").map(|text| KeySource::Passphrase(SecretText::new(text)));
        let key = key_file.or_else(passphrase).unwrap();
        FileBackend::open(FileOptions::new(self.path("vault").unwrap(), key)).unwrap()
    }

    /// Which keys have a half somewhere in memory, and where.
    fn found(&self) -> Vec<(&'static str, u64)> {
        let halves = KEYS.into_iter().flat_map(|name| {
            let digits = self.text(name).unwrap();
            [
                Half { name, digits: digits.get(..2 * SOUGHT).unwrap() },
                Half { name, digits: digits.get(2 * SOUGHT..).unwrap() },
            ]
        });
        search(&halves.collect::<Vec<_>>())
    }
}

struct Half<'a> {
    name: &'static str,
    digits: &'a str,
}

impl Half<'_> {
    /// Byte by byte, without ever holding them all.
    fn bytes(&self) -> impl Iterator<Item = u8> {
        let value = |digit: u8| if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 };
        self.digits
            .as_bytes()
            .chunks_exact(2)
            .map(move |pair| pair.iter().fold(0, |sum, digit| sum << 4 | value(*digit)))
    }
}

/// Looks through all memory that this process can write to, but for the window it looks through.
fn search(halves: &[Half<'_>]) -> Vec<(&'static str, u64)> {
    let mut window = vec![0; WINDOW];
    let own = window.as_ptr().addr() as u64..window.as_ptr().addr() as u64 + WINDOW as u64;
    let mut memory = File::open("/proc/self/mem").unwrap();
    let firsts: Vec<u8> = halves.iter().filter_map(|half| half.bytes().next()).collect();
    let mut found = Vec::new();
    let begins_like_any = |bytes: &[u8]| bytes.first().is_some_and(|byte| firsts.contains(byte));
    for (mut at, end) in writable() {
        while at + SOUGHT as u64 <= end {
            let room = window.get_mut(..usize::try_from(end - at).unwrap().min(WINDOW)).unwrap();
            memory.seek(SeekFrom::Start(at)).unwrap();
            // Mappings of the kernel's own may look writable and not be readable.
            if memory.read_exact(room).is_err() {
                break;
            }
            for (hit, bytes) in room.windows(SOUGHT).enumerate().filter(|(_, bytes)| begins_like_any(bytes)) {
                let half = halves.iter().find(|half| half.bytes().eq(bytes.iter().copied()));
                found.extend(half.map(|half| (half.name, at + hit as u64)).filter(|(_, at)| !own.contains(at)));
            }
            at += (room.len() - SOUGHT + 1) as u64;
        }
    }
    found
}

/// Where this process's writable memory lies, from where to where.
fn writable() -> Vec<(u64, u64)> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let lines = maps.lines().filter_map(|line| line.split_once(' ')).filter(|(_, rest)| rest.starts_with("rw"));
    let number = |digits| u64::from_str_radix(digits, 16).unwrap();
    lines.map(|(range, _)| range.split_once('-').unwrap()).map(|(start, end)| (number(start), number(end))).collect()
}

#[tokio::test]
async fn no_key_stays_in_memory_but_in_its_place_and_none_after_drop() {
    for vector in ["v1-keyfile", "v1-passphrase"].map(Vector::new) {
        let backend = vector.open();
        let context = Context::default();
        let records = backend.list(&context).await.unwrap().value;
        assert!(!records.is_empty());

        let held = vector.found();
        let count = |name| held.iter().filter(|(found, _)| *found == name).count();
        // Both halves of the root key, and of the key-encryption key for the next rewrite. How much of the data key
        // can be seen depends on how this processor wants its round keys.
        let [kek, wrapping, header_mac, root, _] = KEYS.map(count);
        assert_eq!([kek, wrapping, header_mac, root], [2, 0, 0, 2], "held while open, at {held:x?}");

        // So that the data key has sealed as well as opened.
        let old = records.first().unwrap();
        let next = Record { version: old.version.next().unwrap(), ..Record::clone(old) };
        let change = Change { name: old.name, expected: Some(old.version), value: Some(Arc::new(next)) };
        backend.commit(&context, Commit { changes: vec![change], claims: Vec::new() }).await.unwrap();
        drop(backend);
        // The writing thread lets go of the keys when it ends, which nobody waits for.
        let mut left = vector.found();
        for _ in 0..100 {
            if left.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
            left = vector.found();
        }
        assert_eq!(left, [], "left behind");
    }
}
