//! The measuring layer: how often what was asked, how it ended, and how long that took. Outside the audit layer, so that its
//! time is what callers wait, lines included.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::audit::line::Ending;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::operation::{Answer, Context, Operation};
use crate::store::{Saved, TokenStore};
use crate::token::OAuthToken;

/// A store whose calls are counted and timed.
#[derive(Debug)]
pub struct Measured {
    inner: Arc<dyn TokenStore>,
    metrics: Arc<Metrics>,
}

impl Measured {
    /// Measures the calls of `inner`.
    pub fn new(inner: Arc<dyn TokenStore>, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }

    async fn measure<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<Answer<T>>>,
        is_found: impl FnOnce(&T) -> bool,
    ) -> Result<Answer<T>> {
        let begun = self.metrics.begin(operation);
        let answer = call.await;
        match &answer {
            Ok(found) if is_found(&found.value) => begun.end(Ending::Ok, Some(found.source)),
            Ok(found) => begun.end(Ending::NotFound, Some(found.source)),
            Err(error) => begun.end(Ending::of(error.kind()), None),
        }
        answer
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "measure({})", self.inner)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TokenStore for Measured {
    async fn find_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<bool>> {
        self.measure(Operation::FindToken, self.inner.find_token(context, token), |is_found| *is_found).await
    }

    async fn find_token_by_id(&self, context: &Context, id: &str) -> Result<Answer<Option<Arc<OAuthToken>>>> {
        let call = self.inner.find_token_by_id(context, id);
        self.measure(Operation::FindTokenById, call, Option::is_some).await
    }

    async fn save_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<Saved>> {
        self.measure(Operation::SaveToken, self.inner.save_token(context, token), |_| true).await
    }

    async fn delete_token(&self, context: &Context, id: &str) -> Result<Answer<bool>> {
        self.measure(Operation::DeleteToken, self.inner.delete_token(context, id), |is_found| *is_found).await
    }

    async fn get_tokens(&self, context: &Context) -> Result<Answer<Vec<Arc<OAuthToken>>>> {
        self.measure(Operation::GetTokens, self.inner.get_tokens(context), |_| true).await
    }

    async fn delete_tokens(&self, context: &Context) -> Result<Answer<usize>> {
        self.measure(Operation::DeleteTokens, self.inner.delete_tokens(context), |_| true).await
    }
}
