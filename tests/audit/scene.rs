//! A folder of its own, and the real program run in it.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::lines;

pub(crate) struct Scene {
    folder: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let scene = Self { folder: TempDir::new().unwrap() };
        scene.done(&["init", "--make-key-file"], "");
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn trail(&self) -> Vec<u8> {
        fs::read(self.path("audit.jsonl")).unwrap_or_default()
    }

    pub(crate) fn dress(&self, command: &mut Command) {
        command.env_clear().current_dir(self.folder.path()).env("HOME", self.folder.path());
        command.env("TOKENVAULT_STORE", "file:vault.tv").env("TOKENVAULT_KEY_FILE", "key");
        command.env("TOKENVAULT_AUDIT", "file:audit.jsonl").env("TOKENVAULT_PRINCIPAL", "ada");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenvault"));
        self.dress(&mut command);
        command.args(args);
        command
    }

    pub(crate) fn run(mut command: Command, input: &str) -> Output {
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    pub(crate) fn done(&self, args: &[&str], input: &str) -> String {
        let output = Self::run(self.command(args), input);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn ends(&self, args: &[&str], code: i32) -> (String, String) {
        let output = Self::run(self.command(args), "");
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
        (out, err)
    }

    pub(crate) fn save(&self, user: &str) -> String {
        let token = format!(r#"{{"user_name": "{user}", "client_id": "c", "refresh_token": "canary-{user}"}}"#);
        self.done(&["save"], &token).trim().to_owned()
    }

    pub(crate) fn operations(&self) -> Vec<(String, String)> {
        let calls = lines(&self.trail()).into_iter().filter(|line| line.kind == "call");
        calls.map(|call| (call.operation.unwrap(), call.outcome.unwrap())).collect()
    }
}
