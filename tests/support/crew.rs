//! Processes whose tasks all work at once on one vault: tests/puppet/tasks.rs.

use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;

/// One of them. It is killed when it is dropped.
struct Member {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// All that were started together.
pub(crate) struct Crew(Vec<Member>);

impl Crew {
    /// Starts so many, each by arguments and an environment of its own. All of them have opened the vault when it answers.
    pub(crate) fn ready(count: usize, arguments: impl Fn(usize) -> Vec<String>, dress: impl Fn(&mut Command)) -> Self {
        let start = |number: usize| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tokenvault-puppet"));
            command.args(arguments(number)).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
            dress(&mut command);
            let mut child = command.spawn().unwrap();
            let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            Member { child, stdin, lines: BufReader::new(stdout).lines() }
        };
        let mut crew = Self((0..count).map(start).collect());
        crew.all_say("ready");
        crew
    }

    /// Lets all of them begin. Each task is at its work when it answers.
    pub(crate) fn begin(&mut self) {
        self.0.iter_mut().for_each(|member| member.stdin.write_all(b"go\n").unwrap());
        self.all_say("begun");
    }

    /// What each task was told, process after process.
    pub(crate) fn told<T: DeserializeOwned>(mut self) -> Vec<T> {
        let end = |member: &mut Member| {
            let told = member.next();
            assert!(member.child.wait().unwrap().success());
            serde_json::from_str::<Vec<T>>(&told).unwrap()
        };
        self.0.iter_mut().flat_map(end).collect()
    }

    /// Kills them in the middle of what they do.
    pub(crate) fn kill(mut self) {
        for member in &mut self.0 {
            member.child.kill().unwrap();
            assert_eq!(member.child.wait().unwrap().signal(), Some(9));
        }
    }

    fn all_say(&mut self, what: &str) {
        self.0.iter_mut().for_each(|member| assert_eq!(member.next(), what));
    }
}

impl Member {
    fn next(&mut self) -> String {
        self.lines.next().expect("a process failed; what it said stands above").unwrap()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
