//! Who AWS takes this process for.

use std::time::Duration;

use aws_sdk_sts::Client;

use crate::error::{Error, ErrorKind, Result};
use crate::open::client::{Shared, shared};

/// How long that may take, credentials included: nothing waits for a name.
const PATIENCE: Duration = Duration::from_secs(3);

/// The ARN of the credentials that the SDK's default chain finds, as CloudTrail names them too: GetCallerIdentity of AWS STS,
/// which needs no right (STS API reference). `region` is that of the store, where it names one.
///
/// # Errors
/// `InvalidInput` where no Region is set; `Unavailable` where there are no credentials, or STS does not say within 3 seconds.
pub async fn arn(region: Option<&str>) -> Result<String> {
    let asking = async {
        let Shared { config, .. } = shared(region, "a store in AWS").await?;
        Client::new(&config).get_caller_identity().send().await.map_err(|cause| unknown().with_source(cause))
    };
    let answer = tokio::time::timeout(PATIENCE, asking).await.map_err(|cause| unknown().with_source(cause))??;
    answer.arn().map(str::to_owned).ok_or_else(unknown)
}

fn unknown() -> Error {
    Error::new(ErrorKind::Unavailable, "AWS STS does not say who this is")
        .with_hint("check the credentials and the way to STS, or set TOKENVAULT_PRINCIPAL to a name")
}
