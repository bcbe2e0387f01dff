//! Who may import whom: a room imports only from floors below its own.

use crate::imports::Import;

/// The floors from the top down, and the rooms on each; rooms of one floor do not know each other. The deepest name
/// that fits is a module's room. Inside a room the rule is that there is no circle.
const FLOORS: [&[&str]; 24] = [
    &["main", "fuzzing"],
    &["cli"],
    &["open"],
    &["export"],
    &["conformance", "copy", "import", "layer", "undelete"],
    &["vault"],
    &["provider"],
    &["metrics"],
    &["audit", "claims", "turns"],
    &["intake", "matching", "merging"],
    &["backend::fallback", "backend::file", "backend::memory", "backend::secrets_manager"],
    &["backend::directory"],
    &["backend", "store"],
    &["record_codec"],
    &["record"],
    &["token"],
    &["crypto"],
    &["lease"],
    &["fields", "identity", "lookup"],
    &["error"],
    &["operation"],
    &["byte_reader", "clock", "pause", "secret"],
    &["wiped_bytes"],
    &["wipe"],
];

/// Pairs that the floors alone would let pass: (who, whom, why not).
#[rustfmt::skip]
const FORBIDDEN: [(&str, &str, &str); 18] = [
    ("audit", "backend::file", "the trail's key comes through the trait"),
    ("audit", "backend::memory", "the trail's key comes through the trait"),
    ("audit", "token", "a line says what the layer tells it, and no token is in reach"),
    ("backend::memory", "crypto", "nothing in memory is sealed"),
    ("conformance", "backend::file", "the suite holds for every backend alike"),
    ("conformance", "backend::memory", "the suite holds for every backend alike"),
    ("crypto", "fields", "crypto seals bytes, whatever they mean"),
    ("crypto", "lookup", "crypto seals bytes, whatever they mean"),
    ("export", "backend::file", "only `open` and the command line know which backend there is"),
    ("export", "backend::memory", "only `open` and the command line know which backend there is"),
    ("import", "backend::file", "only `open` and the command line know which backend there is"),
    ("import", "backend::memory", "only `open` and the command line know which backend there is"),
    ("layer::cache", "backend", "a layer wraps a store, whatever it is made of"),
    ("matching", "backend", "the rules speak of records, not of where they are kept"),
    ("merging", "backend", "the rules speak of records, not of where they are kept"),
    ("record", "crypto", "records are sealed by the backend that keeps them"),
    ("vault", "backend::file", "the vault works over any backend, through the trait"),
    ("vault", "backend::memory", "the vault works over any backend, through the trait"),
];

fn within(module: &str, room: &str) -> bool {
    module.strip_prefix(room).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The room of a module and the number of its floor, from the top.
fn room(module: &str) -> Option<(&'static str, usize)> {
    let rooms = FLOORS.iter().enumerate().flat_map(|(floor, rooms)| rooms.iter().map(move |room| (*room, floor)));
    rooms.filter(|(room, _)| within(module, room)).max_by_key(|(room, _)| room.len())
}

/// Says so where a module is in no room. The root is the map of the house, not a room in it.
pub(crate) fn missing(module: &str) -> Option<String> {
    let known = module.is_empty() || room(module).is_some();
    (!known).then(|| format!("{module} has no floor: give it one in tests/house/floors.rs and in ARCHITECTURE.md"))
}

pub(crate) fn violations(module: &str, imports: &[Import]) -> Vec<String> {
    imports.iter().filter_map(|import| violation(module, import)).collect()
}

fn violation(module: &str, import: &Import) -> Option<String> {
    let named = match import {
        Import::Bare(path) => {
            return Some(format!("{module}: crate::{path} is a re-export: name the module that defines it"));
        }
        Import::Module(named) => named,
    };
    let forbidden = FORBIDDEN.iter().find(|(who, whom, _)| within(module, who) && within(named, whom));
    if let Some((_, _, why)) = forbidden {
        return Some(format!("{module} imports {named}: {why}"));
    }
    let ((own_room, own_floor), (room, floor)) = (room(module)?, room(named)?);
    let relation = if floor == own_floor { "a neighbour on its floor" } else { "a room above it" };
    (own_room != room && floor <= own_floor).then(|| format!("{module} imports {named}, {relation}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(module: &str, named: &str) -> Option<String> {
        violation(module, &Import::Module(named.to_owned()))
    }

    #[test]
    fn imports_downwards_and_inside_a_room_pass() {
        for (module, named) in [
            ("cli::list", "vault"),
            ("backend::file::log", "crypto::aead"),
            ("backend::file::log", "backend::file::frame"),
            ("", "vault"),
        ] {
            assert_eq!(said(module, named), None);
        }
    }

    #[test]
    fn imports_upwards_and_sideways_are_found() {
        assert!(said("crypto::keys", "backend").unwrap().contains("above"));
        assert!(said("backend", "backend::memory").unwrap().contains("above"));
        assert!(said("matching", "merging").unwrap().contains("neighbour"));
        assert!(said("backend::file::log", "backend::memory").unwrap().contains("neighbour"));
    }

    #[test]
    fn forbidden_pairs_give_their_reason() {
        for (who, whom, why) in FORBIDDEN {
            assert!(said(who, whom).unwrap().contains(why));
            assert!(said(&format!("{who}::inside"), whom).unwrap().contains(why));
        }
    }

    #[test]
    fn a_name_from_the_root_is_refused() {
        assert!(violation("cli", &Import::Bare("Vault".to_owned())).unwrap().contains("re-export"));
    }

    #[test]
    fn a_module_without_a_floor_is_found() {
        assert!(missing("attic").is_some() && missing("recorder").is_some());
        assert!(missing("").is_none() && missing("cli::args").is_none());
    }
}
