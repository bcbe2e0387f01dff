//! How far long work has come, on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::session::Session;

/// A bar on standard error, where somebody looks at it.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// For work on so many of `what`.
    pub(super) fn new(session: &Session, what: &str) -> Self {
        if !session.out.shows_progress() {
            return Self::hidden();
        }
        let style = ProgressStyle::with_template(&format!("{{bar:40}} {{pos}}/{{len}} {what}"))
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::new(0).with_style(style))
    }

    /// For work that is over before a bar could be read.
    pub(super) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    pub(super) fn show(&self, done: usize, total: usize) {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        self.0.set_length(count(total));
        self.0.set_position(count(done));
    }

    /// Takes it away.
    pub(super) fn finish(self) {
        self.0.finish_and_clear();
    }
}
