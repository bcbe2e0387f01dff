//! What the token endpoint's connection may be: trusted, and nobody else's.

use std::process::Output;
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::provider::{Provider, in_seconds};
use crate::scene::{Scene, Vault};

const GRANTED: &str = r#"{"access_token":"canary-new","expires_in":3600}"#;

/// A token of its own for each call: who refreshes has it to itself for a while, also where that fails.
fn ended(scene: &Scene, user: &str) -> String {
    let token = format!(
        r#"{{"user_name":"{user}","client_id":"app","client_secret":"canary-secret","refresh_token":"canary-refresh",
            "access_token":"canary-old","expires_in":"{}"}}"#,
        in_seconds(-1)
    );
    let output = scene.run(&["save"], token.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn assert_refused(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(4) && output.stdout.is_empty() && !said.contains("canary"), "{said}");
}

/// A provider under HTTPS, and the certificate that it made for itself.
fn under_https() -> (Provider, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let config = Arc::new(config);
    let wrap = move |connection| StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), connection);
    (Provider::start_behind("https", GRANTED, wrap), made.cert.pem())
}

#[test]
fn a_provider_whose_certificate_nobody_trusts_is_told_nothing() {
    let (scene, (provider, certificate)) = (Scene::new(Vault::KeyFile), under_https());
    let token = |trusted: Option<&str>| {
        let id = ended(&scene, trusted.unwrap_or("nobody"));
        let mut command = scene.command();
        command.args(["token", "--provider", &provider.url, &id]).env_remove("SSL_CERT_DIR");
        if let Some(path) = trusted {
            command.env("SSL_CERT_FILE", scene.path(path));
        }
        command.output().unwrap()
    };
    assert_refused(&token(None));
    assert_eq!(provider.asked().len(), 0);
    scene.write("certificate.pem", certificate.as_bytes(), 0o644);
    let output = token(Some("certificate.pem"));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), "canary-new", "{output:?}");
    assert_eq!(provider.asked().len(), 1, "where it is trusted, it is asked");
}

#[test]
fn who_sends_it_elsewhere_is_not_followed() {
    let (scene, provider, elsewhere) = (Scene::new(Vault::KeyFile), Provider::start(GRANTED), Provider::start(GRANTED));
    let head: &'static str = format!("location: {}/oauth/v2/token\r\n", elsewhere.url).leak();
    for status in [301, 302, 303, 307, 308] {
        provider.answers_with(status, head, "");
        let id = ended(&scene, &status.to_string());
        assert_refused(&scene.run(&["token", "--provider", &provider.url, &id], b""));
        assert_eq!((provider.asked().len(), elsewhere.asked().len()), (1, 0), "{status}");
    }
}

#[test]
fn an_answer_beyond_all_bounds_is_given_up() {
    let (scene, provider) = (Scene::new(Vault::KeyFile), Provider::start(GRANTED));
    let [first, second] = ["ada", "bob"].map(|user| ended(&scene, user));
    let long: &'static str = format!(r#"{{"access_token":"canary-new","more":"{}"}}"#, "x".repeat(1024 * 1024)).leak();
    provider.answers(200, long);
    assert_refused(&scene.run(&["token", "--provider", &provider.url, &first], b""));
    provider.answers(200, GRANTED);
    let output = scene.run(&["token", "--provider", &provider.url, &second], b"");
    assert!(output.status.success(), "{output:?}");
}
