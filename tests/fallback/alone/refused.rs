//! Nobody is sent unless what comes of it would be kept, and the token is the one that is meant.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::layer::journal::Journaled;
use tokenvault::operation::{Context, NotReady, Readiness, Source};
use tokenvault::record::Record;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::alone::scene::{Alone, FIRST, MINUTE};
use crate::going::{Going, now};
use crate::hourglass::Hourglass;
use crate::process::{WHILE, access, of, refreshed};
use crate::scene::{AWAY, SECOND, commit};
use crate::scripted::{Fate, Scripted};

pub(super) fn nobody_was_sent(scene: &Alone) {
    assert_eq!(scene.refused(), ErrorKind::Unavailable);
    assert_eq!(scene.provider.asked.get(), 0);
}

#[test]
fn nobody_is_sent_while_a_token_waits_in_the_process_to_be_saved() {
    let scene = Alone::ended_while_away(true);
    let token = now(scene.layer.find_token_by_id(&Context::new(), &scene.id)).unwrap().value.unwrap();
    let context = Context::new();
    // Given up while the journal's disk hangs; and whoever tries again hangs, too.
    scene.machine.kept.commits(Some(Fate::Never));
    let mut given_up = scene.refreshed(&token);
    drop(Going::begun(scene.layer.save_token(&context, &mut given_up)));
    let trying = Going::begun(scene.layer.get_tokens(&context));
    scene.machine.kept.commits(None);
    assert_eq!(scene.layer.unsaved(), 1);
    scene.machine.kept.calls();
    assert_eq!(scene.refused(), ErrorKind::Unavailable);
    assert!(!scene.machine.kept.calls().contains(&"commit"), "nothing is written for it");
    drop(trying);
    // It goes first, and then there is nothing to refresh.
    assert_eq!(scene.all_call(3), vec![Ok("access 1".to_owned()); 3]);
    assert_eq!(scene.provider.asked.get(), 1);
    scene.assert_played_back("access 1");
}

#[test]
fn nobody_is_sent_whose_token_the_journal_does_not_take() {
    for kind in [ErrorKind::StorageFull, ErrorKind::Io, ErrorKind::PermissionDenied] {
        let scene = Alone::ended_while_away(true);
        scene.machine.kept.commits(Some(Fate::Fails(kind)));
        nobody_was_sent(&scene);
        scene.machine.kept.commits(None);
        scene.machine.kept.calls();
        scene.sent("a reader");
        assert!(scene.machine.kept.calls().contains(&"commit"), "it has shown that it takes one");
    }
}

/// What it has shown that it takes stays in the file.
#[test]
fn nobody_is_sent_where_there_is_room_for_what_is_shown_and_no_more() {
    let scene = Alone::ended_while_away(true);
    scene.machine.has_room.store(false, Ordering::Relaxed);
    nobody_was_sent(&scene);
    scene.machine.has_room.store(true, Ordering::Relaxed);
    scene.sent("a reader");
}

/// Changes what the journal says of itself as another process would.
fn in_its_mark(scene: &Alone, change: impl Fn(&str) -> String) {
    let kept = &scene.machine.kept.inner;
    let records = now(kept.list(&Context::new())).unwrap().value;
    let mark = records.iter().find(|record| record.ids.iter().any(|text| text.starts_with("of\u{1f}"))).unwrap();
    let ids = mark.ids.iter().map(|text| Arc::from(change(text))).collect();
    let changed = Record { version: mark.version.next().unwrap(), ids, ..Record::clone(mark) };
    now(kept.commit(&Context::new(), commit(Some(mark), Some(&Arc::new(changed))))).unwrap();
}

#[test]
fn nobody_is_sent_whose_token_would_be_one_too_many() {
    let scene = Alone::ended_while_away(true);
    scene.saved(&of("bob", "bob's", 60));
    in_its_mark(&scene, |text| text.replace("count\u{1f}1", "count\u{1f}10000"));
    nobody_was_sent(&scene);
}

#[test]
fn nobody_is_sent_while_the_journal_does_not_come_to_rest() {
    let scene = Alone::ended_while_away(true);
    scene.machine.copy.otherwise(Fate::Late(SECOND / 10));
    let mut asking = Going::begun(scene.ask("a reader"));
    for _ in 0..200 {
        in_its_mark(&scene, str::to_owned);
        scene.pass(SECOND / 10);
        if let Some(answer) = asking.step() {
            assert_eq!(answer.map(|found| found.map(|(token, _)| access(&token))).unwrap_err(), ErrorKind::Unavailable);
            return;
        }
    }
    panic!("it never ends");
}

#[test]
fn what_the_journal_shows_is_as_large_as_a_save() {
    let scene = Alone::ended_while_away(true);
    let size = || {
        let records = now(scene.machine.kept.inner.list(&Context::new())).unwrap().value;
        records.iter().flat_map(|record| record.ids.clone()).map(|text| text.len()).sum::<usize>()
    };
    let before = size();
    let token = scene.sent("a reader");
    assert!(size() > before + 16_000);
    scene.saved(&scene.refreshed(&token));
    assert!(size() < before + 1000, "the next change drops it");
}

/// What is looked at before anybody is sent: something happens meanwhile.
#[derive(Debug)]
struct Meanwhile(Arc<Journaled>, What, AtomicUsize);

#[derive(Clone, Debug)]
enum What {
    Fails,
    Saves(Box<OAuthToken>),
    LogsOut(String),
    IsBack(Arc<Scripted>, Arc<Hourglass>),
    Takes(u32, Arc<Hourglass>),
}

#[async_trait]
impl Readiness for Meanwhile {
    async fn check(&self) -> Result<(), NotReady> {
        let context = Context::new();
        self.2.fetch_add(1, Ordering::Relaxed);
        match &self.1 {
            What::Fails => return Err("the trail takes no line".into()),
            What::Saves(token) => drop(self.0.save_token(&context, &mut OAuthToken::clone(token)).await.unwrap()),
            What::IsBack(store, time) => {
                store.otherwise(Fate::Done);
                time.advance(WHILE);
            }
            What::Takes(seconds, time) => time.advance(*seconds * SECOND),
            What::LogsOut(id) => drop(self.0.delete_token(&context, id).await.unwrap()),
        }
        Ok(())
    }
}

fn asked_meanwhile(scene: &Alone, what: What) -> Result<Option<(OAuthToken, Source)>, ErrorKind> {
    asked_counting(scene, what).0
}

/// And how often it was asked for.
fn asked_counting(scene: &Alone, what: What) -> (Result<Option<(OAuthToken, Source)>, ErrorKind>, usize) {
    let readiness = Arc::new(Meanwhile(Arc::clone(&scene.layer), what, AtomicUsize::new(0)));
    let context = Context::new().with_caller("a reader").with_readiness(Arc::clone(&readiness) as _);
    let mut asking = Going::unsure(scene.ask_by(&context));
    for _ in 0..200 {
        if let Some(answer) = asking.step() {
            return (answer, readiness.2.load(Ordering::Relaxed));
        }
        scene.pass(SECOND / 10);
    }
    panic!("it never ends");
}

#[test]
fn nobody_is_sent_where_no_line_could_be_left() {
    let scene = Alone::ended_while_away(true);
    assert_eq!(asked_meanwhile(&scene, What::Fails).unwrap_err(), ErrorKind::Unavailable);
}

#[test]
fn what_was_saved_or_deleted_since_the_read_overtakes_it() {
    // It lives.
    let scene = Alone::ended_while_away(true);
    let token = now(scene.layer.find_token_by_id(&Context::new(), &scene.id)).unwrap().value.unwrap();
    let newer = refreshed(&token, "newer", 60).with(Field::RefreshToken, "newer");
    let found = asked_meanwhile(&scene, What::Saves(Box::new(newer))).unwrap().unwrap();
    assert_eq!((access(&found.0).as_str(), found.0.lease(), found.1), ("newer", None, Source::Journal));
    // It has ended as well: whoever is sent has its refresh token.
    let scene = Alone::ended_while_away(true);
    let token = now(scene.layer.find_token_by_id(&Context::new(), &scene.id)).unwrap().value.unwrap();
    scene.refreshed(&token);
    scene.pass(MINUTE);
    let newer = refreshed(&token, "newer", u64::from(FIRST) + 1).with(Field::RefreshToken, "newer");
    let (found, asked) = asked_counting(&scene, What::Saves(Box::new(newer)));
    let found = found.unwrap().unwrap().0;
    assert!(found.lease().is_some());
    assert_eq!(asked, 2, "of the other end it was not known who refreshes it");
    scene.refreshed(&found);
    // It is gone.
    let scene = Alone::ended_while_away(true);
    let refused = asked_meanwhile(&scene, What::LogsOut(scene.id.clone())).unwrap_err();
    assert_eq!(refused, ErrorKind::Unavailable, "that the copy has none says nothing");
}

#[test]
fn a_store_that_answers_after_all_grants_the_lease() {
    let scene = Alone::ended_while_away(true);
    let back = What::IsBack(Arc::clone(&scene.machine.store), Arc::clone(&scene.machine.time));
    let (found, source) = asked_meanwhile(&scene, back).unwrap().unwrap();
    assert!(found.lease().is_some() && source == Source::Store);
    assert!(scene.has_lease_in_store());
}

#[test]
fn nobody_is_sent_whose_time_is_half_over() {
    let scene = Alone::ended_while_away(true);
    let late = What::Takes(46, Arc::clone(&scene.machine.time));
    assert_eq!(asked_meanwhile(&scene, late).unwrap_err(), ErrorKind::Busy);
}

/// The journal is looked at again where the copy has answered.
#[test]
fn a_read_that_the_copy_answers_misses_nothing_that_was_journaled_meanwhile() {
    for is_by_id in [true, false] {
        let scene = Alone::new();
        let token = now(scene.layer.find_token_by_id(&Context::new(), &scene.id)).unwrap().value.unwrap();
        scene.machine.store.next([Fate::Never]);
        scene.machine.is_away();
        let (context, mut given) = (Context::new(), OAuthToken::new().with(Field::UserName, "alice"));
        let mut reading = Going::begun(async {
            if is_by_id {
                return scene.layer.find_token_by_id(&context, &scene.id).await.unwrap().value.unwrap();
            }
            assert!(scene.layer.find_token(&context, &mut given).await.unwrap().value);
            Arc::new(given)
        });
        let mut second = refreshed(&token, "second", 60);
        assert_eq!(now(scene.layer.save_token(&context, &mut second)).unwrap().source, Source::Journal);
        scene.pass(5 * SECOND);
        assert_eq!(access(&reading.step().unwrap()), "second", "{is_by_id}");
    }
}

#[test]
fn nobody_is_sent_with_a_token_of_a_copy_that_is_too_old() {
    let scene = Alone::ended_while_away(true);
    scene.pass(56 * MINUTE);
    nobody_was_sent(&scene);
}

/// However long the store took to say that it grants none.
#[test]
fn whoever_is_sent_alone_has_half_of_the_time_at_the_least() {
    let scene = Alone::new();
    scene.pass(FIRST * MINUTE);
    scene.machine.store.next([Fate::Done, Fate::Done, Fate::Done].into_iter().chain([AWAY; 20]));
    let found = asked_meanwhile(&scene, What::Takes(40, Arc::clone(&scene.machine.time))).unwrap().unwrap().0;
    scene.machine.is_away();
    scene.pass(49 * SECOND);
    assert_eq!(scene.sent("a reader").lease(), found.lease());
}

/// Whether the one that was sent then has saved a newer token, only the store knows.
#[test]
fn nobody_is_sent_after_a_lease_that_this_process_knows_nothing_of() {
    for is_restarted in [false, true] {
        let mut scene = Alone::new();
        scene.pass(FIRST * MINUTE);
        scene.sent("holder");
        assert!(scene.has_lease_in_store());
        if is_restarted {
            scene = scene.restarted();
        }
        scene.machine.is_away();
        scene.pass(10 * MINUTE);
        if is_restarted {
            nobody_was_sent(&scene);
        } else {
            scene.sent("the next");
        }
    }
}
