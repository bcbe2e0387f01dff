//! The table of where existing stores differ: one function for each row, in its order.
//!
//! What the Python SDK's file store, its MySQL store and the published SQLite store do in these cases differs from one
//! to the next. A user who comes from one of them meets this vault's answer here.

use std::sync::Arc;

use super::overtaken::expiry;
use super::steps::{
    Store, all, assert_holds, by_id, contents, delete, delete_all, find, found_id, id, save, save_for, texts, token,
};
use crate::fields::Field::{AccessToken, ClientId, ClientSecret, ExpiresIn, GrantToken, RefreshToken, UserName};
use crate::operation::Context;
use crate::store::Outcome;
use crate::token::OAuthToken;

/// save: same user, other client -> a second record.
pub async fn row_01_save_of_the_same_user_with_another_client_is_a_second_record(store: &Store) {
    let start = expiry(0);
    let given = [(UserName, "u"), (ClientId, "a"), (RefreshToken, "r1"), (AccessToken, "a1"), (ExpiresIn, &start)];
    let one = save(store, &token(given)).await;
    let (outcome, two) = save_for(store, &token([(UserName, "u"), (ClientId, "b"), (RefreshToken, "r2")])).await;
    assert_eq!((outcome, all(store).await.len()), (Outcome::Inserted, 2));
    assert_eq!(by_id(store, &id(&one)).await.as_deref().map(texts), Some(texts(&token(given))));
    assert!(two.get(AccessToken).is_none() && two.get(ExpiresIn).is_none(), "nothing is taken from the other client");
}

/// find: user U with client B, row has client A -> none.
pub async fn row_02_find_of_a_user_with_another_client_is_none(store: &Store) {
    save(store, &token([(UserName, "u"), (ClientId, "a"), (RefreshToken, "r"), (AccessToken, "t")])).await;
    assert!(find(store, &token([(UserName, "u"), (ClientId, "b"), (ClientSecret, "s")])).await.is_none());
}

/// no user, same refresh token, other client -> a second record.
pub async fn row_03_the_same_refresh_token_with_another_client_is_a_second_record(store: &Store) {
    let one = save(store, &token([(ClientId, "a"), (RefreshToken, "r")])).await;
    let (outcome, two) = save_for(store, &token([(ClientId, "b"), (RefreshToken, "r")])).await;
    assert_eq!(outcome, Outcome::Inserted);
    assert_ne!(one.id(), two.id());
    assert_holds(store, &id(&one), [(ClientId, "a")]).await;
}

/// grant unknown, refresh known -> hit.
pub async fn row_04_an_unknown_grant_with_a_known_refresh_token_is_a_hit(store: &Store) {
    let one = save(store, &token([(ClientId, "a"), (GrantToken, "g"), (RefreshToken, "r")])).await;
    let wanted = token([(ClientId, "a"), (GrantToken, "unknown"), (RefreshToken, "r")]);
    assert_eq!(found_id(store, &wanted).await, Some(id(&one)));
}

/// refresh without client: find -> hit.
pub async fn row_05_find_by_refresh_token_without_client_is_a_hit(store: &Store) {
    let one = save(store, &token([(UserName, "u"), (ClientId, "a"), (RefreshToken, "r")])).await;
    assert_eq!(found_id(store, &token([(RefreshToken, "r")])).await, Some(id(&one)));
}

/// access token + client only: find -> none.
pub async fn row_06_find_by_access_token_with_client_is_none(store: &Store) {
    save(store, &token([(ClientId, "a"), (AccessToken, "t")])).await;
    assert!(find(store, &token([(ClientId, "a"), (AccessToken, "t")])).await.is_none());
}

/// empty user, or id-only token unknown: find -> none.
pub async fn row_07_find_of_an_empty_user_or_an_unknown_id_is_none(store: &Store) {
    save(store, &token([(UserName, "u"), (ClientId, "a"), (RefreshToken, "r")])).await;
    assert!(find(store, &token([(UserName, "")])).await.is_none());
    assert!(find(store, &OAuthToken::new().with_id("unknown")).await.is_none());
}

/// the same save twice -> 1 record.
pub async fn row_08_the_same_save_twice_is_one_record(store: &Store) {
    for given in [
        token([(UserName, "u"), (ClientId, "a"), (RefreshToken, "r")]),
        token([(ClientId, "b"), (GrantToken, "g")]),
        token([(ClientId, "c"), (ClientSecret, "s"), (RefreshToken, "r")]),
        token([(AccessToken, "t")]),
        token([(AccessToken, "t5")]).with_id("5"),
    ] {
        let one = save(store, &given).await;
        let before = contents(store).await;
        assert_eq!(save(store, &given).await.id(), one.id());
        assert_eq!(save(store, &one).await.id(), one.id(), "and as it was handed out");
        assert_eq!(contents(store).await, before);
    }
    assert_eq!(all(store).await.len(), 5);
}

/// save(id=1, only a new access token) -> updates.
pub async fn row_09_save_of_an_id_with_only_a_new_access_token_updates(store: &Store) {
    save(store, &token([(UserName, "u"), (ClientId, "a"), (RefreshToken, "r"), (AccessToken, "t1")]).with_id("1"))
        .await;
    let (outcome, updated) = save_for(store, &token([(AccessToken, "t2")]).with_id("1")).await;
    assert_eq!((outcome, updated.user_name()), (Outcome::Updated, Some("u")));
    assert_holds(store, "1", [(UserName, "u"), (ClientId, "a"), (RefreshToken, "r"), (AccessToken, "t2")]).await;
    assert_eq!(all(store).await.len(), 1);
}

/// 11th insert -> ok.
pub async fn row_10_the_eleventh_insert_is_one_like_the_others(store: &Store) {
    for number in 1..=21 {
        let user = number.to_string();
        assert_eq!(save_for(store, &token([(UserName, &user), (RefreshToken, "r")])).await.0, Outcome::Inserted);
        assert_eq!(all(store).await.len(), number);
    }
}

/// save after a non-numeric id exists -> ok.
pub async fn row_11_save_after_a_non_numeric_id_is_a_save(store: &Store) {
    save(store, &token([(UserName, "u"), (RefreshToken, "r")]).with_id("not a number")).await;
    assert_eq!(save_for(store, &token([(UserName, "v"), (RefreshToken, "r")])).await.0, Outcome::Inserted);
    assert_eq!(all(store).await.len(), 2);
}

/// delete an unknown id -> ok, reported as "nothing deleted".
pub async fn row_12_delete_of_an_unknown_id_deletes_nothing_and_says_so(store: &Store) {
    save(store, &token([(UserName, "u"), (RefreshToken, "r")])).await;
    assert!(!delete(store, "unknown").await);
    assert_eq!(all(store).await.len(), 1);
}

/// delete id `9 or 1=1` -> safe.
pub async fn row_13_delete_of_an_id_with_sql_in_it_deletes_nothing_else(store: &Store) {
    save(store, &token([(UserName, "victim"), (RefreshToken, "r")]).with_id("9")).await;
    save(store, &token([(UserName, "u"), (RefreshToken, "r")])).await;
    assert!(!delete(store, "9 or 1=1").await);
    assert_eq!(all(store).await.len(), 2);
}

/// by id `9' or '1'='1` -> none.
pub async fn row_14_an_id_with_sql_in_it_is_not_found(store: &Store) {
    save(store, &token([(UserName, "victim"), (RefreshToken, "r")]).with_id("9")).await;
    assert!(by_id(store, "9' or '1'='1").await.is_none());
    assert!(find(store, &OAuthToken::new().with_id("9' or '1'='1")).await.is_none());
}

/// user `x' or '1'='1` -> none.
pub async fn row_15_a_user_with_sql_in_it_is_not_found(store: &Store) {
    save(store, &token([(UserName, "victim"), (RefreshToken, "r")])).await;
    assert!(find(store, &token([(UserName, "x' or '1'='1")])).await.is_none());
}

/// `ALICE@X`, `alice@x ` (blank), `zoë`/`zoe` -> no match.
pub async fn row_16_users_that_a_collation_would_equate_do_not_match(store: &Store) {
    save(store, &token([(UserName, "alice@x"), (RefreshToken, "r1")])).await;
    save(store, &token([(UserName, "zoë"), (RefreshToken, "r2")])).await;
    for user in ["ALICE@X", "alice@x ", "zoe"] {
        assert!(find(store, &token([(UserName, user)])).await.is_none(), "{user:?}");
    }
}

/// 300-character token -> ok.
pub async fn row_17_a_token_of_300_characters_is_kept_whole(store: &Store) {
    let long = "t".repeat(300);
    let given = [(UserName, long.as_str()), (ClientId, &long), (RefreshToken, &long), (AccessToken, &long)];
    let one = save(store, &token(given)).await;
    assert_holds(store, &id(&one), given).await;
    assert_eq!(found_id(store, &token([(RefreshToken, &long)])).await, Some(id(&one)));
}

/// delete_tokens -> ok.
pub async fn row_18_delete_tokens_deletes_them(store: &Store) {
    for user in ["u", "v"] {
        save(store, &token([(UserName, user), (RefreshToken, "r")])).await;
    }
    assert_eq!(delete_all(store).await, 2);
    assert!(all(store).await.is_empty());
}

/// user literally named `user_name` -> ok.
pub async fn row_19_a_user_named_user_name_is_a_user(store: &Store) {
    let other = save(store, &token([(UserName, "u"), (RefreshToken, "r1")])).await;
    let one = save(store, &token([(UserName, "user_name"), (ClientId, "client_id"), (RefreshToken, "r2")])).await;
    assert_eq!(found_id(store, &token([(UserName, "user_name")])).await, Some(id(&one)));
    let updated = token([(UserName, "user_name"), (ClientId, "client_id"), (AccessToken, "access_token")]);
    assert_eq!(save(store, &updated).await.id(), one.id());
    assert_eq!(contents(store).await.first(), Some(&(id(&other), texts(&other))));
}

/// SIGKILL while saving -> 0 damaged. A suite cannot kill its own process; here the saves are dropped half-way, and the
/// crash tests kill a real one.
pub async fn row_20_a_save_that_is_dropped_half_way_damages_nothing(store: &Store) {
    for number in 0..10_u32 {
        save(store, &token([(UserName, &number.to_string()), (RefreshToken, "old"), (AccessToken, "old")])).await;
    }
    for round in 0..10_u32 {
        let mut running = Vec::new();
        for number in 0..10_u32 {
            let store = Arc::clone(store);
            let new = format!("new {round}");
            let given = token([(UserName, &number.to_string()), (RefreshToken, &new), (AccessToken, &new)]);
            running
                .push(tokio::spawn(async move { store.save_token(&Context::new(), &mut given.clone()).await.is_ok() }));
        }
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        for save in running {
            save.abort();
            let _ = save.await;
        }
        let all = all(store).await;
        assert_eq!(all.len(), 10);
        assert!(all.iter().all(|token| token.get(RefreshToken) == token.get(AccessToken)), "never half a save");
    }
}

/// 4 processes x 30 inserts -> all 120. Here four tasks; the tests of the file run processes.
pub async fn row_21_four_writers_of_thirty_inserts_leave_all_120(store: &Store) {
    let mut running = Vec::new();
    for writer in 0..4_u32 {
        let store = Arc::clone(store);
        running.push(tokio::spawn(async move {
            for number in 0..30_u32 {
                save(&store, &token([(UserName, &format!("{writer}-{number}")), (RefreshToken, "r")])).await;
            }
        }));
    }
    for writer in running {
        assert!(writer.await.is_ok(), "a writer does not fail");
    }
    assert_eq!(all(store).await.len(), 120);
    for writer in 0..4_u32 {
        for number in 0..30_u32 {
            assert!(find(store, &token([(UserName, &format!("{writer}-{number}"))])).await.is_some());
        }
    }
}
