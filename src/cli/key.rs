//! What opens the vault: as named, else asked for on the terminal.

use std::io::{self, IsTerminal};

use zeroize::Zeroizing;

use crate::backend::file::KeySource;
use crate::cli::config::Settings;
use crate::cli::config_file::KeyChoice;
use crate::cli::key_args::ChangeArgs;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;

/// The key to a vault that exists.
pub(super) fn of_vault(choice: &KeyChoice) -> Result<KeySource> {
    named(choice).map_or_else(|| ask("Passphrase: ").map(KeySource::Passphrase), Ok)
}

/// The key to the second vault of a command, where both are files.
pub(super) fn of_target(choice: &KeyChoice) -> Result<KeySource> {
    if matches!(choice, KeyChoice::Ask) && !has_terminal() {
        return Err(Error::invalid("the key of the vault to write into is not named, and there is no terminal")
            .with_hint("name it by --to-key-file or --to-passphrase-file"));
    }
    named(choice).map_or_else(|| ask("Passphrase of the vault to write into: ").map(KeySource::Passphrase), Ok)
}

/// The key to a vault that is being made: a passphrase is asked for twice.
pub(super) fn of_new_vault(choice: &KeyChoice) -> Result<KeySource> {
    if let Some(key) = named(choice) {
        return Ok(key);
    }
    if !has_terminal() {
        return Err(Error::invalid("no passphrase and no terminal").with_hint(
            "add --key-file FILE --make-key-file for a key file, or name a file with the passphrase by --passphrase-file",
        ));
    }
    ask_twice().map(KeySource::Passphrase)
}

/// The key that a vault is to have from now on.
pub(super) fn to_change_to(args: &ChangeArgs, settings: &Settings) -> Result<KeySource> {
    if let Some(path) = &args.new_key_file {
        return Ok(KeySource::KeyFile(path.clone()));
    }
    if let Some(path) = args.new_passphrase_file.as_ref().or(settings.new_passphrase_file.as_ref()) {
        return Ok(KeySource::PassphraseFile(path.clone()));
    }
    if !has_terminal() {
        return Err(Error::invalid("no new passphrase and no terminal")
            .with_hint("name a file with the new passphrase by TOKENVAULT_NEW_PASSPHRASE_FILE or --new-passphrase-file, or a key file by --new-key-file"));
    }
    ask_twice().map(KeySource::Passphrase)
}

fn named(choice: &KeyChoice) -> Option<KeySource> {
    match choice {
        KeyChoice::KeyFile(path) => Some(KeySource::KeyFile(path.clone())),
        KeyChoice::PassphraseFile(path) => Some(KeySource::PassphraseFile(path.clone())),
        KeyChoice::Passphrase(text) => Some(KeySource::Passphrase(text.clone())),
        KeyChoice::Ask => None,
    }
}

/// Whether a person sits at a terminal. Standard input alone does not tell: `save` reads tokens from it, and a
/// passphrase is asked for on the terminal itself.
fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stderr().is_terminal()
}

fn ask_twice() -> Result<SecretText> {
    let first = ask("New passphrase: ")?;
    if first.expose().is_empty() {
        return Err(Error::invalid("the passphrase is empty").with_hint("choose a longer one: several words are good"));
    }
    if first == ask("The same again: ")? {
        return Ok(first);
    }
    Err(Error::invalid("the two passphrases differ").with_hint("run the command again and type it twice"))
}

fn ask(prompt: &str) -> Result<SecretText> {
    if !has_terminal() {
        return Err(Error::invalid("no passphrase and no terminal").with_hint(
            "name a key file by TOKENVAULT_KEY_FILE or --key-file, or a file with the passphrase by \
             TOKENVAULT_PASSPHRASE_FILE or --passphrase-file, or set TOKENVAULT_PASSPHRASE",
        ));
    }
    let typed = rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|cause| {
        Error::new(ErrorKind::InvalidInput, "the passphrase could not be read from the terminal")
            .with_source(cause)
            .with_hint("name a file with the passphrase by --passphrase-file")
    })?;
    Ok(SecretText::new(&typed))
}
