//! A picture of a trail: who called when, and what was refused. For a terminal, and as SVG.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::audit::line::Ending;
use crate::audit::read::Line;
use crate::audit::utc;
use crate::clock::Timestamp;

/// More rows are drawn as one.
const MAX_ROWS: usize = 20;
/// The longest label.
const MAX_LABEL: usize = 32;
/// How full a place is, by its share of the fullest one.
const FULL: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What happened in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    calls: usize,
    refused: usize,
    failed: usize,
    /// Answered while the store was out of reach.
    away: usize,
}

#[derive(Debug)]
struct Row {
    label: String,
    cells: Vec<Cell>,
}

impl Row {
    fn calls(&self) -> usize {
        self.cells.iter().map(|cell| cell.calls).sum()
    }
}

/// Calls by principal and time.
#[derive(Debug)]
pub struct Timeline {
    from: Timestamp,
    to: Timestamp,
    rows: Vec<Row>,
}

impl Timeline {
    /// The calls of `lines` in `columns` stretches of time. `None` where there are none.
    pub fn of(lines: &[Line], columns: usize) -> Option<Self> {
        let timed: Vec<(Timestamp, &Line)> = lines.iter().filter_map(|line| Some((line.at()?, line))).collect();
        let from = timed.iter().map(|(at, _)| *at).min()?;
        let to = timed.iter().map(|(at, _)| *at).max()?;
        let columns = columns.max(1);
        let width = (to.since(from).as_micros() / columns as u128 + 1).max(1);
        let mut by_label: BTreeMap<&str, Vec<Cell>> = BTreeMap::new();
        for (at, line) in &timed {
            let label = line.principal.as_deref().unwrap_or("(nobody is named)");
            let cells = by_label.entry(label).or_insert_with(|| vec![Cell::default(); columns]);
            let place = usize::try_from(at.since(from).as_micros() / width).unwrap_or(usize::MAX);
            if let Some(cell) = cells.get_mut(place.min(columns - 1)) {
                cell.count(line);
            }
        }
        let rows = by_label.into_iter().map(|(label, cells)| Row { label: shortened(label), cells }).collect();
        Some(Self { from, to, rows: most(rows) })
    }

    fn fullest(&self) -> usize {
        self.rows.iter().flat_map(|row| &row.cells).map(|cell| cell.calls).max().unwrap_or(1).max(1)
    }

    fn ends(&self) -> (String, String) {
        let text = |at: Timestamp| String::from_utf8_lossy(&utc::written(at)).into_owned();
        (text(self.from), text(self.to))
    }

    /// For a terminal. Labels are from outside: who prints this makes control characters visible.
    pub fn text(&self) -> String {
        let label = self.rows.iter().map(|row| row.label.chars().count()).max().unwrap_or_default();
        let columns = self.rows.first().map_or(0, |row| row.cells.len());
        let fullest = self.fullest();
        let mut out = String::new();
        for row in &self.rows {
            let cells: String = row.cells.iter().map(|cell| cell.drawn(fullest)).collect();
            let _ = writeln!(out, "{:<label$} │{cells}│ {}", row.label, row.calls());
        }
        let (from, to) = self.ends();
        let room = columns.saturating_sub(from.len());
        let _ = writeln!(out, "{:<label$}  {from}{to:>room$}", "");
        let _ = write!(
            out,
            "{:<label$}  ▁ to █: up to {fullest} calls; R refused, F failed, a answered while the store was away",
            ""
        );
        out
    }

    /// As a picture of its own, with what each place holds as its title.
    pub fn svg(&self) -> String {
        let (from, to) = self.ends();
        let (columns, fullest) = (self.rows.first().map_or(1, |row| row.cells.len().max(1)), self.fullest());
        let (width, height) = (LEFT + columns * PLACE + 80, TOP + self.rows.len() * ROW + 60);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n<title>Calls by principal, {from} to {to}</title>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        );
        for (place, row) in self.rows.iter().enumerate() {
            let y = TOP + place * ROW;
            let label = escaped(&row.label);
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#1f2933\">{label}</text>",
                LEFT - 10,
                y + 16
            );
            for (column, cell) in row.cells.iter().enumerate().filter(|(_, cell)| cell.calls > 0) {
                let x = LEFT + column * PLACE;
                let _ = writeln!(out, "{}", cell.rectangle(x, y, fullest));
            }
            let end = LEFT + columns * PLACE + 8;
            let _ = writeln!(out, "<text x=\"{end}\" y=\"{}\" fill=\"#52606d\">{}</text>", y + 16, row.calls());
        }
        let below = TOP + self.rows.len() * ROW + 20;
        let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{below}\" fill=\"#52606d\">{from}</text>");
        let right = LEFT + columns * PLACE;
        let _ = writeln!(out, "<text x=\"{right}\" y=\"{below}\" text-anchor=\"end\" fill=\"#52606d\">{to}</text>");
        for (place, (colour, meaning)) in COLOURS.iter().enumerate() {
            let x = LEFT + place * 170;
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"12\" width=\"12\" height=\"12\" fill=\"{colour}\"/><text x=\"{}\" y=\"23\" \
                 fill=\"#1f2933\">{meaning}</text>",
                x + 18
            );
        }
        out.push_str("</svg>\n");
        out
    }
}

/// Measures of the picture, in pixels.
const LEFT: usize = 260;
const TOP: usize = 44;
const ROW: usize = 26;
const PLACE: usize = 12;

/// Told apart by everybody: the palette of Okabe and Ito.
const COLOURS: [(&str, &str); 4] =
    [("#0072b2", "done, or not found"), ("#d55e00", "refused"), ("#000000", "failed"), ("#cc79a7", "store away")];

impl Cell {
    fn count(&mut self, line: &Line) {
        self.calls += 1;
        let is = |ending: Ending| line.outcome.as_deref() == Some(ending.name());
        self.refused += usize::from(is(Ending::Refused));
        self.failed += usize::from(is(Ending::Failed) || is(Ending::Unknown));
        self.away += usize::from(matches!(line.source.as_deref(), Some("stale-cache" | "fallback" | "journal")));
    }

    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.refused += other.refused;
        self.failed += other.failed;
        self.away += other.away;
    }

    /// The worst of it decides.
    fn drawn(&self, fullest: usize) -> char {
        match self {
            Self { calls: 0, .. } => ' ',
            Self { refused: 1.., .. } => 'R',
            Self { failed: 1.., .. } => 'F',
            Self { away: 1.., .. } => 'a',
            Self { calls, .. } => {
                let share = (calls * FULL.len()).div_ceil(fullest).saturating_sub(1);
                FULL.get(share).copied().unwrap_or('█')
            }
        }
    }

    fn rectangle(&self, x: usize, y: usize, fullest: usize) -> String {
        let worst = match self {
            Self { refused: 1.., .. } => 1,
            Self { failed: 1.., .. } => 2,
            Self { away: 1.., .. } => 3,
            _ => 0,
        };
        let colour = COLOURS.get(worst).map_or("", |(colour, _)| colour);
        let high = (self.calls * (ROW - 6)).div_ceil(fullest).max(4);
        let Self { calls, refused, failed, away } = self;
        format!(
            "<rect x=\"{x}\" y=\"{}\" width=\"{}\" height=\"{high}\" fill=\"{colour}\"><title>{calls} calls: {refused} \
             refused, {failed} failed, {away} answered while the store was away</title></rect>",
            y + ROW - 4 - high,
            PLACE - 1,
        )
    }
}

/// Those with the most calls, and one row for all others.
fn most(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| std::cmp::Reverse(row.calls()));
    if rows.len() <= MAX_ROWS {
        return rows;
    }
    let others = rows.split_off(MAX_ROWS - 1);
    let mut cells = vec![Cell::default(); others.first().map_or(0, |row| row.cells.len())];
    for row in &others {
        cells.iter_mut().zip(&row.cells).for_each(|(sum, cell)| sum.add(cell));
    }
    rows.push(Row { label: format!("{} others", others.len()), cells });
    rows
}

fn shortened(label: &str) -> String {
    let is_long = label.chars().count() > MAX_LABEL;
    if is_long { label.chars().take(MAX_LABEL - 1).chain(['…']).collect() } else { label.to_owned() }
}

/// As XML has it. Control characters and the last two of the plane are no part of XML 1.0 (2.2).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            control if control.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(time: &str, principal: &str, outcome: &str, source: &str) -> Line {
        let some = |text: &str| Some(text.to_owned());
        Line {
            time: time.to_owned(),
            principal: some(principal),
            outcome: some(outcome),
            source: some(source),
            ..Line::default()
        }
    }

    fn calls() -> Vec<Line> {
        vec![
            call("2026-11-22T00:00:00.000Z", "billing", "ok", "store"),
            call("2026-11-22T00:00:00.000Z", "billing", "ok", "cache"),
            call("2026-11-22T05:00:00.000Z", "billing", "refused", "store"),
            call("2026-11-22T10:00:00.000Z", "<eve>&\u{1b}\u{ffff}", "failed", "store"),
            call("2026-11-22T10:00:00.000Z", "billing", "ok", "fallback"),
        ]
    }

    #[test]
    fn each_call_stands_at_its_time_and_the_worst_is_seen() {
        let text = Timeline::of(&calls(), 11).unwrap().text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "billing  │█    R    a│ 4");
        assert_eq!(lines[1].replace('\u{1b}', "?"), "<eve>&?\u{ffff} │          F│ 1");
        assert!(Timeline::of(&[], 11).is_none());
    }

    #[test]
    fn a_picture_is_well_formed_whatever_the_labels_are() {
        let svg = Timeline::of(&calls(), 11).unwrap().svg();
        assert!(svg.contains("&lt;eve&gt;&amp;\u{fffd}\u{fffd}") && !svg.contains("<eve>"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 1 + 4 + COLOURS.len());
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn many_principals_are_drawn_as_the_busiest_and_the_others() {
        let many: Vec<Line> = (0..50)
            .flat_map(|who| vec![call("2026-11-22T00:00:00Z", &format!("p{who:02}"), "ok", "store"); who + 1])
            .collect();
        let text = Timeline::of(&many, 4).unwrap().text();
        assert!(text.starts_with("p49 ") && text.contains("31 others"), "{text}");
        assert_eq!(text.lines().count(), MAX_ROWS + 2);
    }
}
