//! Many tasks of one process on a vault in AWS, all at once: tests/support/crowd.rs.
//!
//! `LOCATION work|sign-in PROCESS`, and a seed and a number on standard input: of steps, or of tasks. They begin when that
//! line has come. The answer is a line of JSON, what each task was told.

use std::ffi::OsStr;
use std::sync::Arc;

use serde::Serialize;
use tokenvault::open::aws::Location;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;

use crate::crowd::{TASKS, sign_in_first, work};

pub(crate) fn run(location: &str, what: &str, process: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        let backend = Location::parse(OsStr::new(location)).unwrap().backend().await.unwrap();
        let store: Arc<dyn TokenStore> = Arc::new(Vault::new(Arc::new(backend)));
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        let (seed, number) = line.trim().split_once(' ').unwrap();
        let (seed, number): (u64, usize) = (seed.parse().unwrap(), number.parse().unwrap());
        match what {
            "work" => told((0..TASKS).map(|task| work(Arc::clone(&store), (process, task), seed, number))).await,
            "sign-in" => {
                told((0..number).map(|task| sign_in_first(Arc::clone(&store), format!("{process} {task}")))).await
            }
            _ => panic!("the puppet does not know {what}"),
        }
    });
    print!("{answer}");
}

/// Runs tasks at once, and answers what they were told.
async fn told<T: Serialize + Send + 'static>(
    tasks: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> String {
    let running: Vec<_> = tasks.map(tokio::spawn).collect();
    let mut told = Vec::new();
    for task in running {
        told.push(task.await.unwrap());
    }
    serde_json::to_string(&told).unwrap()
}
