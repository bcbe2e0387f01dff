//! The cache beside the crate `aws_secretsmanager_caching`, over the same simulated Secrets Manager, in one run.
//!
//! A timing is no test: nothing here fails for being slow. `cargo xtask bench cache` runs it and writes the table of README.md.

mod ours;
mod report;
mod service;

use std::error::Error;
use std::fs::OpenOptions;
use std::future::Future;
use std::io::Write;
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_secretsmanager_caching::SecretsManagerCachingClient;
use secrets_manager_simulator::gate::Failure;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokio::sync::Barrier;

use crate::ours::Ours;
use crate::report::{Report, median};
use crate::service::Service;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Reads are timed in this many at a time, and so many times, turn about.
const BATCH: u32 = 2_000;
const ROUNDS: usize = 100;

/// How many ask at once.
const AT_ONCE: usize = 64;

/// Reads that follow the first one after a failure.
const LATER_READS: usize = 20;

const TIME_TO_LIVE: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Outcome<()> {
    let service = Service::start();
    let ours = Ours::new(&service).await?;
    let mut report = Report::default();
    cached(&service, &ours, &mut report).await?;
    cold(&service, &ours, &mut report).await?;
    for (name, failure) in [("throttles", Failure::Throttled), ("answers 500", Failure::InternalServiceError)] {
        outage(&service, &ours, (name, failure), &mut report).await?;
    }
    report.finish(std::env::args().nth(1).as_deref())
}

fn peer(service: &Service, time_to_live: Duration, serves_old: bool) -> Outcome<SecretsManagerCachingClient> {
    let size = NonZeroUsize::new(1000).ok_or("no size")?;
    Ok(SecretsManagerCachingClient::new(service.client(true), size, time_to_live, serves_old)?)
}

async fn ask(store: &dyn TokenStore, context: &Context, id: &str) -> Outcome<()> {
    store.find_token_by_id(context, id).await?.value.map(|_| ()).ok_or_else(|| "there is no token".into())
}

async fn ask_peer(peer: &SecretsManagerCachingClient, secret: &str) -> Outcome<()> {
    let found = peer.get_secret_value(secret, None, None, false).await?;
    let is_there = std::hint::black_box(&found).secret_binary.is_some() || found.secret_string.is_some();
    is_there.then_some(()).ok_or_else(|| "there is no secret".into())
}

/// Nanoseconds of each of a batch.
async fn batch<F: Future<Output = Outcome<()>>>(mut one: impl FnMut() -> F) -> Outcome<f64> {
    let begun = Instant::now();
    for _ in 0..BATCH {
        one().await?;
    }
    Ok(begun.elapsed().as_nanos() as f64 / f64::from(BATCH))
}

async fn cached(service: &Service, ours: &Ours, report: &mut Report) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let trail = folder.path().join("audit.jsonl");
    let (context, id) = (Context::new(), ours.id.as_str());
    let cache = ours.cache(TIME_TO_LIVE);
    let coordinated = ours.coordinated(Arc::clone(&cache));
    let audited = ours.audited(Arc::clone(&cache), &trail)?;
    let peer = peer(service, TIME_TO_LIVE, false)?;
    let mut bare = OpenOptions::new().append(true).create(true).mode(0o600).open(folder.path().join("bare"))?;
    let line = [b'x'; 400];
    let mut times: [Vec<f64>; 5] = Default::default();
    for _ in 0..ROUNDS {
        let round = [
            batch(|| ask(&*cache, &context, id)).await?,
            batch(|| ask(&*coordinated, &context, id)).await?,
            batch(|| ask_peer(&peer, &ours.secret)).await?,
            batch(|| ask(&*audited, &context, id)).await?,
            batch(|| std::future::ready(bare.write_all(&line).map_err(Into::into))).await?,
        ];
        times.iter_mut().zip(round).for_each(|(times, time)| times.push(time));
    }
    let [ours, coordinated, peer, audited, write] = times.map(|times| median(&times));
    let nanos = |time: f64| format!("{time:.0} ns");
    report.row("a cached read", &nanos(ours), &nanos(peer));
    report.row("a cached read, one refresh per expiry", &nanos(coordinated), "has none");
    report.row("a cached read with a line in an audit file", &nanos(audited), "has none");
    report.row("write(2) of 400 bytes to a file beside it", &nanos(write), "");
    report.bar(
        "cached read (the cache alone), times the peer's",
        "at most 0.5",
        format!("{:.2}", ours / peer),
        ours / peer <= 0.5,
    );
    let over = (audited - write) / 1000.0;
    report.bar(
        "cached read with its audit line, beyond a bare write",
        "at most 1.5 µs",
        format!("{over:.2} µs"),
        over <= 1.5,
    );
    Ok(())
}

/// Upstream reads of so many who ask for what nobody has asked before.
async fn cold(service: &Service, ours: &Ours, report: &mut Report) -> Outcome<()> {
    let (cache, secret) = (ours.cache(TIME_TO_LIVE), ours.secret.clone());
    let peer = Arc::new(peer(service, TIME_TO_LIVE, false)?);
    let id = ours.id.clone();
    let of_ours = at_once(service, move || {
        let (cache, id) = (Arc::clone(&cache), id.clone());
        async move { ask(&*cache, &Context::new(), &id).await.is_ok() }
    })
    .await?;
    let of_peer = at_once(service, move || {
        let (peer, secret) = (Arc::clone(&peer), secret.clone());
        async move { ask_peer(&peer, &secret).await.is_ok() }
    })
    .await?;
    report.row(&format!("upstream reads of {AT_ONCE} who ask at once"), &of_ours.to_string(), &of_peer.to_string());
    report.bar(&format!("upstream reads of {AT_ONCE} at once"), "1", of_ours.to_string(), of_ours == 1);
    Ok(())
}

async fn at_once<F>(service: &Service, one: impl Fn() -> F) -> Outcome<u64>
where
    F: Future<Output = bool> + Send + 'static,
{
    let (before, barrier) = (service.reads(), Arc::new(Barrier::new(AT_ONCE)));
    let asking = |one: F| {
        let barrier = Arc::clone(&barrier);
        tokio::spawn(async move {
            barrier.wait().await;
            one.await
        })
    };
    let all: Vec<_> = (0..AT_ONCE).map(|_| asking(one())).collect();
    for each in all {
        if !each.await? {
            return Err("a cold read failed".into());
        }
    }
    Ok(service.reads() - before)
}

/// Past the time to live, while the service does not answer as it should.
async fn outage(service: &Service, ours: &Ours, (name, failure): (&str, Failure), report: &mut Report) -> Outcome<()> {
    let (cache, context) = (ours.cache(SHORT), Context::new());
    let (peer, lenient) = (peer(service, SHORT, false)?, peer(service, SHORT, true)?);
    ask(&*cache, &context, &ours.id).await?;
    ask_peer(&peer, &ours.secret).await?;
    ask_peer(&lenient, &ours.secret).await?;
    tokio::time::sleep(SHORT + SHORT / 5).await;
    service.weather.set(Some(failure));
    let of_ours = series(|| ask(&*cache, &context, &ours.id)).await;
    let of_peer = series(|| ask_peer(&peer, &ours.secret)).await;
    let of_lenient = series(|| ask_peer(&lenient, &ours.secret)).await;
    service.weather.set(None);
    report.row(
        &format!("the service {name}: the first read past the time to live"),
        &of_ours.first(),
        &of_peer.first(),
    );
    report.row(&format!("the service {name}: the {LATER_READS} after it"), &of_ours.later(), &of_peer.later());
    report.row(
        &format!("the service {name}: the same, where the peer is told to pass over such errors"),
        "",
        &format!("{}; then {}", of_lenient.first(), of_lenient.later()),
    );
    let first = of_ours.times.first().copied().unwrap_or_default();
    let is_met = of_ours.failed == 0 && first <= Duration::from_millis(1100);
    let shown = format!("{:.2} s", first.as_secs_f64());
    report.bar(
        &format!("the service {name}: the first is answered with the old value"),
        "within 1.1 s: 1 s and its timer",
        shown,
        is_met,
    );
    let slowest = of_ours.times.iter().skip(1).max().copied().unwrap_or_default();
    let is_met = of_ours.failed == 0 && slowest < Duration::from_millis(1);
    let shown = format!("{:.3} ms at most", slowest.as_secs_f64() * 1000.0);
    report.bar(&format!("the service {name}: the others"), "under 1 ms", shown, is_met);
    Ok(())
}

/// Reads one behind the other.
struct Series {
    times: Vec<Duration>,
    failed: usize,
}

impl Series {
    fn first(&self) -> String {
        let first = self.times.first().copied().unwrap_or_default();
        format!(
            "{:.2} s, {}",
            first.as_secs_f64(),
            if self.failed == self.times.len() { "an error" } else { "the old value" }
        )
    }

    fn later(&self) -> String {
        let later: Vec<f64> = self.times.iter().skip(1).map(|time| time.as_secs_f64() * 1000.0).collect();
        let failed = if self.failed == 0 {
            "the old value".to_owned()
        } else {
            format!("{} errors", self.failed.min(later.len()))
        };
        format!("{:.3} ms each, {failed}", median(&later))
    }
}

async fn series<F: Future<Output = Outcome<()>>>(one: impl Fn() -> F) -> Series {
    let (mut times, mut failed) = (Vec::new(), 0);
    for _ in 0..=LATER_READS {
        let begun = Instant::now();
        failed += usize::from(one().await.is_err());
        times.push(begun.elapsed());
    }
    Series { times, failed }
}
