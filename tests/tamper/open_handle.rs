//! What a handle answers that is open while the bytes under it are changed.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use tokenvault::backend::file::FileBackend;
use tokenvault::error::ErrorKind;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;

use crate::layout;
use crate::story::{self, Story, look_through};

fn opened(story: &Story, path: &Path) -> (Arc<FileBackend>, File) {
    story::write(path, &story.bytes);
    let file = Arc::new(FileBackend::open(story.options(path)).unwrap());
    (file, OpenOptions::new().write(true).open(path).unwrap())
}

#[tokio::test]
async fn a_byte_flipped_under_an_open_handle_gives_the_right_answer_or_an_error() {
    let story = Story::new().await;
    let (file, disk) = opened(&story, &story.path("open.tv"));
    let vault = Vault::new(Arc::clone(&file) as _);
    let cx = Context::new();
    let end = layout::end(&story.bytes);
    for at in 0..end {
        disk.write_all_at(&[story.bytes[at] ^ 0x10], at as u64).unwrap();
        for (id, texts) in story.last() {
            match vault.find_token_by_id(&cx, id).await {
                Ok(answer) => {
                    let token = answer.value.unwrap();
                    let user = texts.iter().find(|(name, _)| *name == "user_name").unwrap();
                    assert_eq!(token.user_name(), Some(&*user.1));
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Damaged, "byte {at}"),
            }
        }
        assert_eq!(look_through(&file).await.err(), Some(ErrorKind::Damaged), "byte {at}: verify looks at everything");
        disk.write_all_at(&story.bytes[at..=at], at as u64).unwrap();
    }
    assert_eq!(look_through(&file).await.unwrap().0, *story.last(), "with every byte back, nothing is lost");
}

#[tokio::test]
async fn a_file_cut_under_an_open_handle_is_never_an_earlier_commit() {
    let story = Story::new().await;
    let (file, disk) = opened(&story, &story.path("open.tv"));
    let end = layout::end(&story.bytes);
    let first = layout::header_len(&story.bytes);
    for at in (0..end).step_by(5).chain([first, end - 1]) {
        disk.set_len(at as u64).unwrap();
        let seen = look_through(&file).await;
        assert_eq!(seen.err(), Some(ErrorKind::Damaged), "cut at {at}");
        let vault = Vault::new(Arc::clone(&file) as _);
        let saved = vault.save_token(&Context::new(), &mut story::token("eve", at)).await;
        assert_eq!(saved.unwrap_err().kind(), ErrorKind::Damaged, "and nothing is written behind the cut");
        disk.write_all_at(&story.bytes, 0).unwrap();
    }
    assert_eq!(look_through(&file).await.unwrap().0, *story.last());
}

#[tokio::test]
async fn frames_set_back_in_place_under_an_open_handle_are_not_mixed_into_a_rewrite() {
    let story = Story::new().await;
    let path = story.path("open.tv");
    // Two vaults that parted at the last frame, the same length each: only the last frame tells them apart.
    let last = layout::frames(&story.bytes).last().unwrap().clone();
    let (file, disk) = opened(&story, &path);
    let other = story.path(&story::long_name("other"));
    story::write(&other, &story.bytes[..last.start]);
    let theirs = Vault::new(Arc::new(FileBackend::open(story.options(&other)).unwrap()));
    theirs.save_token(&Context::new(), &mut story::token("ada", 3)).await.unwrap();
    let branch = std::fs::read(&other).unwrap();
    disk.write_all_at(&branch[last.start..last.end], last.start as u64).unwrap();
    assert_eq!(file.rotate_key(&Context::new()).await.unwrap_err().kind(), ErrorKind::Damaged);
    assert_eq!(look_through(&file).await.err(), Some(ErrorKind::Damaged));
    disk.write_all_at(&story.bytes, 0).unwrap();
    file.rotate_key(&Context::new()).await.unwrap();
    assert_eq!(look_through(&file).await.unwrap().0, *story.last());
}

#[tokio::test]
async fn a_changed_vault_is_not_backed_up() {
    let story = Story::new().await;
    let (file, disk) = opened(&story, &story.path("open.tv"));
    let (cx, to) = (Context::new(), story.path("backup.tv"));
    for at in (0..layout::end(&story.bytes)).step_by(7) {
        disk.write_all_at(&[story.bytes[at] ^ 0x10], at as u64).unwrap();
        assert_eq!(file.backup(&cx, &to).await.unwrap_err().kind(), ErrorKind::Damaged, "byte {at}");
        assert!(!to.exists() && story.beside("backup.tv", "new").is_empty(), "nothing of it is left");
        disk.write_all_at(&story.bytes[at..=at], at as u64).unwrap();
    }
    file.backup(&cx, &to).await.unwrap();
    assert_eq!(story.look_at(&std::fs::read(&to).unwrap()).await.unwrap().0, *story.last());
}
