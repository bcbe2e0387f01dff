//! Rust text without what is not code.

/// The text with comments and the insides of string and character literals blanked; line breaks stay.
pub(crate) fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = skipped_length(rest, out.chars().next_back());
        if skipped == 0 {
            out.push(first);
            rest = rest.strip_prefix(first).unwrap_or("");
        } else {
            let (gone, after) = rest.split_at(skipped);
            out.extend(gone.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
            rest = after;
        }
    }
    out
}

/// How many bytes of a comment or a literal `rest` begins with; 0 where it begins with code.
fn skipped_length(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    let in_word = before.is_some_and(|character| character.is_alphanumeric() || character == '_');
    if !in_word && let Some(length) = raw_string(rest) {
        return length;
    }
    if rest.starts_with('"') {
        return escaped_end(rest, '"').unwrap_or(rest.len());
    }
    // A quote also begins a lifetime, which has no second one right behind its first letter.
    let mut characters = rest.chars();
    match (characters.next(), characters.next(), characters.next()) {
        (Some('\''), Some('\\'), _) => escaped_end(rest, '\'').unwrap_or(rest.len()),
        (Some('\''), Some(letter), Some('\'')) => 2 + letter.len_utf8(),
        _ => 0,
    }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_u32;
    for (at, _) in rest.char_indices() {
        let here = rest.get(at..).unwrap_or("");
        if here.starts_with("/*") {
            depth += 1;
        } else if here.starts_with("*/") {
            depth -= 1;
            if depth == 0 {
                return at + 2;
            }
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> Option<usize> {
    let prefix = rest.len() - rest.trim_start_matches(['b', 'c']).len();
    let inside = rest.get(prefix..)?.strip_prefix('r')?;
    let hashes = inside.len() - inside.trim_start_matches('#').len();
    let body = inside.get(hashes..)?.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close).map_or(body.len(), |at| at + close.len());
    Some(prefix + 1 + hashes + 1 + end)
}

fn escaped_end(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Code (of [`code`]) with every item under `#[cfg(test)]` blanked.
pub(crate) fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        let (before, item) = rest.split_at(at);
        let (gone, after) = item.split_at(MARK.len() + item_length(item.get(MARK.len()..).unwrap_or("")));
        out.push_str(before);
        out.extend(gone.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
        rest = after;
    }
    out + rest
}

/// Up to the closing brace, or to the semicolon of an item without a body.
fn item_length(item: &str) -> usize {
    let import = item.trim_start().starts_with("use ");
    let mut depth = 0_u32;
    for (at, character) in item.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (character == ';' || character == '}' && !import) {
            return at + 1;
        }
    }
    item.len()
}

#[test]
fn comments_and_literals_are_no_code() {
    let text = "a /* b /* c */ d */ e // f\n\"g \\\" h\" i 'j' '\\'' &'k l r#\"m \" n\"# b\"o\" attr\"p\"";
    let words: Vec<_> = code(text).split_whitespace().map(str::to_owned).collect();
    // The prefix of a byte string may stay: alone it names nothing.
    assert_eq!(words, ["a", "e", "i", "&'k", "l", "b", "attr"]);
    assert_eq!(code("x // y\nz\n\"\n\"").lines().count(), 4);
}

#[test]
fn items_of_tests_are_left_out() {
    let code = "use a;\n#[cfg(test)]\nuse b::{c, d};\nfn e() {}\n#[cfg(test)]\nmod tests { fn f() { {} } }\nfn g() {}\n#[cfg(test)]\nmod h;\nfn i() {}";
    let left = without_tests(code);
    for kept in ["use a", "fn e", "fn g", "fn i"] {
        assert!(left.contains(kept), "{left}");
    }
    for gone in ["b::", "fn f", "mod h", "cfg"] {
        assert!(!left.contains(gone), "{left}");
    }
    assert_eq!(left.lines().count(), code.lines().count());
}
