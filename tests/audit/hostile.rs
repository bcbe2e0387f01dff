//! Texts from outside that try to be more than texts.

use std::sync::Arc;

use tokenvault::audit::recorder::{Mode, Recorder, Users};
use tokenvault::fields::Field;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::scripted::Scripted;
use crate::{clock, keys, lines, options, recorder, token, vault, verified};

fn hostile() -> Vec<String> {
    let forged = r#"x"}
{"v":1,"time":"2026-11-22T17:20:00.000Z","kind":"call","outcome":"ok"}"#;
    [forged, "\n", "\r\n", "\u{0}", "\u{1b}[2J", "\u{202e}", "\u{2028}", "\\", "\"", "é😀", "{\"v\":1,\""]
        .map(str::to_owned)
        .into_iter()
        .chain(["x".repeat(10_000), "\n".repeat(10_000), "\u{1}é".repeat(5_000)])
        .collect()
}

#[tokio::test]
async fn no_text_splits_or_forges_a_line_or_makes_it_long() {
    for users in [Users::Hashed, Users::Plain] {
        for text in hostile() {
            let sink = Scripted::default();
            let mut options = options(Mode::Required, clock());
            options.users = users;
            let recorder = Arc::new(Recorder::new(Arc::new(sink.clone()), keys(), options));
            let (_, audited) = vault(recorder);
            let cx = Context::new().with_principal(&*text).with_caller(&*text);
            // Some of these are no ids that the vault takes.
            let is_saved = audited.save_token(&cx, &mut token(&text).with_id(&text)).await.is_ok();
            let _ = audited.find_token_by_id(&cx, &text).await;
            let _ = audited.delete_token(&cx, &text).await;
            let _ = audited.delete_token(&cx, &text).await;
            drop(audited);
            let bytes = sink.bytes();
            assert_eq!(verified(&bytes).findings, [], "{text:?}");
            let told = lines(&bytes);
            let calls: Vec<_> = told.iter().filter(|line| line.kind == "call").collect();
            let endings: Vec<_> = calls.iter().map(|line| line.outcome.as_deref().unwrap()).collect();
            assert_eq!(endings.len(), 4);
            if is_saved {
                assert_eq!(endings, ["ok", "ok", "ok", "not-found"], "{text:?}");
                assert_eq!(calls[1].token.as_deref(), Some(&*text));
            }
            assert!(bytes.split(|byte| *byte == b'\n').all(|line| line.len() < 4096), "{text:?}");
            let shown = String::from_utf8(bytes).unwrap();
            assert!(!shown.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'), "{text:?}");
            let is_short = text.len() < 100;
            assert_eq!(calls[3].token, None, "an id that leads to nothing may be anything");
            assert_eq!(calls[3].token_hash, Some(keys().hash(tokenvault::audit::keys::Hashed::Token, &text)));
            match users {
                Users::Hashed => assert!(calls[0].user.is_none() && calls[0].user_hash.is_some()),
                Users::Plain => assert_eq!(calls[0].user.as_deref() == Some(&*text), is_short),
            }
        }
    }
}

/// A line holds of a token its id and user, and nothing else of it, whatever is done with it.
#[tokio::test]
async fn no_line_holds_a_secret() {
    let sink = Scripted::default();
    let (_, audited) = vault(recorder(Arc::new(sink.clone()), Mode::Required));
    let cx = Context::new();
    let mut given = Field::ALL.into_iter().fold(OAuthToken::new(), |token, field| match field {
        Field::ExpiresIn => token.with(field, "1795311652321"),
        _ => token.with(field, &format!("canary-{}", field.name())),
    });
    audited.save_token(&cx, &mut given).await.unwrap();
    for field in [Field::RefreshToken, Field::AccessToken, Field::GrantToken] {
        let mut wanted = OAuthToken::new().with(field, &format!("canary-{}", field.name()));
        audited.find_token(&cx, &mut wanted).await.unwrap();
        // Somebody gives a secret where an id belongs.
        audited.find_token_by_id(&cx, &format!("canary-{}", field.name())).await.unwrap();
        audited.delete_token(&cx, &format!("canary-{}", field.name())).await.unwrap();
        let mut wrong = token("other").with_id(given.id().unwrap());
        audited.save_token(&cx, &mut wrong).await.unwrap_err();
    }
    audited.get_tokens(&cx).await.unwrap();
    drop(audited);
    let shown = String::from_utf8(sink.bytes()).unwrap();
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("\"refused\"") && shown.contains(given.id().unwrap()));
}
