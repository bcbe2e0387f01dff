//! What is set, and where: flag, else environment, else configuration file, else default. The only reader of the
//! environment. What leaves here is checked.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use etcetera::BaseStrategy;
use zeroize::Zeroizing;

use crate::audit::stream_sink::Stream;
use crate::cli::args::{Format, GlobalArgs};
use crate::cli::audit_settings::{AuditSettings, AuditTexts};
use crate::cli::config_file::{ConfigFile, KeyChoice, metrics_named};
use crate::cli::text;
use crate::error::{Error, Result};
use crate::open::StoreLocation;
use crate::provider::endpoint::Endpoint;
use crate::secret::SecretText;

const DEFAULT_LOCK_WAIT: Duration = Duration::from_secs(10);

/// Everything that is set, checked.
pub(super) struct Settings {
    pub(super) store: StoreLocation,
    /// Whether the store is the default one, whose folder may not exist yet.
    pub(super) is_default_store: bool,
    pub(super) key: KeyChoice,
    pub(super) new_passphrase_file: Option<PathBuf>,
    pub(super) format: Format,
    pub(super) lock_wait: Duration,
    pub(super) quiet: bool,
    pub(super) log: Option<String>,
    pub(super) provider: Option<Endpoint>,
    pub(super) audit: Option<AuditSettings>,
    /// Where metrics go, if they are wanted.
    pub(super) metrics: Option<Stream>,
}

/// The environment variables that matter. An empty one counts as not set.
#[derive(Default)]
pub(super) struct Environment {
    store: Option<OsString>,
    config: Option<OsString>,
    key_file: Option<OsString>,
    passphrase_file: Option<OsString>,
    passphrase: Option<SecretText>,
    new_passphrase_file: Option<OsString>,
    format: Option<OsString>,
    lock_wait: Option<OsString>,
    log: Option<OsString>,
    provider: Option<OsString>,
    audit: AuditTexts,
    metrics: Option<OsString>,
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

impl Environment {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// `InvalidInput` for a passphrase that is not UTF-8.
    pub(super) fn read() -> Result<Self> {
        Ok(Self {
            store: variable("TOKENVAULT_STORE"),
            config: variable("TOKENVAULT_CONFIG"),
            key_file: variable("TOKENVAULT_KEY_FILE"),
            passphrase_file: variable("TOKENVAULT_PASSPHRASE_FILE"),
            passphrase: variable("TOKENVAULT_PASSPHRASE").map(passphrase).transpose()?,
            new_passphrase_file: variable("TOKENVAULT_NEW_PASSPHRASE_FILE"),
            format: variable("TOKENVAULT_FORMAT"),
            lock_wait: variable("TOKENVAULT_LOCK_WAIT"),
            log: variable("TOKENVAULT_LOG"),
            provider: variable("TOKENVAULT_PROVIDER"),
            audit: AuditTexts {
                target: variable("TOKENVAULT_AUDIT"),
                mode: variable("TOKENVAULT_AUDIT_MODE"),
                users: variable("TOKENVAULT_AUDIT_USERS"),
                principal: variable("TOKENVAULT_PRINCIPAL"),
            },
            metrics: variable("TOKENVAULT_METRICS"),
        })
    }
}

fn passphrase(value: OsString) -> Result<SecretText> {
    let bytes = Zeroizing::new(value.into_encoded_bytes());
    let text = std::str::from_utf8(&bytes).map_err(|_| not_text("TOKENVAULT_PASSPHRASE"))?;
    Ok(SecretText::new(text))
}

fn not_text(name: &str) -> Error {
    Error::invalid(format!("{name} is not UTF-8 text")).with_hint("set it anew")
}

impl Settings {
    /// The settings of commands that touch no vault of the user's.
    pub(super) fn for_the_manual() -> Self {
        Self {
            store: StoreLocation::Memory,
            is_default_store: false,
            key: KeyChoice::Ask,
            new_passphrase_file: None,
            format: Format::Table,
            lock_wait: DEFAULT_LOCK_WAIT,
            quiet: false,
            log: None,
            provider: None,
            audit: None,
            metrics: None,
        }
    }

    /// Brings together what is set.
    ///
    /// # Errors
    /// `InvalidInput`, naming the place, for what cannot be understood.
    pub(super) fn resolve(flags: GlobalArgs, environment: Environment) -> Result<Self> {
        let file = match flags.config.or(environment.config.map(PathBuf::from)) {
            Some(path) => ConfigFile::read(&path)?,
            None => ConfigFile::default(),
        };
        let key = match (flags.key_file, flags.passphrase_file) {
            (Some(path), _) => KeyChoice::KeyFile(path),
            (None, Some(path)) => KeyChoice::PassphraseFile(path),
            (None, None) => {
                let named = (environment.key_file, environment.passphrase_file, environment.passphrase);
                key_of_environment(named)?.unwrap_or_else(|| file.key().unwrap_or(KeyChoice::Ask))
            }
        };
        let store = match flags.store.or(environment.store) {
            Some(text) => Some(StoreLocation::parse(&text)?),
            None => file.store,
        };
        let environment_format = environment.format.map(|text| format_named("TOKENVAULT_FORMAT", &text)).transpose()?;
        let environment_wait = environment.lock_wait.map(|text| duration("TOKENVAULT_LOCK_WAIT", &text)).transpose()?;
        Ok(Self {
            is_default_store: store.is_none(),
            store: store.map_or_else(default_store, Ok)?,
            key,
            new_passphrase_file: environment.new_passphrase_file.map(PathBuf::from),
            format: flags.format.or(environment_format).or(file.format).unwrap_or_default(),
            lock_wait: flags.lock_wait.or(environment_wait).or(file.lock_wait).unwrap_or(DEFAULT_LOCK_WAIT),
            quiet: flags.quiet || file.quiet,
            log: environment.log.map(|text| utf8("TOKENVAULT_LOG", text)).transpose()?.or(file.log),
            provider: environment.provider.map(|text| provider(&text)).transpose()?.or(file.provider),
            audit: AuditSettings::resolve(environment.audit, file.audit)?,
            metrics: environment.metrics.map(|text| metrics(&text)).transpose()?.or(file.metrics).flatten(),
        })
    }
}

/// Where metrics go, as users write it.
fn metrics(text: &OsStr) -> Result<Option<Stream>> {
    text.to_str()
        .and_then(metrics_named)
        .ok_or_else(|| Error::invalid("TOKENVAULT_METRICS is not usable").with_hint("set it to off, emf or emf:stdout"))
}

/// Two keys of one rank are refused: which of them was meant cannot be known, and trying one after the other would
/// report the wrong one as wrong.
fn key_of_environment(
    (key_file, passphrase_file, passphrase): (Option<OsString>, Option<OsString>, Option<SecretText>),
) -> Result<Option<KeyChoice>> {
    match (key_file, passphrase_file, passphrase) {
        (None, None, None) => Ok(None),
        (Some(path), None, None) => Ok(Some(KeyChoice::KeyFile(path.into()))),
        (None, Some(path), None) => Ok(Some(KeyChoice::PassphraseFile(path.into()))),
        (None, None, Some(text)) => Ok(Some(KeyChoice::Passphrase(text))),
        _ => Err(Error::invalid(
            "more than one of TOKENVAULT_KEY_FILE, TOKENVAULT_PASSPHRASE_FILE and TOKENVAULT_PASSPHRASE is set",
        )
        .with_hint("unset all but one, or name the key by --key-file or --passphrase-file")),
    }
}

fn utf8(name: &str, value: OsString) -> Result<String> {
    value.into_string().map_err(|_| not_text(name))
}

fn format_named(name: &str, value: &OsString) -> Result<Format> {
    Format::parse(value.to_str().unwrap_or_default())
        .ok_or_else(|| Error::invalid(format!("{name} is not a format")).with_hint("set it to table or json"))
}

fn duration(name: &str, value: &OsString) -> Result<Duration> {
    text::parse_duration(value.to_str().unwrap_or_default()).map_err(|_| {
        Error::invalid(format!("{name} is not a duration"))
            .with_hint("set it for example to 500ms, 10s or 2m, and to no more than 36500d")
    })
}

fn provider(value: &OsString) -> Result<Endpoint> {
    Endpoint::parse(value.to_str().unwrap_or_default()).map_err(|error| {
        Error::invalid("TOKENVAULT_PROVIDER is neither a data centre nor the URL of an accounts server")
            .with_hint(error.hint().unwrap_or_default())
    })
}

fn default_store() -> Result<StoreLocation> {
    let strategy = etcetera::choose_base_strategy().map_err(|_| {
        Error::invalid("there is no home directory, and so no default place for a vault")
            .with_hint("name the vault by --store file:PATH or TOKENVAULT_STORE")
    })?;
    Ok(StoreLocation::File(strategy.data_dir().join("tokenvault").join("vault.tv")))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the files are a test's own")]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn flags(store: Option<&str>) -> GlobalArgs {
        GlobalArgs { store: store.map(OsString::from), ..GlobalArgs::default() }
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("c.toml");
        std::fs::write(&config, "store = 'file:of-file.tv'\nformat = 'json'\nlock-wait = '3s'\nkey-file = 'k'")
            .unwrap();
        let environment = |store: Option<&str>| Environment {
            store: store.map(OsString::from),
            config: Some(config.clone().into()),
            ..Environment::default()
        };
        let store = |flag, variable| Settings::resolve(flags(flag), environment(variable)).unwrap().store.to_string();
        assert_eq!(store(Some("memory:"), Some("file:of-env.tv")), "memory:");
        assert_eq!(store(None, Some("file:of-env.tv")), "file:of-env.tv");
        assert_eq!(store(None, None), format!("file:{}", folder.path().join("of-file.tv").display()));
        let settings = Settings::resolve(flags(None), environment(None)).unwrap();
        assert_eq!((settings.format, settings.lock_wait), (Format::Json, Duration::from_secs(3)));
        assert!(matches!(settings.key, KeyChoice::KeyFile(path) if path == folder.path().join("k")));
    }

    #[test]
    fn a_key_that_is_named_nearer_wins() {
        let environment =
            Environment { passphrase: Some(SecretText::new("x")), store: Some("memory:".into()), ..Default::default() };
        let near = GlobalArgs { key_file: Some("k".into()), ..GlobalArgs::default() };
        let key = Settings::resolve(near, environment).unwrap().key;
        assert!(matches!(key, KeyChoice::KeyFile(_)));
    }

    #[test]
    fn two_keys_of_one_rank_are_refused() {
        let environment = Environment {
            passphrase: Some(SecretText::new("canary")),
            key_file: Some("k".into()),
            ..Environment::default()
        };
        let error = Settings::resolve(flags(Some("memory:")), environment).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
