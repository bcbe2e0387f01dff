//! A token in the hands of its user, beside what the model takes it for.

use tokenvault::fields::Field;

use crate::model::Held;
use crate::way::Token;

/// A token, what the model takes it for, and what the witness knows of it.
#[derive(Clone)]
pub(crate) struct Pair<T> {
    pub(crate) token: T,
    pub(crate) twin: Held,
    pub(crate) read: Option<(u64, u64)>,
}

impl<T: Token> Pair<T> {
    /// A token with nothing in it.
    pub(crate) fn new(token: T) -> Self {
        Self { token, twin: Held::default(), read: None }
    }

    pub(crate) fn set(&mut self, field: Field, text: &str) {
        self.token.set(field, text);
        self.twin.texts.set(field, text);
    }

    pub(crate) fn set_id(&mut self, id: &str) {
        self.token.set_id(id);
        id.clone_into(&mut self.twin.id);
    }
}

impl<T> std::fmt::Debug for Pair<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let base = self.twin.base.as_ref().map(|_| self.read);
        write!(f, "{:?} {:?} base {base:?}", self.twin.id, self.twin.texts.0.join("|"))
    }
}
