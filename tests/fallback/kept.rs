//! What is kept, for how long, and what waits for it.

use std::sync::Arc;

use tokenvault::backend::Backend;
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::going::{Going, now};
use crate::process::{Process, WHILE, access, of, refreshed};
use crate::scene::{LONGEST, SECOND};
use crate::scripted::Fate;

#[test]
fn nothing_is_saved_after_a_log_out() {
    for all in [false, true] {
        let process = Process::new();
        process.scene.is_away();
        let given = of("bob", "bob's", 60).with_id("17");
        process.save_in_vain(&given);
        let delete = || match all {
            true => now(process.layer.delete_tokens(&Context::new())).map(drop),
            false => now(process.layer.delete_token(&Context::new(), "17")).map(drop),
        };
        assert_eq!(delete().unwrap_err().kind(), ErrorKind::Unavailable);
        process.scene.is_back();
        // Also where the store would do it: what is kept goes first.
        assert_eq!(delete().unwrap_err().kind(), ErrorKind::Unavailable);
        process.scene.time.advance(WHILE);
        delete().unwrap();
        process.scene.time.advance(WHILE);
        assert!(process.by_id("17").unwrap().0.is_none());
        assert_eq!(process.stored(), Vec::<String>::new());
    }
}

#[test]
fn a_save_that_the_store_refuses_is_kept_only_where_that_passes() {
    for (kind, kept) in [
        (ErrorKind::Unavailable, 1),
        (ErrorKind::Busy, 1),
        (ErrorKind::PermissionDenied, 0),
        (ErrorKind::QuotaReached, 0),
        (ErrorKind::Damaged, 0),
    ] {
        let (process, first) = Process::with_alice();
        process.scene.store.otherwise(Fate::Fails(kind));
        let mut second = refreshed(&first, "second", 120);
        assert_eq!(process.save(&mut second).unwrap_err().kind(), kind);
        assert_eq!(process.layer.unsaved(), kept, "{kind:?}");
    }
}

#[test]
fn a_token_that_is_kept_stays_through_whatever_is_not_final() {
    for kind in [ErrorKind::Busy, ErrorKind::PermissionDenied, ErrorKind::QuotaReached, ErrorKind::Damaged] {
        let (process, first) = Process::with_alice();
        process.scene.is_away();
        process.save_in_vain(&refreshed(&first, "second", 120));
        process.scene.store.otherwise(Fate::Fails(kind));
        process.scene.time.advance(WHILE);
        drop(process.by_id(first.id().unwrap()));
        assert_eq!(process.layer.unsaved(), 1, "{kind:?}");
        process.scene.is_back();
        process.by_id(first.id().unwrap()).unwrap();
        assert_eq!(process.stored(), ["second"], "{kind:?}");
    }
}

#[test]
fn the_token_of_a_save_that_nobody_waits_for_is_kept() {
    let (process, first) = Process::with_alice();
    process.scene.store.otherwise(Fate::Late(100 * SECOND));
    let mut second = refreshed(&first, "second", 120);
    let context = Context::new();
    drop(Going::begun(process.layer.save_token(&context, &mut second)));
    assert_eq!(process.layer.unsaved(), 1);
    process.scene.is_back();
    process.by_id(first.id().unwrap()).unwrap();
    assert_eq!(process.stored(), ["second"]);
}

#[test]
fn a_reader_waits_no_longer_for_what_is_kept_than_for_its_own_answer() {
    let (process, first) = Process::with_alice();
    process.scene.is_away();
    process.save_in_vain(&refreshed(&first, "second", 120));
    process.scene.time.advance(WHILE);
    process.scene.store.otherwise(Fate::Late(1000 * SECOND));
    let context = Context::new();
    let mut going = Going::begun(process.layer.find_token_by_id(&context, first.id().unwrap()));
    process.scene.time.advance(5 * SECOND);
    let answer = going.step().unwrap().unwrap();
    assert_eq!((access(&answer.value.unwrap()), answer.source), ("second".to_owned(), Source::Fallback));
}

#[test]
fn a_kept_token_is_used_also_when_the_copy_is_too_old() {
    let (process, first) = Process::with_alice();
    process.scene.is_away();
    process.save_in_vain(&refreshed(&first, "second", 120));
    process.scene.time.advance(LONGEST * 2);
    let id = first.id().unwrap();
    assert_eq!(access(&process.by_id(id).unwrap().0.unwrap()), "second");
    assert_eq!(access(&process.find(&OAuthToken::new().with(Field::UserName, "alice")).unwrap().0.unwrap()), "second");
    assert_eq!(
        process.find(&OAuthToken::new().with(Field::UserName, "bob")).unwrap_err().kind(),
        ErrorKind::Unavailable
    );
}

#[test]
fn a_save_that_took_effect_unheard_is_not_made_twice() {
    let process = Process::new();
    // The commit is done, and nobody hears of it.
    let mut at = 0;
    loop {
        process.scene.store.next(std::iter::repeat_n(Fate::Done, at).chain([Fate::Lost(ErrorKind::Unavailable)]));
        let user = format!("user {at}");
        if process.save(&mut of(&user, &user, 60)).is_ok() {
            break;
        }
        process.scene.time.advance(WHILE);
        let found = process.find(&OAuthToken::new().with(Field::UserName, &user)).unwrap();
        assert_eq!((access(&found.0.unwrap()), found.1), (user, Source::Store));
        at += 1;
    }
    assert!(at >= 2, "a save looks and writes");
    assert_eq!(process.stored().len(), at + 1);
}

#[test]
fn so_many_are_kept_and_no_more() {
    let process = Process::new();
    process.scene.is_away();
    for number in 0..1000 {
        process.save_in_vain(&of(&number.to_string(), "kept", 60));
    }
    let error = process.save_in_vain(&of("one more", "not kept", 60));
    assert!(error.hint().unwrap().contains("too many"), "{error:?}");
    assert_eq!(process.layer.unsaved(), 1000);
    process.scene.is_back();
    process.scene.time.advance(WHILE);
    assert_eq!(now(process.layer.get_tokens(&Context::new())).unwrap().value.len(), 1000);
}

#[test]
fn no_lease_is_granted_while_the_store_is_out_of_reach() {
    use tokenvault::backend::leases::Granter;
    let (process, first) = Process::with_alice();
    let fallback: Arc<dyn Backend> = Arc::clone(&process.scene.fallback) as _;
    let granter = Granter::new(fallback, None, Arc::clone(&process.scene.time) as _);
    process.scene.is_away();
    let name = tokenvault::identity::RecordName::parse(first.id().unwrap()).unwrap();
    let asked = now(granter.ask(&Context::new(), name, "somebody", |_| true));
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::Unavailable);
    process.scene.is_back();
    now(granter.ask(&Context::new(), name, "somebody", |_| true)).unwrap();
}

#[test]
fn a_save_does_not_overtake_what_is_kept() {
    let (process, first) = Process::with_alice();
    process.scene.is_away();
    process.save_in_vain(&refreshed(&first, "second", 120));
    process.scene.is_back();
    // Within the time that the failure is remembered for.
    process.save_in_vain(&of("bob", "bob's", 60));
    assert_eq!(process.stored(), ["first"]);
    process.scene.time.advance(WHILE);
    process.by_id(first.id().unwrap()).unwrap();
    assert_eq!(process.stored(), ["bob's", "second"]);
}

#[test]
fn what_is_kept_for_another_reason_is_forgotten_when_it_is_deleted() {
    let process = Process::new();
    process.scene.store.otherwise(Fate::Fails(ErrorKind::Busy));
    let mut given = of("bob", "bob's", 60).with_id("17");
    assert_eq!(process.save(&mut given).unwrap_err().kind(), ErrorKind::Busy);
    process.scene.is_back();
    // It is tried first, in vain, and does not hold up the delete.
    process.scene.store.next([Fate::Fails(ErrorKind::Busy)]);
    assert!(!now(process.layer.delete_token(&Context::new(), "17")).unwrap().value);
    assert!(process.by_id("17").unwrap().0.is_none());
    assert_eq!((process.layer.unsaved(), process.stored().len()), (0, 0));
}
