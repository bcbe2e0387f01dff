//! What every command prints, at every log level, with right and wrong input, and what it leaves on the disk.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tokenvault::fields::Field;

use crate::canary::{self, Wanted};
use crate::{files, grants, transfers, write};

pub(crate) struct Shell {
    folder: TempDir,
    texts: [(Field, String); 9],
    passphrases: [String; 2],
    /// What the OAuth provider is sent, and what it grants.
    pub(crate) grants: [String; 8],
    log: &'static str,
}

/// The files that hold secrets because the test, or an export, has put them there.
const OPEN: [&str; 8] =
    ["tokens.csv", "broken.csv", "no.db", "tokens.db", "passphrase-0", "passphrase-1", "bad.toml", "client-secret"];

impl Shell {
    pub(crate) fn new(log: &'static str) -> Self {
        let mut random = fastrand::Rng::new();
        let texts = canary::texts(&mut random);
        let passphrases = [canary::secret(&mut random), canary::secret(&mut random)];
        let grants = std::array::from_fn(|_| canary::secret(&mut random));
        let shell = Self { folder: TempDir::new().unwrap(), texts, passphrases, grants, log };
        for (number, passphrase) in shell.passphrases.iter().enumerate() {
            write(&shell.path(&format!("passphrase-{number}")), passphrase.as_bytes());
        }
        shell
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, field: Field) -> &str {
        self.texts.iter().find(|(own, _)| *own == field).map(|(_, text)| text).unwrap()
    }

    /// What may be seen only where it is asked for: users and clients are no secrets to who opens the vault.
    pub(crate) fn wanted(&self) -> Wanted {
        let secret = self.texts.iter().filter(|(field, _)| field.is_secret()).map(|(_, text)| &**text);
        Wanted::new(secret.chain(self.passphrases.iter().chain(&self.grants).map(|text| &**text)))
    }

    pub(crate) fn json(&self) -> String {
        let texts = self.texts.iter().map(|(field, text)| (field.name().to_owned(), text.as_str().into()));
        serde_json::Value::Object(texts.collect()).to_string()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenvault"));
        command.args(args).env_clear().current_dir(self.folder.path());
        command.env("HOME", self.path("home")).env("TMPDIR", self.folder.path()).env("TOKENVAULT_LOG", self.log);
        command.env("TOKENVAULT_STORE", "file:vault.tv").env("TOKENVAULT_PASSPHRASE_FILE", self.path("passphrase-0"));
        command.env("TOKENVAULT_AUDIT", "file:audit.jsonl").env("TOKENVAULT_METRICS", "emf");
        command
    }

    /// Runs a command, and looks at everything that it said.
    fn run(&self, mut command: Command, input: &str, shows: bool) -> Output {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Where it has not read its input to the end, it has been told enough.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let what = format!("{command:?}");
        self.wanted().assert_not_in(&output.stderr, &format!("standard error of {what}"));
        match shows {
            false => self.wanted().assert_not_in(&output.stdout, &format!("standard output of {what}")),
            true => assert!(self.wanted().find(&output.stdout).is_some(), "{what} shows what it was asked for"),
        }
        output
    }

    pub(crate) fn done(&self, args: &[&str], input: &str) -> Output {
        let output = self.run(self.command(args), input, false);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    pub(crate) fn shown(&self, args: &[&str], input: &str) {
        let output = self.run(self.command(args), input, true);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub(crate) fn refused(&self, args: &[&str], input: &str) {
        let output = self.run(self.command(args), input, false);
        assert!(!output.status.success() && !output.stderr.is_empty(), "{args:?} is refused, and says why");
    }

    fn refused_with(&self, variable: &str, value: &str, args: &[&str]) {
        let mut command = self.command(args);
        command.env(variable, value);
        let output = self.run(command, "", false);
        assert!(!output.status.success(), "{variable} is wrong");
    }

    fn assert_files_are_sealed(&self) {
        let all: Vec<String> = self.texts.iter().map(|(_, text)| text.clone()).collect();
        let all = Wanted::new(all.iter().chain(&self.passphrases).chain(&self.grants).map(String::as_str));
        let mut seen = 0;
        for path in files(self.folder.path()) {
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o600, "{} is for its owner only", path.display());
            if OPEN.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            seen += 1;
            all.assert_not_in(&std::fs::read(&path).unwrap(), &path.display().to_string());
            all.assert_not_in(path.as_os_str().as_encoded_bytes(), "the name of a file");
        }
        assert!(seen > 1, "the vault and its backup, at least");
    }
}

pub(crate) const CHEAP: [&str; 6] = ["--kdf-memory-mib", "19", "--kdf-passes", "1", "--kdf-lanes", "1"];

#[test]
fn no_command_shows_a_secret_that_was_not_asked_for() {
    for log in ["trace", "error"] {
        let shell = Shell::new(log);
        shell.done(&[&["init"][..], &CHEAP].concat(), "");
        let id = String::from_utf8(shell.done(&["save"], &shell.json()).stdout).unwrap();
        every_day(&shell, id.trim());
        wrong_input(&shell, id.trim());
        misplaced(&shell, id.trim());
        transfers::in_and_out(&shell);
        grants::granted(&shell);
        upkeep(&shell);
        audit(&shell);
        // From here on other vaults write to the same trail.
        transfers::from_a_database(&shell, id.trim());
        transfers::copied(&shell);
        shell.done(&["--store", "file:keyed.tv", "--key-file", "made.key", "init", "--make-key-file"], "");
        shell.assert_files_are_sealed();
        shell.done(&["delete", id.trim()], "");
        shell.done(&["delete-all", "--yes"], "");
        shell.assert_files_are_sealed();
    }
}

fn every_day(shell: &Shell, id: &str) {
    let by_stdin = [
        ("--refresh-token-stdin", Field::RefreshToken),
        ("--access-token-stdin", Field::AccessToken),
        ("--grant-token-stdin", Field::GrantToken),
    ];
    for format in ["table", "json"] {
        for (flag, field) in by_stdin {
            let found = field != Field::AccessToken;
            let args = ["--format", format, "find", flag];
            if found {
                shell.done(&args, shell.text(field));
            } else {
                shell.refused(&args, shell.text(field));
            }
            shell.refused(&["--format", format, "find", flag, "--client-id", "another"], shell.text(field));
        }
        for args in [
            &["get", id][..],
            &["list"],
            &["list", "--expiring", "9000d"],
            &["find", "--user", shell.text(Field::UserName)],
        ] {
            let args = [&["--format", format], args].concat();
            shell.done(&args, "");
            shell.done(&[&["--quiet"], &args[..]].concat(), "");
            shell.shown(&[&args[..], &["--reveal"]].concat(), "");
        }
    }
    for field in Field::ALL {
        let args = ["get", id, "--field", field.name()];
        if field.is_secret() { shell.shown(&args, "") } else { drop(shell.done(&args, "")) }
    }
    shell.done(&["demo"], "");
    shell.done(&["completions", "bash"], "");
    shell.done(&["man"], "");
}

fn wrong_input(shell: &Shell, id: &str) {
    let secret = shell.text(Field::AccessToken);
    let quoted = serde_json::to_string(secret).unwrap();
    for input in [
        secret.to_owned(),
        quoted.clone(),
        format!("[{quoted}]"),
        format!("{{{quoted}: 1}}"),
        format!("{{\"access_token\": {quoted}"),
        format!("{{\"access_token\" {quoted}}}"),
        format!("{{\"access_token\": {quoted}}}}}{quoted}"),
        format!("{{\"access_token\": {{{quoted}: {quoted}}}}}"),
        format!("{{\"access_token\": {quoted}, \"expires_in\": {quoted}}}"),
        format!("{{\"access_token\": {quoted}, \"access_token\": {quoted}}}"),
        format!("{{\"access_token\": \"a\", \"id\": {}}}", serde_json::to_string(&secret.repeat(20)).unwrap()),
        format!("{{\"access_token\": {quoted}, \"user_name\": \"eve\", \"id\": \"{id}\"}}"),
    ] {
        shell.refused(&["save"], &input);
    }
    let mut command = shell.command(&["list"]);
    command.env_remove("TOKENVAULT_PASSPHRASE_FILE").env("TOKENVAULT_PASSPHRASE", &shell.passphrases[1]);
    assert_eq!(shell.run(command, "", false).status.code(), Some(3), "the other passphrase");
    for text in [format!("passphrase = {quoted}"), format!("store = {quoted}"), format!("{quoted} = 1"), secret.into()]
    {
        write(&shell.path("bad.toml"), text.as_bytes());
        shell.refused(&["--config", "bad.toml", "list"], "");
    }
}

/// Secrets on the command line or in the environment: the user's breach, not to be made worse by a log of ours.
fn misplaced(shell: &Shell, id: &str) {
    let secret = shell.text(Field::AccessToken);
    for args in [
        &["save", secret][..],
        &["get", secret],
        &["get", id, "--field", secret],
        &["find", "--access-token", secret],
        &["find", &format!("--access-token={secret}")],
        &["delete", secret],
        &["--format", secret, "list"],
        &["--store", secret, "list"],
        &["list", "--expiring", secret],
        &["find", &format!("--refresh-token-stdin={secret}")],
        &["list", &format!("--reveal={secret}")],
        &[&format!("--quiet={secret}"), "list"],
        &["list", &format!("-q={secret}")],
        &[secret],
    ] {
        shell.refused(args, "");
    }
    for variable in ["TOKENVAULT_STORE", "TOKENVAULT_FORMAT", "TOKENVAULT_LOCK_WAIT"] {
        shell.refused_with(variable, secret, &["list"]);
    }
}

fn upkeep(shell: &Shell) {
    shell.done(&["verify"], "");
    for format in ["table", "json"] {
        shell.done(&["--format", format, "status"], "");
        shell.done(&["--format", format, "doctor"], "");
        shell.refused(&["--format", format, "status", "--quick", shell.text(Field::AccessToken)], "");
    }
    shell.done(&["rotate-key"], "");
    shell.done(&["backup", "backup.tv"], "");
    let mut command = shell.command(&[&["change-passphrase"][..], &CHEAP].concat());
    command.env("TOKENVAULT_NEW_PASSPHRASE_FILE", shell.path("passphrase-1"));
    assert!(shell.run(command, "", false).status.success());
    shell.refused(&["list"], "");
    std::fs::rename(shell.path("passphrase-1"), shell.path("passphrase-0")).unwrap();
    // A torn end, found by a command that only looks, and cut off by one that writes.
    let mut bytes = std::fs::read(shell.path("vault.tv")).unwrap();
    bytes.extend_from_slice(&[7; 99]);
    write(&shell.path("vault.tv"), &bytes);
    shell.done(&["verify"], "");
    shell.done(&["save"], &shell.json().replace(shell.text(Field::ExpiresIn), "1999999999999"));
    bytes[300] ^= 1;
    write(&shell.path("damaged.tv"), &bytes);
    for command in [&["list"][..], &["verify"], &["rotate-key"], &["status"], &["doctor"]] {
        shell.refused(&[&["--store", "file:damaged.tv"], command].concat(), "");
    }
}

/// The trail of all that came before: it is among the files that hold nothing of a token, also not of its user.
fn audit(shell: &Shell) {
    let trail = std::fs::read(shell.path("audit.jsonl")).unwrap();
    assert!(trail.split(|byte| *byte == b'\n').count() > 100, "every command above left lines");
    let secret = shell.text(Field::AccessToken);
    for args in [
        &["audit"][..],
        &["audit", "--user", shell.text(Field::UserName)],
        &["audit", "--token", secret],
        &["audit", "--timeline"],
        &["audit", "verify"],
        &["audit", "--outcome", "refused"],
    ] {
        shell.done(args, "");
        shell.done(&[&["--format", "json"], args].concat(), "");
    }
    shell.refused(&["audit", "--outcome", secret], "");
    shell.refused(&["audit", "--since", secret], "");
    for variable in ["TOKENVAULT_AUDIT", "TOKENVAULT_AUDIT_MODE", "TOKENVAULT_AUDIT_USERS"] {
        shell.refused_with(variable, secret, &["list"]);
    }
}
