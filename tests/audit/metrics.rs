//! Metrics: within the embedded metric format, one line a call, and nothing in them that tells of a token.
//!
//! The format: CloudWatch user guide, "Specification: Embedded metric format".

use std::io;
use std::sync::{Arc, Mutex};
#[cfg(feature = "file")]
use std::time::Duration;

use serde_json::Value;
#[cfg(feature = "file")]
use tokenvault::audit::facts::{Facts, Subject};
#[cfg(feature = "file")]
use tokenvault::audit::line::Ending;
use tokenvault::audit::recorder::Mode;
use tokenvault::backend::memory::MemoryBackend;
#[cfg(feature = "file")]
use tokenvault::error::Result;
use tokenvault::layer::measure::Measured;
use tokenvault::metrics::Metrics;
#[cfg(feature = "file")]
use tokenvault::open::{StoreLocation, open};
use tokenvault::operation::Context;
#[cfg(feature = "file")]
use tokenvault::operation::{Operation, Source};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::scripted::{Act, Scripted};
use crate::{clock, context, every_call, recorder, token, vault};
#[cfg(feature = "file")]
use crate::{lines, options};

#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<u8>>>);

impl Taken {
    fn metrics(&self) -> Arc<Metrics> {
        let taken = self.clone();
        let take = move |line: &[u8]| {
            taken.0.lock().unwrap().extend_from_slice(line);
            Ok(())
        };
        Arc::new(Metrics::new(take, clock()))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Operation, outcome and source of each call.
    fn told(&self) -> Vec<(String, String, Option<String>)> {
        let text = |line: &Value, name: &str| line[name].as_str().map(str::to_owned);
        let told =
            |line: &Value| (text(line, "operation").unwrap(), text(line, "outcome").unwrap(), text(line, "source"));
        self.lines().iter().map(told).collect()
    }
}

fn assert_is_in_the_format(line: &Value) {
    let meta = &line["_aws"];
    assert_eq!(meta["Timestamp"], 1_795_368_000_000_u64);
    for directive in meta["CloudWatchMetrics"].as_array().unwrap() {
        assert!(!directive["Namespace"].as_str().unwrap().is_empty());
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()));
        for metric in metrics {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{line}");
            assert!(["Count", "Microseconds"].contains(&metric["Unit"].as_str().unwrap()));
        }
        for set in directive["Dimensions"].as_array().unwrap() {
            let set = set.as_array().unwrap();
            assert!((1..=30).contains(&set.len()));
            for dimension in set {
                let value = line[dimension.as_str().unwrap()].as_str().unwrap();
                assert!((1..=1024).contains(&value.len()), "{line}");
            }
        }
    }
}

#[tokio::test]
async fn each_call_is_one_line_in_the_format_without_a_word_of_its_token() {
    let taken = Taken::default();
    let store = Measured::new(Arc::new(Vault::new(Arc::new(MemoryBackend::new()))), taken.metrics());
    let mut given = token("canary-user");
    store.save_token(&context(), &mut given).await.unwrap();
    assert_eq!(every_call(&store, &context()).await, [true; 6]);
    store.find_token_by_id(&context(), "canary-id").await.unwrap();
    store.delete_token(&context(), "canary-id").await.unwrap();
    store.save_token(&context(), &mut OAuthToken::new()).await.unwrap_err();
    let told = taken.told();
    let call = |operation: &str, outcome: &str| (operation.to_owned(), outcome.to_owned(), Some("store".to_owned()));
    assert_eq!(told.len(), 10);
    assert_eq!(told[0], call("save_token", "ok"));
    assert_eq!(told[7..9], [call("find_token_by_id", "not-found"), call("delete_token", "not-found")]);
    assert_eq!(told[9], ("save_token".to_owned(), "refused".to_owned(), None));
    taken.lines().iter().for_each(assert_is_in_the_format);
    let text = taken.text();
    for word in ["canary", "ada", "app", given.id().unwrap(), "test"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

#[tokio::test]
async fn what_is_refused_for_want_of_a_line_and_what_nobody_waits_for_counts_as_that() {
    let (taken, sink) = (Taken::default(), Scripted::always(Act::Full));
    let (_, audited) = vault(recorder(Arc::new(sink.clone()), Mode::Required));
    let store = Arc::new(Measured::new(Arc::new(audited), taken.metrics()));
    store.get_tokens(&context()).await.unwrap_err();
    sink.set(Act::Hang);
    let waiting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.get_tokens(&context()).await.map(drop) }
    });
    sink.arrived.notified().await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    let outcomes: Vec<String> = taken.told().into_iter().map(|(_, outcome, _)| outcome).collect();
    assert_eq!(outcomes, ["failed", "unknown"]);
}

#[cfg(feature = "file")]
fn not_found_in_the_journal(_: &Result<()>) -> Facts<'_> {
    let mut facts = Facts::of(Ending::NotFound);
    facts.source = Some(Source::Journal);
    facts
}

/// Such as a deletion of the command line's, which its journal may acknowledge.
#[cfg(feature = "file")]
#[tokio::test]
async fn what_is_no_operation_of_a_store_counts_as_its_line_says() {
    let (taken, sink) = (Taken::default(), Scripted::default());
    let opened = open(&StoreLocation::Memory, || panic!("it has no key"), Duration::ZERO).await.unwrap();
    let plain = opened.measured(taken.metrics());
    let options = options(Mode::Required, clock());
    let audited = plain.clone().audited(Arc::new(sink.clone()), options, &Context::new()).await.unwrap();
    let cx = Context::new();
    for opened in [&plain, &audited] {
        let call = (&cx, Operation::Purge, Subject::Id("unknown"));
        opened.recorded(call, async |_| Ok(()), not_found_in_the_journal).await.unwrap();
        let call = (&cx, Operation::Status, Subject::All);
        sink.set(Act::Full);
        let refused = opened.recorded(call, async |_| Ok(()), |_| Facts::of(Ending::Ok)).await;
        assert_eq!(refused.is_err(), opened.recorder().is_some());
        sink.set(Act::Take);
    }
    let told = |operation: &str, outcome: &str, source: Option<&str>| {
        (operation.to_owned(), outcome.to_owned(), source.map(str::to_owned))
    };
    let journaled = told("purge", "not-found", Some("journal"));
    assert_eq!(
        taken.told(),
        [journaled.clone(), told("status", "ok", None), journaled, told("status", "failed", None)]
    );
    let line = lines(&sink.bytes()).into_iter().find(|line| line.kind == "call").unwrap();
    assert_eq!((line.outcome.as_deref(), line.source.as_deref()), (Some("not-found"), Some("journal")));
}

#[tokio::test]
async fn a_line_that_is_not_taken_is_counted_and_the_call_goes_on() {
    let metrics = Arc::new(Metrics::new(|_: &[u8]| Err(io::ErrorKind::BrokenPipe.into()), clock()));
    let store = Measured::new(Arc::new(Vault::new(Arc::new(MemoryBackend::new()))), Arc::clone(&metrics));
    for _ in 0..3 {
        store.get_tokens(&Context::new()).await.unwrap();
    }
    assert_eq!(metrics.lost(), 3);
}

#[cfg(feature = "cli")]
#[test]
fn the_command_line_keeps_its_standard_output_unless_it_is_asked_for() {
    let scene = crate::scene::Scene::new();
    let id = scene.save("ada");
    let run = |metrics: &str| {
        let mut command = scene.command(&["get", &id, "--format", "json"]);
        command.env("TOKENVAULT_METRICS", metrics);
        let output = crate::scene::Scene::run(command, "");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (_, plain, silent) = run("off");
    assert!(!plain.contains("_aws") && !silent.contains("_aws"));
    let (code, out, err) = run("emf");
    assert_eq!((code, out), (Some(0), plain.clone()));
    let line: Value = serde_json::from_str(err.lines().find(|line| line.contains("_aws")).unwrap()).unwrap();
    assert_eq!((line["operation"].as_str(), line["outcome"].as_str()), (Some("find_token_by_id"), Some("ok")));
    let (code, out, _) = run("emf:stdout");
    assert!(code == Some(0) && out.contains("_aws") && out.len() > plain.len(), "{out}");
    for (asked, outcome) in [("unknown", "not-found"), (&*id, "ok")] {
        let mut command = scene.command(&["delete", asked]);
        command.env("TOKENVAULT_METRICS", "emf");
        let err = String::from_utf8(crate::scene::Scene::run(command, "").stderr).unwrap();
        let line: Value = serde_json::from_str(err.lines().find(|line| line.contains("_aws")).unwrap()).unwrap();
        assert_eq!((line["outcome"].as_str(), line["source"].as_str()), (Some(outcome), Some("store")), "{line}");
    }
    let (code, _, err) = run("canary");
    assert!(code == Some(2) && err.contains("TOKENVAULT_METRICS") && !err.contains("canary"), "{err}");
}
