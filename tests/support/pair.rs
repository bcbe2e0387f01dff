//! A token in the hands of its user, beside what the model takes it for.

use tokenvault::fields::Field;
use tokenvault::secret::SecretText;
use tokenvault::token::OAuthToken;

use crate::model::{Held, Texts};

/// A token, what the model takes it for, and what the witness knows of it.
#[derive(Clone, Default)]
pub(crate) struct Pair {
    pub(crate) token: OAuthToken,
    pub(crate) twin: Held,
    pub(crate) read: Option<(u64, u64)>,
}

impl Pair {
    pub(crate) fn set(&mut self, field: Field, text: &str) {
        self.token.set(field, Some(SecretText::new(text)));
        self.twin.texts.set(field, text);
    }

    pub(crate) fn set_id(&mut self, id: &str) {
        self.token.set_id(Some(id));
        self.twin.id = id.to_owned();
    }

    /// As it comes back from somewhere that keeps fields and id, and nothing else.
    pub(crate) fn detached(self) -> Self {
        let token = self.token.detached().with_id(&self.twin.id);
        Self { token, twin: Held { base: None, ..self.twin }, read: None }
    }
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let base = self.twin.base.as_ref().map(|_| self.read);
        write!(f, "{:?} {:?} base {base:?}", self.twin.id, self.twin.texts.0.join("|"))
    }
}

/// A token's texts, for comparison.
pub(crate) fn texts(token: &OAuthToken) -> Texts {
    Texts(Field::ALL.map(|field| token.fields().text(field).unwrap_or_default().to_owned()))
}
