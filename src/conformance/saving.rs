//! What a save does: which record it means, what it fills, what it refuses.

use super::steps::{
    Store, all, assert_holds, by_id, contents, find, found_id, id, refused, save, save_for, text, texts, token, with,
};
use crate::error::ErrorKind;
use crate::fields::Field::{
    AccessToken, ApiDomain, ClientId, ClientSecret, ExpiresIn, GrantToken, RedirectUrl, RefreshToken, UserName,
};
use crate::operation::Context;
use crate::store::Outcome;
use crate::token::OAuthToken;

/// What fits no record becomes one, and the token gets its id.
pub async fn save_inserts_and_sets_the_id(store: &Store) {
    let (outcome, one) = save_for(store, &token([(UserName, "alice"), (RefreshToken, "r1")])).await;
    assert_eq!(outcome, Outcome::Inserted);
    let (outcome, two) = save_for(store, &token([(UserName, "bob"), (RefreshToken, "r2")])).await;
    assert_eq!(outcome, Outcome::Inserted);
    assert_ne!(one.id(), two.id());
    assert_eq!(all(store).await.len(), 2);
}

/// Any one of grant, refresh and access token is enough for a new record.
pub async fn save_inserts_with_any_one_token(store: &Store) {
    for field in [GrantToken, RefreshToken, AccessToken] {
        assert_eq!(save_for(store, &token([(field, "t")])).await.0, Outcome::Inserted);
    }
}

/// A token with neither grant, refresh nor access token that fits no record is refused.
pub async fn save_refuses_to_insert_without_any_token(store: &Store) {
    save(store, &token([(UserName, "bob"), (RefreshToken, "r")])).await;
    assert_eq!(refused(store, &OAuthToken::new()).await, ErrorKind::InvalidInput);
    assert_eq!(refused(store, &OAuthToken::new().with_id("7")).await, ErrorKind::InvalidInput);
    let nothing = [(ClientId, "app"), (ClientSecret, "s"), (RedirectUrl, "u"), (ApiDomain, "d"), (ExpiresIn, "9")];
    assert_eq!(refused(store, &token(nothing)).await, ErrorKind::InvalidInput);
    assert_eq!(refused(store, &with(&token(nothing), [(UserName, "alice")])).await, ErrorKind::InvalidInput);
    let empty = token([(UserName, "alice"), (GrantToken, ""), (RefreshToken, ""), (AccessToken, "")]);
    assert_eq!(refused(store, &empty).await, ErrorKind::InvalidInput);
}

/// An update needs no token of its own.
pub async fn save_updates_without_any_token(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (RefreshToken, "r")])).await;
    let (outcome, updated) = save_for(store, &token([(UserName, "alice"), (ApiDomain, "d")])).await;
    assert_eq!((outcome, updated.id()), (Outcome::Updated, one.id()));
    assert_holds(store, &id(&one), [(RefreshToken, "r"), (ApiDomain, "d")]).await;
}

/// Each rule that a find goes by, a save goes by too: one record, not two.
pub async fn save_updates_the_record_that_a_find_means(store: &Store) {
    for first in [
        token([(UserName, "alice"), (ClientId, "app"), (AccessToken, "a")]),
        token([(UserName, "bob"), (GrantToken, "g")]),
        token([(AccessToken, "a3")]),
        token([(ClientId, "app"), (GrantToken, "g4")]),
        token([(ClientId, "app"), (RefreshToken, "r5")]),
        token([(RefreshToken, "r6")]),
    ] {
        let (outcome, one) = save_for(store, &first).await;
        assert_eq!(outcome, Outcome::Inserted);
        let (outcome, again) = save_for(store, &with(&first, [(ApiDomain, "d")])).await;
        assert_eq!((outcome, again.id()), (Outcome::Updated, one.id()));
        assert_holds(store, &id(&one), [(ApiDomain, "d")]).await;
    }
    assert_eq!(all(store).await.len(), 6);
}

/// An access token beside a refresh token, without client: rule 3 finds nothing, so rule 4 keeps it one record.
pub async fn save_twice_of_access_and_refresh_token_is_one_record(store: &Store) {
    let both = token([(AccessToken, "a"), (RefreshToken, "r")]);
    let one = save(store, &both).await;
    assert_eq!(save(store, &both).await.id(), one.id());
    assert_eq!(all(store).await.len(), 1);
}

/// Absent fields are filled from the record, and back into the given token; none is cleared.
pub async fn save_clears_no_field_by_absence(store: &Store) {
    let nine = [
        (UserName, "alice"),
        (ClientId, "app"),
        (ClientSecret, "secret"),
        (GrantToken, "g1"),
        (RefreshToken, "r1"),
        (AccessToken, "a1"),
        (ExpiresIn, "1900000000000"),
        (RedirectUrl, "u"),
        (ApiDomain, "d"),
    ];
    let one = save(store, &token(nine)).await;
    let expected = texts(&with(&one, [(AccessToken, "a2")]));
    let updated = save(store, &token([(AccessToken, "a2")]).with_id(&id(&one))).await;
    assert_eq!(texts(&updated), expected);
    let emptied = [(ClientSecret, ""), (GrantToken, ""), (RefreshToken, ""), (ExpiresIn, ""), (ApiDomain, "")];
    save(store, &with(&updated, emptied)).await;
    assert_eq!(by_id(store, &id(&one)).await.as_deref().map(texts), Some(expected));
}

/// A new sign-in clears nothing either.
pub async fn save_of_a_new_sign_in_clears_no_field(store: &Store) {
    let one = token([(UserName, "alice"), (ClientId, "app"), (ClientSecret, "s"), (RefreshToken, "r1")]);
    let one = save(store, &with(&one, [(ApiDomain, "d")])).await;
    save(store, &token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r2")])).await;
    assert_holds(store, &id(&one), [(ClientSecret, "s"), (RefreshToken, "r2"), (ApiDomain, "d")]).await;
}

/// A user without a client given, and one record of the user: that one, whatever client it has.
pub async fn save_of_a_user_without_client_updates_the_only_record(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r1")])).await;
    let updated = save(store, &token([(UserName, "alice"), (AccessToken, "a")])).await;
    assert_eq!((updated.id(), text(&updated, ClientId)), (one.id(), Some("app")));
}

/// A user with several clients and none given: an equal refresh, grant or access token tells which.
pub async fn save_of_a_user_without_client_goes_by_an_equal_token(store: &Store) {
    let one = token([(UserName, "alice"), (ClientId, "app1"), (RefreshToken, "r1"), (AccessToken, "a1")]);
    let one = save(store, &one).await;
    let two = save(store, &token([(UserName, "alice"), (ClientId, "app2"), (GrantToken, "g2")])).await;
    for (held, record) in [((RefreshToken, "r1"), &one), ((AccessToken, "a1"), &one), ((GrantToken, "g2"), &two)] {
        let updated = save(store, &token([(UserName, "alice"), held, (RedirectUrl, held.1)])).await;
        assert_eq!(updated.id(), record.id());
        assert_holds(store, &id(record), [(RedirectUrl, held.1)]).await;
    }
    assert_eq!(all(store).await.len(), 2);
}

/// A user with several clients, none given, and no equal token: an error that changes nothing.
pub async fn save_of_a_user_without_client_is_ambiguous_otherwise(store: &Store) {
    save(store, &token([(UserName, "alice"), (ClientId, "app1"), (RefreshToken, "r1")])).await;
    save(store, &token([(UserName, "alice"), (ClientId, "app2"), (RefreshToken, "r2")])).await;
    save(store, &token([(UserName, "bob"), (ClientId, "app2"), (RefreshToken, "r3")])).await;
    for given in ["", "new", "r3"] {
        let wanted = token([(UserName, "alice"), (RefreshToken, given), (AccessToken, "a")]);
        assert_eq!(refused(store, &wanted).await, ErrorKind::Ambiguous);
    }
}

/// A user's record without a client is not the one of a given client.
pub async fn save_with_a_client_leaves_the_record_without_one(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (RefreshToken, "r1")])).await;
    let (outcome, two) = save_for(store, &token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r2")])).await;
    assert_eq!(outcome, Outcome::Inserted);
    assert_ne!(one.id(), two.id());
    assert_holds(store, &id(&one), [(RefreshToken, "r1")]).await;
}

/// What a token could not be found by is its owner's affair: a record without a user takes the user it is given.
pub async fn save_by_id_names_the_user_of_a_record_without_one(store: &Store) {
    let one = save(store, &token([(ClientId, "app"), (RefreshToken, "r1")])).await;
    assert_eq!(save(store, &with(&one, [(UserName, "alice")])).await.id(), one.id());
    assert_eq!(found_id(store, &token([(UserName, "alice"), (ClientId, "app")])).await, Some(id(&one)));
}

/// Naming the user is refused where it would make a second record of one user and client.
pub async fn save_by_id_refuses_the_identity_of_another_record(store: &Store) {
    save(store, &token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r1")])).await;
    let two = save(store, &token([(ClientId, "app"), (RefreshToken, "r2")])).await;
    assert_eq!(refused(store, &with(&two, [(UserName, "alice")])).await, ErrorKind::InvalidInput);
    let by_id_only = token([(UserName, "alice"), (AccessToken, "a")]).with_id(&id(&two));
    assert_eq!(refused(store, &by_id_only).await, ErrorKind::InvalidInput);
    let three = save(store, &token([(UserName, "alice"), (RefreshToken, "r3"), (ClientId, "")]).with_id("3")).await;
    assert_eq!(refused(store, &with(&three, [(ClientId, "app")])).await, ErrorKind::InvalidInput);
}

/// A save under an id with another user or client is refused, with and without a base.
pub async fn save_by_id_refuses_another_user_or_client(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r1")])).await;
    for (field, other) in [(UserName, "bob"), (ClientId, "other")] {
        assert_eq!(refused(store, &with(&one, [(field, other)])).await, ErrorKind::InvalidInput);
        let given = token([(field, other), (AccessToken, "a")]).with_id(&id(&one));
        assert_eq!(refused(store, &given).await, ErrorKind::InvalidInput);
    }
}

/// A save that fails leaves everything findable as it was.
pub async fn a_refused_save_moves_no_key(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r1")])).await;
    let given = token([(UserName, "bob"), (RefreshToken, "r9"), (GrantToken, "g9")]).with_id(&id(&one));
    refused(store, &given).await;
    assert_eq!(found_id(store, &token([(UserName, "alice")])).await, Some(id(&one)));
    for missing in [(UserName, "bob"), (RefreshToken, "r9"), (GrantToken, "g9")] {
        assert!(find(store, &token([missing])).await.is_none());
    }
}

/// Whether the SDK asks who the user is, is never stored.
pub async fn find_user_is_not_stored(store: &Store) {
    let mut given = token([(UserName, "alice"), (RefreshToken, "r")]);
    given.set_find_user(false);
    let one = save(store, &given).await;
    assert!(!one.find_user());
    assert_eq!(by_id(store, &id(&one)).await.map(|read| read.find_user()), Some(true));
}

/// An expiry that looks like seconds is stored as given, and said aloud; one in milliseconds is not.
#[expect(clippy::expect_used, reason = "the assertion of a test")]
pub async fn an_expiry_in_seconds_is_warned_of(store: &Store) {
    for (expiry, is_suspect) in [("1900000000", true), ("1900000000000", false), ("", false)] {
        let mut given = token([(UserName, "alice"), (AccessToken, "a"), (ExpiresIn, expiry)]);
        let saved = store.save_token(&Context::new(), &mut given).await.expect("the save succeeds").value;
        assert_eq!(saved.expiry_looks_like_seconds, is_suspect, "{expiry}");
    }
    let suspect = token([(UserName, "bob"), (AccessToken, "b"), (ExpiresIn, "1900000000")]);
    assert_holds(store, &id(&save(store, &suspect).await), [(ExpiresIn, "1900000000")]).await;
}

/// All tokens are listed once, in the order in which they were first saved; updates do not move them.
pub async fn the_list_is_in_the_order_of_the_first_saves(store: &Store) {
    assert!(all(store).await.is_empty());
    let mut expected = Vec::new();
    for user in ["carol", "alice", "bob"] {
        expected.push(save(store, &token([(UserName, user), (RefreshToken, user)])).await);
    }
    for saved in &expected {
        save(store, &with(saved, [(ApiDomain, "d")])).await;
        let names: Vec<_> = contents(store).await.into_iter().map(|(id, _)| Some(id)).collect();
        let ids: Vec<_> = expected.iter().map(|token| token.id().map(str::to_owned)).collect();
        assert_eq!(names, ids);
    }
}
