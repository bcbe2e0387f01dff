//! Those who read while one refreshes.

use std::sync::Arc;
use std::time::Duration;

use tokenvault::backend::leases::Granter;
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field::{AccessToken, ExpiresIn};
use tokenvault::layer::cache::Cache;
use tokenvault::layer::cache::options::CacheOptions;
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;
use tokio::time::{Instant, sleep};

use crate::fleet::{Called, Fleet, LIFETIME, Process, kinds, text};
use crate::memory;

const SECOND: Duration = Duration::from_secs(1);

fn eight(fleet: &Fleet) -> Vec<Process> {
    (0..8).map(|_| fleet.process()).collect()
}

#[tokio::test(start_paused = true)]
async fn sixty_four_readers_of_an_ended_token_make_one_refresh_and_all_get_the_new_one() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let called = fleet.all_call(&eight(&fleet), 8).await;
    assert_eq!((fleet.asked(), called.len()), (1, 64));
    assert!(called.iter().all(|called| *called == Called::With("access 1".to_owned())), "{:?}", kinds(&called));
}

#[cfg(feature = "file")]
#[tokio::test(start_paused = true)]
async fn so_do_those_of_eight_handles_on_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::new(crate::file(folder.path()), Duration::ZERO).await;
    let open = |_| fleet.process_with(crate::file(folder.path()), |_| {});
    let called = fleet.all_call(&(0..8).map(open).collect::<Vec<_>>(), 8).await;
    assert_eq!((fleet.asked(), called.len()), (1, 64));
    assert!(called.iter().all(|called| *called == Called::With("access 1".to_owned())), "{:?}", kinds(&called));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_about_to_end_has_ended_for_whoever_only_looks() {
    let fleet = Fleet::new(memory(), 6 * SECOND).await;
    let called = fleet.all_call(&eight(&fleet), 8).await;
    assert_eq!(fleet.asked(), 1, "the SDK refreshes what it gets, however little is left");
    assert!(called.iter().all(|called| *called == Called::With("access 1".to_owned())), "{:?}", kinds(&called));
}

#[tokio::test(start_paused = true)]
async fn before_the_end_one_refreshes_and_nobody_waits() {
    let fleet = Fleet::new(memory(), 150 * SECOND).await;
    let processes = eight(&fleet);
    let mut seen = Vec::new();
    while fleet.refreshed() == 0 {
        for process in &processes {
            let began = Instant::now();
            seen.push(process.call("a task", &fleet.id).await);
            let is_holder = seen.last() == Some(&Called::With("access 1".to_owned()));
            assert!(is_holder || began.elapsed() < Duration::from_millis(1), "{:?}", began.elapsed());
        }
        sleep(SECOND).await;
    }
    assert_eq!(fleet.asked(), 1);
    assert!(kinds(&seen).len() == 2, "the old one or the new one: {:?}", kinds(&seen));
    let left = LIFETIME.saturating_sub(SECOND);
    assert!(fleet.all_call(&processes, 1).await.iter().all(|called| *called == Called::With("access 1".to_owned())));
    sleep(left).await;
    fleet.all_call(&processes, 8).await;
    assert_eq!(fleet.asked(), 2, "the next end is the next refresh");
}

#[tokio::test(start_paused = true)]
async fn without_early_leases_the_old_token_serves_to_its_end() {
    let fleet = Fleet::new(memory(), 20 * SECOND).await;
    let process = fleet.process_with(Arc::clone(&fleet.backend), |options| options.is_early = false);
    assert_eq!(process.call("a task", &fleet.id).await, Called::With("access 0".to_owned()));
    assert_eq!(fleet.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_provider_is_waited_for_ten_seconds_and_no_longer() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let processes = eight(&fleet);
    *fleet.provider.takes.lock().unwrap() = 8 * SECOND;
    let called = fleet.all_call(&processes, 4).await;
    assert!(called.iter().all(|called| *called == Called::With("access 1".to_owned())), "{:?}", kinds(&called));

    sleep(LIFETIME).await;
    *fleet.provider.takes.lock().unwrap() = 30 * SECOND;
    let began = Instant::now();
    let waiting = async {
        sleep(SECOND).await;
        let refused = processes[1].call("waiter", &fleet.id).await;
        (refused, began.elapsed())
    };
    let (held, (refused, waited)) = tokio::join!(processes[0].call("holder", &fleet.id), waiting);
    assert_eq!((held, refused), (Called::With("access 2".to_owned()), Called::Refused(ErrorKind::Busy)));
    assert!(waited >= 11 * SECOND && waited < 12 * SECOND, "{waited:?}");
    assert_eq!(fleet.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_the_callers_own_cuts_the_wait_short() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let process = fleet.process();
    *fleet.provider.takes.lock().unwrap() = 30 * SECOND;
    let waiting = async {
        sleep(SECOND).await;
        let (began, deadline) = (Instant::now(), fleet.clock.now().after(2 * SECOND));
        let context = Context::new().with_caller("waiter").with_deadline(deadline);
        let refused = process.store.find_token_by_id(&context, &fleet.id).await;
        (refused.unwrap_err().kind(), began.elapsed())
    };
    let (_, (kind, waited)) = tokio::join!(process.call("holder", &fleet.id), waiting);
    assert_eq!(kind, ErrorKind::Busy);
    assert!(waited <= 3 * SECOND, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_also_waited_for_that_is_asked_for_by_its_user() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let (process, other) = (fleet.process(), fleet.process());
    let waiting = async {
        sleep(Duration::from_millis(10)).await;
        let mut token = OAuthToken::new().with(tokenvault::fields::Field::UserName, "ada");
        assert!(other.store.find_token(&Context::new(), &mut token).await.unwrap().value);
        token
    };
    let (_, token) = tokio::join!(process.call("holder", &fleet.id), waiting);
    assert_eq!((text(&token).as_str(), token.id()), ("access 1", Some(&*fleet.id)));
    assert_eq!(fleet.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_revokes_neither_takes_a_lease_nor_waits_for_one() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let process = fleet.process();
    *fleet.provider.takes.lock().unwrap() = 5 * SECOND;
    let revoking = async {
        sleep(SECOND).await;
        let (began, mut token) = (Instant::now(), OAuthToken::new().with_id(&fleet.id));
        assert!(process.store.find_token(&Context::new(), &mut token).await.unwrap().value);
        (text(&token), began.elapsed(), token.lease())
    };
    let (_, revoked) = tokio::join!(process.call("holder", &fleet.id), revoking);
    assert_eq!(revoked, ("access 0".to_owned(), Duration::ZERO, None));
    sleep(LIFETIME).await;
    let mut token = OAuthToken::new().with_id(&fleet.id);
    process.store.find_token(&Context::new(), &mut token).await.unwrap();
    assert_eq!(process.call("a task", &fleet.id).await, Called::With("access 2".to_owned()), "nobody held a lease");
}

#[tokio::test(start_paused = true)]
async fn a_log_out_ends_the_wait() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let (process, other) = (fleet.process(), fleet.process());
    *fleet.provider.takes.lock().unwrap() = 5 * SECOND;
    let waiting = async {
        sleep(SECOND).await;
        let found = process.store.find_token_by_id(&Context::new(), &fleet.id).await;
        (found.unwrap().value.is_none(), Instant::now())
    };
    let leaving = async {
        sleep(2 * SECOND).await;
        assert!(other.store.delete_token(&Context::new(), &fleet.id).await.unwrap().value);
        Instant::now()
    };
    let (held, (is_none, seen), gone) = tokio::join!(process.call("holder", &fleet.id), waiting, leaving);
    assert_eq!((held, is_none), (Called::Refused(ErrorKind::Gone), true), "and the late refresh undoes nothing");
    assert!(seen - gone <= SECOND);
}

/// A process whose memory answers with a token up to its very end.
fn remembering(fleet: &Fleet) -> Coordinated {
    let vault = Vault::with_clock(Arc::clone(&fleet.backend), Arc::clone(&fleet.clock));
    let mut cache = CacheOptions::default();
    (cache.clock, cache.expiry_margin) = (Arc::clone(&fleet.clock), Duration::ZERO);
    let granter = Granter::new(Arc::clone(&fleet.backend), None, Arc::clone(&fleet.clock));
    let clock = Arc::clone(&fleet.clock);
    let options = CoordinateOptions { clock, is_early: false, ..CoordinateOptions::default() };
    Coordinated::new(Arc::new(Cache::new(Arc::new(vault), cache)), granter, "a test", options)
}

/// One refreshes, and the other is handed the new token as soon as it is saved, although it remembers the old one.
#[tokio::test(start_paused = true)]
async fn who_waits_is_not_answered_from_memory() {
    let fleet = Fleet::new(memory(), 30 * SECOND).await;
    let stores = [remembering(&fleet), remembering(&fleet)];
    let find = async |number: usize| {
        let context = Context::new().with_caller(format!("process {number}"));
        let found = stores[number].find_token_by_id(&context, &fleet.id).await.unwrap().value.unwrap();
        (OAuthToken::clone(&found), context)
    };
    for number in [0, 1] {
        assert!(find(number).await.0.lease().is_none(), "it lives");
    }
    sleep(26 * SECOND).await;
    let (held, context) = find(0).await;
    assert!(held.lease().is_some());
    let began = Instant::now();
    let saving = async {
        sleep(SECOND / 2).await;
        let end = fleet.clock.now().after(LIFETIME).as_millis().to_string();
        let mut new = held.with(AccessToken, "new").with(ExpiresIn, &end);
        stores[0].save_token(&context, &mut new).await.unwrap();
    };
    let waiting = async {
        let (found, _) = find(1).await;
        (text(&found), began.elapsed())
    };
    let ((), (found, waited)) = tokio::join!(saving, waiting);
    assert_eq!(found, "new");
    assert!(waited < 2 * SECOND, "{waited:?}");
}
