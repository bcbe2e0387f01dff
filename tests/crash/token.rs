//! Tokens whose every field says which write it came from, so that a half-done one shows.

use tokenvault::fields::Field::{
    self, AccessToken, ApiDomain, ClientId, ClientSecret, ExpiresIn, RedirectUrl, RefreshToken, UserName,
};
use tokenvault::token::OAuthToken;

/// The nine texts in the order of `Field::ALL`; an empty one is absent.
pub(crate) type Texts = [String; 9];

/// The user's token as the write called `mark` leaves it. `size` is about the length of its access token.
pub(crate) fn texts(user: &str, mark: u64, size: usize) -> Texts {
    Field::ALL.map(|field| match field {
        UserName => user.to_owned(),
        ClientId => "client".to_owned(),
        RefreshToken => format!("refresh token of {user}"),
        AccessToken => format!("access {mark} {}", "x".repeat(size)),
        // Later with every write.
        ExpiresIn => (1_900_000_000_000 + mark * 3_600_000).to_string(),
        ClientSecret | RedirectUrl | ApiDomain => format!("{} {mark}", field.name()),
        Field::GrantToken => String::new(),
    })
}

pub(crate) fn of_token(token: &OAuthToken) -> Texts {
    Field::ALL.map(|field| token.fields().text(field).unwrap_or_default().to_owned())
}

pub(crate) fn to_token(texts: &Texts) -> OAuthToken {
    Field::ALL.into_iter().zip(texts).fold(OAuthToken::new(), |token, (field, text)| token.with(field, text))
}

/// A line for the command `save`.
pub(crate) fn to_json(texts: &Texts) -> String {
    let fields = Field::ALL.into_iter().zip(texts).filter(|(_, text)| !text.is_empty());
    let object: serde_json::Map<_, _> =
        fields.map(|(field, text)| (field.name().to_owned(), text.as_str().into())).collect();
    serde_json::Value::Object(object).to_string() + "\n"
}

/// A file of the Python SDK. None of these texts needs quoting.
pub(crate) fn to_csv<'a>(rows: impl IntoIterator<Item = (&'a str, &'a Texts)>) -> String {
    let columns = [
        UserName,
        ClientId,
        ClientSecret,
        RefreshToken,
        AccessToken,
        Field::GrantToken,
        ExpiresIn,
        RedirectUrl,
        ApiDomain,
    ];
    let head = "id,user_name,client_id,client_secret,refresh_token,access_token,grant_token,expiry_time,redirect_uri,\
                api_domain\n";
    let row = |(id, texts): (&str, &Texts)| {
        let cells = columns.map(|column| texts[column as usize].as_str());
        format!("{id},{}\n", cells.join(","))
    };
    head.to_owned() + &rows.into_iter().map(row).collect::<String>()
}
