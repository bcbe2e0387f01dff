//! How often to kill, when, and what came of it.

use std::time::Duration;

use fastrand::Rng;

use crate::victim::{Ended, Moment, Sign};

/// Kills for each subject.
const USUAL: usize = 200;

/// So many rounds for each kill that is asked for: in some the child is let alone, or has ended before its moment.
const MOST_ROUNDS: usize = 4;

/// Below this, what came of it is chance.
const MANY: usize = 100;

/// The number that a variable of the environment names.
#[expect(clippy::disallowed_methods, reason = "the switches of this test, not of the vault")]
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// The rounds of one subject.
pub(crate) struct Dice {
    pub(crate) random: Rng,
    kills: usize,
    rounds: usize,
    subject: &'static str,
    seed: u64,
    sign: Sign,
    /// How long the child takes from its start to its end, and from the sign to its end.
    whole: Duration,
    rest: Duration,
    tally: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    killed: usize,
    killed_after_the_sign: usize,
    without_effect: usize,
    killed_and_done: usize,
    left_a_rewrite: usize,
}

/// What a child did before it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    Something,
}

impl Dice {
    /// `sign` shows that the child is at the heart of its work.
    pub(crate) fn new(subject: &'static str, sign: Sign) -> Self {
        Self::with_kills(USUAL, subject, sign)
    }

    /// The same with so many kills.
    pub(crate) fn with_kills(usual: usize, subject: &'static str, sign: Sign) -> Self {
        let seed = number("TOKENVAULT_SEED").unwrap_or_else(|| fastrand::u64(..));
        let soak = usize::try_from(number("TOKENVAULT_SOAK").unwrap_or(1)).unwrap();
        let kills = usual * soak;
        println!("{subject}: {kills} kills; draw the same moments by TOKENVAULT_SEED={seed}");
        let (random, tally) = (Rng::with_seed(seed), Tally::default());
        let (whole, rest) = (Duration::ZERO, Duration::ZERO);
        Self { random, kills, rounds: 0, subject, seed, sign, whole, rest, tally }
    }

    /// The number of the next round, until as many children were killed as was asked for.
    pub(crate) fn next_round(&mut self) -> Option<usize> {
        let goes_on = self.tally.killed < self.kills && self.rounds < MOST_ROUNDS * self.kills;
        self.rounds += usize::from(goes_on);
        goes_on.then(|| self.rounds - 1)
    }

    pub(crate) fn sign(&self) -> Sign {
        self.sign
    }

    /// A child ran to its end.
    fn measured(&mut self, ended: &Ended) {
        let toward = |known: Duration, seen: Duration| if known.is_zero() { seen } else { (known * 3 + seen) / 4 };
        self.whole = toward(self.whole, ended.took);
        self.rest = ended.after_sign.map_or(self.rest, |seen| toward(self.rest, seen));
    }

    /// A moment anywhere in the child's life, or in what follows the sign, or the sign itself.
    pub(crate) fn moment(&mut self) -> Moment {
        // A little beyond the end as measured, so that the measure does not shrink by the kills alone.
        let within = |random: &mut Rng, whole: Duration| whole.mul_f64(1.25 * random.f64());
        match self.random.u32(0..5) {
            0 | 1 => Moment::AfterStart(within(&mut self.random, self.whole)),
            2 => Moment::After(self.sign, within(&mut self.random, self.rest)),
            3 if self.sign == Sign::Rewrite => Moment::After(Sign::InPlace, Duration::ZERO),
            _ => Moment::After(self.sign, Duration::ZERO),
        }
    }

    pub(crate) fn count(&mut self, ended: &Ended, effect: Effect, left_a_rewrite: bool) {
        if !ended.was_killed {
            self.measured(ended);
            return;
        }
        self.tally.killed += 1;
        self.tally.killed_after_the_sign += usize::from(ended.after_sign.is_some());
        self.tally.left_a_rewrite += usize::from(left_a_rewrite);
        match effect {
            Effect::Nothing => self.tally.without_effect += 1,
            Effect::Something => self.tally.killed_and_done += 1,
        }
    }

    /// Whether it is more than chance what the kills, and others beside them, come upon.
    pub(crate) fn are_many(&self) -> bool {
        self.kills >= MANY
    }

    /// To be said with whatever went wrong.
    pub(crate) fn which(&self, round: usize) -> String {
        format!("{}, round {round}, TOKENVAULT_SEED={}", self.subject, self.seed)
    }

    /// Fails where the kills missed what they are for.
    pub(crate) fn finish(&self) {
        println!("{}: in {} rounds {:?}", self.subject, self.rounds, self.tally);
        let Tally { killed, killed_after_the_sign, without_effect, killed_and_done, left_a_rewrite } = self.tally;
        assert_eq!(killed, self.kills, "of {} rounds too many came to their end: {:?}", self.rounds, self.tally);
        let seen = [killed_after_the_sign, without_effect, killed_and_done];
        assert!(!self.are_many() || seen.iter().all(|count| *count > 0), "kills too much alike: {:?}", self.tally);
        let is_hit = self.sign != Sign::Rewrite || left_a_rewrite > 0;
        assert!(!self.are_many() || is_hit, "no rewrite was hit: {:?}", self.tally);
    }
}
