//! What the puppet can be told.

use std::sync::Arc;

use tokenvault::error::Result;
use tokenvault::fields::{Field, Fields};
use tokenvault::import::row::{Row, Rows};
use tokenvault::import::{Ids, ImportOptions, import};
use tokenvault::operation::Context;
use tokenvault::secret::SecretText;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::Puppet;

pub(crate) async fn run(puppet: &mut Puppet, command: &str, arguments: &[&str]) -> Result<Vec<String>> {
    match (command, arguments) {
        ("put", [slot, id, texts @ ..]) => {
            puppet.slots.insert((*slot).to_owned(), OAuthToken::from_fields(fields(texts)).with_id(id));
            ok("")
        }
        ("copy", [from, to]) => {
            let copy = puppet.slots[*from].clone();
            puppet.slots.insert((*to).to_owned(), copy);
            ok("")
        }
        ("drop", [slot]) => {
            puppet.slots.remove(*slot);
            ok("")
        }
        ("set", [slot, field, text]) => {
            let text = Some(SecretText::new(text));
            puppet.slots.get_mut(*slot).unwrap().set(Field::from_name(field).unwrap(), text);
            ok("")
        }
        ("set_id", [slot, id]) => {
            puppet.slots.get_mut(*slot).unwrap().set_id(Some(id));
            ok("")
        }
        ("show", [slot]) => Ok(of_token("", &puppet.slots[*slot])),
        ("save" | "find", [slot]) => on_slot(puppet, command, slot).await,
        _ => on_store(puppet, command, arguments).await,
    }
}

async fn on_store(puppet: &mut Puppet, command: &str, arguments: &[&str]) -> Result<Vec<String>> {
    let context = Context::new();
    match (command, arguments) {
        ("find_by_id", [id, slot]) => {
            let found = puppet.vault.find_token_by_id(&context, id).await?.value;
            keep(puppet, slot, found)
        }
        ("take_of_list", [at, slot]) => {
            let listed = puppet.vault.get_tokens(&context).await?.value;
            keep(puppet, slot, listed.into_iter().nth(at.parse().unwrap()))
        }
        ("list", []) => {
            let listed = puppet.vault.get_tokens(&context).await?.value;
            let mut answer = vec!["ok".to_owned(), listed.len().to_string()];
            answer.extend(listed.iter().flat_map(|token| of_token("", token).split_off(2)));
            Ok(answer)
        }
        ("delete", [id]) => ok(puppet.vault.delete_token(&context, id).await?.value),
        ("delete_all", []) => ok(puppet.vault.delete_tokens(&context).await?.value),
        ("rotate", []) => ok(puppet.file.rotate_key(&context).await?),
        ("import", [options, rows @ ..]) => import_rows(puppet, options, rows).await,
        _ => panic!("the puppet does not know {command} with {} arguments", arguments.len()),
    }
}

fn ok(what: impl ToString) -> Result<Vec<String>> {
    Ok(vec!["ok".to_owned(), what.to_string()])
}

fn fields(texts: &[&str]) -> Fields {
    let mut fields = Fields::new();
    for (field, text) in Field::ALL.into_iter().zip(texts) {
        fields.set(field, Some(SecretText::new(text)));
    }
    fields
}

fn of_token(what: &str, token: &OAuthToken) -> Vec<String> {
    let mut answer = vec!["ok".to_owned(), what.to_owned(), token.id().unwrap_or_default().to_owned()];
    answer.extend(Field::ALL.map(|field| token.fields().text(field).unwrap_or_default().to_owned()));
    answer
}

fn keep(puppet: &mut Puppet, slot: &str, found: Option<Arc<OAuthToken>>) -> Result<Vec<String>> {
    let Some(token) = found else { return ok(false) };
    let answer = of_token("true", &token);
    puppet.slots.insert(slot.to_owned(), OAuthToken::clone(&token));
    Ok(answer)
}

async fn on_slot(puppet: &mut Puppet, command: &str, slot: &str) -> Result<Vec<String>> {
    let token = puppet.slots.get_mut(slot).unwrap();
    let what = match command {
        "save" => format!("{:?}", puppet.vault.save_token(&Context::new(), token).await?.value.outcome),
        _ => puppet.vault.find_token(&Context::new(), token).await?.value.to_string(),
    };
    Ok(of_token(&what, token))
}

/// `options` holds a letter for each that is on; a row is an id and nine texts.
async fn import_rows(puppet: &Puppet, options: &str, rows: &[&str]) -> Result<Vec<String>> {
    let options = ImportOptions {
        ids: if options.contains('n') { Ids::New } else { Ids::Keep },
        overwrite: options.contains('o'),
        dry_run: options.contains('d'),
        skip_refused: options.contains('s'),
        progress: None,
    };
    let row = |(line, row): (usize, &[&str])| Row { line, id: Arc::from(row[0]), fields: Arc::new(fields(&row[1..])) };
    let rows = (1..).zip(rows.chunks(1 + Field::ALL.len())).map(row).collect();
    let summary = import(&puppet.vault, &Context::new(), &Rows { rows, ..Rows::default() }, &options).await?;
    let refused: Vec<usize> = summary.refused.iter().map(|refusal| refusal.line).collect();
    let lines = |lines: &[usize]| serde_json::to_string(lines).unwrap();
    let told = [&summary.new, &summary.kept, &refused].map(|told| lines(told));
    Ok([vec!["ok".to_owned(), format!("{:?}", summary.effect)], told.to_vec()].concat())
}
