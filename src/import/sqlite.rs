//! The table `oauthtoken` of an SQLite database, as the token store of Zoho's article on custom persistence makes it.
//!
//! # Security
//! The memory that SQLite reads pages into is its own, and is not wiped.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{Error, ErrorKind, Result};
use crate::fields::Fields;
use crate::import::input;
use crate::import::row::{FIELD_COLUMNS, Refusal, Row, Rows};
use crate::secret::SecretText;

const TABLE: &str = "oauthtoken";

const COLUMNS: [&str; 10] = [
    "id",
    "user_name",
    "client_id",
    "client_secret",
    "refresh_token",
    "access_token",
    "grant_token",
    "expiry_time",
    "redirect_url",
    "api_domain",
];

const NOT_TEXT: &str = "a value in the row is neither text nor a whole number";
const NOT_UTF8: &str = "a text in the row is not UTF-8";

/// Reads the table of the database at `path`, in the order in which its rows were made. The database is not written
/// to, and nothing is left beside it.
///
/// # Errors
/// `InvalidInput` where the file is not an SQLite database or has no such table; `Busy` where another program holds
/// it; and where it cannot be read.
pub fn read(path: &Path) -> Result<Rows> {
    let connection = open(path)?;
    check_table(path, &connection)?;
    let query = format!("SELECT {} FROM {TABLE} ORDER BY rowid", COLUMNS.join(", "));
    let mut statement = connection.prepare(&query).map_err(|cause| unusable(path, cause))?;
    let mut found = statement.query([]).map_err(|cause| unusable(path, cause))?;
    let mut rows = Rows::default();
    for line in 1.. {
        let Some(values) = found.next().map_err(|cause| unusable(path, cause))? else {
            break;
        };
        match row(line, values) {
            Ok(Some(row)) => rows.rows.push(row),
            Ok(None) => rows.skipped.push(line),
            Err(reason) => rows.refused.push(Refusal::new(line, reason)),
        }
    }
    Ok(rows)
}

fn check_table(path: &Path, connection: &Connection) -> Result<()> {
    let hint = "name the database that the SDK's custom token store writes";
    if !connection.table_exists(None::<&str>, TABLE).map_err(|cause| unusable(path, cause))? {
        return Err(Error::invalid(format!("{} has no table {TABLE}", path.display())).with_hint(hint));
    }
    for column in COLUMNS {
        if !connection.column_exists(None::<&str>, TABLE, column).map_err(|cause| unusable(path, cause))? {
            let message = format!("the table {TABLE} in {} has no column {column}", path.display());
            return Err(Error::invalid(message).with_hint(hint));
        }
    }
    Ok(())
}

/// `None` for a row without an id.
fn row(line: usize, values: &rusqlite::Row<'_>) -> Result<Option<Row>, &'static str> {
    let text = |column| text(values.get_ref(column).map_err(|_| NOT_TEXT)?);
    let Some(id) = text(0)?.filter(|id| !id.expose().is_empty()) else {
        return Ok(None);
    };
    let mut fields = Fields::new();
    for (column, field) in (1..).zip(FIELD_COLUMNS) {
        fields.set(field, text(column)?);
    }
    Ok(Some(Row { line, id: Arc::from(id.expose()), fields: Arc::new(fields) }))
}

fn text(value: ValueRef<'_>) -> Result<Option<SecretText>, &'static str> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(number) => Ok(Some(SecretText::new(&number.to_string()))),
        ValueRef::Text(bytes) => {
            std::str::from_utf8(bytes).map(|text| Some(SecretText::new(text))).map_err(|_| NOT_UTF8)
        }
        ValueRef::Real(_) | ValueRef::Blob(_) => Err(NOT_TEXT),
    }
}

fn open(path: &Path) -> Result<Connection> {
    input::size(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = if is_write_ahead(path)? && !beside(path, "-wal").exists() {
        // Even a reader leaves files beside a database in this mode, unless it is told that nobody writes. Nobody
        // does: whoever has it open keeps the -wal file.
        Connection::open_with_flags(immutable_uri(path), flags | OpenFlags::SQLITE_OPEN_URI)
    } else {
        Connection::open_with_flags(path, flags)
    };
    opened.map_err(|cause| unusable(path, cause))
}

/// Whether the database is in write-ahead mode: its header says so.
fn is_write_ahead(path: &Path) -> Result<bool> {
    let mut header = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Ok(()) => Ok(header.starts_with(b"SQLite format 3\0") && header.ends_with(&[2, 2])),
        Err(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => Err(not_a_database(path)),
        Err(cause) => Err(input::unreadable(path, cause)),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            // Writing to a String cannot fail.
            byte => _ = write!(uri, "%{byte:02X}"),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

fn not_a_database(path: &Path) -> Error {
    let hint = match input::is_sql_text(path) {
        true => input::OF_SQL_TEXT,
        false => "name the database that the SDK's custom token store writes; a CSV file is named without sqlite:",
    };
    Error::invalid(format!("{} is not an SQLite database", path.display())).with_hint(hint)
}

fn unusable(path: &Path, cause: rusqlite::Error) -> Error {
    match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => not_a_database(path),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::new(ErrorKind::Busy, format!("another program is writing to {}", path.display()))
                .with_hint("try again in a moment, or stop that program")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            Error::invalid(format!("{} holds an unfinished transaction, or is not ours to open", path.display()))
                .with_hint("open it once with the program that writes it, close that, and import again")
        }
        _ => Error::invalid(format!("{} cannot be read as an SQLite database", path.display()))
            .with_hint("check it with PRAGMA integrity_check, or import a sound copy"),
    }
}
