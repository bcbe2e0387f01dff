//! A command in parts: each names its need, none hides another, and what was left out is said at the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::choice::Choice;

/// One part of a command, with what all its parts work on.
#[derive(Debug)]
pub(crate) struct Part<Place> {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) need: fn(&Place) -> Result<(), Missing>,
    pub(crate) run: fn(&Place) -> Result<(), String>,
}

/// What a part needs and did not find, and what to do about it.
#[derive(Debug)]
pub(crate) struct Missing {
    pub(crate) what: String,
    pub(crate) remedy: String,
}

impl Missing {
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}

/// The need of a part that needs nothing but Rust.
#[expect(clippy::unnecessary_wraps, reason = "stands in a table beside needs that can be missing")]
pub(crate) fn nothing<Place>(_: &Place) -> Result<(), Missing> {
    Ok(())
}

#[derive(Debug)]
enum Outcome {
    Passed,
    Failed(String),
    Missing(Missing),
}

#[derive(Debug)]
struct Row {
    name: &'static str,
    outcome: Outcome,
    required: bool,
    took: Duration,
}

impl Row {
    fn fails(&self) -> bool {
        match self.outcome {
            Outcome::Passed => false,
            Outcome::Failed(_) => true,
            Outcome::Missing(_) => self.required,
        }
    }
}

/// Runs the parts that were asked for, all of them, whatever one of them says; then the summary.
pub(crate) fn run<Place>(command: &str, parts: &[Part<Place>], arguments: &[String], place: &Place) -> ExitCode {
    let names: Vec<&str> = parts.iter().map(|part| part.name).collect();
    let choice = match Choice::parse(arguments, &names) {
        Ok(choice) => choice,
        Err(sentence) => {
            eprintln!("cargo xtask {command}: {sentence}");
            return ExitCode::from(2);
        }
    };
    if choice.list {
        parts.iter().for_each(|part| println!("{:<15} {}", part.name, part.about));
        return ExitCode::SUCCESS;
    }
    let wanted = parts.iter().filter(|part| choice.wants(part.name));
    let rows: Vec<Row> = wanted.map(|part| try_part(part, choice.requires(part.name), place)).collect();
    println!("\n{}", summary(command, &rows));
    if rows.iter().any(Row::fails) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn try_part<Place>(part: &Part<Place>, required: bool, place: &Place) -> Row {
    eprintln!("\n== {}: {}", part.name, part.about);
    let start = Instant::now();
    let outcome = match (part.need)(place).map(|()| (part.run)(place)) {
        Ok(Ok(())) => Outcome::Passed,
        Ok(Err(failure)) => Outcome::Failed(failure),
        Err(missing) => Outcome::Missing(missing),
    };
    match &outcome {
        Outcome::Passed => {}
        Outcome::Failed(failure) => eprintln!("{}: FAILED: {failure}", part.name),
        Outcome::Missing(missing) => eprintln!("{}: not run: {}", part.name, missing.what),
    }
    Row { name: part.name, outcome, required, took: start.elapsed() }
}

fn summary(command: &str, rows: &[Row]) -> String {
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    let missing = rows.iter().filter(|row| matches!(row.outcome, Outcome::Missing(_))).count();
    let failed = rows.iter().filter(|row| row.fails()).count();
    lines.insert(0, format!("== {command}, part by part"));
    lines.push(match (failed, missing) {
        (0, 0) => format!("{command}: all {} parts passed", rows.len()),
        (0, _) => format!("{command}: passed, but {missing} of {} parts did NOT run (see above)", rows.len()),
        _ => format!("{command}: FAILED, {failed} of {} parts", rows.len()),
    });
    lines.join("\n")
}

fn line(row: &Row) -> String {
    let seconds = row.took.as_secs_f64();
    match &row.outcome {
        Outcome::Passed => format!("passed   {:<15} {seconds:.1} s", row.name),
        Outcome::Failed(failure) => format!("FAILED   {:<15} {failure}", row.name),
        Outcome::Missing(missing) => {
            let word = if row.required { "REQUIRED" } else { "missing " };
            format!("{word} {:<15} {}\n{:<24} remedy: {}", row.name, missing.what, "", missing.remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(need: fn(&()) -> Result<(), Missing>, run: fn(&()) -> Result<(), String>, required: bool) -> Row {
        try_part(&Part { name: "part", about: "about", need, run }, required, &())
    }

    fn without_need(_: &()) -> Result<(), Missing> {
        Err(Missing::new("no compiler", "install one"))
    }

    #[test]
    fn a_missing_need_fails_only_where_it_is_required() {
        let run: fn(&()) -> Result<(), String> = |_| Err("must not run".to_owned());
        assert!(!row(without_need, run, false).fails());
        assert!(row(without_need, run, true).fails());
    }

    #[test]
    fn a_failed_part_fails_and_the_next_still_runs() {
        let rows = [row(nothing, |_| Err("two tests".to_owned()), false), row(nothing, |_| Ok(()), false)];
        assert!(rows[0].fails() && !rows[1].fails());
        let text = summary("test", &rows);
        assert!(text.contains("FAILED   part            two tests"), "{text}");
        assert!(text.ends_with("test: FAILED, 1 of 2 parts"), "{text}");
    }

    #[test]
    fn the_summary_names_what_is_missing_and_its_remedy() {
        let rows = [row(nothing, |_| Ok(()), false), row(without_need, |_| Ok(()), false)];
        let text = summary("test", &rows);
        assert!(text.contains("no compiler") && text.contains("remedy: install one"), "{text}");
        assert!(text.ends_with("1 of 2 parts did NOT run (see above)"), "{text}");
    }
}
