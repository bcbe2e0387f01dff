//! Which of a secret's versions have the labels that the service keeps.

use crate::backend::secrets_manager::calls::{Asked, Calls};
use crate::backend::secrets_manager::fault::FaultKind;
use crate::backend::secrets_manager::version::VersionId;
use crate::error::Result;

/// The versions that a secret's labels are on; none where there is no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) current: Option<VersionId>,
    pub(super) previous: Option<VersionId>,
}

impl Calls {
    /// Asks DescribeSecret, which is as fresh as the service gets (API reference, ListSecrets).
    pub(super) async fn labels(&self, asked: &Asked<'_>, secret: &str) -> Result<Labels> {
        let call = || self.client.describe_secret().secret_id(secret).send();
        let stages = match self.ask(asked, "DescribeSecret", false, call).await {
            Ok((told, _)) => told.version_ids_to_stages.unwrap_or_default(),
            Err(fault) if fault.kind == FaultKind::NotFound => return Ok(Labels::default()),
            Err(fault) => return Err(fault.explained()),
        };
        let labelled = |label: &str| {
            let mut with_label = stages.iter().filter(|(_, labels)| labels.iter().any(|other| other == label));
            with_label.next().map(|(id, _)| VersionId::told(id))
        };
        Ok(Labels { current: labelled("AWSCURRENT"), previous: labelled("AWSPREVIOUS") })
    }
}
