//! The calls that are simulated, and what sets them apart.

use std::fmt;

/// A call of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "these are the service's own names")]
pub enum Operation {
    BatchGetSecretValue,
    CreateSecret,
    DeleteResourcePolicy,
    DeleteSecret,
    DescribeSecret,
    GetRandomPassword,
    GetResourcePolicy,
    GetSecretValue,
    ListSecretVersionIds,
    ListSecrets,
    PutResourcePolicy,
    PutSecretValue,
    RestoreSecret,
    TagResource,
    UntagResource,
    UpdateSecret,
    UpdateSecretVersionStage,
}

/// Calls of the service that are known here and not simulated.
const LEFT_OUT: [&str; 9] = [
    "AssociateCrossAccountReplica",
    "CancelRotateSecret",
    "DisassociateCrossAccountReplica",
    "ListResourcePolicies",
    "RemoveRegionsFromReplication",
    "ReplicateSecretToRegions",
    "RotateSecret",
    "StopReplicationToReplica",
    "ValidateResourcePolicy",
];

impl Operation {
    /// Every call that is simulated.
    pub const ALL: [Self; 17] = [
        Self::BatchGetSecretValue,
        Self::CreateSecret,
        Self::DeleteResourcePolicy,
        Self::DeleteSecret,
        Self::DescribeSecret,
        Self::GetRandomPassword,
        Self::GetResourcePolicy,
        Self::GetSecretValue,
        Self::ListSecretVersionIds,
        Self::ListSecrets,
        Self::PutResourcePolicy,
        Self::PutSecretValue,
        Self::RestoreSecret,
        Self::TagResource,
        Self::UntagResource,
        Self::UpdateSecret,
        Self::UpdateSecretVersionStage,
    ];

    /// The service's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BatchGetSecretValue => "BatchGetSecretValue",
            Self::CreateSecret => "CreateSecret",
            Self::DeleteResourcePolicy => "DeleteResourcePolicy",
            Self::DeleteSecret => "DeleteSecret",
            Self::DescribeSecret => "DescribeSecret",
            Self::GetRandomPassword => "GetRandomPassword",
            Self::GetResourcePolicy => "GetResourcePolicy",
            Self::GetSecretValue => "GetSecretValue",
            Self::ListSecretVersionIds => "ListSecretVersionIds",
            Self::ListSecrets => "ListSecrets",
            Self::PutResourcePolicy => "PutResourcePolicy",
            Self::PutSecretValue => "PutSecretValue",
            Self::RestoreSecret => "RestoreSecret",
            Self::TagResource => "TagResource",
            Self::UntagResource => "UntagResource",
            Self::UpdateSecret => "UpdateSecret",
            Self::UpdateSecretVersionStage => "UpdateSecretVersionStage",
        }
    }

    /// By the service's name for it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// Whether the service has a call of this name that the simulator leaves out.
    pub fn is_left_out(name: &str) -> bool {
        LEFT_OUT.contains(&name)
    }

    /// Whether it changes something; CloudTrail's `readOnly` is the opposite.
    pub const fn is_write(self) -> bool {
        match self {
            Self::BatchGetSecretValue
            | Self::DescribeSecret
            | Self::GetRandomPassword
            | Self::GetResourcePolicy
            | Self::GetSecretValue
            | Self::ListSecretVersionIds
            | Self::ListSecrets => false,
            Self::CreateSecret
            | Self::DeleteResourcePolicy
            | Self::DeleteSecret
            | Self::PutResourcePolicy
            | Self::PutSecretValue
            | Self::RestoreSecret
            | Self::TagResource
            | Self::UntagResource
            | Self::UpdateSecret
            | Self::UpdateSecretVersionStage => true,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Operation;

    #[test]
    fn every_operation_is_found_by_its_name() {
        for operation in Operation::ALL {
            assert_eq!(Operation::named(operation.name()), Some(operation));
            assert!(!Operation::is_left_out(operation.name()));
        }
        assert_eq!(Operation::named("RotateSecret"), None);
        assert!(Operation::is_left_out("RotateSecret"));
    }
}
