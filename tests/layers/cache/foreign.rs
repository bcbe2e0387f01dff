//! A store that is not a vault's: its tokens do not remember their records.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::error::Result;
use tokenvault::fields::Field;
use tokenvault::layer::cache::Cache;
use tokenvault::layer::cache::options::CacheOptions;
use tokenvault::operation::{Answer, Context, Source};
use tokenvault::store::{Saved, TokenStore};
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use super::{alice, text, user};
use crate::going::now;

#[derive(Debug)]
struct Foreign {
    vault: Vault,
    reads: AtomicUsize,
}

impl Foreign {
    fn forget(token: &OAuthToken) -> OAuthToken {
        token.detached().with_id(token.id().unwrap_or_default())
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("foreign")
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TokenStore for Foreign {
    async fn find_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<bool>> {
        let answer = self.vault.find_token(context, token).await?;
        *token = Self::forget(token);
        Ok(answer)
    }

    async fn find_token_by_id(&self, context: &Context, id: &str) -> Result<Answer<Option<Arc<OAuthToken>>>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let answer = self.vault.find_token_by_id(context, id).await?;
        Ok(answer.map(|token| token.map(|token| Arc::new(Self::forget(&token)))))
    }

    async fn save_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<Saved>> {
        let answer = self.vault.save_token(context, token).await?;
        *token = Self::forget(token);
        Ok(answer)
    }

    async fn delete_token(&self, context: &Context, id: &str) -> Result<Answer<bool>> {
        self.vault.delete_token(context, id).await
    }

    async fn get_tokens(&self, context: &Context) -> Result<Answer<Vec<Arc<OAuthToken>>>> {
        self.vault.get_tokens(context).await
    }

    async fn delete_tokens(&self, context: &Context) -> Result<Answer<usize>> {
        self.vault.delete_tokens(context).await
    }
}

#[test]
fn a_token_that_does_not_remember_its_record_goes_through() {
    let vault = Vault::new(Arc::new(MemoryBackend::new()));
    let store = Arc::new(Foreign { vault, reads: AtomicUsize::new(0) });
    let cache = Cache::new(Arc::clone(&store) as _, CacheOptions::default());
    let context = Context::new();
    let mut unknown = user("alice");
    assert!(!now(cache.find_token(&context, &mut unknown)).unwrap().value);
    let mut saved = alice("a1");
    now(cache.save_token(&context, &mut saved)).unwrap();
    for _ in 0..2 {
        let answer = now(cache.find_token_by_id(&context, saved.id().unwrap())).unwrap();
        assert_eq!((answer.value.is_some(), answer.source), (true, Source::Store));
        let mut found = user("alice").with(Field::ApiDomain, "own");
        assert!(now(cache.find_token(&context, &mut found)).unwrap().value, "that there was none is forgotten");
        assert_eq!(text(&found, Field::AccessToken).as_deref(), Some("a1"));
        assert_eq!((text(&found, Field::ApiDomain).as_deref(), found.id()), (Some("own"), saved.id()));
    }
    assert_eq!((store.reads.load(Ordering::SeqCst), cache.statistics().entries), (2, 0));
}
