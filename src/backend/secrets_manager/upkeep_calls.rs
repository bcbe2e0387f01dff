//! The calls that only upkeep makes: what a secret is under, which versions it has, and what is there at all.

use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretVersionsListEntry};

use crate::backend::secrets_manager::calls::{Asked, Calls, told_at};
use crate::backend::secrets_manager::fault::FaultKind;
use crate::clock::Timestamp;
use crate::error::Result;

/// What a secret is under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    /// As AWS words it; none is the account's `aws/secretsmanager`.
    pub(super) kms_key_id: Option<String>,
    pub(super) is_doomed: bool,
    /// When it was made, by the service's clock.
    pub(super) created: Option<Timestamp>,
}

/// What came of a change to a secret that is no new version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    Done,
    Absent,
    Doomed,
}

/// A version as it is listed.
#[derive(Clone, Debug)]
pub(super) struct ListedVersion {
    pub(super) id: String,
    pub(super) labels: Vec<String>,
    pub(super) keys: Vec<String>,
}

/// A secret as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListedSecret {
    pub(super) name: String,
    pub(super) is_doomed: bool,
}

impl Calls {
    /// What a secret is under; `None` where there is none.
    pub(super) async fn describe(&self, asked: &Asked<'_>, secret: &str) -> Result<Option<Described>> {
        let call = || self.client.describe_secret().secret_id(secret).send();
        match self.ask(asked, "DescribeSecret", false, call).await {
            Ok((told, _)) => {
                let (is_doomed, created) = (told.deleted_date.is_some(), told.created_date.as_ref().and_then(told_at));
                Ok(Some(Described { kms_key_id: told.kms_key_id, is_doomed, created }))
            }
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
            Err(fault) => Err(fault.explained()),
        }
    }

    /// Puts a secret under another key. That makes no version: the current and the previous one are encrypted anew under
    /// their own ids, where the caller may encrypt under the new key, and are left as they are where it may not (API
    /// reference, UpdateSecret).
    pub(super) async fn set_key(&self, asked: &Asked<'_>, secret: &str, key: &str) -> Result<Changed> {
        let call = || self.client.update_secret().secret_id(secret).kms_key_id(key).send();
        match self.ask(asked, "UpdateSecret", true, call).await {
            Ok(_) => Ok(Changed::Done),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(Changed::Absent),
            Err(fault) if fault.kind == FaultKind::Doomed => Ok(Changed::Doomed),
            Err(fault) => Err(fault.explained()),
        }
    }

    /// Every version of a secret, those without a label as well; none where there is no secret. Paced as a write: AWS
    /// gives listings no more than those.
    pub(super) async fn versions(&self, asked: &Asked<'_>, secret: &str) -> Result<Vec<ListedVersion>> {
        let (mut all, mut next) = (Vec::new(), None);
        loop {
            let call = || {
                let call = self.client.list_secret_version_ids().secret_id(secret).include_deprecated(true);
                call.set_next_token(next.clone()).send()
            };
            let page = match self.ask(asked, "ListSecretVersionIds", true, call).await {
                Ok((page, _)) => page,
                Err(fault) if fault.kind == FaultKind::NotFound => return Ok(Vec::new()),
                Err(fault) => return Err(fault.explained()),
            };
            all.extend(page.versions.unwrap_or_default().into_iter().map(listed));
            next = page.next_token;
            if next.is_none() {
                return Ok(all);
            }
        }
    }

    /// Every secret whose name begins so, those that are scheduled for deletion as well; `None` where listing is not
    /// granted. What changed within five minutes may be missing (API reference, ListSecrets).
    pub(super) async fn secrets(&self, asked: &Asked<'_>, beginning: &str) -> Result<Option<Vec<ListedSecret>>> {
        let filter = Filter::builder().key(FilterNameStringType::Name).values(beginning).build();
        let (mut all, mut next) = (Vec::new(), None);
        loop {
            let call = || {
                let call = self.client.list_secrets().include_planned_deletion(true).filters(filter.clone());
                call.max_results(100).set_next_token(next.clone()).send()
            };
            let page = match self.ask(asked, "ListSecrets", true, call).await {
                Ok((page, _)) => page,
                Err(fault) if fault.kind == FaultKind::Denied => return Ok(None),
                Err(fault) => return Err(fault.explained()),
            };
            for secret in page.secret_list.unwrap_or_default() {
                let is_doomed = secret.deleted_date.is_some();
                all.extend(secret.name.map(|name| ListedSecret { name, is_doomed }));
            }
            next = page.next_token;
            if next.is_none() {
                // The filter's prefix may be matched more widely than is meant.
                all.retain(|secret| secret.name.starts_with(beginning));
                return Ok(Some(all));
            }
        }
    }

    /// Takes a secret back that is scheduled for deletion. Answers whether there was one.
    pub(super) async fn restore(&self, asked: &Asked<'_>, secret: &str) -> Result<bool> {
        let call = || self.client.restore_secret().secret_id(secret).send();
        match self.ask(asked, "RestoreSecret", true, call).await {
            Ok(_) => Ok(true),
            // One that was deleted by force cannot be restored, while it is on its way out.
            Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Doomed) => Ok(false),
            Err(fault) => Err(fault.explained()),
        }
    }

    /// Deletes a secret for good; one that is gone is left so.
    pub(super) async fn purge(&self, asked: &Asked<'_>, secret: &str) -> Result<()> {
        let call = || self.client.delete_secret().secret_id(secret).force_delete_without_recovery(true).send();
        match self.ask(asked, "DeleteSecret", true, call).await {
            Ok(_) => Ok(()),
            Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Doomed) => Ok(()),
            Err(fault) => Err(fault.explained()),
        }
    }
}

fn listed(entry: SecretVersionsListEntry) -> ListedVersion {
    ListedVersion {
        id: entry.version_id.unwrap_or_default(),
        labels: entry.version_stages.unwrap_or_default(),
        keys: entry.kms_key_ids.unwrap_or_default(),
    }
}
