//! The house rules that no compiler checks, as tests over the source tree. ARCHITECTURE.md gives their reasons.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its sources has to stop")]

mod floors;
mod imports;
mod limits;
mod pins;
mod simulator;
mod source;
mod tree;

use std::collections::BTreeMap;

use crate::imports::Import;
use crate::tree::{File, Modules};

/// Where sources are.
const FOLDERS: [&str; 7] = ["src", "tests", "benches", "xtask/src", "fuzz/targets", "simulator/src", "simulator/tests"];

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

/// What each module of the library in a folder imports, outside its tests.
fn library(folder: &str) -> (Modules, BTreeMap<String, Vec<Import>>) {
    let files: Vec<File> = tree::files(&[folder]).into_iter().filter(|file| !file.is_test()).collect();
    let modules = Modules::of(&files);
    let imports = files.iter().map(|file| {
        let module = file.module();
        let found = imports::of(&source::without_tests(&source::code(&file.text)), &module, &modules);
        (module, found)
    });
    let imports = imports.collect();
    (modules, imports)
}

#[test]
fn files_are_short() {
    let files = tree::files(&FOLDERS);
    assert_none(&files.iter().filter_map(limits::too_long).collect::<Vec<_>>());
}

#[test]
fn rooms_and_types_are_named_for_a_subject() {
    let files = tree::files(&FOLDERS);
    assert_none(&files.iter().flat_map(limits::attics).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_for_later() {
    let files = tree::files(&FOLDERS);
    assert_none(&files.iter().flat_map(limits::unfinished).collect::<Vec<_>>());
}

#[test]
fn the_root_of_the_library_defines_nothing() {
    let files = tree::files(&["src"]);
    let root = files.iter().find(|file| file.path == "src/lib.rs").unwrap();
    assert_none(&limits::definitions(root));
}

#[test]
fn imports_fall_one_way() {
    let (_, imports) = library("src");
    let violations = imports.iter().flat_map(|(module, found)| floors::violations(module, found));
    assert_none(&violations.collect::<Vec<_>>());
}

#[test]
fn every_module_has_a_floor() {
    let (modules, _) = library("src");
    assert_none(&modules.names().filter_map(floors::missing).collect::<Vec<_>>());
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let (_, imports) = library("src");
    assert_none(&imports::circle(&imports).into_iter().collect::<Vec<_>>());
}
