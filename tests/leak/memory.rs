//! What is left of secrets in the process's own memory once everything that held them is dropped.
//!
//! The secrets come from files that another process has written, and only the vault reads them. The test itself knows
//! the seed that they were made from, and compares byte by byte without ever holding one.
//!
//! Not ours to wipe, and so not brought into the test: what a caller makes of a secret ([`SecretText::expose`] and what
//! is copied from it), the strings a caller passes in, the environment and the arguments of the process, the pages that
//! `SQLite` reads, the kernel's buffers (page cache, pipes, terminals, sockets), swap, hibernation images and core
//! dumps, and the registers.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;
use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::crypto::kdf::KdfCost;
use tokenvault::export::{CsvFormat, to_csv};
use tokenvault::fields::Field;
use tokenvault::import::{ImportOptions, csv, import};
use tokenvault::operation::Context;
use tokenvault::secret::SecretText;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;
use zeroize::Zeroizing;

use crate::{kept, write};

/// Tells the child where its files are.
const FOLDER: &str = "TOKENVAULT_TEST_LEAK_FOLDER";
/// Tells the child what the secrets were made from.
const SEED: &str = "TOKENVAULT_TEST_LEAK_SEED";

/// Two passphrases in files, one that is handed over as text, and the four secret fields of two tokens.
const SECRETS: u64 = 11;
const PASSPHRASES: u64 = 3;
const HANDED_OVER: u64 = 2;

/// A secret is three pieces with a quote between: a piece is found where an allocator has written over another.
const PIECES: usize = 3;
const PIECE: usize = 16;

fn piece(seed: u64, secret: u64, number: usize) -> impl Iterator<Item = u8> {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(SECRETS) + secret);
    std::iter::repeat_with(move || random.alphanumeric() as u8).skip(number * PIECE).take(PIECE)
}

fn secret(seed: u64, number: u64, between: &str) -> String {
    let pieces = (0..PIECES).map(|at| String::from_utf8(piece(seed, number, at).collect()).unwrap());
    pieces.collect::<Vec<_>>().join(between)
}

#[test]
fn nothing_is_left_in_memory_once_all_is_dropped() {
    #[allow(clippy::disallowed_methods, reason = "a test's own variables")]
    let given = (std::env::var(FOLDER), std::env::var(SEED));
    if let (Ok(folder), Ok(seed)) = given {
        return child(Path::new(&folder), seed.parse().unwrap());
    }
    let (folder, seed) = (TempDir::new().unwrap(), fastrand::u64(..1 << 32));
    prepare(folder.path(), seed);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "memory::nothing_is_left_in_memory_once_all_is_dropped", "--test-threads=1", "--nocapture"]);
    let status = child.env(FOLDER, folder.path()).env(SEED, seed.to_string()).status().unwrap();
    assert!(status.success(), "seed {seed}: {status}");
}

fn prepare(folder: &Path, seed: u64) {
    for number in 0..PASSPHRASES {
        write(&folder.join(format!("passphrase-{number}")), secret(seed, number, "\"").as_bytes());
    }
    let mut text = String::from(
        "id,user_name,client_id,client_secret,refresh_token,access_token,grant_token,expiry_time,redirect_uri,api_domain\r\n",
    );
    for (id, user) in [(1, "ada"), (2, "bob")] {
        let fields = (0..4).map(|field| secret(seed, PASSPHRASES + 4 * (id - 1) + field, "\"\""));
        let quoted: Vec<String> = fields.map(|text| format!("\"{text}\"")).collect();
        text += &format!("{id},{user},client,{},1999999999999,,\r\n", quoted.join(","));
    }
    write(&folder.join("tokens.csv"), text.as_bytes());
}

fn child(folder: &Path, seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(live(folder, seed));
    drop(runtime);
    wait_for_writers();
    assert_eq!(search(seed), Vec::<String>::new(), "left behind");
}

/// The writing thread of a vault ends by itself when the vault is dropped.
fn wait_for_writers() {
    let is_writer = |task: std::io::Result<std::fs::DirEntry>| {
        let name = task.map(|task| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default());
        name.is_ok_and(|name| name.starts_with("tokenvault-writ"))
    };
    while std::fs::read_dir("/proc/self/task").unwrap().any(is_writer) {
        std::thread::yield_now();
    }
}

/// A life in which every secret goes everywhere.
async fn live(folder: &Path, seed: u64) {
    let cx = Context::new();
    let path = |number: u64| folder.join(format!("passphrase-{number}"));
    let key = |number: u64| match number {
        HANDED_OVER => {
            let text = Zeroizing::new(std::fs::read(path(number)).unwrap());
            KeySource::Passphrase(SecretText::new(str::from_utf8(&text).unwrap()))
        }
        _ => KeySource::PassphraseFile(path(number)),
    };
    let options = |number| FileOptions::new(folder.join("vault.tv"), key(number));
    let file = Arc::new(FileBackend::create(options(0), KdfCost::default()).unwrap());
    let vault = Vault::new(Arc::clone(&file) as _);
    let rows = csv::read(&folder.join("tokens.csv")).unwrap();
    let summary = import(&vault, &cx, &rows, &ImportOptions::default()).await.unwrap();
    assert_eq!((summary.new.len(), summary.refused.len()), (2, 0), "{summary:?}");
    drop(rows);
    use_all(&vault).await;
    file.rotate_key(&cx).await.unwrap();
    file.change_key(&cx, key(1), KdfCost::default()).await.unwrap();
    file.change_key(&cx, key(HANDED_OVER), KdfCost::default()).await.unwrap();
    file.backup(&cx, &folder.join("backup.tv")).await.unwrap();
    assert!(FileBackend::open(options(0)).is_err());
    let reopened = Arc::new(FileBackend::open(options(HANDED_OVER)).unwrap());
    let again = Vault::new(Arc::clone(&reopened) as _);
    let held = again.get_tokens(&cx).await.unwrap().value;
    // As long as they are held they are found, every piece.
    let found = search(seed);
    let expected = (HANDED_OVER..SECRETS).flat_map(|secret| (0..PIECES).map(move |piece| format!("{secret}.{piece} ")));
    for name in expected {
        assert!(found.iter().any(|found| found.starts_with(&name)), "{name} is held and not found: {found:?}");
    }
    drop(held);
    use_all(&again).await;
    kept::in_a_cache(&reopened, seed).await;
    kept::unsaved(folder, &reopened, key(0), seed).await;
    use_all_in_memory(folder).await;
    assert_eq!(vault.delete_tokens(&cx).await.unwrap().value, 2);
}

async fn use_all_in_memory(folder: &Path) {
    let memory = Vault::new(Arc::new(MemoryBackend::new()));
    let rows = csv::read(&folder.join("tokens.csv")).unwrap();
    let summary = import(&memory, &Context::new(), &rows, &ImportOptions::default()).await.unwrap();
    assert_eq!(summary.new.len(), 2);
    use_all(&memory).await;
}

/// What lies in memory of the secrets of the token with this id.
pub(crate) fn found_of(seed: u64, id: u64) -> Vec<String> {
    let first = PASSPHRASES + 4 * (id - 1);
    let is_its = |found: &String| {
        let secret = found.split_once('.').and_then(|(secret, _)| secret.parse().ok());
        secret.is_some_and(|secret| (first..first + 4).contains(&secret))
    };
    search(seed).into_iter().filter(is_its).collect()
}

async fn use_all(vault: &Vault) {
    let cx = Context::new();
    let tokens = vault.get_tokens(&cx).await.unwrap().value;
    drop(to_csv(&tokens, CsvFormat::Python).unwrap());
    for held in &tokens {
        let text = |field| held.get(field).cloned();
        for field in [Field::RefreshToken, Field::AccessToken, Field::GrantToken] {
            let mut token = OAuthToken::new();
            token.set(field, text(field));
            vault.find_token(&cx, &mut token).await.unwrap();
        }
        // A refresh: a new access token, and then the old one again.
        let mut token = OAuthToken::clone(held);
        token.set(Field::AccessToken, text(Field::GrantToken));
        vault.save_token(&cx, &mut token).await.unwrap();
        token.set(Field::AccessToken, text(Field::AccessToken));
        vault.save_token(&cx, &mut token).await.unwrap();
        // Refused, with everything in it.
        let mut other = token.detached().with_id("1").with(Field::UserName, "eve");
        vault.save_token(&cx, &mut other).await.unwrap_err();
    }
}

/// A piece that is looked for, by the number of its secret and its own. Its first two bytes stand in `Sought::starts`.
type Piece = (u64, usize);

struct Sought {
    seed: u64,
    pieces: Vec<(Piece, u16)>,
    /// Which pairs of bytes a piece begins with: nearly no place in memory needs a second look.
    starts: Vec<bool>,
}

impl Sought {
    fn new(seed: u64) -> Self {
        let all = (0..SECRETS).flat_map(|secret| (0..PIECES).map(move |number| (secret, number)));
        let start =
            |(secret, number)| piece(seed, secret, number).take(2).fold(0, |pair, byte| pair << 8 | u16::from(byte));
        let pieces: Vec<_> = all.map(|piece| (piece, start(piece))).collect();
        let mut starts = vec![false; 1 << 16];
        pieces.iter().for_each(|(_, start)| starts[usize::from(*start)] = true);
        Self { seed, pieces, starts }
    }

    /// The piece that `bytes` are.
    fn find(&self, bytes: &[u8]) -> Option<Piece> {
        let start = u16::from_be_bytes([bytes[0], bytes[1]]);
        if !self.starts[usize::from(start)] {
            return None;
        }
        let mut alike = self.pieces.iter().filter(|(_, own)| *own == start).map(|(piece, _)| *piece);
        alike.find(|(secret, number)| piece(self.seed, *secret, *number).eq(bytes.iter().copied()))
    }
}

/// Which pieces lie in memory that this process can write to, and where.
fn search(seed: u64) -> Vec<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut memory = File::open("/proc/self/mem").unwrap();
    let mut window = vec![0; 1 << 16];
    let own = window.as_ptr().addr() as u64..window.as_ptr().addr() as u64 + (1 << 16);
    let sought = Sought::new(seed);
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw"))) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let place = line.split_ascii_whitespace().nth(5).unwrap_or("no file");
        let [mut at, end] = [start, end].map(|digits| u64::from_str_radix(digits, 16).unwrap());
        while at + PIECE as u64 <= end {
            let room = usize::try_from(end - at).unwrap().min(window.len());
            memory.seek(SeekFrom::Start(at)).unwrap();
            // Mappings of the kernel's own may look writable and not be readable.
            if memory.read_exact(&mut window[..room]).is_err() {
                break;
            }
            for (hit, bytes) in window[..room].windows(PIECE).enumerate() {
                let address = at + hit as u64;
                let piece = sought.find(bytes).filter(|_| !own.contains(&address));
                found.extend(piece.map(|(secret, number)| format!("{secret}.{number} at {address:x} in {place}")));
            }
            at += (room - PIECE + 1) as u64;
        }
    }
    window.fill(0);
    found
}
