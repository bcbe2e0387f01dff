//! A process that stops after any of its calls, before or after the call took effect: the next one finds a vault that
//! holds together, with everything that was acknowledged, and goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrets_manager_simulator::settings::Settings;
use tokenvault::error::Result;
use tokenvault::fields::Field::{AccessToken, ClientId, GrantToken, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::cut::Cut;
use crate::simulated::World;

/// Which access token each user, or grant, has.
pub(crate) type Contents = BTreeMap<String, String>;

pub(crate) async fn contents(vault: &Vault) -> Contents {
    listed(&vault.get_tokens(&Context::new()).await.unwrap().value)
}

/// The same of tokens that were listed. No two are of one user.
pub(crate) fn listed(tokens: &[Arc<OAuthToken>]) -> Contents {
    let text = |token: &OAuthToken, field| token.fields().text(field).unwrap_or_default().to_owned();
    let name = |token: &OAuthToken| token.user_name().map_or_else(|| text(token, GrantToken), str::to_owned);
    let contents: Contents = tokens.iter().map(|token| (name(token), text(token, AccessToken))).collect();
    assert_eq!(contents.len(), tokens.len(), "no user has two tokens");
    contents
}

pub(crate) fn sign_in(user: &str, access: &str) -> OAuthToken {
    let token = OAuthToken::new().with(UserName, user).with(ClientId, "app").with(AccessToken, access);
    token.with(RefreshToken, &format!("refresh {access} of {user}"))
}

/// A vault of ada and bob, and of somebody who is known by a grant only.
pub(crate) async fn vault_with_past(world: &World) {
    let (cx, vault) = (Context::new(), world.vault("before"));
    for user in ["ada", "bob"] {
        vault.save_token(&cx, &mut sign_in(user, "first")).await.unwrap();
    }
    let mut nameless = OAuthToken::new().with(ClientId, "app").with(GrantToken, "grant").with(AccessToken, "first");
    vault.save_token(&cx, &mut nameless).await.unwrap();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    SignUp,
    SignInAgain,
    Refresh,
    BecomeKnown,
    LogOut,
    DeleteAll,
}

impl Act {
    pub(crate) async fn run(self, vault: &dyn TokenStore) -> Result<()> {
        let cx = Context::new();
        match self {
            Self::SignUp => vault.save_token(&cx, &mut sign_in("new", "first")).await.map(drop),
            Self::SignInAgain => vault.save_token(&cx, &mut sign_in("ada", "again")).await.map(drop),
            Self::Refresh => {
                let mut token = OAuthToken::new().with(UserName, "ada");
                vault.find_token(&cx, &mut token).await?;
                vault.save_token(&cx, &mut token.with(AccessToken, "refreshed")).await.map(drop)
            }
            Self::BecomeKnown => {
                let mut token = OAuthToken::new().with(GrantToken, "grant");
                vault.find_token(&cx, &mut token).await?;
                vault.save_token(&cx, &mut token.with(UserName, "dan")).await.map(drop)
            }
            Self::LogOut => {
                let mut token = OAuthToken::new().with(UserName, "ada");
                if vault.find_token(&cx, &mut token).await?.value {
                    vault.delete_token(&cx, token.id().unwrap()).await?;
                }
                Ok(())
            }
            Self::DeleteAll => vault.delete_tokens(&cx).await.map(drop),
        }
    }

    pub(crate) fn after(self, before: &Contents) -> Contents {
        let mut after = before.clone();
        match self {
            Self::SignUp => after.extend([("new".to_owned(), "first".to_owned())]),
            Self::SignInAgain => after.extend([("ada".to_owned(), "again".to_owned())]),
            Self::Refresh => after.extend([("ada".to_owned(), "refreshed".to_owned())]),
            Self::BecomeKnown => {
                let access = after.remove("grant").unwrap();
                after.insert("dan".to_owned(), access);
            }
            Self::LogOut => drop(after.remove("ada")),
            Self::DeleteAll => after.clear(),
        }
        after
    }
}

/// Cuts `act` off at each of its calls in turn. Answers how many there were.
async fn cut_everywhere(act: Act, with_effect: bool) -> usize {
    cut_after(vault_with_past, act, with_effect).await
}

/// The same in a vault with this past.
pub(crate) async fn cut_after(past: impl AsyncFn(&World), act: Act, with_effect: bool) -> usize {
    for left in 0.. {
        let cut = Arc::new(Cut::default());
        let world = World::new(Settings::new().seed(1).gate(Arc::clone(&cut) as _)).await;
        past(&world).await;
        let before = contents(&world.vault("reader")).await;
        let after = act.after(&before);
        let victim = world.vault("victim");
        cut.arm(left, with_effect);
        let done = act.run(&victim).await;
        let what = format!("{act:?}, cut off after {left} calls, the next with effect: {with_effect}: {done:?}");

        let next = world.vault("next");
        let found = contents(&next).await;
        let is_half =
            matches!(act, Act::DeleteAll) && found.iter().all(|(user, access)| before.get(user) == Some(access));
        assert!(found == after || (done.is_err() && (found == before || is_half)), "{what}: {found:?}");
        world.assert_consistent(&what).await;
        let again = act.run(&next).await;
        // Whoever became known is found by name from then on, and the grant leads to the same token.
        again.unwrap_or_else(|error| panic!("{what}, again: {error:?}"));
        assert_eq!(contents(&next).await, after, "{what}, again");
        world.assert_consistent(&format!("{what}, again")).await;
        if !cut.was_cut() {
            return left;
        }
    }
    0
}

macro_rules! cut_off {
    ($($name:ident: $act:expr, at least $calls:literal calls;)*) => {$(
        #[tokio::test]
        async fn $name() {
            for with_effect in [false, true] {
                let calls = cut_everywhere($act, with_effect).await;
                assert!(calls >= $calls, "{calls} calls are fewer than the operation makes");
            }
        }
    )*};
}

pub(crate) use cut_off;

cut_off! {
    a_sign_up_that_is_cut_off_is_there_or_not: Act::SignUp, at least 4 calls;
    a_sign_in_that_is_cut_off_is_there_or_not: Act::SignInAgain, at least 4 calls;
    a_refresh_that_is_cut_off_is_there_or_not: Act::Refresh, at least 3 calls;
    a_user_who_becomes_known_is_so_or_not: Act::BecomeKnown, at least 4 calls;
    a_log_out_that_is_cut_off_is_final_or_never_was: Act::LogOut, at least 4 calls;
    deleting_everything_can_be_taken_up_again: Act::DeleteAll, at least 10 calls;
}
