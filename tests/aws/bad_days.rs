//! A service that throttles, does not answer, or cannot be reached: how long it is tried, and what is said then.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::{Client, Config};
use secrets_manager_simulator::error::ServiceError;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::settings::Settings;
use tokenvault::backend::Backend;
use tokenvault::backend::fallback::FallbackBackend;
use tokenvault::backend::fallback::options::FallbackOptions;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::backend::secrets_manager::naming::Prefix;
use tokenvault::backend::secrets_manager::{SecretsManagerBackend, SecretsManagerOptions};
use tokenvault::clock::{Clock, SystemClock};
use tokenvault::error::{ErrorKind, Retry};
use tokenvault::fields::Field::{AccessToken, ClientId, RefreshToken, UserName};
use tokenvault::identity::RecordName;
use tokenvault::layer::unsaved::Unsaved;
use tokenvault::operation::Context;
use tokenvault::pause::{Pause, Paused};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::provider::Provider;
use crate::service::{ACCESS_KEY, Service};
use crate::simulated::{Time, World, client, config};

fn sign_in(user: &str) -> OAuthToken {
    let refresh = format!("refresh of {user}");
    OAuthToken::new().with(UserName, user).with(ClientId, "app").with(RefreshToken, &refresh).with(AccessToken, "first")
}

#[tokio::test]
async fn five_minutes_of_throttling_are_told_as_such_and_nothing_is_lost() {
    let world = World::new(Settings::new().seed(1)).await;
    let (cx, vault) = (Context::new(), world.vault("app"));
    let mut ada = sign_in("ada");
    vault.save_token(&cx, &mut ada).await.unwrap();
    world.simulator.inject(Fault::new(Failure::Throttled));
    let end = world.simulator.clock().now().as_millis() + 300_000;
    let mut refused = 0;
    while world.simulator.clock().now().as_millis() < end {
        let error = vault.save_token(&cx, &mut ada.clone().with(AccessToken, "second")).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later));
        assert!(error.message().contains("AWS throttled the request again and again"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("try again later")));
        refused += 1;
    }
    assert!((5..=600).contains(&refused), "a save gives up after its eighth attempt: {refused}");
    world.simulator.clear_faults();
    let mut found = OAuthToken::new().with(UserName, "ada");
    assert!(vault.find_token(&cx, &mut found).await.unwrap().value);
    assert_eq!(found.fields().text(AccessToken), Some("first"), "nothing changed");
    vault.save_token(&cx, &mut ada.with(AccessToken, "second")).await.unwrap();
    world.assert_consistent("after throttling").await;
}

#[tokio::test]
async fn what_is_not_answered_is_asked_eight_times_and_left_open() {
    for failure in [Failure::TimedOut, Failure::ConnectionLost, Failure::InternalServiceError] {
        let world = World::new(Settings::new().seed(1)).await;
        let (cx, vault) = (Context::new(), world.vault("cold"));
        world.simulator.inject(Fault::new(failure.clone()));
        let before = world.simulator.counters().total();
        let error = vault.get_tokens(&cx).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later), "{failure:?}");
        assert!(error.message().contains("may or may not have been done"), "{failure:?}: {error}");
        assert_eq!(world.simulator.counters().total() - before, 8, "{failure:?}");
        world.simulator.clear_faults();

        world.simulator.inject(Fault::new(failure.clone()).on_writes().after_effect().times(3));
        vault.save_token(&cx, &mut sign_in("ada")).await.unwrap();
        world.assert_consistent(&format!("{failure:?}")).await;
    }
}

/// Does not wait, and counts how often it was to.
#[derive(Debug, Default)]
struct Counting(AtomicU32);

impl Pause for Counting {
    fn pause(&self, _: Duration) -> Paused<'_> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }
}

/// A backend that speaks to `endpoint` over a socket.
fn over_a_socket(endpoint: &str, pause: &Arc<Counting>) -> SecretsManagerBackend {
    backend_of(config(ACCESS_KEY).endpoint_url(endpoint).build(), pause)
}

fn backend_of(config: Config, pause: &Arc<Counting>) -> SecretsManagerBackend {
    let options = SecretsManagerOptions {
        pause: Arc::clone(pause) as _,
        ..SecretsManagerOptions::new(Prefix::parse("test/vault").unwrap())
    };
    SecretsManagerBackend::new(Client::from_conf(config), options)
}

#[test]
fn who_was_never_there_is_given_up_sooner_than_who_went_away() {
    // It has a runtime of its own, in a thread of its own.
    let service = Service::start();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(given_up(service));
}

async fn given_up(service: Service) {
    let (cx, pause) = (Context::new(), Arc::new(Counting::default()));
    let endpoint = service.endpoint();
    let reached = over_a_socket(&endpoint, &pause);
    reached.create(&cx).await.unwrap();
    drop(service);
    let name = RecordName::random().unwrap();
    let refused = async |backend: &SecretsManagerBackend| {
        let before = pause.0.load(Ordering::SeqCst);
        let error = backend.read(&cx, name).await.unwrap_err();
        (error, pause.0.load(Ordering::SeqCst) - before)
    };
    let (error, waits) = refused(&over_a_socket(&endpoint, &pause)).await;
    assert_eq!((error.kind(), error.retry(), waits), (ErrorKind::Unavailable, Retry::Later, 3));
    assert!(error.message().contains("could not be reached; nothing was asked"), "{error}");
    assert!(error.message().contains(&format!("asked: {endpoint}, Region us-east-1")), "{error}");
    let (error, waits) = refused(&reached).await;
    assert_eq!((error.kind(), waits), (ErrorKind::Unavailable, 7), "a service that answered before may come back");
}

/// The machine takes connections for it, and nobody answers over them. The program's own clients wait longer: src/open/client.rs.
#[tokio::test]
async fn who_takes_a_connection_and_never_answers_is_given_up_and_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (endpoint, pause) = (format!("http://{}", listener.local_addr().unwrap()), Arc::new(Counting::default()));
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(50)).build();
    let backend = backend_of(config(ACCESS_KEY).endpoint_url(&endpoint).timeout_config(timeouts).build(), &pause);
    let began = SystemClock.now();
    let error = backend.list(&Context::new()).await.unwrap_err();
    let (took, waits) = (SystemClock.now().since(began), pause.0.load(Ordering::SeqCst));
    assert_eq!((error.kind(), error.retry(), waits), (ErrorKind::Unavailable, Retry::Later, 7));
    assert!(took >= Duration::from_millis(8 * 50) && took < Duration::from_secs(5), "{took:?}");
    let asked = format!("(secretsmanager:GetSecretValue); asked: {endpoint}, Region us-east-1");
    let is_said = error.message().starts_with("AWS gave no answer; what was asked may or may not have been done ");
    assert!(is_said && error.message().ends_with(&asked), "{error}");
    assert!(error.hint().unwrap().contains("try again; if it stays, check the endpoint, the network"), "{error:?}");
}

#[test]
fn what_something_else_than_aws_answers_is_no_refusal() {
    let stranger = Provider::start("");
    let asked = async |status, body| {
        let pause = Arc::new(Counting::default());
        stranger.answers(status, body);
        let error = over_a_socket(&stranger.url, &pause).create(&Context::new()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later), "{status}: {error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        (error, pause.0.load(Ordering::SeqCst))
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        for status in [200, 302, 400, 403, 404, 407] {
            let (error, waits) = asked(status, "<html>canary</html>").await;
            let asked = format!("may or may not have been done (secretsmanager:CreateSecret: HTTP {status})");
            let is_said = error.message().starts_with("something else than AWS answered; ");
            assert!(is_said && error.message().contains(&asked) && waits == 3, "{waits} waits: {error}");
            assert!(error.hint().unwrap().contains("a proxy or the sign-in page of a network"), "{error:?}");
        }
        for (status, said) in [(429, "AWS throttled the request"), (502, "AWS gave no answer")] {
            let (error, waits) = asked(status, "canary").await;
            // Each attempt but the last is waited after, and some for their turn.
            assert!(error.message().contains(said) && waits >= 7, "{waits} waits: {error}");
        }
        // A success that names no version is none of the service's.
        let (error, _) = asked(200, "{}").await;
        assert!(error.message().contains("something else than AWS answered"), "{error}");
    });
}

#[tokio::test]
async fn a_code_that_nobody_knows_is_not_the_tokens_fault() {
    let world = World::new(Settings::new().seed(1)).await;
    for (code, kind) in
        [("SomethingNewException", ErrorKind::Unsupported), ("SignatureDoesNotMatch", ErrorKind::PermissionDenied)]
    {
        world.simulator.inject(Fault::new(Failure::Refused(ServiceError::new(code, "canary"))));
        let error = world.vault("app").save_token(&Context::new(), &mut sign_in("ada")).await.unwrap_err();
        assert!(error.kind() == kind && error.message().contains(code), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        world.simulator.clear_faults();
    }
}

#[tokio::test]
async fn what_is_kept_outlives_a_code_that_nobody_knows_and_an_index_that_can_be_had_back() {
    let world = World::new(Settings::new().seed(1)).await;
    let mut options = FallbackOptions::default();
    (options.clock, options.failure_memory) = (Arc::new(Time(world.simulator.clone())), Duration::ZERO);
    let (backend, copy) = (Arc::new(world.backend("app")), Arc::new(MemoryBackend::new()));
    let fallback = Arc::new(FallbackBackend::new(backend, copy, "the suite's", options).await.unwrap());
    let layer = Unsaved::new(Arc::new(world.vault_over(Arc::clone(&fallback) as _)), fallback);
    let (cx, operator) = (Context::new(), client(&world.simulator, "operator"));
    world.simulator.inject(Fault::new(Failure::ConnectionLost));
    layer.save_token(&cx, &mut sign_in("ada")).await.unwrap_err();
    world.simulator.clear_faults();
    let refused = async |kind| {
        assert_eq!(layer.get_tokens(&cx).await.unwrap_err().kind(), kind);
        assert_eq!(layer.unsaved(), 1, "{kind:?}");
    };

    world.simulator.inject(Fault::new(Failure::Refused(ServiceError::new("SomethingNewException", ""))));
    refused(ErrorKind::Unsupported).await;
    world.simulator.clear_faults();
    operator.delete_secret().secret_id("test/vault/index").recovery_window_in_days(7).send().await.unwrap();
    refused(ErrorKind::Damaged).await;
    operator.restore_secret().secret_id("test/vault/index").send().await.unwrap();
    assert_eq!(layer.get_tokens(&cx).await.unwrap().value.len(), 1);
    assert_eq!(layer.unsaved(), 0);
}
