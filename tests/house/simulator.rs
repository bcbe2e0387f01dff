//! The simulator's own floors.

use crate::imports::{self, Import};
use crate::{assert_none, library, limits, tree};

/// From the top down; a room imports only from floors below its own.
const FLOORS: [&[&str]; 9] = [
    &["main"],
    &["http", "sdk"],
    &["simulator"],
    &["rules"],
    &["world"],
    &["faults", "settings", "trail", "turnstile", "view"],
    &["counters", "gate", "iam", "state", "switches", "wire"],
    &["kms", "throttle"],
    &["arn", "clock", "error", "operation", "random"],
];

/// The room of a module, and its floor.
fn room(module: &str) -> Option<(&str, usize)> {
    let room = module.split("::").next()?;
    FLOORS.iter().position(|rooms| rooms.contains(&room)).map(|floor| (room, floor))
}

fn violation(module: &str, import: &Import) -> Option<String> {
    let named = match import {
        Import::Bare(path) => return Some(format!("{module}: crate::{path} is a re-export")),
        Import::Module(named) => named,
    };
    let ((own, own_floor), (room, floor)) = (room(module)?, room(named)?);
    (own != room && floor <= own_floor).then(|| format!("simulator: {module} imports {named}, which is not below it"))
}

#[test]
fn the_simulators_imports_fall_one_way() {
    let (modules, imports) = library("simulator/src");
    let homeless = modules.names().filter(|module| !module.is_empty() && room(module).is_none());
    let homeless = homeless.map(|module| format!("{module} has no floor: give it one in tests/house/simulator.rs"));
    let violations = imports
        .iter()
        .filter(|(module, _)| !module.is_empty())
        .flat_map(|(module, found)| found.iter().filter_map(move |import| violation(module, import)));
    assert_none(&homeless.chain(violations).collect::<Vec<_>>());
    assert_none(&imports::circle(&imports).into_iter().collect::<Vec<_>>());
}

#[test]
fn the_root_of_the_simulator_defines_nothing() {
    let files = tree::files(&["simulator/src"]);
    let root = files.iter().find(|file| file.path == "simulator/src/lib.rs");
    assert_none(&root.map(limits::definitions).unwrap_or_default());
}

#[test]
fn an_import_upwards_is_found() {
    let upwards = Import::Module("simulator".to_owned());
    assert!(violation("rules::get", &upwards).is_some());
    assert!(violation("http::server", &upwards).is_none());
}
