//! An import that is cut off at any of its calls goes on where it stopped.

use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::settings::Settings;
use tokenvault::error::Result;
use tokenvault::fields::Field::{AccessToken, ClientId, RefreshToken, UserName};
use tokenvault::import::row::{Row, Rows};
use tokenvault::import::summary::Summary;
use tokenvault::import::{ImportOptions, import};
use tokenvault::operation::Context;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::crash::{Contents, contents, vault_with_past};
use crate::cut::Cut;
use crate::simulated::World;

/// Somebody who is stored already, and three who are not.
const USERS: [&str; 4] = ["ada", "eve", "flo", "gus"];

async fn run(vault: &Vault) -> Result<Summary> {
    let row = |(line, user): (usize, &&str)| {
        let token = OAuthToken::new().with(UserName, user).with(ClientId, "app").with(AccessToken, "imported");
        let fields = Arc::new(token.with(RefreshToken, &format!("refresh first of {user}")).fields().clone());
        Row { line, id: Arc::from(line.to_string()), fields }
    };
    let rows = Rows { rows: (1..).zip(&USERS).map(row).collect(), ..Rows::default() };
    import(vault, &Context::new(), &rows, &ImportOptions::default()).await
}

fn is_part_of(part: &Contents, whole: &Contents) -> bool {
    part.iter().all(|(user, access)| whole.get(user) == Some(access))
}

/// Cuts it off after so many calls; answers whether it made as many.
async fn cut_off(left: usize, with_effect: bool) -> bool {
    let cut = Arc::new(Cut::default());
    let world = World::new(Settings::new().seed(1).gate(Arc::clone(&cut) as _)).await;
    vault_with_past(&world).await;
    let before = contents(&world.vault("before")).await;
    let mut after = before.clone();
    // Ada has been saved since by somebody who is no import.
    after.extend(USERS[1..].iter().map(|user| ((*user).to_owned(), "imported".to_owned())));
    let victim = world.vault("victim");
    cut.arm(left, with_effect);
    let done = run(&victim).await;
    let what = format!("cut off after {left} calls, the next with effect: {with_effect}: {done:?}");

    let next = world.vault("next");
    let found = contents(&next).await;
    assert!(is_part_of(&before, &found) && is_part_of(&found, &after), "{what}: {found:?}");
    assert!(done.is_err() || found == after, "{what}: it said that it was done: {found:?}");
    world.assert_consistent(&what).await;
    let again = run(&next).await.unwrap();
    assert_eq!(again.new.len(), after.len() - found.len(), "{what}: only what was missing is new: {again:?}");
    assert_eq!(contents(&next).await, after, "{what}, again");
    world.assert_consistent(&format!("{what}, again")).await;
    assert_no_name_is_free(&world, &what).await;
    cut.was_cut()
}

/// Whoever was only stopped, and not killed, may go on: no name that is listed may be left without a secret.
async fn assert_no_name_is_free(world: &World, what: &str) {
    // Until an entry is too old to be on its way.
    world.simulator.clock().advance(Duration::from_mins(10));
    let survey = world.backend("next").verify(&Context::new()).await.unwrap().value;
    for finding in survey.findings {
        assert!(world.simulator.secret(&finding.secret).is_some(), "{what}: {finding:?} can still be made");
    }
}

#[tokio::test]
async fn an_import_that_is_cut_off_goes_on_where_it_stopped() {
    for with_effect in [false, true] {
        let mut calls = 0;
        while cut_off(calls, with_effect).await {
            calls += 1;
        }
        assert!(calls >= 10, "{calls} calls are fewer than it makes");
    }
}
