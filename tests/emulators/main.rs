//! The emulators are what the other tests take them for, and nobody else can reach them.
#![allow(clippy::unwrap_used, reason = "clippy spares the bodies of tests, and not the functions that they share")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[path = "../support/emulator.rs"]
mod emulator;

const AN_ANSWER_TAKES_AT_MOST: Duration = Duration::from_secs(60);

/// Everything that an emulator says, status line and all.
fn answer(endpoint: &str, path: &str) -> String {
    let address = endpoint.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(AN_ANSWER_TAKES_AT_MOST)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// Whoever listens on all interfaces of a Linux machine also answers at 127.0.0.2.
fn assert_listens_on_127_0_0_1_only(endpoint: &str) {
    let port: u16 = endpoint.rsplit_once(':').unwrap().1.parse().unwrap();
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(TcpStream::connect(("127.0.0.2", port)).is_err(), "{endpoint} listens on other addresses as well");
}

mod localstack {
    use super::emulator::localstack;
    use super::{answer, assert_listens_on_127_0_0_1_only};

    #[test]
    fn is_the_version_that_needs_no_account() {
        let health = answer(&localstack::endpoint(), "/_localstack/health");
        assert!(health.contains(r#""version": "4.14.0""#), "{health}");
    }

    #[test]
    fn has_loaded_what_the_vault_calls() {
        let health = answer(&localstack::endpoint(), "/_localstack/health");
        for service in ["secretsmanager", "kms", "iam", "sts", "logs", "cloudwatch"] {
            assert!(health.contains(&format!(r#""{service}": "running""#)), "{service}: {health}");
        }
    }

    #[test]
    fn listens_on_127_0_0_1_only() {
        assert_listens_on_127_0_0_1_only(&localstack::endpoint());
    }
}

mod moto {
    use super::assert_listens_on_127_0_0_1_only;
    use super::emulator::moto;

    #[test]
    fn listens_on_127_0_0_1_only() {
        assert_listens_on_127_0_0_1_only(&moto::endpoint());
    }
}

mod ministack {
    use super::assert_listens_on_127_0_0_1_only;
    use super::emulator::ministack;

    #[test]
    fn listens_on_127_0_0_1_only() {
        assert_listens_on_127_0_0_1_only(&ministack::endpoint());
    }
}
