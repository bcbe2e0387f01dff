//! What can be ordered below `/_simulator`, as JSON.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::faults::Fault;
use crate::gate::Failure;
use crate::iam::policy::Policy;
use crate::iam::principal::Principal;
use crate::kms::{KeyState, Keys, Right};
use crate::operation::Operation;

/// `POST clock/advance`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Advance {
    pub(crate) seconds: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FailureName {
    ConnectionLost,
    TimedOut,
    InternalServiceError,
    Throttled,
}

/// `POST faults`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FaultOrder {
    failure: FailureName,
    operation: Option<String>,
    #[serde(default)]
    writes: bool,
    secret: Option<String>,
    #[serde(default)]
    after_effect: bool,
    skip: Option<u64>,
    times: Option<u64>,
    percent: Option<u8>,
}

impl FaultOrder {
    pub(crate) fn fault(self) -> Result<Fault, String> {
        let mut fault = Fault::new(match self.failure {
            FailureName::ConnectionLost => Failure::ConnectionLost,
            FailureName::TimedOut => Failure::TimedOut,
            FailureName::InternalServiceError => Failure::InternalServiceError,
            FailureName::Throttled => Failure::Throttled,
        });
        if let Some(name) = self.operation {
            fault = fault.on(Operation::named(&name).ok_or_else(|| format!("{name} is not simulated"))?);
        }
        if self.writes {
            fault = fault.on_writes();
        }
        if let Some(secret) = self.secret {
            fault = fault.of_secret(secret);
        }
        if self.after_effect {
            fault = fault.after_effect();
        }
        let fault = fault.skip(self.skip.unwrap_or(0)).times(self.times.unwrap_or(u64::MAX));
        Ok(fault.percent(self.percent.unwrap_or(100)))
    }
}

/// `POST keys`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct KeyOrder {
    id: String,
    state: Option<StateName>,
    alias: Option<String>,
    /// Rights by access key.
    #[serde(default)]
    allow: BTreeMap<String, Vec<RightName>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StateName {
    Enabled,
    Disabled,
    PendingDeletion,
}

#[derive(Debug, Deserialize)]
enum RightName {
    Decrypt,
    Encrypt,
    GenerateDataKey,
}

impl KeyOrder {
    pub(crate) fn carry_out(self, keys: &mut Keys) {
        if !keys.holds(&self.id) {
            keys.create(self.id.as_str());
        }
        if let Some(state) = self.state {
            let state = match state {
                StateName::Enabled => KeyState::Enabled,
                StateName::Disabled => KeyState::Disabled,
                StateName::PendingDeletion => KeyState::PendingDeletion,
            };
            keys.set(&self.id, state);
        }
        if let Some(alias) = self.alias {
            keys.alias(alias, self.id.as_str());
        }
        for (access_key, rights) in self.allow {
            let rights = rights.into_iter().map(|right| match right {
                RightName::Decrypt => Right::Decrypt,
                RightName::Encrypt => Right::Encrypt,
                RightName::GenerateDataKey => Right::GenerateDataKey,
            });
            keys.allow(&self.id, access_key, rights);
        }
    }
}

/// `POST principals`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PrincipalOrder {
    pub(crate) access_key: String,
    arn: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Policy documents, as JSON objects.
    #[serde(default)]
    policies: Vec<Value>,
}

impl PrincipalOrder {
    pub(crate) fn principal(&self) -> Result<Principal, String> {
        let mut principal = Principal::new(self.arn.as_str());
        for (key, value) in &self.tags {
            principal = principal.tag(key.as_str(), value.as_str());
        }
        for policy in &self.policies {
            principal = principal.policy(Policy::parse(&policy.to_string())?);
        }
        Ok(principal)
    }
}
