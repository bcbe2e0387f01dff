//! What a test's thread warns of.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::subscriber::{DefaultGuard, set_default};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// The warnings of this thread, for as long as this lives.
pub(crate) struct Warnings {
    lines: Arc<Mutex<Vec<String>>>,
    _guard: DefaultGuard,
}

impl Warnings {
    pub(crate) fn gathered() -> Self {
        let gatherer = Gatherer::default();
        let lines = Arc::clone(&gatherer.0);
        Self { lines, _guard: set_default(gatherer) }
    }

    /// How many warnings hold all of these texts.
    pub(crate) fn naming(&self, texts: &[&str]) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| texts.iter().all(|text| line.contains(text))).count()
    }

    pub(crate) fn hold(&self, text: &str) -> bool {
        self.naming(&[text]) > 0
    }
}

#[derive(Default)]
struct Gatherer(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Gatherer {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("tokenvault")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
