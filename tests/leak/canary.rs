//! Secrets that are easy to find again, however they were written down.

use std::collections::HashSet;

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use tokenvault::fields::Field;

/// How much of a secret, in whichever form, counts as a leak. A secret that is cut short is found too.
const PIECE: usize = 12;

/// A secret that exists nowhere but where it is made: 32 letters and digits, which no escaping changes, between
/// characters that every escaping does.
pub(crate) fn secret(random: &mut fastrand::Rng) -> String {
    let core: String = std::iter::repeat_with(|| random.alphanumeric()).take(32).collect();
    format!("'{core}\"\\é")
}

/// A text for each field, none of them twice.
pub(crate) fn texts(random: &mut fastrand::Rng) -> [(Field, String); 9] {
    Field::ALL.map(|field| match field {
        Field::ExpiresIn => (field, random.u64(1_900_000_000_000..2_000_000_000_000).to_string()),
        _ => (field, secret(random)),
    })
}

/// What is looked for: every piece of these secrets, as it is, in hexadecimal digits and in base64.
#[derive(Clone, Default)]
pub(crate) struct Wanted(HashSet<Vec<u8>>);

impl Wanted {
    pub(crate) fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut wanted = Self::default();
        for secret in secrets {
            let core: String = secret.chars().filter(char::is_ascii_alphanumeric).collect();
            wanted.add(core.as_bytes());
            for digits in [HEXLOWER.encode(core.as_bytes()), HEXUPPER.encode(core.as_bytes())] {
                wanted.add(digits.as_bytes());
            }
            for skipped in 0..3 {
                // At each of the three places where a text can stand in base64; its ends depend on its neighbours.
                let inner = &core.as_bytes()[skipped..];
                for text in [BASE64.encode(inner), BASE64URL.encode(inner)] {
                    wanted.add(&text.as_bytes()[..text.len() - 4]);
                }
            }
        }
        wanted
    }

    fn add(&mut self, text: &[u8]) {
        self.0.extend(text.windows(PIECE).map(<[u8]>::to_vec));
    }

    /// Where a piece of a secret stands.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<usize> {
        bytes.windows(PIECE).position(|piece| self.0.contains(piece))
    }

    /// `what` is said to be where `bytes` come from.
    pub(crate) fn assert_not_in(&self, bytes: &[u8], what: &str) {
        let at = self.find(bytes);
        assert_eq!(at, None, "{what} holds a secret: {}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_secret_is_found_in_every_form() {
    let secret = secret(&mut fastrand::Rng::with_seed(1));
    let wanted = Wanted::new([&*secret]);
    let url: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let mixed: String =
        secret.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_string() } else { "%20".into() }).collect();
    for (form, text) in [
        ("debug", format!("{secret:?}")),
        ("json", serde_json::to_string(&secret).unwrap()),
        ("hex", HEXLOWER.encode(format!("padding{secret}").as_bytes())),
        ("upper hex", HEXUPPER.encode(secret.as_bytes())),
        ("base64", BASE64.encode(secret.as_bytes())),
        ("base64 moved by one", BASE64.encode(format!("x{secret}").as_bytes())),
        ("base64 moved by two", BASE64.encode(format!("xx{secret}").as_bytes())),
        ("percent where it must be", mixed),
        ("cut short", secret[..15].to_owned()),
    ] {
        assert!(wanted.find(text.as_bytes()).is_some(), "{form}: {text}");
    }
    assert!(wanted.find(url.replace('%', "").as_bytes()).is_some(), "all in percent");
    assert_eq!(wanted.find(b"nothing of it is in here, whatever one may look for"), None);
}
