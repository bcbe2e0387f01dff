//! Every file that the SDKs themselves have written.

use std::path::PathBuf;

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::import::row::{Row, Rows};
use tokenvault::import::{ImportOptions, csv, sqlite};
use tokenvault::operation::Context;

use crate::{KEEP, by_id, field, vault};

const PLAIN: [&str; 4] = [
    "1|alice@example.com:100|1000.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA|fakesecretA0123456789abcdef0123456789abcdef|1000.fake-r-alice|1000.fake-a-alice|1000.fake-g-alice|1795311652321|https://app.example.com/cb|https://www.zohoapis.com",
    "2|bob@example.com:200|1000.BBBBBBBBBBBBBBBBBBBBBBBBBBBBBB|fakesecretB0123456789abcdef0123456789abcdef|1000.fake-r-bob|1000.fake-a-bob||1795311652999||https://www.zohoapis.eu",
    "3||1000.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA|fakesecretA0123456789abcdef0123456789abcdef|1000.fake-r-nouser|||||",
    "4|||||1000.fake-a-only||||",
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/sdk").join(name)
}

fn read(name: &str) -> Rows {
    csv::read(&path(name)).unwrap()
}

fn text(row: &Row) -> String {
    use Field::{
        AccessToken, ApiDomain, ClientId, ClientSecret, ExpiresIn, GrantToken, RedirectUrl, RefreshToken, UserName,
    };
    let columns =
        [UserName, ClientId, ClientSecret, RefreshToken, AccessToken, GrantToken, ExpiresIn, RedirectUrl, ApiDomain];
    let texts = columns.map(|field| row.fields.text(field).unwrap_or_default().to_owned());
    format!("{}|{}", row.id, texts.join("|"))
}

fn texts(rows: &Rows) -> Vec<String> {
    rows.rows.iter().map(text).collect()
}

fn lines(rows: &Rows) -> Vec<usize> {
    rows.rows.iter().map(|row| row.line).collect()
}

#[test]
fn the_plain_files_of_all_sdks_say_the_same() {
    for name in ["python7_filestore_plain.csv", "node2_filestore_plain.txt", "typescript3_filestore_plain.txt"] {
        let rows = read(name);
        assert_eq!((texts(&rows), lines(&rows)), (PLAIN.map(str::to_owned).to_vec(), vec![2, 3, 4, 5]), "{name}");
        assert!(rows.refused.is_empty() && rows.skipped.is_empty(), "{name}");
    }
}

#[test]
fn the_seeds_database_says_what_the_files_say() {
    let rows = sqlite::read(&path("kaizen_sqlite_zohooauth.db")).unwrap();
    assert_eq!((texts(&rows), lines(&rows)), (PLAIN.map(str::to_owned).to_vec(), vec![1, 2, 3, 4]));
}

#[test]
fn files_without_tokens_are_fine() {
    for name in ["python7_filestore_empty.csv", "python7_filestore_after_delete_all.csv", "node2_filestore_empty.txt"] {
        let rows = read(name);
        assert!(rows.rows.is_empty() && rows.refused.is_empty() && rows.skipped.is_empty(), "{name}");
    }
    assert_eq!(texts(&read("python7_filestore_after_delete_one.csv")), [PLAIN[0], PLAIN[2], PLAIN[3]]);
}

#[test]
fn older_files_and_what_upgrades_make_of_them() {
    let legacy = "1|alice@example.com|1000.A|sec|1000.r|1000.a||1690000000000|https://app/cb|";
    for name in ["legacy_9col_before.csv", "legacy_9col_after_python7_open.csv", "legacy_9col_after_node2_open.txt"] {
        let rows = read(name);
        assert_eq!((texts(&rows), rows.refused.len()), (vec![legacy.to_owned()], 0), "{name}");
        let phantom: &[usize] = if name.contains("node2") { &[3] } else { &[] };
        assert_eq!(rows.skipped, phantom, "{name}");
    }
}

#[test]
fn a_file_that_two_sdks_wrote_keeps_no_carriage_return() {
    let rows = read("python7_file_then_saved_by_node2.txt");
    assert_eq!(texts(&rows), [&PLAIN[0].replace("1000.fake-a-alice", "NEW"), PLAIN[1], PLAIN[2], PLAIN[3]]);
}

#[test]
fn pythons_quoting_is_undone() {
    let rows = read("python7_filestore_hostile.csv");
    assert!(rows.refused.is_empty());
    assert_eq!(lines(&rows), [2, 3, 4, 5, 6, 7, 8, 9, 11, 12], "a line break in a text counts");
    let user = |at: usize| rows.rows[at].fields.text(Field::UserName).unwrap();
    assert_eq!((user(4), user(5), user(6)), ("comma,name \"q\" @example.com", "o'brien@example.com", "Zoë 用户 😀"));
    assert_eq!((user(7), user(8)), ("line1\nline2", " lead-and-trail "));
    let row = &rows.rows[4].fields;
    assert_eq!(
        (row.text(Field::RefreshToken), row.text(Field::AccessToken)),
        (Some("r,with,commas"), Some("a\"quote\""))
    );
    assert_eq!(rows.rows[9].fields.text(Field::RefreshToken), Some(&*"L".repeat(3000)));
}

#[tokio::test]
async fn rows_that_node_destroyed_are_refused_and_stop_the_import() {
    let rows = read("node2_filestore_hostile_CORRUPT.txt");
    assert_eq!(rows.refused.iter().map(|refusal| refusal.line).collect::<Vec<_>>(), [6, 8, 9]);
    assert_eq!(rows.rows.len(), 5);
    let vault = vault();
    let summary = tokenvault::import::import(&vault, &Context::new(), &rows, &KEEP).await.unwrap();
    crate::assert_stopped(&summary);
    assert!(by_id(&vault, "1").await.is_none());
    let skip = ImportOptions { skip_refused: true, ..KEEP };
    let summary = tokenvault::import::import(&vault, &Context::new(), &rows, &skip).await.unwrap();
    assert_eq!((summary.new, summary.refused.len()), (vec![2, 3, 4, 5, 7], 3));
    assert_eq!(field(&vault, "6", Field::UserName).await.as_deref(), Some("Zoë 用户 😀"));
}

#[test]
fn sql_text_is_not_a_token_file() {
    for name in ["python7_dbstore_mariadb_dump.sql", "kaizen_sqlite_dump.sql", "kaizen_sqlite_zohooauth.db"] {
        assert_eq!(csv::read(&path(name)).unwrap_err().kind(), ErrorKind::InvalidInput, "{name}");
    }
}
