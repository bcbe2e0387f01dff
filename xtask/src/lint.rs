//! The parts of `cargo xtask lint`.

use std::fs;

use crate::checkout::{self, Checkout};
use crate::part::{self, Missing, Part};

pub(crate) const PARTS: [Part<Checkout>; 7] = [
    Part { name: "format", about: "rustfmt would change nothing", need: part::nothing, run: format },
    Part {
        name: "clippy",
        about: "every target with all features, warnings as errors",
        need: part::nothing,
        run: clippy,
    },
    Part { name: "features", about: "no feature, and each feature alone", need: part::nothing, run: features },
    Part { name: "locks", about: "each Cargo.lock is what its manifests ask for", need: packages, run: locks },
    Part {
        name: "deny",
        about: "what the dependencies are, come from and are licensed under",
        need: cargo_deny,
        run: |checkout| deny(checkout, &["bans", "licenses", "sources"], &[]),
    },
    Part {
        name: "advisories",
        about: "no dependency with a known hole",
        need: advisory_database,
        run: |checkout| deny(checkout, &["advisories"], &["--disable-fetch"]),
    },
    Part { name: "docs", about: "the documentation builds without a warning", need: part::nothing, run: docs },
];

/// The fuzz targets are a workspace of their own, so whoever speaks of all must say it twice.
const FUZZ: [&str; 2] = ["--manifest-path", "fuzz/Cargo.toml"];

/// The workspaces, each with a lock of its own.
const WORKSPACES: [&str; 3] = ["Cargo.toml", "fuzz/Cargo.toml", "benches/cache/Cargo.toml"];

fn format(checkout: &Checkout) -> Result<(), String> {
    checkout::run(&mut checkout.cargo(["fmt", "--all", "--check"]))?;
    checkout::run(checkout.cargo(["fmt"]).args(FUZZ).arg("--check"))
}

fn clippy(checkout: &Checkout) -> Result<(), String> {
    let everything = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"];
    checkout::run(&mut checkout.cargo(everything))?;
    // The entries for the fuzz targets exist under this flag only.
    let fuzzing = ["clippy", "--package", "tokenvault", "--lib", "--all-features", "--"];
    checkout::run(checkout.cargo(fuzzing).args(["--deny", "warnings", "--cfg", "fuzzing"]))
}

/// The packages that others use, and where their manifests are.
const LIBRARIES: [(&str, &str); 2] =
    [("tokenvault", "Cargo.toml"), ("secrets-manager-simulator", "simulator/Cargo.toml")];

fn features(checkout: &Checkout) -> Result<(), String> {
    let mut failures = Vec::new();
    for (package, manifest) in LIBRARIES {
        let manifest = fs::read_to_string(checkout.root.join(manifest)).map_err(|error| error.to_string())?;
        let alone = ["clippy", "--package", package, "--lib", "--bins", "--no-default-features"];
        for feature in std::iter::once("").chain(declared_features(&manifest)) {
            let named = ["--features", feature, "--", "--deny", "warnings"];
            failures.extend(checkout::run(checkout.cargo(alone).args(named)).err());
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
}

/// The features of a manifest but `default`, read from its text: one a line, as `name = [`.
fn declared_features(manifest: &str) -> impl Iterator<Item = &str> {
    let table = manifest.lines().skip_while(|line| line.trim() != "[features]").skip(1);
    let names = table.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once(" = ["));
    names.map(|(name, _)| name).filter(|&name| name != "default" && !name.starts_with('#'))
}

/// What is said of a workspace's lock, without a build.
#[derive(Debug, PartialEq, Eq)]
enum Lock {
    Fresh,
    /// Its manifests ask for something else.
    Stale,
    /// Packages that are needed to say so cannot be had; in cargo's words.
    Unknown(String),
}

impl Lock {
    fn of(checkout: &Checkout, manifest: &str) -> Self {
        let told =
            checkout.cargo(["metadata", "--locked", "--format-version", "1", "--manifest-path", manifest]).output();
        match told {
            Ok(told) if told.status.success() => Self::Fresh,
            Ok(told) => Self::of_refusal(&String::from_utf8_lossy(&told.stderr)),
            Err(error) => Self::Unknown(error.to_string()),
        }
    }

    /// Cargo has one exit code for both.
    fn of_refusal(told: &str) -> Self {
        let error = told.lines().find(|line| line.starts_with("error")).unwrap_or(told);
        if told.contains("--locked") { Self::Stale } else { Self::Unknown(error.trim().to_owned()) }
    }
}

/// The locks are judged by the packages' own manifests: what is not there yet is downloaded.
fn packages(checkout: &Checkout) -> Result<(), Missing> {
    let missing = WORKSPACES.iter().find_map(|manifest| match Lock::of(checkout, manifest) {
        Lock::Unknown(told) => Some(format!("what {manifest} asks for cannot be had: {told}")),
        Lock::Fresh | Lock::Stale => None,
    });
    missing.map_or(Ok(()), |what| Err(Missing::new(what, "run this where crates.io can be reached")))
}

fn locks(checkout: &Checkout) -> Result<(), String> {
    let stale: Vec<String> = WORKSPACES
        .iter()
        .filter(|manifest| Lock::of(checkout, manifest) == Lock::Stale)
        .map(|manifest| {
            format!("the lock of {manifest} is stale: run `cargo update --workspace --manifest-path {manifest}`")
        })
        .collect();
    if stale.is_empty() { Ok(()) } else { Err(stale.join("; ")) }
}

fn cargo_deny(checkout: &Checkout) -> Result<(), Missing> {
    if checkout::answers(&mut checkout.cargo(["deny", "--version"])) {
        return Ok(());
    }
    Err(Missing::new("cargo-deny", "`cargo install --locked cargo-deny` (some minutes)"))
}

fn advisory_database(checkout: &Checkout) -> Result<(), Missing> {
    cargo_deny(checkout)?;
    checkout::run(&mut checkout.cargo(["deny", "fetch", "db"])).map_err(|error| {
        Missing::new(
            format!("the advisory database cannot be had: {error}"),
            "run this where the database named by cargo-deny above can be fetched",
        )
    })
}

fn deny(checkout: &Checkout, checks: &[&str], options: &[&str]) -> Result<(), String> {
    let configuration = checkout.root.join("deny.toml");
    for manifest in [["--manifest-path", "Cargo.toml"], FUZZ] {
        let mut command = checkout.cargo(["deny"]);
        command
            .args(manifest)
            .args(["--workspace", "--config"])
            .arg(&configuration)
            .args(["check", "--hide-inclusion-graph"]);
        // One configuration serves two workspaces: what is an exception in one need not occur in the other.
        command.args(["--allow", "license-exception-not-encountered", "--allow", "unmatched-skip"]);
        checkout::run(command.args(options).args(checks))?;
    }
    Ok(())
}

fn docs(checkout: &Checkout) -> Result<(), String> {
    for (package, _) in LIBRARIES {
        let library = ["doc", "--package", package, "--lib", "--no-deps", "--all-features"];
        checkout::run(checkout.cargo(library).env("RUSTDOCFLAGS", "--deny warnings"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Lock, declared_features};

    #[test]
    fn features_are_read_from_a_manifest() {
        let manifest = "[package]\nname = [\n[features]\ndefault = [\"a\"]\n# a = [ not this\na = []\nb-c = [\n    \"a\",\n]\n\n[dependencies]\nd = [";
        assert_eq!(declared_features(manifest).collect::<Vec<_>>(), ["a", "b-c"]);
    }

    #[test]
    fn a_stale_lock_is_told_from_packages_that_cannot_be_had() {
        let stale = "error: cannot update the lock file /x/Cargo.lock because --locked was passed to prevent this";
        assert_eq!(Lock::of_refusal(stale), Lock::Stale);
        for (unreached, error) in [
            (
                " Downloading crates ...\nerror: failed to download `a`\n\nCaused by:\n  no host",
                "error: failed to download `a`",
            ),
            ("error: no package `a` found\nyou're using offline mode (--offline)", "error: no package `a` found"),
        ] {
            assert_eq!(Lock::of_refusal(unreached), Lock::Unknown(error.to_owned()));
        }
    }
}
