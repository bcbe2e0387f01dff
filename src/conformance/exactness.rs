//! Comparison is exact: case, blanks, accents, Unicode form, and the end of a text all count.

use super::steps::{Store, all, find, found_id, id, save, save_for, token};
use crate::fields::Field::{self, AccessToken, ClientId, GrantToken, RefreshToken, UserName};
use crate::store::Outcome;

/// Texts that some stores take for equal; none equals another.
const LIKE: [&str; 16] = [
    "alice@x",
    "ALICE@X",
    "alice@x ",
    " alice@x",
    "alice@x\t",
    "alice@x\n",
    "alice@x\0",
    "alice@",
    "alice@xx",
    "zoë",
    "zoe",
    "zoe\u{308}",
    "straße",
    "strasse",
    "ﬁ",
    "fi",
];

async fn each_is_its_own(store: &Store, field: Field, beside: [(Field, &str); 1]) {
    let mut ids = Vec::new();
    for text in LIKE {
        assert!(find(store, &token([(field, text)])).await.is_none(), "{text:?} equals none before it");
        let (outcome, saved) = save_for(store, &super::steps::with(&token(beside), [(field, text)])).await;
        assert_eq!(outcome, Outcome::Inserted, "{text:?}");
        ids.push(id(&saved));
    }
    for (text, id) in LIKE.into_iter().zip(ids) {
        assert_eq!(found_id(store, &token([(field, text)])).await, Some(id), "{text:?}");
    }
}

/// Users.
pub async fn users_are_compared_exactly(store: &Store) {
    each_is_its_own(store, UserName, [(RefreshToken, "r")]).await;
}

/// Refresh tokens.
pub async fn refresh_tokens_are_compared_exactly(store: &Store) {
    each_is_its_own(store, RefreshToken, [(ClientId, "app")]).await;
}

/// Grant tokens.
pub async fn grant_tokens_are_compared_exactly(store: &Store) {
    each_is_its_own(store, GrantToken, [(ClientId, "app")]).await;
}

/// Access tokens.
pub async fn access_tokens_are_compared_exactly(store: &Store) {
    each_is_its_own(store, AccessToken, [(Field::ApiDomain, "d")]).await;
}

/// Clients: of one user, one record for each.
pub async fn clients_are_compared_exactly(store: &Store) {
    for client in LIKE {
        let given = token([(UserName, "alice"), (ClientId, client), (RefreshToken, "r")]);
        assert_eq!(save_for(store, &given).await.0, Outcome::Inserted, "{client:?}");
    }
    assert_eq!(all(store).await.len(), LIKE.len());
    for client in LIKE {
        let given = token([(UserName, "alice"), (ClientId, client)]);
        let found = find(store, &given).await;
        assert_eq!(found.as_ref().and_then(|found| found.client_id()), Some(client));
        assert_eq!(save(store, &token([(RefreshToken, "r"), (ClientId, client)])).await.client_id(), Some(client));
    }
    assert_eq!(all(store).await.len(), LIKE.len());
}

/// A user and a client do not run together: `ab` + `c` is not `a` + `bc`.
pub async fn user_and_client_do_not_run_together(store: &Store) {
    for (user, client) in [("ab", "c"), ("a", "bc"), ("abc", ""), ("a\0b", "c"), ("a", "b\0c"), ("c", "ab")] {
        let given = token([(UserName, user), (ClientId, client), (RefreshToken, "r")]);
        assert_eq!(save_for(store, &given).await.0, Outcome::Inserted, "{user:?} {client:?}");
    }
}

/// One text in two fields is two things: a refresh token is no grant, a user no id.
pub async fn a_text_counts_in_its_own_field_only(store: &Store) {
    let text = "same";
    save(store, &token([(UserName, text), (AccessToken, "a")])).await;
    for field in [RefreshToken, GrantToken, AccessToken] {
        assert!(find(store, &token([(field, text)])).await.is_none(), "{}", field.name());
    }
    assert!(super::steps::by_id(store, text).await.is_none());
    save(store, &token([(UserName, "other"), (RefreshToken, text)])).await;
    assert!(find(store, &token([(GrantToken, text)])).await.is_none());
    assert!(find(store, &token([(AccessToken, text)])).await.is_none());
}
