//! Texts that have broken other stores, in every field where any text may stand.

use super::steps::{Store, all, assert_holds, delete, find, found_id, id, save, texts, token, with};
use crate::fields::Field::{self, AccessToken, ClientId, GrantToken, RefreshToken, UserName};

/// The fields that may hold any text.
const FREE: [Field; 8] = [
    UserName,
    ClientId,
    Field::ClientSecret,
    GrantToken,
    RefreshToken,
    AccessToken,
    Field::RedirectUrl,
    Field::ApiDomain,
];

/// `text` comes back from every field at once as it was saved, and each rule finds the record by it.
async fn goes_through_every_field(store: &Store, text: &str) {
    let full = FREE.into_iter().fold(token([]), |token, field| token.with(field, text));
    let saved = save(store, &full).await;
    assert_holds(store, &id(&saved), FREE.map(|field| (field, text))).await;
    for field in [UserName, GrantToken, RefreshToken] {
        assert_eq!(found_id(store, &token([(field, text), (ClientId, text)])).await, Some(id(&saved)));
    }
    let bare = save(store, &token([(UserName, "bare"), (AccessToken, text)])).await;
    assert_eq!(found_id(store, &token([(AccessToken, text)])).await, Some(id(&bare)));
    assert_eq!(save(store, &full).await.id(), saved.id(), "the same save twice is one record");
    assert_eq!(all(store).await.len(), 2);
    assert!(delete(store, &id(&saved)).await && delete(store, &id(&bare)).await);
    assert!(find(store, &token([(UserName, text)])).await.is_none());
}

/// Quotes of every kind.
pub async fn quotes_are_text(store: &Store) {
    for text in ["'", "\"", "`", "''", "\"\"", "\"a\",\"b\"", "it's", "\\'", "\\", "\\\\", "«»"] {
        goes_through_every_field(store, text).await;
    }
}

/// What separates fields in files.
pub async fn commas_and_separators_are_text(store: &Store) {
    for text in [",", "a,b", ";", "\t", "|", "=", ":", "a,b,c,d,e,f,g,h,i,j", "{\"a\": [1]}", "key = 1", "#"] {
        goes_through_every_field(store, text).await;
    }
}

/// What ends lines, and what ends texts.
pub async fn line_ends_and_nul_are_text(store: &Store) {
    for text in ["\r", "\n", "\r\n", "a\nb", "a\r\nb\r\n", "\0", "a\0b", "\0\0", "\u{2028}", "\u{1a}", "\u{1b}[2J"] {
        goes_through_every_field(store, text).await;
    }
}

/// Unicode beyond two bytes, beyond the first plane, and in the corners.
pub async fn four_byte_characters_are_text(store: &Store) {
    for text in ["😀", "𝒂𝒍𝒊𝒄𝒆", "\u{10ffff}", "\u{feff}bom", "\u{202e}evil", "e\u{301}", "ÿ", "中文", "👩‍👩‍👧"]
    {
        goes_through_every_field(store, text).await;
    }
}

/// Blanks are text, not absence.
pub async fn blanks_are_text(store: &Store) {
    for text in [" ", "  ", "\u{a0}", "\u{200b}", " a ", "\t"] {
        goes_through_every_field(store, text).await;
    }
}

/// Words that mean nothing in other languages mean nothing here.
pub async fn words_for_nothing_are_text(store: &Store) {
    for text in ["null", "NULL", "None", "undefined", "nil", "NaN", "0", "false", "user_name", "id", "tv"] {
        goes_through_every_field(store, text).await;
    }
}

/// Pieces of SQL, of shells, of paths, of patterns.
pub async fn code_is_text(store: &Store) {
    for text in
        ["x' or '1'='1", "9 or 1=1", "'; drop table oauthtoken; --", "$(id)", "../../etc", "%", "_", "*", "%s%n", "{}"]
    {
        goes_through_every_field(store, text).await;
    }
}

/// 10,000 characters, of one byte and of four, in each field; not in all at once, for which a store need have no room.
pub async fn ten_thousand_characters_are_text(store: &Store) {
    for text in ["x".repeat(10_000), "😀".repeat(10_000)] {
        for field in FREE {
            let saved = save(store, &token([(UserName, "u"), (RefreshToken, "r")]).with(field, &text)).await;
            assert_holds(store, &id(&saved), [(field, text.as_str())]).await;
            assert!(delete(store, &id(&saved)).await);
        }
        // One that differs at the very end is another.
        let saved = save(store, &token([(UserName, &text), (RefreshToken, "r")])).await;
        assert!(find(store, &token([(UserName, &format!("{text}x"))])).await.is_none());
        assert_eq!(found_id(store, &token([(UserName, &text)])).await, Some(id(&saved)));
        assert!(delete(store, &id(&saved)).await);
    }
}

/// Hostile texts in one record leave the others as they were.
pub async fn hostile_texts_leave_other_records_alone(store: &Store) {
    let victim = save(store, &token([(UserName, "victim"), (ClientId, "app"), (RefreshToken, "r")])).await;
    for text in ["x' or '1'='1", "%", "\r\nvictim,app", "\0", "victim\0", "victim\r\n"] {
        let saved = save(store, &token([(UserName, text), (RefreshToken, text), (AccessToken, text)])).await;
        save(store, &with(&saved, [(ClientId, text)])).await;
        assert!(delete(store, &id(&saved)).await);
        assert_eq!(super::steps::by_id(store, &id(&victim)).await.as_deref().map(texts), Some(texts(&victim)));
    }
    assert_eq!(all(store).await.len(), 1);
}
