//! A store that takes its time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokenvault::backend::{Backend, Candidates, Commit};
use tokenvault::error::{ErrorKind, Result};
use tokenvault::identity::RecordName;
use tokenvault::lookup::LookupKey;
use tokenvault::operation::{Answer, Context};
use tokenvault::record::Record;
use tokenvault::token::OAuthToken;
use tokio::time::{Instant, sleep};

use crate::fleet::{Called, Fleet};
use crate::memory;

const SECOND: Duration = Duration::from_secs(1);

/// Does at once what it is asked, and answers each call after its time in the script, then at once.
#[derive(Debug)]
struct Slow {
    inner: Arc<dyn Backend>,
    reads: Mutex<VecDeque<Duration>>,
    commits: Mutex<VecDeque<Duration>>,
}

impl Slow {
    fn over(inner: &Arc<dyn Backend>, reads: &[Duration], commits: &[Duration]) -> Arc<Self> {
        let script = |times: &[Duration]| Mutex::new(times.iter().copied().collect());
        Arc::new(Self { inner: Arc::clone(inner), reads: script(reads), commits: script(commits) })
    }
}

async fn take(script: &Mutex<VecDeque<Duration>>) {
    let time = script.lock().unwrap().pop_front();
    sleep(time.unwrap_or_default()).await;
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("slow")
    }
}

#[async_trait]
impl Backend for Slow {
    async fn read(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        let answer = self.inner.read(context, name).await;
        take(&self.reads).await;
        answer
    }

    async fn resolve(&self, context: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
        let answer = self.inner.resolve(context, keys).await;
        take(&self.reads).await;
        answer
    }

    async fn commit(&self, context: &Context, commit: Commit) -> Result<Answer<()>> {
        let answer = self.inner.commit(context, commit).await;
        take(&self.commits).await;
        answer
    }

    async fn list(&self, context: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
        self.inner.list(context).await
    }

    async fn clear(&self, context: &Context) -> Result<Answer<usize>> {
        self.inner.clear(context).await
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_gets_the_answer_late_is_not_sent() {
    for (seconds, is_sent) in [(40, true), (50, false), (80, false)] {
        let fleet = Fleet::new(memory(), Duration::ZERO).await;
        let slow = Slow::over(&fleet.backend, &[], &[SECOND * seconds]);
        let process = fleet.process_with(slow, |_| {});
        let context = Context::new().with_caller("late");
        match process.store.find_token_by_id(&context, &fleet.id).await {
            Ok(answer) => assert!(is_sent && answer.value.unwrap().lease().is_some(), "{seconds} s"),
            Err(error) => assert!(!is_sent && error.kind() == ErrorKind::Busy, "{seconds} s: {error}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_waits_no_longer_for_a_store_that_does_not_answer() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    // The first read tells that the token has ended; whoever looks again hears nothing.
    let slow = Slow::over(&fleet.backend, &[Duration::ZERO, SECOND * 600], &[]);
    let process = fleet.process_with(slow, |_| {});
    let began = Instant::now();
    let error = process.store.find_token_by_id(&Context::new(), &fleet.id).await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::Busy, SECOND * 10));
}

#[tokio::test(start_paused = true)]
async fn nor_for_one_that_does_not_tell_whether_there_is_a_lease() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let slow = Slow::over(&fleet.backend, &[Duration::ZERO, Duration::ZERO, SECOND * 600], &[]);
    let process = fleet.process_with(slow, |_| {});
    let began = Instant::now();
    let error = process.store.find_token_by_id(&Context::new(), &fleet.id).await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::Busy, SECOND * 10));
}

/// To its SDK it would have ended, and be one that it refreshes beside the holder of the lease.
#[tokio::test(start_paused = true)]
async fn a_token_that_ends_while_the_store_is_asked_for_an_early_lease_is_not_handed_out() {
    let fleet = Fleet::new(memory(), SECOND * 12).await;
    let (holder, context) = (fleet.process(), Context::new().with_caller("holder"));
    let held = holder.store.find_token_by_id(&context, &fleet.id).await.unwrap().value.unwrap();
    assert!(held.lease().is_some());
    // It answers that another has the lease when one second is left.
    let slow = Slow::over(&fleet.backend, &[Duration::ZERO, SECOND * 9], &[]);
    let reader = fleet.process_with(slow, |_| {});
    let refreshing = async {
        sleep(SECOND * 11).await;
        let mut token = fleet.provider.refresh(OAuthToken::clone(&held)).await.unwrap();
        holder.store.save_token(&context, &mut token).await.unwrap();
    };
    let (found, ()) = tokio::join!(reader.call("reader", &fleet.id), refreshing);
    assert_eq!((found, fleet.refreshed()), (Called::With("access 1".to_owned()), 1));
}

#[tokio::test(start_paused = true)]
async fn nor_where_the_early_lease_came_too_late() {
    let fleet = Fleet::new(memory(), SECOND * 12).await;
    let slow = Slow::over(&fleet.backend, &[], &[SECOND * 50]);
    let reader = fleet.process_with(slow, |_| {});
    assert_eq!(reader.call("reader", &fleet.id).await, Called::Refused(ErrorKind::Busy));
    assert_eq!(fleet.refreshed(), 0);
}
