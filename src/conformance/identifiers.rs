//! Ids: the vault's own, those that users bring, and those that are none.

use super::steps::{
    Store, all, assert_holds, by_id, contents, delete, find, found_id, id, refused, save, save_for, token, with,
};
use crate::error::ErrorKind;
use crate::fields::Field::{AccessToken, ApiDomain, ClientId, RefreshToken, UserName};
use crate::store::Outcome;
use crate::token::OAuthToken;

/// An id of the vault's making that leads nowhere.
const UNKNOWN: &str = "tvaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// An id that nobody brought is `tv` and 26 characters of lower-case base32.
pub async fn an_id_of_our_making_is_recognisable(store: &Store) {
    let id = id(&save(store, &token([(RefreshToken, "r")])).await);
    assert_eq!(id.len(), 28);
    assert!(id.starts_with("tv"));
    assert!(id.bytes().skip(2).all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte)), "{id}");
}

/// An id that a user brought is kept as given, and leads to the record ever after.
pub async fn a_brought_id_is_kept_as_given(store: &Store) {
    let (outcome, one) = save_for(store, &token([(UserName, "alice"), (RefreshToken, "r")]).with_id("17")).await;
    assert_eq!((outcome, one.id()), (Outcome::Inserted, Some("17")));
    assert_eq!(found_id(store, &token([(UserName, "alice")])).await.as_deref(), Some("17"));
    assert_eq!(contents(store).await.first().map(|(id, _)| id.as_str()), Some("17"));
    let (outcome, again) = save_for(store, &token([(AccessToken, "a")]).with_id("17")).await;
    assert_eq!((outcome, again.id()), (Outcome::Updated, Some("17")));
    assert!(delete(store, "17").await);
    assert!(by_id(store, "17").await.is_none());
}

/// Ids are compared exactly: no trimming, no case, no number.
pub async fn ids_are_compared_exactly(store: &Store) {
    for given in ["1", "01", "1 ", " 1", "a", "A", "é", "e\u{301}", "1.0"] {
        let one = token([(UserName, given), (RefreshToken, given)]).with_id(given);
        assert_eq!(save_for(store, &one).await.0, Outcome::Inserted, "{given}");
    }
    for given in ["1", "01", "1 ", " 1", "a", "A", "é", "e\u{301}", "1.0"] {
        assert_holds(store, given, [(UserName, given)]).await;
    }
    assert!(by_id(store, "É").await.is_none());
}

/// 256 bytes are an id; 257 are none, in whatever characters.
pub async fn an_id_has_at_most_256_bytes(store: &Store) {
    for (number, longest) in ["x".repeat(256), "😀".repeat(64)].iter().enumerate() {
        let saved = token([(UserName, &number.to_string()), (RefreshToken, "r")]).with_id(longest);
        assert_eq!(save(store, &saved).await.id(), Some(longest.as_str()));
        assert!(by_id(store, longest).await.is_some());
        let longer = format!("{longest}x");
        assert_eq!(refused(store, &token([(RefreshToken, "r")]).with_id(&longer)).await, ErrorKind::InvalidInput);
        assert!(by_id(store, &longer).await.is_none());
    }
}

/// An id that cannot be stored is refused by a save, and simply not found by everything else.
pub async fn an_unusable_id_is_refused_and_not_found(store: &Store) {
    save(store, &token([(UserName, "alice"), (RefreshToken, "r")]).with_id("1")).await;
    let long = "x".repeat(10_000);
    for bad in [long.as_str(), "\0", "1\0", "1\n", "1\r", "\t1", "\u{7f}", "\u{85}", "\u{1b}[31m"] {
        let given = token([(UserName, "bob"), (RefreshToken, "r2")]).with_id(bad);
        assert_eq!(refused(store, &given).await, ErrorKind::InvalidInput);
        assert!(by_id(store, bad).await.is_none());
        assert!(find(store, &OAuthToken::new().with_id(bad)).await.is_none());
        assert!(!delete(store, bad).await);
    }
    assert_eq!(all(store).await.len(), 1);
}

/// An empty id is an absent one.
pub async fn an_empty_id_is_an_absent_one(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (RefreshToken, "r")]).with_id("")).await;
    assert!(one.id().is_some_and(|id| !id.is_empty()));
    assert_eq!(found_id(store, &token([(UserName, "alice")]).with_id("")).await, Some(id(&one)));
    assert!(by_id(store, "").await.is_none());
    assert!(!delete(store, "").await);
}

/// A path, a pattern, a piece of SQL: ids like any other.
pub async fn an_id_is_text_and_nothing_else(store: &Store) {
    let ids = ["../", "..", "/etc/passwd", "9 or 1=1", "9' or '1'='1", "%", "_", "*", "a,b\"c", "0", "null", "tv"];
    for (number, given) in ids.into_iter().enumerate() {
        let one = token([(UserName, &number.to_string()), (RefreshToken, "r")]).with_id(given);
        assert_eq!(save(store, &one).await.id(), Some(given));
    }
    for (number, given) in ids.into_iter().enumerate() {
        assert_holds(store, given, [(UserName, &number.to_string())]).await;
        assert!(delete(store, given).await);
        assert_eq!(all(store).await.len(), ids.len() - number - 1, "only {given} is deleted");
    }
}

/// An id of the vault's making that is not stored is an error: it was deleted, or is another vault's.
pub async fn an_unknown_id_of_our_making_is_gone(store: &Store) {
    let given = token([(UserName, "alice"), (RefreshToken, "r")]).with_id(UNKNOWN);
    assert_eq!(refused(store, &given).await, ErrorKind::Gone);
    assert!(by_id(store, UNKNOWN).await.is_none());
    assert!(!delete(store, UNKNOWN).await);
}

/// What only resembles an id of our making is one that a user brought.
pub async fn what_resembles_an_id_of_our_making_is_a_brought_one(store: &Store) {
    let short = &UNKNOWN[..27];
    let long = format!("{UNKNOWN}a");
    let upper = UNKNOWN.to_uppercase();
    let digits = format!("tv{}", "1".repeat(26));
    for given in [short, &long, &upper, &digits] {
        assert_eq!(
            save(store, &token([(UserName, given), (RefreshToken, "r")]).with_id(given)).await.id(),
            Some(given)
        );
    }
}

/// A brought id does not make a second record of one user and client.
pub async fn a_new_id_does_not_double_a_user_and_client(store: &Store) {
    save(store, &token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r1")]).with_id("1")).await;
    let given = token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, "r2")]).with_id("2");
    assert_eq!(refused(store, &given).await, ErrorKind::InvalidInput);
    assert!(by_id(store, "2").await.is_none());
}

/// The ids of another file (1, 2, 3 again) do not turn one user into another.
pub async fn a_second_files_ids_turn_nobody_into_somebody_else(store: &Store) {
    save(store, &token([(UserName, "alice"), (RefreshToken, "r1")]).with_id("1")).await;
    let bob = token([(UserName, "bob"), (RefreshToken, "r2")]).with_id("1");
    assert_eq!(refused(store, &bob).await, ErrorKind::InvalidInput);
    assert_holds(store, "1", [(UserName, "alice"), (RefreshToken, "r1")]).await;
}

/// With an id that is not stored, no other rule is asked: the record of an equal refresh token stays as it is.
pub async fn save_under_a_new_id_asks_no_other_rule(store: &Store) {
    let one = save(store, &token([(ClientId, "app"), (RefreshToken, "r")])).await;
    let (outcome, _) =
        save_for(store, &token([(ClientId, "app"), (RefreshToken, "r"), (ApiDomain, "d")]).with_id("7")).await;
    assert_eq!(outcome, Outcome::Inserted);
    assert_eq!(by_id(store, &id(&one)).await.and_then(|read| read.get(ApiDomain).cloned()), None);
}

/// With an id that is stored, no other rule is asked: a refresh token that another record holds does not lead there.
pub async fn save_under_a_stored_id_asks_no_other_rule(store: &Store) {
    let one = save(store, &token([(RefreshToken, "r1")]).with_id("1")).await;
    let two = save(store, &token([(RefreshToken, "r2")]).with_id("2")).await;
    save(store, &token([(RefreshToken, "r2"), (ApiDomain, "d")]).with_id("1")).await;
    assert_holds(store, &id(&one), [(RefreshToken, "r2"), (ApiDomain, "d")]).await;
    assert_eq!(by_id(store, &id(&two)).await.and_then(|read| read.get(ApiDomain).cloned()), None);
}

/// A token that was handed out belongs to its record, not to whatever id is written on it later.
pub async fn a_handed_out_token_is_not_saved_under_another_id(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (RefreshToken, "r1")]).with_id("1")).await;
    save(store, &token([(UserName, "bob"), (RefreshToken, "r2")]).with_id("2")).await;
    assert_eq!(refused(store, &with(&one, [(AccessToken, "a")]).with_id("2")).await, ErrorKind::InvalidInput);
    assert_eq!(refused(store, &with(&one, [(AccessToken, "a")]).with_id("3")).await, ErrorKind::InvalidInput);
}
