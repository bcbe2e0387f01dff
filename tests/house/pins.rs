//! What is said in several files of several languages, and has to be one thing.

use std::fs;

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap()
}

/// What stands between `before` and the next character that no version has.
fn version(path: &str, before: &str) -> String {
    let text = read(path);
    let (_, rest) = text.split_once(before).ok_or_else(|| format!("{path} does not say {before}")).unwrap();
    rest.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '.').collect()
}

#[test]
fn there_is_one_version_of_each_emulator() {
    let localstack = version("tests/emulators/localstack.in", "localstack-core[base-runtime]==");
    for (path, before) in [
        ("tests/emulators/localstack.lock", "\nlocalstack-core=="),
        ("tests/emulators/main.rs", r#""version": ""#),
        ("tests/emulators/differences.py", "\"LocalStack "),
        ("xtask/src/container.rs", "localstack/localstack:"),
        ("infra/compose.yaml", "localstack/localstack:"),
        ("docs/testing.md", "localstack/localstack:"),
    ] {
        assert_eq!(version(path, before), localstack, "{path}");
    }
    for (name, direct) in [("moto", "moto[iam,kms,secretsmanager]=="), ("ministack", "ministack==")] {
        let wanted = version(&format!("tests/emulators/{name}.in"), direct);
        assert_eq!(version(&format!("tests/emulators/{name}.lock"), &format!("\n{name}==")), wanted);
        assert_eq!(version("tests/emulators/differences.py", &format!("\"{name} ")), wanted);
    }
}

/// An image is built from what its ignore file lets through; cargo wants every member, and the files of every target.
#[test]
fn the_image_gets_all_that_cargo_reads() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap().iter();
    let targets = ["bin", "bench", "test"].into_iter().flat_map(|kind| manifest[kind].as_array().unwrap());
    let paths = members.chain(targets.filter_map(|target| target.get("path"))).map(|path| path.as_str().unwrap());
    let ignore = read("infra/Dockerfile.dockerignore");
    for path in paths.chain(["Cargo.lock", "Cargo.toml", "src"]) {
        let top = path.split('/').next().unwrap();
        assert!(ignore.lines().any(|line| line == format!("!{top}")), "infra/Dockerfile.dockerignore lacks !{top}");
    }
}

#[test]
fn the_image_is_built_by_the_oldest_rust_that_will_do() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let oldest = manifest["workspace"]["package"]["rust-version"].as_str().unwrap();
    assert_eq!(version("infra/Dockerfile", "FROM rust:"), oldest);
}
