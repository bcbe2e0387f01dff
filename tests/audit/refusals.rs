//! The real program, where a line cannot be written.

use std::fs;
use std::io::Write;
use std::process::Command;

use crate::lines;
use crate::scene::Scene;

#[test]
fn required_no_token_leaves_where_the_line_cannot_be_written() {
    let scene = Scene::new();
    let id = scene.save("alice");
    let before = fs::read(scene.path("vault.tv")).unwrap();
    for target in ["file:no/folder/audit", "file:/dev/full", "stdout"] {
        for args in [&["get", &id, "--field", "refresh_token"][..], &["list", "--reveal"], &["delete", &id]] {
            let mut command = scene.command(args);
            command.env("TOKENVAULT_AUDIT", target);
            if target == "stdout" {
                command.stdout(OpenFull::open());
            }
            let output = Scene::run(command, "");
            let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
            assert_eq!(output.status.code(), Some(4), "{target} {args:?}: {out}{err}");
            assert!(!out.contains("canary") && err.contains("\ntry: "), "{out}{err}");
        }
    }
    assert_eq!(fs::read(scene.path("vault.tv")).unwrap(), before);
    let mut command = scene.command(&["get", &id, "--field", "refresh_token"]);
    command.env("TOKENVAULT_AUDIT", "file:/dev/full").env("TOKENVAULT_AUDIT_MODE", "best-effort");
    let output = Scene::run(command, "");
    assert_eq!(output.stdout, b"canary-alice\n");
    assert!(String::from_utf8(output.stderr).unwrap().contains("has lost a line"));
}

struct OpenFull;

impl OpenFull {
    fn open() -> fs::File {
        fs::OpenOptions::new().write(true).open("/dev/full").unwrap()
    }
}

/// Nobody reads the pipe, and it is full: a token waits for its line, and then does not leave.
#[test]
fn required_a_full_pipe_that_nobody_reads_gets_no_token_out() {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use std::io::Read;

    let scene = Scene::new();
    let id = scene.save("alice");
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let mut filled = 0;
    while let Ok(written) = writer.write(&[b'\n'; 4096]) {
        filled += written;
    }
    let mut command = scene.command(&["get", &id, "--field", "refresh_token"]);
    command.env("TOKENVAULT_AUDIT", "stdout").stdout(writer);
    let output = Scene::run(command, "");
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8(output.stderr).unwrap().contains("there is no answer (stdout): nobody reads it"));
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert_eq!(read.len(), filled, "and nothing but what was there");
}

#[test]
fn streams_take_whole_lines() {
    let scene = Scene::new();
    let id = scene.save("alice");
    for (stream, is_out) in [("stdout", true), ("stderr", false)] {
        let mut command = scene.command(&["get", &id]);
        command.env("TOKENVAULT_AUDIT", stream);
        let output = Scene::run(command, "");
        let told = lines(if is_out { &output.stdout } else { &output.stderr });
        assert_eq!(told.iter().map(|line| &*line.kind).collect::<Vec<_>>(), ["begin", "call", "end"], "{stream}");
    }
}

/// No file may grow beyond a limit that lies in the middle of the next line.
#[test]
fn a_line_that_only_half_fits_is_no_line() {
    let scene = Scene::new();
    let id = scene.save("alice");
    let blocks = scene.trail().len() / 512 + 1;
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_tokenvault"), "get", &id, "--field", "refresh_token"]);
    scene.dress(&mut command);
    let output = Scene::run(command, "");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(4), &b""[..]));
    assert_eq!(scene.trail().len(), blocks * 512, "a part of the line was taken");
    scene.done(&["get", &id], "");
    let (out, _) = scene.ends(&["audit", "verify"], 4);
    assert!(out.contains("a piece of a line") && out.contains("0 broken"), "{out}");
}
