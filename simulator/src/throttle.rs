//! Rates: a bucket of tokens for each group of calls, for the account as a whole.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::ServiceError;
use crate::operation::Operation;

/// Calls that share a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// BatchGetSecretValue.
    Batch,
    /// CreateSecret.
    Create,
    /// DeleteSecret.
    Delete,
    /// DescribeSecret.
    Describe,
    /// GetSecretValue.
    Get,
    /// ListSecrets and ListSecretVersionIds.
    List,
    /// GetRandomPassword.
    Password,
    /// Calls for resource policies.
    Policy,
    /// PutSecretValue, UpdateSecret and UpdateSecretVersionStage.
    Put,
    /// RestoreSecret.
    Restore,
    /// TagResource and UntagResource.
    Tag,
}

impl Group {
    pub(crate) const fn of(operation: Operation) -> Self {
        match operation {
            Operation::BatchGetSecretValue => Self::Batch,
            Operation::CreateSecret => Self::Create,
            Operation::DeleteSecret => Self::Delete,
            Operation::DescribeSecret => Self::Describe,
            Operation::GetSecretValue => Self::Get,
            Operation::ListSecrets | Operation::ListSecretVersionIds => Self::List,
            Operation::GetRandomPassword => Self::Password,
            Operation::DeleteResourcePolicy | Operation::GetResourcePolicy | Operation::PutResourcePolicy => {
                Self::Policy
            }
            Operation::PutSecretValue | Operation::UpdateSecret | Operation::UpdateSecretVersionStage => Self::Put,
            Operation::RestoreSecret => Self::Restore,
            Operation::TagResource | Operation::UntagResource => Self::Tag,
        }
    }

    /// Calls in a second, as the service documents them.
    pub const fn rate(self) -> u32 {
        match self {
            Self::Get => 10_000,
            Self::Describe => 40_000,
            Self::Batch => 100,
            Self::Create
            | Self::Delete
            | Self::List
            | Self::Password
            | Self::Policy
            | Self::Put
            | Self::Restore
            | Self::Tag => 50,
        }
    }
}

/// What is left of each group's rate, in thousandths of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buckets(BTreeMap<Group, Bucket>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u64,
    at: Timestamp,
}

const CALL: u64 = 1000;

impl Buckets {
    /// Takes a call's worth from its bucket, which is full at first.
    ///
    /// # Errors
    ///
    /// The bucket is empty.
    pub(crate) fn take(
        &mut self,
        group: Group,
        rate: u32,
        burst: Duration,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        // A rate of n calls in a second is n thousandths of a call in a millisecond.
        let worth =
            |time: Duration| u64::from(rate).saturating_mul(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let most = worth(burst);
        let bucket = self.0.entry(group).or_insert(Bucket { left: most, at: now });
        bucket.left = bucket.left.saturating_add(worth(now.since(bucket.at))).min(most);
        bucket.at = now;
        bucket.left = bucket.left.checked_sub(CALL).ok_or_else(ServiceError::throttled)?;
        Ok(())
    }
}
