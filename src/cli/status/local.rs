//! The figures of a vault on this machine: a file, or memory.

use std::path::Path;

use serde_json::json;

use crate::backend::file::FileStatus;
use crate::backend::tally::Tally;
use crate::cli::config_file::KeyChoice;
use crate::cli::status::figures::{NOT_LOOKED_AT, bytes, leases, now, of_no_tally, of_tally};
use crate::cli::status::sheet::{Figure, Section, Sheet};

use crate::error::Result;
use crate::open::opened::Opened;
use crate::operation::Context;

async fn tally(opened: &Opened, context: &Context) -> Result<Tally> {
    let records = opened.vault.backend().list(context).await?.value;
    Ok(Tally::of(records.iter().map(|record| &**record), now()))
}

pub(super) async fn of_file(
    key: &KeyChoice,
    path: &Path,
    opened: &Opened,
    context: &Context,
    is_quick: bool,
) -> Result<Sheet> {
    let status = opened.file()?.status()?;
    let store = Section::new("store")
        .with("kind", Figure::text("file"))
        .with("path", Figure::text(path.display().to_string()))
        .with("format", Figure::new(status.format, status.format.to_string()))
        .with("size", bytes(status.bytes))
        .with("no_longer_needed", bytes(status.dead_bytes));
    let mut sheet = Sheet::default();
    let store = if is_quick {
        of_no_tally(store, Figure::number(status.records), NOT_LOOKED_AT)
    } else {
        let tally = tally(opened, context).await?;
        sheet.lists.push(leases(&tally));
        of_tally(store, &tally)
    };
    sheet.sections = vec![store, of_keys(key, &status)];
    Ok(sheet)
}

fn of_keys(key: &KeyChoice, status: &FileStatus) -> Section {
    let opens = match (status.passphrase_cost, key) {
        (Some(cost), _) => Figure::new(
            json!({ "kind": "passphrase", "argon2id": { "memory_kib": cost.memory_kib, "passes": cost.passes, "lanes": cost.lanes } }),
            format!(
                "a passphrase, by Argon2id with {} MiB, {} passes, {} lanes",
                cost.memory_kib / 1024,
                cost.passes,
                cost.lanes
            ),
        ),
        (None, KeyChoice::KeyFile(path)) => Figure::new(
            json!({ "kind": "key file", "path": path.display().to_string() }),
            format!("the key file {}", path.display()),
        ),
        (None, _) => Figure::new(json!({ "kind": "key file" }), "a key file"),
    };
    let generation = status.generation;
    Section::new("keys")
        .with("vault_opens_by", opens)
        .with("data_key_made", Figure::unknown("the file does not record it; rotate-key makes a new one"))
        .with("data_keys_so_far", Figure::new(generation, generation.to_string()))
        .with("audit_key", Figure::new(true, "there: it comes from the vault's root key, which outlives rotations"))
        .with(
            "audit_key_made",
            Figure::unknown("it is as old as the vault, and the file does not record when that was made"),
        )
}

pub(super) async fn of_memory(opened: &Opened, context: &Context) -> Result<Sheet> {
    let tally = tally(opened, context).await?;
    let store = Section::new("store").with("kind", Figure::text("memory of this process, gone when it ends"));
    let lists = vec![leases(&tally)];
    Ok(Sheet { sections: vec![of_tally(store, &tally)], lists })
}
