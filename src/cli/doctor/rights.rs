//! The rights on AWS, one row each.

use crate::backend::secrets_manager::SecretsManagerBackend;
use crate::backend::secrets_manager::rights::{Came, Need, Rights, Trial};
use crate::cli::doctor::check::Check;
use crate::cli::text::counted;
use crate::error::{Error, ErrorKind};
use crate::open::aws::Location;
use crate::operation::Context;

/// `key` is the KMS key to try. `is_operator`: what only an operator needs is needed, too.
pub(super) async fn checks(
    aws: &SecretsManagerBackend,
    context: &Context,
    (key, location): (Option<&str>, &Location),
    is_operator: bool,
) -> Vec<Check> {
    let region = aws.region().unwrap_or_else(|| "the Region".to_owned());
    let credentials = Check::ok("credentials", format!("AWS, {region}"), "every call");
    let rights = match aws.try_rights(context, key).await {
        Ok(answer) => answer.value,
        Err(error) => return vec![credentials.not_tried(&error)],
    };
    let Rights { trials, unasked, left_overs, left, .. } = rights;
    let mut checks = vec![match &unasked {
        Some(error) => credentials.failed(error),
        None => credentials,
    }];
    checks.extend(trials.into_iter().map(|trial| of_trial(trial, is_operator)));
    checks.push(encrypt(key));
    let own = Check::ok("what doctor leaves", format!("{}/doctor/*", location.prefix()), "nothing");
    checks.extend(match (left, left_overs) {
        (Some(secret), _) => Some(own.warning(
            format!("the secret {secret} could not be deleted; it holds nothing"),
            "run doctor again once DeleteSecret is allowed: it takes away what is left",
        )),
        (None, 0) => None,
        (None, count) => {
            Some(own.saying(format!("{} of doctors that were broken off: deleted", counted(count, "secret"))))
        }
    });
    checks
}

fn of_trial(trial: Trial, is_operator: bool) -> Check {
    let Trial { action, resource, purpose, need, came, is_put_off, .. } = trial;
    let is_optional = match need {
        Need::Always => false,
        Need::Operator => !is_operator,
        Need::Faster => true,
    };
    let check = Check::ok(action, resource, purpose);
    match came {
        Came::Granted(None) => check,
        Came::Granted(Some(how)) => check.saying(how),
        Came::Refused(error) => check.missing(&error),
        Came::NotTried(error) => check.not_tried(&error),
    }
    .optional(is_optional || is_put_off)
}

/// UpdateSecret leaves out silently what may not be encrypted, and shows it only where another key was in force before.
fn encrypt(key: Option<&str>) -> Check {
    let untold = Error::new(ErrorKind::Unsupported, "AWS does not say whether it is granted before a secret is moved")
        .with_hint("allow it on the new key before rotate-key, whose report says what was left out");
    let key = key.unwrap_or("aws/secretsmanager, the account's own").to_owned();
    Check::ok("kms:Encrypt", key, "rotate-key").not_tried(&untold).optional(true)
}
