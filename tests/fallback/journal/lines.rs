//! What a line says of a call that the journal answered.

use std::fs;
use std::sync::Arc;

use tokenvault::audit::file_sink::AuditFile;
use tokenvault::audit::keys::Keys;
use tokenvault::audit::recorder::{Recorder, RecorderOptions};
use tokenvault::backend::audit_key::AuditKey;
use tokenvault::layer::audit::Audited;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;

use crate::going::now;
use crate::journal::machine::with_alice;
use crate::process::{alice, of, refreshed};

#[test]
fn a_line_says_that_it_was_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("audit.jsonl");
    let (machine, worker, first) = with_alice();
    let keys = Keys::derive(&AuditKey::random().unwrap()).unwrap();
    let recorder = Recorder::new(Arc::new(AuditFile::new(&trail)), keys, RecorderOptions::default());
    let audited = Audited::new(Arc::new(worker.layer), Arc::new(recorder));
    let context = Context::new();
    machine.is_away();
    now(audited.save_token(&context, &mut refreshed(&first, "second", 120))).unwrap();
    now(audited.find_token_by_id(&context, first.id().unwrap())).unwrap();
    now(audited.find_token(&context, &mut alice("second", 120))).unwrap();
    now(audited.save_token(&context, &mut of("bob", "bob's", 60))).unwrap();
    now(audited.get_tokens(&context)).unwrap();
    now(audited.delete_token(&context, first.id().unwrap())).unwrap();
    now(audited.delete_tokens(&context)).unwrap();
    machine.is_back();
    now(audited.get_tokens(&context)).unwrap();
    let text = fs::read_to_string(&trail).unwrap();
    let calls: Vec<&str> = text.lines().filter(|line| line.contains(r#""kind":"call""#)).collect();
    let journaled: Vec<bool> = calls.iter().map(|line| line.contains(r#""source":"journal""#)).collect();
    assert_eq!(journaled, [true, true, true, true, true, true, true, false], "{text}");
    assert!(calls[7].contains(r#""source":"store""#), "{text}");
}
