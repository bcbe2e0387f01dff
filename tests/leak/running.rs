//! What another process on the machine can see of a command while it runs.

use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::process::Stdio;

use tokenvault::fields::Field;

use crate::canary::Wanted;
use crate::command_line::{CHEAP, Shell};

#[test]
fn no_secret_is_among_the_arguments_of_a_running_command() {
    let shell = Shell::new("trace");
    shell.done(&[&["init"][..], &CHEAP].concat(), "");
    let mut child =
        shell.command(&["save"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let input = child.stdin.as_mut().unwrap();
    input.write_all(shell.json().as_bytes()).unwrap();
    let mut id = [0; 28];
    // Once it answers with the token's id it has read the token, and waits for the next.
    child.stdout.as_mut().unwrap().read_exact(&mut id).unwrap();
    for what in ["cmdline", "comm", "environ"] {
        let text = std::fs::read(format!("/proc/{}/{what}", child.id())).unwrap();
        assert!(!text.is_empty());
        shell.wanted().assert_not_in(&text, what);
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// What another process of the same user finds in a command's memory once its token is saved. Our own buffers are wiped
/// in the library; those of serde and std only by the program's allocator.
#[test]
fn no_secret_is_in_the_memory_of_a_command_that_has_saved_its_token() {
    let shell = Shell::new("trace");
    shell.done(&[&["init"][..], &CHEAP].concat(), "");
    let mut child =
        shell.command(&["save"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // What is escaped passes through a buffer of serde's own; in a large one little is written over once it is freed.
    let long = shell.text(Field::AccessToken).repeat(200);
    let token = serde_json::json!({ "user_name": "ada", "access_token": long });
    child.stdin.as_mut().unwrap().write_all(token.to_string().as_bytes()).unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 28]).unwrap();
    // The id is printed a moment before the token is dropped.
    let mut looks = (0..50).map(|_| in_memory(child.id(), &shell.wanted()));
    let found = looks.find(Vec::is_empty).unwrap_or_else(|| in_memory(child.id(), &shell.wanted()));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(found.len(), 0, "left behind: {:?}", found.first());
}

/// The places in the process's writable memory that hold a piece of a secret.
fn in_memory(process: u32, wanted: &Wanted) -> Vec<String> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = std::fs::File::open(format!("/proc/{process}/mem")).unwrap();
    let (mut found, mut seen) = (Vec::new(), 0);
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw"))) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|digits| u64::from_str_radix(digits, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // Mappings of the kernel's own may look writable and not be readable.
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        seen += bytes.len();
        let words = bytes.split(|byte| !byte.is_ascii_alphanumeric());
        let hits = words.filter(|word| wanted.find(word).is_some());
        found.extend(hits.map(|word| format!("{} in {line}", String::from_utf8_lossy(word))));
    }
    assert!(seen > 1 << 16, "there is memory to look at");
    found
}
