//! What could not be saved.

use std::sync::Arc;
use std::time::Duration;

use tokenvault::backend::Backend;
use tokenvault::error::{Error, ErrorKind, Result, Retry};
use tokenvault::fields::Field;
use tokenvault::layer::unsaved::Unsaved;
use tokenvault::operation::{Context, Source};
use tokenvault::secret::SecretText;
use tokenvault::store::{Outcome, Saved, TokenStore};
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::going::{Going, now};
use crate::scene::{AWAY, LONGEST, SECOND, Scene};
use crate::scripted::Fate;

/// Longer than a failure is remembered for.
const WHILE: Duration = Duration::from_secs(11);

struct Process {
    scene: Scene,
    layer: Unsaved,
    /// The store itself, as another process has it.
    plain: Vault,
}

impl Process {
    fn new() -> Self {
        let scene = Scene::new();
        let clock = || Arc::clone(&scene.time) as _;
        let vault = Arc::new(Vault::with_clock(Arc::clone(&scene.fallback) as _, clock()));
        let layer = Unsaved::new(vault, Arc::clone(&scene.fallback));
        let plain = Vault::with_clock(Arc::clone(&scene.store.inner), clock());
        Self { scene, layer, plain }
    }

    /// With a token of Alice's in the store and the copy.
    fn with_alice() -> (Self, OAuthToken) {
        let process = Self::new();
        let mut alice = alice("first", 60);
        process.save(&mut alice).unwrap();
        now(process.layer.get_tokens(&Context::new())).unwrap();
        (process, alice)
    }

    fn save(&self, token: &mut OAuthToken) -> Result<Saved> {
        now(self.layer.save_token(&Context::new(), token)).map(|answer| answer.value)
    }

    /// A save that must fail for now.
    fn save_in_vain(&self, token: &OAuthToken) -> Error {
        let mut given = token.clone();
        let error = self.save(&mut given).unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later));
        assert!(given.fields() == token.fields() && given.id() == token.id(), "as it was given");
        error
    }

    fn by_id(&self, id: &str) -> Result<(Option<OAuthToken>, Source)> {
        let answer = now(self.layer.find_token_by_id(&Context::new(), id))?;
        Ok((answer.value.map(|token| OAuthToken::clone(&token)), answer.source))
    }

    fn find(&self, given: &OAuthToken) -> Result<(Option<OAuthToken>, Source)> {
        let mut given = given.clone();
        let answer = now(self.layer.find_token(&Context::new(), &mut given))?;
        Ok((answer.value.then_some(given), answer.source))
    }

    /// The access tokens in the store, sorted.
    fn stored(&self) -> Vec<String> {
        let all = now(self.plain.get_tokens(&Context::new())).unwrap().value;
        let mut all: Vec<_> = all.iter().map(|token| access(token)).collect();
        all.sort();
        all
    }

    fn saved_elsewhere(&self, token: &OAuthToken) -> OAuthToken {
        let mut token = token.clone();
        now(self.plain.save_token(&Context::new(), &mut token)).unwrap();
        token
    }
}

fn access(token: &OAuthToken) -> String {
    token.fields().text(Field::AccessToken).unwrap_or_default().to_owned()
}

fn of(user: &str, access: &str, minutes: u64) -> OAuthToken {
    let token = OAuthToken::new().with(Field::UserName, user).with(Field::ClientId, "app");
    let token = token.with(Field::RefreshToken, &format!("refresh of {user}")).with(Field::AccessToken, access);
    token.with(Field::ExpiresIn, &(1_800_000_000_000 + minutes * 60_000).to_string())
}

fn alice(access: &str, minutes: u64) -> OAuthToken {
    of("alice", access, minutes)
}

/// The same token after a refresh.
fn refreshed(token: &OAuthToken, access: &str, minutes: u64) -> OAuthToken {
    let mut token = token.clone();
    token.set(Field::AccessToken, Some(SecretText::new(access)));
    token.set(Field::ExpiresIn, Some(SecretText::new(&(1_800_000_000_000 + minutes * 60_000).to_string())));
    token
}

#[test]
fn what_could_not_be_saved_is_used_and_saved_later() {
    let (process, first) = Process::with_alice();
    let id = first.id().unwrap();
    process.scene.is_away();
    let error = process.save_in_vain(&refreshed(&first, "second", 120));
    assert!(error.hint().unwrap().contains("kept in this process"), "{error:?}");
    assert_eq!(process.layer.unsaved(), 1);
    for given in [OAuthToken::new().with(Field::UserName, "alice"), OAuthToken::new().with_id(id)] {
        let (found, source) = process.find(&given).unwrap();
        assert_eq!((access(&found.unwrap()), source), ("second".to_owned(), Source::Fallback));
    }
    let (found, source) = process.by_id(id).unwrap();
    assert_eq!((access(&found.unwrap()), source), ("second".to_owned(), Source::Fallback));
    assert_eq!(process.stored(), ["first"]);
    // Any operation saves it, once the failure is not young any more.
    process.scene.is_back();
    process.scene.time.advance(WHILE);
    let (found, source) = process.by_id(id).unwrap();
    assert_eq!((access(&found.unwrap()), source), ("second".to_owned(), Source::Store));
    assert_eq!((process.stored(), process.layer.unsaved()), (vec!["second".to_owned()], 0));
}

#[test]
fn every_operation_tries_again() {
    type Call = fn(&Process, &OAuthToken);
    let calls: [Call; 6] = [
        |process, alice| drop(process.by_id(alice.id().unwrap())),
        |process, alice| drop(process.find(&alice.detached())),
        |process, _| drop(now(process.layer.get_tokens(&Context::new()))),
        |process, _| drop(process.save(&mut of("bob", "bob's", 60))),
        |process, _| drop(now(process.layer.delete_token(&Context::new(), "nobody's"))),
        |process, _| drop(now(process.layer.delete_tokens(&Context::new()))),
    ];
    for (index, call) in calls.into_iter().enumerate() {
        let (process, first) = Process::with_alice();
        process.scene.is_away();
        process.save_in_vain(&refreshed(&first, "second", 120));
        process.scene.time.advance(WHILE);
        process.scene.store.calls();
        call(&process, &first);
        assert!(!process.scene.store.calls().is_empty(), "call {index}: it was tried");
        assert_eq!(process.layer.unsaved(), if index == 3 { 2 } else { 1 }, "call {index}");
        // Not again at once: each try may take as long as the store lets one wait.
        call(&process, &first);
        let tried = process.scene.store.calls();
        assert!(!tried.contains(&"commit"), "call {index}: {tried:?}");
        process.scene.is_back();
        process.scene.time.advance(WHILE);
        call(&process, &first);
        assert_eq!(process.layer.unsaved(), 0, "call {index}");
        let expected: &[&str] = match index {
            3 => &["bob's", "second"],
            5 => &[],
            _ => &["second"],
        };
        assert_eq!(process.stored(), expected, "call {index}");
    }
}

#[test]
fn a_sign_in_that_could_not_be_saved_is_used_by_this_process() {
    let process = Process::new();
    process.saved_elsewhere(&of("carol", "carol's", 60));
    now(process.layer.get_tokens(&Context::new())).unwrap();
    process.scene.is_away();
    process.save_in_vain(&of("bob", "bob's", 60));
    process.save_in_vain(&of("dora", "dora's", 60).with_id("17"));
    let (found, source) = process.find(&OAuthToken::new().with(Field::UserName, "bob")).unwrap();
    let mut bob = found.unwrap();
    assert_eq!((access(&bob), source, bob.id()), ("bob's".to_owned(), Source::Fallback, None));
    let (dora, _) = process.by_id("17").unwrap();
    assert_eq!(dora.as_ref().unwrap().id(), Some("17"));
    let all = now(process.layer.get_tokens(&Context::new())).unwrap();
    assert_eq!((all.value.len(), all.source), (3, Source::Fallback));
    let ids: Vec<Option<&str>> = all.value.iter().map(|token| token.id()).collect();
    assert_eq!(ids.iter().filter(|id| id.is_none()).count(), 1, "bob has none yet");
    // It is refreshed and saved meanwhile, again in vain; and it becomes one record.
    bob.set(Field::AccessToken, Some(SecretText::new("bob's next")));
    process.save_in_vain(&refreshed(&bob, "bob's next", 120));
    assert_eq!(
        access(&process.find(&OAuthToken::new().with(Field::UserName, "bob")).unwrap().0.unwrap()),
        "bob's next"
    );
    process.scene.is_back();
    process.scene.time.advance(WHILE);
    let (bob, source) = process.find(&OAuthToken::new().with(Field::UserName, "bob")).unwrap();
    assert_eq!(source, Source::Store);
    assert!(bob.unwrap().id().unwrap().starts_with("tv"));
    assert_eq!(process.stored(), ["bob's next", "carol's", "dora's"]);
    assert!(process.by_id("17").unwrap().0.is_some());
}

#[test]
fn several_saves_are_made_in_their_order() {
    let (process, first) = Process::with_alice();
    process.scene.is_away();
    process.save_in_vain(&refreshed(&first, "second", 120));
    let (second, _) = process.by_id(first.id().unwrap()).unwrap();
    process.save_in_vain(&refreshed(&second.unwrap(), "third", 180));
    let (third, _) = process.by_id(first.id().unwrap()).unwrap();
    // The same once more is kept once.
    let fourth = refreshed(&third.unwrap(), "fourth", 240);
    process.save_in_vain(&fourth);
    process.save_in_vain(&fourth);
    assert_eq!(process.layer.unsaved(), 3);
    process.scene.is_back();
    process.scene.time.advance(WHILE);
    // Cut off once more between two of them.
    process.scene.store.next([Fate::Done, Fate::Done, Fate::Done, AWAY]);
    assert_eq!(access(&process.by_id(first.id().unwrap()).unwrap().0.unwrap()), "fourth");
    process.scene.time.advance(WHILE);
    process.scene.store.next([]);
    assert_eq!(access(&process.by_id(first.id().unwrap()).unwrap().0.unwrap()), "fourth");
    assert_eq!((process.stored(), process.layer.unsaved()), (vec!["fourth".to_owned()], 0));
}

#[test]
fn a_kept_token_goes_by_the_vaults_rule_when_it_is_saved() {
    // (what happened meanwhile, what stands then)
    type Meanwhile = fn(&Process, &OAuthToken);
    let cases: [(Meanwhile, &[&str]); 4] = [
        (|process, first| drop(process.saved_elsewhere(&refreshed(first, "later end", 300))), &["later end"]),
        (|process, first| drop(process.saved_elsewhere(&refreshed(first, "earlier end", 90))), &["kept"]),
        (
            |process, _| {
                let again = alice("signed in again", 61).with(Field::RefreshToken, "another refresh token");
                drop(process.saved_elsewhere(&again));
            },
            &["signed in again"],
        ),
        (|process, first| drop(now(process.plain.delete_token(&Context::new(), first.id().unwrap()))), &[]),
    ];
    for (index, (meanwhile, stands)) in cases.into_iter().enumerate() {
        let (process, first) = Process::with_alice();
        process.scene.is_away();
        process.save_in_vain(&refreshed(&first, "kept", 120));
        meanwhile(&process, &first);
        process.scene.is_back();
        process.scene.time.advance(WHILE);
        let (found, source) = process.by_id(first.id().unwrap()).unwrap();
        assert_eq!(
            (found.map(|token| access(&token)), source),
            (stands.first().map(|s| (*s).to_owned()), Source::Store)
        );
        assert_eq!(
            (process.stored(), process.layer.unsaved()),
            (stands.iter().map(|s| (*s).to_owned()).collect(), 0),
            "case {index}"
        );
    }
}

#[test]
fn nothing_is_saved_after_a_log_out() {
    for all in [false, true] {
        let process = Process::new();
        process.scene.is_away();
        let given = of("bob", "bob's", 60).with_id("17");
        process.save_in_vain(&given);
        let delete = || match all {
            true => now(process.layer.delete_tokens(&Context::new())).map(drop),
            false => now(process.layer.delete_token(&Context::new(), "17")).map(drop),
        };
        assert_eq!(delete().unwrap_err().kind(), ErrorKind::Unavailable);
        process.scene.is_back();
        // Also where the store would do it: what is kept goes first.
        assert_eq!(delete().unwrap_err().kind(), ErrorKind::Unavailable);
        process.scene.time.advance(WHILE);
        delete().unwrap();
        process.scene.time.advance(WHILE);
        assert!(process.by_id("17").unwrap().0.is_none());
        assert_eq!(process.stored(), Vec::<String>::new());
    }
}

#[test]
fn a_save_that_the_store_refuses_is_kept_only_where_that_passes() {
    for (kind, kept) in [
        (ErrorKind::Unavailable, 1),
        (ErrorKind::Busy, 1),
        (ErrorKind::PermissionDenied, 0),
        (ErrorKind::QuotaReached, 0),
        (ErrorKind::Damaged, 0),
    ] {
        let (process, first) = Process::with_alice();
        process.scene.store.otherwise(Fate::Fails(kind));
        let mut second = refreshed(&first, "second", 120);
        assert_eq!(process.save(&mut second).unwrap_err().kind(), kind);
        assert_eq!(process.layer.unsaved(), kept, "{kind:?}");
    }
}

#[test]
fn a_token_that_is_kept_stays_through_whatever_is_not_final() {
    for kind in [ErrorKind::Busy, ErrorKind::PermissionDenied, ErrorKind::QuotaReached, ErrorKind::Damaged] {
        let (process, first) = Process::with_alice();
        process.scene.is_away();
        process.save_in_vain(&refreshed(&first, "second", 120));
        process.scene.store.otherwise(Fate::Fails(kind));
        process.scene.time.advance(WHILE);
        drop(process.by_id(first.id().unwrap()));
        assert_eq!(process.layer.unsaved(), 1, "{kind:?}");
        process.scene.is_back();
        process.by_id(first.id().unwrap()).unwrap();
        assert_eq!(process.stored(), ["second"], "{kind:?}");
    }
}

#[test]
fn the_token_of_a_save_that_nobody_waits_for_is_kept() {
    let (process, first) = Process::with_alice();
    process.scene.store.otherwise(Fate::Late(100 * SECOND));
    let mut second = refreshed(&first, "second", 120);
    let context = Context::new();
    drop(Going::begun(process.layer.save_token(&context, &mut second)));
    assert_eq!(process.layer.unsaved(), 1);
    process.scene.is_back();
    process.by_id(first.id().unwrap()).unwrap();
    assert_eq!(process.stored(), ["second"]);
}

#[test]
fn a_reader_waits_no_longer_for_what_is_kept_than_for_its_own_answer() {
    let (process, first) = Process::with_alice();
    process.scene.is_away();
    process.save_in_vain(&refreshed(&first, "second", 120));
    process.scene.time.advance(WHILE);
    process.scene.store.otherwise(Fate::Late(1000 * SECOND));
    let context = Context::new();
    let mut going = Going::begun(process.layer.find_token_by_id(&context, first.id().unwrap()));
    process.scene.time.advance(5 * SECOND);
    let answer = going.step().unwrap().unwrap();
    assert_eq!((access(&answer.value.unwrap()), answer.source), ("second".to_owned(), Source::Fallback));
}

#[test]
fn a_kept_token_is_used_also_when_the_copy_is_too_old() {
    let (process, first) = Process::with_alice();
    process.scene.is_away();
    process.save_in_vain(&refreshed(&first, "second", 120));
    process.scene.time.advance(LONGEST * 2);
    let id = first.id().unwrap();
    assert_eq!(access(&process.by_id(id).unwrap().0.unwrap()), "second");
    assert_eq!(access(&process.find(&OAuthToken::new().with(Field::UserName, "alice")).unwrap().0.unwrap()), "second");
    assert_eq!(
        process.find(&OAuthToken::new().with(Field::UserName, "bob")).unwrap_err().kind(),
        ErrorKind::Unavailable
    );
}

#[test]
fn a_save_that_took_effect_unheard_is_not_made_twice() {
    let process = Process::new();
    // The commit is done, and nobody hears of it.
    let mut at = 0;
    loop {
        process.scene.store.next(std::iter::repeat_n(Fate::Done, at).chain([Fate::Lost(ErrorKind::Unavailable)]));
        let user = format!("user {at}");
        if process.save(&mut of(&user, &user, 60)).is_ok() {
            break;
        }
        process.scene.time.advance(WHILE);
        let found = process.find(&OAuthToken::new().with(Field::UserName, &user)).unwrap();
        assert_eq!((access(&found.0.unwrap()), found.1), (user, Source::Store));
        at += 1;
    }
    assert!(at >= 2, "a save looks and writes");
    assert_eq!(process.stored().len(), at + 1);
}

#[test]
fn so_many_are_kept_and_no_more() {
    let process = Process::new();
    process.scene.is_away();
    for number in 0..1000 {
        process.save_in_vain(&of(&number.to_string(), "kept", 60));
    }
    let error = process.save_in_vain(&of("one more", "not kept", 60));
    assert!(error.hint().unwrap().contains("too many"), "{error:?}");
    assert_eq!(process.layer.unsaved(), 1000);
    process.scene.is_back();
    process.scene.time.advance(WHILE);
    assert_eq!(now(process.layer.get_tokens(&Context::new())).unwrap().value.len(), 1000);
}

#[test]
fn no_lease_is_granted_while_the_store_is_out_of_reach() {
    use tokenvault::backend::leases::Granter;
    let (process, first) = Process::with_alice();
    let fallback: Arc<dyn Backend> = Arc::clone(&process.scene.fallback) as _;
    let granter = Granter::new(fallback, None, Arc::clone(&process.scene.time) as _);
    process.scene.is_away();
    let name = tokenvault::identity::RecordName::parse(first.id().unwrap()).unwrap();
    let asked = now(granter.ask(&Context::new(), name, "somebody", |_| true));
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::Unavailable);
    process.scene.is_back();
    now(granter.ask(&Context::new(), name, "somebody", |_| true)).unwrap();
}

#[test]
fn an_outcome_of_the_vaults_is_passed_on() {
    let (process, first) = Process::with_alice();
    assert_eq!(process.save(&mut refreshed(&first, "second", 120)).unwrap().outcome, Outcome::Updated);
    assert_eq!(process.save(&mut refreshed(&first, "late", 90)).unwrap().outcome, Outcome::Superseded);
}
