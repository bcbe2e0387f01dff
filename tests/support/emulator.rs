//! Where the emulators of AWS listen: `cargo xtask test` starts them, one for a whole run, and says so here.
//!
//! Tests that ask stand in a module named after the emulator, `mod localstack`: by that name the part of
//! `cargo xtask test` that starts it finds them, and the part that runs without leaves them out. Several test binaries
//! use one instance at a time, so each test has a prefix of its own.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::panic,
    reason = "not every test binary asks them all; the environment of a test run"
)]

/// LocalStack, which stands in for AWS.
pub(crate) mod localstack {
    /// `http://127.0.0.1:PORT`
    pub(crate) fn endpoint() -> String {
        super::endpoint("localstack")
    }
}

/// moto's server, for cross-checks.
pub(crate) mod moto {
    /// `http://127.0.0.1:PORT`
    pub(crate) fn endpoint() -> String {
        super::endpoint("moto")
    }
}

/// ministack, for cross-checks.
pub(crate) mod ministack {
    /// `http://127.0.0.1:PORT`
    pub(crate) fn endpoint() -> String {
        super::endpoint("ministack")
    }
}

/// The Region and the credentials that all three know.
pub(crate) const REGION: &str = "us-east-1";
/// See [`REGION`].
pub(crate) const ACCESS_KEY_ID: &str = "test";
/// See [`REGION`].
pub(crate) const SECRET_ACCESS_KEY: &str = "test";

fn endpoint(name: &str) -> String {
    let variable = format!("TOKENVAULT_TEST_{}", name.to_uppercase());
    let told = std::env::var(&variable).ok();
    usable(name, &variable, told).unwrap_or_else(|fault| panic!("{fault}"))
}

/// Only what listens on this machine: a test must never reach AWS, whatever its environment says.
fn usable(name: &str, variable: &str, told: Option<String>) -> Result<String, String> {
    let Some(told) = told else {
        return Err(format!(
            "this test needs {name}: `cargo xtask test --only {name}` starts it and runs the tests that need it; \
             for a run by hand, `cargo xtask emulators {name}` keeps it running and prints the {variable} to export \
             (a test of the part rust-tests that fails like this has to stand in `mod {name}`)"
        ));
    };
    let port = told.strip_prefix("http://127.0.0.1:").or_else(|| told.strip_prefix("http://localhost:"));
    match port.map(str::parse::<u16>) {
        Some(Ok(_)) => Ok(told),
        _ => Err(format!("{variable} is {told:?}; it takes an address of this machine, http://127.0.0.1:PORT")),
    }
}

#[test]
fn only_an_address_of_this_machine_is_used() {
    let usable = |told: &str| usable("moto", "TOKENVAULT_TEST_MOTO", Some(told.to_owned()));
    assert_eq!(usable("http://127.0.0.1:4566").unwrap(), "http://127.0.0.1:4566");
    for told in
        ["", "https://secretsmanager.us-east-1.amazonaws.com", "http://127.0.0.1:80.example.com", "http://10.0.0.1:80"]
    {
        assert!(usable(told).unwrap_err().contains("TOKENVAULT_TEST_MOTO"), "{told}");
    }
}

#[test]
fn without_an_address_the_way_to_one_is_told() {
    let told = usable("localstack", "TOKENVAULT_TEST_LOCALSTACK", None).unwrap_err();
    assert!(told.contains("cargo xtask emulators localstack") && told.contains("TOKENVAULT_TEST_LOCALSTACK"), "{told}");
}
