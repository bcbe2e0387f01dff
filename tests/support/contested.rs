//! Tokens that everybody refreshes, logs out and signs in again, and what must hold of them whoever was first.
//!
//! Every token that was ever made is looked at for itself, by its id: what was told of it, and when, has to have one order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokenvault::clock::{Clock, SystemClock};
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::Context;
use tokenvault::store::{Outcome, TokenStore};
use tokenvault::token::OAuthToken;

/// Users whose tokens all tasks of all processes fight over.
pub(crate) const CONTESTED: usize = 6;

/// What one call for one of them was told, and between which moments: by the machine's clock, which all processes share.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Deed {
    id: String,
    what: What,
    began: u64,
    ended: u64,
}

#[derive(Debug, Serialize, Deserialize)]
enum What {
    Made(String),
    /// By a sign-in.
    Changed(String),
    /// From one access token to another.
    Refreshed([String; 2]),
    /// A save was refused, since the token had been deleted.
    WasGone,
    Deleted,
}

impl Deed {
    fn text(&self) -> Option<&str> {
        match &self.what {
            What::Made(text) | What::Changed(text) | What::Refreshed([_, text]) => Some(text),
            What::WasGone | What::Deleted => None,
        }
    }
}

pub(crate) fn user(number: usize) -> String {
    format!("contested {number}")
}

fn now() -> u64 {
    SystemClock.now().as_micros()
}

fn access(token: &OAuthToken) -> &str {
    token.fields().text(Field::AccessToken).unwrap()
}

/// Saves with a new access token: as a refresh of what was read before, or as a sign-in. None where somebody else's refresh
/// stands, and nothing was written.
pub(crate) async fn save(store: &Arc<dyn TokenStore>, token: OAuthToken, text: &str) -> Option<Deed> {
    let read = token.id().map(|id| (id.to_owned(), access(&token).to_owned()));
    let began = now();
    let mut token = token.with(Field::AccessToken, text);
    let saved = store.save_token(&Context::new(), &mut token).await;
    let ended = now();
    let (id, text) = (token.id().unwrap_or_default().to_owned(), text.to_owned());
    let (id, what) = match (saved.map(|answer| answer.value.outcome), read) {
        (Ok(Outcome::Inserted), None) => (id, What::Made(text)),
        (Ok(Outcome::Updated), None) => (id, What::Changed(text)),
        (Ok(Outcome::Updated), Some((_, before))) => (id, What::Refreshed([before, text])),
        (Ok(Outcome::Superseded), Some(_)) => return None,
        (Err(error), Some((id, _))) if error.kind() == ErrorKind::Gone => (id, What::WasGone),
        (told, read) => panic!("a save of a token that was read as {read:?} was told {told:?}"),
    };
    Some(Deed { id, what, began, ended })
}

/// None where somebody else has deleted it.
pub(crate) async fn delete(store: &Arc<dyn TokenStore>, id: &str) -> Option<Deed> {
    let began = now();
    let is_done = store.delete_token(&Context::new(), id).await.unwrap().value;
    is_done.then(|| Deed { id: id.to_owned(), what: What::Deleted, began, ended: now() })
}

/// Holds what is stored of them in the end against all that was told. Answers how many there are.
pub(crate) fn assert_one_order(deeds: &[&Deed], stored: &[Arc<OAuthToken>]) -> usize {
    let mut by_id: BTreeMap<&str, Vec<&Deed>> = BTreeMap::new();
    deeds.iter().for_each(|deed| by_id.entry(&deed.id).or_default().push(deed));
    let is_one = |token: &&Arc<OAuthToken>| token.user_name().is_some_and(|user| user.starts_with("contested"));
    let stored: BTreeMap<&str, &OAuthToken> =
        stored.iter().filter(is_one).map(|token| (token.id().unwrap(), &**token)).collect();
    for (id, deeds) in &by_id {
        assert_one(id, deeds, stored.get(id).copied());
    }
    assert!(stored.keys().all(|id| by_id.contains_key(id)), "a token that nobody made: {stored:?}");
    stored.len()
}

/// The same of one token, whose texts are all different.
fn assert_one(id: &str, deeds: &[&Deed], stored: Option<&OAuthToken>) {
    let count = |is: fn(&What) -> bool| deeds.iter().filter(|deed| is(&deed.what)).count();
    assert_eq!(count(|what| matches!(what, What::Made(_))), 1, "{id} was made once: {deeds:#?}");
    let deletion = deeds.iter().find(|deed| matches!(deed.what, What::Deleted));
    assert!(count(|what| matches!(what, What::Deleted)) <= 1, "{id} was deleted twice: {deeds:#?}");
    let refreshed = deeds.iter().filter_map(|deed| match &deed.what {
        What::Refreshed([before, _]) => Some(before),
        _ => None,
    });
    let mut once = BTreeSet::new();
    refreshed
        .for_each(|before| assert!(once.insert(before), "two refreshes of {before}, one of which is lost: {deeds:#?}"));
    let saves = deeds.iter().filter(|deed| deed.text().is_some());
    match (deletion, stored) {
        (None, None) => panic!("{id} is lost: {deeds:#?}"),
        (Some(_), Some(_)) => panic!("{id} came back: {deeds:#?}"),
        (Some(deletion), None) => {
            let late = saves.clone().find(|save| save.began > deletion.ended);
            assert!(late.is_none(), "{id} was gone, and {late:?} was told to be saved: {deeds:#?}");
        }
        (None, Some(token)) => {
            assert_eq!(count(|what| matches!(what, What::WasGone)), 0, "nobody has deleted {id}: {deeds:#?}");
            let text = access(token);
            let own = saves.clone().find(|save| save.text() == Some(text));
            let own = own.unwrap_or_else(|| panic!("{id} holds {text}, which nobody was told to be saved: {deeds:#?}"));
            let lost = saves.clone().find(|save| save.began > own.ended);
            assert!(lost.is_none(), "{id} holds {text}, and {lost:?} is lost: {deeds:#?}");
        }
    }
}
