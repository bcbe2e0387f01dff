//! Cutting the bytes of a CSV file into rows and cells, without a copy.

use std::ops::Deref;

use memchr::{memchr, memchr_iter, memchr3};
use zeroize::Zeroizing;

use crate::intake::MAX_TEXT;

/// The cells of a row that are looked at; further ones are only counted.
const MAX_CELLS: usize = 10;

/// The longest cell between quotes: every quote in it is doubled. Bounds how far an unclosed quote is followed.
const MAX_QUOTED: usize = 2 * MAX_TEXT + 2;

const UNCLOSED: &str = "a quote is opened and not properly closed";
const STRAY_RETURN: &str = "a carriage return stands outside quotes";

/// How a file's rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Python: a cell with a comma, quote or line break stands between quotes, and quotes in it are doubled.
    Quoted,
    /// Node and TypeScript: every byte but comma and line break stands for itself.
    Unquoted,
}

/// One cell, as it stands in the file.
#[derive(Clone, Copy)]
pub(super) enum Cell<'a> {
    Plain(&'a [u8]),
    /// What stood between quotes, with its quotes doubled.
    Quoted(&'a [u8]),
}

impl Cell<'_> {
    pub(super) fn is_empty(&self) -> bool {
        let (Self::Plain(bytes) | Self::Quoted(bytes)) = self;
        bytes.is_empty()
    }

    /// The text's bytes.
    pub(super) fn bytes(&self) -> CellBytes<'_> {
        match self {
            Self::Quoted(bytes) if memchr(b'"', bytes).is_some() => CellBytes::Undoubled(undouble(bytes)),
            Self::Plain(bytes) | Self::Quoted(bytes) => CellBytes::AsTheyStand(bytes),
        }
    }
}

/// The bytes of a cell's text.
pub(super) enum CellBytes<'a> {
    AsTheyStand(&'a [u8]),
    Undoubled(Zeroizing<Vec<u8>>),
}

impl Deref for CellBytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::AsTheyStand(bytes) => bytes,
            Self::Undoubled(bytes) => bytes,
        }
    }
}

fn undouble(quoted: &[u8]) -> Zeroizing<Vec<u8>> {
    // Never longer than what it is made from, so it never grows and leaves no copy.
    let mut out = Zeroizing::new(Vec::with_capacity(quoted.len()));
    let mut bytes = quoted.iter();
    while let Some(byte) = bytes.next() {
        out.push(*byte);
        if *byte == b'"' {
            bytes.next();
        }
    }
    out
}

/// The cells of one row.
pub(super) struct Cells<'a> {
    cells: [Cell<'a>; MAX_CELLS],
    count: usize,
}

impl<'a> Cells<'a> {
    fn none() -> Self {
        Self { cells: [Cell::Plain(&[]); MAX_CELLS], count: 0 }
    }

    fn push(&mut self, cell: Cell<'a>) {
        if let Some(place) = self.cells.get_mut(self.count) {
            *place = cell;
        }
        self.count += 1;
    }

    /// How many there are, also beyond those that are kept.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn first(&self) -> Option<&Cell<'a>> {
        self.iter().next()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Cell<'a>> {
        self.cells.iter().take(self.count)
    }

    pub(super) fn is_blank(&self) -> bool {
        self.count == 1 && matches!(self.first(), Some(Cell::Plain([])))
    }
}

/// Goes through the rows: the line that each starts on, and its cells or why it has none.
pub(super) struct Scanner<'a> {
    dialect: Dialect,
    rest: &'a [u8],
    line: usize,
}

impl<'a> Scanner<'a> {
    /// Over `rest`, whose first line has the number `line`.
    pub(super) fn new(dialect: Dialect, rest: &'a [u8], line: usize) -> Self {
        Self { dialect, rest, line }
    }

    /// Takes the first `length` bytes, and counts their lines.
    fn advance(&mut self, length: usize) {
        let (head, tail) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.line += memchr_iter(b'\n', head).count();
        self.rest = tail;
    }
}

impl<'a> Iterator for Scanner<'a> {
    type Item = (usize, Result<Cells<'a>, &'static str>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let one_line = memchr(b'\n', self.rest).map_or(self.rest.len(), |at| at + 1);
        let scanned = match self.dialect {
            Dialect::Unquoted => Ok((unquoted_row(self.rest.get(..one_line).unwrap_or_default()), one_line)),
            Dialect::Quoted => quoted_row(self.rest),
        };
        // After a row that is not whole, the next line may be one that is.
        self.advance(scanned.as_ref().map_or(one_line, |(_, length)| *length));
        Some((line, scanned.map(|(cells, _)| cells)))
    }
}

fn unquoted_row(line: &[u8]) -> Cells<'_> {
    let mut cells = Cells::none();
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    // A Windows line end, or several: not part of the last cell.
    let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |at| at + 1);
    let line = line.get(..end).unwrap_or_default();
    let mut start = 0;
    for comma in memchr_iter(b',', line).chain([line.len()]) {
        cells.push(Cell::Plain(line.get(start..comma).unwrap_or_default()));
        start = comma + 1;
    }
    cells
}

/// The row's cells and its length, with the line end.
fn quoted_row(text: &[u8]) -> Result<(Cells<'_>, usize), &'static str> {
    let mut cells = Cells::none();
    let mut at = 0;
    loop {
        let (cell, length) = quoted_cell(text.get(at..).unwrap_or_default())?;
        cells.push(cell);
        at += length;
        let behind = text.get(at..).unwrap_or_default();
        if behind.starts_with(b",") {
            at += 1;
            continue;
        }
        let returns = behind.iter().take_while(|byte| **byte == b'\r').count();
        return match behind.get(returns) {
            None => Ok((cells, at + returns)),
            Some(b'\n') => Ok((cells, at + returns + 1)),
            Some(_) if returns > 0 => Err(STRAY_RETURN),
            Some(_) => Err(UNCLOSED),
        };
    }
}

/// The first cell of `text`, and how many bytes it takes, quotes included.
fn quoted_cell(text: &[u8]) -> Result<(Cell<'_>, usize), &'static str> {
    let Some(inner) = text.strip_prefix(b"\"") else {
        let end = memchr3(b',', b'\n', b'\r', text).unwrap_or(text.len());
        return Ok((Cell::Plain(text.get(..end).unwrap_or_default()), end));
    };
    let mut bytes = inner.iter().enumerate().take(MAX_QUOTED).filter(|(_, byte)| **byte == b'"').map(|(at, _)| at);
    while let Some(at) = bytes.next() {
        if inner.get(at + 1) != Some(&b'"') {
            return Ok((Cell::Quoted(inner.get(..at).unwrap_or_default()), at + 2));
        }
        bytes.next();
    }
    Err(UNCLOSED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(dialect: Dialect, text: &str) -> Vec<(usize, Result<Vec<String>, &'static str>)> {
        let texts =
            |cells: Cells<'_>| cells.iter().map(|cell| String::from_utf8(cell.bytes().to_vec()).unwrap()).collect();
        Scanner::new(dialect, text.as_bytes(), 1).map(|(line, cells)| (line, cells.map(texts))).collect()
    }

    fn row<const N: usize>(line: usize, cells: [&str; N]) -> (usize, Result<Vec<String>, &'static str>) {
        (line, Ok(cells.map(str::to_owned).to_vec()))
    }

    #[test]
    fn quotes_enclose_commas_quotes_and_line_breaks() {
        let text = "1,\"a,\"\"b\"\"\"\r\n2,\"x\r\ny\nz\"\r\n3,\"\"\n4,\"\"\"\",\"r\r\"";
        let expected =
            [row(1, ["1", "a,\"b\""]), row(2, ["2", "x\r\ny\nz"]), row(5, ["3", ""]), row(6, ["4", "\"", "r\r"])];
        assert_eq!(scan(Dialect::Quoted, text), expected);
    }

    #[test]
    fn without_quoting_a_quote_is_a_quote() {
        let text = "1,\"a,b\"\n2,c\rd\r\n3,\r\r";
        assert_eq!(
            scan(Dialect::Unquoted, text),
            [row(1, ["1", "\"a", "b\""]), row(2, ["2", "c\rd"]), row(3, ["3", ""])]
        );
    }

    #[test]
    fn an_unclosed_quote_costs_its_own_line_only() {
        let text = "1,\"open\n2,b\n3,\"c\"d\n4,e";
        let expected = [(1, Err(UNCLOSED)), row(2, ["2", "b"]), (3, Err(UNCLOSED)), row(4, ["4", "e"])];
        assert_eq!(scan(Dialect::Quoted, text), expected);
    }

    #[test]
    fn an_unclosed_quote_is_followed_for_a_bounded_stretch() {
        let long = "x".repeat(2 * MAX_QUOTED);
        assert_eq!(scan(Dialect::Quoted, &format!("1,\"{long}\"\n"))[0], (1, Err(UNCLOSED)));
        let longest = "\"\"".repeat(MAX_TEXT);
        assert_eq!(scan(Dialect::Quoted, &format!("1,\"{longest}\"\n")), [row(1, ["1", &"\"".repeat(MAX_TEXT)])]);
    }

    #[test]
    fn a_carriage_return_within_a_quoted_row_is_refused_and_at_its_end_stripped() {
        let text = "1,a\rb\n2,c\r\r\n3,d\r";
        let expected = [(1, Err(STRAY_RETURN)), row(2, ["2", "c"]), row(3, ["3", "d"])];
        assert_eq!(scan(Dialect::Quoted, text), expected);
    }

    #[test]
    fn further_cells_are_counted_and_not_kept() {
        let text = ",".repeat(1_000_000);
        let (_, cells) = Scanner::new(Dialect::Quoted, text.as_bytes(), 1).next().unwrap();
        let cells = cells.unwrap();
        assert_eq!((cells.count(), cells.iter().count()), (1_000_001, MAX_CELLS));
    }
}
