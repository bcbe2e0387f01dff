//! Leases are the store's: nobody is sent to refresh what is only in a copy, a journal or this process.

use std::sync::Arc;

use tokenvault::backend::leases::Granter;
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::going::now;
use crate::hourglass::Hourglass;
use crate::journal::machine::Machine;
use crate::process::{Process, access, alice, refreshed};
use crate::scene::SECOND;
use crate::scripted::{Fate, Scripted};

fn coordinated(inner: impl TokenStore + 'static, store: &Arc<Scripted>, time: &Arc<Hourglass>) -> Coordinated {
    let granter = Granter::new(Arc::clone(store) as _, None, Arc::clone(time) as _);
    let options = CoordinateOptions {
        clock: Arc::clone(time) as _,
        pause: Arc::clone(time) as _,
        ..CoordinateOptions::default()
    };
    Coordinated::new(Arc::new(inner), granter, "a test", options)
}

fn read(layer: &Coordinated, id: &str) -> Result<(OAuthToken, Source), ErrorKind> {
    let answer = now(layer.find_token_by_id(&Context::new(), id)).map_err(|error| error.kind())?;
    Ok((OAuthToken::clone(&answer.value.unwrap()), answer.source))
}

fn assert_no_lease(store: &Arc<Scripted>) {
    let records = now(store.inner.list(&Context::new())).unwrap().value;
    assert!(!records.is_empty() && records.iter().all(|record| record.lease.is_none()));
}

/// `layer` has saved `token` while `store` was away; it ends in ten minutes.
fn assert_nobody_is_sent(layer: &Coordinated, store: &Arc<Scripted>, time: &Arc<Hourglass>, token: &OAuthToken) {
    let id = token.id().unwrap();
    // Of late, so that early leases are due; and after the end.
    for (minutes, is_over) in [(9, false), (2, true)] {
        time.advance(SECOND * 60 * minutes);
        let told = |case: &str| {
            match read(layer, id) {
                Ok((found, source)) => {
                    assert!(!is_over && found.lease().is_none(), "{case}, {minutes}");
                    assert_eq!((access(&found).as_str(), source == Source::Store), ("second", false), "{case}");
                }
                Err(kind) => assert!(is_over && kind == ErrorKind::Unavailable, "{case}, {minutes}: {kind:?}"),
            }
            assert_no_lease(store);
        };
        told("away");
        // Back, and that it was away is not forgotten.
        store.otherwise(Fate::Done);
        told("just back");
        store.otherwise(crate::scene::AWAY);
    }
}

fn second(token: &OAuthToken) -> OAuthToken {
    refreshed(token, "second", 10).with(Field::RefreshToken, "rotated")
}

#[test]
fn what_is_in_the_journal_is_not_overtaken_by_a_lease() {
    let machine = Machine::first();
    let worker = machine.process();
    let mut first = alice("first", 5);
    worker.save(&mut first).unwrap();
    worker.list().unwrap();
    machine.is_away();
    let token = worker.journaled(&second(&first));
    let layer = coordinated(worker.layer, &machine.store, &machine.time);
    assert_nobody_is_sent(&layer, &machine.store, &machine.time, &token);
    // Played back, it is refreshed like any.
    machine.is_back();
    let (leased, source) = read(&layer, token.id().unwrap()).unwrap();
    assert!(leased.lease().is_some() && source == Source::Store);
    assert_eq!(leased.get(Field::RefreshToken).unwrap().expose(), "rotated");
}

#[test]
fn what_is_kept_in_the_process_is_not_overtaken_by_a_lease() {
    let process = Process::new();
    let mut first = alice("first", 5);
    process.save(&mut first).unwrap();
    now(process.layer.get_tokens(&Context::new())).unwrap();
    process.scene.is_away();
    let token = second(&first);
    process.save_in_vain(&token);
    let (store, time) = (Arc::clone(&process.scene.store), Arc::clone(&process.scene.time));
    let layer = coordinated(process.layer, &store, &time);
    assert_nobody_is_sent(&layer, &store, &time, &token);
}

#[test]
fn a_token_of_the_copy_is_handed_out_for_as_long_as_it_lives() {
    let process = Process::new();
    let mut token = second(&alice("first", 5));
    process.save(&mut token).unwrap();
    now(process.layer.get_tokens(&Context::new())).unwrap();
    process.scene.is_away();
    let (store, time) = (Arc::clone(&process.scene.store), Arc::clone(&process.scene.time));
    let layer = coordinated(process.layer, &store, &time);
    assert_nobody_is_sent(&layer, &store, &time, &token);
}
