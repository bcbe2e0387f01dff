//! Two handles of the same records: what one has answered, the other sees.

use std::sync::Arc;

use super::backend::{
    Shared, assert_one_wins, claim, clear, commit, conflicts, insert, next, read, record, remove, replace, resolve,
    user_key, versions,
};
use super::overtaken::{refreshed, signed_in};
use super::races::{assert_one_record, save_at_once, save_at_once_beside, turns};
use super::steps::{Store, all, assert_holds, by_id, delete, delete_all, found_id, id, refused, save, save_for, token};
use crate::error::ErrorKind;
use crate::fields::Field::{AccessToken, ClientId, RefreshToken, UserName};
use crate::store::Outcome;
use crate::vault::Vault;

const HOUR: u64 = 3_600_000;

/// Two handles of the same records.
pub type Handles = (Shared, Shared);

fn stores(handles: &Handles) -> [Store; 2] {
    let (one, two) = handles;
    [one, two].map(|handle| Arc::new(Vault::new(Arc::clone(handle))) as Store)
}

/// A read that begins after a commit was answered sees it, through whichever handle: by name, key and list.
pub async fn a_commit_is_seen_through_the_other_handle(handles: &Handles) {
    for (writer, reader) in [(&handles.0, &handles.1), (&handles.1, &handles.0)] {
        let first = record("u", "a");
        assert_eq!(commit(writer, vec![insert(&first)], Vec::new()).await, Ok(()));
        assert_eq!(read(reader, first.name).await.map(|record| record.version), Some(first.version));
        assert_eq!(resolve(reader, &[user_key("u")]).await.by_key, [[first.name]]);
        let second = next(&first, "b");
        assert_eq!(commit(writer, vec![replace(&first, &second)], Vec::new()).await, Ok(()));
        assert_eq!(read(reader, first.name).await.map(|record| record.version), Some(second.version));
        assert_eq!(versions(reader).await, [(second.name, second.version)]);
        assert_eq!(commit(writer, vec![remove(&second)], Vec::new()).await, Ok(()));
        assert!(read(reader, first.name).await.is_none());
        assert!(resolve(reader, &[user_key("u")]).await.records.is_empty());
    }
}

/// A clear is seen through the other handle, and so are commits after it.
pub async fn a_clear_is_seen_through_the_other_handle(handles: &Handles) {
    let (one, two) = handles;
    let old = record("u", "a");
    assert_eq!(commit(one, vec![insert(&old)], Vec::new()).await, Ok(()));
    assert_eq!(clear(two).await, 1);
    assert!(read(one, old.name).await.is_none());
    conflicts(one, vec![replace(&old, &next(&old, "b"))], Vec::new()).await;
    let new = record("u", "c");
    assert_eq!(commit(one, vec![insert(&new)], Vec::new()).await, Ok(()));
    assert_eq!(versions(two).await, [(new.name, new.version)]);
}

/// Expectations and claims are held against what the other handle wrote.
pub async fn a_commit_conflicts_with_the_other_handle(handles: &Handles) {
    let (one, two) = handles;
    let first = record("u", "a");
    let nothing = claim(two, user_key("u")).await;
    assert_eq!(commit(one, vec![insert(&first)], Vec::new()).await, Ok(()));
    conflicts(two, vec![insert(&record("u", "b"))], vec![nothing]).await;
    let second = next(&first, "c");
    assert_eq!(commit(two, vec![replace(&first, &second)], Vec::new()).await, Ok(()));
    conflicts(one, vec![replace(&first, &next(&first, "d"))], Vec::new()).await;
    conflicts(one, vec![remove(&first)], Vec::new()).await;
    assert_eq!(commit(one, vec![remove(&second)], Vec::new()).await, Ok(()));
}

/// Of many commits at once through both handles, one takes effect: on a version, and on a claim.
pub async fn of_many_commits_through_both_handles_one_wins(handles: &Handles) {
    let both = [Arc::clone(&handles.0), Arc::clone(&handles.1)];
    let old = record("u", "a");
    assert_eq!(commit(&handles.0, vec![insert(&old)], Vec::new()).await, Ok(()));
    let change = |number: u32| (vec![replace(&old, &next(&old, &number.to_string()))], Vec::new());
    assert_one_wins(&both, (0..16).map(change).collect()).await;
    let nothing = claim(&handles.1, user_key("v")).await;
    let first = |number: u32| (vec![insert(&record("v", &number.to_string()))], vec![nothing.clone()]);
    assert_one_wins(&both, (0..16).map(first).collect()).await;
    assert_eq!(versions(&handles.0).await, versions(&handles.1).await);
}

/// 32 first sign-ins of one user through both handles make one record.
pub async fn first_sign_ins_through_both_handles_make_one_record(handles: &Handles) {
    let stores = stores(handles);
    let sign_in = |number: u32| token([(UserName, "alice"), (ClientId, "app"), (RefreshToken, &number.to_string())]);
    assert_one_record(&save_at_once(&stores, (0..32).map(sign_in).collect()).await);
    for store in &stores {
        assert_eq!(all(store).await.len(), 1);
    }
}

/// What is saved through one handle is found, updated and deleted through the other.
pub async fn a_token_saved_through_one_handle_is_the_others_too(handles: &Handles) {
    let [one, two] = stores(handles);
    let saved = signed_in(&one).await;
    assert_eq!(found_id(&two, &token([(UserName, "alice")])).await, Some(id(&saved)));
    assert_eq!(save_for(&two, &refreshed(&saved, "a2", HOUR)).await.0, Outcome::Updated);
    assert_holds(&one, &id(&saved), [(AccessToken, "a2")]).await;
    assert_eq!(save_for(&one, &refreshed(&saved, "a3", 1)).await.0, Outcome::Superseded);
    assert!(delete(&one, &id(&saved)).await);
    assert!(by_id(&two, &id(&saved)).await.is_none());
}

/// A log-out through one handle is final for the other, also under a brought id.
pub async fn a_log_out_is_final_through_the_other_handle(handles: &Handles) {
    let [one, two] = stores(handles);
    for brought in ["", "1"] {
        let given = token([(UserName, "alice"), (RefreshToken, "r")]).with_id(brought);
        let saved = save(&one, &given).await;
        assert!(delete(&two, &id(&saved)).await);
        assert_eq!(refused(&one, &refreshed(&saved, "late", HOUR)).await, ErrorKind::Gone);
        let saved = save(&one, &given).await;
        assert_eq!(delete_all(&two).await, 1);
        assert_eq!(refused(&one, &refreshed(&saved, "late", HOUR)).await, ErrorKind::Gone);
    }
}

/// Saves through both handles while one of them deletes: afterwards the token is gone.
pub async fn a_delete_beside_saves_through_the_other_handle_is_final(handles: &Handles) {
    let stores = stores(handles);
    let [one, two] = &stores;
    for round in 0..16 {
        let saved = save(one, &token([(UserName, "alice"), (RefreshToken, "r")]).with_id("1")).await;
        let deleting = {
            let two = Arc::clone(two);
            async move {
                turns(round).await;
                delete(&two, "1").await
            }
        };
        let late = |number: u64| refreshed(&saved, &number.to_string(), HOUR * number);
        let (ended, is_deleted) = save_at_once_beside(&stores, (1..=8).map(late).collect(), deleting).await;
        assert!(is_deleted, "the record was there");
        assert!(ended.iter().all(|ended| matches!(ended, Ok(_) | Err(ErrorKind::Gone))), "{ended:?}");
        assert!(all(one).await.is_empty() && all(two).await.is_empty(), "no save undid the log-out");
    }
}
