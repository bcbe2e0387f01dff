//! What a file asks for is bounded: memory, and work.

use std::fs::OpenOptions;
use std::process::Command;

use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use tokenvault::backend::file::FileBackend;
use tokenvault::error::ErrorKind;

use crate::layout::{self, HEAD, LONGEST, MARKER};
use crate::story::{self, Story};

/// Set in the child that runs a test of this file with little memory.
const CHILD: &str = "TOKENVAULT_TEST_SMALL_MEMORY";

/// What the child may use beyond what it has when it begins. The vault takes a frame and a half of it.
const ALLOWED: u64 = 16 << 20;

/// Runs `test` once more in a process of its own, which [`limit_memory`] leaves little room.
fn in_a_child(test: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let status = child.args(["--exact", test, "--test-threads=1", "--nocapture"]).env(CHILD, "1").status().unwrap();
    assert!(status.success(), "{status}");
}

fn is_child() -> bool {
    #[allow(clippy::disallowed_methods, reason = "a test's own variable")]
    std::env::var_os(CHILD).is_some()
}

fn limit_memory() {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    let limit = pages * 4096 + ALLOWED;
    setrlimit(Resource::RLIMIT_AS, limit, limit).unwrap();
    // The allocator has address space in reserve, up to 64 MiB for a thread: what it can be asked for at once is less
    // than the two together.
    assert!(Vec::<u8>::new().try_reserve_exact(128 << 20).is_err(), "the limit holds");
}

fn processor_seconds() -> i64 {
    getrusage(UsageWho::RUSAGE_SELF).unwrap().user_time().tv_sec()
}

fn run(scenario: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(scenario);
}

#[test]
fn sizes_that_a_file_claims_are_not_believed() {
    if !is_child() {
        return in_a_child("bounds::sizes_that_a_file_claims_are_not_believed");
    }
    run(async {
        let story = Story::new().await;
        limit_memory();
        let before = processor_seconds();
        claims(&story).await;
        sparse(&story);
        assert!(processor_seconds() - before < 20);
    });
}

/// Lengths beyond the bounds, in the header and in every frame.
async fn claims(story: &Story) {
    let frames = layout::frames(&story.bytes);
    for length in [0, 1, 17, 1 << 20, (1 << 20) + 16, (1 << 20) + 17, 1 << 30, u32::MAX] {
        for (number, frame) in frames.iter().enumerate() {
            let mut bytes = story.bytes.clone();
            bytes[frame.start + 4..frame.start + 8].copy_from_slice(&length.to_be_bytes());
            let seen = story.look_at(&bytes).await;
            match number + 1 < frames.len() {
                true => assert_eq!(seen.err(), Some(ErrorKind::Damaged), "frame {number} claims {length}"),
                false => assert!(crate::is_earlier(&seen, story, &story.bytes), "{length}: {seen:?}"),
            }
        }
    }
    for length in [0, 1, 11, 12, 100, 4096, 4097, u16::MAX] {
        let mut bytes = story.bytes.clone();
        bytes[10..12].copy_from_slice(&length.to_be_bytes());
        assert_eq!(story.look_at(&bytes).await.err(), Some(ErrorKind::Damaged), "the header claims {length}");
    }
}

/// A file that says it is 10 GiB long: zeros in the middle of it take no room on the disk.
fn sparse(story: &Story) {
    let path = story.path("sparse.tv");
    for len in [10 << 30, i64::MAX as u64 / 2] {
        story::write(&path, &story.bytes);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        if file.set_len(len).is_err() {
            assert!(len > 10 << 30, "a sparse file of 10 GiB fits on any disk");
            continue;
        }
        assert_eq!(FileBackend::open(story.options(&path)).unwrap_err().kind(), ErrorKind::Damaged, "{len} bytes");
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn marks_planted_in_the_tail_cost_a_bounded_amount_of_work() {
    if !is_child() {
        return in_a_child("bounds::marks_planted_in_the_tail_cost_a_bounded_amount_of_work");
    }
    run(async {
        let story = Story::new().await;
        limit_memory();
        let before = processor_seconds();
        // One frame's length of markers, each asking for all that is behind it: 13 GiB, were it all tried.
        let mut planted = vec![1; LONGEST];
        for at in (0..LONGEST - HEAD - 18).step_by(HEAD) {
            let sealed = u32::try_from(LONGEST - at - HEAD).unwrap();
            planted[at..at + 4].copy_from_slice(&MARKER);
            planted[at + 4..at + 8].copy_from_slice(&sealed.to_be_bytes());
        }
        let bytes = [&story.bytes[..layout::end(&story.bytes)], &planted].concat();
        assert_eq!(story.look_at(&bytes).await.err(), Some(ErrorKind::Damaged));
        assert!(processor_seconds() - before < 20);
    });
}
