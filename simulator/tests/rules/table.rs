//! RULES.md and the tests know the same rules.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The first cells of the tables' rows, `R1`.
fn rules() -> Vec<String> {
    let text = fs::read_to_string("RULES.md").unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let is_number = |cell: &&str| {
        cell.starts_with(['R', 'S']) && cell.len() > 1 && cell[1..].bytes().all(|byte| byte.is_ascii_digit())
    };
    rows.filter(is_number).map(str::to_owned).collect()
}

/// The rules in the names of tests: `r01_...`, `s1_...`.
fn tested(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tested(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for (before, line) in text.lines().zip(text.lines().skip(1)) {
                let name = line.trim().strip_prefix("async ").unwrap_or(line.trim()).strip_prefix("fn ");
                if let Some(name) = name.filter(|_| before.contains("test]")) {
                    found.insert(name.split('_').next().unwrap().to_uppercase());
                }
            }
        }
    }
    found
}

#[test]
fn every_rule_has_a_test() {
    let rules = rules();
    assert!(rules.len() > 60, "{rules:?}");
    let tested = tested(Path::new("tests"));
    let padded = |rule: &String| {
        let number: usize = rule[1..].parse().unwrap();
        if rule.starts_with('R') { format!("R{number:02}") } else { rule.clone() }
    };
    let without: Vec<&String> = rules.iter().filter(|rule| !tested.contains(&padded(rule))).collect();
    assert!(without.is_empty(), "rules without a test: {without:?}");
    let known: BTreeSet<String> = rules.iter().map(padded).collect();
    assert_eq!(known.len(), rules.len(), "a number is used twice");
    let numbered = tested.iter().filter(|name| name.len() > 1 && name[1..].bytes().all(|byte| byte.is_ascii_digit()));
    let unknown: Vec<&String> = numbered.filter(|name| !known.contains(*name)).collect();
    assert!(unknown.is_empty(), "tests of rules that RULES.md does not know: {unknown:?}");
}

#[test]
fn every_rule_says_where_it_comes_from() {
    let text = fs::read_to_string("RULES.md").unwrap();
    for line in text.lines().filter(|line| line.starts_with("| R")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, rule, mark, source] = cells[..] else { panic!("four cells are expected: {line}") };
        assert!(number.starts_with('R') && rule.len() > 10, "{line}");
        let marks: Vec<&str> = mark.split(", ").collect();
        assert!(marks.iter().all(|mark| ["D", "R", "A"].contains(mark)), "{line}");
        assert!(marks == ["A"] || source.len() > 3, "no source: {line}");
    }
}
