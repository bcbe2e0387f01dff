//! What the demo is played with: a temporary folder, its tokens, and the words around them.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::cli::args::Format;
use crate::cli::config::Settings;
use crate::cli::config_file::KeyChoice;
use crate::cli::report::Done;
use crate::cli::session::Session;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::fields::Field;
use crate::open::StoreLocation;
use crate::secret::SecretText;
use crate::token::OAuthToken;

/// A temporary folder, readable by this user only, and a session whose vault lies in it.
pub(super) struct Stage {
    pub(super) session: Session,
    folder: TempDir,
    steps: usize,
}

impl Stage {
    pub(super) fn set(of_user: &Session) -> Done<Self> {
        let folder = TempDir::with_prefix("tokenvault-demo-").map_err(on_disk)?;
        let settings = Settings {
            store: StoreLocation::File(folder.path().join("demo.tv")),
            is_default_store: false,
            key: KeyChoice::KeyFile(folder.path().join("demo.key")),
            new_passphrase_file: None,
            format: Format::Table,
            lock_wait: of_user.settings.lock_wait,
            quiet: false,
            log: None,
            provider: None,
            audit: None,
            metrics: None,
        };
        Ok(Self { session: Session::new(settings)?, folder, steps: 0 })
    }

    /// Removes the folder; it is removed too where the demo ends early.
    pub(super) fn strike(self) -> Done {
        Ok(self.folder.close().map_err(on_disk)?)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn say(&mut self, text: &str) -> Done {
        self.session.out.line(text)
    }

    /// Begins a step, and names the command that does the same.
    pub(super) fn step(&mut self, title: &str, command: &str) -> Done {
        self.steps += 1;
        let title = self.session.out.emphasised(&format!("{}. {title}", self.steps));
        self.say(&format!("\n{title}"))?;
        self.command(command)
    }

    pub(super) fn command(&mut self, command: &str) -> Done {
        self.say(&format!("  $ tokenvault {command}"))
    }

    /// A token file as the SDK for Python keeps it: Carol, and Alice as she was before.
    #[cfg(feature = "import")]
    pub(super) fn sdk_file(&self) -> Result<PathBuf> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;

        let path = self.path("python_sdk_tokens.csv");
        let rows = format!(
            "id,user_name,client_id,client_secret,refresh_token,access_token,grant_token,expiry_time,redirect_uri,api_domain\r\n\
             1,carol@example.com,1000.APP,app-secret,1000.carol.refresh,1000.carol.access,,{},,https://www.zohoapis.com\r\n\
             2,alice@example.com,1000.APP,app-secret,1000.alice.refresh,1000.alice.access.0,,1600000000000,,\r\n",
            in_an_hour()
        );
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(on_disk)?;
        file.write_all(rows.as_bytes()).map_err(on_disk)?;
        Ok(path)
    }
}

/// What a sign-in of `user` gives. The texts are made up: nothing here opens anything.
pub(super) fn signed_in(user: &str, stem: &str) -> OAuthToken {
    OAuthToken::new()
        .with(Field::UserName, user)
        .with(Field::ClientId, "1000.APP")
        .with(Field::ClientSecret, "app-secret")
        .with(Field::RefreshToken, &format!("{stem}.refresh"))
        .with(Field::AccessToken, &format!("{stem}.access.1"))
        .with(Field::ExpiresIn, &in_an_hour())
        .with(Field::ApiDomain, "https://www.zohoapis.com")
}

/// What a refresh does to a token.
pub(super) fn renew(token: &mut OAuthToken, access: &str) {
    token.set(Field::AccessToken, Some(SecretText::new(access)));
    token.set(Field::ExpiresIn, Some(SecretText::new(&in_an_hour())));
}

/// Ends the demo where it would go on to tell what is not so.
pub(super) fn as_told(is_so: bool) -> Result<()> {
    if is_so { Ok(()) } else { Err(lost()) }
}

pub(super) fn lost() -> Error {
    Error::new(ErrorKind::Internal, "the demo did not go as it is told")
}

pub(super) fn on_disk(cause: io::Error) -> Error {
    Error::new(ErrorKind::Io, "the demo's temporary folder could not be used")
        .with_source(cause)
        .with_hint("set TMPDIR to a folder on a local disk")
}

/// When the demo's access tokens end.
fn in_an_hour() -> String {
    SystemClock.now().after(Duration::from_secs(3600)).as_millis().to_string()
}
