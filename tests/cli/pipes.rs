//! What goes through pipes, and what other processes do meanwhile.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, Stdio};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::scene::{Scene, Vault};

/// An object with a text of this length, and this id.
fn object(id: usize, length: usize) -> String {
    format!("{{\"id\": \"{id}\", \"access_token\": \"{id}{}\"}}\n", "x".repeat(length))
}

#[test]
fn each_id_is_printed_before_the_next_token_is_sent() {
    let scene = Scene::new(Vault::KeyFile);
    let mut child = scene.command().arg("save").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin: ChildStdin = child.stdin.take().unwrap();
    let mut ids = BufReader::new(child.stdout.take().unwrap()).lines();
    for id in 1..=3 {
        stdin.write_all(object(id, 10).as_bytes()).unwrap();
        assert_eq!(ids.next().unwrap().unwrap(), id.to_string());
        // Acknowledged means safely stored, whatever becomes of the process.
        let shown = scene.run(&["get", &id.to_string(), "--field", "id"], b"");
        assert_eq!(String::from_utf8_lossy(&shown.stdout), format!("{id}\n"));
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let scene = Scene::new(Vault::KeyFile);
    let tokens: String = (0..40).map(|id| object(id, 5000)).collect();
    assert!(scene.run(&["save"], tokens.as_bytes()).status.success());
    for arguments in [&["list", "--reveal", "--format", "json"][..], &["list", "--reveal"]] {
        let mut command = scene.command();
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // More than a pipe holds is on its way: the program writes on after this.
        child.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    }
}

#[test]
fn tokens_are_saved_also_where_nobody_reads_their_ids() {
    let scene = Scene::new(Vault::KeyFile);
    let mut child = scene.command().arg("save").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let tokens: String = (0..5).map(|id| object(id, 10)).collect();
    child.stdin.take().unwrap().write_all(tokens.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let shown = scene.run(&["get", "4", "--field", "id"], b"");
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "4\n");
}

#[test]
fn input_beyond_all_bounds_is_refused_and_nothing_changed() {
    let scene = Scene::new(Vault::KeyFile);
    let before = scene.vault();
    for (what, said) in [(17 << 20, "standard input has more than 16777216 bytes"), (70_000, "longer than 65536 bytes")]
    {
        let output = scene.run(&["save"], object(1, what).as_bytes());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(said) && stderr.contains("\ntry: ") && !stderr.contains("xxxx"), "{stderr}");
    }
    let id = "i".repeat(10_000);
    let output = scene.run(&["save"], format!("{{\"id\": \"{id}\", \"access_token\": \"t\"}}").as_bytes());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("the id is longer than 256 bytes") && !stderr.contains("iiii"), "{stderr}");
    assert_eq!(scene.run(&["get", &id], b"").status.code(), Some(1));
    assert_eq!(scene.vault(), before);
}

#[test]
fn a_lock_that_is_held_for_too_long_is_busy_and_nothing_changed() {
    let scene = Scene::new(Vault::KeyFile);
    let before = scene.vault();
    let file = std::fs::File::open(scene.path("vault.tv")).unwrap();
    let lock = Flock::lock(file, FlockArg::LockExclusive).unwrap();
    for arguments in [&["save", "--lock-wait", "50ms"][..], &["rotate-key", "--lock-wait", "50ms"]] {
        let output = scene.run(arguments, object(1, 10).as_bytes());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{stderr}");
        assert!(stderr.contains("error: ") && stderr.contains("locked for too long"), "{stderr}");
        assert!(stderr.contains("\ntry: try again"), "{stderr}");
    }
    assert_eq!(scene.vault(), before);
    drop(lock.unlock().unwrap());
    assert!(scene.run(&["save", "--lock-wait", "5s"], object(1, 10).as_bytes()).status.success());
}

#[test]
fn a_configuration_that_is_a_pipe_is_refused_and_not_waited_for() {
    let scene = Scene::new(Vault::KeyFile);
    mkfifo(&scene.path("c.toml"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let output = scene.run(&["list", "--config", "c.toml"], b"");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("error: the configuration c.toml is not a regular file\ntry: "), "{stderr}");
}

#[test]
fn a_torn_end_is_told_once_and_by_verify_explained() {
    let scene = Scene::new(Vault::KeyFile);
    scene.write("vault.tv", &[scene.vault().unwrap(), b"torn".to_vec()].concat(), 0o600);
    let output = scene.run(&["verify"], b"");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr.matches("did not come to its end").count(), 1, "{stderr}");
    assert!(stderr.contains("note: the last 4 bytes do not open"), "{stderr}");
}

#[test]
fn a_changed_vault_gives_an_error_or_what_was_stored() {
    let scene = Scene::new(Vault::KeyFile);
    assert!(scene.run(&["save"], (object(1, 5) + &object(2, 5)).as_bytes()).status.success());
    let whole = scene.vault().unwrap();
    // Space that is allocated ahead is zeros; a little of it is enough.
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for place in (0..whole.len().min(used + 64)).step_by(11) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        scene.write("vault.tv", &bytes, 0o600);
        let output = scene.run(&["get", "1", "--field", "access_token"], b"");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        match output.status.code() {
            Some(0) => assert_eq!(stdout, "1xxxxx\n", "byte {place}"),
            Some(1 | 2 | 3 | 5 | 6) => {
                assert!(stdout.is_empty() && stderr.contains("\ntry: "), "byte {place}: {stderr}");
            }
            code => panic!("byte {place}: {code:?}, {stderr}"),
        }
    }
}

#[test]
fn the_demo_leaves_nothing_behind() {
    let scene = Scene::new(Vault::None);
    assert!(scene.run(&["demo"], b"").status.success());
    assert_eq!(std::fs::read_dir(scene.folder()).unwrap().count(), 0);
}

#[test]
fn what_is_made_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let scene = Scene::new(Vault::KeyFile);
    assert!(scene.run(&["save"], object(1, 5).as_bytes()).status.success());
    assert!(scene.run(&["backup", "copy.tv"], b"").status.success());
    if cfg!(feature = "import") {
        assert!(scene.run(&["export", "--format-of", "node", "--reveal", "--to", "out.csv"], b"").status.success());
    }
    for entry in std::fs::read_dir(scene.folder()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}: {mode:o}", entry.file_name());
    }
}
