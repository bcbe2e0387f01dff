//! A child that is killed.

use std::fs::Metadata;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked whether a sign is there.
const GLANCE: Duration = Duration::from_micros(50);

/// What shows, from outside, how far a child has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It has written a line: the first acknowledgement.
    Line,
    /// Something was written to the vault, by it or by somebody else.
    Written,
    /// There is a new file beside the vault.
    Rewrite,
    /// There is another file in the vault's place.
    InPlace,
}

/// When to kill a child.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    AfterStart(Duration),
    After(Sign, Duration),
    Never(Sign),
}

/// What became of a child.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Whole lines of its standard output: a line that is cut acknowledges nothing.
    pub(crate) lines: Vec<String>,
    pub(crate) stderr: String,
    pub(crate) was_killed: bool,
    /// Its exit code, where it came to its own end.
    pub(crate) code: Option<i32>,
    pub(crate) took: Duration,
    /// How long it lived on after the sign, if there was one.
    pub(crate) after_sign: Option<Duration>,
}

/// Ends with whoever holds it.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "measures the child, not the vault's time")]
fn now() -> Instant {
    Instant::now()
}

/// Runs `command` on `stdin`, and kills it at this moment unless it ends before. `folder` is the vault's.
pub(crate) fn run(mut command: Command, stdin: &[u8], folder: &Path, moment: Moment) -> Ended {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (start, before) = (now(), vault(folder));
    let mut child = Victim(command.spawn().unwrap());
    let (mut pipe, stdin) = (child.0.stdin.take().unwrap(), stdin.to_vec());
    // What a dead child did not read is nobody's.
    let writer = thread::spawn(move || drop(pipe.write_all(&stdin)));
    let (said, lines) = lines(child.0.stdout.take().unwrap());
    let mut errors = child.0.stderr.take().unwrap();
    let stderr = thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = errors.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let (sign, delay) = match moment {
        Moment::AfterStart(delay) => (None, delay),
        Moment::After(sign, delay) => (Some(sign), delay),
        Moment::Never(sign) => (Some(sign), Duration::MAX),
    };
    let mut seen = None;
    if let Some(sign) = sign {
        seen = wait_for(sign, &mut child.0, &said, folder, &before).then(now);
    }
    let is_over = sign.is_some() && seen.is_none();
    if delay < Duration::MAX && !is_over {
        // The moment itself is what is random here.
        thread::sleep(delay);
        let _ = child.0.kill();
    }
    let status = child.0.wait().unwrap();
    let end = now();
    writer.join().unwrap();
    Ended {
        lines: lines.join().unwrap(),
        stderr: stderr.join().unwrap(),
        was_killed: status.code().is_none(),
        code: status.code(),
        took: end - start,
        after_sign: seen.map(|seen| end - seen),
    }
}

/// Reads to the end, and says so at the first line.
fn lines(stdout: impl Read + Send + 'static) -> (Receiver<()>, thread::JoinHandle<Vec<String>>) {
    let (tell, told) = mpsc::channel();
    let reader = thread::spawn(move || {
        let (mut stdout, mut lines) = (BufReader::new(stdout), Vec::new());
        loop {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            match line.strip_suffix('\n') {
                Some(line) => lines.push(line.to_owned()),
                None => return lines,
            }
            let _ = tell.send(());
        }
    });
    (told, reader)
}

/// Answers whether the sign came before the child's end.
fn wait_for(sign: Sign, child: &mut Child, said: &Receiver<()>, folder: &Path, before: &Metadata) -> bool {
    loop {
        let is_over = child.try_wait().unwrap().is_some();
        let is_there = match sign {
            Sign::Line => said.recv_timeout(GLANCE).is_ok(),
            Sign::Rewrite => has_rewrite(folder),
            Sign::Written => vault(folder).modified().unwrap() != before.modified().unwrap(),
            Sign::InPlace => vault(folder).ino() != before.ino(),
        };
        if is_there || is_over {
            return is_there && !is_over;
        }
        if sign != Sign::Line {
            thread::sleep(GLANCE);
        }
    }
}

/// The file in the vault's place.
fn vault(folder: &Path) -> Metadata {
    std::fs::metadata(folder.join("vault.tv")).unwrap()
}

/// Whether a rewrite is under way in this folder, or was left there.
pub(crate) fn has_rewrite(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| entry.unwrap().file_name().to_string_lossy().contains(".rewrite-"))
}
