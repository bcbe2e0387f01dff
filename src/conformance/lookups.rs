//! Lookup keys and claims: how a backend finds records, and how two writers of one key are told apart.

use std::sync::Arc;

use super::backend::{
    Shared, assert_one_wins, claim, commit, conflicts, insert, next, record, remove, replace, resolve, user_key,
    versions,
};
use crate::backend::Claim;
use crate::identity::RecordName;
use crate::lookup::{LookupKey, LookupKind};
use crate::record::Record;
use crate::secret::SecretText;

/// Every key of a record leads to it.
pub async fn a_record_is_found_by_every_key(backend: &Shared) {
    let mut full = Record::clone(&record("u", "a"));
    full.ids = ["1", "2", "3"].map(Arc::from).to_vec();
    full.first_refresh = Some(SecretText::new("r"));
    let full = Arc::new(full);
    let other = record("v", "b");
    assert_eq!(commit(backend, vec![insert(&full), insert(&other)], Vec::new()).await, Ok(()));
    let keys = full.lookup_keys();
    assert_eq!(keys.len(), 6, "three ids, user, access token, first refresh token");
    for key in &keys {
        let found = resolve(backend, &[*key]).await;
        assert!(found.by_key.iter().flatten().any(|name| *name == full.name));
        assert!(found.records.iter().any(|record| record.version == full.version));
    }
}

/// The answer has one list of names for each key, in the order asked, each sorted; every record named, once.
pub async fn names_are_by_key_in_order_and_sorted(backend: &Shared) {
    let of_user: Vec<_> = (0..20_u32).map(|number| record("u", &number.to_string())).collect();
    let single = record("v", "3");
    let mut changes: Vec<_> = of_user.iter().map(insert).collect();
    changes.push(insert(&single));
    assert_eq!(commit(backend, changes, Vec::new()).await, Ok(()));
    let access = LookupKey::new(LookupKind::AccessToken, "3");
    let found = resolve(backend, &[user_key("v"), user_key("nobody"), user_key("u"), access, user_key("v")]).await;
    let sorted = |names: &mut Vec<RecordName>| names.sort_unstable();
    let mut users: Vec<_> = of_user.iter().map(|record| record.name).collect();
    sorted(&mut users);
    let mut threes = vec![single.name];
    threes.extend(of_user.iter().filter(|record| record.lookup_keys().contains(&access)).map(|record| record.name));
    sorted(&mut threes);
    assert_eq!(threes.len(), 2);
    let v = vec![single.name];
    assert_eq!(found.by_key, [v.clone(), Vec::new(), users.clone(), threes, v]);
    let mut named: Vec<_> = found.records.iter().map(|record| record.name).collect();
    sorted(&mut named);
    users.push(single.name);
    sorted(&mut users);
    assert_eq!(named, users);
}

/// No key asked for, nothing answered.
pub async fn no_key_leads_to_nothing(backend: &Shared) {
    assert_eq!(commit(backend, vec![insert(&record("u", "a"))], Vec::new()).await, Ok(()));
    let found = resolve(backend, &[]).await;
    assert!(found.by_key.is_empty() && found.records.is_empty());
}

/// When a record's keys change, the new ones lead to it at once.
pub async fn changed_keys_lead_to_the_record(backend: &Shared) {
    let old = record("u", "a");
    assert_eq!(commit(backend, vec![insert(&old)], Vec::new()).await, Ok(()));
    let mut new = Record::clone(&next(&old, "b"));
    new.ids = vec![Arc::from("7")];
    let new = Arc::new(new);
    assert_eq!(commit(backend, vec![replace(&old, &new)], Vec::new()).await, Ok(()));
    for key in new.lookup_keys() {
        let found = resolve(backend, &[key]).await;
        assert_eq!(found.records.iter().map(|record| record.version).collect::<Vec<_>>(), [new.version]);
    }
}

/// A claim that holds lets the commit through.
pub async fn a_claim_that_holds_lets_the_commit_through(backend: &Shared) {
    let (one, two) = (record("u", "a"), record("u", "b"));
    let nothing = claim(backend, user_key("u")).await;
    assert!(nothing.names.is_empty());
    assert_eq!(commit(backend, vec![insert(&one)], vec![nothing]).await, Ok(()));
    let now = claim(backend, user_key("u")).await;
    assert_eq!(now.names, [one.name]);
    assert_eq!(commit(backend, vec![insert(&two)], vec![now, claim(backend, user_key("v")).await]).await, Ok(()));
    assert_eq!(versions(backend).await.len(), 2);
}

/// A claim that no longer holds is a conflict: a record more, a record less, or another one.
pub async fn a_claim_that_no_longer_holds_is_a_conflict(backend: &Shared) {
    let (one, two) = (record("u", "a"), record("u", "b"));
    let nothing = claim(backend, user_key("u")).await;
    assert_eq!(commit(backend, vec![insert(&one)], Vec::new()).await, Ok(()));
    conflicts(backend, vec![insert(&two)], vec![nothing.clone()]).await;
    let only_one = claim(backend, user_key("u")).await;
    assert_eq!(commit(backend, vec![insert(&two)], Vec::new()).await, Ok(()));
    conflicts(backend, vec![remove(&two)], vec![only_one.clone()]).await;
    assert_eq!(commit(backend, vec![remove(&one)], Vec::new()).await, Ok(()));
    conflicts(backend, vec![replace(&two, &next(&two, "c"))], vec![only_one]).await;
    conflicts(backend, vec![insert(&record("v", "c"))], vec![nothing]).await;
}

/// Of several claims, each must hold.
pub async fn every_claim_must_hold(backend: &Shared) {
    let one = record("u", "a");
    assert_eq!(commit(backend, vec![insert(&one)], Vec::new()).await, Ok(()));
    let good = claim(backend, user_key("u")).await;
    let bad = Claim { key: user_key("v"), names: vec![one.name] };
    let new = record("w", "b");
    conflicts(backend, vec![insert(&new)], vec![good.clone(), bad.clone()]).await;
    conflicts(backend, vec![insert(&new)], vec![bad, good]).await;
}

/// A claim says nothing of a record's state: an update of it does not break it.
pub async fn a_claim_outlives_an_update_that_keeps_the_key(backend: &Shared) {
    let old = record("u", "a");
    assert_eq!(commit(backend, vec![insert(&old)], Vec::new()).await, Ok(()));
    let before = claim(backend, user_key("u")).await;
    assert_eq!(commit(backend, vec![replace(&old, &next(&old, "b"))], Vec::new()).await, Ok(()));
    assert_eq!(commit(backend, vec![insert(&record("v", "c"))], vec![before]).await, Ok(()));
}

/// Of 32 first records at once that claim one key, one is made.
pub async fn of_many_commits_on_one_claim_one_wins(backend: &Shared) {
    let nothing = claim(backend, user_key("u")).await;
    let first = |number: u32| (vec![insert(&record("u", &number.to_string()))], vec![nothing.clone()]);
    assert_one_wins(std::slice::from_ref(backend), (0..32).map(first).collect()).await;
    assert_eq!(versions(backend).await.len(), 1);
}
