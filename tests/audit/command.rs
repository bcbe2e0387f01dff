//! The real program: what it records, what it refuses to do without a line, several of them on one file.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::lines;

struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { folder: TempDir::new().unwrap() };
        scene.done(&["init", "--make-key-file"], "");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn trail(&self) -> Vec<u8> {
        fs::read(self.path("audit.jsonl")).unwrap_or_default()
    }

    fn dress(&self, command: &mut Command) {
        command.env_clear().current_dir(self.folder.path()).env("HOME", self.folder.path());
        command.env("TOKENVAULT_STORE", "file:vault.tv").env("TOKENVAULT_KEY_FILE", "key");
        command.env("TOKENVAULT_AUDIT", "file:audit.jsonl").env("TOKENVAULT_PRINCIPAL", "ada");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenvault"));
        self.dress(&mut command);
        command.args(args);
        command
    }

    fn run(mut command: Command, input: &str) -> Output {
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn done(&self, args: &[&str], input: &str) -> String {
        let output = Self::run(self.command(args), input);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn ends(&self, args: &[&str], code: i32) -> (String, String) {
        let output = Self::run(self.command(args), "");
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
        (out, err)
    }

    fn save(&self, user: &str) -> String {
        let token = format!(r#"{{"user_name": "{user}", "client_id": "c", "refresh_token": "canary-{user}"}}"#);
        self.done(&["save"], &token).trim().to_owned()
    }

    fn operations(&self) -> Vec<(String, String)> {
        let calls = lines(&self.trail()).into_iter().filter(|line| line.kind == "call");
        calls.map(|call| (call.operation.unwrap(), call.outcome.unwrap())).collect()
    }
}

#[test]
fn every_command_that_touches_tokens_leaves_a_line() {
    let scene = Scene::new();
    assert_eq!(scene.trail(), b"", "a vault that is being made has no token yet");
    let id = scene.save("alice");
    let (mut expected, ok) = (vec![("save_token", "ok")], |operation| (operation, "ok"));
    for (args, operation) in [
        (&["get", &id][..], "find_token_by_id"),
        (&["find", "--user", "alice"], "find_token"),
        (&["list"], "get_tokens"),
        (&["verify"], "verify"),
        (&["rotate-key"], "rotate_key"),
        (&["backup", "copy.tv"], "backup"),
        (&["change-passphrase", "--new-key-file", "key"], "change_key"),
        #[cfg(feature = "import")]
        (&["export", "--format-of", "python", "--reveal", "--to", "tokens.csv"], "export"),
        #[cfg(feature = "import")]
        (&["import", "--from", "tokens.csv"], "import"),
        (&["delete", &id], "delete_token"),
        (&["delete-all", "--yes"], "delete_tokens"),
    ] {
        scene.done(args, "");
        expected.push(ok(operation));
    }
    scene.ends(&["get", &id], 1);
    scene.ends(&["delete", "nothing"], 1);
    expected.extend([("find_token_by_id", "not-found"), ("delete_token", "not-found")]);
    let told = scene.operations();
    assert_eq!(told.iter().map(|(op, end)| (op.as_str(), end.as_str())).collect::<Vec<_>>(), expected);
    assert!(lines(&scene.trail()).iter().all(|line| line.principal.as_deref().is_none_or(|who| who == "ada")));
    assert!(!String::from_utf8(scene.trail()).unwrap().contains("canary"));
    // The vault was sealed anew twice meanwhile, and its key file changed: the audit key outlives that.
    assert!(scene.done(&["audit", "verify"], "").contains("14 intact, 0 open, 0 broken"));
}

#[test]
fn a_copy_leaves_a_line_in_both_vaults_chains() {
    let scene = Scene::new();
    scene.save("alice");
    scene.done(&["init", "--make-key-file", "--store", "file:other.tv", "--key-file", "other.key"], "");
    scene.done(&["copy", "--from", "file:vault.tv", "--to", "file:other.tv", "--to-key-file", "other.key"], "");
    assert_eq!(scene.operations()[1..].to_vec(), vec![("copy".to_owned(), "ok".to_owned()); 2]);
    let (out, _) = scene.ends(&["audit", "verify"], 4);
    assert!(out.contains("3 chains: 2 intact, 0 open, 0 broken, 1 of another vault"), "{out}");
    scene.ends(&["audit", "verify", "--allow-open"], 4);
}

#[test]
fn the_trail_is_asked_by_token_user_principal_outcome_and_time() {
    let scene = Scene::new();
    let (alice, bob) = (scene.save("alice"), scene.save("bob"));
    scene.done(&["get", &alice], "");
    scene.done(&["list"], "");
    scene.ends(&["get", "wrong"], 1);
    let mut other = scene.command(&["get", &bob]);
    other.env("TOKENVAULT_PRINCIPAL", "eve");
    assert!(Scene::run(other, "").status.success());
    let count = |args: &[&str]| {
        let out = scene.done(&[&["audit", "--format", "json"], args].concat(), "");
        let calls: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        calls.len()
    };
    assert_eq!(count(&[]), 6);
    assert_eq!(count(&["--token", &alice]), 3, "saved, read, and listed with all others");
    assert_eq!(count(&["--token", "wrong"]), 2, "by its hash, and listed");
    assert_eq!(count(&["--user", "alice"]), 2);
    assert_eq!(count(&["--user", "nobody"]), 0);
    assert_eq!(count(&["--principal", "eve"]), 1);
    assert_eq!(count(&["--outcome", "not-found"]), 1);
    assert_eq!(count(&["--since", "1h"]), 6);
    assert_eq!(count(&["--until", "2026-01-01"]), 0);
    assert_eq!(count(&["--since", "2020-01-01T00:00:00Z", "--user", "bob", "--principal", "eve"]), 1);
    let table = scene.done(&["audit", "--user", "bob"], "");
    assert!(
        table.trim_start().starts_with("TIME") && table.contains("ok (inserted)") && table.contains(&bob),
        "{table}"
    );
    assert!(scene.ends(&["audit", "--since", "soon"], 2).1.contains("try: write for example"));
    let piped = Scene::run(scene.command(&["audit", "--from", "-"]), &String::from_utf8(scene.trail()).unwrap());
    assert_eq!(String::from_utf8(piped.stdout).unwrap().lines().count(), 8);
    let mut unset = scene.command(&["audit"]);
    unset.env_remove("TOKENVAULT_AUDIT");
    assert_eq!(Scene::run(unset, "").status.code(), Some(2));
}

#[test]
fn a_picture_is_drawn_for_a_terminal_and_as_svg() {
    let scene = Scene::new();
    scene.save("alice");
    scene.ends(&["get", "wrong"], 1);
    let drawn = scene.done(&["audit", "--timeline", "--svg", "calls.svg"], "");
    assert!(drawn.starts_with("ada │") && drawn.contains("│ 2\n") && drawn.ends_with("drew calls.svg\n"), "{drawn}");
    let svg = fs::read_to_string(scene.path("calls.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains(">ada</text>"), "{svg}");
    scene.ends(&["audit", "--svg", "calls.svg"], 2);
    assert_eq!(scene.done(&["audit", "--timeline", "--principal", "nobody"], ""), "no calls\n");
}

#[test]
fn reads_that_did_not_come_through_the_vault_are_named() {
    let scene = Scene::new();
    let event = |request: &str| {
        format!(
            r#"{{"eventTime": "2026-11-22T17:20:00Z", "eventSource": "secretsmanager.amazonaws.com", "eventName": "GetSecretValue",
            "requestID": "{request}", "requestParameters": {{"secretId": "prod/crm/token/tv1"}},
            "userIdentity": {{"arn": "arn:aws:iam::1:user/eve"}}}}"#
        )
    };
    fs::write(scene.path("line"), r#"{"v":1,"time":"t","kind":"call","chain":"c","seq":0,"requests":["known"]}"#)
        .unwrap();
    fs::write(scene.path("events"), format!(r#"{{"Records": [{}, {}]}}"#, event("known"), event("strange"))).unwrap();
    fs::write(scene.path("known"), event("known")).unwrap();
    let asked = ["audit", "--from", "line", "--prefix", "prod/crm", "--cloudtrail"];
    let (out, err) = scene.ends(&[&asked[..], &["events"]].concat(), 1);
    assert!(out.contains("user/eve") && out.contains("strange") && !out.contains("known"), "{out}");
    assert!(err.contains("error: 1 read not in the audit trail"), "{err}");
    let none = scene.done(&[&asked[..], &["known"]].concat(), "");
    assert_eq!(none, "every read of the vault's secrets came through the vault\n");
    scene.ends(&["audit", "--from", "line", "--cloudtrail", "known"], 2);
}

#[test]
fn a_trail_that_was_worked_on_is_told_by_the_exit_code() {
    let scene = Scene::new();
    let id = scene.save("alice");
    scene.done(&["get", &id], "");
    scene.done(&["audit", "verify"], "");
    let whole = scene.trail();
    let text = String::from_utf8(whole.clone()).unwrap();
    let write = |bytes: &[u8]| fs::write(scene.path("audit.jsonl"), bytes).unwrap();
    write(text.replace("find_token_by_id", "find_token_by_iD").as_bytes());
    let (out, err) = scene.ends(&["audit", "verify"], 5);
    assert!(out.contains("was changed") && err.contains("error: the audit trail was changed"), "{out}{err}");
    let without = |gone: usize| {
        text.lines().enumerate().filter(|(at, _)| *at != gone).map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    for gone in 0..text.lines().count() - 1 {
        write(without(gone).as_bytes());
        scene.ends(&["audit", "verify"], 5);
    }
    write(without(text.lines().count() - 1).as_bytes());
    let (out, _) = scene.ends(&["audit", "verify"], 4);
    assert!(out.contains("1 open"), "{out}");
    scene.ends(&["audit", "verify", "--allow-open"], 0);
    let (out, _) = scene.ends(&["audit", "verify", "--format", "json"], 4);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["open"], 1);
    // Rotated: both files, in their order.
    let half = text.lines().take(4).map(str::len).sum::<usize>() + 4;
    fs::write(scene.path("first"), &whole[..half]).unwrap();
    fs::write(scene.path("second"), &whole[half..]).unwrap();
    scene.ends(&["audit", "verify", "--from", "first", "--from", "second"], 0);
    scene.ends(&["audit", "verify", "--from", "second"], 5);
}

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
