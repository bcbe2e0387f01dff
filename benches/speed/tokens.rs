//! The tokens that are measured, and the bare records they are loaded as.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokenvault::clock::Timestamp;
use tokenvault::fields::{Field, Fields};
use tokenvault::identity::{Lineage, RecordName, Version};
use tokenvault::record::{Record, Writer};
use tokenvault::secret::SecretText;

/// The token of this number: the same shape as in peers.py.
pub(crate) fn fields(number: usize) -> Fields {
    let secret = |kind: &str| {
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(format!("{kind} {number}")));
        format!("1000.{}.{}", &digest[..32], &digest[32..])
    };
    let mut fields = Fields::new();
    for (field, text) in [
        (Field::UserName, format!("user{number:06}@example.com:{}", 60_000_000_000 + number)),
        (Field::ClientId, "1000.BENCHMARKBENCHMARKBENCHMARK0001".to_owned()),
        (Field::ClientSecret, "0123456789abcdef0123456789abcdef0123456789".to_owned()),
        (Field::RefreshToken, secret("refresh")),
        (Field::AccessToken, secret("access")),
        (Field::ExpiresIn, "1795311652321".to_owned()),
        (Field::RedirectUrl, "https://app.example.com/oauth/callback".to_owned()),
        (Field::ApiDomain, "https://www.zohoapis.com".to_owned()),
    ] {
        fields.set(field, Some(SecretText::new(&text)));
    }
    fields
}

pub(crate) fn record(number: usize) -> Arc<Record> {
    let fields = Arc::new(fields(number));
    let at = Timestamp::from_micros(1_700_000_000_000_000 + number as u64);
    Arc::new(Record {
        name: RecordName::random().unwrap(),
        version: Version::first().unwrap(),
        first_refresh: fields.get(Field::RefreshToken).cloned(),
        fields,
        ids: Vec::new(),
        adopted: Vec::new(),
        lineage: Lineage::first().unwrap(),
        created_at: at,
        saved_at: at,
        writer: Writer::Save,
        longest_life: None,
        lease: None,
    })
}
