//! What an import did, for people and for programs.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::json;

use crate::import::summary::{Effect, Summary};

/// How many lines are named one by one; of more, only the first.
const MAX_NAMED: usize = 20;

/// A summary to be shown.
pub(super) struct SummaryView<'s>(pub(super) &'s Summary);

impl SummaryView<'_> {
    fn counts(&self) -> [(&'static str, &[usize]); 5] {
        let summary = self.0;
        [
            ("new", &summary.new),
            ("updated", &summary.updated),
            ("unchanged", &summary.unchanged),
            ("kept", &summary.kept),
            ("skipped", &summary.skipped),
        ]
    }

    /// What was done, or would have been.
    pub(super) fn lines(&self) -> Vec<String> {
        let summary = self.0;
        let verb = match summary.effect {
            Effect::Imported => "imported",
            Effect::DryRun => "would import",
            Effect::Stopped => "nothing was imported",
        };
        let counts = self.counts().map(|(name, lines)| format!("{} {name}", lines.len())).join(", ");
        let (merged, refused) = (summary.merged.len(), summary.refused.len());
        let mut lines = vec![format!("{verb}: {counts}, {merged} merged, {refused} refused")];
        lines.extend(named(&summary.merged, |merge| match merge.earlier {
            Some(earlier) => {
                format!("merged: line {} is the same token as line {earlier}, and replaces it", merge.line)
            }
            None => format!("merged: line {} is a token that the vault has under another id", merge.line),
        }));
        lines.extend(named(&summary.kept, |line| {
            format!("kept: line {line} is not taken over a token that was saved since the last import (--overwrite takes it all the same)")
        }));
        lines
    }

    /// What somebody should look at.
    pub(super) fn warnings(&self) -> Vec<String> {
        let summary = self.0;
        let mut warnings =
            named(&summary.refused, |refusal| format!("refused: line {}: {}", refusal.line, refusal.reason));
        warnings.extend(named(&summary.looks_like_seconds, |line| {
            format!("line {line}: the expiry looks like seconds where SDKs read milliseconds; stored as given")
        }));
        warnings
    }
}

fn named<T>(items: &[T], name: impl Fn(&T) -> String) -> Vec<String> {
    let mut lines: Vec<String> = items.iter().take(MAX_NAMED).map(name).collect();
    if items.len() > MAX_NAMED {
        lines.push(format!("… and {} more like these", items.len() - MAX_NAMED));
    }
    lines
}

impl Serialize for SummaryView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let summary = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(
            "effect",
            match summary.effect {
                Effect::Imported => "imported",
                Effect::DryRun => "dry-run",
                Effect::Stopped => "stopped",
            },
        )?;
        for (name, lines) in self.counts() {
            map.serialize_entry(name, lines)?;
        }
        let merged = summary.merged.iter().map(|merge| json!({ "line": merge.line, "earlier": merge.earlier }));
        map.serialize_entry("merged", &merged.collect::<Vec<_>>())?;
        let refused = summary.refused.iter().map(|refusal| json!({ "line": refusal.line, "reason": refusal.reason }));
        map.serialize_entry("refused", &refused.collect::<Vec<_>>())?;
        map.serialize_entry("looks_like_seconds", &summary.looks_like_seconds)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_for_people_only() {
        let summary = Summary { kept: (2..32).collect(), ..Summary::default() };
        let lines = SummaryView(&summary).lines();
        assert_eq!(
            lines.first().map(String::as_str),
            Some("imported: 0 new, 0 updated, 0 unchanged, 30 kept, 0 skipped, 0 merged, 0 refused")
        );
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (22, Some("… and 10 more like these")));
        assert_eq!(serde_json::to_value(SummaryView(&summary)).unwrap()["kept"].as_array().unwrap().len(), 30);
    }
}
