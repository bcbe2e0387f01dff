//! The steps that promises are told in. Each fails where the store does not do what the step says.
#![expect(clippy::expect_used, reason = "these are the assertions of tests")]

use std::sync::Arc;

use crate::error::ErrorKind;
use crate::fields::Field;
use crate::operation::Context;
use crate::store::{Outcome, TokenStore};
use crate::token::OAuthToken;

pub(super) type Store = Arc<dyn TokenStore>;

/// A token of these texts, that has never been in a store.
pub(super) fn token<const N: usize>(texts: [(Field, &str); N]) -> OAuthToken {
    with(&OAuthToken::new(), texts)
}

/// A copy of `token`, base and all, with these texts set.
pub(super) fn with<const N: usize>(token: &OAuthToken, texts: [(Field, &str); N]) -> OAuthToken {
    texts.into_iter().fold(token.clone(), |token, (field, text)| token.with(field, text))
}

/// Saves a copy of `token`. Answers it as the store left it.
pub(super) async fn save(store: &Store, token: &OAuthToken) -> OAuthToken {
    save_for(store, token).await.1
}

/// Saves a copy of `token`. Answers the outcome too.
pub(super) async fn save_for(store: &Store, token: &OAuthToken) -> (Outcome, OAuthToken) {
    let mut token = token.clone();
    let saved = store.save_token(&Context::new(), &mut token).await.expect("the save succeeds");
    let id = token.id().expect("a saved token has an id");
    let read = by_id(store, id).await.expect("a saved token is found by its id");
    for field in Field::ALL {
        let is_filled = token.get(field).is_some() || read.get(field).is_none();
        assert!(is_filled, "after a save no {} is absent that the record has", field.name());
    }
    (saved.value.outcome, token)
}

/// A save that the store must refuse. Checks that it changed neither the store nor the token; answers why.
pub(super) async fn refused(store: &Store, token: &OAuthToken) -> ErrorKind {
    let before = contents(store).await;
    let mut given = token.clone();
    let error = store.save_token(&Context::new(), &mut given).await.map(|answer| answer.value);
    let error = error.expect_err("the save is refused");
    assert_eq!(contents(store).await, before, "a refused save changes nothing");
    assert_eq!(given.id(), token.id(), "a refused save leaves the token's id");
    assert_eq!(texts(&given), texts(token), "a refused save leaves the token as it was");
    error.kind()
}

/// What a find of `token` fills in. Checks that a miss leaves it alone.
pub(super) async fn find(store: &Store, token: &OAuthToken) -> Option<OAuthToken> {
    let mut given = token.clone();
    if store.find_token(&Context::new(), &mut given).await.expect("a find does not fail").value {
        assert!(given.id().is_some(), "a found token has an id");
        return Some(given);
    }
    assert_eq!(given.id(), token.id(), "a miss leaves the token's id");
    assert_eq!(texts(&given), texts(token), "a miss leaves the token as it was");
    None
}

/// The id of the record that a find of `token` means.
pub(super) async fn found_id(store: &Store, token: &OAuthToken) -> Option<String> {
    find(store, token).await.and_then(|found| found.id().map(str::to_owned))
}

pub(super) async fn by_id(store: &Store, id: &str) -> Option<Arc<OAuthToken>> {
    store.find_token_by_id(&Context::new(), id).await.expect("a find by id does not fail").value
}

pub(super) async fn delete(store: &Store, id: &str) -> bool {
    store.delete_token(&Context::new(), id).await.expect("a delete does not fail").value
}

pub(super) async fn delete_all(store: &Store) -> usize {
    store.delete_tokens(&Context::new()).await.expect("a delete of all does not fail").value
}

pub(super) async fn all(store: &Store) -> Vec<Arc<OAuthToken>> {
    store.get_tokens(&Context::new()).await.expect("a list does not fail").value
}

/// Every token of the store, as comparable text.
pub(super) async fn contents(store: &Store) -> Vec<(String, Vec<(Field, String)>)> {
    all(store).await.iter().map(|token| (id(token), texts(token))).collect()
}

/// A saved token's id.
pub(super) fn id(token: &OAuthToken) -> String {
    token.id().expect("the token has an id").to_owned()
}

/// The fields that are present.
pub(super) fn texts(token: &OAuthToken) -> Vec<(Field, String)> {
    token.fields().present().map(|(field, text)| (field, text.expose().to_owned())).collect()
}

pub(super) fn text(token: &OAuthToken, field: Field) -> Option<&str> {
    token.fields().text(field)
}

/// Checks that the record with this id holds these texts, whatever else it holds.
pub(super) async fn assert_holds<const N: usize>(store: &Store, id: &str, expected: [(Field, &str); N]) {
    let read = by_id(store, id).await.expect("the record is there");
    for (field, expected) in expected {
        assert_eq!(text(&read, field), Some(expected), "{}", field.name());
    }
}
