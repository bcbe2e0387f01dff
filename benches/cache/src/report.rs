//! The tables, and their place in README.md.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Outcome;

const BEGIN: &str = "<!-- cache:begin -->\n";
const END: &str = "<!-- cache:end -->\n";

/// What was measured.
#[derive(Default)]
pub(crate) struct Report {
    rows: String,
    bars: String,
}

impl Report {
    pub(crate) fn row(&mut self, what: &str, ours: &str, peer: &str) {
        let _ = writeln!(self.rows, "| {what} | {ours} | {peer} |");
    }

    pub(crate) fn bar(&mut self, what: &str, asked: &str, measured: impl AsRef<str>, is_met: bool) {
        let met = if is_met { "yes" } else { "**no**" };
        let _ = writeln!(self.bars, "| {what} | {asked} | {} | {met} |", measured.as_ref());
    }

    /// Prints the tables, and puts them into the file at `readme` where one is named.
    pub(crate) fn finish(&self, readme: Option<&str>) -> Outcome<()> {
        let tables = format!(
            "\n| | tokenvault | aws_secretsmanager_caching 2.1 |\n| --- | ---: | ---: |\n{}\n\
             | bar | asked | measured | met |\n| --- | ---: | ---: | --- |\n{}\n\
             Medians, measured on {} on {}; a call to the simulated service takes 20 ms.\n\n",
            self.rows,
            self.bars,
            today()?,
            processor()?,
        );
        println!("{tables}");
        let Some(readme) = readme.map(Path::new) else { return Ok(()) };
        let text = fs::read_to_string(readme)?;
        let (before, rest) = text.split_once(BEGIN).ok_or("the file has no place for the tables")?;
        let (_, after) = rest.split_once(END).ok_or("the file has no end for the tables")?;
        Ok(fs::write(readme, format!("{before}{BEGIN}{tables}{END}{after}"))?)
    }
}

pub(crate) fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn today() -> Outcome<String> {
    Ok(String::from_utf8(Command::new("date").args(["-u", "+%Y-%m-%d"]).output()?.stdout)?.trim().to_owned())
}

fn processor() -> Outcome<String> {
    let cores = std::thread::available_parallelism()?;
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let model = text.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    Ok(format!("{cores} cores of {}", model.trim_start_matches([' ', '\t', ':'])))
}
