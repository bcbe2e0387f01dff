//! The words of a random life: few of each, so that they meet.

use fastrand::Rng;
use tokenvault::fields::Field::{
    self, AccessToken, ApiDomain, ClientId, ClientSecret, ExpiresIn, GrantToken, RedirectUrl, RefreshToken, UserName,
};

const USERS: &[&str] = &["alice", "bob", "carol"];
const CLIENTS: &[&str] = &["app", "web"];
const GRANTS: &[&str] = &["g1", "g2", "g3"];
const REFRESHES: &[&str] = &["r1", "r2", "r3", "r4"];
const ACCESSES: &[&str] = &["a1", "a2", "a3", "a4", "a5", "a6"];
const OTHERS: &[&str] = &["x", "y"];
/// Around five minutes apart, and less, and more: that is where the rules change their mind.
const EXPIRIES: &[&str] = &[
    "1900000000000",
    "1900000000001",
    "1900000299999",
    "1900000300000",
    "1900000300001",
    "1900000600000",
    "1900003600000",
    "1900007200000",
];
/// Brought ones, one that looks like the vault's own, one that is none.
const IDS: &[&str] = &["1", "2", "3", "../x", "tvaaaaaaaaaaaaaaaaaaaaaaaaaa", "bad\0id"];

fn of(field: Field) -> &'static [&'static str] {
    match field {
        UserName => USERS,
        ClientId => CLIENTS,
        GrantToken => GRANTS,
        RefreshToken => REFRESHES,
        AccessToken => ACCESSES,
        ExpiresIn => EXPIRIES,
        ClientSecret | RedirectUrl | ApiDomain => OTHERS,
    }
}

fn word(random: &mut Rng, field: Field) -> &'static str {
    let words = of(field);
    words[random.usize(0..words.len())]
}

pub(crate) fn id(random: &mut Rng) -> String {
    // The odd ones seldom.
    let count = if random.u32(0..4) == 0 { IDS.len() } else { 3 };
    IDS[random.usize(0..count)].to_owned()
}

/// Every word of these fields.
pub(crate) fn every(fields: &[Field]) -> impl Iterator<Item = (Field, &'static str)> {
    fields.iter().flat_map(|field| of(*field).iter().map(|word| (*field, *word)))
}

/// Some of a token's fields.
pub(crate) fn partly(random: &mut Rng, mut set: impl FnMut(Field, &str)) {
    for (field, per_cent) in [
        (UserName, 60),
        (ClientId, 50),
        (ClientSecret, 15),
        (GrantToken, 15),
        (RefreshToken, 45),
        (AccessToken, 40),
        (ExpiresIn, 40),
        (RedirectUrl, 10),
        (ApiDomain, 10),
    ] {
        if random.u32(0..100) < per_cent {
            set(field, word(random, field));
        }
    }
}

/// What a holder does to a token: mostly a refresh, sometimes a rotated one, now and then anything else.
pub(crate) fn change(random: &mut Rng, mut set: impl FnMut(Field, &str)) {
    let fields: &[Field] = match random.u32(0..100) {
        0..45 => &[AccessToken, ExpiresIn],
        45..60 => &[AccessToken, ExpiresIn, RefreshToken],
        60..65 => &[AccessToken],
        65..70 => &[RefreshToken],
        70..75 => &[GrantToken],
        75..82 => &[ApiDomain],
        82..86 => &[RedirectUrl, ClientSecret],
        86..90 => &[UserName],
        90..93 => &[ClientId],
        93..95 => &[UserName, ClientId],
        _ => {
            return set(Field::ALL[random.usize(0..Field::ALL.len())], "");
        }
    };
    for field in fields {
        set(*field, word(random, *field));
    }
}
