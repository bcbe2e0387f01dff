//! Two processes at once, in every order of their calls that differs.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::switches::Switches;
use tokenvault::backend::Backend;
use tokenvault::backend::secrets_manager::SecretsManagerBackend;
use tokenvault::error::{Error, ErrorKind, Result};
use tokenvault::fields::Field::{AccessToken, ClientId, ExpiresIn, GrantToken, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::undelete::undelete;
use tokenvault::vault::Vault;

use crate::orders::in_orders;
use crate::schedules::{ACTORS, Act, bound};
use crate::simulated::World;

type Contents = BTreeMap<String, String>;

async fn contents(vault: &Vault) -> Contents {
    let tokens = vault.get_tokens(&Context::new()).await.unwrap().value;
    let text = |token: &OAuthToken, field| token.fields().text(field).unwrap_or("-").to_owned();
    let contents: Contents = tokens.iter().map(|token| (text(token, UserName), text(token, AccessToken))).collect();
    assert_eq!(contents.len(), tokens.len(), "no user has two tokens: {contents:?}");
    contents
}

fn sign_in(user: &str, access: &str) -> OAuthToken {
    let token = OAuthToken::new().with(UserName, user).with(ClientId, "app").with(AccessToken, access);
    token.with(RefreshToken, &format!("refresh {access} of {user}"))
}

/// What one of the two does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    SignIn(&'static str, &'static str),
    /// Writes back a refresh of ada's token as it was read before both began.
    Refresh(&'static str),
    LogOut,
    /// Gives a token that was known by its grant a user, ada.
    BecomesAda,
    DeleteAll,
    /// Builds the index anew.
    Repair,
    /// Moves the vault to another KMS key.
    RotateKey,
    /// Brings back the token that was deleted before both began.
    Undelete,
}

/// A page that was written this often is split before it is written again.
const SPLIT_WRITES: u64 = 64;

/// What the names of the pages begin with that come of a split.
const PAGES: &str = "test/vault/index/";

/// The key that [`Does::RotateKey`] moves to.
const NEW_KEY: &str = "new-key";

async fn does(backend: Arc<SecretsManagerBackend>, vault: Vault, what: Does, held: Option<OAuthToken>) -> Result<()> {
    let cx = Context::new();
    match what {
        Does::SignIn(user, access) => vault.save_token(&cx, &mut sign_in(user, access)).await.map(drop),
        Does::Refresh(access) => {
            let refreshed = held.unwrap().with(AccessToken, access).with(ExpiresIn, "1795311652321");
            vault.save_token(&cx, &mut refreshed.clone()).await.map(drop)
        }
        Does::BecomesAda => {
            let mut known = held.unwrap().with(UserName, "ada");
            vault.save_token(&cx, &mut known).await.map(drop)
        }
        Does::LogOut => vault.delete_token(&cx, held.unwrap().id().unwrap()).await.map(drop),
        Does::DeleteAll => vault.delete_tokens(&cx).await.map(drop),
        Does::Repair => backend.repair(&cx, &|_| ()).await.map(drop),
        Does::RotateKey => backend.rotate_key(&cx, NEW_KEY, &|_, _| ()).await.map(drop),
        Does::Undelete => undelete(&vault, &*backend, &cx, held.unwrap().id().unwrap()).await.map(drop),
    }
}

/// What is there when both begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Past {
    Nothing,
    Ada,
    /// A token that is known by its grant only.
    Nameless,
    /// Ada, and an index that is due to be split.
    FullPage,
    /// Ada, who was deleted.
    AdaDeleted,
}

async fn begin(world: &World, past: Past) -> Option<OAuthToken> {
    let (cx, vault) = (Context::new(), world.vault("before"));
    let mut token = match past {
        Past::Nothing => return None,
        Past::Ada | Past::FullPage | Past::AdaDeleted => sign_in("ada", "first"),
        Past::Nameless => OAuthToken::new().with(ClientId, "app").with(GrantToken, "grant").with(AccessToken, "first"),
    };
    vault.save_token(&cx, &mut token).await.unwrap();
    if past == Past::AdaDeleted {
        vault.delete_token(&cx, token.id().unwrap()).await.unwrap();
    }
    if past == Past::FullPage {
        fill_page(world, &vault).await;
    }
    Some(token)
}

/// Lets a few users sign in again and again, each time by another refresh token and so under another key: how often the page
/// was written makes it due. One user for each write would be looked at in every order that is played.
async fn fill_page(world: &World, vault: &Vault) {
    let cx = Context::new();
    let mut others: [OAuthToken; 4] = std::array::from_fn(|_| OAuthToken::new());
    for (number, at) in (0..others.len()).cycle().enumerate().take_while(|_| world.index_writes() < SPLIT_WRITES) {
        others[at] = sign_in(&format!("other {at}"), &number.to_string());
        vault.save_token(&cx, &mut others[at]).await.unwrap();
    }
    for other in &others {
        assert!(vault.delete_token(&cx, other.id().unwrap()).await.unwrap().value);
    }
    assert!(
        world.index_writes() == SPLIT_WRITES && world.secrets(PAGES).await.is_empty(),
        "it is due, and not split yet"
    );
}

/// A page that was being split by a process that slept through the move is the limit: the page itself may be under the old
/// key, until the next `rotate-key` finds it. Nothing that is made later is.
async fn assert_moved(world: &World, past: Past, what: &str) {
    let mut later = sign_in("later", "1");
    world.vault("after").save_token(&Context::new(), &mut later).await.unwrap();
    let made = world.simulator.secret(&format!("test/vault/token/{}", later.id().unwrap())).unwrap();
    assert_eq!(made.key.as_deref(), Some(NEW_KEY), "{what}: a token that is made after the move");
    let is_old = |page: &String| world.simulator.secret(page).unwrap().key.as_deref() != Some(NEW_KEY);
    if past == Past::FullPage && world.secrets(PAGES).await.iter().any(is_old) {
        world.backend("after").rotate_key(&Context::new(), NEW_KEY, &|_, _| ()).await.unwrap();
    }
    world.assert_under(NEW_KEY, what);
}

/// Plays two acts in all orders; `is_right` judges how each ended and what the vault holds then.
pub(crate) async fn in_all_orders(past: Past, acts: [Does; 2], is_right: impl Fn(&[Result<()>; 2], &Contents) -> bool) {
    in_so_many(past, acts, bound(usize::MAX), is_right).await;
}

/// The same in some orders only, since there are too many.
pub(crate) async fn in_many_orders(
    past: Past,
    acts: [Does; 2],
    is_right: impl Fn(&[Result<()>; 2], &Contents) -> bool,
) {
    in_so_many(past, acts, bound(24), is_right).await;
}

async fn in_so_many(past: Past, acts: [Does; 2], bound: usize, is_right: impl Fn(&[Result<()>; 2], &Contents) -> bool) {
    let switches = Switches { trail: false, ..Switches::default() };
    let before = World::new(Settings::new().seed(1).switches(switches)).await;
    before.simulator.keys(|keys| keys.create(NEW_KEY));
    let held = begin(&before, past).await;
    let both = |world: &World| {
        [0, 1].map(|actor| {
            let backend = Arc::new(world.backend(ACTORS[actor]));
            let vault = world.vault_over(Arc::clone(&backend) as _);
            Box::pin(does(backend, vault, acts[actor], held.clone())) as Act
        })
    };
    let judge = async |world: &World, ended: [Result<()>; 2], what: &str| {
        let found = contents(&world.vault("after")).await;
        assert!(is_right(&ended, &found), "{what}: {ended:?}, {found:?}");
        let listed = world.backend("after").list(&Context::new()).await.unwrap().value.len();
        assert_eq!(listed, world.live().await.len(), "{what}");
        assert!(past != Past::FullPage || !world.secrets(PAGES).await.is_empty(), "no page was split: {what}");
        if acts.iter().any(|act| matches!(act, Does::RotateKey)) && ended.iter().all(Result::is_ok) {
            assert_moved(world, past, what).await;
        }
    };
    in_orders(&before, (&format!("{acts:?} after {past:?}"), bound), both, judge).await;
}

pub(crate) fn both_fine(ended: &[Result<()>; 2]) -> bool {
    ended.iter().all(Result::is_ok)
}

pub(crate) fn holds(found: &Contents, allowed: &[&[(&str, &str)]]) -> bool {
    let own = |pairs: &&[(&str, &str)]| {
        pairs.iter().map(|(user, access)| ((*user).to_owned(), (*access).to_owned())).collect::<Contents>()
    };
    allowed.iter().map(own).any(|contents| contents == *found)
}

#[tokio::test]
async fn two_first_sign_ins_of_one_user_make_one_token() {
    in_all_orders(Past::Nothing, [Does::SignIn("ada", "1"), Does::SignIn("ada", "2")], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "1")], &[("ada", "2")]])
    })
    .await;
}

#[tokio::test]
async fn sign_ins_of_two_users_are_both_there() {
    in_all_orders(Past::Nothing, [Does::SignIn("ada", "1"), Does::SignIn("bob", "2")], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "1"), ("bob", "2")]])
    })
    .await;
}

#[tokio::test]
async fn a_log_out_beside_a_refresh_is_final() {
    in_all_orders(Past::Ada, [Does::LogOut, Does::Refresh("late")], |ended, found| {
        let refused = |ended: &Result<()>| ended.as_ref().is_err_and(|error| error.kind() == ErrorKind::Gone);
        ended[0].is_ok() && (ended[1].is_ok() || refused(&ended[1])) && found.is_empty()
    })
    .await;
}

#[tokio::test]
async fn who_comes_back_beside_a_log_out_is_there_or_logged_out() {
    in_all_orders(Past::Ada, [Does::LogOut, Does::SignIn("ada", "again")], |ended, found| {
        both_fine(ended) && holds(found, &[&[], &[("ada", "again")]])
    })
    .await;
}

#[tokio::test]
async fn a_user_who_becomes_known_beside_a_sign_in_is_one_user() {
    in_many_orders(Past::Nameless, [Does::BecomesAda, Does::SignIn("ada", "new")], |ended, found| {
        // Whoever comes second is told, or is the same token; there are never two of one user and client.
        let told = |error: &Error| error.kind() == ErrorKind::InvalidInput;
        ended[1].is_ok() && ended[0].as_ref().map_or_else(told, |()| true) && found.contains_key("ada")
    })
    .await;
}

#[tokio::test]
async fn two_refreshes_of_one_token_lose_neither_wholly() {
    in_all_orders(Past::Ada, [Does::Refresh("one"), Does::Refresh("two")], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "one")], &[("ada", "two")]])
    })
    .await;
}

#[tokio::test]
async fn deleting_everything_beside_a_sign_up_leaves_that_or_nothing() {
    in_all_orders(Past::Ada, [Does::DeleteAll, Does::SignIn("new", "1")], |ended, found| {
        both_fine(ended) && holds(found, &[&[], &[("new", "1")]])
    })
    .await;
}

#[tokio::test]
async fn two_writers_split_a_page_once() {
    in_many_orders(Past::FullPage, [Does::SignIn("bob", "1"), Does::SignIn("cleo", "2")], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "first"), ("bob", "1"), ("cleo", "2")]])
    })
    .await;
}

/// Also in the same microsecond: the clock stands still while they write.
#[tokio::test]
async fn of_two_who_delete_a_token_one_is_told_that_it_did() {
    let before = World::new(Settings::new().seed(1)).await;
    let held = begin(&before, Past::Ada).await.unwrap();
    let both = |world: &World| {
        ACTORS.map(|actor| {
            let (vault, id) = (world.vault(actor), held.id().unwrap().to_owned());
            Box::pin(async move {
                let has_deleted = vault.delete_token(&Context::new(), &id).await?.value;
                if has_deleted { Ok(()) } else { Err(Error::new(ErrorKind::Gone, "somebody else did")) }
            }) as Act
        })
    };
    let judge = async |_: &World, ended: [Result<()>; 2], what: &str| {
        assert_eq!(ended.iter().filter(|ended| ended.is_ok()).count(), 1, "{what}: {ended:?}");
    };
    in_orders(&before, ("two deletes", usize::MAX), both, judge).await;
}
