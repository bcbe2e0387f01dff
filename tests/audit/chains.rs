//! A trail that somebody has worked on: every line removed, changed, swapped, doubled, and every tail cut.

use std::sync::Arc;
use std::time::Duration;

use tokenvault::audit::recorder::{Mode, Recorder};
use tokenvault::audit::verify::{Standing, Trouble, Verifier};
use tokenvault::store::TokenStore;

use crate::scripted::Scripted;
use crate::{clock, context, every_call, keys, kinds, lines, options, vault, verified};

/// The trail of two processes after one another, the first with checkpoints.
async fn trail() -> Vec<u8> {
    let sink = Scripted::default();
    for _ in 0..2 {
        let clock = clock();
        let recorder = Arc::new(Recorder::new(Arc::new(sink.clone()), keys(), options(Mode::Required, clock.clone())));
        let (_, audited) = vault(recorder);
        every_call(&audited, &context()).await;
        clock.advance(Duration::from_secs(601));
        every_call(&audited, &context()).await;
    }
    sink.bytes()
}

fn texts(trail: &[u8]) -> Vec<Vec<u8>> {
    trail.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[tokio::test]
async fn a_trail_that_nobody_has_touched_is_intact() {
    let trail = trail().await;
    let found = verified(&trail);
    assert_eq!(found.findings, []);
    assert_eq!((found.chains.len(), found.count(Standing::Intact)), (2, 2));
    let kinds = kinds(&trail);
    assert!(kinds.iter().filter(|kind| *kind == "checkpoint").count() >= 2, "{kinds:?}");
    assert_eq!((kinds[0].as_str(), kinds.last().unwrap().as_str()), ("begin", "end"));
}

#[tokio::test]
async fn a_line_that_is_removed_is_found_or_the_chain_is_open() {
    let texts = texts(&trail().await);
    for gone in 0..texts.len() {
        let left: Vec<&[u8]> =
            texts.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, text)| &**text).collect();
        let found = verified(&left.concat());
        let is_end = lines(&texts[gone])[0].kind == "end";
        assert_eq!(found.is_broken(), !is_end, "line {gone}: {found:?}");
        assert_eq!(found.count(Standing::Intact), 1, "line {gone}");
        assert_eq!(found.count(Standing::Open), usize::from(is_end), "line {gone}");
    }
}

#[tokio::test]
async fn every_byte_that_is_changed_is_found() {
    let trail = trail().await;
    let first = texts(&trail).iter().take(4).map(Vec::len).sum();
    let last = trail.len() - texts(&trail).last().unwrap().len();
    for at in (0..first).chain(last..trail.len() - 1) {
        for bit in [1, 0x20] {
            let mut changed = trail.clone();
            changed[at] ^= bit;
            let found = verified(&changed);
            // What is no line any more is missing, and the last one's absence leaves its chain open.
            let is_open = at >= last && found.count(Standing::Open) == 1;
            assert!(found.is_broken() || is_open, "byte {at}, bit {bit}: {found:?}");
            assert_ne!(found.count(Standing::Intact), 2, "byte {at}, bit {bit}");
        }
    }
}

#[tokio::test]
async fn lines_that_are_swapped_or_doubled_are_found() {
    let texts = texts(&trail().await);
    for at in 0..texts.len() {
        for other in at + 1..texts.len().min(at + 4) {
            let mut swapped = texts.clone();
            swapped.swap(at, other);
            let found = verified(&swapped.concat());
            let chain = |at: usize| lines(&texts[at])[0].chain.clone();
            // Between two chains there is no order but that of their times.
            let is_order = (at..=other).any(|one| one != at && chain(one) == chain(at))
                || (at..other).any(|one| chain(one) == chain(other));
            assert_eq!(found.is_broken(), is_order, "lines {at} and {other}: {found:?}");
        }
        let mut doubled = texts.clone();
        doubled.insert(at, texts[at].clone());
        assert!(verified(&doubled.concat()).is_broken(), "line {at}");
        let mut again = texts.clone();
        again.push(texts[at].clone());
        assert!(verified(&again.concat()).is_broken(), "line {at} at the end");
    }
}

#[tokio::test]
async fn a_tail_that_is_cut_leaves_the_chain_open() {
    let texts = texts(&trail().await);
    let second =
        lines(&texts.concat()).iter().position(|line| line.seq == 0 && line.chain != lines(&texts[0])[0].chain);
    let second = second.unwrap();
    for left in 1..texts.len() {
        let found = verified(&texts[..left].concat());
        assert!(!found.is_broken(), "{left} lines: {found:?}");
        // The limit that docs/audit.md names: a whole chain that is gone from the end of a file leaves no trace in it.
        assert_eq!(found.count(Standing::Open), usize::from(left != second), "{left} lines");
    }
}

/// Somebody without the key cannot go on with a chain, nor begin one.
#[tokio::test]
async fn a_line_under_another_key_is_found() {
    let trail = trail().await;
    let texts = texts(&trail);
    let forged = String::from_utf8(texts[2].clone()).unwrap().replace("\"ada\"", "\"eve\"");
    let mut changed = texts.clone();
    changed[2] = forged.into_bytes();
    assert!(verified(&changed.concat()).is_broken());
    let other = tokenvault::backend::audit_key::AuditKey::new(&[8; 32]);
    let keys = tokenvault::audit::keys::Keys::derive(&other).unwrap();
    let mut verifier = Verifier::new(&keys);
    tokenvault::audit::read::pieces(&trail[..], |piece| verifier.take(piece)).unwrap();
    let found = verifier.finish();
    assert_eq!((found.count(Standing::Foreign), found.count(Standing::Intact)), (2, 0));
}

/// A line as somebody without the key writes it.
fn forged(chain: &str, seq: u64, mac: &str) -> Vec<u8> {
    let (key, start) = ("ff".repeat(16), r#"{"v":1,"time":"t","kind":"begin","key":""#);
    format!("{start}{key}\",\"chain\":\"{chain}\",\"seq\":{seq},\"mac\":\"{mac}\"}}\n").into_bytes()
}

/// Somebody puts a line before a chain that says that it is of another vault, and then takes lines out of it.
#[tokio::test]
async fn a_chain_is_not_made_another_vaults_by_a_line_before_it() {
    let texts = texts(&trail().await);
    let all = lines(&texts.concat());
    let length = all.iter().filter(|line| line.chain == all[0].chain).count();
    for (seq, mac) in [(u64::MAX, "00"), (0, "00"), (7, "ab")] {
        let mut with = texts.clone();
        with.insert(0, forged(&all[0].chain, seq, &mac.repeat(32)));
        let found = verified(&with.concat());
        assert!(found.is_broken(), "{found:?}");
        assert_eq!((found.findings[0].number, found.findings[0].trouble), (1, Trouble::Changed));
        assert_eq!((found.count(Standing::Broken), found.count(Standing::Intact)), (1, 1), "{found:?}");
        for gone in 1..=length {
            let mut without = with.clone();
            without.remove(gone);
            let found = verified(&without.concat());
            assert_eq!((found.is_broken(), found.count(Standing::Foreign)), (true, 0), "{seq}, line {gone}: {found:?}");
        }
    }
}

/// Somebody removes a chain, and keeps its last MAC in a line of a chain of nobody's, for the chain that names it.
#[tokio::test]
async fn a_mac_in_a_chain_that_was_not_checked_stands_for_no_line() {
    let sink = Scripted::default();
    let recorder = crate::recorder(Arc::new(sink.clone()), Mode::Required);
    let (_, audited) = vault(Arc::clone(&recorder));
    for _ in 0..2 {
        every_call(&audited, &context()).await;
        recorder.finish().await;
    }
    let texts = texts(&sink.bytes());
    let all = lines(&texts.concat());
    let second = all.iter().position(|line| line.chain != all[0].chain).unwrap();
    assert!(!verified(&texts.concat()).is_broken());
    assert_eq!(verified(&texts[second..].concat()).findings[0].trouble, Trouble::BeforeMissing);

    let stand_in = forged("x", 0, all[second].before.as_deref().unwrap());
    let trail = [&stand_in[..], &texts[second..].concat()].concat();
    let found = verified(&trail);
    assert!(found.is_broken(), "{found:?}");
    assert_eq!((found.findings[0].number, found.findings[0].trouble), (2, Trouble::BeforeUnchecked));
    // Who says that other vaults write there, too, cannot ask for more.
    let keys = keys();
    let mut verifier = Verifier::new(&keys).allow_foreign();
    tokenvault::audit::read::pieces(&trail[..], |piece| verifier.take(piece)).unwrap();
    let found = verifier.finish();
    assert_eq!((found.is_broken(), found.count(Standing::Foreign)), (false, 1), "{found:?}");
}

/// A torn write leaves no whole line: what has no MAC was put there, whichever chain it names.
#[tokio::test]
async fn a_whole_line_without_a_mac_is_found() {
    let trail = trail().await;
    for chain in ["x", &lines(&trail)[0].chain] {
        let forged =
            format!(r#"{{"v":1,"time":"t","kind":"requests","chain":"{chain}","seq":0,"requests":["read by eve"]}}"#);
        let found = verified(&[&trail[..], forged.as_bytes()].concat());
        assert!(found.is_broken(), "{found:?}");
        assert_eq!(found.findings[0].trouble, Trouble::Changed);
        assert_eq!(found.count(Standing::Broken), usize::from(chain != "x"));
        let torn = verified(&[&trail[..], &forged.as_bytes()[..forged.len() - 1]].concat());
        assert_eq!((torn.is_broken(), torn.findings[0].trouble), (false, Trouble::Torn));
    }
}

#[tokio::test]
async fn every_member_is_as_documented() {
    let trail = trail().await;
    let docs = std::fs::read_to_string("docs/audit.md").unwrap();
    for line in trail.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let members: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line).unwrap();
        for name in members.keys() {
            assert!(docs.contains(&format!("| `{name}` |")), "docs/audit.md has no row for {name}");
        }
    }
    let (_, audited) = vault(crate::recorder(Arc::new(Scripted::default()), Mode::Required));
    assert_eq!(audited.to_string(), "audit(memory)");
    audited.get_tokens(&context()).await.unwrap();
}
