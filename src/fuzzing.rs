//! The parsers that read what an attacker may have written, as the fuzz targets call them. Only under `cfg(fuzzing)`.

use crate::audit::cloudtrail::Join;
use crate::audit::keys::Keys;
use crate::audit::query::{Calls, Filter};
use crate::audit::read::{self, Piece};
use crate::audit::timeline::Timeline;
use crate::audit::verify::{Standing, Verification, Verifier};
use crate::backend::audit_key::AuditKey;

/// A vault file's header.
pub fn header(data: &[u8]) {
    crate::backend::file::fuzzing::header(data);
}

/// A vault file behind its header: frames, what they hold, and the tail.
pub fn frame(data: &[u8]) {
    crate::backend::file::fuzzing::frame(data);
}

/// The SDKs' CSV files.
pub fn csv(data: &[u8]) {
    if let Ok(rows) = crate::import::csv::parse(data) {
        let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
        assert!(rows.rows.iter().all(|row| (1..=lines).contains(&row.line)), "a row lies on a line of the file");
    }
}

/// Tokens on standard input.
pub fn json(data: &[u8]) {
    crate::cli::fuzzing::json(data);
}

/// The lines of an audit trail: checked, listed and drawn.
pub fn trail(data: &[u8]) {
    let mut calls = Calls::default();
    let (mut last, mut pieces) = (0, 0);
    let count = |piece: Piece<'_>| {
        (last, pieces) = (piece.number, pieces + 1);
        calls.take_piece(piece);
    };
    // A slice is always read to its end.
    let Ok(_) = read::pieces(data, count) else { return };
    // The key of fuzz/seeds/trail, and another one, under which nobody has written anything.
    let (Some(found), Some(strange)) = (verified(data, 7), verified(data, 8)) else { return };
    assert!(found.findings.iter().all(|finding| (1..=last).contains(&finding.number)), "a finding is on a line");
    assert!(found.chains.iter().map(|chain| chain.lines).sum::<u64>() <= pieces, "a line is of one chain");
    assert_eq!(strange.count(Standing::Intact) + strange.count(Standing::Open), 0, "nobody writes without the key");
    let lines = calls.that_fit(&Filter::default());
    if let Some(drawn) = Timeline::of(&lines, 60) {
        let is_no_xml = |one: &char| one.is_control() && *one != '\n' || matches!(one, '\u{fffe}' | '\u{ffff}');
        assert_eq!(drawn.svg().chars().find(is_no_xml), None, "a character that XML has not");
        drawn.text();
    }
}

fn verified(data: &[u8], key: u8) -> Option<Verification> {
    let keys = Keys::derive(&AuditKey::new(&[key; AuditKey::LEN])).ok()?;
    let mut verifier = Verifier::new(&keys);
    read::pieces(data, |piece| verifier.take(piece)).ok()?;
    Some(verifier.finish())
}

/// CloudTrail's events, held against an empty trail.
pub fn cloudtrail(data: &[u8]) {
    if let Ok(held) = Join::new("app/prod").hold(data) {
        assert!(held.reads <= held.events && held.strangers.len() == held.reads, "every read is a stranger's");
    }
}
