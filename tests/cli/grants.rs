//! The commands that ask the OAuth provider: token, login, and deletions that revoke. The provider is one of the test's own.

use std::process::Output;

use crate::at_once::run_at_once;
use crate::provider::{Provider, in_seconds};
use crate::scene::{Scene, Vault, feed};

const GRANTED: &str = r#"{"access_token":"canary-new","expires_in":3600,"api_domain":"https://www.zohoapis.eu"}"#;

fn saved(scene: &Scene, user: &str, left: i64) -> String {
    let token = format!(
        r#"{{"user_name":"{user}","client_id":"app","client_secret":"canary-secret","refresh_token":"canary-refresh of {user}",
            "access_token":"canary-old","expires_in":"{}"}}"#,
        in_seconds(left)
    );
    out(&scene.run(&["save"], token.as_bytes()))
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim_end().to_owned()
}

/// The exit code, and what was said; none of it a secret.
fn refused(output: &Output) -> (i32, String) {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!text.contains("canary"), "{text}");
    assert!(output.stdout.is_empty());
    (output.status.code().unwrap(), text)
}

#[test]
fn a_token_that_lives_is_printed_and_one_that_has_ended_is_refreshed_once() {
    let (scene, provider) = (Scene::new(Vault::KeyFile), Provider::start(GRANTED));
    let id = saved(&scene, "ada", 3000);
    let token = |which: &[&str]| scene.run(&[&["token", "--provider", &provider.url][..], which].concat(), b"");
    assert_eq!(out(&token(&[&id])), "canary-old");
    assert_eq!(provider.asked().len(), 0);
    saved(&scene, "ada", -1);
    assert_eq!(out(&token(&["--user", "ada"])), "canary-new");
    let form = "/oauth/v2/token client_id=app&client_secret=canary-secret&refresh_token=canary-refresh%20of%20ada\
                &grant_type=refresh_token";
    assert_eq!(provider.asked(), [form]);
    assert_eq!(out(&token(&[&id])), "canary-new");
    assert_eq!(provider.asked().len(), 0, "it was saved");
    assert_eq!(out(&scene.run(&["get", &id, "--field", "refresh_token"], b"")), "canary-refresh of ada");
}

#[test]
fn of_64_processes_that_ask_at_once_one_refreshes() {
    let (scene, provider) = (Scene::new(Vault::KeyFile), Provider::start(GRANTED));
    let id = saved(&scene, "ada", -1);
    let asking = || {
        let mut command = scene.command();
        command.args(["token", "--provider", &provider.url, &id]);
        command
    };
    assert_eq!(run_at_once(64, 1, asking), ["canary-new"; 64]);
    assert_eq!(provider.asked().len(), 1);
}

#[test]
fn a_provider_that_refuses_or_is_away_is_told_apart_and_nothing_is_lost() {
    let (scene, provider) = (Scene::new(Vault::KeyFile), Provider::start(GRANTED));
    for (user, status, body, code) in [
        ("ada", 200, r#"{"error":"invalid_code"}"#, 3),
        ("bob", 400, r#"{"error":"invalid_client","error_description":"canary"}"#, 3),
        ("cyd", 200, r#"{"error":"Access Denied"}"#, 4),
        ("dan", 502, "<html>canary</html>", 4),
    ] {
        provider.answers(status, body);
        let id = saved(&scene, user, -1);
        let (exit, said) = refused(&scene.run(&["token", "--provider", &provider.url, &id], b""));
        assert_eq!(exit, code, "{said}");
        let kept = out(&scene.run(&["get", &id, "--field", "refresh_token"], b""));
        assert_eq!(kept, format!("canary-refresh of {user}"));
    }
}

#[test]
fn without_a_provider_the_data_centre_of_the_token_is_asked_or_it_is_said() {
    let scene = Scene::new(Vault::KeyFile);
    let id = saved(&scene, "ada", -1);
    let (code, said) = refused(&scene.run(&["token", &id], b""));
    assert!(code == 2 && said.contains("TOKENVAULT_PROVIDER"), "{said}");
    assert_eq!(refused(&scene.run(&["token", "--provider", "http://example.com", &id], b"")).0, 2);
    assert_eq!(refused(&scene.run(&["token", "--provider", "eu", "nobody"], b"")).0, 1);
}

#[test]
fn a_login_exchanges_the_code_and_stores_what_comes_of_it() {
    let (scene, provider) = (Scene::new(Vault::KeyFile), Provider::start(GRANTED));
    provider.answers(200, r#"{"access_token":"canary-a","refresh_token":"canary-r","expires_in":3600}"#);
    scene.write("secret", b"canary-secret\n", 0o600);
    let login = ["login", "--provider", &provider.url, "--user", "ada", "--client-id", "app"];
    let (code, said) = refused(&scene.run(&login, b"1000.canary-code\n"));
    assert!(code == 2 && said.contains("--client-secret-file"), "{said}");
    let with_secret = [&login[..], &["--client-secret-file", "secret", "--redirect-url", "https://a/b"]].concat();
    assert_eq!(refused(&scene.run(&with_secret, b"")).0, 2, "no code");
    assert_eq!(provider.asked().len(), 0);
    let id = out(&scene.run(&with_secret, b"1000.canary-code\n"));
    let form = "/oauth/v2/token client_id=app&client_secret=canary-secret&code=1000.canary-code\
                &grant_type=authorization_code&redirect_uri=https%3A%2F%2Fa%2Fb";
    assert_eq!(provider.asked(), [form]);
    assert_eq!(out(&scene.run(&["get", &id, "--field", "refresh_token"], b"")), "canary-r");
    let again = out(&scene.run(&login, b"1000.canary-other\n"));
    assert_eq!(again, id, "the stored secret serves, and the same token is meant");
    scene.write("secret", b"canary-secret\n", 0o644);
    assert_eq!(refused(&scene.run(&with_secret, b"1000.canary-code\n")).0, 3, "others may read it");
}

#[test]
fn a_code_is_not_used_where_what_comes_of_it_could_not_be_stored() {
    let (scene, provider) = (Scene::new(Vault::KeyFile), Provider::start(GRANTED));
    scene.write("secret", b"canary-secret", 0o600);
    let login =
        ["login", "--provider", &provider.url, "--user", "ada", "--client-id", "app", "--client-secret-file", "secret"];
    let with = |name: &str, value: &str| {
        let mut command = scene.command();
        command.args(login).env("TOKENVAULT_LOCK_WAIT", "20ms").env(name, value);
        refused(&feed(command, b"1000.canary-code\n"))
    };
    assert_eq!(with("TOKENVAULT_STORE", "file:none.tv").0, 1);
    assert_eq!(with("TOKENVAULT_AUDIT", "file:missing/audit.jsonl").0, 4);
    // Another process has it, and lets others read.
    let vault = std::fs::File::open(scene.path("vault.tv")).unwrap();
    vault.lock_shared().unwrap();
    let (code, said) = with("TOKENVAULT_QUIET", "");
    assert!(code == 4 && said.contains("locked for too long"), "{said}");
    assert_eq!(provider.asked().len(), 0);
    vault.unlock().unwrap();
    assert!(!out(&scene.run(&login, b"1000.canary-code\n")).is_empty());
}

/// What each use of a token in a script costs.
#[test]
fn a_token_that_is_named_by_its_id_is_read_once_where_the_provider_is_set() {
    let (scene, provider) = (Scene::new(Vault::KeyFile), Provider::start(GRANTED));
    let id = saved(&scene, "ada", 3000);
    let token = |which: &[&str]| {
        let mut command = scene.command();
        let trail = scene.path("audit.jsonl");
        command.args(["token"]).args(which).env("TOKENVAULT_AUDIT", format!("file:{}", trail.display()));
        let output = feed(command, b"");
        let lines = std::fs::read_to_string(&trail).unwrap();
        std::fs::remove_file(trail).unwrap();
        (output, lines.matches("\"kind\":\"call\"").count())
    };
    let (by_id, lines) = token(&[&id, "--provider", &provider.url]);
    assert_eq!((out(&by_id), lines), ("canary-old".to_owned(), 1));
    let (by_user, lines) = token(&["--user", "ada", "--provider", &provider.url]);
    assert_eq!((out(&by_user), lines), ("canary-old".to_owned(), 2));
    let (code, said) = refused(&token(&["nobody", "--provider", &provider.url]).0);
    assert!(code == 1 && said.contains("no token matches"), "{said}");
}

#[test]
fn nothing_is_revoked_where_it_cannot_be_purged() {
    let (scene, provider) = (Scene::new(Vault::KeyFile), Provider::start(r#"{"status":"success"}"#));
    let id = saved(&scene, "ada", 3000);
    for delete in [&["delete", &*id][..], &["delete-all", "--yes"]] {
        let delete = [delete, &["--purge", "--revoke", "--provider", &provider.url]].concat();
        let (code, said) = refused(&scene.run(&delete, b""));
        assert!(code == 2 && said.contains("nothing was deleted"), "{said}");
    }
    assert_eq!(provider.asked().len(), 0);
}

#[test]
fn what_is_revoked_is_revoked_before_it_is_deleted() {
    let (scene, provider) = (Scene::new(Vault::KeyFile), Provider::start(r#"{"error":"Access Denied"}"#));
    let id = saved(&scene, "ada", 3000);
    let delete = ["delete", &id, "--revoke", "--provider", &provider.url];
    assert_eq!(refused(&scene.run(&delete, b"")).0, 4);
    out(&scene.run(&["get", &id], b""));
    provider.asked();
    provider.answers(200, r#"{"status":"success"}"#);
    out(&scene.run(&delete, b""));
    assert_eq!(provider.asked(), ["/oauth/v2/token/revoke token=canary-refresh%20of%20ada"]);
    assert_eq!(refused(&scene.run(&["get", &id], b"")).0, 1);
    for user in ["bob", "cyd"] {
        saved(&scene, user, 3000);
    }
    let all = ["delete-all", "--yes", "--revoke", "--provider", &provider.url];
    assert!(out(&scene.run(&all, b"")).contains("deleted 2 tokens"));
    assert_eq!(provider.asked().len(), 2);
}

#[test]
fn where_one_of_all_cannot_be_revoked_nothing_is_deleted_and_the_next_run_goes_on() {
    let (scene, provider) = (Scene::new(Vault::KeyFile), Provider::start(r#"{"status":"success"}"#));
    for user in ["ada", "bob", "cyd"] {
        saved(&scene, user, 3000);
    }
    let all = ["delete-all", "--yes", "--revoke", "--provider", &provider.url];
    provider.answers_first(&[(200, r#"{"status":"success"}"#), (502, "<html>canary</html>")]);
    let (code, said) = refused(&scene.run(&all, b""));
    assert!(code == 4 && said.contains("1 of 3 tokens revoked, nothing deleted"), "{said}");
    assert_eq!(provider.asked().len(), 2);
    assert_eq!(out(&scene.run(&["list", "--format", "json"], b"")).matches("\"user_name\"").count(), 3);
    // Of what is revoked already the provider knows nothing.
    provider.answers_first(&[(200, r#"{"error":"invalid_token"}"#)]);
    assert!(out(&scene.run(&all, b"")).contains("deleted 3 tokens"));
    assert_eq!(provider.asked().len(), 3);
}
