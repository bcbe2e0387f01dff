//! Importing again, over what others have written, and only saying what would be done.

use std::sync::Mutex;

use tokenvault::fields::Field;
use tokenvault::import::ImportOptions;
use tokenvault::import::summary::Effect;
use tokenvault::record::Writer;

use crate::{KEEP, assert_stopped, by_id, field, import, save, seed, stored, token, vault, versions};

const OVERWRITE: ImportOptions<'static> = ImportOptions { overwrite: true, ..KEEP };
const ROWS: [&str; 2] = ["1,alice,A,s,r1,a1,,1700000000000,,", "4,,,,,a4,,,,"];

/// Alice's refresh, as an SDK does it: the token that the store handed out, with another access token.
async fn refresh(vault: &tokenvault::vault::Vault, access: &str, rotated: Option<&str>) {
    let mut token = by_id(vault, "1").await.unwrap().as_ref().clone().with(Field::AccessToken, access);
    token = token.with(Field::ExpiresIn, "1800000000000");
    if let Some(refresh) = rotated {
        token = token.with(Field::RefreshToken, refresh);
    }
    save(vault, token).await;
}

#[tokio::test]
async fn a_repeated_import_writes_nothing() {
    let vault = vault();
    assert_eq!(import(&vault, &ROWS, &KEEP).await.new, [2, 3]);
    let before = versions(&vault).await;
    for options in [KEEP, OVERWRITE] {
        let again = import(&vault, &ROWS, &options).await;
        assert_eq!((again.unchanged, again.new, again.updated), (vec![2, 3], vec![], vec![]));
    }
    assert_eq!(versions(&vault).await, before);
}

#[tokio::test]
async fn a_repeated_import_puts_nothing_old_back() {
    let vault = vault();
    seed(&vault, &ROWS, &KEEP).await;
    refresh(&vault, "a2", Some("r2")).await;
    let before = versions(&vault).await;
    let again = import(&vault, &ROWS, &KEEP).await;
    assert_eq!((again.effect, again.kept, again.unchanged), (Effect::Imported, vec![2], vec![3]));
    assert_eq!(versions(&vault).await, before);
    assert_eq!(field(&vault, "1", Field::AccessToken).await.as_deref(), Some("a2"));
}

#[tokio::test]
async fn an_overwriting_import_takes_all_of_the_row() {
    let vault = vault();
    seed(&vault, &ROWS, &KEEP).await;
    // The provider has rotated the refresh token: the row's own is the one that the sign-in began with.
    refresh(&vault, "a2", Some("r2")).await;
    let held = by_id(&vault, "1").await.unwrap();
    assert_eq!(import(&vault, &ROWS, &OVERWRITE).await.updated, [2]);
    for (name, text) in [(Field::RefreshToken, "r1"), (Field::AccessToken, "a1"), (Field::ExpiresIn, "1700000000000")] {
        assert_eq!(field(&vault, "1", name).await.as_deref(), Some(text), "{name:?}");
    }
    assert_eq!(stored(&vault).await.iter().filter(|record| record.writer == Writer::Import).count(), 2);
    // What was handed out before is of an older sign-in now.
    save(&vault, held.as_ref().clone().with(Field::AccessToken, "late").with(Field::ExpiresIn, "1900000000000")).await;
    assert_eq!(field(&vault, "1", Field::AccessToken).await.as_deref(), Some("a1"));
}

#[tokio::test]
async fn an_overwriting_import_is_found_by_its_refresh_token() {
    let vault = vault();
    seed(&vault, &["1,,A,s,r1,,,,,"], &KEEP).await;
    seed(&vault, &["1,,A,s,r2,,,,,"], &OVERWRITE).await;
    let found = save(&vault, token(&[(Field::ClientId, "A"), (Field::RefreshToken, "r2")])).await;
    assert_eq!(found.id(), Some("1"));
}

#[tokio::test]
async fn a_newer_sign_in_is_not_overtaken_by_the_first_refresh_token() {
    let vault = vault();
    seed(&vault, &ROWS, &KEEP).await;
    refresh(&vault, "a2", Some("r2")).await;
    // Written by an import again, but still with the rotated refresh token.
    seed(&vault, &["1,alice,A,s,,a3,,1800000000000,,"], &OVERWRITE).await;
    assert_eq!(field(&vault, "1", Field::RefreshToken).await.as_deref(), Some("r2"), "nothing is cleared by absence");
    let before = versions(&vault).await;
    assert_eq!(import(&vault, &ROWS, &KEEP).await.kept, [2]);
    assert_eq!(versions(&vault).await, before);
}

#[tokio::test]
async fn the_id_of_a_kept_row_leads_to_the_token_and_changes_nothing_else() {
    let vault = vault();
    let alice =
        save(&vault, token(&[(Field::UserName, "alice"), (Field::ClientId, "A"), (Field::AccessToken, "live")])).await;
    let summary = import(&vault, &["7,alice,A,s,r-old,a-old,,,,", "8,alice,A,s,r-old,a-old,,,,"], &KEEP).await;
    assert_eq!((summary.kept, summary.merged), (vec![2, 3], vec![]));
    for id in ["7", "8", alice.id().unwrap()] {
        assert_eq!(field(&vault, id, Field::AccessToken).await.as_deref(), Some("live"), "{id}");
    }
    let record = &stored(&vault).await[0];
    assert_eq!((record.writer, record.fields.get(Field::RefreshToken)), (Writer::Save, None));
    assert_eq!(record.saved_at, record.created_at, "it does not count as saved");
    let before = versions(&vault).await;
    assert_eq!(import(&vault, &["7,alice,A,s,r-old,a-old,,,,"], &KEEP).await.kept, [2]);
    assert_eq!(versions(&vault).await, before);
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_writes_nothing() {
    let vault = vault();
    seed(&vault, &["1,alice,A,s,r1,,,,,"], &KEEP).await;
    let before = versions(&vault).await;
    let rows = ["1,alice,A,s,r1,a2,,,,", ",", "3,carl,A,s,r3,,,,,", "3,dora,A,s,r4,,,,,"];
    let dry = import(&vault, &rows, &ImportOptions { dry_run: true, skip_refused: true, ..KEEP }).await;
    assert_eq!((dry.effect, versions(&vault).await), (Effect::DryRun, before.clone()));
    assert_stopped(&import(&vault, &rows, &ImportOptions { dry_run: true, ..KEEP }).await);
    let mut real = import(&vault, &rows, &ImportOptions { skip_refused: true, ..KEEP }).await;
    assert_eq!((real.effect, real.check().is_ok()), (Effect::Imported, true));
    assert_eq!((&real.updated, &real.skipped, &real.new, real.refused.len()), (&vec![2], &vec![3], &vec![4], 1));
    assert_ne!(versions(&vault).await, before);
    real.effect = Effect::DryRun;
    assert_eq!(real, dry);
}

#[tokio::test]
async fn progress_is_told_row_by_row() {
    let seen = Mutex::new(Vec::new());
    let progress = |done, all| seen.lock().unwrap().push((done, all));
    seed(&vault(), &ROWS, &ImportOptions { progress: Some(&progress), ..KEEP }).await;
    assert_eq!(*seen.lock().unwrap(), [(1, 2), (2, 2)]);
}
