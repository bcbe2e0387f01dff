//! Another process for the tests: it opens a vault file, holds tokens in slots, and does what it is told on standard
//! input, a line at a time.
//!
//! Lines are JSON lists of texts. A request is the time in microseconds, a command, and its arguments. An answer is
//! `ok` and what came of it, or `error`, the error's kind and its message; where a token was worked on, its id and texts
//! follow. It cannot be told anything that the library would not do for any caller.
//!
//! Or it is one of several processes whose tasks all work at once: tests/puppet/tasks.rs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a part of the tests")]

mod commands;
#[allow(dead_code, reason = "what checks it is for the tests")]
#[path = "../support/contested.rs"]
mod contested;
#[allow(dead_code, clippy::print_stdout, reason = "what checks it, and says so, is for the tests")]
#[path = "../support/crowd.rs"]
mod crowd;
mod tasks;

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::clock::{ManualClock, Timestamp};
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

/// What this process has.
struct Puppet {
    file: Arc<FileBackend>,
    vault: Vault,
    clock: Arc<ManualClock>,
    slots: HashMap<String, OAuthToken>,
}

impl Puppet {
    fn open(path: &str, key_file: &str) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::default()));
        let options = FileOptions {
            clock: Arc::clone(&clock) as _,
            ..FileOptions::new(path, KeySource::KeyFile(Path::new(key_file).to_owned()))
        };
        let file = Arc::new(FileBackend::open(options).unwrap());
        let vault = Vault::with_clock(Arc::clone(&file) as _, Arc::clone(&clock) as _);
        Self { file, vault, clock, slots: HashMap::new() }
    }

    async fn answer(&mut self, request: &[String]) -> Vec<String> {
        let words: Vec<&str> = request.iter().map(String::as_str).collect();
        self.clock.set(Timestamp::from_micros(words[0].parse().unwrap()));
        let done = commands::run(self, words[1], &words[2..]).await;
        done.unwrap_or_else(|error| vec!["error".to_owned(), format!("{:?}", error.kind()), error.message().to_owned()])
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (vault, key_file) = match words[..] {
        [_, vault, key_file] => (vault, key_file),
        [_, what, store, key_file, ref rest @ ..] => return tasks::run(what, store, key_file, rest),
        _ => panic!("the puppet was told no vault"),
    };
    let mut puppet = Puppet::open(vault, key_file);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut stdout = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let request: Vec<String> = serde_json::from_str(&line.unwrap()).unwrap();
        let answer = runtime.block_on(puppet.answer(&request));
        writeln!(stdout, "{}", serde_json::to_string(&answer).unwrap()).unwrap();
        stdout.flush().unwrap();
    }
}
