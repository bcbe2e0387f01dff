//! A canary in every column: no summary, error or `Debug` shows it.

use tokenvault::error::Error;
use tokenvault::export::{CsvFormat, to_csv};
use tokenvault::import::{Ids, ImportOptions, csv, sqlite};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;

use crate::{KEEP, NODE, vault};

const CANARY: &str = "cAnArY";

fn assert_silent(text: &str) {
    assert!(!text.contains(CANARY), "{text}");
}

fn assert_error_silent(error: &Error) {
    assert_silent(&format!("{error} {error:?} {:?}", error.hint()));
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        assert_silent(&format!("{cause} {cause:?}"));
        source = cause.source();
    }
}

/// Rows that are refused for every reason there is, and rows that are taken.
fn hostile_rows() -> Vec<u8> {
    let c = CANARY;
    let long = c.repeat(20_000);
    let rows = [
        format!("{c},{c},{c},{c},{c},{c},{c},1,{c},{c}"),
        format!("{c},other{c},{c},{c},{c},{c},{c},1,{c},{c}"),
        format!("id{c},u{c},{c},{c},,,,1,{c},{c}"),
        format!("2,u2{c},{c},{c},{c},{c},{c},{c},{c},{c}"),
        format!("3,u3{c},{c},{c},{long},{c},{c},1,{c},{c}"),
        format!("4\u{1}{c},u4{c},{c},{c},{c},{c},{c},1,{c},{c}"),
        format!("5,{c}"),
        format!("{c},{c},{c},{c},{c},{c},1,{c},{c}"),
        format!("6,\"{c},{c}"),
        format!(",{c}"),
        format!("7,u7{c},{c},{c},{c},{c},{c},17,{c},{c}"),
        format!("8,u7{c},,{c},{c}8,{c},{c},17,{c},{c}"),
        format!("9,u7{c},other{c},{c},{c}9,{c},{c},17,{c},{c}"),
    ];
    let mut bytes = format!("{NODE}\n{}\n", rows.join("\n")).into_bytes();
    bytes.extend_from_slice(format!("9,{c}\u{eb}").as_bytes().split_last().unwrap().1);
    bytes.extend_from_slice(format!(",{c},{c},{c},{c},{c},1,{c},{c}\n").as_bytes());
    bytes
}

#[tokio::test]
async fn nothing_of_a_row_is_in_a_summary_or_error() {
    let unquoted = hostile_rows();
    let python = String::from_utf8_lossy(&unquoted).replace("redirect_url", "redirect_uri");
    for bytes in [unquoted.as_slice(), python.as_bytes()] {
        let rows = csv::parse(bytes).unwrap();
        assert!(rows.refused.len() >= 3 && rows.skipped.len() == 1);
        assert_silent(&format!("{:?}", rows.refused));
        for (ids, skip_refused) in [(Ids::Keep, false), (Ids::Keep, true), (Ids::New, true)] {
            let options = ImportOptions { ids, skip_refused, ..KEEP };
            let vault = vault();
            let summary = tokenvault::import::import(&vault, &Context::new(), &rows, &options).await.unwrap();
            assert!(summary.refused.len() >= 6, "{summary:?}");
            assert_silent(&format!("{summary:?} {options:?} {vault:?}"));
            if let Err(error) = summary.check() {
                assert_error_silent(&error);
            }
        }
    }
}

#[tokio::test]
async fn nothing_of_a_file_that_is_refused_whole_is_in_its_error() {
    assert_error_silent(&csv::parse(format!("id,{CANARY}\n{CANARY}").as_bytes()).unwrap_err());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    for table in [format!("CREATE TABLE oauthtoken (id, {CANARY})"), format!("CREATE TABLE {CANARY} (id)")] {
        _ = std::fs::remove_file(&path);
        rusqlite::Connection::open(&path).unwrap().execute_batch(&table).unwrap();
        assert_error_silent(&sqlite::read(&path).unwrap_err());
    }
}

#[tokio::test]
async fn a_text_that_cannot_be_exported_is_not_quoted_in_the_error() {
    let vault = vault();
    let text = NODE.replace("redirect_url", "redirect_uri") + &format!("\n1,\"{CANARY},x\",A,s,r,,,,,\n");
    _ = tokenvault::import::import(&vault, &Context::new(), &csv::parse(text.as_bytes()).unwrap(), &KEEP)
        .await
        .unwrap();
    let tokens = vault.get_tokens(&Context::new()).await.unwrap().value;
    let error = to_csv(&tokens, CsvFormat::Node).unwrap_err();
    assert!(error.message().contains("\"1\""), "{error}");
    assert_error_silent(&error);
}
