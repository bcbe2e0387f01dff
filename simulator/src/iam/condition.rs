//! Conditions: the string operators, over the keys that Secrets Manager sets.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::iam::strings::strings;

/// The values of the condition keys of a call, by lower-case key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    pub(crate) fn set(&mut self, key: &str, values: impl IntoIterator<Item = String>) {
        self.0.insert(key.to_lowercase(), values.into_iter().collect());
    }

    fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(&key.to_lowercase()).map(Vec::as_slice)
    }

    /// Replaces `${aws:PrincipalTag/x}` and its like; none where a key is not there.
    pub(crate) fn filled(&self, pattern: &str) -> Option<String> {
        let mut filled = String::new();
        let mut rest = pattern;
        while let Some((before, variable)) = rest.split_once("${") {
            let (name, after) = variable.split_once('}')?;
            filled.push_str(before);
            filled.push_str(self.get(name)?.first()?);
            rest = after;
        }
        filled.push_str(rest);
        Some(filled)
    }
}

/// How several values of a key are put to the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    Single,
    AnyValue,
    AllValues,
}

/// One operator over one key.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    quantifier: Quantifier,
    negated: bool,
    wildcards: bool,
    folded: bool,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

impl Condition {
    pub(crate) fn parse(value: &Value) -> Result<Vec<Self>, String> {
        let mut conditions = Vec::new();
        for (operator, keys) in value.as_object().ok_or("Condition is no JSON object")? {
            for (key, values) in keys.as_object().ok_or("a Condition's operator has no JSON object")? {
                conditions.push(Self::of(operator, key, strings(values)?)?);
            }
        }
        Ok(conditions)
    }

    fn of(operator: &str, key: &str, values: Vec<String>) -> Result<Self, String> {
        let (quantifier, name) = match operator.split_once(':') {
            Some(("ForAnyValue", name)) => (Quantifier::AnyValue, name),
            Some(("ForAllValues", name)) => (Quantifier::AllValues, name),
            _ => (Quantifier::Single, operator),
        };
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
        let (negated, wildcards, folded) = match name {
            "StringEquals" | "Bool" | "NumericEquals" => (false, false, false),
            "StringNotEquals" => (true, false, false),
            "StringEqualsIgnoreCase" => (false, false, true),
            "StringLike" | "ArnLike" | "ArnEquals" => (false, true, false),
            "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (true, true, false),
            _ => return Err(format!("the condition operator {operator} is not simulated")),
        };
        Ok(Self { quantifier, negated, wildcards, folded, if_exists, key: key.to_owned(), values })
    }

    pub(crate) fn holds(&self, context: &Context) -> bool {
        let Some(found) = context.get(&self.key) else {
            return self.if_exists || self.negated || self.quantifier == Quantifier::AllValues;
        };
        let fits = |found: &String| self.values.iter().any(|value| self.fits(value, found, context));
        match self.quantifier {
            Quantifier::Single => found.iter().any(fits) != self.negated,
            Quantifier::AnyValue => found.iter().any(|found| fits(found) != self.negated),
            Quantifier::AllValues => found.iter().all(|found| fits(found) != self.negated),
        }
    }

    fn fits(&self, value: &str, found: &str, context: &Context) -> bool {
        let Some(value) = context.filled(value) else { return false };
        match (self.wildcards, self.folded) {
            (true, _) => matches(&value, found),
            (false, true) => value.to_lowercase() == found.to_lowercase(),
            (false, false) => value == found,
        }
    }
}

/// Whether a pattern with `*` and `?` fits all of a text.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || text.get(read) == Some(wanted) => {
                at += 1;
                read += 1;
            }
            _ => match star {
                Some((before, swallowed)) => {
                    star = Some((before, swallowed + 1));
                    at = before + 1;
                    read = swallowed + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards_fit_as_in_iam() {
        for (pattern, text) in
            [("*", ""), ("a*c", "abbc"), ("a?c", "abc"), ("*-??????", "x-y-AbC123"), ("a*b*c", "axxbyybc")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a?c", "ac"), ("a*c", "abb"), ("x-??????", "x-y-AbC123"), ("A", "a")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
