//! Where a vault lies in AWS Secrets Manager, and the client that reaches it.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;

use crate::backend::secrets_manager::naming::{Prefix, is_kms_key_id};
use crate::backend::secrets_manager::{SecretsManagerBackend, SecretsManagerOptions};
use crate::error::{Error, Result};
use crate::open::client::{Shared, is_endpoint, is_region, read_parameters, shared};
use crate::operation::Context;

/// How old a copy may be made to be, in seconds: a minute to a day.
const COPY_AGES: std::ops::RangeInclusive<u64> = 60..=86_400;

/// How old a copy must be let become where one process alone uses the vault: an access token lives for an hour, the copy may be
/// 15 minutes old when it begins (where it is read that often, with the right to list), and where the provider does not answer
/// there are attempts for as long again. With less the copy, or what the journal has of the token, would be too old just when the token is to be refreshed.
const AGE_WHERE_ALONE: Duration = Duration::from_mins(90);

/// A vault in Secrets Manager: `PREFIX?region=REGION&kms_key_id=KEY&endpoint=URL`, the parameters as needed; and, for the
/// time that AWS is out of reach, a copy of it, and a journal of what is written: `&fallback=file:PATH&fallback_age=SECONDS`,
/// `&journal=file:PATH`, and `&writers=one` where one process alone uses the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    given: String,
    prefix: Prefix,
    region: Option<String>,
    kms_key_id: Option<String>,
    endpoint: Option<String>,
    fallback: Option<String>,
    fallback_age: Option<String>,
    journal: Option<String>,
    writers: Option<String>,
}

/// What reaches a vault, and the address that no other vault of the account has.
pub(super) struct Reached {
    pub(super) backend: SecretsManagerBackend,
    pub(super) address: String,
}

impl Location {
    /// Reads what follows `aws:`. Values of parameters may be percent-encoded (RFC 3986).
    ///
    /// # Errors
    /// `InvalidInput` for a prefix that cannot begin a secret's name, and for parameters that are unknown, doubled,
    /// empty, or of another form than AWS gives them.
    pub fn parse(text: &OsStr) -> Result<Self> {
        let given = text.to_str().ok_or_else(|| Error::invalid("the store in AWS is not named in UTF-8"))?;
        let (prefix, parameters) = given.split_once('?').unwrap_or((given, ""));
        let mut location = Self {
            given: given.to_owned(),
            prefix: Prefix::parse(prefix)?,
            region: None,
            kms_key_id: None,
            endpoint: None,
            fallback: None,
            fallback_age: None,
            journal: None,
            writers: None,
        };
        let known = [
            ("region", &mut location.region, is_region as fn(&str) -> bool),
            ("kms_key_id", &mut location.kms_key_id, is_kms_key_id),
            ("endpoint", &mut location.endpoint, is_endpoint),
            ("fallback", &mut location.fallback, |text| file_of(text).is_some()),
            ("fallback_age", &mut location.fallback_age, |text| copy_age(text).is_some()),
            ("journal", &mut location.journal, |text| file_of(text).is_some()),
            ("writers", &mut location.writers, |text| text == "one"),
        ];
        read_parameters(parameters, known, "the store in AWS").map_err(|error| error.with_hint(EXAMPLE))?;
        location.check()?;
        Ok(location)
    }

    fn check(&self) -> Result<()> {
        if self.fallback_age.is_some() && self.fallback.is_none() {
            return Err(Error::invalid("the store in AWS has a fallback_age, and no fallback").with_hint(EXAMPLE));
        }
        if self.journal.is_some() && self.fallback.is_none() {
            return Err(Error::invalid("the store in AWS has a journal, and no fallback").with_hint(EXAMPLE));
        }
        if self.journal() == self.fallback() && self.journal().is_some() {
            return Err(Error::invalid("the copy and the journal are one file").with_hint(EXAMPLE));
        }
        if self.has_one_writer() && self.journal.is_none() {
            return Err(Error::invalid("the store in AWS has writers=one, and no journal").with_hint(EXAMPLE));
        }
        if self.has_one_writer() && self.fallback_age().is_none_or(|age| age < AGE_WHERE_ALONE) {
            let least = AGE_WHERE_ALONE.as_secs();
            let what = format!("the store in AWS has writers=one, and no fallback_age of {least} s at the least");
            return Err(Error::invalid(what)
                .with_hint("write &fallback_age=5400 or more: half an hour more than its access tokens live"));
        }
        Ok(())
    }

    /// What the names of the vault's secrets begin with.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The Region, where that is given.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The file with the copy that is fallen back on.
    pub fn fallback(&self) -> Option<&Path> {
        self.fallback.as_deref().and_then(file_of)
    }

    /// How old that copy may be for an answer, where that is given.
    pub fn fallback_age(&self) -> Option<Duration> {
        self.fallback_age.as_deref().and_then(copy_age)
    }

    /// The file with the journal, which outlives the machine's processes: that it is named here declares that.
    pub fn journal(&self) -> Option<&Path> {
        self.journal.as_deref().and_then(file_of)
    }

    /// Whether one process alone uses the vault, as `writers=one` declares.
    pub fn has_one_writer(&self) -> bool {
        self.writers.is_some()
    }

    /// The backend, over a client of the SDK's default chain: credentials, Region and endpoint come from the environment,
    /// the profile, the container or the instance, where the location does not name them.
    ///
    /// The SDK's own retries are off, since the backend makes them; connecting may take 3 s, and an attempt 10 s in all.
    ///
    /// # Errors
    /// `InvalidInput` where no Region is set, and where the environment asks the SDK to print bodies.
    pub async fn backend(&self) -> Result<SecretsManagerBackend> {
        Ok(self.reach().await?.backend)
    }

    /// The same, and its address.
    ///
    /// # Errors
    /// As [`Location::backend`].
    pub(super) async fn reach(&self) -> Result<Reached> {
        let Shared { config: shared, region } = shared(self.region.as_deref(), "the store").await?;
        let address = self.address(region.as_ref());
        let mut config = Builder::from(&shared);
        // For this service only: the endpoint of others, such as the one that gives out credentials, is not ours to set.
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let options = SecretsManagerOptions {
            kms_key_id: self.kms_key_id.clone(),
            ..SecretsManagerOptions::new(self.prefix.clone())
        };
        Ok(Reached { backend: SecretsManagerBackend::new(Client::from_conf(config.build()), options), address })
    }

    /// The same through a backend that is there already, whose endpoint and KMS key count.
    ///
    /// # Errors
    /// `InvalidInput` where the backend is under another prefix or in another Region, and where no Region is named here: the
    /// copy is known by it.
    pub(super) fn reached_by(&self, backend: SecretsManagerBackend) -> Result<Reached> {
        if *backend.prefix() != self.prefix {
            return Err(Error::invalid("the backend is under another prefix than the store in AWS"));
        }
        let region = self.region.as_deref().ok_or_else(|| {
            Error::invalid("the store in AWS names no Region, by which its copy is known")
                .with_hint("add ?region=REGION, that of the backend")
        })?;
        if backend.region().is_some_and(|own| own != region) {
            return Err(Error::invalid("the backend is in another Region than the store in AWS"));
        }
        Ok(Reached { backend, address: self.address(region) })
    }

    fn address(&self, region: &str) -> String {
        let endpoint = self.endpoint.as_deref().unwrap_or_default();
        format!("aws:{}?region={region}&endpoint={endpoint}", self.prefix)
    }

    /// Makes a vault there: an index without entries.
    ///
    /// # Errors
    /// As [`Location::backend`]; those of the backend, `InvalidInput` where there is a vault already.
    pub async fn create(&self) -> Result<()> {
        self.backend().await?.create(&Context::new()).await.map(drop)
    }
}

/// As it was given.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}

const EXAMPLE: &str = "write it as in aws:prod/crm-tokens?region=eu-central-1&kms_key_id=alias/crm&endpoint=https://HOST, \
                       with the parameters that are needed; what is fallen back on as in \
                       &fallback=file:/srv/app/copy.tv&fallback_age=3600, with an absolute path and seconds from a minute \
                       to a day; what is written meanwhile as in &journal=file:/srv/app/journal.tv, another file; and &writers=one \
                       where one process alone uses the vault";

/// An absolute path: a relative one would make a copy of every folder that somebody works in.
fn file_of(text: &str) -> Option<&Path> {
    text.strip_prefix("file:").map(Path::new).filter(|path| path.is_absolute() && path.file_name().is_some())
}

fn copy_age(text: &str) -> Option<Duration> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = is_number.then(|| text.parse().ok()).flatten()?;
    COPY_AGES.contains(&seconds).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Location> {
        Location::parse(OsStr::new(text))
    }

    #[test]
    fn parameters_are_read_and_the_text_stays_as_given() {
        let text =
            "prod/crm?endpoint=http%3A%2F%2F127.0.0.1:4566&kms_key_id=arn:aws:kms:eu-west-1:1:key%2fa&region=eu-west-1";
        let location = parse(text).unwrap();
        assert_eq!(location.to_string(), text);
        assert_eq!(location.prefix.to_string(), "prod/crm");
        assert_eq!(location.region.as_deref(), Some("eu-west-1"));
        assert_eq!(location.kms_key_id.as_deref(), Some("arn:aws:kms:eu-west-1:1:key/a"));
        assert_eq!(location.endpoint.as_deref(), Some("http://127.0.0.1:4566"));
        assert_eq!(parse("a+b=c").unwrap().prefix.to_string(), "a+b=c");
        assert_eq!(parse("a").unwrap().region, None);
    }

    #[test]
    fn what_is_fallen_back_on_is_a_file_and_an_age() {
        assert_eq!(parse("a").unwrap().fallback(), None);
        let location = parse("a?fallback=file:/srv/a%26b%20c.tv").unwrap();
        assert_eq!((location.fallback(), location.fallback_age()), (Some(Path::new("/srv/a&b c.tv")), None));
        let location = parse("a?fallback_age=60&fallback=file:/c.tv").unwrap();
        assert_eq!(location.fallback_age(), Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_journal_is_another_file() {
        assert_eq!(parse("a?fallback=file:/c.tv").unwrap().journal(), None);
        let location = parse("a?journal=file:/srv/j%20j.tv&fallback=file:/c.tv").unwrap();
        assert_eq!(location.journal(), Some(Path::new("/srv/j j.tv")));
        assert!(!location.has_one_writer());
    }

    #[test]
    fn whoever_is_alone_has_a_journal_and_a_copy_that_outlasts_a_token() {
        let with = |rest: &str| parse(&format!("a?journal=file:/j.tv&fallback=file:/c.tv&writers=one{rest}"));
        assert!(with("&fallback_age=5400").unwrap().has_one_writer());
        for rest in ["", "&fallback_age=5399", "&fallback_age=3600"] {
            assert!(with(rest).unwrap_err().message().contains("5400 s"), "{rest}");
        }
        for text in ["a?writers=one", "a?fallback=file:/c.tv&fallback_age=5400&writers=one"] {
            assert!(parse(text).unwrap_err().message().contains("no journal"), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_not_repeated() {
        for text in [
            "",
            "?region=eu-west-1",
            "/a",
            "a?canary=1",
            "a?Region=eu-west-1",
            "a?region",
            "a?region=",
            "a?region=%ff",
            "a?region=Canary",
            "a?region=eu-west-1&region=eu-west-1",
            "a?kms_key_id=canary canary",
            "a?endpoint=canary",
            "a?endpoint=https://",
            "a?endpoint=https://user:canary@host",
            "a?endpoint=ftp://host",
            "a?region=eu-west-1?endpoint=https://host",
            "a?fallback=canary.tv",
            "a?fallback=file:canary.tv",
            "a?fallback=file:",
            "a?fallback=file:/",
            "a?fallback=aws:canary",
            "a?fallback=file:/canary.tv&fallback=file:/canary.tv",
            "a?fallback_age=3600",
            "a?fallback=file:/canary.tv&fallback_age=5400&journal=file:/journal.tv&writers=two",
            "a?fallback=file:/canary.tv&fallback_age=59",
            "a?fallback=file:/canary.tv&fallback_age=86401",
            "a?fallback=file:/canary.tv&fallback_age=+60",
            "a?fallback=file:/canary.tv&fallback_age=1h",
            "a?journal=file:/canary.tv",
            "a?fallback=file:/c.tv&journal=canary.tv",
            "a?fallback=file:/canary.tv&journal=file:/canary.tv",
        ] {
            let error = parse(text).expect_err(text);
            assert!(!format!("{error} {error:?} {:?}", error.hint()).contains("canary"), "{text}: {error}");
        }
    }
}
