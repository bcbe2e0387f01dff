//! The CSV files of the SDKs' file stores, in both dialects.
//!
//! A parser of our own, because the buffers of the csv crate are not wiped, and because half of these files are not
//! CSV: the SDKs for Node and TypeScript quote nothing, so that a quote is a quote and a text with a comma or a line
//! break has already destroyed its row.
//!
//! Columns count by position; their names tell only that this is such a file, and which dialect it is in.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::fields::{Field, Fields};
use crate::import::input;
use crate::import::row::{FIELD_COLUMNS, Refusal, Row, Rows};
use crate::import::scan::{CellBytes, Cells, Dialect, Scanner};

/// The names of each column: Python, Node and TypeScript differ. Files of older SDKs lack the last column.
const COLUMN_NAMES: [&[&str]; 10] = [
    &["id"],
    &["user_name", "user_mail"],
    &["client_id"],
    &["client_secret"],
    &["refresh_token"],
    &["access_token"],
    &["grant_token"],
    &["expiry_time"],
    &["redirect_url", "redirect_uri"],
    &["api_domain"],
];

const MIN_COLUMNS: usize = 9;

const WRONG_COUNT: &str = "the row does not have the file's 9 or 10 fields; the SDKs for Node and TypeScript destroy a row \
                           that has a comma or a line break in a text";
const CONTINUATION: &str = "the row is one field short and follows a broken row: it is likely the rest of that one";
const SHIFTED: &str = "the row's columns are shifted: a number stands where the redirect address belongs";
const NOT_UTF8: &str =
    "the row is not UTF-8; convert the file, for instance with iconv -f CP1252 -t UTF-8, and import the result";

/// Reads a CSV file of one of the SDKs' file stores.
///
/// # Errors
/// As [`parse`], and where the file cannot be read.
pub fn read(path: &Path) -> Result<Rows> {
    parse(&input::read_wiped(path)?).map_err(|error| match input::is_sql_text(path) {
        true => error.with_hint(input::OF_SQL_TEXT),
        false => error,
    })
}

/// Reads the bytes of a CSV file. Rows that are not usable are in the answer, by line.
///
/// # Errors
/// `InvalidInput` where the first line is not a header that one of the SDKs writes.
///
/// # Security
/// Wiping `bytes` is the caller's business; all that is copied from them is wiped.
pub fn parse(bytes: &[u8]) -> Result<Rows> {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let (first, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
    let header = Header::parse(first)?;
    let mut rows = Rows::default();
    let mut is_after_broken = false;
    for (line, scanned) in Scanner::new(header.dialect, rest.strip_prefix(b"\n").unwrap_or(rest), 2) {
        match scanned.map_or_else(Taken::Broken, |cells| header.take(line, &cells, is_after_broken)) {
            Taken::Nothing => continue,
            Taken::Skipped => {
                rows.skipped.push(line);
                continue;
            }
            Taken::Row(row) => {
                rows.rows.push(row);
                is_after_broken = false;
            }
            Taken::Refused(reason) => {
                rows.refused.push(Refusal::new(line, reason));
                is_after_broken = false;
            }
            Taken::Broken(reason) => {
                rows.refused.push(Refusal::new(line, reason));
                is_after_broken = true;
            }
        }
    }
    Ok(rows)
}

/// What a row comes to.
enum Taken {
    /// A blank line.
    Nothing,
    /// A row without an id.
    Skipped,
    Row(Row),
    Refused(&'static str),
    /// Refused, because a text in it has taken the row apart: what follows may be a part of it.
    Broken(&'static str),
}

struct Header {
    columns: usize,
    dialect: Dialect,
}

impl Header {
    fn parse(line: &[u8]) -> Result<Self> {
        let names_end = line.strip_suffix(b"\r").unwrap_or(line);
        let names: Vec<&[u8]> = names_end.split(|byte| *byte == b',').take(COLUMN_NAMES.len() + 1).collect();
        let is_known = names.iter().zip(COLUMN_NAMES).all(|(name, known)| known.iter().any(|k| k.as_bytes() == *name));
        if !is_known || !(MIN_COLUMNS..=COLUMN_NAMES.len()).contains(&names.len()) {
            return Err(Error::invalid("the first line is not the header of an SDK's token file")
                .with_hint("name the file that the SDK's FileStore wrote, or use sqlite: for a database"));
        }
        let is_unquoted = names_end.len() == line.len() && names.get(8).is_some_and(|name| *name == b"redirect_url");
        let dialect = if is_unquoted { Dialect::Unquoted } else { Dialect::Quoted };
        Ok(Self { columns: names.len(), dialect })
    }

    fn take(&self, line: usize, cells: &Cells<'_>, is_after_broken: bool) -> Taken {
        if cells.is_blank() {
            return Taken::Nothing;
        }
        if cells.first().is_some_and(|id| id.is_empty()) {
            return Taken::Skipped;
        }
        if !(MIN_COLUMNS..=self.columns).contains(&cells.count()) {
            return Taken::Broken(WRONG_COUNT);
        }
        if is_after_broken && cells.count() < self.columns {
            return Taken::Refused(CONTINUATION);
        }
        let Some(row) = row(line, cells) else {
            return Taken::Refused(NOT_UTF8);
        };
        if self.dialect == Dialect::Unquoted && is_shifted(&row.fields) {
            return Taken::Refused(SHIFTED);
        }
        Taken::Row(row)
    }
}

/// `None` where a text is not UTF-8.
fn row(line: usize, cells: &Cells<'_>) -> Option<Row> {
    let id = Arc::from(std::str::from_utf8(&cells.first()?.bytes()).ok()?);
    let mut texts = [const { CellBytes::AsTheyStand(&[]) }; 9];
    for (field, cell) in FIELD_COLUMNS.into_iter().zip(cells.iter().skip(1)) {
        *texts.get_mut(field as usize)? = cell.bytes();
    }
    let fields = Fields::read(texts.each_ref().map(|text| &**text))?;
    Some(Row { line, id, fields: Arc::new(fields) })
}

/// Whether a comma in a text has moved the expiry one column on. The count does not tell it in a file whose header was
/// upgraded to ten columns and whose rows have nine.
fn is_shifted(fields: &Fields) -> bool {
    fields.text(Field::RedirectUrl).is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "id,user_name,client_id,client_secret,refresh_token,access_token,grant_token,expiry_time,redirect_url,api_domain";
    const PYTHON: &str = "id,user_name,client_id,client_secret,refresh_token,access_token,grant_token,expiry_time,redirect_uri,api_domain\r";

    fn lines(header: &str, rest: &str) -> Rows {
        parse(format!("{header}\n{rest}").as_bytes()).unwrap()
    }

    fn refused(rows: &Rows) -> Vec<usize> {
        rows.refused.iter().map(|refusal| refusal.line).collect()
    }

    fn users(rows: &Rows) -> Vec<&str> {
        rows.rows.iter().map(|row| row.fields.text(Field::UserName).unwrap_or("-")).collect()
    }

    #[test]
    fn only_the_sdks_headers_are_taken() {
        let nine = &NODE[..NODE.len() - ",api_domain".len()];
        let typescript = NODE.replace("user_name", "user_mail");
        for header in [NODE, PYTHON, nine, &typescript, &format!("\u{feff}{NODE}")] {
            assert!(parse(header.as_bytes()).unwrap().rows.is_empty(), "{header}");
        }
        let eight = &nine[..nine.len() - ",redirect_url".len()];
        let renamed = NODE.replace("client_secret", "secret");
        for header in ["", "\n", "1,u,c,s,r,a,g,1,x,y", eight, &renamed, &format!("{NODE},more"), &NODE[3..]] {
            assert_eq!(parse(header.as_bytes()).unwrap_err().kind(), crate::error::ErrorKind::InvalidInput, "{header}");
        }
    }

    #[test]
    fn the_header_tells_the_dialect() {
        let row = "1,\"u\",c,s,r,a,g,1,x,y\n";
        assert_eq!(users(&lines(NODE, row)), ["\"u\""]);
        assert_eq!(users(&lines(PYTHON, row)), ["u"]);
        assert_eq!(users(&lines(&format!("{NODE}\r"), row)), ["u"], "a header that ends with CR is Python's");
        assert_eq!(users(&lines(PYTHON.trim_end(), row)), ["u"], "redirect_uri is Python's, with any line end");
    }

    #[test]
    fn a_broken_row_and_its_rest_are_refused_and_the_next_is_not() {
        let rest = "1,line1\nline2,c,s,r,a,g,1,x,y\n2,u,c,s,r,a,g,1,x,y\n3,v,c,s,r,a,g,1,x\n";
        let rows = lines(NODE, rest);
        assert_eq!((refused(&rows), users(&rows)), (vec![2, 3], vec!["u", "v"]));
        assert_eq!(rows.refused[1].reason, CONTINUATION);
        let rows = lines(NODE, "1,line1\n\n,x\nline2,c,s,r,a,g,1,x,y\n2,u,c,s,r,a,g,1,x\n");
        assert_eq!((refused(&rows), users(&rows)), (vec![2, 5], vec!["u"]), "blank lines lie between");
    }

    #[test]
    fn more_fields_than_columns_are_refused() {
        let nine = &NODE[..NODE.len() - ",api_domain".len()];
        assert_eq!(refused(&lines(nine, "1,u,v,c,s,r,a,g,,x\n")), [2]);
        assert_eq!(refused(&lines(NODE, "1,u,v,c,s,r,a,g,1,x,y\n")), [2]);
    }

    #[test]
    fn a_row_that_a_comma_has_shifted_is_refused() {
        // Nine fields under a header of ten: with the comma in the user's name there are ten.
        let rows = lines(NODE, "1,u,v,client,secret,r,a,,1690000000000,x\n");
        assert_eq!(rows.refused[0].reason, SHIFTED);
        assert_eq!(lines(PYTHON, "1,u,c,s,r,a,,,123,x\r\n").rows.len(), 1, "quoted files cannot be shifted");
    }

    #[test]
    fn what_is_not_utf8_is_refused_by_line_with_a_remedy() {
        let mut bytes = format!("{PYTHON}\n1,ok,c,s,r,a,g,1,x,y\r\n2,").into_bytes();
        bytes.extend_from_slice(b"Zo\xEB,c,s,r,a,g,1,x,y\r\n3,fine,c,s,r,a,g,1,x,y\r\n");
        let rows = parse(&bytes).unwrap();
        assert_eq!((refused(&rows), users(&rows)), (vec![3], vec!["ok", "fine"]));
        assert!(rows.refused[0].reason.contains("iconv"));
    }

    #[test]
    fn rows_without_an_id_are_skipped_and_blank_lines_are_nothing() {
        let rows = lines(NODE, "\n1,u,c,s,r,a,g,1,x,y\n\r\n,\n,v,c,s,r,a,g,1,x,y\n");
        assert_eq!((rows.skipped.clone(), users(&rows), refused(&rows)), (vec![5, 6], vec!["u"], vec![]));
        assert_eq!(lines(PYTHON, "\"\",v,c,s,r,a,g,1,x,y\n").skipped, [2]);
    }

    #[test]
    fn an_empty_field_is_absent() {
        let rows = lines(PYTHON, "1,,c,\"\",r,a,,,,\r\n");
        let present: Vec<Field> = rows.rows[0].fields.present().map(|(field, _)| field).collect();
        assert_eq!(present, [Field::ClientId, Field::RefreshToken, Field::AccessToken]);
    }
}
