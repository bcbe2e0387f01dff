//! What is written into the trail.

use serde_json::{Value, json};

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::random;
use crate::state::secret::Secret;
use crate::trail::{self, Record, What};
use crate::world::World;
use crate::world::caller::Caller;

const SECRETS_MANAGER: &str = "secretsmanager.amazonaws.com";
const KMS: &str = "kms.amazonaws.com";

impl World {
    /// A call and its outcome.
    pub(crate) fn record(
        &mut self,
        caller: &Caller,
        operation: Operation,
        body: &Value,
        answer: &Result<Value, ServiceError>,
    ) {
        let response = match answer {
            Ok(reply) if operation.is_write() && operation != Operation::CreateSecret => elements(reply),
            _ => Value::Null,
        };
        let what = What::Call {
            principal: caller.principal.clone(),
            access_key: caller.access_key.clone(),
            request_id: caller.request_id.clone(),
            read_only: !operation.is_write(),
            error: answer.as_ref().err().cloned(),
            request: trail::parameters(body),
            response,
        };
        self.write(SECRETS_MANAGER, operation.name(), what);
    }

    /// The reading of one secret within a batch, which has an entry of its own.
    pub(crate) fn record_batched(&mut self, caller: &Caller, id: &str, error: Option<&ServiceError>) {
        let answer = error.map_or(Ok(Value::Null), |error| Err(error.clone()));
        self.record(caller, Operation::GetSecretValue, &json!({ "SecretId": id }), &answer);
    }

    pub(crate) fn record_kms(&mut self, caller: &Caller, name: &str, request: Value, error: Option<&ServiceError>) {
        if !self.switches.trail {
            return;
        }
        let what = What::Call {
            principal: caller.principal.clone(),
            access_key: caller.access_key.clone(),
            request_id: caller.request_id.clone(),
            read_only: true,
            error: error.cloned(),
            request,
            response: Value::Null,
        };
        self.write(KMS, name, what);
    }

    /// What the service does by itself.
    pub(crate) fn record_service(&mut self, name: &str, secret: &Secret) {
        self.write(SECRETS_MANAGER, name, What::Service { secret: secret.arn.clone() });
    }

    fn write(&mut self, source: &'static str, name: &str, what: What) {
        if !self.switches.trail {
            return;
        }
        self.trail.add(Record {
            time: self.now,
            event_id: random::uuid(&mut self.random_of_trail),
            source,
            name: name.to_owned(),
            region: self.region.clone(),
            account: self.account.clone(),
            what,
        });
    }
}

/// Of a reply only what names things.
fn elements(reply: &Value) -> Value {
    let kept = ["ARN", "Name", "VersionId", "DeletionDate"];
    let kept = kept.iter().filter_map(|name| reply.get(name).map(|value| ((*name).to_owned(), value.clone())));
    let mut shown = trail::parameters(&Value::Object(kept.collect()));
    if let Some(members) = shown.as_object_mut()
        && let Some(arn) = members.remove("aRN")
    {
        members.insert("arn".to_owned(), arn);
    }
    shown
}
