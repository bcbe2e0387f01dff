//! Whether a caller may do what it asks for.

use crate::arn;
use crate::error::ServiceError;
use crate::iam::condition::Context;
use crate::iam::policy::Policy;
use crate::iam::verdict::Question;
use crate::operation::Operation;
use crate::state::secret::Secret;
use crate::world::World;
use crate::world::caller::Caller;

impl World {
    /// Whether the caller may do this to a secret.
    pub(crate) fn allowed(&self, caller: &Caller, operation: Operation, secret: &Secret) -> Result<(), ServiceError> {
        if !self.principals.are_enforced() {
            return Ok(());
        }
        let mut context = caller.context.clone();
        for (key, value) in &secret.tags {
            context.set(&format!("aws:ResourceTag/{key}"), [value.clone()]);
            context.set(&format!("secretsmanager:ResourceTag/{key}"), [value.clone()]);
        }
        // A policy was read when it was put there.
        let of_secret = secret.policy.as_deref().and_then(|policy| Policy::of_secret(policy).ok());
        self.asked(caller, operation, &secret.arn, of_secret.as_ref(), &context)?;
        if caller.principal.account() != self.account && secret.key.is_none() {
            return Err(ServiceError::invalid_request(
                "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS \
                 service key.",
            ));
        }
        Ok(())
    }

    /// Whether the caller may name something that is not there; who may not does not learn that.
    pub(crate) fn allowed_without_secret(
        &self,
        caller: &Caller,
        operation: Operation,
        id: &str,
    ) -> Result<(), ServiceError> {
        let resource = arn::without_secret(&self.region, &self.account, id);
        self.asked(caller, operation, &resource, None, &caller.context)
    }

    /// Whether the caller may call what names no secret: policies must grant it on `*`.
    pub(crate) fn allowed_everywhere(&self, caller: &Caller, operation: Operation) -> Result<(), ServiceError> {
        self.asked(caller, operation, "*", None, &caller.context)
    }

    fn asked(
        &self,
        caller: &Caller,
        operation: Operation,
        resource: &str,
        of_secret: Option<&Policy>,
        context: &Context,
    ) -> Result<(), ServiceError> {
        if !self.principals.are_enforced() {
            return Ok(());
        }
        let action = format!("secretsmanager:{operation}");
        let principal = caller.principal.as_ref();
        Question { principal, action: &action, resource, owner: &self.account, of_secret, context }.answered()
    }
}
