//! Tasks that save, refresh and delete the same tokens and different ones at once, and what each may expect in the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::Context;
use tokenvault::store::{Outcome, TokenStore};
use tokenvault::token::OAuthToken;

use crate::contested::{self, CONTESTED, Deed};

/// How many processes there may be: each has a field of its own in the tokens that all of them share.
pub(crate) const PROCESSES: usize = 4;
const OWN_FIELD: [Field; PROCESSES] = [Field::ClientSecret, Field::RedirectUrl, Field::ApiDomain, Field::AccessToken];

/// Tasks of each process; the n-th of every process write the n-th shared token.
pub(crate) const TASKS: usize = 16;

/// Tokens that all of them try to delete.
pub(crate) const DOOMED: usize = 12;

/// What a task was told.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Story {
    /// By user: which field it has written last, and what.
    stored: BTreeMap<String, (String, String)>,
    deleted: usize,
    contested: Vec<Deed>,
}

/// What came of a first sign-in: whether it made the token, and the token's id.
pub(crate) type SignedIn = (bool, String);

/// One task at work.
struct Worker {
    store: Arc<dyn TokenStore>,
    random: Rng,
    process: usize,
    task: usize,
    story: Story,
    /// Its own tokens, as it holds them.
    held: Vec<OAuthToken>,
}

/// Makes what is there before the tasks begin: what they all try to delete.
pub(crate) async fn prepare(store: &dyn TokenStore) {
    for number in 0..DOOMED {
        let mut token = sign_in(&doomed(number)).with(Field::AccessToken, "a").with_id(&doomed(number));
        store.save_token(&Context::new(), &mut token).await.unwrap();
    }
}

/// One of many first sign-ins of the same user.
pub(crate) async fn sign_in_first(store: Arc<dyn TokenStore>, text: String) -> SignedIn {
    let mut token = sign_in("ada").with(Field::RefreshToken, &text).with(Field::AccessToken, &text);
    let saved = store.save_token(&Context::new(), &mut token).await.unwrap().value;
    (saved.outcome == Outcome::Inserted, token.id().unwrap().to_owned())
}

/// Checks that first sign-ins of one user made one token, which one of them made.
pub(crate) async fn assert_one_token(store: &dyn TokenStore, told: &[SignedIn]) {
    assert_eq!(told.iter().filter(|(inserted, _)| *inserted).count(), 1, "one of them makes the token: {told:?}");
    let tokens = store.get_tokens(&Context::new()).await.unwrap().value;
    let ids: Vec<&str> = tokens.iter().filter_map(|token| token.id()).collect();
    assert!(ids.len() == 1 && told.iter().all(|(_, id)| id == ids[0]), "{ids:?}, {told:?}");
    let text = |field| tokens[0].fields().text(field).map(str::to_owned);
    assert_eq!(text(Field::RefreshToken), text(Field::AccessToken), "half of one sign-in and half of another");
}

/// What the `task`-th task of a process does in so many steps.
pub(crate) async fn work(
    store: Arc<dyn TokenStore>,
    (process, task): (usize, usize),
    seed: u64,
    steps: usize,
) -> Story {
    let random = Rng::with_seed(seed.wrapping_add((process * TASKS + task) as u64));
    let mut worker = Worker { store, random, process, task, story: Story::default(), held: Vec::new() };
    for step in 0..steps {
        worker.step(&format!("{process} {task} {step}")).await;
    }
    worker.story
}

fn doomed(number: usize) -> String {
    format!("doomed {number}")
}

fn sign_in(user: &str) -> OAuthToken {
    let refresh = format!("refresh of {user}");
    OAuthToken::new().with(Field::UserName, user).with(Field::ClientId, "app").with(Field::RefreshToken, &refresh)
}

impl Worker {
    async fn step(&mut self, text: &str) {
        let cx = Context::new();
        match self.random.u32(..100) {
            0..20 => {
                let (user, field) = (format!("shared {}", self.task), OWN_FIELD[self.process]);
                self.store.save_token(&cx, &mut sign_in(&user).with(field, text)).await.unwrap();
                self.story.stored.insert(user, (field.name().to_owned(), text.to_owned()));
            }
            20..40 => {
                let mut token = sign_in(&format!("own {text}")).with(Field::AccessToken, text);
                self.store.save_token(&cx, &mut token).await.unwrap();
                self.note(&token);
                self.held.push(token);
            }
            40..50 => self.refresh(text).await,
            50..58 => self.log_out().await,
            58..68 => {
                let id = doomed(self.random.usize(..DOOMED));
                let is_done = self.store.delete_token(&cx, &id).await.unwrap().value;
                self.story.deleted += usize::from(is_done);
            }
            _ => self.contest(text).await,
        }
    }

    /// Reads a token that all of them share, and refreshes it or logs it out; who finds none signs in.
    async fn contest(&mut self, text: &str) {
        let user = contested::user(self.random.usize(..CONTESTED));
        let mut found = OAuthToken::new().with(Field::UserName, &user).with(Field::ClientId, "app");
        let is_found = self.store.find_token(&Context::new(), &mut found).await.unwrap().value;
        let deed = match self.random.u32(..100) {
            0..20 if is_found => contested::delete(&self.store, found.id().unwrap()).await,
            20..90 if is_found => contested::save(&self.store, found, text).await,
            _ => contested::save(&self.store, sign_in(&user), text).await,
        };
        self.story.contested.extend(deed);
    }

    fn note(&mut self, token: &OAuthToken) {
        let access = token.fields().text(Field::AccessToken).unwrap().to_owned();
        self.story.stored.insert(token.user_name().unwrap().to_owned(), (Field::AccessToken.name().to_owned(), access));
    }

    async fn refresh(&mut self, text: &str) {
        let Some(mut token) = self.held.pop() else { return };
        token = token.with(Field::AccessToken, text);
        self.store.save_token(&Context::new(), &mut token).await.unwrap();
        self.note(&token);
        self.held.push(token);
    }

    /// Deletes one of its own: what is still held of it does not come back.
    async fn log_out(&mut self) {
        let Some(mut token) = self.held.pop() else { return };
        let cx = Context::new();
        assert!(self.store.delete_token(&cx, token.id().unwrap()).await.unwrap().value, "{token:?} is gone already");
        self.story.stored.remove(token.user_name().unwrap());
        let late = self.store.save_token(&cx, &mut token).await;
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Gone, "what was logged out stays so");
    }
}

/// Holds what is stored against what everybody was told: nothing is lost, doubled or back.
pub(crate) async fn assert_all_told(store: &dyn TokenStore, stories: &[Story]) {
    let tokens = store.get_tokens(&Context::new()).await.unwrap().value;
    let by_user: BTreeMap<&str, &OAuthToken> =
        tokens.iter().map(|token| (token.user_name().unwrap(), &**token)).collect();
    assert_eq!(by_user.len(), tokens.len(), "two tokens of one user");
    for (user, (field, text)) in stories.iter().flat_map(|story| &story.stored) {
        let token = by_user.get(user.as_str()).unwrap_or_else(|| panic!("{user} is lost"));
        let is = token.fields().text(Field::from_name(field).unwrap());
        assert_eq!(is, Some(text.as_str()), "{user}: an update of {field} is lost");
    }
    let mut users: Vec<&String> = stories.iter().flat_map(|story| story.stored.keys()).collect();
    users.sort_unstable();
    users.dedup();
    let doomed = by_user.keys().filter(|user| user.starts_with("doomed")).count();
    let deleted: usize = stories.iter().map(|story| story.deleted).sum();
    assert_eq!(doomed + deleted, DOOMED, "a token was deleted twice, or came back");
    let deeds: Vec<&Deed> = stories.iter().flat_map(|story| &story.contested).collect();
    let contested = contested::assert_one_order(&deeds, &tokens);
    assert_eq!(by_user.len(), users.len() + doomed + contested, "there is more than was saved");
    println!("{} tokens, {deleted} deleted by whoever was first, {} deeds contested", by_user.len(), deeds.len());
}
