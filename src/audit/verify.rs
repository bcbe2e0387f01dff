//! Whether the chains of a trail are whole.

use std::collections::{BTreeMap, HashSet, VecDeque};

use crate::audit::chain::{self, NONE_BEFORE};
use crate::audit::keys::{Keys, Mac};
use crate::audit::read::{Line, Piece};

/// How many lines back the line may be that another chain's names.
const REMEMBERED: usize = 100_000;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// A piece of a line: a write that was cut off, or a change.
    Torn,
    /// The line is not as it was written.
    Changed,
    /// So many lines before this one are not here.
    Missing(u64),
    /// The line is not where it was written, or here twice.
    OutOfPlace,
    /// The line names one that is not here.
    BeforeMissing,
    /// The line names one that is here only as that of another vault, and was not checked.
    BeforeUnchecked,
    /// The chain had ended.
    AfterEnd,
}

impl Trouble {
    /// In words.
    pub fn said(self) -> String {
        match self {
            Self::Torn => "a piece of a line".to_owned(),
            Self::Changed => "was changed, or is not of this vault".to_owned(),
            Self::Missing(1) => "one line before it is missing".to_owned(),
            Self::Missing(count) => format!("{count} lines before it are missing"),
            Self::OutOfPlace => "is not where it was written, or is here twice".to_owned(),
            Self::BeforeMissing => "names a line before it that is not here".to_owned(),
            Self::BeforeUnchecked => "names a line before it that only a chain of another vault has".to_owned(),
            Self::AfterEnd => "comes after the end of its chain".to_owned(),
        }
    }

    /// Whether it may also come of a power loss or a full disk.
    pub fn is_harmless(self) -> bool {
        self == Self::Torn
    }
}

/// Something wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The number of the line of text, from 1.
    pub number: u64,
    /// The chain, where it can be read.
    pub chain: Option<String>,
    /// What it is.
    pub trouble: Trouble,
}

/// How a chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Every line from its beginning to its end.
    Intact,
    /// Every line from its beginning, and no end: its process runs, or was killed, or the end was cut off.
    Open,
    /// Something of it is missing, changed, or out of place.
    Broken,
    /// It says that it is of another vault, whose key it takes to check it, and no line of it is of this one's.
    Foreign,
}

/// A chain.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Chain {
    /// Its id.
    pub id: String,
    /// How it stands.
    pub standing: Standing,
    /// How many lines of it are there.
    pub lines: u64,
    /// When its first line was written, as that says.
    pub from: String,
    /// When its last line was written, as that says.
    pub to: String,
    /// Lines that were not taken, as it says.
    pub lost: u64,
}

/// What was found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Verification {
    /// The chains, in the order in which they begin.
    pub chains: Vec<Chain>,
    /// What is wrong, in the order in which it was met.
    pub findings: Vec<Finding>,
}

impl Verification {
    /// How many chains stand so.
    pub fn count(&self, standing: Standing) -> usize {
        self.chains.iter().filter(|chain| chain.standing == standing).count()
    }

    /// Whether something is wrong that no power loss explains.
    pub fn is_broken(&self) -> bool {
        self.findings.iter().any(|finding| !finding.trouble.is_harmless())
    }
}

/// Reads a trail, piece by piece.
#[derive(Debug)]
pub struct Verifier<'k> {
    keys: &'k Keys,
    allows_foreign: bool,
    places: BTreeMap<String, usize>,
    states: Vec<State>,
    recent: Recent,
    /// The same of chains of other vaults, whose lines may be anybody's.
    unchecked: Recent,
    found: Verification,
}

/// Where a chain has come to.
#[derive(Debug)]
struct State {
    mac: Mac,
    next: u64,
    has_ended: bool,
    /// The number of the line that says that the chain is of another vault, as long as no line of it is of this one.
    foreign_since: Option<u64>,
}

impl<'k> Verifier<'k> {
    /// Before the first piece, under the keys of the vault.
    pub fn new(keys: &'k Keys) -> Self {
        Self {
            keys,
            allows_foreign: false,
            places: BTreeMap::new(),
            states: Vec::new(),
            recent: Recent::default(),
            unchecked: Recent::default(),
            found: Verification::default(),
        }
    }

    /// Other vaults write to this trail, too: their lines may be the ones that this vault's name.
    #[must_use]
    pub fn allow_foreign(self) -> Self {
        Self { allows_foreign: true, ..self }
    }

    /// The next piece.
    pub fn take(&mut self, piece: Piece<'_>) {
        let line = Line::parse(piece.bytes);
        let (Some((authenticated, mac)), Some(line)) = (chain::parts(piece.bytes), &line) else {
            return self.note_piece(piece.number, line.as_ref());
        };
        let place = self.place(line, piece.number);
        self.claim(place, line, authenticated, &mac);
        for trouble in self.judge(place, line, authenticated, &mac) {
            self.note(place, piece.number, trouble);
        }
        self.advance(place, line, mac);
    }

    fn note(&mut self, place: usize, number: u64, trouble: Trouble) {
        let Some(chain) = self.found.chains.get_mut(place) else { return };
        chain.standing = Standing::Broken;
        self.found.findings.push(Finding { number, chain: Some(chain.id.clone()), trouble });
    }

    /// What has no MAC: a piece of a line, or a whole one that was written without, as no torn write leaves it.
    fn note_piece(&mut self, number: u64, whole: Option<&Line>) {
        let trouble = if whole.is_some() { Trouble::Changed } else { Trouble::Torn };
        match whole.and_then(|line| self.places.get(&line.chain)) {
            Some(place) => self.note(*place, number, trouble),
            None => {
                let chain = whole.map(|line| line.chain.clone());
                self.found.findings.push(Finding { number, chain, trouble });
            }
        }
    }

    /// What all of it comes to.
    pub fn finish(self) -> Verification {
        self.found
    }

    fn place(&mut self, line: &Line, number: u64) -> usize {
        if let Some(place) = self.places.get(&line.chain) {
            return *place;
        }
        let place = self.states.len();
        self.places.insert(line.chain.clone(), place);
        let is_foreign = line.key.as_ref().is_some_and(|key| *key != self.keys.id());
        let foreign_since = is_foreign.then_some(number);
        self.states.push(State { mac: NONE_BEFORE, next: 0, has_ended: false, foreign_since });
        self.found.chains.push(Chain {
            id: line.chain.clone(),
            standing: if is_foreign { Standing::Foreign } else { Standing::Open },
            lines: 0,
            from: line.time.clone(),
            to: line.time.clone(),
            lost: 0,
        });
        place
    }

    /// A chain that has one line under this vault's key is this vault's: what said that it is another's was put there, or
    /// changed.
    fn claim(&mut self, place: usize, line: &Line, authenticated: &[u8], mac: &Mac) {
        let Some(state) = self.states.get_mut(place) else { return };
        let Some(number) = state.foreign_since else { return };
        let before = if line.seq == 0 { NONE_BEFORE } else { state.mac };
        if self.keys.is_mac(&before, authenticated, mac) {
            *state = State { mac: before, next: line.seq, has_ended: false, foreign_since: None };
            self.note(place, number, Trouble::Changed);
        }
    }

    fn judge(&self, place: usize, line: &Line, authenticated: &[u8], mac: &Mac) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        let Some(state) = self.states.get(place) else { return troubles };
        if state.foreign_since.is_some() {
            return troubles;
        }
        if line.seq < state.next {
            troubles.push(Trouble::OutOfPlace);
        } else if line.seq > state.next {
            troubles.push(Trouble::Missing(line.seq - state.next));
        } else if !self.keys.is_mac(&state.mac, authenticated, mac) {
            troubles.push(Trouble::Changed);
        } else if state.has_ended {
            troubles.push(Trouble::AfterEnd);
        }
        troubles.extend(line.before_mac().and_then(|before| self.judge_before(&before)));
        troubles
    }

    /// What somebody without the key has written proves nothing of the line that it stands for.
    fn judge_before(&self, before: &Mac) -> Option<Trouble> {
        let is_last = |is_foreign: bool| {
            self.states.iter().any(|state| state.foreign_since.is_some() == is_foreign && state.mac == *before)
        };
        if self.recent.holds(before) || is_last(false) {
            return None;
        }
        let is_unchecked = self.unchecked.holds(before) || is_last(true);
        let unless_allowed = (!self.allows_foreign).then_some(Trouble::BeforeUnchecked);
        if is_unchecked { unless_allowed } else { Some(Trouble::BeforeMissing) }
    }

    /// After a trouble the chain is taken up where this line says it is, so that the next trouble shows too.
    fn advance(&mut self, place: usize, line: &Line, mac: Mac) {
        let (Some(state), Some(chain)) = (self.states.get_mut(place), self.found.chains.get_mut(place)) else { return };
        chain.lines += 1;
        chain.lost = chain.lost.saturating_add(line.lost.unwrap_or_default());
        let is_foreign = state.foreign_since.is_some();
        if is_foreign {
            self.unchecked.add(mac);
        } else {
            self.recent.add(mac);
        }
        if is_foreign || line.seq >= state.next {
            chain.to.clone_from(&line.time);
            (state.mac, state.next, state.has_ended) = (mac, line.seq.saturating_add(1), line.kind == "end");
        }
        if state.has_ended && chain.standing == Standing::Open {
            chain.standing = Standing::Intact;
        }
    }
}

/// The MACs of the last lines.
#[derive(Debug, Default)]
struct Recent {
    order: VecDeque<Mac>,
    set: HashSet<Mac>,
}

impl Recent {
    fn add(&mut self, mac: Mac) {
        if !self.set.insert(mac) {
            return;
        }
        self.order.push_back(mac);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
    }

    fn holds(&self, mac: &Mac) -> bool {
        self.set.contains(mac)
    }
}
