//! Promises that hold when many ask at once. Each starts its tasks together, so that they do meet.
#![expect(clippy::expect_used, reason = "these are the assertions of tests")]

use std::sync::Arc;

use tokio::sync::Barrier;

use super::overtaken::{expiry, refreshed, signed_in};
use super::steps::{Store, all, assert_holds, by_id, delete, delete_all, find, found_id, id, save, text, token, with};
use crate::error::ErrorKind;
use crate::fields::Field::{AccessToken, ClientId, ExpiresIn, RedirectUrl, RefreshToken, UserName};
use crate::operation::Context;
use crate::store::Outcome;
use crate::token::OAuthToken;

const HOUR: u64 = 3_600_000;

type Ended = Result<(Outcome, OAuthToken), ErrorKind>;

/// Saves all these tokens at once. Answers how each save ended, in the order given.
pub(super) async fn save_at_once(stores: &[Store], tokens: Vec<OAuthToken>) -> Vec<Ended> {
    save_at_once_beside(stores, tokens, async {}).await.0
}

/// The same, while something else begins together with them. Answers that, too.
pub(super) async fn save_at_once_beside<T: Send + 'static>(
    stores: &[Store],
    tokens: Vec<OAuthToken>,
    other: impl Future<Output = T> + Send + 'static,
) -> (Vec<Ended>, T) {
    let start = Arc::new(Barrier::new(tokens.len() + 1));
    let mut running = Vec::new();
    for (mut token, store) in tokens.into_iter().zip(stores.iter().cycle()) {
        let (store, start) = (Arc::clone(store), Arc::clone(&start));
        running.push(tokio::spawn(async move {
            start.wait().await;
            let saved = store.save_token(&Context::new(), &mut token).await;
            saved.map(|saved| (saved.value.outcome, token)).map_err(|error| error.kind())
        }));
    }
    let other = tokio::spawn(async move {
        start.wait().await;
        other.await
    });
    let mut ended = Vec::new();
    for save in running {
        ended.push(save.await.expect("a save does not panic"));
    }
    (ended, other.await.expect("what is done beside does not panic"))
}

/// Lets the others go ahead by so many turns.
pub(super) async fn turns(count: u64) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

async fn save_all_at_once(store: &Store, tokens: Vec<OAuthToken>) -> Vec<Ended> {
    save_at_once(std::slice::from_ref(store), tokens).await
}

/// Checks that all of these saves succeeded on one record, which one of them made.
pub(super) fn assert_one_record(ended: &[Ended]) {
    let inserted = ended.iter().filter(|ended| matches!(ended, Ok((Outcome::Inserted, _)))).count();
    assert_eq!(inserted, 1, "one save makes the record");
    let id = |ended: &Ended| ended.as_ref().ok().and_then(|(_, token)| token.id().map(str::to_owned));
    let first = ended.first().and_then(id);
    assert!(first.is_some() && ended.iter().all(|ended| id(ended) == first), "all saves tell the same id: {ended:?}");
}

/// 32 first sign-ins of one user at once make one record.
pub async fn first_sign_ins_of_one_user_make_one_record(store: &Store) {
    for round in 0..8_u32 {
        let user = format!("alice {round}");
        let sign_in = |number: u32| {
            let (refresh, access) = (format!("r{number}"), format!("a{number}"));
            token([(UserName, &user), (ClientId, "app"), (RefreshToken, &refresh), (AccessToken, &access)])
        };
        let ended = save_all_at_once(store, (0..32).map(sign_in).collect()).await;
        assert_one_record(&ended);
        assert_eq!(all(store).await.len(), round as usize + 1);
        let read = find(store, &token([(UserName, &user)])).await.expect("the user is signed in");
        let number = |field| text(&read, field).map(|text| text[1..].to_owned());
        assert_eq!(number(RefreshToken), number(AccessToken), "never half of one sign-in and half of another");
    }
}

/// The same without a user: by refresh token, and by access token.
pub async fn first_saves_of_one_token_make_one_record(store: &Store) {
    for given in [token([(ClientId, "app"), (RefreshToken, "r")]), token([(AccessToken, "a")])] {
        assert_one_record(&save_all_at_once(store, vec![given; 32]).await);
    }
    assert_eq!(all(store).await.len(), 2);
}

/// The same under one brought id.
pub async fn first_saves_under_one_id_make_one_record(store: &Store) {
    let given = token([(UserName, "alice"), (RefreshToken, "r")]).with_id("1");
    assert_one_record(&save_all_at_once(store, vec![given; 32]).await);
    assert_eq!(all(store).await.len(), 1);
}

/// One brought id for 32 users: one of them gets it, the others are refused.
pub async fn one_id_for_many_users_goes_to_one(store: &Store) {
    let given = |number: u32| token([(UserName, &number.to_string()), (RefreshToken, "r")]).with_id("1");
    let ended = save_all_at_once(store, (0..32).map(given).collect()).await;
    assert_eq!(ended.iter().filter(|ended| ended.is_ok()).count(), 1);
    assert!(ended.iter().flat_map(|ended| ended.as_ref().err()).all(|kind| *kind == ErrorKind::InvalidInput));
    assert_eq!(all(store).await.len(), 1);
}

/// 32 brought ids for one user and client: one of them is stored, the others are refused.
pub async fn many_ids_for_one_user_make_one_record(store: &Store) {
    let given = |number: u32| token([(UserName, "alice"), (RefreshToken, "r")]).with_id(&number.to_string());
    let ended = save_all_at_once(store, (0..32).map(given).collect()).await;
    assert_eq!(ended.iter().filter(|ended| ended.is_ok()).count(), 1);
    assert_eq!(all(store).await.len(), 1);
}

/// 16 records without a user are given the same one at once: one of them becomes the user's.
pub async fn one_user_for_many_records_goes_to_one(store: &Store) {
    let mut records = Vec::new();
    for number in 0..16_u32 {
        records.push(save(store, &token([(ClientId, "app"), (RefreshToken, &number.to_string())])).await);
    }
    let named: Vec<_> = records.iter().map(|record| with(record, [(UserName, "alice")])).collect();
    let ended = save_all_at_once(store, named).await;
    assert_eq!(ended.iter().filter(|ended| ended.is_ok()).count(), 1);
    let named = all(store).await.iter().filter(|token| token.user_name().is_some()).count();
    assert_eq!((named, all(store).await.len()), (1, 16));
}

/// 16 first sign-ins of 16 users at once disturb each other in nothing.
pub async fn first_sign_ins_of_many_users_all_succeed(store: &Store) {
    let given = |number: u32| token([(UserName, &number.to_string()), (RefreshToken, "r")]);
    let ended = save_all_at_once(store, (0..16).map(given).collect()).await;
    assert!(ended.iter().all(|ended| matches!(ended, Ok((Outcome::Inserted, _)))), "{ended:?}");
    assert_eq!(all(store).await.len(), 16);
}

/// 16 refreshes of one read, written back at once: the one that lives longest stays, as a whole.
pub async fn of_many_refreshes_at_once_the_latest_stays(store: &Store) {
    let base = signed_in(store).await;
    let late = |number: u64| {
        let rotated = format!("r{number}");
        with(&refreshed(&base, &format!("a{number}"), HOUR * (number + 1)), [(RefreshToken, &rotated)])
    };
    let ended = save_all_at_once(store, (0..16).map(late).collect()).await;
    assert!(ended.iter().all(Result::is_ok), "an overtaken save is no error: {ended:?}");
    let expected = [(AccessToken, "a15"), (RefreshToken, "r15"), (ExpiresIn, &expiry(16 * HOUR))];
    assert_holds(store, &id(&base), expected).await;
    assert_eq!(all(store).await.len(), 1);
}

/// 16 tasks change one record, each another field or a refresh: no change is lost.
pub async fn changes_of_different_fields_are_all_kept(store: &Store) {
    let base = signed_in(store).await;
    for round in 1..=8_u64 {
        let (access, redirect) = (format!("a{round}"), format!("u{round}"));
        let held = by_id(store, &id(&base)).await.expect("the record is there");
        let mut changes = vec![refreshed(&held, &access, HOUR * round); 8];
        changes.extend(vec![with(&held, [(RedirectUrl, &redirect)]); 8]);
        let ended = save_all_at_once(store, changes).await;
        assert!(ended.iter().all(Result::is_ok), "{ended:?}");
        assert_holds(store, &id(&base), [(AccessToken, &access), (RedirectUrl, &redirect)]).await;
    }
}

/// A delete beside saves of the same token: afterwards it is gone, whichever came first.
pub async fn a_delete_beside_saves_is_final(store: &Store) {
    for round in 0..16_u64 {
        let brought = if round % 2 == 0 { "" } else { "1" };
        let first = save(store, &token([(UserName, "alice"), (RefreshToken, "r")]).with_id(brought)).await;
        let deleting = {
            let (store, id) = (Arc::clone(store), id(&first));
            async move {
                turns(round).await;
                delete(&store, &id).await
            }
        };
        let late = |number: u64| refreshed(&first, &number.to_string(), HOUR * number);
        let late = (1..=8).map(late).collect();
        let (ended, is_deleted) = save_at_once_beside(std::slice::from_ref(store), late, deleting).await;
        assert!(is_deleted, "the record was there");
        for ended in ended {
            assert!(matches!(ended, Ok(_) | Err(ErrorKind::Gone)), "{ended:?}");
        }
        assert!(all(store).await.is_empty(), "no save undid the log-out");
    }
}

/// A log-out of everybody beside saves of tokens that were there: afterwards they are gone.
pub async fn a_delete_of_all_beside_saves_is_final(store: &Store) {
    for round in 0..8_u64 {
        let mut held = Vec::new();
        for user in 0..8_u32 {
            held.push(save(store, &token([(UserName, &user.to_string()), (RefreshToken, "r")])).await);
        }
        let deleting = {
            let store = Arc::clone(store);
            async move {
                turns(2 * round).await;
                delete_all(&store).await
            }
        };
        let late = held.iter().map(|token| refreshed(token, "late", HOUR * (round + 1))).collect();
        let (ended, deleted) = save_at_once_beside(std::slice::from_ref(store), late, deleting).await;
        assert_eq!(deleted, 8);
        assert!(ended.iter().all(|ended| matches!(ended, Ok(_) | Err(ErrorKind::Gone))), "{ended:?}");
        assert!(all(store).await.is_empty(), "no save undid the log-out");
    }
}

/// Of many deletes of one token at once, one says that it deleted it.
pub async fn of_many_deletes_one_deletes(store: &Store) {
    let one = save(store, &token([(UserName, "alice"), (RefreshToken, "r")])).await;
    let mut running = Vec::new();
    for _ in 0..16 {
        let (store, id) = (Arc::clone(store), id(&one));
        running.push(tokio::spawn(async move { delete(&store, &id).await }));
    }
    let mut deleted = 0;
    for delete in running {
        deleted += usize::from(delete.await.expect("a delete does not panic"));
    }
    assert_eq!(deleted, 1);
}

/// Who reads beside writers sees one write or another, never parts of two, and never a record missing.
pub async fn readers_see_whole_saves(store: &Store) {
    let base = signed_in(store).await;
    let first = expiry(HOUR);
    let set =
        |access: &str, later: &str| [(AccessToken, access), (RefreshToken, access), (ExpiresIn, later)].map(owned);
    save(store, &with(&base, [(AccessToken, "0"), (RefreshToken, "0"), (ExpiresIn, &first)])).await;
    let writing = {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            // No more than a store may take of one token in a day.
            for number in 2..80_u64 {
                let held = find(&store, &token([(UserName, "alice")])).await.expect("the user is signed in");
                let next = with(&refreshed(&held, &number.to_string(), HOUR * number), []);
                save(&store, &with(&next, [(RefreshToken, &number.to_string())])).await;
            }
        })
    };
    while !writing.is_finished() {
        let read = by_id(store, &id(&base)).await.expect("the record is there");
        let field = |field| text(&read, field).unwrap_or_default().to_owned();
        let number = field(AccessToken).parse::<u64>().unwrap_or_default().max(1);
        let seen = [AccessToken, RefreshToken, ExpiresIn].map(|name| (name, field(name)));
        assert_eq!(seen, set(&field(AccessToken), &expiry(HOUR * number)));
        assert_eq!(found_id(store, &token([(UserName, "alice")])).await, Some(id(&base)));
        tokio::task::yield_now().await;
    }
    writing.await.expect("the writer does not fail");
}

fn owned<T>((field, text): (T, &str)) -> (T, String) {
    (field, text.to_owned())
}
