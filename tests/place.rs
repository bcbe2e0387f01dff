//! Where a vault lies: links, left-overs, and the modes of every file that is made.
#![cfg(feature = "file")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has to stop")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::stat::{Mode, umask};
use tempfile::TempDir;
use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::crypto::kdf::KdfCost;
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

#[allow(clippy::disallowed_methods, reason = "a test's own files")]
fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    write(&folder.path().join("key"), &[7; 32]);
    folder
}

fn options(folder: &TempDir, path: impl Into<PathBuf>) -> FileOptions {
    FileOptions::new(path, KeySource::KeyFile(folder.path().join("key")))
}

fn create(folder: &TempDir, path: impl Into<PathBuf>) -> Arc<FileBackend> {
    Arc::new(FileBackend::create(options(folder, path), KdfCost::default()).unwrap())
}

async fn save(file: &Arc<FileBackend>, user: &str) {
    let mut token = OAuthToken::new().with(Field::UserName, user).with(Field::AccessToken, "access");
    Vault::new(Arc::clone(file) as _).save_token(&Context::new(), &mut token).await.unwrap();
}

async fn count(file: &Arc<FileBackend>) -> usize {
    Vault::new(Arc::clone(file) as _).get_tokens(&Context::new()).await.unwrap().value.len()
}

#[tokio::test]
async fn a_vault_behind_a_symbolic_link_stays_where_it_is() {
    let folder = folder();
    let (link, real) = (folder.path().join("link.tv"), folder.path().join("real.tv"));
    drop(create(&folder, &real));
    symlink(&real, &link).unwrap();
    let by_link = Arc::new(FileBackend::open(options(&folder, &link)).unwrap());
    let by_name = Arc::new(FileBackend::open(options(&folder, &real)).unwrap());
    save(&by_link, "ada").await;
    by_link.rotate_key(&Context::new()).await.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "the link is still one");
    save(&by_name, "bob").await;
    assert_eq!((count(&by_link).await, count(&by_name).await), (2, 2), "both go on with one file");
    // Whoever moves the link leads new handles elsewhere, and no open one.
    fs::remove_file(&link).unwrap();
    symlink(folder.path().join("nowhere"), &link).unwrap();
    assert_eq!(count(&by_link).await, 2);
}

#[tokio::test]
async fn a_hard_link_keeps_the_file_from_before_a_rewrite() {
    let folder = folder();
    let (path, link) = (folder.path().join("vault.tv"), folder.path().join("link.tv"));
    let file = create(&folder, &path);
    save(&file, "ada").await;
    fs::hard_link(&path, &link).unwrap();
    let by_link = Arc::new(FileBackend::open(options(&folder, &link)).unwrap());
    save(&by_link, "bob").await;
    assert_eq!(count(&file).await, 2, "until then both names mean one file");
    file.rotate_key(&Context::new()).await.unwrap();
    save(&file, "eve").await;
    assert_eq!((count(&file).await, count(&by_link).await), (3, 2), "from then on they are two vaults");
}

#[tokio::test]
async fn root_leaves_a_vault_that_it_writes_anew_to_its_owner() {
    let folder = folder();
    let path = folder.path().join("vault.tv");
    let file = create(&folder, &path);
    if fs::metadata(&path).unwrap().uid() != 0 || chown(&path, Some(12_345), Some(23_456)).is_err() {
        println!("left out, as only root can give a file away");
        return;
    }
    file.rotate_key(&Context::new()).await.unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (12_345, 23_456, 0o600));
}

#[test]
fn nothing_is_made_under_a_link_that_leads_nowhere() {
    let folder = folder();
    let (link, target) = (folder.path().join("link.tv"), folder.path().join("target.tv"));
    symlink(&target, &link).unwrap();
    let made = FileBackend::create(options(&folder, &link), KdfCost::default());
    assert_eq!(made.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(!target.exists());
}

#[tokio::test]
async fn a_second_name_that_a_killed_create_left_goes_with_the_next_rewrite() {
    let folder = folder();
    let path = folder.path().join("vault.tv");
    let file = create(&folder, &path);
    let left = folder.path().join(".vault.tv.new-0123456789abcdef");
    fs::hard_link(&path, &left).unwrap();
    let others = [".vault.tv.new-x.rewrite-0123456789abcdef", ".vault.tv.new-0123456789abcdeg", ".other.tv.new-01"];
    for name in others {
        write(&folder.path().join(name), b"another vault's");
    }
    file.rotate_key(&Context::new()).await.unwrap();
    assert!(!left.exists());
    assert!(others.iter().all(|name| folder.path().join(name).exists()), "what belongs to others stays");
}

/// The umask belongs to the process: nextest gives each test one of its own, and nothing else here looks at modes.
#[tokio::test]
async fn every_file_is_for_its_owner_only_whatever_the_umask() {
    let (folder, earlier) = (folder(), umask(Mode::empty()));
    let path = folder.path().join("vault.tv");
    let file = create(&folder, &path);
    save(&file, "ada").await;
    file.rotate_key(&Context::new()).await.unwrap();
    file.backup(&Context::new(), &folder.path().join("backup.tv")).await.unwrap();
    drop(file);
    let torn = [fs::read(&path).unwrap(), b"torn".to_vec()].concat();
    write(&path, &torn);
    save(&Arc::new(FileBackend::open(options(&folder, &path)).unwrap()), "bob").await;
    umask(earlier);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o7777, 0o600, "{}", entry.path().display());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert!(names[0].starts_with(".vault.tv.torn-"), "{names:?}");
    assert_eq!(names[1..], ["backup.tv", "key", "vault.tv"]);
}
