//! Forks of a process that stands before any of its calls to the disk.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use fork::{WEXITSTATUS, WIFEXITED, waitpid};

use crate::backend::file::tests::fork::{Open, alone, child};
use crate::backend::file::tests::scene::block_on;
use crate::error::{Error, ErrorKind};
use crate::fields::Field;
use crate::operation::Context;
use crate::store::TokenStore;
use crate::token::OAuthToken;

/// Deletes this user's token, and waits for the rewrite that follows, which another thread does.
fn delete(open: &Open, user: &str) {
    let cx = Context::new();
    let mut deleted = OAuthToken::new().with(Field::UserName, user);
    assert!(block_on(open.vault.find_token(&cx, &mut deleted)).unwrap().value);
    assert!(block_on(open.vault.delete_token(&cx, deleted.id().unwrap())).unwrap().value);
    let handle = open.file.handle().unwrap();
    while handle.core().state().header.generation == 1 || handle.core().lock_at_once().is_err() {
        std::thread::yield_now();
    }
}

/// What a child ends with whose save was acknowledged.
const SAVED: i32 = 7;

/// Forks while the parent's `act` stands before its first call to the disk, in another vault before its second, and so
/// on. The child reads and saves or is told that the vault is locked, and the parent goes on.
fn before_every_call(folder: &Path, act: impl Fn(&Open) + Sync, after: &[&str]) {
    let (mut saved, mut refused) = (0, 0);
    for call in 0.. {
        let folder = folder.join(call.to_string());
        std::fs::create_dir(&folder).unwrap();
        let open = Open::in_folder(&folder, Duration::ZERO);
        open.save("stays").unwrap();
        open.save("goes").unwrap();
        open.gate.close_for_call(call);
        let is_saved = std::thread::scope(|scope| {
            let parent = scope.spawn(|| {
                act(&open);
                open.gate.open();
            });
            let is_saved = open.gate.wait_for_somebody().then(|| saves_beside(&open));
            open.gate.open();
            parent.join().unwrap();
            is_saved
        });
        let Some(is_saved) = is_saved else { break };
        *if is_saved { &mut saved } else { &mut refused } += 1;
        let users = after.iter().copied().chain(is_saved.then_some("child"));
        let expected: BTreeSet<String> = users.map(str::to_owned).collect();
        open.check(expected.len());
        assert_eq!(open.contents().unwrap().into_keys().collect::<BTreeSet<_>>(), expected, "before call {call}");
    }
    println!("{saved} children saved, {refused} met a lock");
    assert!(saved > 0 && refused > 0, "the children met both: a lock, and none");
}

/// Forks, and answers whether the child could save. The parent stands.
fn saves_beside(open: &Open) -> bool {
    let was_locked = open.is_locked();
    let child = child(|| {
        let is_busy = |error: Error| assert_eq!(error.kind(), ErrorKind::Busy);
        match open.contents() {
            Ok(found) => assert!(found.contains_key("stays"), "{found:?}"),
            Err(error) => is_busy(error),
        }
        match open.save("child") {
            Ok(()) => std::process::exit(SAVED),
            Err(error) => is_busy(error),
        }
        assert!(open.descriptors() <= 1, "the inherited descriptors are closed");
    });
    let status = waitpid(child).unwrap();
    assert!(WIFEXITED(status) && [0, SAVED].contains(&WEXITSTATUS(status)), "the child ended with {status}");
    assert_eq!(open.is_locked(), was_locked, "the child has left the parent's lock alone");
    WEXITSTATUS(status) == SAVED
}

#[test]
fn children_forked_before_any_call_of_a_save_read_and_write() {
    alone(module_path!(), "children_forked_before_any_call_of_a_save_read_and_write", |folder| {
        before_every_call(folder, |open| open.save("parent").unwrap(), &["stays", "goes", "parent"]);
    });
}

#[test]
fn children_forked_before_any_call_of_a_rotation_read_and_write() {
    alone(module_path!(), "children_forked_before_any_call_of_a_rotation_read_and_write", |folder| {
        before_every_call(folder, Open::rotate, &["stays", "goes"]);
    });
}

#[test]
fn children_forked_before_any_call_of_a_delete_and_its_rewrite_read_and_write() {
    alone(module_path!(), "children_forked_before_any_call_of_a_delete_and_its_rewrite_read_and_write", |folder| {
        before_every_call(folder, |open| delete(open, "goes"), &["stays"]);
    });
}
