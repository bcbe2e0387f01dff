//! What is asked, and the key that its answer is kept under.

use std::borrow::Borrow;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::fields::{Field, Fields};
use crate::intake;
use crate::lookup::LookupKey;
use crate::matching;
use crate::operation::{Answer, Context};
use crate::store::TokenStore;
use crate::token::OAuthToken;

/// No usable id has a control character in it, so no id is ever taken for the key of a lookup.
const LOOKUP: u8 = 0;

/// What an answer is kept under: the id that was asked for, or a hash of what a lookup is decided by.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key(Arc<[u8]>);

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl Key {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The id, in a key of an id.
    pub(super) fn id(&self) -> Option<&str> {
        if self.0.starts_with(&[LOOKUP]) { None } else { std::str::from_utf8(&self.0).ok() }
    }
}

/// A find of either kind.
#[derive(Debug)]
pub(super) enum Question<'a> {
    Id(&'a str),
    Lookup(&'a OAuthToken),
}

impl Question<'_> {
    /// The key's bytes for an id, where it may be one: on the way to every API call, so no more than that is looked at.
    pub(super) fn id_bytes(id: &str) -> Option<&[u8]> {
        Some(id.as_bytes()).filter(|bytes| !bytes.starts_with(&[LOOKUP]))
    }

    /// `None` where nothing is kept of it: an id that cannot be stored may be of any length.
    pub(super) fn key(&self) -> Option<Key> {
        match self {
            Self::Id(id) => intake::is_usable_id(id).then(|| Key(Arc::from(id.as_bytes()))),
            Self::Lookup(token) => Some(lookup_key(token)),
        }
    }

    /// The keys by which a record is found that the answer could be: none where an id decides.
    pub(super) fn leans_on(&self) -> Vec<LookupKey> {
        match self {
            Self::Lookup(token) if token.id().is_none() => matching::keys(token.fields()),
            _ => Vec::new(),
        }
    }

    /// Asks the store. Answers the token as it is stored, whatever else was given.
    pub(super) async fn ask(&self, store: &dyn TokenStore, context: &Context) -> Result<Found> {
        match self {
            Self::Id(id) => store.find_token_by_id(context, id).await,
            Self::Lookup(token) => {
                let mut given = OAuthToken::clone(token);
                let answer = store.find_token(context, &mut given).await?;
                Ok(answer.map(|is_there| is_there.then(|| Arc::new(given.as_stored().unwrap_or(given)))))
            }
        }
    }
}

/// What a find answers.
pub(super) type Found = Answer<Option<Arc<OAuthToken>>>;

/// The hash of what the rules of matching look at, and of nothing else. All of SHA-256, because nothing is compared again
/// on a hit.
fn lookup_key(token: &OAuthToken) -> Key {
    let given = token.fields();
    let mut hash = Sha256::new();
    if token.id().is_some() || given.get(Field::UserName).is_some() {
        absorb(&mut hash, token.id());
        absorb_fields(&mut hash, given, &[Field::UserName, Field::ClientId]);
    } else {
        // Rule 3 asks for an access token only where neither client nor secret is given.
        let has_client = [Field::ClientId, Field::ClientSecret].into_iter().any(|field| given.get(field).is_some());
        absorb_fields(&mut hash, given, &[Field::ClientId, Field::GrantToken, Field::RefreshToken]);
        absorb(&mut hash, given.text(Field::AccessToken).filter(|_| !has_client));
    }
    // In place: a hash that is handed on leaves the end of a token on the stack.
    let digest: [u8; 32] = hash.finalize_reset().into();
    let mut bytes = [LOOKUP; 33];
    bytes.split_at_mut(1).1.copy_from_slice(&digest);
    Key(Arc::from(bytes))
}

fn absorb_fields(hash: &mut Sha256, given: &Fields, fields: &[Field]) {
    for field in fields {
        absorb(hash, given.text(*field));
    }
}

/// Each text with its length before it, so that no two lists of texts are one.
fn absorb(hash: &mut Sha256, text: Option<&str>) {
    hash.update([u8::from(text.is_some())]);
    if let Some(text) = text {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_taken_for_the_key_of_a_lookup() {
        let key = Question::Lookup(&OAuthToken::new()).key().unwrap();
        assert!(key.bytes().starts_with(&[LOOKUP]) && key.id().is_none());
        assert!(Question::id_bytes("\0anything").is_none() && Question::Id("\0anything").key().is_none());
        assert_eq!(Question::Id("1").key().unwrap().id(), Some("1"));
    }
}
