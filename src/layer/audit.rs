//! The audit layer: every call of a store leaves a line, hit or miss or error. The outermost layer, so that a token from
//! a cache has its line too.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::audit::facts::{Facts, Subject};
use crate::audit::line::Ending;
use crate::audit::recorder::Recorder;
use crate::error::{Error, ErrorKind, Result};
use crate::operation::{Answer, Context, Operation};
use crate::store::{Outcome, Saved, TokenStore};
use crate::token::OAuthToken;

/// A store whose calls leave lines.
///
/// # Security
/// Where lines are required ([`Mode::Required`](crate::audit::recorder::Mode::Required)), a token that was to be handed
/// out is dropped when its line is not taken, and what the caller gave is left as it was given. What was refreshed under a
/// lease is saved all the same.
#[derive(Debug)]
pub struct Audited {
    inner: Arc<dyn TokenStore>,
    recorder: Arc<Recorder>,
}

impl Audited {
    /// Records the calls of `inner`.
    pub fn new(inner: Arc<dyn TokenStore>, recorder: Arc<Recorder>) -> Self {
        Self { inner, recorder }
    }

    /// A lease is granted only where the line of who gets it will be taken, as far as can be known.
    fn before_leases(&self, context: &Context) -> Context {
        context.clone().with_readiness(Arc::clone(&self.recorder) as _)
    }
}

impl fmt::Display for Audited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "audit({})", self.inner)
    }
}

/// What any answer says; `describe` adds what this one holds.
fn facts<'t, T>(answer: &'t Result<Answer<T>>, describe: impl FnOnce(&'t T, Facts<'t>) -> Facts<'t>) -> Facts<'t> {
    match answer {
        Ok(answer) => describe(&answer.value, Facts { source: Some(answer.source), ..Facts::of(Ending::Ok) }),
        Err(error) => Facts::of_error(error.kind()),
    }
}

fn found(is_found: bool) -> Ending {
    if is_found { Ending::Ok } else { Ending::NotFound }
}

fn error_of<T>(answer: &Result<T>) -> Option<ErrorKind> {
    answer.as_ref().err().map(Error::kind)
}

fn subject(token: &OAuthToken) -> Subject<'_> {
    Subject::Token { id: token.id(), user: token.user_name() }
}

/// What there is to say of a token that was found or saved.
fn of_token<'t>(token: &'t OAuthToken, facts: Facts<'t>) -> Facts<'t> {
    let record = token.base().map(|base| base.record);
    Facts { token: token.id(), record, user: token.user_name(), ..facts }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TokenStore for Audited {
    async fn find_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<bool>> {
        let mut own = token.clone();
        let context = self.before_leases(context);
        let mut entry = self.recorder.enter(context, Operation::FindToken, subject(token)).await?;
        let answer = self.inner.find_token(entry.context(), &mut own).await;
        let facts =
            facts(
                &answer,
                |is_found, facts| {
                    if *is_found { of_token(&own, facts) } else { Facts { ending: Ending::NotFound, ..facts } }
                },
            );
        entry.leave(&facts, error_of(&answer)).await?;
        drop(entry);
        let answer = answer?;
        *token = own;
        Ok(answer)
    }

    async fn find_token_by_id(&self, context: &Context, id: &str) -> Result<Answer<Option<Arc<OAuthToken>>>> {
        let context = self.before_leases(context);
        let mut entry = self.recorder.enter(context, Operation::FindTokenById, Subject::Id(id)).await?;
        let answer = self.inner.find_token_by_id(entry.context(), id).await;
        let facts = facts(&answer, |token, facts| match token {
            Some(token) => of_token(token, facts),
            None => Facts { ending: Ending::NotFound, ..facts },
        });
        entry.leave(&facts, error_of(&answer)).await?;
        answer
    }

    async fn save_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<Saved>> {
        let mut own = token.clone();
        let context = match token.lease() {
            Some(_) => context.clone().under_lease(),
            None => context.clone(),
        };
        let mut entry = self.recorder.enter(context, Operation::SaveToken, subject(token)).await?;
        let answer = self.inner.save_token(entry.context(), &mut own).await;
        let facts = facts(&answer, |saved, facts| {
            let did = match saved.outcome {
                Outcome::Inserted => "inserted",
                Outcome::Updated => "updated",
                Outcome::Superseded => "superseded",
            };
            Facts { did: Some(did), ..of_token(&own, facts) }
        });
        entry.leave(&facts, error_of(&answer)).await?;
        drop(entry);
        let answer = answer?;
        *token = own;
        Ok(answer)
    }

    async fn delete_token(&self, context: &Context, id: &str) -> Result<Answer<bool>> {
        let mut entry = self.recorder.enter(context.clone(), Operation::DeleteToken, Subject::Id(id)).await?;
        let answer = self.inner.delete_token(entry.context(), id).await;
        let facts = facts(&answer, |is_found, facts| Facts { ending: found(*is_found), is_token: *is_found, ..facts });
        entry.leave(&facts, error_of(&answer)).await?;
        answer
    }

    async fn get_tokens(&self, context: &Context) -> Result<Answer<Vec<Arc<OAuthToken>>>> {
        let mut entry = self.recorder.enter(context.clone(), Operation::GetTokens, Subject::All).await?;
        let answer = self.inner.get_tokens(entry.context()).await;
        let facts = facts(&answer, |tokens, facts| Facts { count: Some(tokens.len()), ..facts });
        entry.leave(&facts, error_of(&answer)).await?;
        answer
    }

    async fn delete_tokens(&self, context: &Context) -> Result<Answer<usize>> {
        let mut entry = self.recorder.enter(context.clone(), Operation::DeleteTokens, Subject::All).await?;
        let answer = self.inner.delete_tokens(entry.context()).await;
        let facts = facts(&answer, |count, facts| Facts { count: Some(*count), ..facts });
        entry.leave(&facts, error_of(&answer)).await?;
        answer
    }
}
