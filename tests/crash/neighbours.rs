//! Others who use the vault while children are killed: one reads all the time, one is another process that writes.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fastrand::Rng;
use tokenvault::error::{Error, ErrorKind};

use crate::handle::{Contents, Handle, Stored};
use crate::scene::Scene;
use crate::token;

/// Users whom only the writer writes.
const WRITERS_USERS: u64 = 5;

/// What the program ends with where the key is wrong.
const WRONG_KEY: i32 = 3;

/// Those who are there in some of the rounds.
pub(crate) struct Neighbours {
    reader: Handle,
    /// What the reader reads: nobody writes it meanwhile.
    residents: Vec<(String, Stored)>,
    writer: Option<Writer>,
    /// What the writers acknowledged.
    acknowledged: Contents,
    may_lose_the_key: bool,
    reads: usize,
    writes: u64,
}

impl Neighbours {
    /// Saves some tokens that stay as they are.
    pub(crate) fn new(scene: &Scene) -> Self {
        for number in 0..3 {
            scene.handle.save(&mut token::to_token(&token::texts(&format!("resident {number}"), 0, 50))).unwrap();
        }
        let mut residents: Vec<_> = scene.handle.contents().unwrap().into_iter().collect();
        residents.retain(|(user, _)| user.starts_with("resident"));
        let reader = scene.open(&scene.key).unwrap();
        let acknowledged = Contents::new();
        Self { reader, residents, writer: None, acknowledged, may_lose_the_key: false, reads: 0, writes: 0 }
    }

    /// The vault's key is changed in this test: they may be told so, and nothing worse.
    pub(crate) fn who_may_lose_the_key(scene: &Scene) -> Self {
        Self { may_lose_the_key: true, ..Self::new(scene) }
    }

    /// They start anew, with the key that opens the vault now.
    pub(crate) fn take_up(&mut self, scene: &Scene) {
        self.reader = scene.open(&scene.key).unwrap();
        self.writer = None;
    }

    /// Does `work`, in some of the rounds while they go on.
    pub(crate) fn around<T>(&mut self, random: &mut Rng, scene: &Scene, work: impl FnOnce() -> T) -> T {
        let (has_reader, has_writer) = (random.u32(0..3) == 0, random.u32(0..3) == 0);
        let mut writer = has_writer.then(|| self.writer.take().unwrap_or_else(|| Writer::start(scene)));
        let stop = AtomicBool::new(false);
        let (done, reads, writes) = thread::scope(|scope| {
            let reader = has_reader.then(|| scope.spawn(|| self.read_on(&stop)));
            let writer = writer.as_mut().map(|writer| scope.spawn(|| self.write_on(writer, &stop)));
            let at_the_end = Stop(&stop);
            let done = work();
            drop(at_the_end);
            let reads = reader.map(|thread| thread.join().unwrap());
            (done, reads.unwrap_or(0), writer.map(|thread| thread.join().unwrap()).unwrap_or_default())
        });
        self.reads += reads;
        self.writes += writes.len() as u64;
        let lives = writer.as_mut().is_some_and(Writer::lives);
        self.acknowledged.extend(writes);
        self.writer = self.writer.take().or(writer.filter(|_| lives));
        done
    }

    fn read_on(&self, stop: &AtomicBool) -> usize {
        let mut reads = 0;
        let bear = |error: Error| {
            let is_told = self.may_lose_the_key && error.kind() == ErrorKind::WrongKey;
            assert!(is_told, "a reader beside it: {error}");
        };
        while !stop.load(Ordering::SeqCst) {
            for (user, stored) in &self.residents {
                let read = self.reader.by_id(&stored.id).and_then(|by_id| Ok((by_id, self.reader.by_user(user)?)));
                let Ok((by_id, by_user)) = read.map_err(bear) else { continue };
                for found in [by_id.as_deref(), by_user.as_ref()] {
                    let texts = found.map(token::of_token);
                    assert_eq!(texts.as_ref(), Some(&stored.texts), "a reader beside it read something else");
                }
                reads += 1;
            }
        }
        reads
    }

    fn write_on(&self, writer: &mut Writer, stop: &AtomicBool) -> Contents {
        let mut acknowledged = Contents::new();
        while !stop.load(Ordering::SeqCst) {
            match writer.write() {
                Ok((user, stored)) => drop(acknowledged.insert(user, stored)),
                Err(code) => {
                    let is_told = self.may_lose_the_key && code == Some(WRONG_KEY);
                    assert!(is_told, "another process that saves ended with {code:?}");
                    break;
                }
            }
        }
        acknowledged
    }

    /// Takes out what is the writers', which must be as they were told.
    pub(crate) fn check_off(&self, mut contents: Contents) -> Contents {
        for (user, stored) in &self.acknowledged {
            assert_eq!(contents.get(user), Some(stored), "another process's save is lost");
        }
        contents.retain(|user, _| !user.starts_with("writer"));
        contents
    }

    pub(crate) fn finish(&self) {
        println!("meanwhile {} reads and {} writes by others", self.reads, self.writes);
        assert!(self.reads > 0 && self.writes > 0, "nobody else was there");
    }
}

/// Stops them, also where the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The program, saving one token after the other as it is told.
struct Writer {
    child: Child,
    stdin: ChildStdin,
    ids: Lines<BufReader<ChildStdout>>,
    mark: u64,
}

impl Writer {
    fn start(scene: &Scene) -> Self {
        let mut command = scene.command(&["save", "--quiet"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let ids = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdin, ids, mark: fastrand::u64(..1 << 20) }
    }

    /// Saves one token, and waits until it is acknowledged; the program's exit code where it ended instead.
    fn write(&mut self) -> Result<(String, Stored), Option<i32>> {
        self.mark += 1;
        let user = format!("writer {}", self.mark % WRITERS_USERS);
        let texts = token::texts(&user, self.mark, 20);
        let sent = self.stdin.write_all(token::to_json(&texts).as_bytes());
        match sent.ok().and_then(|()| self.ids.next()) {
            Some(id) => Ok((user, Stored { id: id.unwrap(), texts })),
            None => Err(self.child.wait().unwrap().code()),
        }
    }

    fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
