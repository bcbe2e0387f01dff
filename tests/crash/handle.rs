//! The vault as the test's own process has it open.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokenvault::backend::file::{FileBackend, FileOptions, KeySource, Verification};
use tokenvault::error::Result;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;
use tokio::runtime::{Builder, Runtime};

use crate::token::{self, Texts};

/// A stored token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) texts: Texts,
}

/// What is stored, by user.
pub(crate) type Contents = BTreeMap<String, Stored>;

pub(crate) struct Handle {
    runtime: Runtime,
    file: Arc<FileBackend>,
    vault: Vault,
}

impl Handle {
    pub(crate) fn open(path: &Path, key: KeySource) -> Result<Self> {
        Self::with_options(FileOptions::new(path, key))
    }

    /// A handle with options of its own.
    pub(crate) fn with_options(options: FileOptions) -> Result<Self> {
        let file = Arc::new(FileBackend::open(options)?);
        let vault = Vault::new(Arc::clone(&file) as _);
        Ok(Self { runtime: Builder::new_current_thread().build().unwrap(), file, vault })
    }

    /// # Panics
    /// Where two tokens are of one user: nothing here saves such.
    pub(crate) fn contents(&self) -> Result<Contents> {
        let tokens = self.runtime.block_on(self.vault.get_tokens(&Context::new()))?.value;
        let mut contents = Contents::new();
        for token in tokens {
            let stored = Stored { id: token.id().unwrap().to_owned(), texts: token::of_token(&token) };
            let twin = contents.insert(token.user_name().unwrap().to_owned(), stored);
            assert!(twin.is_none(), "two tokens of one user: {:?} and {:?}", twin, token.id());
        }
        Ok(contents)
    }

    pub(crate) fn by_id(&self, id: &str) -> Result<Option<Arc<OAuthToken>>> {
        Ok(self.runtime.block_on(self.vault.find_token_by_id(&Context::new(), id))?.value)
    }

    pub(crate) fn by_user(&self, user: &str) -> Result<Option<OAuthToken>> {
        let mut token = OAuthToken::new().with(tokenvault::fields::Field::UserName, user);
        let is_found = self.runtime.block_on(self.vault.find_token(&Context::new(), &mut token))?.value;
        Ok(is_found.then_some(token))
    }

    pub(crate) fn save(&self, token: &mut OAuthToken) -> Result<()> {
        self.runtime.block_on(self.vault.save_token(&Context::new(), token)).map(drop)
    }

    pub(crate) fn delete(&self, id: &str) -> Result<bool> {
        Ok(self.runtime.block_on(self.vault.delete_token(&Context::new(), id))?.value)
    }

    pub(crate) fn rotate(&self) -> Result<u64> {
        self.runtime.block_on(self.file.rotate_key(&Context::new()))
    }

    pub(crate) fn verify(&self) -> Result<Verification> {
        self.runtime.block_on(self.file.verify(&Context::new()))
    }
}
