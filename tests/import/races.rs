//! Others who write while an import is decided: the import decides again, as a whole.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::backend::{Backend, Candidates, Commit};
use tokenvault::error::{Error, ErrorKind, Result};
use tokenvault::fields::Field;
use tokenvault::identity::RecordName;
use tokenvault::import::summary::Merge;
use tokenvault::import::{Ids, ImportOptions};
use tokenvault::lookup::LookupKey;
use tokenvault::operation::{Answer, Context, Operation};
use tokenvault::record::Record;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::{KEEP, field, import, node, save, seed, stored, token};

/// A backend where somebody else's save happens right before the first commit.
#[derive(Debug)]
struct Interrupted {
    inner: Arc<MemoryBackend>,
    other: OAuthToken,
    commits: AtomicUsize,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for Interrupted {
    async fn read(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        self.inner.read(context, name).await
    }

    async fn resolve(&self, context: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
        self.inner.resolve(context, keys).await
    }

    async fn commit(&self, context: &Context, commit: Commit) -> Result<Answer<()>> {
        if self.commits.fetch_add(1, Ordering::SeqCst) == 0 {
            let inner: Arc<dyn Backend> = Arc::clone(&self.inner) as _;
            save(&Vault::new(inner), self.other.clone()).await;
        }
        self.inner.commit(context, commit).await
    }

    async fn list(&self, context: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
        self.inner.list(context).await
    }

    async fn clear(&self, context: &Context) -> Result<Answer<usize>> {
        self.inner.clear(context).await
    }
}

async fn interrupted(before: &[&str], other: OAuthToken) -> (Vault, Arc<Interrupted>) {
    let inner = Arc::new(MemoryBackend::new());
    seed(&Vault::new(Arc::clone(&inner) as _), before, &KEEP).await;
    let backend = Arc::new(Interrupted { inner, other, commits: AtomicUsize::new(0) });
    (Vault::new(Arc::clone(&backend) as _), backend)
}

fn alice() -> OAuthToken {
    token(&[(Field::UserName, "alice"), (Field::ClientId, "A"), (Field::AccessToken, "live")])
}

#[tokio::test]
async fn a_user_who_signs_in_meanwhile_is_not_doubled() {
    let (vault, backend) = interrupted(&[], alice()).await;
    let summary = import(&vault, &["1,alice,A,s,r,old,,,,", "2,bob,A,s,r2,,,,,"], &KEEP).await;
    assert_eq!((summary.kept, summary.new), (vec![2], vec![3]));
    assert_eq!(stored(&vault).await.len(), 2);
    assert_eq!(field(&vault, "1", Field::AccessToken).await.as_deref(), Some("live"));
    assert_eq!(backend.commits.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_import_with_nothing_to_write_only_asks_that_what_is_there_be_kept() {
    let rows = ["1,alice,A,s,r,a1,,,,"];
    let (vault, backend) = interrupted(&rows, alice()).await;
    assert_eq!(import(&vault, &rows, &KEEP).await.unchanged, [2]);
    // One commit without changes, which conflicts with nobody.
    assert_eq!(backend.commits.load(Ordering::SeqCst), 1);
    assert_eq!(field(&vault, "1", Field::AccessToken).await.as_deref(), Some("live"));
}

#[tokio::test]
async fn an_id_that_is_taken_meanwhile_is_not_taken_twice() {
    let (vault, _) = interrupted(&[], alice().with_id("1")).await;
    let summary = import(&vault, &["1,bob,A,s,r,,,,,", "2,carl,A,s,r2,,,,,"], &KEEP).await;
    crate::assert_stopped(&summary);
    assert_eq!(stored(&vault).await.len(), 1, "all or nothing, also the second time");
}

#[tokio::test]
async fn a_record_that_is_saved_meanwhile_is_kept() {
    let (vault, _) = interrupted(&["1,alice,A,s,r,a1,,,,"], alice()).await;
    let summary = import(&vault, &["1,alice,A,s,r,a2,,,,"], &KEEP).await;
    assert_eq!((summary.kept, summary.updated), (vec![2], vec![]));
    assert_eq!(field(&vault, "1", Field::AccessToken).await.as_deref(), Some("live"));
}

#[tokio::test]
async fn without_ids_a_refresh_token_that_appears_meanwhile_is_met() {
    let other = token(&[(Field::ClientId, "A"), (Field::RefreshToken, "r")]);
    let (vault, _) = interrupted(&[], other).await;
    let options = ImportOptions { ids: Ids::New, overwrite: true, ..KEEP };
    assert_eq!(import(&vault, &["1,,A,s,r,a,,,,"], &options).await.updated, [2]);
    assert_eq!(stored(&vault).await.len(), 1);
}

#[tokio::test]
async fn a_record_without_a_client_meets_an_owner_that_appears_meanwhile() {
    let (vault, _) = interrupted(&["1,alice,,,r,,,,,"], alice().with_id("9")).await;
    let summary = import(&vault, &["1,,A,s,r,a,,,,"], &KEEP).await;
    crate::assert_stopped(&summary);
    assert_eq!(summary.merged, Vec::<Merge>::new());
    assert_eq!(stored(&vault).await.len(), 2);
}

#[tokio::test]
async fn who_never_gets_through_is_told_to_try_later() {
    /// Somebody is always faster.
    #[derive(Debug)]
    struct Busy(MemoryBackend);

    impl fmt::Display for Busy {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("busy")
        }
    }

    #[async_trait]
    impl Backend for Busy {
        async fn read(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
            self.0.read(context, name).await
        }
        async fn resolve(&self, context: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
            self.0.resolve(context, keys).await
        }
        async fn commit(&self, _: &Context, _: Commit) -> Result<Answer<()>> {
            Err(Error::conflict())
        }
        async fn list(&self, context: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
            self.0.list(context).await
        }
        async fn clear(&self, context: &Context) -> Result<Answer<usize>> {
            self.0.clear(context).await
        }
    }

    let vault = Vault::new(Arc::new(Busy(MemoryBackend::new())));
    let rows = node(&["1,alice,A,s,r,,,,,"]);
    let error = tokenvault::import::import(&vault, &Context::new(), &rows, &KEEP).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation(), error.store()),
        (ErrorKind::Busy, Some(Operation::Import), Some("busy"))
    );
}
