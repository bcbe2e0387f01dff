//! The ways of a life that several processes live: handles of this one, and puppets.

use std::sync::{Arc, Mutex};

use tokenvault::clock::{Clock, ManualClock};
use tokenvault::error::Result;
use tokenvault::fields::Field;
use tokenvault::import::summary::Effect;
use tokenvault::import::{Ids, ImportOptions};
use tokenvault::store::Outcome;
use tokenvault::token::OAuthToken;

use crate::model::Texts;
use crate::model_import::Told;
use crate::puppet::{Puppet, Shared};
use crate::way::{Handle, Token, Way};

/// Who has the vault open.
pub(crate) enum Anyone {
    Here(Handle),
    There(Other),
}

/// Another process.
pub(crate) struct Other {
    puppet: Shared,
    clock: Arc<ManualClock>,
}

/// A token in somebody's hands.
pub(crate) enum Held {
    Here(OAuthToken),
    There(Slot),
}

/// A token in another process's hands.
pub(crate) struct Slot {
    puppet: Shared,
    name: String,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.tell("drop", &[]);
    }
}

impl Slot {
    /// No clock goes into these.
    fn tell(&self, command: &str, arguments: &[&str]) -> Vec<String> {
        let arguments: Vec<&str> = [self.name.as_str()].into_iter().chain(arguments.iter().copied()).collect();
        self.puppet.lock().unwrap().tell(0, command, &arguments).unwrap()
    }
}

impl Clone for Held {
    fn clone(&self) -> Self {
        match self {
            Self::Here(token) => Self::Here(token.clone()),
            Self::There(slot) => {
                let name = slot.puppet.lock().unwrap().free_slot();
                slot.tell("copy", &[&name]);
                Self::There(Slot { puppet: Arc::clone(&slot.puppet), name })
            }
        }
    }
}

fn texts(words: &[String]) -> Texts {
    Texts(words.to_vec().try_into().unwrap())
}

impl Token for Held {
    fn set(&mut self, field: Field, text: &str) {
        match self {
            Self::Here(token) => Token::set(token, field, text),
            Self::There(slot) => drop(slot.tell("set", &[field.name(), text])),
        }
    }

    fn set_id(&mut self, id: &str) {
        match self {
            Self::Here(token) => Token::set_id(token, id),
            Self::There(slot) => drop(slot.tell("set_id", &[id])),
        }
    }

    fn id(&self) -> String {
        match self {
            Self::Here(token) => Token::id(token),
            Self::There(slot) => slot.tell("show", &[]).swap_remove(1),
        }
    }

    fn texts(&self) -> Texts {
        match self {
            Self::Here(token) => token.texts(),
            Self::There(slot) => texts(&slot.tell("show", &[])[2..]),
        }
    }
}

impl Other {
    pub(crate) fn new(puppet: Puppet, clock: &Arc<ManualClock>) -> Self {
        Self { puppet: Arc::new(Mutex::new(puppet)), clock: Arc::clone(clock) }
    }

    fn tell(&self, command: &str, arguments: &[&str]) -> Result<Vec<String>> {
        self.puppet.lock().unwrap().tell(self.clock.now().as_micros(), command, arguments)
    }

    fn free_slot(&self) -> Slot {
        let name = self.puppet.lock().unwrap().free_slot();
        Slot { puppet: Arc::clone(&self.puppet), name }
    }

    /// Works on a token that it holds.
    fn on(&self, command: &str, token: &Held) -> Result<String> {
        match token {
            Held::There(slot) => Ok(self.tell(command, &[&slot.name])?.swap_remove(0)),
            Held::Here(_) => panic!("a token with its base does not leave its process"),
        }
    }

    /// What it found is in `slot` then.
    fn found(&self, command: &str, what: &str) -> Result<Option<Held>> {
        let slot = self.free_slot();
        let is_found = self.tell(command, &[what, &slot.name])?[0] == "true";
        Ok(is_found.then_some(Held::There(slot)))
    }

    fn import(&self, rows: &[(&str, &Texts)], options: &ImportOptions<'_>) -> Result<(Effect, Told)> {
        let letters = [
            (options.ids == Ids::New, "n"),
            (options.overwrite, "o"),
            (options.dry_run, "d"),
            (options.skip_refused, "s"),
        ];
        let letters: String = letters.into_iter().filter(|(is_on, _)| *is_on).map(|(_, letter)| letter).collect();
        let mut arguments = vec![letters.as_str()];
        for (id, texts) in rows {
            arguments.push(id);
            arguments.extend(texts.0.iter().map(String::as_str));
        }
        let answer = self.tell("import", &arguments)?;
        let effects = [Effect::Imported, Effect::DryRun, Effect::Stopped];
        let effect = effects.into_iter().find(|effect| format!("{effect:?}") == answer[0]).unwrap();
        let lines = |at: usize| serde_json::from_str(&answer[at]).unwrap();
        Ok((effect, Told { new: lines(1), kept: lines(2), refused: lines(3) }))
    }
}

/// The texts that `list` answers, token by token.
fn listed(answer: &[String]) -> Vec<(String, Texts)> {
    answer[1..].chunks(1 + Field::ALL.len()).map(|token| (token[0].clone(), texts(&token[1..]))).collect()
}

impl Way for Anyone {
    type Token = Held;

    fn newcomer(&self) -> Held {
        match self {
            Self::Here(handle) => Held::Here(handle.newcomer()),
            Self::There(other) => {
                let slot = other.free_slot();
                slot.tell("put", &[""]);
                Held::There(slot)
            }
        }
    }

    fn can_take(&self, token: &Held) -> bool {
        match (self, token) {
            (Self::Here(_), Held::Here(_)) => true,
            (Self::There(other), Held::There(slot)) => Arc::ptr_eq(&other.puppet, &slot.puppet),
            _ => false,
        }
    }

    async fn save(&self, token: &mut Held) -> Result<Outcome> {
        match (self, &mut *token) {
            (Self::Here(handle), Held::Here(token)) => handle.save(token).await,
            (Self::There(other), token) => {
                let outcome = other.on("save", token)?;
                let outcomes = [Outcome::Inserted, Outcome::Updated, Outcome::Superseded];
                Ok(outcomes.into_iter().find(|known| format!("{known:?}") == outcome).unwrap())
            }
            (Self::Here(_), Held::There(_)) => panic!("a token with its base does not leave its process"),
        }
    }

    async fn find(&self, token: &mut Held) -> Result<bool> {
        match (self, &mut *token) {
            (Self::Here(handle), Held::Here(token)) => handle.find(token).await,
            (Self::There(other), token) => Ok(other.on("find", token)? == "true"),
            (Self::Here(_), Held::There(_)) => panic!("a token with its base does not leave its process"),
        }
    }

    async fn find_by_id(&self, id: &str) -> Result<Option<Held>> {
        match self {
            Self::Here(handle) => Ok(handle.find_by_id(id).await?.map(Held::Here)),
            Self::There(other) => other.found("find_by_id", id),
        }
    }

    async fn delete(&self, id: &str) -> Result<bool> {
        match self {
            Self::Here(handle) => handle.delete(id).await,
            Self::There(other) => Ok(other.tell("delete", &[id])?[0] == "true"),
        }
    }

    async fn delete_all(&self) -> Result<usize> {
        match self {
            Self::Here(handle) => handle.delete_all().await,
            Self::There(other) => Ok(other.tell("delete_all", &[])?[0].parse().unwrap()),
        }
    }

    async fn list(&self) -> Result<Vec<(String, Texts)>> {
        match self {
            Self::Here(handle) => handle.list().await,
            Self::There(other) => Ok(listed(&other.tell("list", &[])?)),
        }
    }

    async fn take_of_list(&self, at: usize) -> Result<Option<Held>> {
        match self {
            Self::Here(handle) => Ok(handle.take_of_list(at).await?.map(Held::Here)),
            Self::There(other) => other.found("take_of_list", &at.to_string()),
        }
    }

    async fn import(&self, rows: &[(&str, &Texts)], options: &ImportOptions<'_>) -> Result<(Effect, Told)> {
        match self {
            Self::Here(handle) => handle.import(rows, options).await,
            Self::There(other) => other.import(rows, options),
        }
    }
}
