//! The course of a month, hour by hour.

use std::sync::Mutex;

use tokio::time::sleep;

use crate::ledger::HOUR;
use crate::month::Month;

/// What is told of each hour: the columns of what [`Samples::write`] writes.
const COLUMNS: [&str; 7] = ["calls", "reads", "waited", "refreshes", "again", "refused", "refused in outages"];

/// What was counted by the end of each hour.
#[derive(Debug, Default)]
pub(super) struct Samples(Mutex<Vec<[u64; COLUMNS.len()]>>);

impl Month {
    /// Notes, for as long as it is polled.
    pub(super) async fn sample(&self) {
        loop {
            sleep(HOUR).await;
            let calls = self.world.simulator.counters().total();
            let (counts, provider) = (self.counts.lock().unwrap(), self.provider.lock().unwrap());
            let refused: usize = counts.refused.values().sum();
            let told =
                [counts.reads, counts.calm.waited, provider.refreshes, provider.needless, refused, counts.in_outage];
            let mut sample = [calls; COLUMNS.len()];
            for (place, count) in sample[1..].iter_mut().zip(told) {
                *place = u64::try_from(count).unwrap();
            }
            self.samples.0.lock().unwrap().push(sample);
        }
    }
}

impl Samples {
    /// A line for each hour, as comma-separated values, into the file that the tester named.
    #[allow(clippy::disallowed_methods, reason = "where to write to is the tester's word")]
    pub(super) fn write(&self) {
        let Some(file) = std::env::var_os("TOKENVAULT_SIMULATE_SAMPLES") else { return };
        let (mut text, mut before) = (format!("hour,{}\n", COLUMNS.join(",")), [0; COLUMNS.len()]);
        for (hour, sample) in self.0.lock().unwrap().iter().enumerate() {
            let within: Vec<String> = sample.iter().zip(before).map(|(now, then)| (now - then).to_string()).collect();
            text += &format!("{hour},{}\n", within.join(","));
            before = *sample;
        }
        std::fs::write(file, text).unwrap();
    }
}
