//! A trail in a file: what may be one, what is torn, who shares it.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokenvault::audit::facts::{Facts, Subject};
use tokenvault::audit::file_sink::AuditFile;
use tokenvault::audit::line::Ending;
use tokenvault::audit::recorder::{Mode, Recorder};
use tokenvault::audit::verify::{Standing, Trouble};
use tokenvault::clock::{ManualClock, Timestamp};
use tokenvault::error::ErrorKind;
use tokenvault::layer::audit::Audited;
use tokenvault::operation::{Operation, Readiness};
use tokenvault::store::TokenStore;

use crate::scripted::{Act, Scripted};
use crate::{clock, context, every_call, keys, kinds, lines, options, recorder, vault, verified};

/// For so long a file is taken to be there that was seen.
const SEEN: Duration = Duration::from_millis(1);

fn file() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    (folder, path)
}

fn audited(path: &Path) -> Audited {
    audited_by(path, &clock())
}

fn audited_by(path: &Path, clock: &Arc<ManualClock>) -> Audited {
    let options = options(Mode::Required, Arc::clone(clock) as _);
    vault(Arc::new(Recorder::new(Arc::new(AuditFile::new(path)), keys(), options))).1
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[tokio::test]
async fn a_file_is_made_for_its_owner_only_and_kept() {
    let (_folder, path) = file();
    assert_eq!(every_call(&audited(&path), &context()).await, [true; 6]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(every_call(&audited(&path), &context()).await, [true; 6]);
    let bytes = fs::read(&path).unwrap();
    let found = verified(&bytes);
    assert_eq!((found.count(Standing::Intact), found.findings.len()), (2, 0));
    let told = lines(&bytes);
    let second = told.iter().rposition(|line| line.kind == "begin").unwrap();
    assert!(told[second].before.is_some(), "the second chain names the last line of the first");
    let from_second: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').skip(second).collect();
    let found = verified(&from_second.concat());
    assert_eq!(found.findings.iter().map(|one| one.trouble).collect::<Vec<_>>(), [Trouble::BeforeMissing; 2]);
}

#[tokio::test]
async fn what_is_no_file_of_ours_is_refused() {
    let (folder, path) = file();
    let refused = async |path: &Path| {
        let before = fs::read(path).unwrap_or_default();
        let error = audited(path).get_tokens(&context()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(fs::read(path).unwrap_or_default(), before);
    };
    fs::write(&path, "").unwrap();
    for mode in [0o620, 0o602, 0o604, 0o666] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        refused(&path).await;
    }
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    audited(&path).get_tokens(&context()).await.unwrap();

    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    refused(&link).await;
    symlink(folder.path().join("nowhere"), folder.path().join("dangling")).unwrap();
    refused(&folder.path().join("dangling")).await;
    assert!(!folder.path().join("nowhere").exists());
    let other = folder.path().join("other");
    fs::write(&other, "the only copy of something else\n").unwrap();
    fs::set_permissions(&other, Permissions::from_mode(0o600)).unwrap();
    refused(&other).await;
    let hard = folder.path().join("hard");
    fs::hard_link(&other, &hard).unwrap();
    refused(&hard).await;
    refused(folder.path()).await;
    refused(&folder.path().join("no/folder")).await;
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    // Nobody may read it here: that would wait for a writer.
    let error = audited(&pipe).get_tokens(&context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

/// A piece of a line at the end, as a power loss leaves it: the next chain begins on a line of its own.
#[tokio::test]
async fn what_is_torn_is_left_behind_and_told() {
    let (_folder, path) = file();
    every_call(&audited(&path), &context()).await;
    let whole = fs::read(&path).unwrap();
    append(&path, &whole[..150]);
    every_call(&audited(&path), &context()).await;
    let found = verified(&fs::read(&path).unwrap());
    assert_eq!(found.findings.iter().map(|one| one.trouble).collect::<Vec<_>>(), [Trouble::Torn]);
    assert_eq!(found.count(Standing::Intact), 2);
    assert!(!found.is_broken());
}

/// A file that is removed is made anew; required, that is an answer with its line in the new file.
#[tokio::test]
async fn a_file_that_was_removed_is_made_anew_and_names_what_was() {
    let (folder, path) = file();
    let clock = clock();
    let store = audited_by(&path, &clock);
    store.get_tokens(&context()).await.unwrap();
    let old = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    clock.advance(SEEN);
    store.get_tokens(&context()).await.unwrap();
    let new = fs::read(&path).unwrap();
    assert_eq!(kinds(&new), ["begin", "call"]);
    let found = verified(&new);
    assert_eq!(found.findings.iter().map(|one| one.trouble).collect::<Vec<_>>(), [Trouble::BeforeMissing]);
    // What the removed file took in the meantime counts as lost, so it is not what is named: its last line that counted is.
    assert!(!verified(&[old, new].concat()).is_broken());
    drop(folder);
    clock.advance(SEEN);
    assert!(store.get_tokens(&context()).await.is_err(), "and where it cannot be made, there is no answer");
}

/// A file that was seen a moment ago is not looked for; what it takes by then is written again where it was gone.
#[tokio::test]
async fn what_a_file_took_after_it_was_removed_is_written_again() {
    for is_ended in [false, true] {
        let (_folder, path) = file();
        let clock = clock();
        let store = audited_by(&path, &clock);
        store.get_tokens(&context()).await.unwrap();
        let old = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        for id in ["one", "two"] {
            store.find_token_by_id(&context(), id).await.unwrap();
        }
        assert!(!path.exists());
        if !is_ended {
            clock.advance(SEEN);
            store.get_tokens(&context()).await.unwrap();
        }
        drop(store);
        let bytes = fs::read(&path).unwrap();
        let rest: &[&str] = if is_ended { &["end"] } else { &["call", "end"] };
        let expected = [&["begin", "call", "call"], rest].concat();
        assert_eq!(kinds(&bytes), expected, "each once, and what was there when the file was seen is not made anew");
        assert_eq!(lines(&bytes)[0].lost.unwrap_or_default(), 0);
        assert!(!verified(&[old, bytes].concat()).is_broken(), "the new file names the last line that counted");
    }
}

/// Nothing is answered of a change, and nobody is sent to refresh, before the file is known to be there.
#[tokio::test]
async fn a_change_and_a_lease_wait_until_the_file_was_seen() {
    let (folder, path) = file();
    let clock = clock();
    let recorder = Arc::new(Recorder::new(
        Arc::new(AuditFile::new(&path)),
        keys(),
        options(Mode::Required, Arc::clone(&clock) as _),
    ));
    let store = vault(Arc::clone(&recorder)).1;
    store.get_tokens(&context()).await.unwrap();
    fs::remove_file(&path).unwrap();
    store.delete_token(&context(), "one").await.unwrap();
    assert_eq!(kinds(&fs::read(&path).unwrap()), ["begin", "intent", "call"]);
    fs::remove_file(&path).unwrap();
    recorder.check().await.unwrap();
    assert_eq!(kinds(&fs::read(&path).unwrap()), ["begin", "checkpoint"]);
    drop(folder);
    assert!(recorder.check().await.is_err());
    assert!(store.delete_token(&context(), "one").await.is_err());
}

/// A clock that is set back does not keep a file from being looked for.
#[tokio::test]
async fn a_file_is_looked_for_also_where_the_clock_is_set_back() {
    let (_folder, path) = file();
    let clock = clock();
    let store = audited_by(&path, &clock);
    store.get_tokens(&context()).await.unwrap();
    fs::remove_file(&path).unwrap();
    clock.set(Timestamp::default());
    store.get_tokens(&context()).await.unwrap();
    assert_eq!(kinds(&fs::read(&path).unwrap()), ["begin", "call"]);
}

/// Whatever a sink fails with: where it turns out to be gone by then, what it took is written again.
#[tokio::test]
async fn what_a_sink_took_that_is_gone_is_written_again_whatever_it_fails_with() {
    let sink = Scripted::then(&[Act::Take, Act::Take, Act::Full]);
    sink.told.lock().unwrap().is_unsettled = true;
    let store = vault(recorder(Arc::new(sink.clone()), Mode::Required)).1;
    for _ in 0..2 {
        store.get_tokens(&context()).await.unwrap();
    }
    sink.told.lock().unwrap().is_gone = true;
    store.get_tokens(&context()).await.unwrap();
    assert_eq!(kinds(&sink.bytes()), ["begin", "call", "call", "begin", "call", "call", "call"]);
}

/// A call is left once: whoever asks again hears the same.
#[tokio::test]
async fn a_line_that_was_refused_stays_refused() {
    for (act, is_taken) in [(Act::Full, false), (Act::Take, true)] {
        let sink = Scripted::then(&[act]);
        let recorder = recorder(Arc::new(sink.clone()), Mode::Required);
        let mut entry = recorder.enter(context(), Operation::GetTokens, Subject::All).await.unwrap();
        for _ in 0..2 {
            let left = entry.leave(&Facts::of(Ending::Ok), None).await;
            assert_eq!(left.map_err(|error| error.kind()), if is_taken { Ok(()) } else { Err(ErrorKind::Unavailable) });
        }
        assert_eq!(sink.told.lock().unwrap().writes, 1);
    }
}

/// What a sink took that nobody is sure of is written again where it turns out to be gone, and after no other failure.
#[tokio::test]
async fn only_what_is_gone_is_written_again() {
    for (failure, again) in [(Act::Gone, true), (Act::Full, false)] {
        let sink = Scripted::then(&[Act::Take, Act::Take, failure, Act::Gone, Act::Take]);
        sink.told.lock().unwrap().is_unsettled = true;
        let store = vault(recorder(Arc::new(sink.clone()), Mode::Required)).1;
        for _ in 0..2 {
            store.get_tokens(&context()).await.unwrap();
        }
        // One that is gone twice is not tried a third time: what was in it is kept for the next write.
        store.get_tokens(&context()).await.unwrap_err();
        store.get_tokens(&context()).await.unwrap();
        drop(store);
        let rest: &[&str] = if again { &["call", "call", "call", "end"] } else { &["call", "end"] };
        assert_eq!(kinds(&sink.bytes()), [&["begin", "call", "call", "begin"], rest].concat());
    }
}

/// As who rotates logs does it: the old file goes on under another name until the process ends.
#[tokio::test]
async fn a_file_that_was_renamed_keeps_its_chain() {
    let (folder, path) = file();
    let store = audited(&path);
    store.get_tokens(&context()).await.unwrap();
    let rotated = folder.path().join("audit.jsonl.1");
    fs::rename(&path, &rotated).unwrap();
    store.get_tokens(&context()).await.unwrap();
    drop(store);
    assert_eq!(kinds(&fs::read(&rotated).unwrap()), ["begin", "call", "call", "end"]);
}
