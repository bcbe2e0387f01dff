//! In a container without a disk: credentials from the task's role, which run out and are reloaded; no home folder, and
//! nothing left on the disk.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::scene::{Scene, feed, sample};

/// Gives out the credentials of a role as the ECS agent does, each time under another access key, and each so close to its
/// end that the SDK asks anew for the next call.
struct Role {
    address: SocketAddr,
    given: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Role {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (given, is_over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, end) = (Arc::clone(&given), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let number = count.fetch_add(1, Ordering::SeqCst);
                answer(stream.unwrap(), number);
            }
        });
        Self { address, given, is_over, thread: Some(thread) }
    }
}

fn answer(mut stream: TcpStream, number: usize) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
    let body = format!(
        r#"{{"AccessKeyId": "ASIA{number}", "SecretAccessKey": "any", "Token": "any", "Expiration": "2020-01-01T00:00:00Z"}}"#
    );
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
}

impl Drop for Role {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        let _ = self.thread.take().unwrap().join();
    }
}

#[test]
fn credentials_that_run_out_during_a_run_are_reloaded() {
    let scene = Scene::new();
    let role = Role::start();
    let command = |arguments: &[&str]| {
        let mut command = scene.command(arguments);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "HOME"] {
            command.env_remove(name);
        }
        command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{}/role", role.address));
        command
    };
    let run = feed(command(&["import", "--from", &sample("python7_filestore_plain.csv")]), "");
    assert_eq!(run.exit, Some(0), "{}", run.stderr);
    assert!(run.stdout.contains("imported: 4 new"), "{}", run.stdout);
    // The trail shows what was done some minutes later.
    scene.service.simulator.clock().advance(Duration::from_hours(1));
    let keys: BTreeSet<String> =
        scene.service.simulator.trail().iter().map(|event| event["userIdentity"]["accessKeyId"].to_string()).collect();
    let given = role.given.load(Ordering::SeqCst);
    assert!(given > 1 && keys.len() > 1, "one process asked {given} times, and signed with {keys:?}");
    assert_eq!(feed(command(&["list", "--format", "json"]), "").stdout.matches("\"id\"").count(), 4);
}

#[test]
fn nothing_is_written_to_the_disk() {
    let scene = Scene::new();
    scene.done(&["import", "--from", &sample("python7_filestore_plain.csv")], "");
    scene.done(&["list"], "");
    scene.done(&["delete", "1"], "");
    let left: Vec<_> = std::fs::read_dir(scene.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, Vec::<std::ffi::OsString>::new());
}
