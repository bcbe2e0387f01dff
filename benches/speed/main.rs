//! How fast the encrypted file is, beside a bare append to the same disk, and whether the bars are met.
//!
//! Writes target/figures/tokenvault.json; benches/figures.py makes the table and the plot of it. A timing is no test:
//! nothing here fails for being slow.
//!
//! `cargo bench --bench speed [-- --tokens 10,1000]`
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a benchmark")]
#![allow(clippy::disallowed_methods, clippy::cast_precision_loss, reason = "it measures time and writes its own files")]

mod report;
mod tokens;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::backend::{Backend, Change, Commit};
use tokenvault::crypto::kdf::{self, KdfCost};
use tokenvault::export::{self, CsvFormat};
use tokenvault::fields::Field;
use tokenvault::identity::RecordName;
use tokenvault::import::{self, ImportOptions};
use tokenvault::operation::Context;
use tokenvault::record::Record;
use tokenvault::secret::SecretText;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::report::{against_sqlite, bar, median, micros, result, write_report};
use crate::tokens::{fields, record};

const SCALE: [usize; 4] = [10, 1000, 10_000, 100_000];

const PASSPHRASE: &str = "a passphrase of the benchmark";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--open") => return open_alone(Path::new(&arguments[2])),
        Some("--derive") => return derive_alone(),
        _ => {}
    }
    let given = arguments.iter().skip_while(|argument| *argument != "--tokens").nth(1);
    let scale = given.map_or_else(|| SCALE.to_vec(), |list| list.split(',').map(|one| one.parse().unwrap()).collect());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(measure(&scale));
}

async fn measure(scale: &[usize]) {
    let (mut results, mut bars) = (Vec::new(), Vec::new());
    let mut finds = Vec::new();
    for &tokens in scale {
        let bench = Bench::with(tokens).await;
        let by_user = bench.find_by_user().await;
        let by_id = bench.find_by_id().await;
        let (saves, appends) = bench.save().await;
        results.extend([
            result("tokenvault", tokens, "find by user", &by_user),
            result("tokenvault", tokens, "find by id", &by_id),
            result("tokenvault", tokens, "save", &saves),
            result("bare append", tokens, "save", &appends),
        ]);
        let ratio = median(&saves) / median(&appends);
        bars.push(bar(
            &format!("save at {tokens} tokens, times a bare append"),
            "at most 1.10",
            ratio,
            "x",
            ratio <= 1.10,
        ));
        bars.extend(against_sqlite(tokens, ratio));
        finds.push((median(&by_user), median(&by_id)));
        if tokens == 1000 {
            bars.push(bench.import_against_saves().await);
        }
        if tokens == 100_000 {
            bars.extend(bench.rotation().await);
            bars.extend(bench.opening());
        }
    }
    if scale == SCALE {
        bars.extend(find_bars(finds[1], finds[3]));
    }
    write_report(&results, &bars);
}

/// Medians of (find by user, find by id) at 1,000 and at 100,000 tokens.
fn find_bars(small: (f64, f64), large: (f64, f64)) -> Vec<Value> {
    let mut bars = Vec::new();
    for (name, large, small) in [("find by user", large.0, small.0), ("find by id", large.1, small.1)] {
        bars.push(bar(&format!("{name} at 100,000 tokens"), "at most 5 µs", large, "µs", large <= 5.0));
        let ratio = large / small;
        bars.push(bar(&format!("{name} at 100,000, times that at 1,000"), "at most 2", ratio, "x", ratio <= 2.0));
    }
    bars
}

/// A vault of a number of tokens, open and warm.
struct Bench {
    folder: tempfile::TempDir,
    tokens: usize,
    names: Vec<RecordName>,
    file: Arc<FileBackend>,
    vault: Vault,
}

impl Bench {
    async fn with(tokens: usize) -> Self {
        let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let options = options(&folder.path().join("vault.tv"));
        let file = Arc::new(FileBackend::create(options, KdfCost::default()).unwrap());
        let records: Vec<Arc<Record>> = (0..tokens).map(record).collect();
        let names = records.iter().map(|record| record.name).collect();
        let changes = records
            .into_iter()
            .map(|record| Change { name: record.name, expected: None, value: Some(record) })
            .collect();
        file.commit(&Context::new(), Commit { changes, claims: Vec::new() }).await.unwrap();
        let vault = Vault::new(Arc::clone(&file) as Arc<dyn Backend>);
        Self { folder, tokens, names, file, vault }
    }

    async fn find_by_user(&self) -> Vec<f64> {
        let cx = Context::new();
        let mut times = Vec::new();
        for number in shuffled(self.tokens, 20_000) {
            let fields = fields(number);
            let mut wanted = OAuthToken::new()
                .with(Field::UserName, fields.text(Field::UserName).unwrap())
                .with(Field::ClientId, fields.text(Field::ClientId).unwrap());
            let start = Instant::now();
            let found = self.vault.find_token(&cx, &mut wanted).await.unwrap().value;
            times.push(micros(start.elapsed()));
            assert!(found && wanted.get(Field::RefreshToken) == fields.get(Field::RefreshToken));
        }
        times
    }

    async fn find_by_id(&self) -> Vec<f64> {
        let cx = Context::new();
        let mut times = Vec::new();
        for number in shuffled(self.tokens, 20_000) {
            let id = self.names[number].to_string();
            let start = Instant::now();
            let found = self.vault.find_token_by_id(&cx, &id).await.unwrap().value;
            times.push(micros(start.elapsed()));
            assert!(found.unwrap().user_name() == fields(number).text(Field::UserName));
        }
        times
    }

    /// Updates as a refresh makes them, each beside a bare append to a file of its own.
    async fn save(&self) -> (Vec<f64>, Vec<f64>) {
        let cx = Context::new();
        let bare = File::create(self.folder.path().join("bare")).unwrap();
        let (mut saves, mut appends) = (Vec::new(), Vec::new());
        for number in shuffled(self.tokens, 1000) {
            let start = Instant::now();
            (&bare).write_all(&[7; 1024]).unwrap();
            bare.sync_data().unwrap();
            appends.push(micros(start.elapsed()));
            let access = format!("1000.{:032x}.{:032x}", fastrand::u128(..), fastrand::u128(..));
            let mut token = OAuthToken::from_fields(fields(number)).with(Field::AccessToken, &access);
            let start = Instant::now();
            self.vault.save_token(&cx, &mut token).await.unwrap();
            saves.push(micros(start.elapsed()));
        }
        (saves, appends)
    }

    /// Tokens that are not there yet, under ids of their own: a thousand saved one by one, and beside them a thousand
    /// rows in the SDKs' format, from reading the file to the last sync.
    async fn import_against_saves(&self) -> Value {
        let cx = Context::new();
        let new = |number: usize| OAuthToken::from_fields(fields(number)).with_id(&number.to_string());
        let path = self.folder.path().join("rows.csv");
        let (mut imports, mut saves) = (Vec::new(), Vec::new());
        for first in (1..=10).map(|round| round * 1_000_000) {
            let mut tokens: Vec<OAuthToken> = (first..first + 1000).map(new).collect();
            let start = Instant::now();
            for token in &mut tokens {
                self.vault.save_token(&cx, token).await.unwrap();
            }
            saves.push(micros(start.elapsed()));
            let rows: Vec<Arc<OAuthToken>> = (first + 1000..first + 2000).map(new).map(Arc::new).collect();
            fs::write(&path, export::to_csv(&rows, CsvFormat::Node).unwrap()).unwrap();
            let start = Instant::now();
            let rows = import::csv::read(&path).unwrap();
            let summary = import::import(&self.vault, &cx, &rows, &ImportOptions::default()).await.unwrap();
            imports.push(micros(start.elapsed()));
            assert_eq!(summary.new.len(), 1000);
        }
        let ratio = median(&saves) / median(&imports);
        bar("import of 1,000 rows, against 1,000 saves", "at least 20 times faster", ratio, "x", ratio >= 20.0)
    }

    async fn rotation(&self) -> Vec<Value> {
        let mut times = Vec::new();
        for _ in 0..5 {
            let start = Instant::now();
            self.file.rotate_key(&Context::new()).await.unwrap();
            times.push(start.elapsed().as_secs_f64());
        }
        let time = median(&times);
        vec![bar("rotate-key of 100,000 tokens", "at most 2 s", time, "s", time <= 2.0)]
    }

    /// Each in a process of its own: memory that one of them gave back would hide in the next one's peak.
    fn opening(&self) -> Vec<Value> {
        let vault = self.folder.path().join("vault.tv");
        let (mut times, mut peaks) = (Vec::new(), Vec::new());
        for _ in 0..7 {
            let (derive, derive_peak) = alone(&["--derive"]);
            let (open, open_peak) = alone(&["--open", vault.to_str().unwrap()]);
            times.push(open - derive);
            peaks.push(open_peak - derive_peak);
        }
        let (time, peak) = (median(&times), median(&peaks));
        vec![
            bar("opening 100,000 tokens, beyond Argon2id", "at most 400 ms", time, "ms", time <= 400.0),
            bar("memory of it, beyond Argon2id's", "at most 64 MiB", peak, "MiB", peak <= 64.0),
        ]
    }
}

/// Runs this program again for one measurement: milliseconds and peak MiB.
fn alone(arguments: &[&str]) -> (f64, f64) {
    let output = Command::new(std::env::current_exe().unwrap()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|number| number.parse::<f64>().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

fn open_alone(path: &Path) {
    let start = Instant::now();
    let file = FileBackend::open(options(path)).unwrap();
    report_alone(start);
    drop(file);
}

fn derive_alone() {
    let start = Instant::now();
    let key = kdf::derive(PASSPHRASE.as_bytes(), &[7; 32], KdfCost::default()).unwrap();
    report_alone(start);
    drop(key);
}

fn report_alone(start: Instant) {
    let time = micros(start.elapsed()) / 1000.0;
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let kib: f64 = peak.trim_end_matches(" kB").parse().unwrap();
    println!("{time} {}", kib / 1024.0);
}

fn options(path: &Path) -> FileOptions {
    FileOptions::new(path, KeySource::Passphrase(SecretText::new(PASSPHRASE)))
}

fn shuffled(tokens: usize, count: usize) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..count).map(|_| random.usize(..tokens)).collect()
}
