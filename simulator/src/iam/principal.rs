//! Principals: who stands behind an access key.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::iam::policy::Policy;

/// A user, or the session of a role.
#[derive(Clone, Debug)]
pub struct Principal {
    pub(crate) arn: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) policies: Vec<Policy>,
}

impl Principal {
    /// A principal without any right: `arn:aws:iam::123456789012:user/alice`, or
    /// `arn:aws:sts::123456789012:assumed-role/vault/session`.
    pub fn new(arn: impl Into<String>) -> Self {
        Self { arn: arn.into(), tags: BTreeMap::new(), policies: Vec::new() }
    }

    /// Adds a tag, for `aws:PrincipalTag/KEY`.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// Adds an identity-based policy.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// The account in the ARN.
    pub(crate) fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }

    /// The ARN that policies name: for the session of a role also the role's.
    pub(crate) fn names(&self) -> Vec<String> {
        let role = self.arn.split_once(":assumed-role/").and_then(|(_, role)| role.split('/').next());
        let role = role.map(|role| format!("arn:aws:iam::{}:role/{role}", self.account()));
        [Some(self.arn.clone()), role, Some(format!("arn:aws:iam::{}:root", self.account()))]
            .into_iter()
            .flatten()
            .chain([self.account().to_owned()])
            .collect()
    }
}

/// The principals by access key.
#[derive(Clone, Debug, Default)]
pub struct Principals {
    by_key: BTreeMap<String, Arc<Principal>>,
}

impl Principals {
    /// Puts a principal behind an access key. From the first one on, keys without a principal are refused and nothing
    /// is allowed that no policy allows.
    pub fn insert(&mut self, access_key: impl Into<String>, principal: Principal) {
        self.by_key.insert(access_key.into(), Arc::new(principal));
    }

    pub(crate) fn are_enforced(&self) -> bool {
        !self.by_key.is_empty()
    }

    pub(crate) fn of(&self, access_key: &str) -> Option<Arc<Principal>> {
        self.by_key.get(access_key).cloned()
    }
}
