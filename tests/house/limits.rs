//! How long a file may be, what may not be a name, what may not stay.

use crate::source;
use crate::tree::File;

/// Lines of code in a file, tests apart.
const LINES: usize = 300;

/// Names of rooms that hold whatever had no place.
const ATTICS: [&str; 8] = ["common", "helper", "helpers", "misc", "shared", "stuff", "util", "utils"];

pub(crate) fn too_long(file: &File) -> Option<String> {
    let code = source::without_tests(&source::code(&file.text));
    let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
    (lines > LINES).then(|| format!("{}: {lines} lines of code, {LINES} at most: it has two subjects", file.path))
}

pub(crate) fn attics(file: &File) -> Vec<String> {
    let rooms = file.path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
    let rooms = rooms.filter(|room| ATTICS.contains(room)).map(str::to_owned);
    let code = source::code(&file.text);
    let words: Vec<&str> = words(&code).collect();
    let declared = words.windows(2).filter_map(|pair| match pair {
        ["mod", name] if ATTICS.contains(name) => Some((*name).to_owned()),
        ["struct" | "enum" | "trait" | "type", name]
            if ["Helper", "Helpers", "Manager", "Util", "Utils"].iter().any(|end| name.ends_with(end)) =>
        {
            Some((*name).to_owned())
        }
        _ => None,
    });
    rooms.chain(declared).map(|name| format!("{}: {name:?} names no subject", file.path)).collect()
}

pub(crate) fn unfinished(file: &File) -> Vec<String> {
    let code: String = source::code(&file.text).split_whitespace().collect();
    let marks = ["todo!", "unimplemented!", "#[ignore", "(ignore)]", ",ignore)]"];
    let found = marks.into_iter().filter(|mark| code.contains(mark));
    found.map(|mark| format!("{}: {mark} leaves something for later", file.path)).collect()
}

/// What the file defines beside modules and re-exports.
pub(crate) fn definitions(file: &File) -> Vec<String> {
    let code = source::without_tests(&source::code(&file.text));
    let defining = ["fn", "struct", "enum", "trait", "impl", "type", "const", "static", "macro_rules"];
    let found = words(&code).filter(|word| defining.contains(word));
    found.map(|word| format!("{}: defines a {word}; it is the map, and nothing else", file.path)).collect()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn a_long_file_is_found_and_comments_and_tests_do_not_count() {
    assert!(too_long(&file("src/a.rs", &"f();\n".repeat(301))).unwrap().contains("301"));
    let padded =
        "f();\n".repeat(300) + &"// why\n\n".repeat(50) + "#[cfg(test)]\nmod tests {\n" + &"g();\n".repeat(50) + "}\n";
    assert_eq!(too_long(&file("src/a.rs", &padded)), None);
}

#[test]
fn an_attic_is_found_by_file_module_and_type() {
    for (path, text) in [
        ("src/utils.rs", ""),
        ("src/common/mod.rs", ""),
        ("src/a.rs", "mod helpers;"),
        ("src/a.rs", "pub struct TokenManager;"),
        ("src/a.rs", "trait FileUtils {}"),
    ] {
        assert_eq!(attics(&file(path, text)).len(), 1, "{path} {text}");
    }
    assert!(attics(&file("src/secrets_manager.rs", "// mod utils\nstruct Keys;")).is_empty());
}

#[test]
fn what_is_unfinished_is_found() {
    let marks = [
        "fn f() { todo!() }",
        "fn f() { unimplemented ! () }",
        "#[ignore = \"slow\"]\n#[test]",
        "#[cfg_attr(x, ignore)]",
    ];
    for text in marks {
        assert!(!unfinished(&file("src/a.rs", text)).is_empty(), "{text}");
    }
    assert!(unfinished(&file("src/a.rs", "// todo!\nlet a = \"#[ignore]\";")).is_empty());
}

#[test]
fn a_definition_in_the_map_is_found() {
    assert_eq!(definitions(&file("src/lib.rs", "//! fn\npub mod a;\npub use a::B;\npub fn f() {}")).len(), 1);
    assert!(definitions(&file("src/lib.rs", "//! fn\npub mod a;\npub use a::B;")).is_empty());
}
