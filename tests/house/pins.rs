//! What is said in several files of several languages, and has to be one thing.

use std::collections::BTreeMap;
use std::fs;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

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

/// Nobody has run the compose file: at the least, the program is led to the LocalStack beside it, once that answers.
#[test]
fn the_program_in_compose_is_led_to_the_localstack_there() {
    let compose = read("infra/compose.yaml");
    let (_, service) = compose.split_once("\n  tokenvault-aws:\n").unwrap();
    let (service, _) = service.split_once("\nvolumes:\n").unwrap();
    for line in [
        "localstack:\n        condition: service_healthy",
        "TOKENVAULT_STORE: aws:crm/try",
        "AWS_ENDPOINT_URL: http://localstack:4566",
        "AWS_REGION: us-east-1",
        "AWS_ACCESS_KEY_ID: test",
        "AWS_SECRET_ACCESS_KEY: test",
        "read_only: true",
    ] {
        assert!(service.contains(line), "tokenvault-aws lacks {line}");
    }
    assert!(compose.contains("\"127.0.0.1:4566:4566\""), "the port that LocalStack listens on");
    let commands = read("infra/README.md");
    for command in ["run --rm --build tokenvault-aws init", "run --rm tokenvault-aws list"] {
        assert!(commands.contains(&format!("docker compose --file infra/compose.yaml {command}")), "{command}");
    }
}

#[test]
fn the_image_is_built_by_the_oldest_rust_that_will_do() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let oldest = manifest["workspace"]["package"]["rust-version"].as_str().unwrap();
    assert_eq!(version("infra/Dockerfile", "FROM rust:"), oldest);
}

/// Made once: what they show is that files from then open now. A new vector gets a name of its own.
const VECTORS: [(&str, &str); 8] = [
    ("v1-keyfile.json", "6c7c8f6faced78b46c651a21bff20c93a6d62f20df25b50381a3d08e851ad5cd"),
    ("v1-keyfile.key", "2e1c0bb1cb91cb668af7ba98265f5b49cd53e4a87c3d2bc70c0919a585858f4f"),
    ("v1-keyfile.tv", "ecdecc2a139c64a5e0da10317f51ff3eb13ed68d5b6013181a7b562cc488e61e"),
    ("v1-parts.json", "57656b08b7d69af0949f596755d163a7de97912c44a56e36524a8151a0b500b6"),
    ("v1-parts.key", "0c5080feba5ed9e283019e583cb685f2d4df9c3e308d540f106864b7c8f916c0"),
    ("v1-parts.tv", "8f4b00084fa98ead93c9b6ed66379384becd17ebddb47cc82e4cb6755bbee248"),
    ("v1-passphrase.json", "7009a6a862e063d2a607e1da46c0dd9e552a0785a3d823c98e0d079d014e6a06"),
    ("v1-passphrase.tv", "09b4c1653cf814a3c4dd64151e3a13c61b76ff7f3a9285b24e927c70379df493"),
];

#[test]
fn the_vectors_are_as_they_were_made() {
    let entries = fs::read_dir("tests/vectors").unwrap().map(|entry| entry.unwrap().path());
    let vectors = entries.filter(|path| path.extension().is_some_and(|end| end != "py" && end != "txt"));
    let found = vectors.filter(|path| path.is_file()).map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, HEXLOWER.encode(&Sha256::digest(fs::read(path).unwrap())))
    });
    let pinned = VECTORS.map(|(name, hash)| (name.to_owned(), hash.to_owned()));
    assert_eq!(found.collect::<BTreeMap<_, _>>(), BTreeMap::from(pinned));
}
