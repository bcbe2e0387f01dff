//! What a row means: ids kept, ids dropped.

use tokenvault::fields::Field;
use tokenvault::import::summary::{Effect, Merge};
use tokenvault::import::{Ids, ImportOptions};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;

use crate::{KEEP, assert_stopped, by_id, field, import, refused, save, seed, stored, token, vault, versions};

const NEW: ImportOptions<'static> = ImportOptions { ids: Ids::New, ..KEEP };
const SKIP: ImportOptions<'static> = ImportOptions { skip_refused: true, ..KEEP };

#[tokio::test]
async fn a_second_file_with_the_same_ids_of_others_is_refused() {
    let vault = vault();
    seed(&vault, &["1,alice,A,s,r1,,,,,", "2,bob,B,s,r2,,,,,", "3,carl,A,s,r3,,,,,"], &KEEP).await;
    let before = versions(&vault).await;
    // Another user, another client, and one that fits nobody yet.
    let second = ["1,dora,A,s,r4,,,,,", "2,bob,C,s,r5,,,,,", "9,erik,A,s,r6,,,,,"];
    let summary = import(&vault, &second, &KEEP).await;
    assert_stopped(&summary);
    let reason = "the row's id belongs to another user or client";
    assert_eq!(refused(&summary), [(2, reason), (3, reason)]);
    assert_eq!(versions(&vault).await, before);
    let summary = import(&vault, &second, &SKIP).await;
    assert_eq!((summary.effect, summary.new, summary.refused.len()), (Effect::Imported, vec![4], 2));
    assert_eq!(field(&vault, "1", Field::UserName).await.as_deref(), Some("alice"));
    assert_eq!(field(&vault, "2", Field::RefreshToken).await.as_deref(), Some("r2"));
}

#[tokio::test]
async fn a_known_id_is_that_record() {
    let vault = vault();
    seed(&vault, &["1,alice,A,s,r1,a1,,,,dom"], &KEEP).await;
    let summary = import(&vault, &["1,,,,r1,a2,,,,"], &KEEP).await;
    assert_eq!(summary.updated, [2]);
    assert_eq!(field(&vault, "1", Field::AccessToken).await.as_deref(), Some("a2"));
    assert_eq!(field(&vault, "1", Field::ApiDomain).await.as_deref(), Some("dom"), "nothing is cleared by absence");
    assert_eq!(stored(&vault).await.len(), 1);
}

#[tokio::test]
async fn a_known_user_and_client_under_an_unknown_id_is_merged() {
    let vault = vault();
    seed(&vault, &["1,alice,A,s,r1,a1,,,,", "2,alice,B,s,r2,,,,,", "3,alice,,,r3,,,,,"], &KEEP).await;
    let summary = import(&vault, &["7,alice,A,s,r1,a9,,,,", "8,alice,C,s,r8,,,,,"], &KEEP).await;
    assert_eq!((summary.merged, summary.new), (vec![Merge { line: 2, earlier: None }], vec![3]));
    for id in ["1", "7"] {
        assert_eq!(field(&vault, id, Field::AccessToken).await.as_deref(), Some("a9"), "{id}");
    }
    assert_eq!(field(&vault, "2", Field::RefreshToken).await.as_deref(), Some("r2"), "another client is another token");
    assert_eq!(stored(&vault).await.len(), 4);
}

#[tokio::test]
async fn the_later_of_two_rows_is_the_record_and_both_ids_lead_to_it() {
    let vault = vault();
    let rows = ["1,alice,A,s,r1,a1,,,,", "5,bob,A,s,r5,,,,,", "2,alice,A,s,r2,a2,,,,", "1,alice,A,s,r3,a3,,,,"];
    let summary = import(&vault, &rows, &KEEP).await;
    let merged = vec![Merge { line: 4, earlier: Some(2) }, Merge { line: 5, earlier: Some(4) }];
    assert_eq!((summary.new, summary.merged), (vec![2, 3], merged));
    for id in ["1", "2"] {
        assert_eq!(field(&vault, id, Field::AccessToken).await.as_deref(), Some("a3"), "{id}");
        assert_eq!(field(&vault, id, Field::RefreshToken).await.as_deref(), Some("r3"), "{id}");
    }
    assert_eq!(stored(&vault).await.len(), 2);
    let before = versions(&vault).await;
    let again = import(&vault, &rows, &KEEP).await;
    assert_eq!((again.unchanged, again.merged, versions(&vault).await), (vec![2, 3, 4, 5], vec![], before));
}

#[tokio::test]
async fn an_id_cannot_take_over_the_user_and_client_of_another() {
    let vault = vault();
    seed(&vault, &["1,alice,A,s,r1,,,,,", "5,,A,s,r5,,,,,", "6,alice,,,r6,,,,,"], &KEEP).await;
    let before = versions(&vault).await;
    // The first brings the user, the second the client: only the stored record says that the user is alice.
    let summary = import(&vault, &["5,alice,A,s,r5,a,,,,", "6,,A,s,r6,a,,,,"], &KEEP).await;
    assert_stopped(&summary);
    let reason = "another token is of this user and client already";
    assert_eq!(refused(&summary), [(2, reason), (3, reason)]);
    assert_eq!(versions(&vault).await, before);
}

#[tokio::test]
async fn an_id_of_the_vaults_making_is_that_record_or_a_brought_one() {
    let vault = vault();
    let alice =
        save(&vault, token(&[(Field::UserName, "alice"), (Field::ClientId, "A"), (Field::RefreshToken, "r1")])).await;
    let id = alice.id().unwrap().to_owned();
    let options = ImportOptions { overwrite: true, ..KEEP };
    let summary = import(&vault, &[&format!("{id},alice,A,s,r1,a2,,,,")], &options).await;
    assert_eq!((summary.updated, summary.merged), (vec![2], vec![]));
    assert_stopped(&import(&vault, &[&format!("{id},bob,A,s,r1,a2,,,,")], &options).await);

    let other = crate::vault();
    let summary = import(&other, &[&format!("{id},alice,A,s,r1,a2,,,,")], &KEEP).await;
    assert_eq!(summary.new, [2]);
    assert_eq!(by_id(&other, &id).await.unwrap().id(), Some(&*id));
    assert_ne!(stored(&other).await[0].name.to_string(), id);
    assert_eq!(import(&other, &[&format!("{id},alice,A,s,r1,a2,,,,")], &KEEP).await.unchanged, [2]);
}

#[tokio::test]
async fn without_ids_rows_mean_what_a_save_means() {
    let vault = vault();
    seed(&vault, &["1,alice,A,s,r1,,,,,", "2,,B,s,r2,,,,,", "3,,,,,a3,,,,"], &NEW).await;
    assert!(by_id(&vault, "1").await.is_none(), "ids are dropped");
    let rows =
        ["1,bob,A,s,r9,,,,,", "1,alice,,,r1,a1,,,,", "2,,B,s,r2,a2,,,,", "3,,,,,a3,,5000000000000,,", "4,,C,s,r2,,,,,"];
    let summary = import(&vault, &rows, &NEW).await;
    assert_eq!((summary.new, summary.updated), (vec![2, 6], vec![3, 4, 5]));
    assert_eq!(stored(&vault).await.len(), 5);
    assert!(stored(&vault).await.iter().all(|record| record.ids.is_empty()));
    let unusable = format!("{},erik,A,s,r10,,,,,", "x".repeat(300));
    assert_eq!(import(&vault, &[&unusable], &NEW).await.new, [2], "a dropped id need not be usable");
}

#[tokio::test]
async fn without_ids_rows_of_one_file_meet_too() {
    let vault = vault();
    let summary = import(&vault, &["1,,A,s,r1,a1,,,,", "2,,A,s,r1,a2,,,,"], &NEW).await;
    assert_eq!((summary.new, summary.merged), (vec![2], vec![Merge { line: 3, earlier: Some(2) }]));
    assert_eq!(stored(&vault).await[0].fields.text(Field::AccessToken), Some("a2"));
}

/// The record is read by its name for the one row, and found by its user for the other.
#[tokio::test]
async fn rows_that_lead_to_one_record_in_two_ways_build_on_each_other() {
    let vault = vault();
    seed(&vault, &["1,bob,A,s,r1,a1,,,,"], &NEW).await;
    let by_name = format!("{},bob,A,s,r2,a2,,,,", stored(&vault).await[0].name);
    let summary = import(&vault, &[&by_name, "5,bob,A,s2,,,,,,"], &KEEP).await;
    assert_eq!((summary.updated, summary.merged), (vec![2], vec![Merge { line: 3, earlier: Some(2) }]));
    assert_eq!(field(&vault, "5", Field::RefreshToken).await.as_deref(), Some("r2"));
    assert_eq!(field(&vault, "5", Field::ClientSecret).await.as_deref(), Some("s2"));
    assert_eq!(stored(&vault).await.len(), 1);
}

#[tokio::test]
async fn an_ambiguous_row_is_refused() {
    let vault = vault();
    seed(&vault, &["1,alice,A,s,r1,,,,,", "2,alice,B,s,r2,,,,,"], &KEEP).await;
    let summary = import(&vault, &["1,alice,,,r9,,,,,"], &NEW).await;
    assert_eq!(refused(&summary), [(2, "the user has tokens with several clients, and no client is given")]);
}

#[tokio::test]
async fn refusals_are_listed_in_the_order_of_the_file() {
    let summary = import(&vault(), &["1,u,A,s,,,,,,", "broken", "3,v,A,s,,,,,,"], &KEEP).await;
    assert_eq!(refused(&summary).into_iter().map(|(line, _)| line).collect::<Vec<_>>(), [2, 3, 4]);
}

#[tokio::test]
async fn rows_that_no_save_would_take_are_refused() {
    let vault = vault();
    let long = format!("{},u,A,s,r,,,,,", "x".repeat(257));
    let rows =
        ["1,u,A,s,,,,,,", "2,u,B,s,r,,,soon,,", &long, "\u{7},u,C,s,r,,,,,", "5,u,D,s,r,,,+1,,", "6,u,E,s,r,,,17,,"];
    let summary = import(&vault, &rows, &SKIP).await;
    let lines: Vec<usize> = refused(&summary).into_iter().map(|(line, _)| line).collect();
    assert_eq!((lines, summary.new, summary.looks_like_seconds), (vec![2, 3, 4, 5, 6], vec![7], vec![7]));
    assert_eq!(vault.get_tokens(&Context::new()).await.unwrap().value.len(), 1);
}

#[tokio::test]
async fn a_known_id_without_a_user_needs_a_token_in_common() {
    let vault = vault();
    seed(&vault, &["1,alice,A,s,r-alice,x-alice,,,,"], &KEEP).await;
    let before = versions(&vault).await;
    for row in ["1,,A,s,r-bob,x-bob,,,,", "1,,,,,x-carol,,,,", "1,alice,,,r-other,,,,,"] {
        for options in [KEEP, ImportOptions { overwrite: true, ..KEEP }] {
            assert_stopped(&import(&vault, &[row], &options).await);
            assert_eq!(versions(&vault).await, before, "{row}");
        }
    }
    let summary = import(&vault, &["1,,A,s,r-alice,x-new,,,,"], &KEEP).await;
    assert_eq!(summary.updated, [2]);
    assert_eq!(field(&vault, "1", Field::UserName).await.as_deref(), Some("alice"));
}

#[tokio::test]
async fn an_unknown_id_over_a_token_in_common_is_that_token() {
    let vault = vault();
    let owned = token(&[(Field::ClientId, "A"), (Field::RefreshToken, "r"), (Field::AccessToken, "new")]);
    save(&vault, owned).await;
    let summary = import(&vault, &["1,,A,s,r,old,,,,"], &KEEP).await;
    assert_eq!((summary.kept, stored(&vault).await.len()), (vec![2], 1));
    assert_eq!(field(&vault, "1", Field::AccessToken).await.as_deref(), Some("new"));
}
