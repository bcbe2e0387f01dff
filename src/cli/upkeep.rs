//! The commands for the vault as a whole: init, backup, rotate-key, change-passphrase, verify.

use std::cell::Cell;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::audit::facts::{Subject, facts_of};
use crate::backend::file::{KeySource, Verification};
#[cfg(feature = "aws")]
use crate::backend::secrets_manager::look::Depth;
use crate::cli::config_file::KeyChoice;
use crate::cli::key;
use crate::cli::key_args::{ChangeArgs, CostArgs, InitArgs, RotateArgs};
#[cfg(feature = "aws")]
use crate::cli::kms_key;
use crate::cli::new_file::{unwritable, write_new};
use crate::cli::report::Done;
use crate::cli::session::Session;
#[cfg(feature = "aws")]
use crate::cli::survey;
use crate::cli::text::counted;
use crate::crypto::kdf::KdfCost;
use crate::crypto::keys::random_key;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "aws")]
use crate::open::aws::Location;
use crate::open::{self, StoreLocation};
use crate::operation::{Context, Operation};

pub(super) async fn init(session: &mut Session, args: &InitArgs) -> Done {
    #[cfg(feature = "aws")]
    if let StoreLocation::Aws(location) = &session.settings.store {
        let location = location.clone();
        return init_in_aws(session, args, &location).await;
    }
    let settings = &session.settings;
    let made_key = key_file_to_make(&settings.key, args)?;
    refuse_cost(matches!(settings.key, KeyChoice::KeyFile(_)), args.cost)?;
    let has_made_key = Cell::new(false);
    let key = || {
        let key = key::of_new_vault(&settings.key)?;
        if let (StoreLocation::File(path), true) = (&settings.store, settings.is_default_store) {
            make_folder(path)?;
        }
        if let Some(path) = &made_key {
            make_key_file(path)?;
            has_made_key.set(true);
        }
        Ok(key)
    };
    let made = open::create(&settings.store, key, cost(args.cost, KdfCost::default())).await;
    if let (Err(_), Some(path), true) = (&made, &made_key, has_made_key.get()) {
        // A key without a vault opens nothing.
        let _ = fs::remove_file(path);
    }
    made?;
    let store = settings.store.to_string();
    session.out.remark(&format!("made a vault: {store}"))?;
    match made_key {
        Some(path) => session
            .out
            .remark(&format!("made its key: {} (keep a copy: nothing opens the vault without it)", path.display())),
        None => Ok(()),
    }
}

fn key_file_to_make(key: &KeyChoice, args: &InitArgs) -> Result<Option<PathBuf>> {
    match (key, args.make_key_file) {
        (KeyChoice::KeyFile(path), true) => Ok(Some(path.clone())),
        (_, true) => Err(Error::invalid("the key file to make is not named").with_hint("add --key-file FILE")),
        (_, false) => Ok(None),
    }
}

/// A vault in AWS is made of its index; its key is the service's. A copy of it has a key of its own, on each machine.
#[cfg(feature = "aws")]
async fn init_in_aws(session: &mut Session, args: &InitArgs, location: &Location) -> Done {
    if args.cost != CostArgs::default() || (args.make_key_file && location.fallback().is_none()) {
        return Err(Error::invalid("a vault in AWS has no key file or passphrase: KMS keeps its key")
            .with_hint(
                "leave out --make-key-file and the --kdf options; ?kms_key_id=KEY in the store names a key of yours, and \
                 &fallback=file:PATH a copy, which has a key file",
            )
            .into());
    }
    let settings = &session.settings;
    let made_key = key_file_to_make(&settings.key, args)?;
    if let Some(path) = &made_key {
        make_key_file(path)?;
    }
    let made = open::create(&settings.store, || key::of_new_vault(&KeyChoice::Ask), KdfCost::default()).await;
    let is_made = match (made, &made_key) {
        (Ok(()), _) => true,
        // Of the vault there is one, of the copy one on each machine.
        (Err(error), Some(_)) if error.kind() == ErrorKind::InvalidInput && is_there(session, location).await => false,
        (Err(error), made_key) => {
            let _ = made_key.as_ref().map(fs::remove_file);
            return Err(error.into());
        }
    };
    if is_made {
        session.out.remark(&format!("made a vault: aws:{location}"))?;
        session.out.remark(&format!("made its index: the secret {}", location.prefix().index()))?;
    } else {
        session.out.remark(&format!("the vault is there already, and is as it was: aws:{location}"))?;
    }
    match made_key {
        Some(path) => session.out.remark(&format!(
            "made the key of its copy and journal: {} (keep a copy: nothing opens a journal without it)",
            path.display()
        )),
        None => Ok(()),
    }
}

#[cfg(feature = "aws")]
async fn is_there(session: &Session, location: &Location) -> bool {
    let Ok(aws) = location.backend().await else { return false };
    aws.look(&session.context, Depth::Index).await.is_ok()
}

/// What is asked for, and `otherwise` where nothing is.
fn cost(args: CostArgs, otherwise: KdfCost) -> KdfCost {
    KdfCost {
        memory_kib: args.kdf_memory_mib.map_or(otherwise.memory_kib, |mib| mib.saturating_mul(1024)),
        passes: args.kdf_passes.unwrap_or(otherwise.passes),
        lanes: args.kdf_lanes.unwrap_or(otherwise.lanes),
    }
}

/// A change of the passphrase makes guessing it no cheaper unless that is asked for.
fn default_or_more(before: Option<KdfCost>) -> KdfCost {
    let default = KdfCost::default();
    before.map_or(default, |before| KdfCost {
        memory_kib: before.memory_kib.max(default.memory_kib),
        passes: before.passes.max(default.passes),
        lanes: before.lanes.max(default.lanes),
    })
}

/// A key file's key is not derived, so a cost would be promised and not paid.
fn refuse_cost(is_key_file: bool, args: CostArgs) -> Result<()> {
    if is_key_file && args != CostArgs::default() {
        return Err(Error::invalid("a key file has no cost to set").with_hint("leave out the --kdf options"));
    }
    Ok(())
}

fn make_folder(vault: &Path) -> Result<()> {
    let Some(folder) = vault.parent() else {
        return Ok(());
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|cause| unwritable(folder, cause).with_hint("name a vault elsewhere by --store file:PATH"))
}

fn make_key_file(path: &Path) -> Result<()> {
    let key = random_key()?;
    write_new(path, key.as_slice()).map_err(|error| match error.kind() {
        ErrorKind::InvalidInput => {
            error.with_hint("leave out --make-key-file to use it as the key, or choose another path")
        }
        _ => error,
    })
}

pub(super) async fn backup(session: &mut Session, to: &Path) -> Done {
    let opened = session.open().await?;
    let file = opened.file()?;
    let call = (&session.context, Operation::Backup, Subject::All);
    let count = opened.recorded(call, async |context| file.backup(context, to).await, facts_of).await?;
    session.out.remark(&format!("copied {} to {}; the same key opens it", counted(count, "token"), to.display()))
}

pub(super) async fn rotate_key(session: &mut Session, args: &RotateArgs) -> Done {
    #[cfg(feature = "aws")]
    if let StoreLocation::Aws(_) = &session.settings.store {
        return kms_key::rotate(session, args.kms_key_id.as_deref()).await;
    }
    if args.kms_key_id.is_some() {
        return Err(Error::invalid("only a vault in AWS is under a KMS key")
            .with_hint("leave out --kms-key-id, or name a vault in AWS by --store aws:PREFIX")
            .into());
    }
    let opened = session.open().await?;
    let file = opened.file()?;
    let call = (&session.context, Operation::RotateKey, Subject::All);
    let generation = opened.recorded(call, async |context| file.rotate_key(context).await, facts_of).await?;
    session.out.remark(&format!("sealed everything anew under a new data key (generation {generation})"))
}

pub(super) async fn change_passphrase(session: &mut Session, args: &ChangeArgs) -> Done {
    refuse_cost(args.new_key_file.is_some(), args.cost)?;
    let opened = session.open().await?;
    let file = opened.file()?;
    let new = key::to_change_to(args, &session.settings)?;
    let opens_by = match &new {
        KeySource::KeyFile(path) => format!("the key file {}", path.display()),
        KeySource::PassphraseFile(path) => format!("the passphrase in {}", path.display()),
        KeySource::Passphrase(_) => "the new passphrase".to_owned(),
    };
    let call = (&session.context, Operation::ChangeKey, Subject::All);
    let change = async |context: &Context| {
        let cost = cost(args.cost, default_or_more(file.status()?.passphrase_cost));
        file.change_key(context, new, cost).await
    };
    let generation = opened.recorded(call, change, facts_of).await?;
    session.out.remark(&format!("the vault opens by {opens_by} from now on (generation {generation})"))
}

/// [`Verification`] for programs.
#[derive(Serialize)]
struct VerificationView {
    generation: u64,
    records: usize,
    frames: u64,
    bytes: u64,
    dead_bytes: u64,
    torn_bytes: u64,
}

pub(super) async fn verify(session: &mut Session, repair: bool) -> Done {
    #[cfg(feature = "aws")]
    if let StoreLocation::Aws(_) = &session.settings.store {
        return survey::verify(session, repair).await;
    }
    if repair {
        return Err(Error::invalid("only a vault in AWS has an index that could be repaired; nothing was done")
            .with_hint("leave out --repair; a damaged file is replaced by a backup")
            .into());
    }
    let opened = session.open().await?;
    let file = opened.file()?;
    let call = (&session.context, Operation::Verify, Subject::All);
    let Verification { generation, records, frames, bytes, dead_bytes, torn_bytes } =
        opened.recorded(call, async |context| file.verify(context).await, facts_of).await?;
    if session.out.is_json() {
        session.out.json(&VerificationView { generation, records, frames, bytes, dead_bytes, torn_bytes })?;
    }
    session.out.remark(&format!(
        "whole: {} in {}, {bytes} bytes ({dead_bytes} of them no longer needed), generation {generation}",
        counted(records, "token"),
        counted(usize::try_from(frames).unwrap_or(usize::MAX), "frame"),
    ))?;
    if torn_bytes > 0 {
        session.out.note(&format!(
            "the last {torn_bytes} bytes do not open: a write that was cut off before it was acknowledged, or a change \
             by somebody else; the next write keeps them beside the vault"
        ));
    }
    Ok(())
}
