//! Orders of the calls of two processes: each call waits at a gate until the schedule lets it go.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use secrets_manager_simulator::gate::{Call, Gate, Passage, Phase, Verdict};
use tokenvault::error::Result;

pub(crate) const ACTORS: [&str; 2] = ["first", "second"];

/// Which actor waits before a call, and whether it may go.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, bool>>);

impl Turns {
    fn is_waiting(&self, actor: &str) -> bool {
        self.0.lock().unwrap().get(actor) == Some(&false)
    }

    fn let_go(&self, actor: &str) {
        self.0.lock().unwrap().insert(actor.to_owned(), true);
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct AtGate(pub(crate) Arc<Turns>);

impl Gate for AtGate {
    fn pass(&self, call: &Call, phase: Phase) -> Passage {
        let (turns, actor) = (Arc::clone(&self.0), call.access_key.clone());
        let is_free = phase == Phase::After || !ACTORS.contains(&actor.as_str());
        Box::pin(poll_fn(move |context| {
            let mut waiting = turns.0.lock().unwrap();
            if is_free || waiting.get(&actor) == Some(&true) {
                if !is_free {
                    waiting.remove(&actor);
                }
                return Poll::Ready(Verdict::Go);
            }
            waiting.insert(actor.clone(), false);
            // Of several calls that one actor makes at once, any may go first.
            context.waker().wake_by_ref();
            Poll::Pending
        }))
    }
}

/// Which of the actors that could go went, at each step: (chosen, of how many).
pub(crate) type Schedule = Vec<(usize, usize)>;

pub(crate) type Act = Pin<Box<dyn Future<Output = Result<()>>>>;

/// Runs two acts under a schedule, and writes down how it went on where the schedule ended.
pub(crate) async fn play(
    turns: &Turns,
    acts: [Act; 2],
    schedule: &mut Schedule,
    mut choose: impl FnMut(usize) -> usize,
) -> [Result<()>; 2] {
    let mut running = acts.map(Some);
    let mut done: [Option<Result<()>>; 2] = [None, None];
    let mut step = 0;
    while done.iter().any(Option::is_none) {
        for (actor, name) in ACTORS.iter().enumerate() {
            while done[actor].is_none() && !turns.is_waiting(name) {
                let act = running[actor].as_mut().unwrap();
                done[actor] = poll_fn(|context| match act.as_mut().poll(context) {
                    Poll::Ready(result) => Poll::Ready(Some(result)),
                    Poll::Pending => Poll::Ready(None),
                })
                .await;
                tokio::task::yield_now().await;
            }
        }
        let ready: Vec<&str> = ACTORS.into_iter().filter(|name| turns.is_waiting(name)).collect();
        if ready.is_empty() {
            continue;
        }
        if step == schedule.len() {
            schedule.push((choose(ready.len()), ready.len()));
        }
        turns.let_go(ready[schedule[step].0]);
        step += 1;
    }
    schedule.truncate(step);
    done.map(Option::unwrap)
}

/// The next schedule in depth-first order; false after the last.
pub(crate) fn next(schedule: &mut Schedule) -> bool {
    while let Some((chosen, of)) = schedule.pop() {
        if chosen + 1 < of {
            schedule.push((chosen + 1, of));
            return true;
        }
    }
    false
}

#[allow(clippy::disallowed_methods, reason = "how long to test is the tester's word")]
pub(crate) fn bound() -> usize {
    let told = std::env::var("TOKENVAULT_SCHEDULES").ok().and_then(|text| text.parse().ok());
    match told.unwrap_or(24) {
        0 => usize::MAX,
        bound => bound,
    }
}
