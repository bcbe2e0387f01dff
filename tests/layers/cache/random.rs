//! Random lives of a cache beside the bare vault. `TOKENVAULT_SEED=n` lives one of them again.

use std::time::Duration;

use fastrand::Rng;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::backend::{Change, Commit};
use tokenvault::clock::{Clock, Timestamp};
use tokenvault::fields::Field;
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use super::{Arc, Backend, LIVES, MARGIN, SECOND, Scene};
use crate::going::now;

const LIVES_LIVED: u64 = 60;
const STEPS: usize = 400;

/// What somebody sees of a token.
type Seen = Option<(Option<String>, Vec<(Field, String)>)>;

fn seen(token: &OAuthToken) -> Seen {
    let texts = token.fields().present().map(|(field, text)| (field, text.expose().to_owned()));
    Some((token.id().map(str::to_owned), texts.collect()))
}

enum Question {
    Id(String),
    Lookup(OAuthToken),
}

impl Question {
    fn ask(&self, store: &dyn TokenStore) -> (Seen, Source) {
        let context = Context::new();
        match self {
            Self::Id(id) => {
                let answer = now(store.find_token_by_id(&context, id)).unwrap();
                (answer.value.as_deref().and_then(seen), answer.source)
            }
            Self::Lookup(given) => {
                let mut given = given.clone();
                let answer = now(store.find_token(&context, &mut given)).unwrap();
                (Some(given).filter(|_| answer.value).as_ref().and_then(seen), answer.source)
            }
        }
    }
}

/// All records as they were from then on.
struct Past {
    since: Timestamp,
    vault: Vault,
}

struct Life {
    scene: Scene,
    rng: Rng,
    ids: Vec<String>,
    held: Vec<OAuthToken>,
    past: Vec<Past>,
    hits: usize,
    old: usize,
}

impl Life {
    fn new(seed: u64) -> Self {
        let scene = Scene::with(|options| options.capacity = 64);
        let ids = vec!["1".to_owned(), "2".to_owned()];
        let (rng, held, past) = (Rng::with_seed(seed), Vec::new(), Vec::new());
        let mut life = Self { scene, rng, ids, held, past, hits: 0, old: 0 };
        life.note_past();
        life
    }

    fn some<const N: usize>(&mut self, texts: [&str; N]) -> String {
        self.rng.choice(texts).unwrap_or_default().to_owned()
    }

    /// A token of a few texts out of few.
    fn given(&mut self) -> OAuthToken {
        let ends = self.scene.time.millis_in(Duration::from_secs(self.rng.u64(0..120)));
        let texts = [
            (Field::UserName, self.some(["", "", "alice", "bob"])),
            (Field::ClientId, self.some(["", "app", "other"])),
            (Field::ClientSecret, self.some(["", "", "secret"])),
            (Field::GrantToken, self.some(["", "", "", "g1"])),
            (Field::RefreshToken, self.some(["", "r1", "r2", "r3"])),
            (Field::AccessToken, self.some(["", "a1", "a2", "a3"])),
            (Field::ExpiresIn, if self.rng.u8(0..3) == 0 { ends } else { String::new() }),
        ];
        texts.iter().fold(OAuthToken::new(), |token, (field, text)| token.with(*field, text))
    }

    fn id(&mut self) -> String {
        let at = self.rng.usize(0..self.ids.len());
        self.ids[at].clone()
    }

    fn unsaved(&mut self) -> OAuthToken {
        let given = self.given();
        if !self.held.is_empty() && self.rng.bool() {
            let at = self.rng.usize(0..self.held.len());
            return given.fields().present().fold(self.held[at].clone(), |token, (field, text)| {
                if field == Field::UserName { token } else { token.with(field, text.expose()) }
            });
        }
        if self.rng.u8(0..3) == 0 { given.with_id(&self.id()) } else { given }
    }

    fn save(&mut self, store: &dyn TokenStore) {
        let mut token = self.unsaved();
        if now(store.save_token(&Context::new(), &mut token)).is_ok() {
            self.ids.push(token.id().unwrap().to_owned());
            self.held.push(token);
            self.ids.drain(2..self.ids.len().max(12) - 10);
            self.held.drain(..self.held.len().max(10) - 10);
        }
        self.note_past();
    }

    fn delete(&mut self, store: &dyn TokenStore) {
        now(store.delete_token(&Context::new(), &self.id())).unwrap();
        if self.rng.u8(0..8) == 0 {
            now(store.delete_tokens(&Context::new())).unwrap();
        }
        self.note_past();
    }

    fn question(&mut self) -> Question {
        match self.rng.u8(0..4) {
            0 | 1 => Question::Id(self.id()),
            2 => Question::Lookup(self.given()),
            _ => Question::Lookup(self.given().with_id(&self.id())),
        }
    }

    fn note_past(&mut self) {
        let records = now(self.scene.backend.list(&Context::new())).unwrap().value;
        let copy: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let changes =
            records.into_iter().map(|record| Change { name: record.name, expected: None, value: Some(record) });
        now(copy.commit(&Context::new(), Commit { changes: changes.collect(), claims: Vec::new() })).unwrap();
        self.past.push(Past { since: self.scene.time.now(), vault: Vault::new(copy) });
    }

    fn pass(&mut self) {
        let longest = if self.rng.bool() { 3_000 } else { 90_000 };
        let millis = self.rng.u64(0..longest);
        self.scene.time.advance(Duration::from_millis(millis));
    }

    /// Asks through the cache; the answer has to be one that the vault has given since `age` ago.
    fn check(&mut self, age: impl Fn(&Seen) -> Duration) {
        let question = self.question();
        let at = self.scene.time.now();
        let (answered, source) = question.ask(&*self.scene.cache);
        let (current, _) = question.ask(&*self.scene.vault);
        self.hits += usize::from(source == Source::Cache);
        if source == Source::Cache {
            let texts = answered.iter().flat_map(|(_, texts)| texts);
            let given = if let Question::Lookup(given) = &question { given.expires_at() } else { None };
            let ends = texts.filter(|(field, _)| *field == Field::ExpiresIn).map(|(_, text)| text.parse().unwrap());
            for ends in ends.map(Timestamp::from_millis).filter(|ends| Some(*ends) != given) {
                assert!(at.after(MARGIN) < ends, "it has expired, or is about to");
            }
        }
        if answered == current {
            return;
        }
        self.old += 1;
        let still = |past: &&Past, next: Option<&Past>| {
            next.is_none_or(|next| at.since(next.since) < age(&answered)) && question.ask(&past.vault).0 == answered
        };
        let is_young = self.past.iter().enumerate().any(|(at, past)| still(&past, self.past.get(at + 1)));
        assert!(is_young, "{answered:?} is too old an answer; it is {current:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a switch of this test, not of the vault")]
#[expect(clippy::print_stdout, reason = "the seeds are told always")]
fn live(life: impl Fn(&mut Life)) -> [usize; 2] {
    let seed = std::env::var("TOKENVAULT_SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    let begin = fastrand::u64(..u64::MAX - LIVES_LIVED);
    let seeds = seed.map_or(begin..begin + LIVES_LIVED, |seed| seed..seed + 1);
    let mut totals = [0; 2];
    for seed in seeds {
        println!("TOKENVAULT_SEED={seed}");
        let mut one = Life::new(seed);
        (0..STEPS).for_each(|_| life(&mut one));
        totals[0] += one.hits;
        totals[1] += one.old;
    }
    totals
}

#[test]
fn where_nobody_else_writes_the_cache_answers_what_the_vault_does() {
    let [hits, _] = live(|life| {
        let cache = Arc::clone(&life.scene.cache);
        match life.rng.u8(0..16) {
            0 | 1 => life.save(&*cache),
            2 if life.rng.u8(0..4) == 0 => life.delete(&*cache),
            3 => life.pass(),
            _ => life.check(|_| Duration::ZERO),
        }
    });
    assert!(hits > 1000, "only {hits} answers came from the cache");
}

#[test]
fn where_others_write_no_answer_is_older_than_its_time_to_live() {
    let [hits, old] = live(|life| {
        let cache = Arc::clone(&life.scene.cache);
        let vault = Arc::clone(&life.scene.vault);
        let writer: &dyn TokenStore = if life.rng.u8(0..3) == 0 { &*cache } else { &*vault };
        match life.rng.u8(0..16) {
            0 | 1 => life.save(writer),
            2 if life.rng.u8(0..4) == 0 => life.delete(writer),
            3 => life.pass(),
            _ => life.check(|answered| if answered.is_some() { LIVES } else { 5 * SECOND }),
        }
    });
    assert!(hits > 1000 && old > 100, "only {hits} answers came from the cache, {old} of them old");
}
