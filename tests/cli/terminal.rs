//! Passphrases are asked for on the terminal itself, whatever standard input is.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use nix::pty::{Winsize, openpty};

use crate::scene::{CHEAP, Scene, Vault};

/// The program on a terminal of its own, and the other end of that terminal.
struct Seat {
    child: Child,
    terminal: File,
    /// What was read and not yet looked at.
    seen: String,
}

impl Seat {
    /// `setsid` (util-linux) makes the terminal the program's own: without unsafe code, this process cannot.
    fn new(scene: &Scene, arguments: &[&str]) -> Self {
        let pair = openpty(None, None).unwrap();
        let mut command = Command::new("setsid");
        scene.dress(&mut command);
        command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_tokenvault")]).args(arguments);
        command
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::from(pair.slave))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().expect("setsid of util-linux");
        Self { child, terminal: File::from(pair.master), seen: String::new() }
    }

    /// Waits for `prompt`, and types `text`.
    fn answer(&mut self, prompt: &str, text: &str) {
        while !self.seen.contains(prompt) {
            let mut bytes = [0; 256];
            let count = self.terminal.read(&mut bytes).unwrap_or_else(|error| panic!("before {prompt:?}: {error}"));
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        self.seen.clear();
        writeln!(self.terminal, "{text}").unwrap();
    }

    /// How it ended, and what it wrote.
    fn end(mut self) -> (Option<i32>, String) {
        let mut text = String::new();
        let mut pipes = (self.child.stdout.take().unwrap(), self.child.stderr.take().unwrap());
        pipes.0.read_to_string(&mut text).unwrap();
        pipes.1.read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap().code(), text)
    }
}

#[test]
fn a_new_passphrase_is_asked_for_twice_and_then_opens_the_vault() {
    let scene = Scene::new(Vault::None);
    let mut seat = Seat::new(&scene, &[&["init"][..], &CHEAP].concat());
    seat.answer("New passphrase: ", "canary battery");
    seat.answer("The same again: ", "canary battery");
    let (code, text) = seat.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("made a vault") && !text.contains("canary"), "{text}");

    let mut seat = Seat::new(&scene, &["list"]);
    seat.answer("Passphrase: ", "canary battery");
    assert_eq!(seat.end(), (Some(0), "no tokens\n".to_owned()));

    let mut seat = Seat::new(&scene, &["list"]);
    seat.answer("Passphrase: ", "canary staple");
    let (code, text) = seat.end();
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("error: ") && !text.contains("canary"), "{text}");

    let mut seat = Seat::new(&scene, &[&["change-passphrase"][..], &CHEAP].concat());
    seat.answer("Passphrase: ", "canary battery");
    seat.answer("New passphrase: ", "canary staple");
    seat.answer("The same again: ", "canary staple");
    let (code, text) = seat.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("opens by the new passphrase"), "{text}");
}

#[test]
fn two_that_differ_and_an_empty_one_are_refused() {
    let scene = Scene::new(Vault::None);
    let mut seat = Seat::new(&scene, &["init"]);
    seat.answer("New passphrase: ", "canary battery");
    seat.answer("The same again: ", "canary staple");
    let (code, text) = seat.end();
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("error: the two passphrases differ") && !text.contains("canary"), "{text}");

    let mut seat = Seat::new(&scene, &["init"]);
    seat.answer("New passphrase: ", "");
    let (code, text) = seat.end();
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("error: the passphrase is empty"), "{text}");
    assert_eq!(scene.vault(), None);
}

/// What `list` writes to a terminal of 80 columns.
fn listed_on_a_terminal(scene: &Scene, environment: &[(&str, &str)]) -> String {
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let pair = openpty(&size, None).unwrap();
    let mut command = scene.command();
    command.arg("list").env("TERM", "xterm").envs(environment.iter().copied());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::from(pair.slave)).spawn().unwrap();
    drop(command);
    let mut terminal = File::from(pair.master);
    let mut text = Vec::new();
    // Linux ends it with an error once nobody holds the other end.
    let _ = terminal.read_to_end(&mut text);
    assert!(child.wait().unwrap().success());
    String::from_utf8(text).unwrap()
}

#[test]
fn colour_is_for_terminals_and_for_those_who_want_it() {
    let scene = Scene::new(Vault::KeyFile);
    let token = b"{\"id\": \"1\", \"user_name\": \"a very long user name, longer than the terminal is wide\", \"access_token\": \"t\"}";
    assert!(scene.run(&["save"], token).status.success());
    let shown = listed_on_a_terminal(&scene, &[]);
    assert!(shown.contains("\u{1b}[1m") && shown.contains("ACCESS TOKEN"), "{shown:?}");
    let longest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap();
    let plain = listed_on_a_terminal(&scene, &[("NO_COLOR", "1")]);
    assert!(!plain.contains('\u{1b}') && longest(&plain) <= 81, "{plain:?}");
    let piped = scene.run(&["list"], b"").stdout;
    assert!(!piped.contains(&0x1b));
}
