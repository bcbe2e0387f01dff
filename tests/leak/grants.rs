//! The commands that ask the OAuth provider.

use crate::command_line::Shell;
use crate::provider::Provider;
use crate::write;

/// The provider's answers hold secrets as well, those that refuse among them.
pub(crate) fn granted(shell: &Shell) {
    let [code, client_secret, access, refresh, ..] = &shell.grants;
    let provider = Provider::start("");
    let answers = |status, body: serde_json::Value| provider.answers(status, String::leak(body.to_string()));
    write(&shell.path("client-secret"), client_secret.as_bytes());
    let login = ["login", "--provider", &provider.url, "--user", "ada", "--client-id", "app"];
    let login = [&login[..], &["--client-secret-file", "client-secret"]].concat();
    answers(400, serde_json::json!({"error": "invalid_code", "error_description": code, access: access}));
    shell.refused(&login, code);
    answers(200, serde_json::json!({"error": access}));
    shell.refused(&login, code);
    answers(200, serde_json::json!({"access_token": access, "refresh_token": refresh, "expires_in": 3600}));
    let id = String::from_utf8(shell.done(&login, code).stdout).unwrap();
    shell.shown(&["token", "--provider", &provider.url, id.trim()], "");
    refreshed(shell, &provider);
    answers(400, serde_json::json!({"error": access}));
    let revoke = ["delete", "--revoke", "--provider", &provider.url, id.trim()];
    shell.refused(&revoke, "");
    answers(200, serde_json::json!({"status": "success", access: access}));
    shell.done(&revoke, "");
    assert!(provider.asked().iter().any(|request| request.starts_with("/oauth/v2/token/revoke")), "it was asked");
}

/// A token that has ended, of a user of its own for each answer: who was refused is not asked for again at once.
fn refreshed(shell: &Shell, provider: &Provider) {
    let [.., grant, ended, refresh, fresh] = &shell.grants;
    for (user, status, error, is_given) in [
        ("bob", 200, None, true),
        ("cyd", 400, Some("invalid_client"), false),
        ("dan", 200, Some(fresh.as_str()), false),
        ("eve", 502, Some(""), false),
    ] {
        let token = serde_json::json!({
            "user_name": user, "client_id": "app", "client_secret": "of the app", "refresh_token": refresh,
            "grant_token": grant, "access_token": ended, "expires_in": "1000",
        });
        let id = String::from_utf8(shell.done(&["save"], &token.to_string()).stdout).unwrap();
        let body = serde_json::json!({
            "access_token": fresh, "expires_in": 3600, "error": error, "error_description": fresh, "sent": refresh,
        });
        provider.answers(status, String::leak(body.to_string()));
        let args = ["token", "--provider", &provider.url, id.trim()];
        if is_given {
            shell.shown(&args, "");
        } else {
            shell.refused(&args, "");
        }
        shell.done(&["delete", id.trim()], "");
    }
}
