//! The one who is to refresh: reads again, comes late, or not at all.

use std::sync::Arc;
use std::time::Duration;

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field::{AccessToken, ExpiresIn, RedirectUrl, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::{Outcome, TokenStore};
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;
use tokio::time::sleep;

use crate::fleet::{Called, Fleet, LIFETIME, Process, text};
use crate::memory;

const SECOND: Duration = Duration::from_secs(1);

async fn read(process: &Process, caller: &str, id: &str) -> Result<OAuthToken, ErrorKind> {
    let context = Context::new().with_caller(caller);
    let answer = process.store.find_token_by_id(&context, id).await.map_err(|error| error.kind())?;
    Ok(OAuthToken::clone(&answer.value.unwrap()))
}

#[tokio::test(start_paused = true)]
async fn the_holder_reads_again_and_never_waits_for_itself() {
    let fleet = Fleet::new(memory(), 30 * SECOND).await;
    let process = fleet.process();
    let mut leases = Vec::new();
    for _ in 0..3 {
        let token = read(&process, "holder", &fleet.id).await.unwrap();
        assert!(process.is_ended(&token), "so that its SDK refreshes");
        leases.push(token.lease().unwrap());
        sleep(Duration::from_millis(100)).await;
    }
    assert!(leases.iter().all(|lease| *lease == leases[0]));
    assert_eq!(read(&process, "holder", &fleet.id).await.unwrap_err(), ErrorKind::Busy);
    assert_eq!(text(&read(&process, "another", &fleet.id).await.unwrap()), "access 0", "it lives");
}

#[tokio::test(start_paused = true)]
async fn whoever_has_no_name_is_another_each_time() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let process = fleet.process();
    let nobody = Context::new();
    let token = process.store.find_token_by_id(&nobody, &fleet.id).await.unwrap().value.unwrap();
    assert!(token.lease().is_some());
    assert_eq!(process.store.find_token_by_id(&nobody, &fleet.id).await.unwrap_err().kind(), ErrorKind::Busy);
}

#[tokio::test(start_paused = true)]
async fn the_next_takes_over_from_a_holder_that_was_killed() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let (killed, next) = (fleet.process(), fleet.process());
    assert!(read(&killed, "holder", &fleet.id).await.unwrap().lease().is_some());
    drop(killed);
    let mut refused = 0;
    while next.call("a task", &fleet.id).await == Called::Refused(ErrorKind::Busy) {
        refused += 1;
        sleep(SECOND).await;
    }
    let after = tokenvault::clock::Clock::now(&fleet.clock).as_millis() - 1_800_000_000_000;
    assert!((90_000..102_000).contains(&after), "{after} ms");
    assert!(refused > 5 && fleet.asked() == 1);
}

#[tokio::test(start_paused = true)]
async fn attempts_grow_rare_while_the_provider_is_down() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let processes: Vec<Process> = (0..4).map(|_| fleet.process()).collect();
    *fleet.provider.is_down.lock().unwrap() = true;
    for second in 0..3600 {
        let caller = format!("task {second}");
        let called = processes[second % 4].call(&caller, &fleet.id).await;
        assert!(matches!(called, Called::NoRefresh | Called::Refused(ErrorKind::Busy)), "{called:?}");
        sleep(SECOND).await;
    }
    // After 90, 180, 360, 720, 1,440 and 1,800 s; what waited meanwhile makes the hour longer.
    assert!((5..=8).contains(&fleet.asked()), "{}", fleet.asked());
    *fleet.provider.is_down.lock().unwrap() = false;
    let mut waited = 0;
    while fleet.refreshed() == 0 {
        processes[0].call(&format!("later {waited}"), &fleet.id).await;
        sleep(SECOND).await;
        waited += 1;
    }
    assert!(waited <= 1800);
    let other = processes[1].call("a task", &fleet.id).await;
    assert_eq!(other, Called::With("access 1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_comes_late_overwrites_no_newer_token() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let (slow, next) = (fleet.process(), fleet.process());
    let held = read(&slow, "holder", &fleet.id).await.unwrap();
    let early = tokenvault::clock::Clock::now(&fleet.clock).after(LIFETIME).as_millis().to_string();
    sleep(91 * SECOND).await;
    assert_eq!(next.call("next", &fleet.id).await, Called::With("access 1".to_owned()));
    let mut late = held.with(AccessToken, "late").with(ExpiresIn, &early);
    let saved = slow.store.save_token(&Context::new(), &mut late).await.unwrap().value;
    assert_eq!(saved.outcome, Outcome::Superseded);
    assert_eq!(text(&read(&next, "next", &fleet.id).await.unwrap()), "access 1");
}

#[tokio::test(start_paused = true)]
async fn a_new_sign_in_ends_a_lease() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let (process, other) = (fleet.process(), fleet.process());
    read(&process, "holder", &fleet.id).await.unwrap();
    let expiry = tokenvault::clock::Clock::now(&fleet.clock).after(LIFETIME).as_millis().to_string();
    let sign_in = OAuthToken::new().with(UserName, "ada").with(tokenvault::fields::Field::ClientId, "app");
    let mut sign_in = sign_in.with(RefreshToken, "new").with(AccessToken, "signed in").with(ExpiresIn, &expiry);
    other.store.save_token(&Context::new(), &mut sign_in).await.unwrap();
    assert_eq!(process.call("another", &fleet.id).await, Called::With("signed in".to_owned()));
    assert_eq!(fleet.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_save_of_something_else_leaves_the_lease_to_its_holder() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let (process, other) = (fleet.process(), fleet.process());
    let held = read(&process, "holder", &fleet.id).await.unwrap();
    let vault = Vault::with_clock(Arc::clone(&fleet.backend), Arc::new(fleet.clock.clone()));
    let mut elsewhere = OAuthToken::new().with_id(&fleet.id).with(RedirectUrl, "https://example.com");
    vault.save_token(&Context::new(), &mut elsewhere).await.unwrap();
    assert_eq!(other.call("another", &fleet.id).await, Called::Refused(ErrorKind::Busy), "it is held");
    let expiry = tokenvault::clock::Clock::now(&fleet.clock).after(LIFETIME).as_millis().to_string();
    let mut refreshed = held.with(AccessToken, "fresh").with(ExpiresIn, &expiry);
    process.store.save_token(&Context::new(), &mut refreshed).await.unwrap();
    assert_eq!(refreshed.lease(), None);
    assert_eq!(other.call("another", &fleet.id).await, Called::With("fresh".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_handed_out_to_be_refreshed_changes_nothing_when_it_is_saved_as_it_is() {
    let fleet = Fleet::new(memory(), 30 * SECOND).await;
    let (process, other) = (fleet.process(), fleet.process());
    let mut held = read(&process, "holder", &fleet.id).await.unwrap().with(RedirectUrl, "https://example.com");
    process.store.save_token(&Context::new(), &mut held).await.unwrap();
    assert!(
        !process.is_ended(&read(&other, "another", &fleet.id).await.unwrap()),
        "the end that was shown is no value"
    );
}

/// A process whose clock is five minutes ahead sees a token end before the others do, and a lease as old. It refreshes early,
/// and once.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_five_minutes_off_makes_no_second_refresh() {
    for ahead in [0, 300] {
        let fleet = Fleet::new(memory(), 150 * SECOND).await;
        let wrong = fleet.process_with(Arc::clone(&fleet.backend), &fleet.clock.ahead(ahead), |_| {});
        let right = fleet.process_with(Arc::clone(&fleet.backend), &fleet.clock.ahead(300 - ahead), |_| {});
        for step in 0..200 {
            let caller = format!("task {step}");
            let (one, other) = tokio::join!(wrong.call(&caller, &fleet.id), right.call(&caller, &fleet.id));
            for called in [one, other] {
                assert!(matches!(called, Called::With(_)), "{called:?}");
            }
            sleep(SECOND).await;
        }
        assert_eq!(fleet.asked(), 1, "{ahead}");
    }
}
