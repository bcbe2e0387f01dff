//! Another process that does as it is told: tests/puppet.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use tokenvault::error::{Error, ErrorKind, Result};

/// A running puppet.
pub(crate) struct Puppet {
    child: Child,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    slots: u64,
}

/// A puppet that several tokens share.
pub(crate) type Shared = Arc<Mutex<Puppet>>;

const KINDS: [ErrorKind; 9] = [
    ErrorKind::Ambiguous,
    ErrorKind::Busy,
    ErrorKind::Conflict,
    ErrorKind::Damaged,
    ErrorKind::Gone,
    ErrorKind::InvalidInput,
    ErrorKind::Io,
    ErrorKind::NotFound,
    ErrorKind::WrongKey,
];

impl Puppet {
    pub(crate) fn start(vault: &Path, key_file: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenvault-puppet"));
        command.args([vault, key_file]).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, answers: BufReader::new(stdout).lines(), slots: 0 }
    }

    /// A slot that holds nothing yet.
    pub(crate) fn free_slot(&mut self) -> String {
        self.slots += 1;
        self.slots.to_string()
    }

    /// Tells it to do something at a moment, and waits for the answer: what follows `ok`.
    pub(crate) fn tell(&mut self, micros: u64, command: &str, arguments: &[&str]) -> Result<Vec<String>> {
        let time = micros.to_string();
        let request: Vec<&str> = [time.as_str(), command].into_iter().chain(arguments.iter().copied()).collect();
        let line = serde_json::to_string(&request).unwrap() + "\n";
        self.stdin.write_all(line.as_bytes()).unwrap();
        let answer = self.answers.next().expect("the puppet lives").unwrap();
        let mut answer: Vec<String> = serde_json::from_str(&answer).unwrap();
        if answer[0] == "ok" {
            return Ok(answer.split_off(1));
        }
        let kind = KINDS.into_iter().find(|kind| format!("{kind:?}") == answer[1]);
        Err(Error::new(kind.unwrap_or(ErrorKind::Internal), format!("in the puppet: {}", answer[2])))
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
