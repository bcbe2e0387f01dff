//! Verification and repair of a vault in AWS: verify, verify --repair.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::audit::facts::{Subject, facts_of};
use crate::backend::secrets_manager::repair::Stage;
use crate::backend::secrets_manager::survey::{READABLE_AGAIN, Survey, Trouble};
use crate::cli::report::Done;
use crate::cli::session::Session;
use crate::cli::text::counted;
use crate::error::Error;
use crate::open::opened::Opened;
use crate::operation::{Context, Operation};

/// More findings of one kind are counted and not named.
const MAX_NAMED: usize = 20;

pub(super) async fn verify(session: &mut Session, repair: bool) -> Done {
    let opened = session.open().await?;
    verify_opened(session, &opened, repair).await
}

async fn verify_opened(session: &mut Session, opened: &Opened, repair: bool) -> Done {
    let aws = opened.aws()?;
    let out = &session.out;
    let operation = if repair { Operation::Repair } else { Operation::Verify };
    let look = async |context: &Context| match repair {
        true => aws.repair(context, &|stage| told(stage).into_iter().for_each(|text| out.note(&text))).await,
        false => aws.verify(context).await,
    };
    let call = (&session.context, operation, Subject::All);
    let survey = opened.recorded(call, look, facts_of).await?.value;
    tell(session, &survey)
}

/// A stage in words; nothing for what was said a moment ago.
fn told(stage: Stage) -> Option<String> {
    match stage {
        Stage::Reading => Some("reading the index and every secret".to_owned()),
        Stage::Building { entries } => Some(format!("building a new index of {}", plural(entries, "entry", "entries"))),
        Stage::Closing { pages: 0 } => None,
        Stage::Closing { pages } => Some(format!("closing {} of the old index", counted(pages, "page"))),
        // Every minute.
        Stage::Waiting { left } if left.as_secs() % 60 == 0 => Some(format!(
            "the new index is in force; in {} the secrets are listed again, since AWS may list a new one late",
            counted(usize::try_from(left.as_secs() / 60).unwrap_or_default(), "minute")
        )),
        Stage::ListingAgain => Some("listing the secrets again".to_owned()),
        _ => None,
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// [`Survey`] for programs.
#[derive(Serialize)]
struct SurveyView<'a> {
    tokens: usize,
    pages: usize,
    is_whole: bool,
    findings: Vec<FindingView<'a>>,
}

#[derive(Serialize)]
struct FindingView<'a> {
    what: &'a str,
    secret: &'a str,
    is_damage: bool,
    is_mendable: bool,
}

fn tell(session: &mut Session, survey: &Survey) -> Done {
    let Survey { tokens, pages, findings, .. } = survey;
    let damage: Vec<Trouble> =
        findings.iter().map(|finding| finding.trouble).filter(|trouble| trouble.is_damage()).collect();
    if session.out.is_json() {
        let findings = findings.iter().map(|finding| FindingView {
            what: finding.trouble.said(),
            secret: &finding.secret,
            is_damage: finding.trouble.is_damage(),
            is_mendable: finding.trouble.is_mendable(),
        });
        let (tokens, pages, is_whole) = (*tokens, *pages, damage.is_empty());
        session.out.json(&SurveyView { tokens, pages, is_whole, findings: findings.collect() })?;
    }
    let mut by_trouble: BTreeMap<Trouble, Vec<&str>> = BTreeMap::new();
    for finding in findings {
        by_trouble.entry(finding.trouble).or_default().push(&finding.secret);
    }
    for (trouble, secrets) in &by_trouble {
        for secret in secrets.iter().take(MAX_NAMED) {
            session.out.remark(&format!("{}: {secret}", trouble.said()))?;
        }
        if let Some(more) = secrets.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
            session.out.remark(&format!("{}: {more} more", trouble.said()))?;
        }
    }
    let size = format!("{} in {} of the index", counted(*tokens, "token"), counted(*pages, "page"));
    if damage.is_empty() {
        return session.out.remark(&format!("whole: {size}"));
    }
    let unreadable = format!("{READABLE_AGAIN}, or delete the secret");
    let hint = if damage.iter().any(|trouble| trouble.is_mendable()) {
        "run `tokenvault verify --repair`, which builds the index anew from the secrets"
    } else if damage.contains(&Trouble::TokenUnreadable) {
        &unreadable
    } else {
        "delete the tokens that are not wanted: the end of a secret's name is an id of the token"
    };
    Err(Error::damaged(format!("the vault is not whole: {} ({size})", plural(damage.len(), "trouble", "troubles")))
        .with_hint(hint)
        .into())
}

/// A repair takes ten minutes: here they pass at once, which they do not for a process of its own.
#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::io::{Read, Seek, SeekFrom};
    use std::sync::Arc;
    use std::time::Duration;

    use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_secretsmanager::{Client, Config};
    use secrets_manager_simulator::settings::Settings as Simulated;
    use secrets_manager_simulator::simulator::Simulator;
    use secrets_manager_simulator::wire::Request;
    use serde_json::{Value, json};

    use super::*;
    use crate::backend::file::KeySource;
    use crate::backend::secrets_manager::naming::Prefix;
    use crate::backend::secrets_manager::{SecretsManagerBackend, SecretsManagerOptions};
    use crate::cli::args::Format;
    use crate::cli::config::Settings;
    use crate::cli::output::Output;
    use crate::cli::report::{Stop, exit_code};
    use crate::clock::{Clock, Timestamp};
    use crate::fields::Field::{RefreshToken, UserName};
    use crate::open::aws::Location;
    use crate::open::open_through;
    use crate::pause::{Pause, Paused};
    use crate::token::OAuthToken;

    /// The service's clock, which a wait moves on.
    #[derive(Clone, Debug)]
    struct Time(Simulator);

    impl Clock for Time {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.clock().now().as_millis())
        }
    }

    impl Pause for Time {
        fn pause(&self, duration: Duration) -> Paused<'_> {
            self.0.clock().advance(duration);
            Box::pin(std::future::ready(()))
        }
    }

    async fn opened(simulator: &Simulator) -> Opened {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "tests"))
            .http_client(simulator.http_client());
        let (clock, pause) = (Arc::new(Time(simulator.clone())), Arc::new(Time(simulator.clone())));
        let prefix = Prefix::parse("test/vault").unwrap();
        let options = SecretsManagerOptions { clock, pause, ..SecretsManagerOptions::new(prefix) };
        let backend = SecretsManagerBackend::new(Client::from_conf(config.build()), options);
        let location = Location::parse(OsStr::new("test/vault?region=us-east-1")).unwrap();
        let no_key = || Err::<KeySource, _>(Error::invalid("there is no copy"));
        open_through(backend, &location, no_key, Duration::ZERO).await.unwrap()
    }

    /// A vault of three tokens, whose index somebody has deleted for good.
    async fn without_index() -> (Simulator, Opened) {
        let simulator = Simulator::new(Simulated::new().seed(1));
        let opened = opened(&simulator).await;
        opened.aws().unwrap().create(&Context::new()).await.unwrap();
        for user in ["ada", "bob", "cleo"] {
            let mut token = OAuthToken::new().with(UserName, user).with(RefreshToken, &format!("canary of {user}"));
            opened.store().save_token(&Context::new(), &mut token).await.unwrap();
        }
        let index = json!({ "SecretId": "test/vault/index", "ForceDeleteWithoutRecovery": true });
        simulator.handle(&Request::new("DeleteSecret", &index)).unwrap().json().unwrap();
        simulator.clock().advance(Duration::from_secs(300));
        (simulator, opened)
    }

    /// What came of it: the exit code, what to try, and standard output.
    async fn run(opened: &Opened, repair: bool, format: Format) -> (u8, String, String) {
        let (mut session, mut file) =
            (Session::new(Settings::for_the_manual()).unwrap_or_else(|_| panic!()), tempfile::tempfile().unwrap());
        session.out = Output::file(file.try_clone().unwrap(), format);
        let (code, hint) = match verify_opened(&mut session, opened, repair).await {
            Err(Stop::Failed(error)) => (exit_code(error.kind()), error.hint().unwrap_or_default().to_owned()),
            Ok(()) | Err(Stop::OutputClosed) => (0, String::new()),
        };
        let mut said = String::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_string(&mut said).unwrap();
        assert!(!said.contains("canary"), "{said}");
        (code, hint, said)
    }

    #[tokio::test]
    async fn a_repair_ends_with_what_is_there_and_what_is_left() {
        let (_, opened) = without_index().await;
        let (code, hint, said) = run(&opened, false, Format::Table).await;
        assert!(code == 5 && said.starts_with("a page of the index is missing: test/vault/index\n"), "{code}: {said}");
        assert_eq!(said.matches("a token is not listed in the index: test/vault/token/").count(), 3, "{said}");
        assert!(hint.contains("tokenvault verify --repair"), "{hint}");
        let repaired = run(&opened, true, Format::Table).await;
        assert_eq!(repaired, (0, String::new(), "whole: 3 tokens in 1 page of the index\n".to_owned()));
        let (code, _, said) = run(&opened, true, Format::Json).await;
        let expected = json!({ "tokens": 3, "pages": 1, "is_whole": true, "findings": [] });
        assert_eq!((code, serde_json::from_str::<Value>(&said).unwrap()), (0, expected));
    }

    #[tokio::test]
    async fn a_repair_that_cannot_mend_all_is_no_success() {
        let (simulator, opened) = without_index().await;
        let names = simulator.names();
        let secret = names.iter().find(|name| name.starts_with("test/vault/token/")).unwrap();
        let body = json!({ "SecretId": secret, "SecretString": "canary", "ClientRequestToken": "1".repeat(32) });
        simulator.handle(&Request::new("PutSecretValue", &body)).unwrap().json().unwrap();
        let (code, hint, said) = run(&opened, true, Format::Json).await;
        let told: Value = serde_json::from_str(&said).unwrap();
        let what = "a token's secret holds no token, or one of a newer format";
        let finding = json!({ "what": what, "secret": secret, "is_damage": true, "is_mendable": false });
        assert_eq!(told, json!({ "tokens": 2, "pages": 1, "is_whole": false, "findings": [finding] }));
        assert_eq!((code, hint.contains("or delete the secret")), (5, true), "{hint}");
    }
}
