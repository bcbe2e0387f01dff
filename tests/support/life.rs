//! A random life of a store, lived beside the model: the same operations on both, everything compared at every step.

use std::collections::HashMap;
use std::time::Duration;

use fastrand::Rng;
use tokenvault::clock::{ManualClock, Timestamp};
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field::{self, AccessToken, GrantToken, RefreshToken, UserName};
use tokenvault::store::Outcome;

use crate::model::{Held, Model, Texts};
use crate::pair::Pair;
use crate::way::{Token, Way};
use crate::witness::{Deed, Save, Witness};
use crate::words;

/// How many tokens are held at once, old reads among them.
const HELD: usize = 10;

/// When the clock of a life begins.
pub(crate) fn birth() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

pub(crate) struct Life<'a, W: Way> {
    pub(crate) random: Rng,
    ways: &'a [W],
    pub(crate) clock: &'a ManualClock,
    pub(crate) model: Model,
    pub(crate) witness: Witness,
    held: Vec<Pair<W::Token>>,
    step: u64,
    story: Vec<String>,
    ended: HashMap<Ended, usize>,
}

/// How a save ended.
pub(crate) type Ended = Result<Outcome, ErrorKind>;

/// Lives `steps` steps of the life that `seed` names, by fresh ways to the same records. Answers how
/// often saves ended in which way.
///
/// # Panics
/// Where a store and the model disagree, with the seed and the last operations.
pub(crate) async fn run<W: Way>(seed: u64, steps: usize, ways: &[W], clock: &ManualClock) -> HashMap<Ended, usize> {
    let mut life = Life {
        random: Rng::with_seed(seed),
        ways,
        clock,
        model: Model::default(),
        witness: Witness::default(),
        held: Vec::new(),
        step: 0,
        story: vec![format!("seed {seed}, replay with TOKENVAULT_SEED={seed}")],
        ended: HashMap::new(),
    };
    for _ in 0..steps {
        life.step().await;
    }
    life.ended
}

impl<'a, W: Way> Life<'a, W> {
    async fn step(&mut self) {
        self.step += 1;
        self.pass_time();
        match self.random.u32(0..100) {
            0..61 => self.save_something().await,
            61..71 => {
                let pair = self.newcomer();
                self.find(pair).await;
            }
            71..78 => {
                let mut pair = self.one_held();
                words::change(&mut self.random, |field, text| pair.set(field, text));
                self.find(pair).await;
            }
            78..86 => self.find_by_id().await,
            86..92 => self.keep_one_of_the_list().await,
            92..95 => self.delete().await,
            95..99 => self.import().await,
            _ => self.delete_all().await,
        }
        self.compare_all().await;
    }

    async fn save_something(&mut self) {
        match self.random.u32(0..60) {
            0..22 => {
                let pair = self.newcomer();
                self.save("save", pair).await;
            }
            22..50 => {
                let mut pair = self.one_held();
                words::change(&mut self.random, |field, text| pair.set(field, text));
                self.rarely_change_id(&mut pair);
                self.save("save changed", pair).await;
            }
            50..55 => {
                let pair = self.one_held();
                self.save("save as read", pair).await;
            }
            _ => {
                let held = self.one_held();
                let mut pair = self.brought(&held.twin);
                if self.random.u32(0..3) == 0 {
                    pair.set_id("");
                }
                self.save("save without base", pair).await;
            }
        }
    }

    /// Several handles have clocks of their own, so theirs goes ahead only; one handle stands any clock.
    fn pass_time(&mut self) {
        let millis = [1, 1000, 60_000, 3_600_000][self.random.usize(0..4)];
        self.clock.advance(Duration::from_millis(millis));
        if self.ways.len() == 1 && self.random.u32(0..50) == 0 {
            self.clock.set(birth());
        }
    }

    pub(crate) fn way(&mut self) -> &'a W {
        &self.ways[self.random.usize(0..self.ways.len())]
    }

    /// A way that can take this token.
    fn way_for(&mut self, token: &W::Token) -> &'a W {
        let able: Vec<&W> = self.ways.iter().filter(|way| way.can_take(token)).collect();
        able[self.random.usize(0..able.len())]
    }

    /// The model's time: later than every step before, with room for the rows of an import.
    pub(crate) fn now(&self) -> u64 {
        self.step * 100
    }

    pub(crate) fn newcomer(&mut self) -> Pair<W::Token> {
        let mut pair = Pair::new(self.way().newcomer());
        words::partly(&mut self.random, |field, text| pair.set(field, text));
        if self.random.u32(0..100) < 15 {
            pair.set_id(&self.some_id());
        }
        pair
    }

    /// What comes back, anywhere, from somewhere that keeps fields and id, and nothing else.
    fn brought(&mut self, twin: &Held) -> Pair<W::Token> {
        let mut pair = Pair::new(self.way().newcomer());
        for field in Field::ALL {
            pair.set(field, twin.texts.at(field));
        }
        pair.set_id(&twin.id);
        pair
    }

    pub(crate) fn some_id(&mut self) -> String {
        let stored = self.random.choice(&self.model.rows).map(|row| row.id().to_owned());
        stored.filter(|_| self.random.bool()).unwrap_or_else(|| words::id(&mut self.random))
    }

    /// The id under which the list has what `id` leads to.
    fn listed_id(&self, id: &str) -> String {
        self.model.with_id(id).map(|at| self.model.rows[at].id().to_owned()).unwrap_or_default()
    }

    /// A copy: the original stays, and gets older.
    fn one_held(&mut self) -> Pair<W::Token> {
        match self.random.choice(&self.held) {
            Some(pair) => pair.clone(),
            None => self.newcomer(),
        }
    }

    fn rarely_change_id(&mut self, pair: &mut Pair<W::Token>) {
        match self.random.u32(0..40) {
            0 => pair.set_id(""),
            1 => pair.set_id(&self.some_id()),
            _ => {}
        }
    }

    fn keep(&mut self, pair: Pair<W::Token>) {
        if self.held.len() == HELD {
            self.held.swap_remove(self.random.usize(0..HELD));
        }
        self.held.push(pair);
    }

    async fn save(&mut self, what: &str, mut pair: Pair<W::Token>) {
        self.tell(format!("{what} {pair:?}"));
        let has_base = pair.twin.base.is_some();
        let answer = self.way_for(&pair.token).save(&mut pair.token).await;
        let made = pair.token.id();
        let expected = self.model.save(&mut pair.twin, &made, self.now());
        *self.ended.entry(expected).or_default() += 1;
        let ended = answer.map_err(|error| error.kind());
        self.check(ended == expected, || format!("the save ended as {ended:?}, the model's as {expected:?}"));
        self.check_pair(&pair);
        let id = self.listed_id(&made);
        let saved = Save { is_done: ended.is_ok(), read: pair.read.filter(|_| has_base), has_base, id: &id };
        self.look(Deed::Saved(saved)).await;
        if ended.is_ok() {
            pair.read = self.witness.read(&id);
        }
        self.keep(pair);
    }

    async fn find(&mut self, mut pair: Pair<W::Token>) {
        self.tell(format!("find {pair:?}"));
        let answer = self.way_for(&pair.token).find(&mut pair.token).await;
        let expected = self.model.find(&mut pair.twin);
        self.check(matches!(answer, Ok(found) if found == expected), || format!("found {answer:?}, not {expected}"));
        self.check_pair(&pair);
        if expected {
            pair.read = self.witness.read(&self.listed_id(&pair.twin.id));
            self.keep(pair);
        }
    }

    async fn find_by_id(&mut self) {
        let id = self.some_id();
        self.tell(format!("find by id {id:?}"));
        let answer = self.way().find_by_id(&id).await;
        match (answer, self.model.find_by_id(&id)) {
            (Ok(Some(token)), Some(twin)) => {
                let pair = Pair { token, twin, read: self.witness.read(&self.listed_id(&id)) };
                self.check_pair(&pair);
                self.keep(pair);
            }
            (Ok(None), None) => {}
            (answer, expected) => {
                let id = answer.map(|found| found.map(|token| token.id()));
                self.fail(&format!("found {id:?}, not {expected:?}"))
            }
        }
    }

    async fn keep_one_of_the_list(&mut self) {
        if self.model.rows.is_empty() {
            return;
        }
        let at = self.random.usize(0..self.model.rows.len());
        self.tell(format!("keep the token at {at} of the list"));
        let Ok(Some(token)) = self.way().take_of_list(at).await else { self.fail("the list is shorter than that") };
        match self.model.find_by_id(&token.id()) {
            Some(twin) => {
                let read = self.witness.read(&token.id());
                self.keep(Pair { token, twin, read });
            }
            None => self.fail("the model has no such row"),
        }
    }

    async fn delete(&mut self) {
        let id = self.some_id();
        self.tell(format!("delete {id:?}"));
        let answer = self.way().delete(&id).await;
        let expected = self.model.delete(&id);
        self.check(matches!(answer, Ok(done) if done == expected), || format!("deleted {answer:?}, not {expected}"));
        self.look(Deed::Deleted).await;
    }

    async fn delete_all(&mut self) {
        self.tell("delete all".to_owned());
        let answer = self.way().delete_all().await;
        let expected = self.model.delete_all();
        self.check(matches!(answer, Ok(count) if count == expected), || format!("deleted {answer:?}, not {expected}"));
        self.look(Deed::Deleted).await;
    }

    pub(crate) async fn list(&mut self) -> Vec<(String, Texts)> {
        match self.way().list().await {
            Ok(listed) => listed,
            Err(error) => self.fail(&format!("the list failed: {error}")),
        }
    }

    /// Lets the witness see what stands now, and judge the deed that led there.
    pub(crate) async fn look(&mut self, deed: Deed<'_>) {
        let listed = self.list().await;
        if let Err(broken) = self.witness.look(listed, deed) {
            self.fail(broken);
        }
    }

    async fn compare_all(&mut self) {
        let seen = self.list().await;
        let expected: Vec<_> = self.model.rows.iter().map(|row| (row.id().to_owned(), row.texts.clone())).collect();
        self.check(seen == expected, || format!("the store holds\n{seen:?}\nthe model\n{expected:?}"));
        if self.random.u32(0..4) == 0 {
            self.ask_every_question().await;
        }
    }

    /// Finds by every word there is: so a wrong key or a wrong order is seen soon after it arose.
    async fn ask_every_question(&mut self) {
        for (field, word) in words::every(&[UserName, GrantToken, RefreshToken, AccessToken]) {
            let way = self.way();
            let Pair { mut token, mut twin, .. } = Pair::new(way.newcomer());
            token.set(field, word);
            twin.texts.set(field, word);
            let is_found = way.find(&mut token).await.is_ok_and(|is_found| is_found);
            let is_same = is_found == self.model.find(&mut twin) && token.id() == twin.id;
            self.check(is_same, || format!("by {} {word:?}: {:?}, not {:?}", field.name(), token.id(), twin.id));
        }
    }

    fn check_pair(&self, pair: &Pair<W::Token>) {
        let (id, texts) = (pair.token.id(), pair.token.texts());
        let is_same = texts == pair.twin.texts && id == pair.twin.id;
        self.check(is_same, || format!("the token became {id:?} {texts:?}, not {:?}", pair.twin));
    }

    pub(crate) fn tell(&mut self, line: String) {
        self.story.push(format!("{}: {line}", self.step));
    }

    pub(crate) fn check(&self, is_true: bool, broken: impl FnOnce() -> String) {
        if !is_true {
            self.fail(&broken());
        }
    }

    pub(crate) fn fail(&self, broken: &str) -> ! {
        let from = self.story.len().saturating_sub(25);
        panic!("{broken}\n{}\n...\n{}", self.story[0], self.story[from..].join("\n"))
    }
}
