//! Many programs at once.

use std::process::{Command, Stdio};

/// The exit code of what may succeed later.
const TRY_AGAIN: i32 = 4;

/// Starts so many, waits for all of them, and answers what each has printed. All have to succeed; one that says to try again
/// is started again, until it has been so often.
pub(crate) fn run_at_once(count: usize, tries: usize, program: impl Fn() -> Command) -> Vec<String> {
    let start = || program().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started: Vec<_> = std::iter::repeat_with(start).take(count).collect();
    let ended = started.into_iter().map(|child| {
        let mut output = child.wait_with_output().unwrap();
        for _ in 1..tries {
            if output.status.code() == Some(TRY_AGAIN) {
                output = start().wait_with_output().unwrap();
            }
        }
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    });
    ended.collect()
}
