//! Writing tokens in the CSV formats of the SDKs' file stores: nobody is locked in.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::import::row::FIELD_COLUMNS;
use crate::token::OAuthToken;

/// Whose file store is to read the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvFormat {
    /// The SDK for Python: as Python's csv module writes, with CRLF and no more quotes than needed.
    Python,
    /// The SDK for Node: no quotes at all, LF, and none at the end.
    Node,
    /// The SDK for TypeScript: as Node, with another header.
    Typescript,
}

impl CsvFormat {
    const fn header(self) -> &'static str {
        match self {
            Self::Python => {
                "id,user_name,client_id,client_secret,refresh_token,access_token,grant_token,expiry_time,redirect_uri,api_domain"
            }
            Self::Node => {
                "id,user_name,client_id,client_secret,refresh_token,access_token,grant_token,expiry_time,redirect_url,api_domain"
            }
            Self::Typescript => {
                "id,user_mail,client_id,client_secret,refresh_token,access_token,grant_token,expiry_time,redirect_url,api_domain"
            }
        }
    }

    const fn line_end(self) -> &'static str {
        match self {
            Self::Python => "\r\n",
            Self::Node | Self::Typescript => "\n",
        }
    }
}

/// The file's bytes, in memory that is wiped. A token with several ids appears under the one that it is handed out with.
///
/// # Errors
/// `InvalidInput` where a token has a text that the format cannot hold: the SDKs for Node and TypeScript write no
/// quotes, so a comma or a line break would destroy the row.
///
/// # Security
/// These are the tokens in the clear; whatever they are written to is not wiped by us.
pub fn to_csv(tokens: &[Arc<OAuthToken>], format: CsvFormat) -> Result<Zeroizing<Vec<u8>>> {
    if format != CsvFormat::Python {
        tokens.iter().try_for_each(|token| check_unquoted(token))?;
    }
    let mut length = 0;
    write(tokens, format, &mut |text| length += text.len());
    // Exactly the room it needs: a vector that grows leaves its old memory behind unwiped.
    let mut out = Zeroizing::new(Vec::with_capacity(length));
    write(tokens, format, &mut |text| out.extend_from_slice(text.as_bytes()));
    Ok(out)
}

fn write(tokens: &[Arc<OAuthToken>], format: CsvFormat, put: &mut dyn FnMut(&str)) {
    put(format.header());
    for token in tokens {
        put(format.line_end());
        for (column, text) in texts(token).enumerate() {
            if column > 0 {
                put(",");
            }
            let is_quoted = format == CsvFormat::Python && text.contains([',', '"', '\r', '\n']);
            if !is_quoted {
                put(text);
                continue;
            }
            put("\"");
            for (at, part) in text.split('"').enumerate() {
                if at > 0 {
                    put("\"\"");
                }
                put(part);
            }
            put("\"");
        }
    }
    if format == CsvFormat::Python {
        put(format.line_end());
    }
}

/// The id and the fields; an absent one is empty.
fn texts(token: &OAuthToken) -> impl Iterator<Item = &str> {
    let fields = FIELD_COLUMNS.into_iter().map(|field| token.fields().text(field).unwrap_or_default());
    [token.id().unwrap_or_default()].into_iter().chain(fields)
}

fn check_unquoted(token: &OAuthToken) -> Result<()> {
    if !texts(token).any(|text| text.starts_with('"') || text.contains([',', '\r', '\n'])) {
        return Ok(());
    }
    let id = token.id().unwrap_or_default();
    let message = format!("the token {id:?} has a comma, a line break or a leading quote in one of its texts");
    Err(Error::invalid(message)
        .with_hint("export in Python's format, which quotes; Node's and TypeScript's cannot hold it"))
}
