//! The source files, and the modules they make.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A source file, its path as written from the root of the repository.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// The module this file is, `backend::file::frame`; the library's root is empty, the binary's is `main`.
    pub(crate) fn module(&self) -> String {
        let inside = self.path.strip_prefix("simulator/").unwrap_or(&self.path);
        let inside = inside.strip_prefix("src/").unwrap_or(inside);
        let name = inside.strip_suffix(".rs").unwrap_or(inside);
        let name = name.strip_suffix("/mod").unwrap_or(name);
        if name == "lib" { String::new() } else { name.replace('/', "::") }
    }

    /// Whether the whole file is tests, declared as `#[cfg(test)] mod tests;`.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
}

/// Every Rust file below these folders; a folder that is not there holds none.
pub(crate) fn files(folders: &[&str]) -> Vec<File> {
    // Tests run in the root of their package. Not its path at build time: a build folder can serve several checkouts.
    assert!(Path::new("src/lib.rs").exists(), "there is nothing here to check");
    let mut files = Vec::new();
    for folder in folders {
        collect(Path::new(folder), folder, &mut files);
    }
    files
}

fn collect(folder: &Path, shown: &str, files: &mut Vec<File>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{shown}/{name}");
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &path, files);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(entry.path()).unwrap();
            files.push(File { path, text });
        }
    }
}

/// The modules there are.
#[derive(Debug)]
pub(crate) struct Modules(BTreeSet<String>);

impl Modules {
    pub(crate) fn of(files: &[File]) -> Self {
        Self(files.iter().map(File::module).collect())
    }

    #[cfg(test)]
    pub(crate) fn named(names: &[&str]) -> Self {
        Self(names.iter().map(|&name| name.to_owned()).collect())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(crate) fn holds(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// The file that a path from the root of the library leads into; none where its first name is no module.
    pub(crate) fn leading_to(&self, path: &[String]) -> Option<String> {
        let prefixes = (1..=path.len()).rev().filter_map(|length| path.get(..length));
        prefixes.map(|prefix| prefix.join("::")).find(|name| self.holds(name))
    }
}

#[test]
fn a_file_is_named_by_its_module() {
    let module = |path: &str| File { path: path.to_owned(), text: String::new() }.module();
    assert_eq!(module("src/lib.rs"), "");
    assert_eq!(module("src/main.rs"), "main");
    assert_eq!(module("src/backend/mod.rs"), "backend");
    assert_eq!(module("src/backend/file/frame.rs"), "backend::file::frame");
    assert_eq!(module("simulator/src/rules/get.rs"), "rules::get");
}

#[test]
fn a_path_leads_into_the_deepest_module() {
    let modules = Modules::named(&["", "backend", "backend::file"]);
    let lead = |path: &[&str]| modules.leading_to(&path.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
    assert_eq!(lead(&["backend", "file", "Log"]).unwrap(), "backend::file");
    assert_eq!(lead(&["backend", "Backend"]).unwrap(), "backend");
    assert_eq!(lead(&["Backend"]), None);
}
