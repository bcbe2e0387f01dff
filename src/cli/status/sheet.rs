//! What is known of a vault, put down once for people and for programs.

use serde_json::{Map, Value, json};

use crate::audit::utc;
use crate::cli::output::Output;
use crate::cli::report::Done;
use crate::cli::text::relative;
use crate::clock::{Clock, SystemClock, Timestamp};

/// More rows of a list are counted in a table, and not shown.
const MAX_SHOWN: usize = 20;

/// Something known, in both forms.
pub(super) struct Figure {
    json: Value,
    said: String,
}

impl Figure {
    pub(super) fn new(json: impl Into<Value>, said: impl Into<String>) -> Self {
        Self { json: json.into(), said: said.into() }
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        let said = text.into();
        Self::new(said.clone(), said)
    }

    pub(super) fn number(number: usize) -> Self {
        Self::new(number, number.to_string())
    }

    /// A moment by this machine's clock.
    pub(super) fn moment(at: Timestamp) -> Self {
        let text = String::from_utf8_lossy(&utc::written(at)).into_owned();
        let said = format!("{text} ({})", relative(at, SystemClock.now()));
        Self::new(text, said)
    }

    /// What nobody can tell, and why.
    pub(super) fn unknown(why: impl Into<String>) -> Self {
        let why = why.into();
        Self { said: format!("not known: {why}"), json: json!({ "not_known": why }) }
    }
}

/// Figures under one name.
pub(super) struct Section {
    name: &'static str,
    rows: Vec<(&'static str, Figure)>,
}

impl Section {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, rows: Vec::new() }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, figure: Figure) -> Self {
        self.rows.push((name, figure));
        self
    }
}

/// Things of one kind: a row for each, a figure for each column.
pub(super) struct List {
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<Vec<Figure>>,
}

/// All that is known.
#[derive(Default)]
pub(super) struct Sheet {
    pub(super) sections: Vec<Section>,
    pub(super) lists: Vec<List>,
}

impl Sheet {
    /// Tells it: a table for each section and each list that is not empty, or one JSON object.
    pub(super) fn tell(self, out: &mut Output) -> Done {
        if out.is_json() {
            return out.json(&Value::Object(self.into_json()));
        }
        for (at, section) in self.sections.into_iter().enumerate() {
            if at > 0 {
                out.line("")?;
            }
            let rows = section.rows.into_iter().map(|(name, figure)| vec![spoken(name), figure.said]);
            out.sheet(&[&heading(section.name), ""], rows)?;
        }
        for list in self.lists.into_iter().filter(|list| !list.rows.is_empty()) {
            out.line("")?;
            let more = list.rows.len().saturating_sub(MAX_SHOWN);
            let columns: Vec<String> = list.columns.iter().map(|column| heading(column)).collect();
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            let said = |row: Vec<Figure>| row.into_iter().map(|figure| figure.said).collect();
            out.sheet(&columns, list.rows.into_iter().take(MAX_SHOWN).map(said))?;
            if more > 0 {
                out.line(&format!("and {more} more {}: --format json has them all", spoken(list.name)))?;
            }
        }
        Ok(())
    }

    fn into_json(self) -> Map<String, Value> {
        let object = |rows: Vec<(&str, Figure)>| {
            Value::Object(rows.into_iter().map(|(name, figure)| (name.to_owned(), figure.json)).collect())
        };
        let sections = self.sections.into_iter().map(|section| (section.name.to_owned(), object(section.rows)));
        let lists = self.lists.into_iter().map(|List { name, columns, rows }| {
            let rows = rows.into_iter().map(|row| object(columns.iter().copied().zip(row).collect()));
            (name.to_owned(), Value::Array(rows.collect()))
        });
        sections.chain(lists).collect()
    }
}

/// A name as people read it.
fn spoken(name: &str) -> String {
    name.replace('_', " ")
}

fn heading(name: &str) -> String {
    spoken(name).to_uppercase()
}
