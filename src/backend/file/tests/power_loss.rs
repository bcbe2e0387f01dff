//! Power is lost after each call to the disk in turn, and leaves any subset of what was not synced. A write of more than a
//! kilobyte is torn at some of its bytes: `TOKENVAULT_SOAK=131` tears it at every one.

use std::collections::HashSet;
use std::path::Path;

use crate::backend::file::tests::scene::{Contents, PATH, Process, Scene, contents, soak};
use crate::backend::file::tests::sim_image::Image;
use crate::backend::file::tests::sim_world::{Step, Verdict, World};
use crate::error::{ErrorKind, Result};

/// One operation, and what the vault holds once it is answered.
type Act<'a> = (&'a dyn Fn(&Process) -> Result<()>, Contents);

/// Which keys may open the vault when so many operations are acknowledged.
type Keys<'a> = &'a dyn Fn(usize) -> Vec<&'static str>;

/// What may be found after a crash: what the last acknowledged operation left, or the one that was under way.
struct Found<'a> {
    scene: &'a Scene,
    allowed: Vec<Contents>,
    /// Which keys may open the vault.
    keys: Vec<&'a str>,
}

impl Found<'_> {
    /// The vault opens, holds what it may hold, and goes on working.
    fn check(&self, image: &Image) {
        let world = World::from_image(image);
        let disk = world.process();
        let opened = self.keys.iter().map(|key| (*key, self.scene.open_as(&disk, PATH, key)));
        let (key, process) = opened
            .filter_map(|(key, opened)| match opened {
                Ok(process) => Some((key, process)),
                Err(error) if error.kind() == ErrorKind::WrongKey && self.keys.len() > 1 => None,
                Err(error) => panic!("does not open: {error:?}"),
            })
            .next()
            .expect("one of the keys opens it");
        let mut found = process.contents().unwrap();
        assert!(self.allowed.contains(&found), "found {found:?}, allowed {:?}", self.allowed);
        process.save("later", "after the crash").unwrap();
        found.insert("later".to_owned(), "after the crash".to_owned());
        drop(process);
        let again = self.scene.open_as(&world.process(), PATH, key).unwrap();
        assert_eq!(again.contents().unwrap(), found);
        assert_eq!(again.verify().unwrap().torn_bytes, 0);
    }
}

struct Crashes<'a> {
    scene: &'a Scene,
    tear_every: usize,
    /// The process's first sync fails: what it commits next is written by a rewrite.
    first_sync_fails: bool,
    /// What else must hold of an image.
    also: &'a dyn Fn(&Image),
}

impl Crashes<'_> {
    /// Plays `acts` from `start` again and again, killing the process one call later each time, and checks every image
    /// that a power loss may leave then. Answers how many there were.
    fn play(&self, start: &Image, acts: &[Act<'_>], keys: Keys<'_>) -> usize {
        let before = self.scene.found(&World::from_image(start));
        let after = |count: usize| count.checked_sub(1).map_or(&before, |last| &acts[last].1).clone();
        let mut checked = 0;
        let mut known = vec![HashSet::new(); acts.len() + 1];
        for fatal in 0.. {
            let world = World::from_image(start);
            let disk = world.process();
            let mut fails = self.first_sync_fails;
            disk.on_each_call(move |number, step| match step {
                _ if number == fatal => Verdict::Die,
                Step::Sync if std::mem::take(&mut fails) => Verdict::Fail(std::io::ErrorKind::Other),
                _ => Verdict::Go,
            });
            let answered = |process: Process| acts.iter().take_while(|(act, _)| act(&process).is_ok()).count();
            let acknowledged = self.scene.open(&disk).map_or(0, answered);
            let mut allowed = vec![after(acknowledged)];
            if disk.is_dead() && acknowledged < acts.len() {
                allowed.push(after(acknowledged + 1));
            }
            let found = Found { scene: self.scene, allowed, keys: keys(acknowledged) };
            let tear_every = (self.tear_every / soak()).max(1);
            world.after_power_loss(Path::new(PATH), tear_every, &mut known[acknowledged], |image| {
                checked += 1;
                found.check(image);
                (self.also)(image);
            });
            if !disk.is_dead() {
                assert_eq!(acknowledged, acts.len());
                break;
            }
        }
        checked
    }
}

fn lose_power(scene: &Scene, start: &Image, acts: &[Act<'_>], keys: Keys<'_>) -> usize {
    Crashes { scene, tear_every: 131, first_sync_fails: false, also: &|_| () }.play(start, acts, keys)
}

fn old_key(_: usize) -> Vec<&'static str> {
    vec!["old"]
}

fn plus(before: &Contents, pairs: &[(&str, &str)]) -> Contents {
    let mut after = before.clone();
    after.extend(contents(pairs));
    after
}

fn minus(before: &Contents, user: &str) -> Contents {
    let mut after = before.clone();
    after.remove(user);
    after
}

fn assert_many(images: usize, bound: usize) {
    println!("{images} images");
    assert!(images >= bound, "{images} images are too few to prove anything");
}

#[test]
fn a_save_is_there_whole_or_not_at_all() {
    let scene = Scene::new();
    for (users, bound) in [(&["a"][..], 300), (&[], 300), (&["a", "b", "c"], 300)] {
        let start = scene.image(users);
        let before = scene.found(&World::from_image(&start));
        let acts: [Act<'_>; 3] = [
            (&|process| process.save("new", "1"), plus(&before, &[("new", "1")])),
            (&|process| process.save("new", "2"), plus(&before, &[("new", "2")])),
            (&|process| process.save("other", "3"), plus(&before, &[("new", "2"), ("other", "3")])),
        ];
        assert_many(lose_power(&scene, &start, &acts, &old_key), bound);
    }
}

#[test]
fn a_delete_and_the_rewrite_behind_it_lose_nothing() {
    let scene = Scene::new();
    let start = scene.image(&["a", "b"]);
    let before = scene.found(&World::from_image(&start));
    let acts: [Act<'_>; 2] = [
        (&|process| process.delete("a"), minus(&before, "a")),
        (&|process| process.save("b", "2"), contents(&[("b", "2")])),
    ];
    assert_many(lose_power(&scene, &start, &acts, &old_key), 50);
}

#[test]
fn an_import_is_all_or_nothing() {
    let scene = Scene::new();
    let start = scene.image(&["a", "b"]);
    let before = scene.found(&World::from_image(&start));
    // More than one frame takes of one commit.
    let long = "long".repeat(2100);
    let pairs = [("imported", long.as_str()), ("imported too", &long)];
    let imported = plus(&before, &pairs);
    let acts: [Act<'_>; 2] = [
        (&|process| process.save_all(&pairs), imported.clone()),
        (&|process| process.save("a", "2"), plus(&imported, &[("a", "2")])),
    ];
    assert_many(lose_power(&scene, &start, &acts, &old_key), 50);
}

/// An import that is larger than a commit may be is written so, too.
#[test]
fn an_import_by_a_rewrite_is_all_or_nothing() {
    let scene = Scene::new();
    let start = scene.image(&["a", "b"]);
    let before = scene.found(&World::from_image(&start));
    let pairs = [("imported", "1"), ("a", "2")];
    let imported = plus(&before, &pairs[..1]);
    let is_rewritten = |process: &Process| {
        let generation = process.verify()?.generation;
        assert_eq!(generation, 2, "the import was written by a rewrite");
        process.save("a", "2")
    };
    let acts: [Act<'_>; 3] = [
        // It changes nothing, and rests on what it has read: the failed sync is all that comes of it.
        (
            &|process| process.save("a", "first").map_or(Ok(()), |()| panic!("a failed sync was believed")),
            before.clone(),
        ),
        (&|process| process.save_all(&pairs[..1]), imported.clone()),
        (&is_rewritten, plus(&imported, &pairs[1..])),
    ];
    let crashes = Crashes { scene: &scene, tear_every: 131, first_sync_fails: true, also: &|_| () };
    assert_many(crashes.play(&start, &acts, &old_key), 50);
}

#[test]
fn deleting_everything_is_all_or_nothing() {
    let scene = Scene::new();
    let start = scene.image(&["a", "b"]);
    let acts: [Act<'_>; 2] =
        [(&Process::clear, Contents::new()), (&|process| process.save("a", "2"), contents(&[("a", "2")]))];
    assert_many(lose_power(&scene, &start, &acts, &old_key), 50);
}

#[test]
fn a_rotation_leaves_the_old_file_or_the_new() {
    let scene = Scene::new();
    let start = scene.image(&["a", "b"]);
    let before = scene.found(&World::from_image(&start));
    let acts: [Act<'_>; 3] = [
        (&|process| process.rotate().map(drop), before.clone()),
        (&|process| process.save("b", "2"), plus(&before, &[("b", "2")])),
        (&|process| process.rotate().map(drop), plus(&before, &[("b", "2")])),
    ];
    assert_many(lose_power(&scene, &start, &acts, &old_key), 50);
}

#[test]
fn a_change_of_key_leaves_the_old_key_or_the_new() {
    let scene = Scene::new();
    let start = scene.image(&["a", "b"]);
    let before = scene.found(&World::from_image(&start));
    let acts: [Act<'_>; 2] = [
        (&|process| process.change_key(scene.key("new")).map(drop), before.clone()),
        (&|process| process.save("b", "2"), plus(&before, &[("b", "2")])),
    ];
    let keys = |acknowledged| {
        if acknowledged == 0 { vec!["old", "new"] } else { vec!["new"] }
    };
    assert_many(lose_power(&scene, &start, &acts, &keys), 50);
}

#[test]
fn a_torn_tail_is_cut_off_and_kept() {
    let scene = Scene::new();
    // Longer than what is written next: its end would stay behind that.
    let world = scene.world(&["a"]);
    scene.open(&world.process()).unwrap().save("b", &"long".repeat(150)).unwrap();
    let mut start = world.seen();
    let before = scene.found(&World::from_image(&start));
    let vault = start.files.get_mut(&start.names[Path::new(PATH)]).unwrap();
    let used = vault.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    vault.truncate(used - 10);
    let torn = vault[used - 60..].to_vec();
    let before = minus(&before, "b");
    let acts: [Act<'_>; 1] = [(&|process| process.save("new", "1"), plus(&before, &[("new", "1")]))];
    let kept = |image: &Image| image.files.values().any(|bytes| bytes.windows(torn.len()).any(|part| part == torn));
    let also = |image: &Image| assert!(kept(image), "the torn end is gone");
    let crashes = Crashes { scene: &scene, tear_every: 7, first_sync_fails: false, also: &also };
    assert_many(crashes.play(&start, &acts, &old_key), 50);
}
