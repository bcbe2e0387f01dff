//! What each call asks of KMS, under the caller's rights.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use crate::error::ServiceError;
use crate::kms::{Right, Rules};
use crate::state::secret::Secret;
use crate::state::version::{CURRENT, PREVIOUS, Version};
use crate::world::World;
use crate::world::caller::Caller;

/// The labels whose versions follow a change of the key.
const REENCRYPTED: [&str; 3] = [CURRENT, "AWSPENDING", PREVIOUS];

impl World {
    /// A data key for a new version: the names of the keys it lies under.
    pub(crate) fn encrypt(
        &mut self,
        caller: &Caller,
        secret: &Secret,
        version: &str,
    ) -> Result<Vec<String>, ServiceError> {
        let key = secret.key.as_deref();
        self.use_key(caller, secret, version, key, Right::GenerateDataKey)?;
        if key.is_some() {
            self.use_key(caller, secret, version, key, Right::Decrypt)?;
        }
        Ok(secret.key.iter().cloned().collect())
    }

    /// Refuses a read of a version whose key does not open it.
    pub(crate) fn decrypt(&mut self, caller: &Caller, secret: &Secret, version: &Version) -> Result<(), ServiceError> {
        if version.keys.is_empty() {
            return self.use_key(caller, secret, &version.id, None, Right::Decrypt);
        }
        // Under several keys any one of them is enough.
        let mut refusal = None;
        for key in &version.keys {
            match self.use_key(caller, secret, &version.id, Some(key), Right::Decrypt) {
                Ok(()) => return Ok(()),
                Err(error) => refusal = Some(error),
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Gives the secret another key. The versions with the service's labels are encrypted anew, if the caller may; all
    /// others stay under the old key.
    pub(crate) fn change_key(
        &mut self,
        caller: &Caller,
        secret: &mut Secret,
        key: Option<String>,
    ) -> Result<(), ServiceError> {
        let new = key.clone();
        self.use_key(caller, secret, "RequestToValidateKeyAccess", new.as_deref(), Right::GenerateDataKey)?;
        self.use_key(caller, secret, "RequestToValidateKeyAccess", new.as_deref(), Right::Decrypt)?;
        let rules = self.key_rules();
        let may_encrypt = self.keys.used(new.as_deref(), &caller.access_key, Right::Encrypt, rules).is_ok();
        secret.key = key;
        if !may_encrypt {
            return Ok(());
        }
        let labelled = |version: &Arc<Version>| REENCRYPTED.iter().any(|label| version.labels.contains(*label));
        for at in 0..secret.versions.len() {
            let Some(version) = secret.versions.get(at).filter(|version| labelled(version)).cloned() else { continue };
            self.decrypt(caller, secret, &version)?;
            if let Some(version) = secret.versions.get_mut(at) {
                Arc::make_mut(version).keys = new.iter().cloned().collect();
            }
        }
        Ok(())
    }

    const fn key_rules(&self) -> Rules {
        Rules { known_only: self.switches.known_keys_only, throttled: self.switches.kms_throttle }
    }

    fn use_key(
        &mut self,
        caller: &Caller,
        secret: &Secret,
        version: &str,
        key: Option<&str>,
        right: Right,
    ) -> Result<(), ServiceError> {
        let used = self.keys.used(key, &caller.access_key, right, self.key_rules());
        let context = BTreeMap::from([("SecretARN", secret.arn.as_str()), ("SecretVersionId", version)]);
        let key = key.unwrap_or("alias/aws/secretsmanager");
        let request = json!({ "keyId": key, "encryptionContext": context });
        self.record_kms(caller, right.name(), request, used.as_ref().err());
        used
    }
}
