//! A journal on a disk that takes nothing more, while the store is in reach.

use std::sync::Arc;

use tokenvault::backend::fallback::journal::player::PlayerPlace;
use tokenvault::backend::fallback::journal::{Journal, LOST_KEPT};
use tokenvault::error::{Error, ErrorKind, Result};
use tokenvault::layer::journal::Journaled;
use tokenvault::operation::{Context, Source};
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::going::now;
use crate::journal::machine::{ANOTHER_TEXT, NOTHING, There, Worker, is, with_alice};
use crate::process::{access, refreshed};
use crate::scene::opened;
use crate::scripted::Fate;

const FULL: Fate = Fate::Fails(ErrorKind::StorageFull);

/// Every read is answered, and with this.
fn assert_read(worker: &Worker, first: &OAuthToken, expected: (&str, Source)) {
    let (value, source) = expected;
    let (found, by) = worker.by_id(first.id().unwrap()).unwrap();
    assert_eq!((access(&found.unwrap()), by), (value.to_owned(), source));
    let (found, by) = worker.find("alice").unwrap();
    assert_eq!((access(&found.unwrap()), by), (value.to_owned(), source));
    assert_eq!(worker.list().unwrap(), (vec![is("alice", value)], source));
}

#[test]
fn reads_go_on_beside_a_conflict_that_cannot_be_forgotten() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    worker.journaled(&refreshed(&first, "here", 120));
    machine.saved_elsewhere(&refreshed(&first, "there", 300));
    machine.is_back();
    worker.list().unwrap();
    assert_eq!(worker.lost().len(), 1);
    machine.time.advance(LOST_KEPT);
    machine.kept.commits(Some(FULL));
    assert_read(&worker, &first, ("there", Source::Store));
    assert_eq!(worker.lost().len(), 1, "it is there still");
    machine.kept.commits(None);
    worker.list().unwrap();
    assert_eq!(worker.lost(), []);
}

#[test]
fn reads_go_on_beside_an_entry_that_cannot_be_taken_out() {
    // As it was acknowledged, as a part of something else, and as one that the store refuses.
    let theres: [There; 3] =
        [NOTHING, ANOTHER_TEXT, |machine, _| machine.store.commits(Some(Fate::Fails(ErrorKind::QuotaReached)))];
    for (index, there) in theres.into_iter().enumerate() {
        let (machine, worker, first) = with_alice();
        machine.is_away();
        worker.journaled(&refreshed(&first, "here", 120));
        there(&machine, &first);
        machine.is_back();
        if index == 2 {
            // The one attempt notes what it is about; the next finds another reason, and cannot note that.
            machine.store.commits(Some(Fate::Fails(ErrorKind::Io)));
            assert_eq!(now(worker.layer.play_back(&Context::new())).unwrap_err().kind(), ErrorKind::Io);
            there(&machine, &first);
        }
        machine.kept.commits(Some(FULL));
        assert_read(&worker, &first, ("here", Source::Journal));
        assert_eq!(worker.entries(), 1, "{index}");
        let played = now(worker.layer.play_back(&Context::new())).unwrap_err();
        let kind = if index == 2 { ErrorKind::QuotaReached } else { ErrorKind::Unavailable };
        assert_eq!(played.kind(), kind, "{index}");
        machine.kept.commits(None);
        machine.store.commits(None);
        assert_read(&worker, &first, ("here", Source::Store));
        assert_eq!(
            (worker.entries(), worker.lost(), machine.stored()),
            (0, vec![], vec![is("alice", "here")]),
            "{index}"
        );
    }
}

#[derive(Debug)]
struct Broken;

impl PlayerPlace for Broken {
    fn try_take(&self) -> Result<Option<Box<dyn Send>>> {
        Err(Error::new(ErrorKind::Io, "as it was told"))
    }
}

#[test]
fn reads_go_on_where_the_place_of_the_player_cannot_be_taken() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    worker.journaled(&refreshed(&first, "here", 120));
    machine.is_back();
    let fallback = opened(&machine.time, &machine.store, &machine.copy, "the store").unwrap();
    let journal = Arc::new(now(Journal::open(Arc::clone(&machine.kept) as _, "the store")).unwrap());
    let vault = Arc::new(Vault::with_clock(Arc::clone(&fallback) as _, Arc::clone(&machine.time) as _));
    let layer = Journaled::new(vault, fallback, Arc::clone(&journal), Broken);
    assert_read(&Worker { layer, journal }, &first, ("here", Source::Journal));
}
