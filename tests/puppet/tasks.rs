//! Many tasks of one process on one vault, all at once: tests/support/crew.rs starts it.
//!
//! The arguments are what they do, the store, its key file where it has one, and
//! - of `work`: which process this is, a seed, and how many steps each task makes (tests/support/crowd.rs);
//! - of `sign-in`: which process this is, and how many tasks;
//! - of `refresh`: the provider's URL, an id, how many tasks; for how many seconds they wait for somebody else's refresh, and how
//!   many their clock is ahead.
//!
//! It says `ready` when it has opened the vault, waits for a line, says `begun` when all tasks are at work, and in the end, as a
//! line of JSON, what each of them was told.

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokenvault::backend::file::KeySource;
use tokenvault::clock::{Clock, SystemClock, Timestamp};
use tokenvault::fields::Field;
use tokenvault::layer::coordinate::CoordinateOptions;
use tokenvault::open::opened::Opened;
use tokenvault::open::{StoreLocation, open};
use tokenvault::operation::Context;
use tokenvault::provider::endpoint::Endpoint;
use tokenvault::provider::http::HttpProvider;
use tokio::sync::Barrier;

use crate::crowd::{TASKS, sign_in_first, work};

/// Others may be many.
const LOCK_WAIT: Duration = Duration::from_mins(1);

pub(crate) fn run(what: &str, store: &str, key_file: &str, arguments: &[&str]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let key = || Ok(KeySource::KeyFile(PathBuf::from(key_file)));
        let opened = open(&StoreLocation::parse(OsStr::new(store)).unwrap(), key, LOCK_WAIT).await.unwrap();
        match (what, arguments) {
            ("work", [process, seed, steps]) => {
                let (process, seed, steps) = (number(process), number(seed), number(steps));
                let store = opened.shared_store();
                at_once(TASKS, |task| work(Arc::clone(&store), (process, task), seed as u64, steps)).await;
            }
            ("sign-in", [process, tasks]) => {
                let store = opened.shared_store();
                at_once(number(tasks), |task| sign_in_first(Arc::clone(&store), format!("{process} {task}"))).await;
            }
            ("refresh", [provider, id, tasks, wait, ahead]) => {
                refresh(opened, (provider, id), number(tasks), [number(wait), number(ahead)]).await;
            }
            _ => panic!("the puppet does not know {what} with {} arguments", arguments.len()),
        }
    });
}

fn number(text: &str) -> usize {
    text.parse().unwrap()
}

/// The machine's clock, ahead by so much.
#[derive(Debug)]
struct Ahead(Duration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().after(self.0)
    }
}

/// Tasks that need a token which lives. Each is told its access token, or the kind of error.
async fn refresh(opened: Opened, (provider, id): (&str, &str), tasks: usize, seconds: [usize; 2]) {
    let [wait, ahead] = seconds.map(|seconds| Duration::from_secs(seconds as u64));
    let options = CoordinateOptions { clock: Arc::new(Ahead(ahead)), wait, ..CoordinateOptions::default() };
    let provider = HttpProvider::new(Endpoint::parse(provider).unwrap()).unwrap();
    let refresher = Arc::new(opened.coordinated("a puppet", options).refresher(Arc::new(provider)).unwrap());
    at_once(tasks, |_| {
        let (refresher, id) = (Arc::clone(&refresher), id.to_owned());
        async move {
            let answer = refresher.fresh_token(&Context::new(), &id).await.map(|answer| answer.value.unwrap());
            match answer {
                Ok(token) => token.get(Field::AccessToken).unwrap().expose().to_owned(),
                Err(error) => format!("{:?}", error.kind()),
            }
        }
    })
    .await;
}

/// Runs tasks at once when it is told to, and says what they were told.
async fn at_once<F>(count: usize, task: impl Fn(usize) -> F)
where
    F: Future<Output: Serialize + Send + 'static> + Send + 'static,
{
    say("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let begun = Arc::new(Barrier::new(count + 1));
    let start = |number: usize| {
        let (begun, task) = (Arc::clone(&begun), task(number));
        tokio::spawn(async move {
            begun.wait().await;
            task.await
        })
    };
    let running: Vec<_> = (0..count).map(start).collect();
    begun.wait().await;
    say("begun");
    let mut told = Vec::new();
    for task in running {
        told.push(task.await.unwrap());
    }
    say(&serde_json::to_string(&told).unwrap());
}

fn say(line: &str) {
    let mut stdout = std::io::stdout();
    stdout.write_all(format!("{line}\n").as_bytes()).unwrap();
    stdout.flush().unwrap();
}
