//! Processes that work at once: inserts, refreshes, deletes and rotations, of users of their own and of shared ones.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;
use std::thread;

use fastrand::Rng;
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;

use crate::crew::Crew;
use crate::lives::number;
use crate::puppet::Puppet;
use crate::scene::Scene;
use crate::together;

/// Processes at once.
const PROCESSES: usize = 4;

/// What each does.
const STEPS: usize = 300;

/// Each writes a field of its own in the tokens they share.
const OWN_FIELD: [Field; PROCESSES] = [Field::ClientSecret, Field::RedirectUrl, Field::ApiDomain, Field::AccessToken];

/// Tokens that all of them write.
const SHARED: usize = 3;

/// Tokens that all of them try to delete.
const DOOMED: usize = 40;

#[test]
fn four_processes_that_insert_thirty_each_leave_a_hundred_and_twenty() {
    let scene = Scene::new();
    let savers: Vec<_> = (0..PROCESSES)
        .map(|process| {
            let mut command = scene.command(&["save"]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            // All of them are there before the first is sent anything.
            thread::spawn(move || {
                for at in 0..30 {
                    writeln!(stdin, r#"{{"user_name":"{process}/{at}","refresh_token":"r","client_id":"c"}}"#).unwrap();
                }
                drop(stdin);
                let output = child.wait_with_output().unwrap();
                assert!(output.status.success());
                String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut printed: Vec<String> = savers.into_iter().flat_map(|saver| saver.join().unwrap()).collect();
    let mut stored: Vec<String> = contents(&scene).into_iter().map(|(_, (id, _))| id).collect();
    printed.sort();
    stored.sort();
    assert_eq!((printed.len(), stored.len()), (120, 120));
    assert_eq!(printed, stored);
}

/// As over AWS: many tasks in each, who refresh and log out the same tokens, too.
#[test]
fn sixteen_tasks_in_each_of_four_lose_nothing_and_double_nothing() {
    let (scene, seed) = (Scene::new(), fastrand::u64(..));
    println!("seed {seed}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(together::prepare(&Vault::new(scene.open())));
    let store = format!("file:{}", scene.vault().display());
    let arguments = |process: usize| {
        let (key_file, process, seed) = (scene.key_file().display().to_string(), process.to_string(), seed.to_string());
        ["work", &store, &key_file, &process, &seed, "24"].map(str::to_owned).to_vec()
    };
    let mut crew = Crew::ready(together::PROCESSES, arguments, |_| ());
    crew.begin();
    let stories: Vec<together::Story> = crew.told();
    runtime.block_on(together::assert_all_told(&Vault::new(scene.open()), &stories));
    generation(&scene);
}

/// What one process expects to find in the end.
#[derive(Default)]
struct Story {
    /// Users of its own: access tokens as saved last.
    own: BTreeMap<String, String>,
    /// What it wrote last into its field of each shared token.
    shared: BTreeMap<String, String>,
    deleted: usize,
    rotated: u64,
}

/// One process at work.
struct Worker {
    number: usize,
    puppet: Puppet,
    random: Rng,
    story: Story,
    step: usize,
}

fn texts<'a>(user: &'a str, field: Field, text: &'a str) -> Vec<&'a str> {
    let text_of = |known| match known {
        Field::UserName => user,
        Field::ClientId => "client",
        Field::RefreshToken => "refresh",
        _ if known == field => text,
        _ => "",
    };
    Field::ALL.map(text_of).to_vec()
}

impl Worker {
    fn tell(&mut self, command: &str, arguments: &[&str]) -> Vec<String> {
        let micros = 1_800_000_000_000_000 + self.step as u64;
        let who = self.number;
        self.puppet.tell(micros, command, arguments).unwrap_or_else(|error| panic!("process {who}, {command}: {error}"))
    }

    fn save(&mut self, user: &str, field: Field, text: &str) {
        let words = [vec!["slot", ""], texts(user, field, text)].concat();
        self.tell("put", &words);
        self.tell("save", &["slot"]);
    }

    fn step(&mut self) {
        self.step += 1;
        let text = format!("{} {}", self.number, self.step);
        match self.random.u32(0..100) {
            0..35 => {
                let user = format!("shared {}", self.random.usize(0..SHARED));
                self.save(&user, OWN_FIELD[self.number], &text);
                self.story.shared.insert(user, text);
            }
            35..60 => {
                let user = format!("own {} {}", self.number, self.random.usize(0..10));
                self.save(&user, Field::AccessToken, &text);
                self.story.own.insert(user, text);
            }
            60..75 => self.refresh(&text),
            75..85 => self.log_out(),
            85..95 => {
                let id = format!("doomed {}", self.random.usize(0..DOOMED));
                let is_done = self.tell("delete", &[&id])[0] == "true";
                self.story.deleted += usize::from(is_done);
            }
            _ => {
                self.tell("rotate", &[]);
                self.story.rotated += 1;
            }
        }
    }

    fn one_of_its_own(&mut self) -> Option<String> {
        let users: Vec<&String> = self.story.own.keys().collect();
        self.random.choice(users).cloned()
    }

    /// Reads a token, changes it, writes it back.
    fn refresh(&mut self, text: &str) {
        let Some(user) = self.one_of_its_own() else { return };
        self.tell("put", &[vec!["slot", ""], texts(&user, Field::ClientId, "client")].concat());
        let found = self.tell("find", &["slot"]);
        assert_eq!(found[2 + Field::AccessToken as usize], self.story.own[&user], "process {}", self.number);
        self.tell("set", &["slot", Field::AccessToken.name(), text]);
        self.tell("save", &["slot"]);
        self.story.own.insert(user, text.to_owned());
    }

    /// Deletes one of its own while it still holds it: what comes back after that is refused.
    fn log_out(&mut self) {
        let Some(user) = self.one_of_its_own() else { return };
        self.tell("put", &[vec!["slot", ""], texts(&user, Field::ClientId, "client")].concat());
        let id = self.tell("find", &["slot"])[1].clone();
        assert_eq!(self.tell("delete", &[&id])[0], "true");
        self.tell("set", &["slot", Field::AccessToken.name(), "late"]);
        let late = self.puppet.tell(1_800_000_000_000_000, "save", &["slot"]);
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Gone);
        self.story.own.remove(&user);
    }
}

/// What is stored, by user: id and texts.
fn contents(scene: &Scene) -> BTreeMap<String, (String, Vec<String>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let tokens = runtime.block_on(Vault::new(scene.open()).get_tokens(&Context::new())).unwrap().value;
    let count = tokens.len();
    let text = |token: &tokenvault::token::OAuthToken, field| token.fields().text(field).unwrap_or_default().to_owned();
    let stored: BTreeMap<_, _> = tokens
        .iter()
        .map(|token| {
            let texts = Field::ALL.map(|field| text(token, field)).to_vec();
            (text(token, Field::UserName), (token.id().unwrap().to_owned(), texts))
        })
        .collect();
    assert_eq!(stored.len(), count, "two tokens of one user");
    stored
}

fn doom(scene: &Scene) {
    let mut puppet = scene.puppet();
    for at in 0..DOOMED {
        let id = format!("doomed {at}");
        puppet.tell(1, "put", &[vec!["slot", &id], texts(&id, Field::AccessToken, "a")].concat()).unwrap();
        puppet.tell(1, "save", &["slot"]).unwrap();
    }
}

#[test]
fn processes_at_once_lose_nothing_and_double_nothing() {
    let seed = number("TOKENVAULT_SEED").unwrap_or_else(|| fastrand::u64(..));
    let steps = STEPS * usize::try_from(number("TOKENVAULT_SOAK").unwrap_or(1)).unwrap();
    println!("{PROCESSES} processes, {steps} steps each; the same choices again with TOKENVAULT_SEED={seed}");
    let scene = Scene::new();
    doom(&scene);
    let before = generation(&scene);
    let workers: Vec<_> = (0..PROCESSES)
        .map(|number| {
            let random = Rng::with_seed(seed.wrapping_add(number as u64));
            let mut worker = Worker { number, puppet: scene.puppet(), random, story: Story::default(), step: 0 };
            thread::spawn(move || {
                (0..steps).for_each(|_| worker.step());
                worker.story
            })
        })
        .collect();
    let stories: Vec<Story> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    let stored = contents(&scene);
    let mut expected = 0;
    for (number, story) in stories.iter().enumerate() {
        expected += story.own.len();
        for (user, text) in &story.own {
            assert_eq!(stored[user].1[Field::AccessToken as usize], *text, "{user}: an update is lost");
        }
        for (user, text) in &story.shared {
            let field = OWN_FIELD[number];
            assert_eq!(stored[user].1[field as usize], *text, "{user}: {} of process {number} is lost", field.name());
        }
    }
    let shared = stored.keys().filter(|user| user.starts_with("shared")).count();
    let doomed = stored.keys().filter(|user| user.starts_with("doomed")).count();
    let deleted: usize = stories.iter().map(|story| story.deleted).sum();
    assert_eq!(doomed + deleted, DOOMED, "a token was deleted twice, or came back");
    assert_eq!(stored.len(), expected + shared + doomed, "there is more than was saved");
    let rotated: u64 = stories.iter().map(|story| story.rotated).sum();
    println!("{} stored, {deleted} deleted by whoever was first, {rotated} rotations", stored.len());
    assert!(generation(&scene) >= before + rotated, "a rotation is lost");
}

fn generation(scene: &Scene) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(scene.open().verify(&Context::new())).unwrap().generation
}
