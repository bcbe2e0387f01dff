//! LocalStack in a container, where a Docker engine answers.
//!
//! `docker run`, not a library: one container serves a whole run, so it belongs to this tool and not to the test
//! processes, and it has to end however this tool dies. Its first process reads standard input; the engine closes that
//! when the client is gone, and with its first process a container ends and is removed.

use std::env;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};
use std::time::Duration;

use crate::checkout::{self, Checkout};
use crate::emulator::{self, Emulator, Running};

const IMAGE: &str = "localstack/localstack:4.14.0";

/// Says `python` where LocalStack is not to run in a container although an engine answers.
const CHOICE: &str = "TOKENVAULT_LOCALSTACK";

const FIRST_PROCESS: &str = "docker-entrypoint.sh & exec cat > /dev/null";

pub(crate) fn engine_answers(checkout: &Checkout) -> bool {
    env::var_os(CHOICE).is_none_or(|choice| choice != "python")
        && checkout::answers(checkout.command("docker").args(["version", "--format", "{{.Server.Version}}"]))
}

pub(crate) fn start(checkout: &Checkout, log: &PathBuf) -> Result<Emulator, String> {
    checkout::run(checkout.command("docker").args(["pull", "--quiet", IMAGE]))?;
    let name = format!("tokenvault-localstack-{}", process::id());
    let remove = {
        let name = name.clone();
        move || {
            let mut docker = Command::new("docker");
            docker.args(["rm", "--force", &name]).stdout(Stdio::null()).stderr(Stdio::null());
            drop(docker.status());
        }
    };
    let mut docker = checkout.command("docker");
    let mut running = Running::start_silent(docker.args(arguments(&name)), log, Box::new(remove))?;
    let mut address = None;
    let minutes = Duration::from_secs(300);
    let ready = emulator::within(minutes, || {
        address = address.take().or_else(|| published(checkout, &name));
        running.has_ended() || address.as_deref().is_some_and(healthy)
    });
    match address {
        Some(address) if ready && !running.has_ended() => {
            eprintln!("localstack: http://{address} in the container {name}");
            Ok(Emulator { address: format!("http://{address}"), running: Some(running) })
        }
        _ => Err(format!(
            "the container {name} did not start:\n{}\n{CHOICE}=python does without Docker",
            emulator::tail(log)
        )),
    }
}

fn arguments(name: &str) -> [&str; 16] {
    [
        "run",
        "--rm",
        "--interactive",
        "--name",
        name,
        "--publish",
        "127.0.0.1::4566",
        "--env",
        "EAGER_SERVICE_LOADING=1",
        "--env",
        "SERVICES=secretsmanager,kms,iam,sts,logs,cloudwatch",
        "--entrypoint",
        "sh",
        IMAGE,
        "-c",
        FIRST_PROCESS,
    ]
}

/// The port of this machine that leads into the container.
fn published(checkout: &Checkout, name: &str) -> Option<String> {
    let output = checkout.command("docker").args(["port", name, "4566/tcp"]).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().find(|line| line.starts_with("127.0.0.1:")).map(|line| line.trim().to_owned())
}

fn healthy(address: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET /_localstack/health HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.split_whitespace().nth(1) == Some("200"))
}
