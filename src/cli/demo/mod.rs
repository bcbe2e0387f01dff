//! The whole life of a vault, played on a temporary one and explained line by line.
//!
//! What is shown is what happened: a step whose outcome is not as told ends the demo with an error.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use crate::cli::deletion_args::DeleteAllArgs;
use crate::cli::demo::stage::{Stage, as_told, lost};
use crate::cli::key_args::{CostArgs, InitArgs, RotateArgs};
use crate::cli::report::{self, Done};
use crate::cli::session::Session;
use crate::cli::text::fingerprint;
use crate::cli::token_args::{ListArgs, RevealArgs};
use crate::cli::{deletion, tokens, upkeep};
use crate::error::ErrorKind;
use crate::fields::Field;
use crate::open::StoreLocation;
use crate::open::opened::Opened;
use crate::secret::SecretText;
use crate::store::TokenStore;
use crate::token::OAuthToken;

mod stage;

const ALICE: &str = "alice@example.com";
const BOB: &str = "bob@example.com";
const REVEAL: RevealArgs = RevealArgs { reveal: false };

/// Plays it. Needs no terminal and no set-up, and leaves nothing behind.
pub(super) async fn run(session: &Session) -> Done {
    let mut stage = Stage::set(session)?;
    stage.say("This plays the life of a vault in a temporary folder. Nothing of yours is touched.")?;
    make(&mut stage).await?;
    let opened = stage.session.open().await?;
    let (alice, bob) = sign_in(&mut stage, &opened).await?;
    #[cfg(feature = "import")]
    bring_along(&mut stage).await?;
    let alice = refresh(&mut stage, &opened, &alice).await?;
    look_up(&mut stage, &opened, &alice).await?;
    rotate(&mut stage).await?;
    tamper(&mut stage, &opened, &bob).await?;
    log_out(&mut stage, &opened, &alice).await?;
    stage.say("\nThe temporary folder is gone. A vault of your own begins with: tokenvault init")?;
    stage.strike()
}

async fn make(stage: &mut Stage) -> Done {
    stage.step("A vault is made", "init --key-file demo.key --make-key-file")?;
    stage.say("One file, every byte of it sealed with AES-256-GCM. What opens it lies elsewhere: here a key file.")?;
    upkeep::init(&mut stage.session, &InitArgs { make_key_file: true, cost: CostArgs::default() }).await
}

/// Two users of one app sign in.
async fn sign_in(stage: &mut Stage, opened: &Opened) -> Done<(OAuthToken, OAuthToken)> {
    stage.step("Two users of one app sign in", "save < token.json")?;
    stage.say("Both have the same OAuth client, so the client alone never decides whose token is meant.")?;
    let mut alice = stage::signed_in(ALICE, "1000.alice");
    let mut bob = stage::signed_in(BOB, "1000.bob");
    opened.vault.save_token(&stage.session.context, &mut alice).await?;
    opened.vault.save_token(&stage.session.context, &mut bob).await?;
    list(stage).await?;
    stage.say("Secrets are shown as fingerprints. The ids are the vault's own, and never used twice.")?;
    Ok((alice, bob))
}

async fn list(stage: &mut Stage) -> Done {
    tokens::list(&mut stage.session, &ListArgs { user: None, expiring: None, reveal: REVEAL }).await
}

/// A file of an SDK's own store is imported.
#[cfg(feature = "import")]
async fn bring_along(stage: &mut Stage) -> Done {
    use crate::cli::transfer_args::{Ids, ImportArgs};

    stage.step("Tokens are imported from an SDK's own file", "import --from python_sdk_tokens.csv")?;
    stage.say("It holds Carol, and an old token of Alice, who has signed in here since. Hers is kept as it is.")?;
    let from = stage.sdk_file()?.into_os_string();
    let args = ImportArgs { from, ids: Ids::Keep, dry_run: false, skip_refused: false, overwrite: false };
    crate::cli::transfer::import(&mut stage.session, &args).await?;
    list(stage).await?;
    stage.say("The file's ids lead to the tokens from now on, so whoever still uses them finds what they mean.")
}

/// The SDK reads a token before a call, sees that it ends, refreshes it, and saves the very object that it was handed.
async fn refresh(stage: &mut Stage, opened: &Opened, alice: &OAuthToken) -> Done<OAuthToken> {
    stage.step("Alice's access token ends, and the SDK refreshes it", "save < refreshed.json")?;
    let id = alice.id().unwrap_or_default();
    let answer = opened.vault.find_token_by_id(&stage.session.context, id).await?;
    let mut token = answer.value.ok_or_else(lost)?.as_ref().clone();
    let before = token.get(Field::AccessToken).map(fingerprint).unwrap_or_default();
    stage::renew(&mut token, "1000.alice.access.2");
    opened.vault.save_token(&stage.session.context, &mut token).await?;
    let after = token.get(Field::AccessToken).map(fingerprint).unwrap_or_default();
    as_told(before != after && token.id() == Some(id))?;
    stage.say(&format!("Access token {before} became {after}. The id is the same, and there is still one record."))?;
    Ok(token)
}

/// One record, found in three ways.
async fn look_up(stage: &mut Stage, opened: &Opened, alice: &OAuthToken) -> Done {
    stage.step("It is found by user, by refresh token and by id", "find --user alice@example.com")?;
    for (way, mut part) in [
        ("user", OAuthToken::new().with(Field::UserName, ALICE)),
        ("refresh token", OAuthToken::new().with(Field::RefreshToken, "1000.alice.refresh")),
        ("id", OAuthToken::new().with_id(alice.id().unwrap_or_default())),
    ] {
        as_told(opened.vault.find_token(&stage.session.context, &mut part).await?.value)?;
        as_told(part.user_name() == Some(ALICE) && part.get(Field::AccessToken) == alice.get(Field::AccessToken))?;
        let access = part.get(Field::AccessToken).map(fingerprint).unwrap_or_default();
        stage.say(&format!("  by {way:<14} {ALICE}  access token {access}"))?;
    }
    let mut nobody = OAuthToken::new().with(Field::UserName, "mallory@example.com");
    as_told(!opened.vault.find_token(&stage.session.context, &mut nobody).await?.value)?;
    stage.say("Somebody unknown is not found: there is no such thing as the first row.")
}

async fn rotate(stage: &mut Stage) -> Done {
    stage.step("The key is rotated", "rotate-key")?;
    stage.say("Everything is written anew under a new data key and put in place at once; others work on meanwhile.")?;
    upkeep::rotate_key(&mut stage.session, &RotateArgs { kms_key_id: None }).await?;
    stage.command("verify")?;
    upkeep::verify(&mut stage.session, false).await
}

/// One bit of a copy is turned, in the middle of what is stored.
async fn tamper(stage: &mut Stage, opened: &Opened, bob: &OAuthToken) -> Done {
    stage.step("Somebody changes one bit of a copy", "verify --store file:copy.tv")?;
    let end = opened.file()?.verify(&stage.session.context).await?.bytes;
    let mut bob = bob.clone();
    stage::renew(&mut bob, "1000.bob.access.2");
    opened.vault.save_token(&stage.session.context, &mut bob).await?;
    let (original, copy) = (stage.path("demo.tv"), stage.path("copy.tv"));
    let mut bytes = fs::read(original).map_err(stage::on_disk)?;
    let place = usize::try_from(end).ok().and_then(|end| bytes.get_mut(end.saturating_sub(100)));
    *place.ok_or_else(lost)? ^= 1;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&copy).map_err(stage::on_disk)?;
    file.write_all(&bytes).map_err(stage::on_disk)?;
    let whole = std::mem::replace(&mut stage.session.settings.store, StoreLocation::File(copy));
    let refused = stage.session.open().await.err();
    stage.session.settings.store = whole;
    let error = refused.filter(|error| error.kind() == ErrorKind::Damaged).ok_or_else(lost)?;
    stage.say(&format!("  error: {}\n  try: {}", report::what(&error), report::hint(&error)))?;
    let code = report::exit_code(error.kind());
    stage.say(&format!("Found (exit code {code}): a changed vault gives an error, never a wrong token."))
}

async fn log_out(stage: &mut Stage, opened: &Opened, alice: &OAuthToken) -> Done {
    stage.step("Everybody is logged out", "delete-all --yes")?;
    deletion::delete_all(&mut stage.session, &DeleteAllArgs { yes: true, ..DeleteAllArgs::default() }).await?;
    let mut late = alice.clone();
    late.set(Field::AccessToken, Some(SecretText::new("1000.alice.access.3")));
    let refused = opened.vault.save_token(&stage.session.context, &mut late).await.err();
    as_told(refused.is_some_and(|error| error.kind() == ErrorKind::Gone))?;
    as_told(opened.vault.get_tokens(&stage.session.context).await?.value.is_empty())?;
    stage.say("A refresh of Alice's that was still under way came too late, and was refused: a log-out is final.")
}
