//! A folder, a service, and the program between them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::service::Service;

pub(crate) struct Scene {
    folder: TempDir,
    pub(crate) service: Service,
}

/// What came of a run.
pub(crate) struct Run {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Scene {
    /// A service with nothing on it.
    pub(crate) fn bare() -> Self {
        Self::over(Service::start())
    }

    pub(crate) fn over(service: Service) -> Self {
        Self { folder: TempDir::with_prefix("tokenvault-test-").unwrap(), service }
    }

    /// A service with an empty vault on it.
    pub(crate) fn new() -> Self {
        let scene = Self::bare();
        scene.done(&["init"], "");
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, led to the vault by its environment. No terminal and no passphrase: it must not ask for one.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenvault"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("HOME", self.path("home")).env("TMPDIR", self.folder.path());
        command.env("TOKENVAULT_STORE", "aws:test/vault");
        self.service.dress(&mut command, self.folder.path(), "any");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str], stdin: &str) -> Run {
        feed(self.command(arguments), stdin)
    }

    /// Runs what must succeed; answers standard output.
    pub(crate) fn done(&self, arguments: &[&str], stdin: &str) -> String {
        let run = self.run(arguments, stdin);
        assert_eq!(run.exit, Some(0), "{arguments:?}: {}{}", run.stdout, run.stderr);
        run.stdout
    }
}

pub(crate) fn feed(mut command: Command, stdin: &str) -> Run {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may end without reading its input.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { exit: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Run {
    /// The run was refused with this code, and said these pieces on standard error.
    pub(crate) fn assert_refused(&self, exit: i32, pieces: &[&str]) {
        assert_eq!(self.exit, Some(exit), "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains("error: ") && self.stderr.contains("\ntry: "), "{}", self.stderr);
        for piece in pieces {
            assert!(self.stderr.contains(piece), "no {piece:?} in {}", self.stderr);
        }
    }
}

/// A file that an SDK wrote.
pub(crate) fn sample(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sdk").join(name).to_str().unwrap().to_owned()
}
