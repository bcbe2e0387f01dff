//! What is asked of a trail: which calls there were, and which of them were about a token.

use std::sync::Arc;

use tokenvault::audit::query::{Calls, Filter};
use tokenvault::audit::read::{Line, pieces};
use tokenvault::audit::recorder::{Mode, Recorder};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;

use crate::scripted::{Act, Scripted};
use crate::{clock, keys, lines, options, token, vault};

fn calls(trail: &[u8], filter: &Filter) -> Vec<Line> {
    let mut calls = Calls::default();
    pieces(trail, |piece| calls.take_piece(piece)).unwrap();
    calls.that_fit(filter)
}

/// Who called, and how that ended.
fn endings(trail: &[u8]) -> Vec<(String, String)> {
    let found = calls(trail, &Filter::default()).into_iter();
    found.map(|call| (call.principal.unwrap(), call.outcome.unwrap())).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(who, ending)| ((*who).to_owned(), (*ending).to_owned())).collect()
}

/// One save by somebody, under a lease, by the same clock as everybody's: so under the same number.
async fn saved(who: &str, sink: &Scripted) -> Vec<Vec<u8>> {
    let recorder = Arc::new(Recorder::new(Arc::new(sink.clone()), keys(), options(Mode::Required, clock())));
    let (_, audited) = vault(Arc::clone(&recorder));
    let cx = Context::new().with_principal(who).with_caller("test").under_lease();
    audited.save_token(&cx, &mut token("ada")).await.unwrap();
    sink.set(Act::Take);
    recorder.finish().await;
    sink.bytes().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[tokio::test]
async fn changes_of_two_processes_under_one_number_are_told_apart() {
    let (one, other) = (saved("one", &Scripted::default()).await, saved("other", &Scripted::default()).await);
    let change = |trail: &[Vec<u8>]| lines(&trail.concat())[1].change.unwrap();
    assert_eq!((change(&one), one.len(), other.len()), (change(&other), 4, 4), "begin, intent, call, end");
    let trail = |order: &[&Vec<u8>]| order.iter().flat_map(|line| line.iter().copied()).collect::<Vec<u8>>();
    for order in [[&one[1], &other[1], &other[2], &one[2]], [&one[1], &other[1], &one[2], &other[2]]] {
        assert_eq!(endings(&trail(&order)), pairs(&[("one", "ok"), ("other", "ok")]));
    }
    let killed = trail(&[&one[1], &other[1], &one[2]]);
    assert_eq!(endings(&killed), pairs(&[("one", "ok"), ("other", "unknown")]));
    let killed = trail(&[&other[1], &one[1], &one[2]]);
    assert_eq!(endings(&killed), pairs(&[("other", "unknown"), ("one", "ok")]));
}

/// The intent was taken, and the line that says how it ended only by another chain.
#[tokio::test]
async fn an_intent_is_found_where_its_chain_broke_before_the_end() {
    let one = saved("one", &Scripted::then(&[Act::Take, Act::Full])).await;
    let told = lines(&one.concat());
    let kinds: Vec<&str> = told.iter().map(|line| line.kind.as_str()).collect();
    assert_eq!(kinds, ["begin", "intent", "begin", "call", "end"]);
    assert_ne!(told[1].chain, told[3].chain);
    let other = saved("other", &Scripted::default()).await;
    assert_eq!(endings(&[&other[1][..], &one.concat()].concat()), pairs(&[("other", "unknown"), ("one", "ok")]));
}

/// A token has an id that its user chose, and the name of its record: it is found under both.
#[tokio::test]
async fn a_token_is_followed_under_all_of_its_ids() {
    let sink = Scripted::default();
    let recorder = Arc::new(Recorder::new(Arc::new(sink.clone()), keys(), options(Mode::Required, clock())));
    let (_, audited) = vault(Arc::clone(&recorder));
    // It takes more room in a line than there is.
    let (cx, long) = (Context::new().with_principal("ada"), "\"".repeat(100));
    let mut records = Vec::new();
    for id in ["chosen", &long, "of bob"] {
        audited.save_token(&cx, &mut token(id).with_id(id)).await.unwrap();
        let told = lines(&sink.bytes());
        records.push(told.last().unwrap().record.clone().unwrap());
        let name = records.last().unwrap();
        assert!(audited.find_token_by_id(&cx, name).await.unwrap().value.is_some());
        assert_eq!(lines(&sink.bytes()).last().unwrap().record, None, "the id says it");
        assert!(audited.delete_token(&cx, id).await.unwrap().value);
    }
    // The id is another token's from here on.
    audited.save_token(&cx, &mut token("later").with_id("chosen")).await.unwrap();
    recorder.finish().await;
    let about = |id: &str| {
        let mut filter = Filter::default();
        filter.set_token(id, Some(&keys()));
        let found = calls(&sink.bytes(), &filter).into_iter();
        found.map(|call| call.operation.unwrap()).collect::<Vec<_>>()
    };
    let life = ["save_token", "find_token_by_id", "delete_token"];
    assert_eq!(about(&records[0]), life, "by its record, and not what came later under its id");
    assert_eq!(about("chosen"), [&life[..], &["save_token"]].concat(), "by its id");
    for id in [&long, &records[1], "of bob", &records[2]] {
        assert_eq!(about(id), life, "{id}");
    }
    assert_eq!(about("nobody's"), [""; 0]);
}
