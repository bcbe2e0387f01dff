//! What comes in and goes out: export, import from files and databases, copies.

use std::os::unix::fs::PermissionsExt;

use rusqlite::{Connection, params_from_iter};
use tokenvault::fields::Field;

use crate::command_line::Shell;
use crate::write;

pub(crate) fn in_and_out(shell: &Shell) {
    shell.refused(&["export", "--format-of", "python"], "");
    shell.shown(&["export", "--format-of", "python", "--reveal"], "");
    shell.done(&["export", "--format-of", "python", "--reveal", "--to", "tokens.csv"], "");
    shell.refused(&["export", "--format-of", "python", "--reveal", "--to", "tokens.csv"], "");
    for args in [&["--dry-run"][..], &[], &["--ids", "new"]] {
        shell.done(&[&["import", "--from", "tokens.csv"], args].concat(), "");
        shell.done(&[&["--format", "json", "import", "--from", "tokens.csv"], args].concat(), "");
    }
    let whole = std::fs::read_to_string(shell.path("tokens.csv")).unwrap();
    let (header, row) = whole.split_once("\r\n").unwrap();
    let secret = shell.text(Field::AccessToken);
    for text in [
        row.to_owned(),
        format!("{header}\r\n1,{secret}"),
        format!("{header}\r\n\"{secret}"),
        format!("{header}\r\n{}", row.replacen(',', &format!(",{secret},"), 1)),
        format!("{header}\r\n{}", row.replacen(shell.text(Field::ExpiresIn), secret, 1)),
    ] {
        write(&shell.path("broken.csv"), text.as_bytes());
        shell.refused(&["import", "--from", "broken.csv"], "");
        shell.refused(&["--format", "json", "import", "--from", "broken.csv"], "");
    }
    write(&shell.path("no.db"), secret.repeat(1000).as_bytes());
    shell.refused(&["import", "--from", "sqlite:no.db"], "");
}

pub(crate) fn from_a_database(shell: &Shell, id: &str) {
    let columns = "id,user_name,client_id,client_secret,refresh_token,access_token,grant_token,expiry_time,redirect_url,api_domain";
    let database = Connection::open(shell.path("tokens.db")).unwrap();
    database.execute_batch(&format!("CREATE TABLE oauthtoken ({columns});")).unwrap();
    let fields = [
        Field::UserName,
        Field::ClientId,
        Field::ClientSecret,
        Field::RefreshToken,
        Field::AccessToken,
        Field::GrantToken,
        Field::ExpiresIn,
        Field::RedirectUrl,
        Field::ApiDomain,
    ];
    let row = [id].into_iter().chain(fields.map(|field| shell.text(field)));
    database.execute("INSERT INTO oauthtoken VALUES (?,?,?,?,?,?,?,?,?,?)", params_from_iter(row)).unwrap();
    drop(database);
    std::fs::set_permissions(shell.path("tokens.db"), std::fs::Permissions::from_mode(0o600)).unwrap();
    for args in [&["--dry-run"][..], &[], &["--overwrite"], &["--ids", "new"]] {
        let args = [&["import", "--from", "sqlite:tokens.db"], args].concat();
        shell.done(&args, "");
        shell.done(&[&["--format", "json"], &args[..]].concat(), "");
    }
    let fresh = ["--store", "file:imported.tv", "--key-file", "imported.key"];
    shell.done(&[&fresh[..], &["init", "--make-key-file"]].concat(), "");
    let imported = shell.done(&[&fresh[..], &["import", "--from", "sqlite:tokens.db"]].concat(), "");
    assert!(String::from_utf8_lossy(&imported.stdout).contains("1 new"), "{imported:?}");
    shell.shown(&[&fresh[..], &["get", id, "--field", "refresh_token"]].concat(), "");
}

pub(crate) fn copied(shell: &Shell) {
    shell.done(&["--store", "file:copied.tv", "--key-file", "copied.key", "init", "--make-key-file"], "");
    let copy = ["copy", "--from", "file:vault.tv", "--to", "file:copied.tv", "--to-key-file"];
    for args in [&["--dry-run"][..], &[], &[]] {
        let args = [&copy[..], &["copied.key"], args].concat();
        shell.done(&args, "");
        shell.done(&[&["--format", "json"], &args[..]].concat(), "");
    }
    shell.refused(&[&copy[..], &["imported.key"]].concat(), "");
    shell.shown(&["--store", "file:copied.tv", "--key-file", "copied.key", "list", "--reveal"], "");
}
