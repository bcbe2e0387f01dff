//! How long a record's access tokens live, as its refreshes tell.

use std::sync::Arc;
use std::time::Duration;

use tokenvault::clock::Clock;
use tokenvault::fields::Field::{AccessToken, ClientId, ExpiresIn, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::fleet::WallClock;
use crate::memory;

#[tokio::test(start_paused = true)]
async fn it_is_the_longest_of_the_refreshes_since_the_sign_in() {
    let (backend, clock, cx) = (memory(), Arc::new(WallClock::new()), Context::new());
    let vault = Vault::with_clock(Arc::clone(&backend), Arc::clone(&clock) as Arc<dyn Clock>);
    let living = |token: OAuthToken, access: &str, seconds: u64| {
        let end = clock.now().after(Duration::from_secs(seconds)).as_millis().to_string();
        token.with(AccessToken, access).with(ExpiresIn, &end)
    };
    let known = async || {
        let records = backend.list(&cx).await.unwrap().value;
        assert_eq!(records.len(), 1, "{records:?}");
        records[0].longest_life.map(|life| life.as_secs())
    };
    let sign_in = |refresh: &str| {
        let token = OAuthToken::new().with(UserName, "ada").with(ClientId, "app").with(RefreshToken, refresh);
        living(token, &format!("of {refresh}"), 300)
    };
    let mut token = sign_in("one");
    vault.save_token(&cx, &mut token).await.unwrap();
    assert_eq!(known().await, None, "it may have been issued long ago");
    for (access, lives, longest) in [("1", 900, 900), ("2", 1500, 1500), ("3", 600, 1500)] {
        token = living(token, access, lives);
        vault.save_token(&cx, &mut token).await.unwrap();
        assert_eq!(known().await, Some(longest), "{access}");
    }
    // A save of something else, and one that is no refresh of what was handed out.
    vault.save_token(&cx, &mut token.clone().with(tokenvault::fields::Field::ApiDomain, "eu")).await.unwrap();
    let mut again = living(OAuthToken::new().with(UserName, "ada").with(ClientId, "app"), "4", 3000);
    vault.save_token(&cx, &mut again).await.unwrap();
    assert_eq!(known().await, Some(1500));
    vault.save_token(&cx, &mut sign_in("two")).await.unwrap();
    assert_eq!(known().await, None, "of another sign-in nothing is known");
}
