//! Eight processes of eight tasks that need one token which has ended: one refreshes it, and all get what that came to.

use std::io::{Read, Result, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::Value;

use crate::crew::Crew;
use crate::provider::{Provider, in_seconds};
use crate::scene::Scene;

const TASKS: usize = 8;

/// How long a task waits for somebody else's refresh, in seconds: LocalStack takes its time over the calls of 64.
const PATIENT: u64 = 60;

/// A vault, and how programs are led to it.
struct Place {
    scene: Scene,
    store: String,
    dress: Box<dyn Fn(&mut Command)>,
}

impl Place {
    fn in_a_file() -> Self {
        let scene = Scene::new();
        let store = format!("file:{}", scene.vault().display());
        Self { scene, store, dress: Box::new(|_| ()) }
    }

    #[cfg(feature = "aws")]
    fn in_aws(store: String, dress: impl Fn(&mut Command) + 'static) -> Self {
        let place = Self { scene: Scene::new(), store, dress: Box::new(dress) };
        place.done(&["init"], "");
        place
    }

    /// Runs the program, which must succeed; answers standard output.
    fn done(&self, arguments: &[&str], stdin: &str) -> String {
        let mut command = self.scene.command(arguments);
        command.env("TOKENVAULT_STORE", &self.store);
        (self.dress)(&mut command);
        let mut child =
            command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?} failed; what it said stands above");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Saves a token that has ended. Answers its id.
    fn with_an_ended_token(&self) -> String {
        let token = format!(
            r#"{{"user_name": "ada", "client_id": "app", "client_secret": "secret", "refresh_token": "refresh",
                "access_token": "old", "expires_in": "{}"}}"#,
            in_seconds(-1)
        );
        self.done(&["save"], &token).trim().to_owned()
    }

    /// So many processes that are ready to ask for the token. They wait so long for others, and their clocks are so many seconds
    /// ahead.
    fn crew(&self, count: usize, asking: (&Provider, &str), seconds: [u64; 2]) -> Crew {
        let ((provider, id), [wait, ahead]) = (asking, seconds.map(|seconds| seconds.to_string()));
        let key_file = self.scene.key_file().display().to_string();
        let (url, tasks) = (&*provider.url, TASKS.to_string());
        let arguments = ["refresh", &self.store, &key_file, url, id, &tasks, &wait, &ahead].map(str::to_owned);
        Crew::ready(count, |_| arguments.to_vec(), &self.dress)
    }

    fn assert_holds_one(&self, access: &str) {
        let listed: Value = serde_json::from_str(&self.done(&["--format", "json", "list", "--reveal"], "")).unwrap();
        assert_eq!((listed.as_array().unwrap().len(), &listed[0]["access_token"]), (1, &access.into()), "{listed}");
        self.done(&["verify"], "");
    }
}

/// A connection over which nothing is answered before it is let go of.
struct Held {
    stream: TcpStream,
    first: Option<(Sender<()>, Receiver<()>)>,
}

impl Read for Held {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        self.stream.read(bytes)
    }
}

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if let Some((asked, go)) = self.first.take() {
            asked.send(()).unwrap();
            // Until its other end is dropped.
            let _ = go.recv();
        }
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.stream.flush()
    }
}

/// A provider that says when it is first asked, and answers that once the other end is dropped.
fn holding() -> (Provider, Receiver<()>, Sender<()>) {
    let ((tell, asked), (go, let_go)) = (channel(), channel());
    let first = Mutex::new(Some((tell, let_go)));
    let wrap = move |stream| Held { stream, first: first.lock().unwrap().take() };
    (Provider::start_behind("http", r#"{"access_token":"new","expires_in":3600}"#, wrap), asked, go)
}

fn one_refreshes(place: &Place) {
    let (id, (provider, asked, go)) = (place.with_an_ended_token(), holding());
    let mut crew = place.crew(8, (&provider, &id), [PATIENT, 0]);
    crew.begin();
    asked.recv().unwrap();
    drop(go);
    assert_eq!(crew.told::<String>(), ["new"; 8 * TASKS]);
    assert_eq!(provider.asked().len(), 1);
    place.assert_holds_one("new");
}

/// `pass` lets so many seconds pass for the leases, and answers how many of them the clocks of processes have to be ahead for.
fn the_next_takes_over(place: &Place, pass: impl Fn(u64) -> u64) {
    let (id, (provider, asked, go)) = (place.with_an_ended_token(), holding());
    provider.answers_first(&[(200, r#"{"access_token":"of the killed","expires_in":3600}"#)]);
    let mut holder = place.crew(1, (&provider, &id), [PATIENT, 0]);
    holder.begin();
    asked.recv().unwrap();
    holder.kill();
    drop(go);
    let mut early = place.crew(1, (&provider, &id), [1, pass(45)]);
    early.begin();
    assert_eq!(early.told::<String>(), ["Busy"; TASKS]);
    assert_eq!(provider.asked().len(), 1, "that of the killed");
    let mut crew = place.crew(7, (&provider, &id), [PATIENT, pass(91)]);
    crew.begin();
    assert_eq!(crew.told::<String>(), ["new"; 7 * TASKS]);
    assert_eq!(provider.asked().len(), 1);
    place.assert_holds_one("new");
}

#[test]
fn in_a_file_one_of_eight_processes_refreshes() {
    one_refreshes(&Place::in_a_file());
}

#[test]
fn in_a_file_the_next_takes_over_from_a_process_that_was_killed_at_the_provider() {
    // Of one machine, whose clock is the lease's.
    the_next_takes_over(&Place::in_a_file(), |seconds| seconds);
}

#[cfg(feature = "aws")]
mod over_the_simulator {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Place, one_refreshes, the_next_takes_over};
    use crate::service::Service;

    fn place() -> (Place, Arc<Service>) {
        let service = Arc::new(Service::start());
        let (folder, own) = (std::env::temp_dir(), Arc::clone(&service));
        let dress = move |command: &mut std::process::Command| own.dress(command, &folder, "any");
        (Place::in_aws("aws:test/vault".to_owned(), dress), service)
    }

    #[test]
    fn one_of_eight_processes_refreshes() {
        one_refreshes(&place().0);
    }

    #[test]
    fn the_next_takes_over_from_a_process_that_was_killed_at_the_provider() {
        let ((place, service), passed) = (place(), Cell::new(0));
        the_next_takes_over(&place, |seconds| {
            // The clock of the service is the lease's, and no other.
            service.simulator.clock().advance(Duration::from_secs(seconds - passed.replace(seconds)));
            0
        });
    }
}

#[cfg(feature = "aws")]
mod localstack {
    use super::{Place, one_refreshes};
    use crate::emulator::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, localstack};

    #[test]
    fn one_of_eight_processes_refreshes() {
        let store = format!("aws:test/refreshing-{:016x}?endpoint={}", fastrand::u64(..), localstack::endpoint());
        let place = Place::in_aws(store, |command| {
            command.env("AWS_REGION", REGION).env("AWS_EC2_METADATA_DISABLED", "true");
            command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
        });
        one_refreshes(&place);
    }
}
