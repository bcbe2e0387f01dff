//! Which record a find means: rules 1 to 5 of [`TokenStore`](crate::store::TokenStore), each part by itself.

use super::steps::{Store, by_id, find, found_id, id, save, text, texts, token, with};
use crate::fields::Field::{
    AccessToken, ApiDomain, ClientId, ClientSecret, ExpiresIn, GrantToken, RedirectUrl, RefreshToken, UserName,
};
use crate::token::OAuthToken;

/// An empty store finds nothing, and that is no error.
pub async fn an_empty_store_finds_nothing(store: &Store) {
    assert!(by_id(store, "1").await.is_none());
    assert!(find(store, &token([(UserName, "alice")])).await.is_none());
    assert!(find(store, &token([(AccessToken, "a"), (RefreshToken, "r"), (GrantToken, "g")])).await.is_none());
}

/// All nine fields come back by id, as they were saved.
pub async fn find_by_id_gives_all_nine_fields(store: &Store) {
    let nine = [
        (UserName, "alice@example.com:1"),
        (ClientId, "app"),
        (ClientSecret, "secret"),
        (GrantToken, "g1"),
        (RefreshToken, "r1"),
        (AccessToken, "a1"),
        (ExpiresIn, "1900000000000"),
        (RedirectUrl, "https://example.com/back"),
        (ApiDomain, "https://api.example.com"),
    ];
    let saved = save(store, &token(nine)).await;
    let read = by_id(store, &id(&saved)).await;
    assert_eq!(read.as_deref().map(texts), Some(texts(&token(nine))));
    assert_eq!(read.as_deref().and_then(OAuthToken::id), saved.id());
}

/// Rule 1: with an id, no other field matters, unless it contradicts.
pub async fn find_takes_the_id_before_any_token(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (RefreshToken, "r1")])).await;
    save(store, &token([(UserName, "bob"), (RefreshToken, "r2")])).await;
    let wanted = token([(RefreshToken, "r2")]).with_id(&id(&one));
    let found = find(store, &wanted).await;
    assert_eq!(found.as_ref().and_then(|found| text(found, UserName)), Some("alice"));
    assert_eq!(found.as_ref().and_then(|found| text(found, RefreshToken)), Some("r2"), "given fields stay");
}

/// Rule 1: a token with nothing but an id is found (the SDK revokes with such a one).
pub async fn find_of_an_id_alone_fills_the_token(store: &Store) {
    save(store, &token([(UserName, "bob"), (RefreshToken, "r2")])).await;
    let one = save(store, &token([(UserName, "alice"), (RefreshToken, "r1")])).await;
    let found = find(store, &OAuthToken::new().with_id(&id(&one))).await;
    assert_eq!(found.as_ref().map(texts), Some(texts(&one)));
}

/// Rule 1: an id that leads nowhere is a miss, whatever else is given.
pub async fn find_of_an_unknown_id_asks_no_other_rule(store: &Store) {
    save(store, &token([(UserName, "alice"), (RefreshToken, "r1")])).await;
    assert!(find(store, &token([(UserName, "alice"), (RefreshToken, "r1")]).with_id("unknown")).await.is_none());
}

/// Rule 1: a given user or client that is not the record's makes it a miss.
pub async fn find_by_id_is_none_where_user_or_client_contradict(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r1")])).await;
    let wanted = OAuthToken::new().with_id(&id(&one));
    assert!(find(store, &with(&wanted, [(UserName, "bob")])).await.is_none());
    assert!(find(store, &with(&wanted, [(ClientId, "other")])).await.is_none());
    assert!(find(store, &with(&wanted, [(UserName, "alice"), (ClientId, "other")])).await.is_none());
    assert!(find(store, &with(&wanted, [(UserName, "alice"), (ClientId, "app")])).await.is_some());
}

/// Rule 2: by user alone.
pub async fn find_by_user(store: &Store) {
    save(store, &token([(UserName, "bob"), (ClientId, "app"), (RefreshToken, "r2")])).await;
    let one = save(store, &token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r1")])).await;
    assert_eq!(found_id(store, &token([(UserName, "alice")])).await, Some(id(&one)));
}

/// Rule 2: a client that is given must be the record's, also where the record has none.
pub async fn find_by_user_takes_only_the_given_client(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (ClientId, "app1"), (RefreshToken, "r1")])).await;
    let two = save(store, &token([(UserName, "alice"), (ClientId, "app2"), (RefreshToken, "r2")])).await;
    save(store, &token([(UserName, "bob"), (RefreshToken, "r3")])).await;
    assert_eq!(found_id(store, &token([(UserName, "alice"), (ClientId, "app1")])).await, Some(id(&one)));
    assert_eq!(found_id(store, &token([(UserName, "alice"), (ClientId, "app2")])).await, Some(id(&two)));
    assert!(find(store, &token([(UserName, "alice"), (ClientId, "app3")])).await.is_none());
    assert!(find(store, &token([(UserName, "bob"), (ClientId, "app1")])).await.is_none());
}

/// Rule 2: with several clients and none given, the record saved last; an update counts as a save.
pub async fn find_by_user_prefers_last_saved(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (ClientId, "app1"), (RefreshToken, "r1")])).await;
    let two = save(store, &token([(UserName, "alice"), (ClientId, "app2"), (RefreshToken, "r2")])).await;
    assert_eq!(found_id(store, &token([(UserName, "alice")])).await, Some(id(&two)));
    save(store, &with(&one, [(AccessToken, "a1")])).await;
    assert_eq!(found_id(store, &token([(UserName, "alice")])).await, Some(id(&one)));
}

/// Rule 2 decides alone: no token is looked at where a user is given.
pub async fn find_by_user_asks_no_later_rule(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r1")])).await;
    save(store, &token([(AccessToken, "a2")])).await;
    assert!(find(store, &token([(UserName, "bob"), (RefreshToken, "r1")])).await.is_none());
    assert!(find(store, &token([(UserName, "bob"), (AccessToken, "a2")])).await.is_none());
    assert_eq!(found_id(store, &token([(UserName, "alice"), (RefreshToken, "rx")])).await, Some(id(&one)));
}

/// Rule 3: by access token, where neither client id nor secret is given.
pub async fn find_by_access_token_without_client(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (ClientId, "app"), (AccessToken, "a1")])).await;
    assert_eq!(found_id(store, &token([(AccessToken, "a1")])).await, Some(id(&one)));
    assert!(find(store, &token([(AccessToken, "a2")])).await.is_none());
}

/// Rule 3 does not apply where a client id or secret is given.
pub async fn find_by_access_token_is_none_with_a_client(store: &Store) {
    let given = [(ClientId, "app"), (ClientSecret, "secret"), (AccessToken, "a1")];
    save(store, &token(given)).await;
    assert!(find(store, &token(given)).await.is_none());
    assert!(find(store, &token([(ClientId, "app"), (AccessToken, "a1")])).await.is_none());
    assert!(find(store, &token([(ClientSecret, "secret"), (AccessToken, "a1")])).await.is_none());
}

/// Rule 3: a record with a refresh token is not found by its access token, also when it got one later.
pub async fn find_by_access_token_is_none_where_the_record_has_a_refresh_token(store: &Store) {
    save(store, &token([(UserName, "alice"), (AccessToken, "a1"), (RefreshToken, "r1")])).await;
    assert!(find(store, &token([(AccessToken, "a1")])).await.is_none());
    let two = save(store, &token([(UserName, "bob"), (AccessToken, "a2")])).await;
    save(store, &with(&two, [(RefreshToken, "r2")])).await;
    assert!(find(store, &token([(AccessToken, "a2")])).await.is_none());
}

/// Rule 3 again: nor beside a refresh token that leads to that record; the grant goes before it.
pub async fn find_takes_the_grant_before_an_access_token_beside_a_refresh_token(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (GrantToken, "g")])).await;
    save(store, &token([(UserName, "bob"), (AccessToken, "a"), (RefreshToken, "r")])).await;
    let wanted = token([(AccessToken, "a"), (GrantToken, "g"), (RefreshToken, "r")]);
    assert_eq!(found_id(store, &wanted).await, Some(id(&one)));
}

/// Rule 3: of several records, the one saved last.
pub async fn find_by_access_token_prefers_last_saved(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (AccessToken, "a")])).await;
    let two = save(store, &token([(UserName, "bob"), (AccessToken, "a")])).await;
    assert_eq!(found_id(store, &token([(AccessToken, "a")])).await, Some(id(&two)));
    save(store, &with(&one, [(ApiDomain, "d")])).await;
    assert_eq!(found_id(store, &token([(AccessToken, "a")])).await, Some(id(&one)));
}

/// Rule 4: by grant, and by refresh token, with and without the client.
pub async fn find_by_grant_or_refresh_token(store: &Store) {
    let one = save(store, &token([(ClientId, "app"), (GrantToken, "g1")])).await;
    let two = save(store, &token([(ClientId, "app"), (RefreshToken, "r2")])).await;
    for client in ["", "app"] {
        assert_eq!(found_id(store, &token([(GrantToken, "g1"), (ClientId, client)])).await, Some(id(&one)));
        assert_eq!(found_id(store, &token([(RefreshToken, "r2"), (ClientId, client)])).await, Some(id(&two)));
    }
    assert!(find(store, &token([(GrantToken, "r2")])).await.is_none());
    assert!(find(store, &token([(RefreshToken, "g1")])).await.is_none());
}

/// Rule 4: a client that is given must be the record's.
pub async fn find_by_grant_or_refresh_token_takes_only_the_given_client(store: &Store) {
    save(store, &token([(ClientId, "app"), (GrantToken, "g"), (RefreshToken, "r")])).await;
    assert!(find(store, &token([(ClientId, "other"), (GrantToken, "g")])).await.is_none());
    assert!(find(store, &token([(ClientId, "other"), (RefreshToken, "r")])).await.is_none());
}

/// Rule 4: an equal grant goes before an equal refresh token, whichever was saved last.
pub async fn find_takes_the_grant_before_the_refresh_token(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (GrantToken, "g")])).await;
    let two = save(store, &token([(UserName, "bob"), (RefreshToken, "r")])).await;
    let both = token([(GrantToken, "g"), (RefreshToken, "r")]);
    assert_eq!(found_id(store, &both).await, Some(id(&one)));
    save(store, &with(&two, [(ApiDomain, "d")])).await;
    assert_eq!(found_id(store, &both).await, Some(id(&one)));
    assert_eq!(found_id(store, &with(&both, [(GrantToken, "unknown")])).await, Some(id(&two)));
}

/// Rule 4: of several records, the one saved last.
pub async fn find_by_grant_or_refresh_token_prefers_last_saved(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (GrantToken, "g"), (RefreshToken, "r")])).await;
    let two = save(store, &token([(UserName, "bob"), (GrantToken, "g"), (RefreshToken, "r")])).await;
    assert_eq!(found_id(store, &token([(GrantToken, "g")])).await, Some(id(&two)));
    assert_eq!(found_id(store, &token([(RefreshToken, "r")])).await, Some(id(&two)));
    save(store, &with(&one, [(ApiDomain, "d")])).await;
    assert_eq!(found_id(store, &token([(GrantToken, "g")])).await, Some(id(&one)));
    assert_eq!(found_id(store, &token([(RefreshToken, "r")])).await, Some(id(&one)));
}

/// Rule 5: nothing usable finds nothing, and never the first record.
pub async fn find_of_nothing_usable_is_none(store: &Store) {
    save(store, &token([(ClientId, "app"), (ClientSecret, "secret"), (RefreshToken, "r")])).await;
    assert!(find(store, &OAuthToken::new()).await.is_none());
    assert!(find(store, &token([(ClientId, "app")])).await.is_none());
    assert!(find(store, &token([(ClientId, "app"), (ClientSecret, "secret")])).await.is_none());
    assert!(find(store, &token([(ApiDomain, "d"), (RedirectUrl, "u"), (ExpiresIn, "1900000000000")])).await.is_none());
}

/// An empty text counts as absent: an empty user does not keep rule 4 from applying.
pub async fn find_takes_an_empty_text_as_absent(store: &Store) {
    let one = save(store, &token([(ClientId, "app"), (RefreshToken, "r")])).await;
    let wanted = token([(UserName, ""), (ClientId, ""), (AccessToken, ""), (GrantToken, ""), (RefreshToken, "r")]);
    assert_eq!(found_id(store, &wanted.with_id("")).await, Some(id(&one)));
    assert!(find(store, &token([(UserName, ""), (AccessToken, "")])).await.is_none());
}

/// A find fills what is absent, and leaves what is given.
pub async fn find_fills_the_absent_fields_only(store: &Store) {
    save(store, &token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r1"), (AccessToken, "a1")])).await;
    let mut wanted = token([(UserName, "alice"), (AccessToken, "mine"), (ApiDomain, "d")]);
    wanted.set_find_user(false);
    let found = find(store, &wanted).await;
    let expected =
        [(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r1"), (AccessToken, "mine"), (ApiDomain, "d")];
    assert_eq!(found.as_ref().map(texts), Some(texts(&token(expected))));
    assert_eq!(found.as_ref().map(OAuthToken::find_user), Some(false), "find_user is the caller's");
}

/// A find changes nothing in the store, whatever was given.
pub async fn find_writes_nothing(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (ClientId, "app1"), (RefreshToken, "r1")])).await;
    let two = save(store, &token([(UserName, "alice"), (ClientId, "app2"), (RefreshToken, "r2")])).await;
    find(store, &token([(UserName, "alice"), (ClientId, "app1"), (AccessToken, "a"), (ApiDomain, "d")])).await;
    assert_eq!(by_id(store, &id(&one)).await.as_deref().map(texts), Some(texts(&one)));
    assert_eq!(found_id(store, &token([(UserName, "alice")])).await, Some(id(&two)), "a find is not a save");
}
