//! Real forks of a process that has a vault open, at every stage of what it may be doing.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fork::{Fork, WEXITSTATUS, WIFEXITED, fork, waitpid};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, alarm};

use crate::backend::file::frame::{FrameHead, HEAD_LEN};
use crate::backend::file::tests::gated_disk::{Gate, GatedDisk};
use crate::backend::file::tests::scene::{Contents, block_on, contents_of, soak, token};
use crate::backend::file::{FileBackend, FileOptions, KeySource};
use crate::crypto::kdf::KdfCost;
use crate::error::{ErrorKind, Result};
use crate::operation::Context;
use crate::store::TokenStore;
use crate::vault::Vault;

/// A vault on the real disk, and a gate that a call of this process can be stopped at.
pub(super) struct Open {
    options: FileOptions,
    pub(super) file: Arc<FileBackend>,
    pub(super) vault: Vault,
    pub(super) gate: Arc<Gate>,
}

impl Open {
    pub(super) fn in_folder(folder: &Path, lock_wait: Duration) -> Self {
        let key = folder.join("key");
        crate::backend::file::tests::scene::write_key(&key, &[7; 32]);
        let options = FileOptions { lock_wait, ..FileOptions::new(folder.join("vault.tv"), KeySource::KeyFile(key)) };
        drop(FileBackend::create(options.clone(), KdfCost::default()).unwrap());
        Self::anew(options)
    }

    fn anew(options: FileOptions) -> Self {
        let gate = Arc::new(Gate::default());
        let file = Arc::new(FileBackend::on(options.clone(), Arc::new(GatedDisk::new(Arc::clone(&gate)))).unwrap());
        Self { vault: Vault::new(Arc::clone(&file) as _), options, file, gate }
    }

    pub(super) fn save(&self, user: &str) -> Result<()> {
        block_on(self.vault.save_token(&Context::new(), &mut token(user, "access"))).map(drop)
    }

    pub(super) fn rotate(&self) {
        block_on(self.file.rotate_key(&Context::new())).unwrap();
    }

    pub(super) fn contents(&self) -> Result<Contents> {
        contents_of(&self.vault)
    }

    /// Whether somebody holds the vault's lock.
    pub(super) fn is_locked(&self) -> bool {
        std::fs::File::open(&self.options.path).unwrap().try_lock().is_err()
    }

    pub(super) fn descriptors(&self) -> usize {
        descriptors_on(&self.options.path)
    }

    /// Every record is there once, and no two frames share a nonce.
    pub(super) fn check(&self, users: usize) {
        // A save is answered before its lock is given back.
        let options = FileOptions { lock_wait: Duration::from_secs(10), ..self.options.clone() };
        let opened = FileBackend::open(options).unwrap();
        let found = block_on(opened.verify(&Context::new())).unwrap();
        assert_eq!((found.records, found.torn_bytes), (users, 0), "{found:?}");
        assert_eq!(self.contents().unwrap().len(), users);
        let bytes = std::fs::read(&self.options.path).unwrap();
        let mut at = usize::from(u16::from_be_bytes([bytes[10], bytes[11]]));
        let mut nonces = HashSet::new();
        while let Some(head) = bytes.get(at..).and_then(FrameHead::parse) {
            assert!(nonces.insert(head.nonce), "a nonce was used twice");
            at += HEAD_LEN + head.sealed_len;
        }
        assert_eq!(nonces.len() as u64, found.frames);
    }
}

/// How many descriptors of this process are open on `path`.
fn descriptors_on(path: &Path) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok()).filter(|target| target == path).count()
}

/// Runs a scene in a process of its own: a fork takes along whatever other tests are doing.
#[allow(clippy::disallowed_methods, reason = "how a test talks to itself")]
pub(super) fn alone(module: &str, test: &str, scene: impl FnOnce(&Path)) {
    const ALONE: &str = "TOKENVAULT_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        alarm::set(60);
        return scene(tempfile::TempDir::new().unwrap().path());
    }
    let name = format!("{}::{test}", module.split_once("::").unwrap().1);
    let test = Command::new(std::env::current_exe().unwrap())
        .args([&name, "--exact", "--test-threads=1", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&test.stdout).into_owned() + &String::from_utf8_lossy(&test.stderr);
    assert!(test.status.success() && output.contains("1 passed"), "{}:\n{output}", test.status);
}

/// Forks; the child works, and is killed where it does not come to an end.
pub(super) fn child(work: impl FnOnce()) -> i32 {
    match fork().unwrap() {
        Fork::Parent(child) => child,
        Fork::Child => {
            alarm::set(30);
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            std::process::exit(i32::from(done.is_err()));
        }
    }
}

fn is_well(child: i32) -> bool {
    let status = waitpid(child).unwrap();
    WIFEXITED(status) && WEXITSTATUS(status) == 0
}

#[test]
fn a_child_forked_before_any_write_reads_and_writes() {
    alone(module_path!(), "a_child_forked_before_any_write_reads_and_writes", |folder| {
        let open = Open::in_folder(folder, Duration::from_secs(10));
        assert_eq!(open.descriptors(), 1);
        let child = child(|| {
            assert_eq!(open.contents().unwrap().len(), 0);
            assert_eq!(open.descriptors(), 1, "the inherited descriptor is closed");
            open.save("child").unwrap();
        });
        assert!(is_well(child));
        open.save("parent").unwrap();
        open.check(2);
    });
}

#[test]
fn a_child_forked_beside_a_writing_thread_reads_and_writes() {
    alone(module_path!(), "a_child_forked_beside_a_writing_thread_reads_and_writes", |folder| {
        let open = Open::in_folder(folder, Duration::from_secs(10));
        block_on(open.file.rotate_key(&Context::new())).unwrap();
        open.save("parent").unwrap();
        let child = child(|| {
            assert_eq!(open.contents().unwrap().len(), 1);
            open.save("child").unwrap();
            block_on(open.file.rotate_key(&Context::new())).unwrap();
            assert_eq!(open.descriptors(), 1);
        });
        assert!(is_well(child));
        open.save("parent again").unwrap();
        open.check(3);
    });
}

#[test]
fn children_forked_while_a_thread_saves_lose_and_double_nothing() {
    alone(module_path!(), "children_forked_while_a_thread_saves_lose_and_double_nothing", |folder| {
        let open = Open::in_folder(folder, Duration::from_secs(30));
        let (is_over, rounds) = (AtomicBool::new(false), 4 * soak());
        let saved: usize = std::thread::scope(|scope| {
            let saver = scope.spawn(|| {
                let count = (0..).take_while(|number| {
                    open.save(&format!("{number}")).unwrap();
                    !is_over.load(Ordering::SeqCst)
                });
                count.count() + 1
            });
            for round in 0..rounds {
                let child = child(|| {
                    open.contents().unwrap();
                    open.save(&format!("child {round}")).unwrap();
                    assert_eq!(open.descriptors(), 1);
                });
                assert!(is_well(child));
            }
            is_over.store(true, Ordering::SeqCst);
            saver.join().unwrap()
        });
        assert!(saved > 0);
        open.check(saved + rounds);
    });
}

/// Forks while the parent's `act` stands at its sync, the lock held.
fn while_locked(folder: &Path, act: impl Fn(&Open) + Sync) -> Open {
    let open = Open::in_folder(folder, Duration::ZERO);
    open.save("before").unwrap();
    open.gate.close();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| act(&open));
        open.gate.wait_for_somebody();
        let first = child(|| {
            let error = open.save("child").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Busy);
            assert_eq!(open.descriptors(), 0, "also where the vault could not be opened anew");
        });
        assert!(is_well(first));
        assert!(open.is_locked(), "the child has not taken the parent's lock away");
        open.gate.open();
        writer.join().unwrap();
    });
    assert!(!open.is_locked());
    let last = child(|| open.save("child").unwrap());
    assert!(is_well(last));
    open
}

#[test]
fn a_child_that_drops_the_vault_unused_leaves_the_parent_s_alone() {
    alone(module_path!(), "a_child_that_drops_the_vault_unused_leaves_the_parent_s_alone", |folder| {
        let open = Open::in_folder(folder, Duration::ZERO);
        block_on(open.file.rotate_key(&Context::new())).unwrap();
        let path = open.options.path.clone();
        let mut open = Some(open);
        let child = child(|| {
            drop(open.take());
            assert_eq!(descriptors_on(&path), 0);
        });
        assert!(is_well(child));
        let open = open.unwrap();
        open.save("parent").unwrap();
        open.check(1);
    });
}

#[test]
fn a_parent_s_lock_survives_its_children_during_a_save() {
    alone(module_path!(), "a_parent_s_lock_survives_its_children_during_a_save", |folder| {
        while_locked(folder, |open| open.save("parent").unwrap()).check(3);
    });
}

#[test]
fn a_parent_s_lock_survives_its_children_during_a_rotation() {
    alone(module_path!(), "a_parent_s_lock_survives_its_children_during_a_rotation", |folder| {
        while_locked(folder, Open::rotate).check(2);
    });
}

#[test]
fn a_parent_s_lock_dies_with_it_although_a_child_lives_on() {
    alone(module_path!(), "a_parent_s_lock_dies_with_it_although_a_child_lives_on", |folder| {
        let open = Open::in_folder(folder, Duration::ZERO);
        let (reader, writer) = fork::pipe_cloexec().unwrap().into_parts();
        let parent = child(|| {
            let open = Open::anew(open.options.clone());
            open.gate.close();
            std::thread::scope(|scope| {
                scope.spawn(|| open.save("never acknowledged"));
                open.gate.wait_for_somebody();
                let grandchild = child(|| {
                    assert_eq!(open.contents().unwrap_err().kind(), ErrorKind::Busy);
                    std::fs::File::from(writer.try_clone().unwrap()).write_all(&[1]).unwrap();
                    loop {
                        std::thread::park();
                    }
                });
                std::fs::File::from(writer.try_clone().unwrap()).write_all(&grandchild.to_be_bytes()).unwrap();
                loop {
                    std::thread::park();
                }
            });
        });
        let mut told = [0; 5];
        std::fs::File::from(reader).read_exact(&mut told).unwrap();
        assert!(open.is_locked());
        kill(Pid::from_raw(parent), Signal::SIGKILL).unwrap();
        waitpid(parent).unwrap();
        let is_locked = open.is_locked();
        let number = if told[0] == 1 { &told[1..] } else { &told[..4] };
        kill(Pid::from_raw(i32::from_be_bytes(number.try_into().unwrap())), Signal::SIGKILL).unwrap();
        assert!(!is_locked, "the lock ended with the parent");
        open.save("afterwards").unwrap();
    });
}
