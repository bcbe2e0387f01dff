//! Two commits whose keys lie on two pages of a split index, each of which rests on what the other brings: in every order of
//! their calls that differs, and with the pages in both orders.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::switches::Switches;
use tokenvault::backend::secrets_manager::survey::Trouble;
use tokenvault::backend::{Backend, Change, Claim, Commit};
use tokenvault::clock::Timestamp;
use tokenvault::error::{ErrorKind, Result};
use tokenvault::fields::Field::{AccessToken, ClientId, GrantToken, RefreshToken, UserName};
use tokenvault::fields::Fields;
use tokenvault::identity::{Lineage, RecordName, Version};
use tokenvault::lookup::{LookupKey, LookupKind};
use tokenvault::operation::Context;
use tokenvault::record::{Record, Writer};
use tokenvault::secret::SecretText;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::cut::Cut;
use crate::orders::in_orders;
use crate::schedules::{ACTORS, Act, bound};
use crate::simulated::World;

/// The first digits of the keys' hashes, and so the pages, in the order in which a commit writes them.
const LOW: u8 = 0x2;
const MIDDLE: u8 = 0x7;
const HIGH: u8 = 0xd;

/// A text whose key begins with a digit.
fn text(kind: LookupKind, digit: u8) -> String {
    let is_there = |text: &String| LookupKey::new(kind, text).as_bytes()[0] >> 4 == digit;
    (0..).map(|number| format!("{kind:?} {number}")).find(is_there).unwrap()
}

fn id(digit: u8) -> String {
    text(LookupKind::Id, digit)
}

fn user(digit: u8) -> String {
    text(LookupKind::User, digit)
}

fn refresh(digit: u8) -> String {
    text(LookupKind::RefreshToken, digit)
}

/// A vault whose index has been split once.
async fn split() -> World {
    let world = World::new(Settings::new().seed(1).switches(Switches { trail: false, ..Switches::default() })).await;
    let (cx, vault) = (Context::new(), world.vault("before"));
    while world.simulator.names().iter().all(|name| !name.starts_with("test/vault/index/")) {
        let mut passing = OAuthToken::new().with(UserName, "passing").with(RefreshToken, "passing");
        vault.save_token(&cx, &mut passing).await.unwrap();
        vault.delete_token(&cx, passing.id().unwrap()).await.unwrap();
    }
    world
}

/// A token of a user, with the refresh token that leads to page `digit`.
fn token(user: &str, digit: u8) -> OAuthToken {
    OAuthToken::new().with(UserName, user).with(ClientId, "app").with(RefreshToken, &refresh(digit))
}

/// What holds whoever was first: no two records of one user or with one id, every one found by all its keys, nothing that
/// is not listed, and no entry that stands in anybody's way.
async fn assert_sound(world: &World, what: &str) -> Vec<Arc<Record>> {
    world.assert_consistent(what).await;
    let records = world.backend("after").list(&Context::new()).await.unwrap().value;
    let users: Vec<&str> = records.iter().filter_map(|record| record.fields.text(UserName)).collect();
    let ids: Vec<&Arc<str>> = records.iter().flat_map(|record| &record.ids).collect();
    assert_eq!(users.iter().collect::<BTreeSet<_>>().len(), users.len(), "{what}: two records of a user");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{what}: an id on two records");
    // What is left over is no damage.
    world.simulator.clock().advance(Duration::from_mins(10));
    let survey = world.backend("after").verify(&Context::new()).await.unwrap().value;
    let is_harmless = |trouble: Trouble| trouble == Trouble::Dangling;
    assert!(survey.findings.iter().all(|finding| is_harmless(finding.trouble)), "{what}: {:?}", survey.findings);
    records
}

/// Whoever waits for a name that is announced reads again and again: that makes orders without number.
const SOME: usize = 24;

/// Saves two tokens at once, in so many orders; `is_right` judges how that ended and the records.
async fn save_both(
    before: &World,
    (name, bound, tokens): (&str, usize, [OAuthToken; 2]),
    is_right: impl Fn(&[Result<()>; 2], &[Arc<Record>]) -> bool,
) {
    let both = |world: &World| {
        [0, 1].map(|actor| {
            let (vault, mut token) = (world.vault(ACTORS[actor]), tokens[actor].clone());
            Box::pin(async move { vault.save_token(&Context::new(), &mut token).await.map(drop) }) as Act
        })
    };
    let judge = async |world: &World, ended: [Result<()>; 2], what: &str| {
        let records = assert_sound(world, what).await;
        assert!(is_right(&ended, &records), "{what}: {ended:?}, {records:?}");
        for (token, ended) in tokens.iter().zip(&ended) {
            // Who was acknowledged is so again, as the same token: what the other has left stands in nobody's way.
            let again = world.vault("again").save_token(&Context::new(), &mut token.clone()).await;
            assert!(again.is_ok() || ended.is_err(), "{what}: {ended:?}, and again {again:?}");
        }
        let again = world.backend("after").list(&Context::new()).await.unwrap().value;
        assert_eq!(again.len(), records.len(), "{what}: saved again, it is the same token");
    };
    in_orders(before, (name, bound), both, judge).await;
}

/// One of the two is acknowledged at the least, and who is not is told why.
fn one_is_told(ended: &[Result<()>; 2]) -> bool {
    let is_told = |ended: &Result<()>| ended.as_ref().is_err_and(|error| error.kind() == ErrorKind::InvalidInput);
    ended.iter().filter(|ended| ended.is_ok()).count() >= 1 && ended.iter().all(|ended| ended.is_ok() || is_told(ended))
}

fn is_exactly_one_ok(ended: &[Result<()>; 2]) -> bool {
    one_is_told(ended) && ended.iter().any(Result::is_err)
}

/// Two ids for one user: below the user's page, beside each other; above it; and one on either side.
async fn two_ids_of_one_user(ids: [&str; 2], of: u8) {
    let user = user(of);
    let tokens = ids.map(|id| token(&user, of).with_id(id));
    let name = format!("two ids of one user, {ids:?} and {user}");
    save_both(&split().await, (&name, bound(SOME), tokens), |ended, records| {
        is_exactly_one_ok(ended) && records.len() == 1
    })
    .await;
}

fn two_of(digit: u8) -> [String; 2] {
    let first = id(digit);
    let is_next = |text: &String| *text != first && LookupKey::new(LookupKind::Id, text).as_bytes()[0] >> 4 == digit;
    [first.clone(), (0..).map(|number| format!("Id {number}")).find(is_next).unwrap()]
}

#[tokio::test]
async fn two_ids_of_one_user_whose_page_comes_after_make_one_token() {
    let [one, other] = two_of(LOW);
    two_ids_of_one_user([&one, &other], HIGH).await;
}

#[tokio::test]
async fn two_ids_of_one_user_whose_page_comes_before_make_one_token() {
    let [one, other] = two_of(HIGH);
    two_ids_of_one_user([&one, &other], LOW).await;
}

#[tokio::test]
async fn two_ids_on_either_side_of_their_user_make_one_token() {
    two_ids_of_one_user([&id(LOW), &id(HIGH)], MIDDLE).await;
}

/// One id for two users: whoever comes second is told that it is another's.
async fn one_id_of_two_users(of: u8, users: [u8; 2]) {
    let id = id(of);
    let tokens = users.map(|digit| token(&user(digit), digit).with_id(&id));
    let name = format!("{id} of two users, on pages {users:?}");
    save_both(&split().await, (&name, bound(usize::MAX), tokens), |ended, records| {
        is_exactly_one_ok(ended) && records.len() == 1
    })
    .await;
}

#[tokio::test]
async fn one_id_of_two_users_whose_pages_come_after_is_of_one() {
    one_id_of_two_users(LOW, [MIDDLE, HIGH]).await;
}

#[tokio::test]
async fn one_id_of_two_users_whose_pages_come_before_is_of_one() {
    one_id_of_two_users(HIGH, [LOW, MIDDLE]).await;
}

#[tokio::test]
async fn one_id_of_two_users_on_either_side_is_of_one() {
    one_id_of_two_users(MIDDLE, [LOW, HIGH]).await;
}

/// A sign-in without an id beside one with an id: the first is the second's token, or the second is told.
async fn with_and_without_an_id(of: u8, user_on: u8) {
    let user = user(user_on);
    let tokens = [token(&user, user_on).with_id(&id(of)), token(&user, user_on)];
    let name = format!("with and without an id on page {of}, of {user}");
    save_both(&split().await, (&name, bound(SOME), tokens), |ended, records| {
        ended[1].is_ok() && one_is_told(ended) && records.len() == 1
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_beside_one_with_an_id_on_a_page_before_makes_one_token() {
    with_and_without_an_id(LOW, HIGH).await;
}

#[tokio::test]
async fn a_sign_in_beside_one_with_an_id_on_a_page_after_makes_one_token() {
    with_and_without_an_id(HIGH, LOW).await;
}

/// A token that is known by its grant becomes a user's, while the user signs in under an id.
async fn one_becomes_known(of: u8, user_on: u8) {
    let (world, user) = (split().await, user(user_on));
    let mut nameless = OAuthToken::new().with(ClientId, "app").with(GrantToken, "grant").with(AccessToken, "first");
    world.vault("before").save_token(&Context::new(), &mut nameless).await.unwrap();
    let tokens = [nameless.with(UserName, &user), token(&user, user_on).with_id(&id(of))];
    let name = format!("one becomes {user}, the other comes with an id on page {of}");
    save_both(&world, (&name, bound(SOME), tokens), |ended, records| {
        is_exactly_one_ok(ended) && records.len() == if ended[0].is_ok() { 1 } else { 2 }
    })
    .await;
}

#[tokio::test]
async fn who_becomes_known_beside_an_id_on_a_page_before_is_one_user() {
    one_becomes_known(LOW, HIGH).await;
}

#[tokio::test]
async fn who_becomes_known_beside_an_id_on_a_page_after_is_one_user() {
    one_becomes_known(HIGH, LOW).await;
}

/// A sign-in that was broken off after it had announced its name, and before it made the token: nobody else is kept from
/// bringing the user's token under an id.
#[tokio::test]
async fn who_brings_an_id_does_not_wait_for_a_sign_in_that_was_broken_off() {
    let cut = Arc::new(Cut::default());
    let world = World::new(Settings::new().seed(1).gate(Arc::clone(&cut) as _)).await;
    cut.arm(4, false);
    assert!(world.vault("victim").save_token(&Context::new(), &mut token("ada", LOW)).await.is_err());
    assert!(cut.was_cut() && world.simulator.names() == ["test/vault/index"], "an entry, and nothing else");
    let began = world.simulator.clock().now();
    world.vault("other").save_token(&Context::new(), &mut token("ada", LOW).with_id("brought")).await.unwrap();
    assert!(world.simulator.clock().now().since(began) < Duration::from_mins(1));
    assert_eq!(assert_sound(&world, "after a sign-in was broken off").await.len(), 1);
}

/// A record as a backend takes it.
fn record(user: &str) -> Record {
    let mut fields = Fields::new();
    fields.set(UserName, Some(SecretText::new(user)));
    Record {
        name: RecordName::random().unwrap(),
        version: Version::first().unwrap(),
        fields: Arc::new(fields),
        ids: Vec::new(),
        adopted: Vec::new(),
        lineage: Lineage::first().unwrap(),
        longest_life: None,
        first_refresh: None,
        created_at: Timestamp::from_micros(1),
        saved_at: Timestamp::from_micros(1),
        writer: Writer::Save,
        lease: None,
    }
}

/// What a commit makes of nothing, or of a record of somebody else.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Makes {
    New,
    Changed,
}

/// The commit that brings a user, and rests on another not being there.
fn bring(old: Option<&Record>, user: &str, absent: &str) -> Commit {
    let new = match old {
        Some(old) => Record { fields: record(user).fields, version: old.version.next().unwrap(), ..old.clone() },
        None => record(user),
    };
    let expected = old.map(|old| old.version);
    let claims = vec![Claim { key: LookupKey::new(LookupKind::User, absent), names: Vec::new() }];
    Commit { changes: vec![Change { name: new.name, expected, value: Some(Arc::new(new)) }], claims }
}

/// Each of two commits brings a user, and rests on the other's not being there: whatever a vault's rules may come to claim,
/// they cannot both be acknowledged.
async fn each_rests_on_the_other(makes: [Makes; 2], pages: [u8; 2]) {
    let (world, users) = (split().await, pages.map(user));
    let old: Vec<Option<Record>> = makes
        .iter()
        .zip(["old 0", "old 1"])
        .map(|(makes, user)| (*makes == Makes::Changed).then(|| record(user)))
        .collect();
    for old in old.iter().flatten() {
        let change = Change { name: old.name, expected: None, value: Some(Arc::new(old.clone())) };
        let commit = Commit { changes: vec![change], claims: Vec::new() };
        world.backend("before").commit(&Context::new(), commit).await.unwrap();
    }
    let commits = [0, 1].map(|actor| bring(old[actor].as_ref(), &users[actor], &users[1 - actor]));
    let both = |world: &World| {
        [0, 1].map(|actor| {
            let (backend, commit) = (world.backend(ACTORS[actor]), commits[actor].clone());
            Box::pin(async move { backend.commit(&Context::new(), commit).await.map(drop) }) as Act
        })
    };
    let judge = async |world: &World, ended: [Result<()>; 2], what: &str| {
        let records = assert_sound(world, what).await;
        let is_there = |user: &String| records.iter().any(|record| record.fields.text(UserName) == Some(user.as_str()));
        for (user, ended) in users.iter().zip(&ended) {
            assert_eq!(is_there(user), ended.is_ok(), "{what}: {user}, {ended:?}");
            let is_told = |error: &tokenvault::error::Error| error.kind() == ErrorKind::Conflict;
            assert!(ended.as_ref().map_or_else(is_told, |()| true), "{what}: {ended:?}");
        }
        assert!(ended.iter().any(Result::is_err), "{what}: both rest on the other's not being there");
        // Whoever lost stands in nobody's way.
        for user in &users {
            let mut token = OAuthToken::new().with(UserName, user).with(RefreshToken, "again");
            world.vault("again").save_token(&Context::new(), &mut token).await.unwrap();
        }
        let is_new = users.iter().filter(|user| !is_there(user)).count();
        let again = world.backend("after").list(&Context::new()).await.unwrap().value;
        assert_eq!(again.len(), records.len() + is_new, "{what}: each user has one token");
    };
    let name = format!("{makes:?} that rest on each other, on pages {pages:?}");
    in_orders(&world, (&name, bound(usize::MAX)), both, judge).await;
}

macro_rules! rest_on_each_other {
    ($($name:ident: $makes:expr, $pages:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            each_rests_on_the_other($makes, $pages).await;
        }
    )*};
}

rest_on_each_other! {
    two_new_records_that_rest_on_each_other: [Makes::New, Makes::New], [LOW, HIGH];
    a_new_record_before_a_changed_one_that_rest_on_each_other: [Makes::New, Makes::Changed], [LOW, HIGH];
    a_new_record_after_a_changed_one_that_rest_on_each_other: [Makes::New, Makes::Changed], [HIGH, LOW];
    two_changed_records_that_rest_on_each_other: [Makes::Changed, Makes::Changed], [LOW, HIGH];
}

/// Whoever meets it would ask for a token that nobody is about to make.
#[tokio::test]
async fn who_is_refused_takes_back_what_it_has_listed_on_another_page() {
    let (world, cx) = (split().await, Context::new());
    let backend = world.backend("one");
    backend.commit(&cx, bring(None, &user(HIGH), &user(MIDDLE))).await.unwrap();
    let findings = async || {
        world.simulator.clock().advance(Duration::from_mins(10));
        world.backend("after").verify(&cx).await.unwrap().value.findings
    };
    let before = findings().await;
    let refused = backend.commit(&cx, bring(None, &user(LOW), &user(HIGH))).await.unwrap_err();
    assert_eq!((refused.kind(), findings().await), (ErrorKind::Conflict, before));
}
