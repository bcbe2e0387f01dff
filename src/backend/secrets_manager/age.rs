//! How long a token's secret has been as it is, by the clock of the service: those of a fleet may be minutes apart.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_secretsmanager::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_secretsmanager::error::BoxError;
use aws_sdk_secretsmanager::primitives::{DateTime, DateTimeFormat};

use crate::backend::leases::SharedRecords;
use crate::backend::secrets_manager::SecretsManagerBackend;
use crate::backend::secrets_manager::calls::Asked;
use crate::backend::secrets_manager::fault::FaultKind;
use crate::backend::secrets_manager::pace::MAX_STALE;
use crate::backend::secrets_manager::value::{self, Body};
use crate::error::{Error, ErrorKind, Result};
use crate::operation::Context;
use crate::record::Record;

/// The service's time, as the header Date of its last answer told it (RFC 9110, 6.6.1), in milliseconds since 1970.
#[derive(Clone, Debug, Default)]
pub(super) struct ServiceTime(Arc<Mutex<Option<i64>>>);

impl ServiceTime {
    pub(super) fn get(&self) -> Option<i64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for ServiceTime {
    fn name(&self) -> &'static str {
        "the service's time"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let told = context.response().headers().get("date");
        let told = told.and_then(|text| DateTime::from_str(text, DateTimeFormat::HttpDate).ok()?.to_millis().ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = told;
        Ok(())
    }
}

/// What the service says of a secret's current version.
struct Current {
    age: Duration,
    bytes: zeroize::Zeroizing<Vec<u8>>,
}

#[async_trait]
impl SharedRecords for SecretsManagerBackend {
    async fn age(&self, context: &Context, record: &Record) -> Result<Option<Duration>> {
        let asked = Asked::new(context);
        for attempt in 0..MAX_STALE {
            let Some(Current { age, bytes }) = self.current(&asked, record).await? else { return Ok(None) };
            let (_, body) = value::decode_record(record.name, &bytes)?;
            match body {
                Body::Record(told) if told.version == record.version => return Ok(Some(age)),
                // A read from before.
                Body::Record(told) if told.version.sequence < record.version.sequence => {}
                Body::Record(_) | Body::Tombstone(_) => return Ok(None),
            }
            self.calls.pace.catch_up(attempt).await;
        }
        Ok(None)
    }

    fn check_room(&self, record: &Record) -> Result<()> {
        self.tokens.check_room(record.name)
    }
}

impl SecretsManagerBackend {
    async fn current(&self, asked: &Asked<'_>, record: &Record) -> Result<Option<Current>> {
        let (secret, time) = (self.prefix.record(record.name), ServiceTime::default());
        let call = || {
            let call = self.calls.client.get_secret_value().secret_id(&secret);
            call.customize().interceptor(time.clone()).send()
        };
        let answer = match self.calls.ask(asked, "GetSecretValue", false, call).await {
            Ok((answer, _)) => answer,
            Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Doomed) => return Ok(None),
            Err(fault) => return Err(fault.explained()),
        };
        let bytes = answer.secret_binary.map(|binary| zeroize::Zeroizing::new(binary.into_inner())).unwrap_or_default();
        let written = answer.created_date.and_then(|written| written.to_millis().ok());
        let (Some(now), Some(written)) = (time.get(), written) else { return Err(timeless()) };
        // Date has whole seconds: what was written within this one lies ahead.
        let age = Duration::from_millis(u64::try_from(now.saturating_sub(written)).unwrap_or_default());
        Ok(Some(Current { age, bytes }))
    }
}

fn timeless() -> Error {
    Error::new(ErrorKind::Unsupported, "Secrets Manager told neither its time nor when the token was written")
        .with_hint("see whether a proxy takes the header Date out of its answers")
}
