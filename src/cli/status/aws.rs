//! The figures of a vault in AWS.

use crate::backend::secrets_manager::SecretsManagerBackend;
use crate::backend::secrets_manager::look::{Depth, KeySeen, Look, PageSeen, TokensSeen};
use crate::backend::secrets_manager::survey::Trouble;
use crate::cli::report;
use crate::cli::session::Session;
use crate::cli::status::figures::{NOT_LOOKED_AT, leases, of_no_tally, of_tally};
use crate::cli::status::sheet::{Figure, List, Section, Sheet};

use crate::error::Result;
use crate::open::StoreLocation;
use crate::operation::Context;

pub(super) async fn look(
    session: &Session,
    aws: &SecretsManagerBackend,
    context: &Context,
    is_quick: bool,
) -> Result<Sheet> {
    let depth = if is_quick { Depth::Index } else { Depth::Tokens };
    let look = aws.look(context, depth).await?.value;
    let prefix = match &session.settings.store {
        StoreLocation::Aws(location) => location.prefix().to_string(),
        other => other.to_string(),
    };
    let mut lists = vec![of_pages(&look)];
    lists.extend(look.tokens.iter().map(|tokens| leases(&tokens.tally)));
    Ok(Sheet { sections: vec![of_store(prefix, &look), of_index(&look), of_keys(&look)], lists })
}

fn of_store(prefix: String, look: &Look) -> Section {
    let region = look.region.clone().map_or_else(|| Figure::unknown("the SDK does not say"), Figure::text);
    let store = Section::new("store")
        .with("kind", Figure::text("AWS Secrets Manager"))
        .with("prefix", Figure::text(prefix))
        .with("region", region)
        .with("names_listed", Figure::number(look.listed));
    match &look.tokens {
        None => of_no_tally(store, Figure::unknown(NOT_LOOKED_AT), NOT_LOOKED_AT)
            .with("deleted_and_still_listed", Figure::unknown(NOT_LOOKED_AT)),
        Some(tokens) => of_tokens(store, tokens),
    }
}

fn of_tokens(store: Section, seen: &TokensSeen) -> Section {
    let store = match &seen.unread {
        None => of_tally(store, &seen.tally),
        // What was not read may be anything.
        Some((count, error)) => {
            let why = format!("{count} of the listed secrets could not be read: {}", report::what(error));
            let live = seen.tally.tokens;
            of_no_tally(store, Figure::unknown(format!("{live} were read; {why}")), &why)
        }
    };
    let mut store = store
        .with("deleted_and_still_listed", Figure::number(seen.deleted))
        .with("listed_without_a_secret", Figure::number(seen.vacant));
    for (name, secrets) in [("unreadable", &seen.unreadable), ("written_by_hand", &seen.by_hand)] {
        if !secrets.is_empty() {
            store = store.with(name, Figure::new(secrets.as_slice(), secrets.join(", ")));
        }
    }
    store
}

fn of_index(look: &Look) -> Section {
    let leaves = look.pages.iter().filter(|page| !page.is_signpost);
    let deepest = look.pages.iter().map(|page| page.depth + 1).max().unwrap_or_default();
    Section::new("index")
        .with("pages", Figure::number(look.pages.len()))
        .with("of_them_with_entries", Figure::number(leaves.count()))
        .with("levels", Figure::number(deepest))
        .with("entries", Figure::number(look.pages.iter().map(|page| page.entries).sum()))
        .with("epoch", Figure::new(look.epoch, look.epoch.to_string()))
        .with("page_is_split_above_bytes", Figure::number(PageSeen::MAX_BYTES))
        .with("page_is_split_from_writes_in_24_h", Figure::number(PageSeen::MAX_WRITES))
        .with("writes_in_24_h_that_aws_has_room_for", Figure::number(PageSeen::QUOTA))
}

fn of_keys(look: &Look) -> Section {
    let key = look.kms_key_id.as_deref();
    let kms = Figure::new(key, key.unwrap_or("aws/secretsmanager, the account's own"));
    let keys = Section::new("keys")
        .with("kms_key", kms)
        .with("kms_key_set", Figure::unknown("the index names the key, and not since when"))
        .with("kms_key_rotated", Figure::unknown("KMS rotates it, and the vault never asks KMS"));
    match &look.audit_key {
        Err(error) => keys.with("audit_key", Figure::unknown(report::what(error))),
        Ok(None) => keys.with("audit_key", Figure::new(false, "none yet: the first trail makes it")),
        Ok(Some(KeySeen { is_doomed: true, .. })) => {
            keys.with("audit_key", Figure::new(false, "scheduled for deletion: restore its secret"))
        }
        Ok(Some(KeySeen { created, .. })) => {
            let made = created.map_or_else(|| Figure::unknown("AWS does not say"), Figure::moment);
            keys.with("audit_key", Figure::new(true, "there")).with("audit_key_made", made)
        }
    }
}

fn of_pages(look: &Look) -> List {
    let mut pages: Vec<&PageSeen> = look.pages.iter().collect();
    // Those that are nearest to their bounds come first.
    pages.sort_by_key(|page| std::cmp::Reverse((page.trouble.is_some(), page.writes, page.bytes)));
    let row = |page: &&PageSeen| {
        let room = PageSeen::QUOTA.saturating_sub(page.writes);
        let state = match page.trouble {
            Some(Trouble::ByHand) => "written by hand",
            Some(trouble) => trouble.said(),
            None if page.is_signpost => "leads to sixteen others",
            None => "whole",
        };
        vec![
            Figure::text(&page.secret),
            Figure::number(page.entries),
            Figure::number(page.bytes),
            Figure::number(page.writes),
            Figure::number(room),
            Figure::text(state),
        ]
    };
    let columns = &["page", "entries", "bytes", "writes_in_24_h", "writes_left", "state"];
    List { name: "pages", columns, rows: pages.iter().map(row).collect() }
}
