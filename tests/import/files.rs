//! Databases other than the sample, and files that cannot be taken.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;
use tokenvault::error::{Error, ErrorKind};
use tokenvault::fields::Field;
use tokenvault::import::sqlite;

const TABLE: &str = "CREATE TABLE oauthtoken (id varchar(10) primary key, user_name varchar(255), client_id varchar(255), \
    client_secret varchar(255), refresh_token varchar(255), access_token varchar(255), grant_token varchar(255), \
    expiry_time varchar(20), redirect_url varchar(255), api_domain varchar(255));";

fn database(statements: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("to?kens %41.db");
    Connection::open(&path).unwrap().execute_batch(statements).unwrap();
    (folder, path)
}

fn error(path: &Path) -> Error {
    sqlite::read(path).unwrap_err()
}

fn names(folder: &TempDir) -> usize {
    folder.path().read_dir().unwrap().count()
}

#[test]
fn whole_numbers_are_texts_and_null_is_absent() {
    let (_folder, path) = database(
        "CREATE TABLE oauthtoken (id INTEGER PRIMARY KEY, user_name, client_id, client_secret, refresh_token, \
         access_token, grant_token, expiry_time INTEGER, redirect_url, api_domain);
         INSERT INTO oauthtoken VALUES (7, NULL, '', 's', 'r', 'a', NULL, 1795311652321, NULL, NULL);",
    );
    let rows = sqlite::read(&path).unwrap();
    let row = &rows.rows[0];
    assert_eq!((&*row.id, row.fields.text(Field::ExpiresIn)), ("7", Some("1795311652321")));
    assert_eq!(row.fields.present().count(), 4);
}

#[test]
fn rows_that_are_no_text_are_refused_and_rows_without_an_id_skipped() {
    let (_folder, path) = database(&format!(
        "{TABLE} INSERT INTO oauthtoken (id, access_token, expiry_time) VALUES
         ('1', x'00', NULL), ('2', 'a', 1.5e300), ('3', CAST(x'ff' AS TEXT), NULL), ('', 'a', NULL), (NULL, 'a', NULL), ('6', 'a', NULL);"
    ));
    let path = path.as_path();
    Connection::open(path).unwrap().execute("UPDATE oauthtoken SET expiry_time = x'01' WHERE id = '2'", []).unwrap();
    let rows = sqlite::read(path).unwrap();
    assert_eq!(rows.refused.iter().map(|refusal| refusal.line).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((rows.skipped, rows.rows.len(), rows.rows[0].line), (vec![4, 5], 1, 6));
}

#[test]
fn what_is_not_such_a_database_is_named() {
    let (folder, path) = database("CREATE TABLE other (id)");
    let found = error(&path);
    assert!(found.message().contains("no table oauthtoken"), "{found}");
    let (_folder, path) = database("CREATE TABLE oauthtoken (id, user_name)");
    assert!(error(&path).message().contains("no column client_id"));
    for text in ["", "id,user_name\n", &"x".repeat(5000)] {
        let path = folder.path().join("text");
        std::fs::File::create(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
            .unwrap();
        let found = error(&path);
        assert!(found.message().contains("not an SQLite database"), "{found}");
        assert_eq!(found.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(error(&folder.path().join("missing")).kind(), ErrorKind::NotFound);
    assert!(error(folder.path()).message().contains("is a directory"));
    assert!(!folder.path().join("missing").exists(), "reading makes no database");
}

#[test]
fn a_damaged_database_is_an_error_and_not_fewer_rows() {
    let row = "INSERT INTO oauthtoken (id, access_token) VALUES (hex(randomblob(20)), hex(randomblob(400)));";
    let (_folder, path) = database(&format!("{TABLE} BEGIN; {} COMMIT;", row.repeat(200)));
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xFF);
    std::fs::File::create(&path).and_then(|mut file| std::io::Write::write_all(&mut file, &bytes)).unwrap();
    assert_eq!(error(&path).kind(), ErrorKind::InvalidInput);
}

#[test]
fn nothing_is_left_beside_the_database() {
    for mode in ["DELETE", "WAL"] {
        let insert = "INSERT INTO oauthtoken (id, access_token) VALUES ('1', 'a');";
        let (folder, path) = database(&format!("PRAGMA journal_mode = {mode}; {TABLE} {insert}"));
        assert_eq!(names(&folder), 1);
        let before = std::fs::read(&path).unwrap();
        assert_eq!(sqlite::read(&path).unwrap().rows.len(), 1, "{mode}");
        assert_eq!((names(&folder), std::fs::read(&path).unwrap() == before), (1, true), "{mode}");
    }
}

#[test]
fn what_lies_in_the_write_ahead_log_of_an_open_database_is_seen() {
    let (_folder, path) = database(&format!("PRAGMA journal_mode = WAL; {TABLE}"));
    let open = Connection::open(&path).unwrap();
    open.execute("INSERT INTO oauthtoken (id, access_token) VALUES ('1', 'a')", []).unwrap();
    assert_eq!(sqlite::read(&path).unwrap().rows.len(), 1);
}

#[test]
fn an_unfinished_transaction_is_not_read_past() {
    let (folder, path) = database(&format!("{TABLE} INSERT INTO oauthtoken (id, access_token) VALUES ('1', 'old');"));
    let open = Connection::open(&path).unwrap();
    // Everything is spilled to the file before the commit, then file and journal are taken as a crash leaves them.
    open.execute_batch(
        "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN; UPDATE oauthtoken SET access_token = 'new';",
    )
    .unwrap();
    open.execute_batch(
        &"INSERT INTO oauthtoken (id, access_token) VALUES (hex(randomblob(9)), hex(randomblob(900)));".repeat(50),
    )
    .unwrap();
    let crashed = folder.path().join("crashed.db");
    std::fs::copy(&path, &crashed).unwrap();
    let journal = |path: &Path| PathBuf::from(format!("{}-journal", path.display()));
    std::fs::copy(journal(&path), journal(&crashed)).unwrap();
    let found = error(&crashed);
    assert!(found.message().contains("unfinished transaction"), "{found}");
    assert!(journal(&crashed).exists(), "it is not ours to finish");
}
