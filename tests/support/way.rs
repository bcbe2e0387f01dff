//! A way in to the records: a store in this process, or one that another process has open.

use std::sync::Arc;

use tokenvault::error::Result;
use tokenvault::fields::{Field, Fields};
use tokenvault::import::row::{Row, Rows};
use tokenvault::import::summary::Effect;
use tokenvault::import::{ImportOptions, import};
use tokenvault::operation::Context;
use tokenvault::secret::SecretText;
use tokenvault::store::{Outcome, TokenStore};
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::model::Texts;
use crate::model_import::Told;

/// A token in its holder's hands, with whatever it remembers of its record.
pub(crate) trait Token: Clone {
    fn set(&mut self, field: Field, text: &str);
    fn set_id(&mut self, id: &str);
    /// Empty where it has none.
    fn id(&self) -> String;
    fn texts(&self) -> Texts;
}

pub(crate) trait Way {
    type Token: Token;

    /// A token with nothing in it.
    fn newcomer(&self) -> Self::Token;
    /// Whether a token can be saved this way: what it remembers does not leave its process.
    fn can_take(&self, token: &Self::Token) -> bool;

    async fn save(&self, token: &mut Self::Token) -> Result<Outcome>;
    async fn find(&self, token: &mut Self::Token) -> Result<bool>;
    async fn find_by_id(&self, id: &str) -> Result<Option<Self::Token>>;
    async fn delete(&self, id: &str) -> Result<bool>;
    async fn delete_all(&self) -> Result<usize>;
    async fn list(&self) -> Result<Vec<(String, Texts)>>;
    /// The token at this place of the list.
    async fn take_of_list(&self, at: usize) -> Result<Option<Self::Token>>;
    /// Imports rows, which stand on the lines 1, 2, and so on.
    async fn import(&self, rows: &[(&str, &Texts)], options: &ImportOptions<'_>) -> Result<(Effect, Told)>;
}

impl Token for OAuthToken {
    fn set(&mut self, field: Field, text: &str) {
        self.set(field, Some(SecretText::new(text)));
    }

    fn set_id(&mut self, id: &str) {
        self.set_id(Some(id));
    }

    fn id(&self) -> String {
        self.id().unwrap_or_default().to_owned()
    }

    fn texts(&self) -> Texts {
        Texts(Field::ALL.map(|field| self.fields().text(field).unwrap_or_default().to_owned()))
    }
}

/// In this process: a store, which may be wrapped in layers, and the vault below it, which imports go to.
pub(crate) struct Handle {
    pub(crate) store: Arc<dyn TokenStore>,
    pub(crate) vault: Arc<Vault>,
}

impl Way for Handle {
    type Token = OAuthToken;

    fn newcomer(&self) -> OAuthToken {
        OAuthToken::new()
    }

    fn can_take(&self, _: &OAuthToken) -> bool {
        true
    }

    async fn save(&self, token: &mut OAuthToken) -> Result<Outcome> {
        Ok(self.store.save_token(&Context::new(), token).await?.value.outcome)
    }

    async fn find(&self, token: &mut OAuthToken) -> Result<bool> {
        Ok(self.store.find_token(&Context::new(), token).await?.value)
    }

    async fn find_by_id(&self, id: &str) -> Result<Option<OAuthToken>> {
        let found = self.store.find_token_by_id(&Context::new(), id).await?.value;
        Ok(found.map(|token| OAuthToken::clone(&token)))
    }

    async fn delete(&self, id: &str) -> Result<bool> {
        Ok(self.store.delete_token(&Context::new(), id).await?.value)
    }

    async fn delete_all(&self) -> Result<usize> {
        Ok(self.store.delete_tokens(&Context::new()).await?.value)
    }

    async fn list(&self) -> Result<Vec<(String, Texts)>> {
        let tokens = self.store.get_tokens(&Context::new()).await?.value;
        Ok(tokens.iter().map(|token| (Token::id(&**token), token.texts())).collect())
    }

    async fn take_of_list(&self, at: usize) -> Result<Option<OAuthToken>> {
        let tokens = self.store.get_tokens(&Context::new()).await?.value;
        Ok(tokens.get(at).map(|token| OAuthToken::clone(token)))
    }

    async fn import(&self, rows: &[(&str, &Texts)], options: &ImportOptions<'_>) -> Result<(Effect, Told)> {
        let row = |(line, (id, texts)): (usize, &(&str, &Texts))| {
            let mut fields = Fields::default();
            for field in Field::ALL {
                fields.set(field, Some(SecretText::new(texts.at(field))));
            }
            Row { line, id: Arc::from(*id), fields: Arc::new(fields) }
        };
        let rows = Rows { rows: (1..).zip(rows).map(row).collect(), ..Rows::default() };
        let summary = import(&self.vault, &Context::new(), &rows, options).await?;
        let refused = summary.refused.iter().map(|refusal| refusal.line).collect();
        Ok((summary.effect, Told { new: summary.new, kept: summary.kept, refused }))
    }
}
