//! Whether a call is allowed: an explicit deny wins, then an allow, else nothing is allowed.

use crate::error::ServiceError;
use crate::iam::condition::{Context, matches};
use crate::iam::policy::{Patterns, Policy, Statement};
use crate::iam::principal::Principal;

/// What is asked: may this principal do this to that?
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) principal: &'a Principal,
    /// `secretsmanager:GetSecretValue`.
    pub(crate) action: &'a str,
    /// The secret's ARN, or `*` for calls that name none.
    pub(crate) resource: &'a str,
    /// The account that owns the secret.
    pub(crate) owner: &'a str,
    /// The secret's own policy.
    pub(crate) of_secret: Option<&'a Policy>,
    pub(crate) context: &'a Context,
}

impl Question<'_> {
    /// # Errors
    ///
    /// `AccessDeniedException`, naming principal, action and resource.
    pub(crate) fn answered(&self) -> Result<(), ServiceError> {
        let own = self.principal.policies.iter().flat_map(|policy| &policy.statements);
        let own: Vec<&Statement> = own.filter(|statement| self.concerns(statement)).collect();
        let of_secret = self.of_secret.iter().flat_map(|policy| &policy.statements);
        let of_secret: Vec<&Statement> = of_secret.filter(|statement| self.concerns(statement)).collect();
        if own.iter().any(|statement| !statement.allows) {
            return Err(self.denied("with an explicit deny in an identity-based policy"));
        }
        if of_secret.iter().any(|statement| !statement.allows) {
            return Err(self.denied("with an explicit deny in a resource-based policy"));
        }
        let is_own_account = self.principal.account() == self.owner;
        match (own.is_empty(), of_secret.is_empty()) {
            (false, false) => Ok(()),
            (false, true) | (true, false) if is_own_account => Ok(()),
            (true, _) => {
                Err(self.denied(&format!("because no identity-based policy allows the {} action", self.action)))
            }
            (false, true) => {
                Err(self.denied(&format!("because no resource-based policy allows the {} action", self.action)))
            }
        }
    }

    fn denied(&self, why: &str) -> ServiceError {
        ServiceError::new(
            "AccessDeniedException",
            format!(
                "User: {} is not authorized to perform: {} on resource: {} {why}",
                self.principal.arn, self.action, self.resource
            ),
        )
    }

    fn concerns(&self, statement: &Statement) -> bool {
        let principal = |named: &Vec<String>| {
            let names = self.principal.names();
            named.iter().any(|named| named == "*" || names.contains(named))
        };
        statement.principals.as_ref().is_none_or(principal)
            && self.fits(&statement.actions, self.action, true)
            && statement.resources.as_ref().is_none_or(|resources| self.fits(resources, self.resource, false))
            && statement.conditions.iter().all(|condition| condition.holds(self.context))
    }

    fn fits(&self, patterns: &Patterns, text: &str, folded: bool) -> bool {
        let fits = |pattern: &String| match self.context.filled(pattern) {
            Some(pattern) if folded => matches(&pattern.to_lowercase(), &text.to_lowercase()),
            Some(pattern) => matches(&pattern, text),
            None => false,
        };
        patterns.patterns.iter().any(fits) != patterns.negated
    }
}
