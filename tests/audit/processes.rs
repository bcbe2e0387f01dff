//! Several processes on one file.

use std::io::{BufRead, BufReader, Write};
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::scene::Scene;

struct Saver {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
    saved: usize,
}

impl Saver {
    fn start(scene: &Scene) -> Self {
        let mut child = scene.command(&["save"]).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers, saved: 0 }
    }

    fn save(&mut self, user: &str) {
        let token = format!("{{\"user_name\": \"{user}\", \"client_id\": \"c\", \"refresh_token\": \"canary\"}}\n");
        self.child.stdin.as_mut().unwrap().write_all(token.as_bytes()).unwrap();
        let mut id = String::new();
        self.answers.read_line(&mut id).unwrap();
        assert!(id.starts_with("tv"), "{id}");
        self.saved += 1;
    }
}

/// Several processes write to one file, in turns and at once; some are killed. Every save that was answered has its line,
/// and every chain is whole, or open where its process was killed.
#[test]
fn processes_on_one_file_each_keep_a_chain_also_where_some_are_killed() {
    let scene = Scene::new();
    let mut random = fastrand::Rng::new();
    println!("seed {}", random.get_seed());
    let mut savers: Vec<Saver> = (0..5).map(|_| Saver::start(&scene)).collect();
    for turn in 0..60 {
        let who = random.usize(..savers.len());
        savers[who].save(&format!("user {turn} of {who}"));
    }
    std::thread::scope(|scope| {
        for (who, saver) in savers.iter_mut().enumerate() {
            scope.spawn(move || (0..30).for_each(|turn| saver.save(&format!("user {turn} at once {who}"))));
        }
    });
    let answered: usize = savers.iter().map(|saver| saver.saved).sum();
    let killed = 2;
    for (who, mut saver) in savers.into_iter().enumerate() {
        if who < killed {
            // In the middle of something, wherever that is.
            let input = saver.child.stdin.as_mut().unwrap();
            let _ =
                input.write_all(b"{\"user_name\": \"late\", \"client_id\": \"c\", \"refresh_token\": \"canary\"}\n");
            kill(Pid::from_raw(i32::try_from(saver.child.id()).unwrap()), Signal::SIGKILL).unwrap();
        }
        drop(saver.child.stdin.take());
        saver.child.wait().unwrap();
    }
    let saves = scene.operations().len();
    assert!((answered..=answered + killed).contains(&saves), "{answered} answered, {saves} lines");
    let (out, _) = scene.ends(&["audit", "verify", "--format", "json"], 4);
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&found["intact"], &found["open"], &found["broken"]), (&3.into(), &2.into(), &0.into()), "{out}");
    assert_eq!(found["findings"], Value::Array(Vec::new()), "{out}");
}
