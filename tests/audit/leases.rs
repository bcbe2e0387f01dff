//! Refreshing while lines are required: nobody is sent where the line would not be taken, and what was refreshed is saved
//! whatever becomes of its line.

use std::sync::Arc;
use std::time::Duration;

use tokenvault::audit::recorder::{Mode, Recorder};
use tokenvault::backend::leases::Granter;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::clock::{Clock, ManualClock};
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::layer::audit::Audited;
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::scripted::{Act, Scripted};
use crate::{clock, keys, kinds, lines, options, token, verified};

/// A vault in memory whose readers refresh one at a time, with lines, and one token in it.
struct Refreshing {
    plain: Arc<Vault>,
    audited: Audited,
    recorder: Arc<Recorder>,
    clock: Arc<ManualClock>,
    id: String,
}

impl Refreshing {
    async fn new(sink: &Scripted, ends_in: Duration) -> Self {
        let (clock, backend) = (clock(), Arc::new(MemoryBackend::new()));
        let plain = Arc::new(Vault::with_clock(Arc::clone(&backend) as _, Arc::clone(&clock) as _));
        let mut given = token("ada").with(Field::ExpiresIn, &ended(&clock, ends_in));
        plain.save_token(&Context::new(), &mut given).await.unwrap();
        let granter = Granter::new(backend, None, Arc::clone(&clock) as _);
        let coordinate =
            CoordinateOptions { wait: Duration::ZERO, clock: Arc::clone(&clock) as _, ..Default::default() };
        let coordinated = Coordinated::new(Arc::clone(&plain) as _, granter, "test", coordinate);
        let recorder =
            Arc::new(Recorder::new(Arc::new(sink.clone()), keys(), options(Mode::Required, Arc::clone(&clock) as _)));
        let audited = Audited::new(Arc::new(coordinated), Arc::clone(&recorder));
        Self { plain, audited, recorder, clock, id: given.id().unwrap().to_owned() }
    }

    async fn read(&self, caller: &str) -> Result<OAuthToken, ErrorKind> {
        let found = self.audited.find_token_by_id(&Context::new().with_caller(caller), &self.id).await;
        found.map(|answer| OAuthToken::clone(&answer.value.unwrap())).map_err(|error| error.kind())
    }

    /// What its holder's SDK makes of it.
    fn refreshed(&self, leased: &OAuthToken, access: &str) -> OAuthToken {
        let end = ended(&self.clock, Duration::from_secs(3600));
        leased.clone().with(Field::AccessToken, access).with(Field::ExpiresIn, &end)
    }

    async fn access(&self) -> String {
        let found = self.plain.find_token_by_id(&Context::new(), &self.id).await.unwrap().value.unwrap();
        found.get(Field::AccessToken).unwrap().expose().to_owned()
    }
}

fn ended(clock: &ManualClock, ends_in: Duration) -> String {
    clock.now().after(ends_in).as_millis().to_string()
}

#[tokio::test]
async fn nobody_is_sent_to_refresh_while_no_line_is_taken() {
    for failure in [Act::Full, Act::Gone, Act::Short(17)] {
        let sink = Scripted::always(failure.clone());
        let vault = Refreshing::new(&sink, Duration::ZERO).await;
        assert_eq!(vault.read("one").await.unwrap_err(), ErrorKind::Unavailable, "{failure:?}");
        sink.set(Act::Take);
        let leased = vault.read("two").await.unwrap();
        assert!(leased.lease().is_some(), "{failure:?}: nobody holds it, so nobody is waited for");
    }
}

#[tokio::test]
async fn a_token_that_lives_is_answered_without_a_lease_where_the_probe_fails() {
    let sink = Scripted::then(&[Act::Full]);
    let vault = Refreshing::new(&sink, Duration::from_secs(30)).await;
    let found = vault.read("one").await.unwrap();
    assert_eq!((found.lease(), vault.plain.get_tokens(&Context::new()).await.unwrap().value.len()), (None, 1));
    vault.clock.advance(Duration::from_secs(16));
    assert!(vault.read("two").await.unwrap().lease().is_some());
    assert_eq!(kinds(&sink.bytes()), ["begin", "call", "checkpoint", "call"]);
}

#[tokio::test]
async fn what_was_refreshed_is_saved_and_answered_and_its_lines_come_later() {
    for failure in [Act::Full, Act::Gone, Act::Short(17)] {
        let sink = Scripted::default();
        let vault = Refreshing::new(&sink, Duration::ZERO).await;
        let mut token = vault.refreshed(&vault.read("one").await.unwrap(), "new");
        sink.set(failure.clone());
        vault.audited.save_token(&Context::new(), &mut token).await.unwrap();
        assert_eq!(vault.access().await, "new", "{failure:?}");
        assert_eq!(vault.read("one").await.unwrap_err(), ErrorKind::Unavailable, "what is no such save needs its line");
        sink.set(Act::Take);
        vault.read("one").await.unwrap();
        let saves: Vec<_> = lines(&whole(&sink.bytes()))
            .into_iter()
            .filter(|line| line.operation.as_deref() == Some("save_token"))
            .map(|line| line.kind)
            .collect();
        assert_eq!(saves, ["intent", "call"], "{failure:?}");
        assert!(!verified(&sink.bytes()).is_broken(), "{failure:?}");
        assert_eq!(vault.recorder.lost(), 0);
    }
}

/// But for what a failed write has torn.
fn whole(bytes: &[u8]) -> Vec<u8> {
    bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"}\n")).flatten().copied().collect()
}

#[tokio::test]
async fn the_trail_is_ended_with_what_was_kept() {
    let sink = Scripted::default();
    let vault = Refreshing::new(&sink, Duration::ZERO).await;
    let mut token = vault.refreshed(&vault.read("one").await.unwrap(), "new");
    sink.set(Act::Full);
    vault.audited.save_token(&Context::new(), &mut token).await.unwrap();
    sink.set(Act::Take);
    vault.recorder.finish().await;
    let kinds = kinds(&sink.bytes());
    assert_eq!(kinds[kinds.len() - 4..], ["begin", "intent", "call", "end"]);
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_what_is_given_up_is_counted() {
    let sink = Scripted::default();
    let vault = Refreshing::new(&sink, Duration::ZERO).await;
    let leased = vault.read("one").await.unwrap();
    sink.set(Act::Full);
    for round in 0..500 {
        let mut token = vault.refreshed(&leased, &format!("access {round}"));
        vault.audited.save_token(&Context::new(), &mut token).await.unwrap();
    }
    let lost = vault.recorder.lost();
    sink.set(Act::Take);
    vault.read("one").await.unwrap();
    let told = lines(&sink.bytes());
    let saves = told.iter().filter(|line| line.operation.as_deref() == Some("save_token")).count() as u64;
    assert!(lost > 0 && saves > 400, "{lost} given up, {saves} kept");
    assert_eq!(lost + saves, 1000);
    assert_eq!(told.iter().filter_map(|line| line.lost).sum::<u64>(), lost, "the next chain begins with their number");
}

/// A service may take seconds to say that it takes nothing: the save does not wait for its intent.
#[tokio::test]
async fn the_save_does_not_wait_for_a_service_to_take_its_intent() {
    let sink = Scripted::distant();
    let vault = Arc::new(Refreshing::new(&sink, Duration::ZERO).await);
    let mut token = vault.refreshed(&vault.read("one").await.unwrap(), "new");
    sink.set(Act::Hang);
    let saving = tokio::spawn({
        let vault = Arc::clone(&vault);
        async move { vault.audited.save_token(&Context::new(), &mut token).await.map(drop) }
    });
    sink.arrived.notified().await;
    assert_eq!(vault.access().await, "new");
    assert!(!saving.is_finished(), "its answer waits until it is known what became of the line");
    sink.set(Act::Take);
    sink.release.notify_one();
    saving.await.unwrap().unwrap();
    vault.recorder.finish().await;
    let saves: Vec<_> = lines(&sink.bytes())
        .into_iter()
        .filter(|line| line.operation.as_deref() == Some("save_token"))
        .map(|line| line.kind)
        .collect();
    assert_eq!(saves, ["intent", "call"]);
}
