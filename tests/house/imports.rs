//! Which module names which: `use` trees, and paths in the code.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::vec::IntoIter;

use crate::tree::Modules;

/// A name from elsewhere in the library.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Import {
    /// From this module.
    Module(String),
    /// From the root, which only says again what a module defines.
    Bare(String),
}

/// What `code` (no comments, no literals, no tests) of the module `own` names.
pub(crate) fn of(code: &str, own: &str, modules: &Modules) -> Vec<Import> {
    let mut found = BTreeSet::new();
    let mut tokens = tokens(code).into_iter().peekable();
    let mut before = [String::new(), String::new()];
    while let Some(token) = tokens.next() {
        let starts_here = before[1] != "::" && before[1] != "." && tokens.peek().is_some_and(|next| next == "::");
        // `pub(in crate::room)` says who may look in.
        let visibility = before == ["(", "in"];
        before = [std::mem::take(&mut before[1]), token.clone()];
        if let Some(root) = root(&token, own, modules).filter(|_| starts_here && !visibility) {
            follow(&mut tokens, root, &mut |path, is_macro| {
                found.extend(import(path, is_macro, own, modules));
            });
        }
    }
    found.into_iter().collect()
}

/// Where a path that begins with this word begins; none where it leaves the library.
fn root(word: &str, own: &str, modules: &Modules) -> Option<Vec<String>> {
    let own_path = || own.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let child = if own.is_empty() { word.to_owned() } else { format!("{own}::{word}") };
    match word {
        "crate" => Some(Vec::new()),
        "tokenvault" if own == "main" => Some(Vec::new()),
        "self" => Some(own_path()),
        "super" => {
            let mut path = own_path();
            path.pop();
            Some(path)
        }
        _ if modules.holds(&child) => Some(child.split("::").map(str::to_owned).collect()),
        _ => None,
    }
}

/// Follows a path, and each branch of its braces, to the end.
fn follow(tokens: &mut Peekable<IntoIter<String>>, mut path: Vec<String>, emit: &mut dyn FnMut(&[String], bool)) {
    while tokens.next_if(|token| token == "::").is_some() {
        if tokens.next_if(|token| token == "{").is_some() {
            while tokens.peek().is_some_and(|token| token != "}") {
                let Some(first) = tokens.next() else { break };
                if first != "," {
                    let mut branch = path.clone();
                    branch.extend((first != "self").then_some(first));
                    follow(tokens, branch, emit);
                    if tokens.next_if(|token| token == "as").is_some() {
                        tokens.next();
                    }
                }
            }
            tokens.next();
            return;
        }
        match tokens.next_if(|token| token == "*" || token.starts_with(|c: char| c.is_alphabetic() || c == '_')) {
            Some(token) if token == "super" => drop(path.pop()),
            Some(token) => path.push(token),
            None => break,
        }
    }
    let is_macro = tokens.peek().is_some_and(|token| token == "!");
    emit(&path, is_macro);
}

fn import(path: &[String], is_macro: bool, own: &str, modules: &Modules) -> Option<Import> {
    match modules.leading_to(path) {
        Some(module) if module == own => None,
        Some(module) => Some(Import::Module(module)),
        // Macros live in the root, whoever defines them.
        None if is_macro && path.len() == 1 => None,
        None => Some(Import::Bare(path.join("::"))),
    }
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut characters = code.chars().peekable();
    while let Some(first) = characters.next() {
        let mut token = String::from(first);
        if first.is_alphanumeric() || first == '_' {
            while let Some(next) = characters.next_if(|next| next.is_alphanumeric() || *next == '_') {
                token.push(next);
            }
        } else if first == ':' && characters.next_if_eq(&':').is_some() {
            token.push(':');
        }
        if !first.is_whitespace() {
            tokens.push(token);
        }
    }
    tokens
}

/// The first circle of files that name each other, as a sentence.
pub(crate) fn circle(imports: &BTreeMap<String, Vec<Import>>) -> Option<String> {
    let mut done = BTreeSet::new();
    let circle = imports.keys().find_map(|start| walk(start, imports, &mut Vec::new(), &mut done))?;
    Some(format!("a circle of imports: {}: move what they share below both", circle.join(" -> ")))
}

fn walk<'a>(
    module: &'a str,
    imports: &'a BTreeMap<String, Vec<Import>>,
    way: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Option<Vec<&'a str>> {
    if let Some(seen) = way.iter().position(|passed| *passed == module) {
        return Some(way.iter().skip(seen).copied().chain([module]).collect());
    }
    if done.contains(module) {
        return None;
    }
    way.push(module);
    let next = imports.get(module).into_iter().flatten().filter_map(|import| match import {
        Import::Module(next) => Some(next),
        Import::Bare(_) => None,
    });
    let found = next.into_iter().find_map(|next| walk(next, imports, way, done));
    way.pop();
    done.insert(module);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str, own: &str) -> Vec<String> {
        let modules = Modules::named(&["", "main", "a", "a::b", "a::c", "d", "error"]);
        let shown = of(code, own, &modules).into_iter().map(|import| match import {
            Import::Module(module) => module,
            Import::Bare(path) => format!("bare {path}"),
        });
        shown.collect()
    }

    #[test]
    fn every_way_to_name_a_module_is_seen() {
        assert_eq!(found("use crate::d::X;", "a"), ["d"]);
        assert_eq!(found("use crate::{\n a::b::{self, Y as Z},\n error::{E, F},\n};", "d"), ["a::b", "error"]);
        assert_eq!(found("fn f() -> crate::error::E { crate::d::g() }", "a"), ["d", "error"]);
        assert_eq!(found("use super::c::X; use super::super::d;", "a::b"), ["a::c", "d"]);
        assert_eq!(found("pub use b::X; mod b; use self::c::Y;", "a"), ["a::b", "a::c"]);
        assert_eq!(found("use tokenvault::d;", "main"), ["d"]);
        assert_eq!(found("use crate::d::*;", "a"), ["d"]);
    }

    #[test]
    fn names_from_the_root_are_bare() {
        assert_eq!(found("use crate::Vault;", "a"), ["bare Vault"]);
        assert_eq!(found("use super::Vault;", "a"), ["bare Vault"]);
        assert_eq!(found("use crate::*;", "a"), ["bare *"]);
    }

    #[test]
    fn what_is_no_import_is_not_seen() {
        for code in
            ["pub(in crate::a) fn f() {}", "pub(crate) fn f() {}", "crate::warn!(x)", "std::error::E", "use x::d::Y;"]
        {
            assert!(found(code, "a::b").is_empty(), "{code}: {:?}", found(code, "a::b"));
        }
    }

    #[test]
    fn a_circle_is_found_and_named() {
        let to = |name: &str| vec![Import::Module(name.to_owned())];
        let mut imports =
            BTreeMap::from([("a".to_owned(), to("b")), ("b".to_owned(), to("c")), ("c".to_owned(), vec![])]);
        assert_eq!(circle(&imports), None);
        imports.insert("c".to_owned(), to("b"));
        assert!(circle(&imports).unwrap().contains("b -> c -> b"));
    }
}
