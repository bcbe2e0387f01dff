//! The journal in its file: sealed, shared by processes, durable.
#![allow(clippy::disallowed_methods, reason = "a test's own files")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io, iter};

use tokenvault::backend::fallback::journal::Journal;
use tokenvault::backend::fallback::journal::lock_file::LockFile;
use tokenvault::backend::fallback::journal::player::PlayerPlace;
use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::crypto::kdf::KdfCost;
use tokenvault::fields::Field;
use tokenvault::layer::journal::Journaled;
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::process::WHILE;
use crate::scene::{SECOND, Scene, opened};
use crate::scripted::Fate;

fn options(folder: &Path) -> FileOptions {
    let key = folder.join("key");
    fs::write(&key, [7; 32]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    FileOptions::new(folder.join("journal.tv"), KeySource::KeyFile(key))
}

/// A file may leave work to a thread of its own.
fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// A process with its journal in a file.
fn process(scene: &Scene, folder: &Path, is_new: bool) -> Journaled {
    let options = options(folder);
    let file = if is_new { FileBackend::create(options, KdfCost::default()) } else { FileBackend::open(options) };
    let fallback = opened(&scene.time, &scene.store, &scene.copy, "the store").unwrap();
    let journal = Arc::new(now(Journal::open(Arc::new(file.unwrap()), "the store")).unwrap());
    let vault = Arc::new(Vault::with_clock(Arc::clone(&fallback) as _, Arc::clone(&scene.time) as _));
    Journaled::new(vault, fallback, journal, LockFile::new(folder.join("journal.tv.player")))
}

/// A token whose every text can be told again, with `more` at the end.
fn token(more: &str) -> OAuthToken {
    let text = |field: Field| format!("canary-{}-{more}", field.name());
    let token = Field::ALL.into_iter().filter(|field| *field != Field::ExpiresIn);
    let token = token.fold(OAuthToken::new(), |token, field| token.with(field, &text(field)));
    token.with(Field::ExpiresIn, "1800000060000").with_id(&format!("canary-id-{more}"))
}

/// Mode and bytes of each file. A vault's file is put in its place by a thread that may still be at it: what is gone by the
/// time it is read has another name by then.
fn files(folder: &Path) -> io::Result<Vec<(PathBuf, u32, Vec<u8>)>> {
    let file = |path: PathBuf| Ok((path.clone(), fs::metadata(&path)?.permissions().mode() & 0o777, fs::read(path)?));
    fs::read_dir(folder)?.map(|entry| file(entry?.path())).collect()
}

fn assert_sealed(folder: &Path) {
    let is_settled = |files: &io::Result<_>| !matches!(files, Err(error) if error.kind() == io::ErrorKind::NotFound);
    let files = iter::repeat_with(|| files(folder)).find(is_settled).unwrap().unwrap();
    assert!(files.iter().any(|(path, ..)| path.ends_with("journal.tv")));
    for (path, mode, bytes) in files {
        assert_eq!(mode, 0o600, "{}", path.display());
        for needle in ["canary", "save", "delete", "overtaken", "the store"] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle.as_bytes()), "{needle} is in the clear");
        }
    }
}

#[test]
fn a_journal_in_a_file_is_sealed_and_outlives_its_processes() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::new();
    let context = Context::new();
    let first = process(&scene, folder.path(), true);
    let mut kept = token("first");
    now(first.save_token(&context, &mut kept)).unwrap();
    now(first.get_tokens(&context)).unwrap();
    scene.is_away();
    let mut refreshed = kept.clone().with(Field::AccessToken, "canary-refreshed");
    refreshed = refreshed.with(Field::ExpiresIn, "1800000960000");
    assert_eq!(now(first.save_token(&context, &mut refreshed)).unwrap().source, Source::Journal);
    let mut other = token("other");
    assert_eq!(now(first.save_token(&context, &mut other)).unwrap().source, Source::Journal);
    assert_sealed(folder.path());
    // Another process, while the first lives, sees it and adds to it.
    let second = process(&scene, folder.path(), false);
    let seen = now(second.find_token_by_id(&context, "canary-id-first")).unwrap();
    assert_eq!(seen.value.unwrap().fields().text(Field::AccessToken), Some("canary-refreshed"));
    assert!(now(second.delete_token(&context, "canary-id-other")).unwrap().value);
    drop((first, second));
    assert_sealed(folder.path());
    // The store has something newer by then: what does not stand is sealed as well.
    let plain = Vault::with_clock(Arc::clone(&scene.store.inner), Arc::clone(&scene.time) as _);
    let mut later = kept.clone().with(Field::AccessToken, "canary-later").with(Field::ExpiresIn, "1800009960000");
    now(plain.save_token(&context, &mut later)).unwrap();
    scene.is_back();
    scene.time.advance(WHILE);
    let third = process(&scene, folder.path(), false);
    assert_eq!(now(third.get_tokens(&context)).unwrap().value.len(), 1);
    assert_eq!(now(third.journal().status()).unwrap().entries, 0);
    assert_eq!(now(third.journal().lost()).unwrap().len(), 1);
    assert_sealed(folder.path());
}

#[test]
fn the_place_of_the_player_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let place = || LockFile::new(folder.path().join("journal.tv.player"));
    let taken = place().try_take().unwrap();
    assert!(taken.is_some() && place().try_take().unwrap().is_none());
    drop(taken);
    assert!(place().try_take().unwrap().is_some());
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), folder.path().join("link")).unwrap();
    assert!(LockFile::new(folder.path().join("link")).try_take().is_err());
    assert!(!folder.path().join("elsewhere").exists());
}

#[test]
fn a_journal_that_cannot_be_read_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::new();
    let layer = process(&scene, folder.path(), true);
    let context = Context::new();
    scene.is_away();
    for more in ["first", "second", "third"] {
        now(layer.save_token(&context, &mut token(more))).unwrap();
    }
    scene.store.otherwise(Fate::Done);
    scene.time.advance(11 * SECOND);
    let path = folder.path().join("journal.tv");
    let mut bytes = fs::read(&path).unwrap();
    // The file has room at its end.
    let middle = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    drop(layer);
    let options = options(folder.path());
    let opened = FileBackend::open(options).and_then(|file| now(Journal::open(Arc::new(file), "the store")));

    assert_eq!(opened.unwrap_err().kind(), tokenvault::error::ErrorKind::Damaged);
}

/// Threads with handles of their own are as good as processes: what they have in common is the file and the lock.
#[test]
fn many_write_at_once_and_play_back_at_once() {
    const WRITERS: usize = 4;
    const WRITES: usize = 6;
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::new();
    now(process(&scene, folder.path(), true).get_tokens(&Context::new())).unwrap();
    scene.is_away();
    let at_once = |work: &(dyn Fn(usize, Journaled) + Sync)| {
        let processes: Vec<Journaled> = (0..WRITERS).map(|_| process(&scene, folder.path(), false)).collect();
        std::thread::scope(|scope| {
            for (number, layer) in processes.into_iter().enumerate() {
                scope.spawn(move || work(number, layer));
            }
        });
    };
    at_once(&|number, layer| {
        for write in 0..WRITES {
            let own = now(layer.save_token(&Context::new(), &mut token(&format!("{number}-{write}")))).unwrap();
            assert_eq!(own.source, Source::Journal);
            // The same user of all of them.
            now(layer.save_token(&Context::new(), &mut token("common"))).unwrap();
        }
    });
    let layer = process(&scene, folder.path(), false);
    let all = now(layer.get_tokens(&Context::new()));
    assert!(all.is_err(), "the copy was empty, so nobody knows what else there is");
    assert_eq!(now(layer.journal().status()).unwrap().entries, 2 * (WRITERS * WRITES) as u64);
    scene.is_back();
    scene.time.advance(WHILE);
    at_once(&|_, layer| drop(now(layer.get_tokens(&Context::new())).unwrap()));
    assert_eq!(now(layer.journal().status()).unwrap().entries, 0);
    let stored = now(layer.get_tokens(&Context::new())).unwrap();
    assert_eq!((stored.value.len(), stored.source), (WRITERS * WRITES + 1, Source::Store));
    assert_eq!(now(layer.journal().lost()).unwrap().len(), 0);
}
