//! An emulator of AWS on the loopback address, for as long as it is held.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::checkout::Checkout;
use crate::container;
use crate::part::Missing;
use crate::python::Environment;

/// The emulators there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Localstack,
    Moto,
    Ministack,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Localstack, Self::Moto, Self::Ministack];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Localstack => "localstack",
            Self::Moto => "moto",
            Self::Ministack => "ministack",
        }
    }

    /// Where tests look for its address.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Localstack => "TOKENVAULT_TEST_LOCALSTACK",
            Self::Moto => "TOKENVAULT_TEST_MOTO",
            Self::Ministack => "TOKENVAULT_TEST_MINISTACK",
        }
    }

    fn environment(self) -> Environment {
        let requirements = match self {
            Self::Localstack => "tests/emulators/localstack.lock",
            Self::Moto => "tests/emulators/moto.lock",
            Self::Ministack => "tests/emulators/ministack.lock",
        };
        Environment { name: self.name(), requirements, oldest: 12 }
    }

    fn in_container(self, checkout: &Checkout) -> bool {
        self == Self::Localstack && container::engine_answers(checkout)
    }

    /// Whether it can be started, which installs what is missing.
    ///
    /// # Errors
    /// There is neither a Docker engine (for LocalStack) nor a Python that it runs on.
    pub(crate) fn need(self, checkout: &Checkout) -> Result<(), Missing> {
        if env::var_os(self.variable()).is_some() || self.in_container(checkout) {
            return Ok(());
        }
        let missing = match self.environment().python(checkout) {
            Ok(_) => return Ok(()),
            Err(missing) => missing,
        };
        if self != Self::Localstack {
            return Err(missing);
        }
        let Missing { what, remedy } = missing;
        Err(Missing::new(format!("a Docker engine, or without one: {what}"), format!("start an engine, or {remedy}")))
    }

    /// Starts it, or takes the one that its variable names.
    ///
    /// # Errors
    /// It did not come up; the end of its log.
    pub(crate) fn start(self, checkout: &Checkout) -> Result<Emulator, String> {
        if let Ok(address) = env::var(self.variable()) {
            eprintln!("{self}: {} says it is running at {address}", self.variable());
            return Ok(Emulator { address, running: None });
        }
        let place = checkout.target.join("emulators");
        fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
        let log = place.join(format!("{self}-{}.log", process::id()));
        drop(fs::remove_file(&log));
        if self.in_container(checkout) {
            return container::start(checkout, &log);
        }
        let python = self.environment().python(checkout).map_err(|Missing { what, .. }| what)?;
        let state = place.join("state");
        let mut command = checkout.command(python);
        command.args(["tests/emulators/start.py", self.name()]).arg(&state);
        let mut running = Running::start(&mut command, &log)?;
        let address = running.line().and_then(|line| Some(line.strip_prefix("ready ")?.trim().to_owned()));
        let address = address.ok_or_else(|| format!("{self} did not start:\n{}", tail(&log)))?;
        eprintln!("{self}: {address}, its log in {}", checkout.shown(&log));
        Ok(Emulator { address, running: Some(running) })
    }
}

/// A running emulator, ended when it is dropped.
#[derive(Debug)]
pub(crate) struct Emulator {
    /// `http://127.0.0.1:PORT`
    pub(crate) address: String,
    pub(crate) running: Option<Running>,
}

impl Emulator {
    /// Ends it and says whether it ended by itself.
    ///
    /// # Errors
    /// It had to be killed.
    pub(crate) fn end(self) -> Result<(), String> {
        self.running.map_or(Ok(()), Running::end)
    }

    /// Waits for it to end by itself.
    pub(crate) fn wait(mut self) {
        if let Some(running) = &mut self.running {
            drop(running.child.wait());
        }
    }
}

/// A process that lives until its standard input is closed: also by the kernel, when this one dies.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    /// What else there is to do where closing did not end it.
    force: Box<dyn Fn()>,
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Running").field("child", &self.child).finish_non_exhaustive()
    }
}

impl Running {
    /// Its standard output is for `line`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self, String> {
        Self::spawn(command.stdout(Stdio::piped()), log, Box::new(|| ()))
    }

    /// Its standard output goes into the log as well; `force` does what there is to do beside killing it.
    pub(crate) fn start_silent(command: &mut Command, log: &Path, force: Box<dyn Fn()>) -> Result<Self, String> {
        let output = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        Self::spawn(command.stdout(output), log, force)
    }

    fn spawn(command: &mut Command, log: &Path, force: Box<dyn Fn()>) -> Result<Self, String> {
        let output = File::options().create(true).append(true).open(log);
        let output = output.map_err(|error| format!("{}: {error}", log.display()))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stderr(output)
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let stdin = child.stdin.take();
        Ok(Self { child, stdin, force })
    }

    /// The next line it prints; none where it ended before.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = BufReader::new(self.child.stdout.as_mut()?).read_line(&mut line);
        read.is_ok_and(|bytes| bytes > 0).then_some(line)
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn end(mut self) -> Result<(), String> {
        self.close()
    }

    fn close(&mut self) -> Result<(), String> {
        if self.stdin.take().is_none() {
            return Ok(());
        }
        if within(Duration::from_secs(30), || self.has_ended()) {
            return Ok(());
        }
        (self.force)();
        drop(self.child.kill());
        drop(self.child.wait());
        Err(format!("process {} had to be killed: it outlived its standard input by 30 s", self.child.id()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.close());
    }
}

/// Asks again until the answer is yes or the time is up.
pub(crate) fn within(time: Duration, mut ask: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if ask() {
            return true;
        }
        if start.elapsed() > time {
            return false;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// The end of a log.
pub(crate) fn tail(log: &PathBuf) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.into_iter().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(script: &str) -> Running {
        let log = Checkout::of_this_tool().target.join("tmp");
        fs::create_dir_all(&log).unwrap();
        let mut shell = Command::new("sh");
        Running::start(shell.args(["-c", script]), &log.join("xtask-running.log")).unwrap()
    }

    #[test]
    fn it_says_a_line_and_ends_with_its_standard_input() {
        let mut cat = running("echo ready; cat");
        assert_eq!(cat.line().unwrap(), "ready\n");
        assert!(!cat.has_ended());
        cat.end().unwrap();
    }

    #[test]
    fn what_ends_before_its_line_says_none() {
        assert_eq!(running("exit 1").line(), None);
    }
}
