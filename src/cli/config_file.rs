//! The configuration file: TOML, with the names of the flags.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::OFlag;
use toml::{Spanned, Value};

use crate::audit::stream_sink::Stream;
use crate::cli::args::Format;
use crate::cli::audit_settings::{self, AuditOfFile, AuditTarget};
use crate::cli::text;
use crate::error::{Error, ErrorKind, Result};
use crate::open::StoreLocation;
use crate::provider::endpoint::Endpoint;
use crate::secret::SecretText;

/// The largest configuration that is read.
const MAX_BYTES: u64 = 64 * 1024;

/// What is said to who misspells one.
const KEYS: &str = "the keys are store, key-file, passphrase-file, format, lock-wait, quiet, log, provider, audit, audit-mode, \
                    audit-users and metrics";

const STORES: &str = "give 'file:PATH', 'aws:PREFIX' or 'memory:'";

/// Where the key to the vault comes from.
pub(super) enum KeyChoice {
    KeyFile(PathBuf),
    PassphraseFile(PathBuf),
    Passphrase(SecretText),
    /// None is named: ask for a passphrase.
    Ask,
}

/// What a configuration file sets.
#[derive(Default)]
pub(super) struct ConfigFile {
    pub(super) store: Option<StoreLocation>,
    key_file: Option<PathBuf>,
    passphrase_file: Option<PathBuf>,
    pub(super) format: Option<Format>,
    pub(super) lock_wait: Option<Duration>,
    pub(super) quiet: bool,
    pub(super) log: Option<String>,
    pub(super) provider: Option<Endpoint>,
    pub(super) audit: AuditOfFile,
    /// Where metrics go; nowhere, where they are switched off.
    pub(super) metrics: Option<Option<Stream>>,
}

/// Where metrics of this name go: nowhere, or to a stream. Standard output has to be asked for, since it is a command's own.
pub(super) fn metrics_named(name: &str) -> Option<Option<Stream>> {
    match name {
        "off" => Some(None),
        "emf" => Some(Some(Stream::Stderr)),
        "emf:stdout" => Some(Some(Stream::Stdout)),
        _ => None,
    }
}

impl ConfigFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// `InvalidInput`, naming the line and key, for unknown keys and unusable values; what the file says is not
    /// repeated, since somebody may have put a passphrase there.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = read_text(path)?;
        let place = |offset: usize| {
            let line = text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
            format!("{}, line {line}", path.display())
        };
        let table: BTreeMap<Spanned<String>, Spanned<Value>> = toml::from_str(&text).map_err(|error| {
            let at = place(error.span().map_or(0, |span| span.start));
            Error::invalid(format!("{at}: this is not TOML"))
                .with_hint("write a line for each key, as in: store = 'file:/srv/app/vault.tv'")
        })?;
        let mut config = Self::default();
        for (key, value) in &table {
            config.set(path, key.get_ref(), value.get_ref()).map_err(|problem| {
                let at = place(key.span().start);
                let key = text::as_name(key.get_ref()).unwrap_or(text::HIDDEN_NAME);
                match problem {
                    Problem::UnknownKey => Error::invalid(format!("{at}: unknown key {key}")).with_hint(KEYS),
                    Problem::Value(wanted) => {
                        Error::invalid(format!("{at}: {key} has no usable value")).with_hint(wanted)
                    }
                    Problem::Store(error) => {
                        let hint = error.hint().unwrap_or(STORES).to_owned();
                        Error::invalid(format!("{at}: {key} has no usable value: {}", error.message())).with_hint(hint)
                    }
                }
            })?;
        }
        if config.key_file.is_some() && config.passphrase_file.is_some() {
            return Err(Error::invalid(format!("{} names a key file and a passphrase file", path.display()))
                .with_hint("name only the one that opens the vault"));
        }
        Ok(config)
    }

    fn set(&mut self, path: &Path, key: &str, value: &Value) -> Result<(), Problem> {
        let wanted = |wanted| move || Problem::Value(wanted);
        let file =
            || value.as_str().map(|text| beside(path, Path::new(text))).ok_or(Problem::Value("give a path in quotes"));
        match key {
            "store" => {
                let text = value.as_str().ok_or_else(wanted(STORES))?;
                self.store = Some(match StoreLocation::parse(OsStr::new(text)).map_err(Problem::Store)? {
                    StoreLocation::File(file) => StoreLocation::File(beside(path, &file)),
                    other => other,
                });
            }
            "key-file" => self.key_file = Some(file()?),
            "passphrase-file" => self.passphrase_file = Some(file()?),
            "format" => {
                let format = value.as_str().and_then(Format::parse);
                self.format = Some(format.ok_or_else(wanted("give 'table' or 'json'"))?);
            }
            "lock-wait" => {
                let wait = value.as_str().and_then(|text| text::parse_duration(text).ok());
                self.lock_wait =
                    Some(wait.ok_or_else(wanted("give a duration in quotes, such as '10s', of at most '36500d'"))?);
            }
            "provider" => {
                let endpoint = value.as_str().and_then(|text| Endpoint::parse(text).ok());
                self.provider =
                    Some(endpoint.ok_or_else(wanted("give a data centre such as 'eu', or 'https://HOST'"))?);
            }
            "quiet" => self.quiet = value.as_bool().ok_or_else(wanted("give true or false"))?,
            "log" => {
                self.log =
                    Some(value.as_str().ok_or_else(wanted("give a filter in quotes, such as 'info'"))?.to_owned());
            }
            _ => return self.set_audit(path, key, value),
        }
        Ok(())
    }

    fn set_audit(&mut self, path: &Path, key: &str, value: &Value) -> Result<(), Problem> {
        let wanted = |wanted| move || Problem::Value(wanted);
        match key {
            "audit" => {
                let target = value.as_str().and_then(|text| AuditTarget::parse(OsStr::new(text)).ok());
                self.audit.target = Some(
                    match target.ok_or_else(wanted(
                        "give 'off', 'stdout', 'stderr', 'file:PATH' or 'cloudwatch:GROUP:STREAM'",
                    ))? {
                        AuditTarget::File(file) => AuditTarget::File(beside(path, &file)),
                        other => other,
                    },
                );
            }
            "audit-mode" => {
                let mode = value.as_str().and_then(audit_settings::mode);
                self.audit.mode = Some(mode.ok_or_else(wanted("give 'required' or 'best-effort'"))?);
            }
            "audit-users" => {
                let users = value.as_str().and_then(audit_settings::users);
                self.audit.users = Some(users.ok_or_else(wanted("give 'hashed' or 'plain'"))?);
            }
            "metrics" => {
                let target = value.as_str().and_then(metrics_named);
                self.metrics = Some(target.ok_or_else(wanted("give 'off', 'emf' or 'emf:stdout'"))?);
            }
            _ => return Err(Problem::UnknownKey),
        }
        Ok(())
    }

    /// The key that the file names.
    pub(super) fn key(&self) -> Option<KeyChoice> {
        let key_file = self.key_file.clone().map(KeyChoice::KeyFile);
        key_file.or_else(|| self.passphrase_file.clone().map(KeyChoice::PassphraseFile))
    }
}

/// What is wrong with a key of the file.
enum Problem {
    UnknownKey,
    Value(&'static str),
    /// What it says repeats nothing of what was given.
    Store(Error),
}

/// A path in a configuration file is seen from that file's folder, wherever the command runs.
fn beside(config: &Path, path: &Path) -> PathBuf {
    config.parent().map_or_else(|| path.to_owned(), |folder| folder.join(path))
}

fn read_text(path: &Path) -> Result<String> {
    // Not blocking, lest a named pipe that nobody writes to holds us up before its kind is known.
    let opened = fs::OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
    let file = opened.map_err(|cause| unreadable(path, cause))?;
    if !file.metadata().map_err(|cause| unreadable(path, cause))?.is_file() {
        return Err(Error::invalid(format!("the configuration {} is not a regular file", path.display()))
            .with_hint("check the path given by --config or TOKENVAULT_CONFIG"));
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|cause| unreadable(path, cause))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Error::invalid(format!("the configuration {} is longer than {MAX_BYTES} bytes", path.display()))
            .with_hint("check the path given by --config or TOKENVAULT_CONFIG"));
    }
    Ok(text)
}

fn unreadable(path: &Path, cause: io::Error) -> Error {
    let kind = match cause.kind() {
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::InvalidInput,
    };
    Error::new(kind, format!("the configuration {} cannot be read", path.display()))
        .with_source(cause)
        .with_hint("check the path given by --config or TOKENVAULT_CONFIG, and who may read it")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the files are a test's own")]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ConfigFile> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        fs::write(&path, text).unwrap();
        ConfigFile::read(&path)
    }

    #[test]
    fn an_error_names_line_and_key_and_never_the_value() {
        for (text, said) in [
            ("quiet = true\npassphrase = 'canary'", "line 2: unknown key passphrase"),
            ("store = 'canary'", "line 1: store has no usable value"),
            (
                "store = 'aws:canary?fallback=file:canary.tv'",
                "store has no usable value: the store in AWS has no usable fallback",
            ),
            ("format = 'canary'", "line 1: format has no usable value"),
            ("\nquiet = 'canary'", "line 2: quiet has no usable value"),
            ("quiet = true\n\nlock-wait = 7", "line 3: lock-wait has no usable value"),
            ("[store]\ncanary = 1", "store has no usable value"),
            ("quiet = true\ncanary", "line 2: this is not TOML"),
            ("quiet = true\nquiet = true", "line 2: this is not TOML"),
            ("key-file = 'canary'\npassphrase-file = 'canary'", "names a key file and a passphrase file"),
        ] {
            let error = read(text).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            if cfg!(feature = "aws") || !text.contains("aws:") {
                assert!(error.message().contains(said), "{text}: {error}");
            }
            assert!(!format!("{error:?} {:?}", error.hint()).contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn what_may_not_be_read_is_a_matter_of_permission_and_all_else_of_input() {
        let kind = |cause: io::ErrorKind| unreadable(Path::new("c.toml"), cause.into()).kind();
        assert_eq!(kind(io::ErrorKind::PermissionDenied), ErrorKind::PermissionDenied);
        assert_eq!(kind(io::ErrorKind::NotFound), ErrorKind::InvalidInput);
        assert_eq!(kind(io::ErrorKind::InvalidData), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_long_file_is_refused() {
        let error = read(&format!("# {}", "x".repeat(70_000))).err().unwrap();
        assert!(error.message().contains("longer than"), "{error}");
    }
}
