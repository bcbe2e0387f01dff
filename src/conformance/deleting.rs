//! Deletion, and that it is final.

use super::steps::{
    Store, all, assert_holds, by_id, delete, delete_all, find, found_id, id, refused, save, save_for, token, with,
};
use crate::error::ErrorKind;
use crate::fields::Field::{AccessToken, ClientId, ExpiresIn, GrantToken, RefreshToken, UserName};
use crate::store::Outcome;
use crate::token::OAuthToken;

/// A deleted token is found by nothing any more.
pub async fn delete_removes_the_record_from_every_rule(store: &Store) {
    let one = token([(UserName, "alice"), (GrantToken, "g"), (RefreshToken, "r")]).with_id("1");
    save(store, &one).await;
    let two = save(store, &token([(AccessToken, "a")])).await;
    assert!(delete(store, "1").await);
    assert!(delete(store, &id(&two)).await);
    assert!(by_id(store, "1").await.is_none());
    for wanted in [(UserName, "alice"), (GrantToken, "g"), (RefreshToken, "r"), (AccessToken, "a")] {
        assert!(find(store, &token([wanted])).await.is_none());
    }
    assert!(all(store).await.is_empty());
}

/// Only the record with that id is deleted.
pub async fn delete_leaves_the_others(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (ClientId, "app1"), (RefreshToken, "r")])).await;
    let two = save(store, &token([(UserName, "alice"), (ClientId, "app2"), (RefreshToken, "r")])).await;
    assert!(delete(store, &id(&two)).await);
    assert_eq!(all(store).await.len(), 1);
    assert_eq!(found_id(store, &token([(UserName, "alice")])).await, Some(id(&one)));
    assert_eq!(found_id(store, &token([(RefreshToken, "r")])).await, Some(id(&one)));
}

/// Deleting what is not there deletes nothing, says so, and is no error.
pub async fn delete_of_nothing_says_so(store: &Store) {
    assert!(!delete(store, "1").await);
    save(store, &token([(RefreshToken, "r")]).with_id("1")).await;
    assert!(!delete(store, "2").await);
    assert!(delete(store, "1").await);
    assert!(!delete(store, "1").await, "the second time nothing is there");
}

/// Every token goes, and their number is told.
pub async fn delete_tokens_deletes_all_and_counts(store: &Store) {
    assert_eq!(delete_all(store).await, 0);
    for user in ["alice", "bob", "carol"] {
        save(store, &token([(UserName, user), (RefreshToken, user)])).await;
    }
    assert_eq!(delete_all(store).await, 3);
    assert!(all(store).await.is_empty());
    assert!(find(store, &token([(UserName, "alice")])).await.is_none());
    assert_eq!(delete_all(store).await, 0);
    assert_eq!(save_for(store, &token([(UserName, "alice"), (RefreshToken, "alice")])).await.0, Outcome::Inserted);
}

/// A refresh that comes back after the log-out is refused: of a token from a save, a find, an id, a list.
pub async fn log_out_is_final_however_the_token_was_handed_out(store: &Store) {
    let saved = save(store, &token([(UserName, "alice"), (RefreshToken, "r")])).await;
    let id = id(&saved);
    let found = find(store, &token([(UserName, "alice")])).await;
    let read = by_id(store, &id).await.as_deref().cloned();
    let listed = all(store).await.first().map(|token| OAuthToken::clone(token));
    assert!(delete(store, &id).await);
    for handed_out in [Some(saved), found, read, listed] {
        let handed_out = handed_out.unwrap_or_default();
        assert_eq!(handed_out.id(), Some(id.as_str()), "it was handed out");
        assert_eq!(refused(store, &handed_out).await, ErrorKind::Gone, "unchanged");
        let late = with(&handed_out, [(AccessToken, "late"), (ExpiresIn, "1900000000000")]);
        assert_eq!(refused(store, &late).await, ErrorKind::Gone, "with a refresh");
        let mut without_id = late;
        without_id.set_id(None);
        assert_eq!(refused(store, &without_id).await, ErrorKind::Gone, "the base travels with the token, not the id");
    }
    assert!(all(store).await.is_empty());
}

/// The same for an id that a user brought, which without a base would be kept as given.
pub async fn log_out_is_final_under_a_brought_id(store: &Store) {
    let saved = save(store, &token([(UserName, "alice"), (RefreshToken, "r")]).with_id("1")).await;
    assert!(delete(store, "1").await);
    assert_eq!(refused(store, &with(&saved, [(AccessToken, "late")])).await, ErrorKind::Gone);
}

/// The same when the brought id has been stored anew since: the late refresh belongs to the record that was deleted.
pub async fn log_out_is_final_after_the_id_was_stored_again(store: &Store) {
    let saved = save(store, &token([(UserName, "alice"), (RefreshToken, "r1")]).with_id("1")).await;
    assert!(delete(store, "1").await);
    save(store, &token([(UserName, "alice"), (RefreshToken, "r2")]).with_id("1")).await;
    assert_eq!(refused(store, &with(&saved, [(AccessToken, "late")])).await, ErrorKind::Gone);
    assert_holds(store, "1", [(RefreshToken, "r2")]).await;
}

/// The same after the user has signed in again under a new id.
pub async fn log_out_is_final_after_a_new_sign_in(store: &Store) {
    let saved = save(store, &token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r1")])).await;
    assert!(delete(store, &id(&saved)).await);
    let again = save(store, &token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r2")])).await;
    assert_ne!(again.id(), saved.id(), "no id of our making is used twice");
    assert_eq!(refused(store, &with(&saved, [(AccessToken, "late")])).await, ErrorKind::Gone);
}

/// The same after a log-out of everybody.
pub async fn log_out_of_everybody_is_final(store: &Store) {
    let own = save(store, &token([(UserName, "alice"), (RefreshToken, "r1")])).await;
    let brought = save(store, &token([(UserName, "bob"), (RefreshToken, "r2")]).with_id("1")).await;
    assert_eq!(delete_all(store).await, 2);
    for token in [own, brought] {
        assert_eq!(refused(store, &with(&token, [(AccessToken, "late")])).await, ErrorKind::Gone);
    }
}

/// Without its base, but under an id of the vault's making, it is refused all the same.
pub async fn log_out_is_final_for_a_token_that_lost_its_base(store: &Store) {
    let saved = save(store, &token([(UserName, "alice"), (RefreshToken, "r")])).await;
    assert!(delete(store, &id(&saved)).await);
    let copied = saved.detached().with_id(&id(&saved));
    assert_eq!(refused(store, &with(&copied, [(AccessToken, "late")])).await, ErrorKind::Gone);
}

/// A find of a token whose record was deleted leaves it what it was: it still cannot be saved.
pub async fn a_find_after_the_log_out_makes_no_token_savable(store: &Store) {
    let saved = save(store, &token([(UserName, "alice"), (RefreshToken, "r")]).with_id("1")).await;
    assert!(delete(store, "1").await);
    assert!(find(store, &saved).await.is_none());
    assert_eq!(refused(store, &with(&saved, [(AccessToken, "late")])).await, ErrorKind::Gone);
}

/// A sign-in after a log-out is welcome, with the same values and under the same brought id.
pub async fn a_sign_in_after_the_log_out_is_welcome(store: &Store) {
    let given = token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r")]);
    for brought in ["", "1"] {
        let saved = save(store, &given.clone().with_id(brought)).await;
        assert!(delete(store, &id(&saved)).await);
        let (outcome, again) = save_for(store, &saved.detached().with_id(brought)).await;
        assert_eq!(outcome, Outcome::Inserted);
        assert!(delete(store, &id(&again)).await);
    }
}

/// What was deleted leaves nothing behind that a new record of the same user would be filled from.
pub async fn a_new_record_takes_nothing_from_a_deleted_one(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (RefreshToken, "r1"), (AccessToken, "old")])).await;
    assert!(delete(store, &id(&one)).await);
    let two = save(store, &token([(UserName, "alice"), (RefreshToken, "r2")])).await;
    assert!(two.get(AccessToken).is_none());
}
