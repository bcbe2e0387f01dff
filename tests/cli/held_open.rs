//! A program that has the vault open while others put another file in its place.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Output, Stdio};

use crate::scene::{CHEAP, Scene, Vault};

/// `save`, which goes on for as long as it is sent tokens.
struct Saving {
    child: Child,
    stdin: ChildStdin,
    ids: Lines<BufReader<ChildStdout>>,
}

impl Saving {
    fn start(scene: &Scene) -> Self {
        let mut command = scene.command();
        command.arg("save").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, ids: BufReader::new(stdout).lines() }
    }

    /// The id that it acknowledges the next token with; `None` where it ends instead.
    fn save(&mut self, id: &str) -> Option<String> {
        let token = format!("{{\"id\": \"{id}\", \"access_token\": \"canary {id}\"}}\n");
        self.stdin.write_all(token.as_bytes()).unwrap();
        self.ids.next().map(Result::unwrap)
    }

    fn end(self) -> Output {
        drop(self.stdin);
        self.child.wait_with_output().unwrap()
    }
}

fn change_passphrase(scene: &Scene) {
    scene.write("next", b"battery staple\n", 0o600);
    let change = ["change-passphrase", "--new-passphrase-file", "next"];
    let output = scene.run(&[&change[..], &CHEAP].concat(), b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_changed_passphrase_is_taken_from_its_file() {
    let scene = Scene::new(Vault::Passphrase);
    let mut saving = Saving::start(&scene);
    assert_eq!(saving.save("1").as_deref(), Some("1"));
    change_passphrase(&scene);
    scene.write("passphrase", b"battery staple\n", 0o600);
    assert_eq!(saving.save("2").as_deref(), Some("2"));
    let ended = saving.end();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let shown = scene.run(&["get", "2", "--field", "access_token"], b"");
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "canary 2\n");
}

/// It ends with this exit code, and says so and what to try.
fn ends(mut saving: Saving, code: i32, says: &str, hint: &str) {
    assert_eq!(saving.save("2"), None);
    let ended = saving.end();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(says) && stderr.contains(&format!("\ntry: {hint}")), "{stderr}");
    assert!(stderr.contains("what came before is saved (1)") && !stderr.contains("canary"), "{stderr}");
}

#[test]
fn a_changed_passphrase_that_its_file_does_not_hold_ends_it() {
    let scene = Scene::new(Vault::Passphrase);
    let mut saving = Saving::start(&scene);
    assert_eq!(saving.save("1").as_deref(), Some("1"));
    change_passphrase(&scene);
    ends(
        saving,
        3,
        "the vault's key was changed while this program had it open",
        "give this program the new passphrase",
    );
}

#[test]
fn another_vault_in_this_one_s_place_ends_it_and_is_left_alone() {
    let (scene, other) = (Scene::new(Vault::KeyFile), Scene::new(Vault::KeyFile));
    let mut saving = Saving::start(&scene);
    assert_eq!(saving.save("1").as_deref(), Some("1"));
    let others = other.vault().unwrap();
    scene.write("other.tv", &others, 0o600);
    std::fs::rename(scene.path("other.tv"), scene.path("vault.tv")).unwrap();
    ends(saving, 5, "another vault has been put in this one's place", "put the right file back");
    assert_eq!(scene.vault().unwrap(), others);
}
