//! Exporting, and reading back what was exported.

use std::collections::BTreeMap;

use tokenvault::error::ErrorKind;
use tokenvault::export::{CsvFormat, to_csv};
use tokenvault::fields::Field;
use tokenvault::import::csv;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;

use crate::{KEEP, save, token, vault};

const SAMPLES: [(CsvFormat, &str, &[u8]); 5] = [
    (CsvFormat::Python, "plain", include_bytes!("../data/sdk/python7_filestore_plain.csv")),
    (CsvFormat::Python, "hostile", include_bytes!("../data/sdk/python7_filestore_hostile.csv")),
    (CsvFormat::Python, "empty", include_bytes!("../data/sdk/python7_filestore_empty.csv")),
    (CsvFormat::Node, "empty", include_bytes!("../data/sdk/node2_filestore_empty.txt")),
    (CsvFormat::Node, "plain", include_bytes!("../data/sdk/node2_filestore_plain.txt")),
];

async fn take(bytes: &[u8]) -> Vault {
    let vault = vault();
    let rows = csv::parse(bytes).unwrap();
    let summary = tokenvault::import::import(&vault, &Context::new(), &rows, &KEEP).await.unwrap();
    summary.check().unwrap();
    vault
}

async fn give(vault: &Vault, format: CsvFormat) -> Vec<u8> {
    to_csv(&vault.get_tokens(&Context::new()).await.unwrap().value, format).unwrap().to_vec()
}

#[tokio::test]
async fn an_export_is_byte_for_byte_what_the_sdk_writes() {
    for (format, name, bytes) in SAMPLES {
        assert_eq!(give(&take(bytes).await, format).await, bytes, "{format:?} {name}");
    }
    let typescript = include_bytes!("../data/sdk/typescript3_filestore_plain.txt");
    assert_eq!(give(&take(typescript).await, CsvFormat::Typescript).await, typescript);
}

#[tokio::test]
async fn what_cannot_stand_without_quotes_is_refused() {
    for text in ["a,b", "a\nb", "a\rb", "\"a"] {
        for field in [Field::UserName, Field::AccessToken, Field::ApiDomain] {
            let vault = vault();
            save(&vault, token(&[(Field::RefreshToken, "r"), (field, text)]).with_id("the id")).await;
            let tokens = vault.get_tokens(&Context::new()).await.unwrap().value;
            for format in [CsvFormat::Node, CsvFormat::Typescript] {
                let error = to_csv(&tokens, format).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                assert!(error.message().contains("\"the id\""), "{error}");
            }
        }
    }
    let vault = vault();
    save(&vault, token(&[(Field::RefreshToken, "a\"b' c;d\t")]).with_id("1")).await;
    assert!(give(&vault, CsvFormat::Node).await.ends_with(b"\n1,,,,a\"b' c;d\t,,,,,"));
    let comma = take(b"id,user_name,client_id,client_secret,refresh_token,access_token,grant_token,expiry_time,redirect_uri,api_domain\n\"1,2\",,,,r,,,,,").await;
    let tokens = comma.get_tokens(&Context::new()).await.unwrap().value;
    assert!(to_csv(&tokens, CsvFormat::Node).is_err(), "the id counts too");
}

#[tokio::test]
async fn no_memory_is_left_over_in_an_export() {
    let vault = take(SAMPLES[1].2).await;
    let tokens = vault.get_tokens(&Context::new()).await.unwrap().value;
    let bytes = to_csv(&tokens, CsvFormat::Python).unwrap();
    assert_eq!(bytes.len(), bytes.capacity());
}

type Texts = BTreeMap<String, Vec<Option<String>>>;

async fn texts(vault: &Vault) -> Texts {
    let tokens = vault.get_tokens(&Context::new()).await.unwrap().value;
    let texts = |token: &tokenvault::token::OAuthToken| {
        Field::ALL.map(|field| token.get(field).map(|text| text.expose().to_owned())).to_vec()
    };
    tokens.iter().map(|token| (token.id().unwrap().to_owned(), texts(token))).collect()
}

fn random_text(random: &mut fastrand::Rng) -> String {
    const PIECES: [&str; 14] =
        [",", "\"", "\r", "\n", "\r\n", "\0", " ", "'", "a", "1000.", "é", "用", "😀", "\u{feff}"];
    (0..random.usize(0..6)).map(|_| PIECES[random.usize(..PIECES.len())]).collect()
}

#[tokio::test]
async fn what_python_format_exports_imports_as_the_same_tokens() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..300 {
        let from = vault();
        for number in 0..random.usize(1..8) {
            let mut one = token(&[(Field::RefreshToken, &format!("r{number}"))]);
            for field in Field::ALL.into_iter().filter(|field| *field != Field::ExpiresIn) {
                if random.bool() {
                    // Tokens of two sign-ins are never the same: an import would take them for one.
                    one = one.with(field, &format!("{}{number}", random_text(&mut random)));
                }
            }
            if random.bool() {
                one = one.with(Field::ExpiresIn, &random.u64(..1 << 60).to_string());
            }
            let id: String = random_text(&mut random).chars().filter(|c| !c.is_control()).collect();
            one = if random.bool() { one.with_id(&id) } else { one };
            // What the vault refuses is not there to be exported.
            _ = from.save_token(&Context::new(), &mut one).await;
        }
        let to = take(&give(&from, CsvFormat::Python).await).await;
        assert_eq!(texts(&to).await, texts(&from).await, "seed {seed}, round {round}");
    }
}
