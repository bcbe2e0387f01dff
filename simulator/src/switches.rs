//! What can be set, above all where the service's own behaviour is not known.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::kms::Throttled;
use crate::throttle::Group;

/// How far reads lag behind writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Staleness {
    /// Every read sees every write.
    #[default]
    Off,
    /// Each call meets a replica with a lag drawn at random, up to the bound.
    Lagging,
    /// Each secret of each call is shown in any state it had within the bound, drawn at random: reads go back and forth.
    Adversarial,
    /// Every read is as stale as the bound allows.
    Stalest,
}

/// The code with which a label move fails that names the wrong version; the documentation does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mismatch {
    /// `InvalidParameterException`.
    #[default]
    InvalidParameter,
    /// `InvalidRequestException`.
    InvalidRequest,
}

/// What UpdateSecret does with a token that is a version already; the documentation says both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateToken {
    /// Always an error.
    #[default]
    Refused,
    /// Success where the value is the same, as PutSecretValue does it.
    Idempotent,
}

/// Everything that can be changed while the simulator runs. The rules that the service documents are always on; what is
/// random or slow is off in [`Switches::default`] and on in [`Switches::strict`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Switches {
    /// Versions of one secret.
    pub version_limit: usize,
    /// How old an unlabelled version has to be before it may be removed.
    #[serde(with = "seconds")]
    pub version_age: Duration,
    /// Staging labels over all versions of one secret.
    pub label_limit: usize,
    /// Secrets of the account.
    pub secret_limit: usize,
    /// Tags of one secret.
    pub tag_limit: usize,
    /// How reads lag.
    pub staleness: Staleness,
    /// By how much GetSecretValue, DescribeSecret and their like may lag.
    #[serde(with = "seconds")]
    pub read_lag: Duration,
    /// By how much ListSecrets and filtered batches may lag.
    #[serde(with = "seconds")]
    pub list_lag: Duration,
    /// How many pages in a hundred come empty, with a NextToken.
    pub empty_pages: u8,
    /// The code of a label move that names the wrong version.
    pub mismatch: Mismatch,
    /// Reused tokens of UpdateSecret.
    pub update_token: UpdateToken,
    /// The longest that a forced deletion takes; the shortest is a second, or this.
    #[serde(with = "seconds")]
    pub force_delete: Duration,
    /// The longest that a secret stays after its recovery window.
    #[serde(with = "seconds")]
    pub purge: Duration,
    /// Whether rates are limited.
    pub throttle: bool,
    /// Rates other than the documented ones, in calls a second.
    pub rates: BTreeMap<Group, u32>,
    /// How many seconds' worth of calls may come at once.
    #[serde(with = "seconds")]
    pub burst: Duration,
    /// Whether events are kept; long runs may do without.
    pub trail: bool,
    /// After how long CloudTrail shows an event.
    #[serde(with = "seconds")]
    pub trail_delay: Duration,
    /// Whether a KMS key must be in the table to be used; else any name is a key that works.
    pub known_keys_only: bool,
    /// How a throttled KMS call shows.
    pub kms_throttle: Throttled,
}

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Switches {
    fn default() -> Self {
        Self {
            version_limit: 100,
            version_age: DAY,
            label_limit: 20,
            secret_limit: 500_000,
            tag_limit: 50,
            staleness: Staleness::Off,
            read_lag: 5 * SECOND,
            list_lag: 300 * SECOND,
            empty_pages: 0,
            mismatch: Mismatch::default(),
            update_token: UpdateToken::default(),
            force_delete: 120 * SECOND,
            purge: DAY,
            throttle: false,
            rates: BTreeMap::new(),
            burst: SECOND,
            trail: true,
            trail_delay: 300 * SECOND,
            known_keys_only: true,
            kms_throttle: Throttled::default(),
        }
    }
}

impl Switches {
    /// All that the service may do to a client, by the seed: lagging reads, empty pages, limited rates.
    pub fn strict() -> Self {
        Self { staleness: Staleness::Lagging, empty_pages: 20, throttle: true, ..Self::default() }
    }
}

/// Durations as seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_read_back_as_written() {
        let strict = Switches::strict();
        let text = serde_json::to_string(&strict).unwrap();
        assert_eq!(serde_json::from_str::<Switches>(&text).unwrap(), strict);
        let partly: Switches = serde_json::from_str(r#"{ "read-lag": 0.25, "staleness": "stalest" }"#).unwrap();
        assert_eq!((partly.read_lag, partly.staleness), (Duration::from_millis(250), Staleness::Stalest));
        assert!(serde_json::from_str::<Switches>(r#"{ "reed-lag": 1 }"#).is_err());
    }
}
