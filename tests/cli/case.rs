//! Cases as data: what is run, and what must come of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use serde::Deserialize;

use crate::scene::{Scene, Vault, feed};

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cases {
    pub(crate) case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    name: String,
    #[serde(default)]
    vault: Vault,
    /// Needs the feature `import`.
    #[serde(default)]
    imports: bool,
    step: Vec<Step>,
}

/// One run of the program. `{folder}`, `{data}` and kept texts are filled in everywhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// A file to write before: name, text, and mode as in `0o600`.
    write: Option<(String, String, u32)>,
    /// The arguments.
    run: Vec<String>,
    #[serde(default)]
    stdin: String,
    /// More environment; an empty value removes a variable.
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    exit: i32,
    /// All of standard output.
    stdout: Option<String>,
    /// Pieces of standard output.
    #[serde(default)]
    shows: Vec<String>,
    /// Pieces of standard error.
    #[serde(default)]
    says: Vec<String>,
    /// Pieces of neither.
    #[serde(default)]
    hides: Vec<String>,
    /// Keeps the first line of standard output under this name.
    keep: Option<String>,
    /// Whether the texts that say `canary` may be seen.
    #[serde(default)]
    reveals: bool,
    /// Whether a failure may have changed the vault.
    #[serde(default)]
    changes: bool,
}

impl Cases {
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// What went otherwise than the case says.
pub(crate) fn failures(case: &Case) -> Vec<String> {
    if case.imports && !cfg!(feature = "import") {
        println!("left out, as it needs the feature import: {}", case.name);
        return Vec::new();
    }
    let scene = Scene::new(case.vault);
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut texts = BTreeMap::from([
        ("folder".to_owned(), scene.folder().to_str().unwrap().to_owned()),
        ("data".to_owned(), data.to_str().unwrap().to_owned()),
    ]);
    for (number, step) in case.step.iter().enumerate() {
        let wrong = step.play(&scene, &mut texts);
        if !wrong.is_empty() {
            return vec![format!("{}, step {}: {}", case.name, number + 1, wrong.join("; "))];
        }
    }
    Vec::new()
}

impl Step {
    fn play(&self, scene: &Scene, texts: &mut BTreeMap<String, String>) -> Vec<String> {
        let fill = |text: &str| {
            texts.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
        };
        if let Some((name, text, mode)) = &self.write {
            scene.write(name, fill(text).as_bytes(), *mode);
        }
        let before = scene.vault();
        let mut command = scene.command();
        command.args(self.run.iter().map(|argument| fill(argument)));
        for (name, value) in &self.env {
            match fill(value) {
                value if value.is_empty() => command.env_remove(name),
                value => command.env(name, value),
            };
        }
        let output = feed(command, fill(&self.stdin).as_bytes());
        let mut wrong = self.judge(&output, &fill);
        if self.exit != 0 && !self.changes && scene.vault() != before {
            wrong.push("the vault was changed".into());
        }
        let stdout = String::from_utf8_lossy(&output.stdout);
        if let Some(name) = &self.keep {
            texts.insert(name.clone(), stdout.lines().next().unwrap_or_default().to_owned());
        }
        wrong
    }

    fn judge(&self, output: &Output, fill: &dyn Fn(&str) -> String) -> Vec<String> {
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let mut wrong = Vec::new();
        if output.status.code() != Some(self.exit) {
            wrong.push(format!("exit code {:?} instead of {}", output.status.code(), self.exit));
        }
        if let Some(expected) = self.stdout.as_deref().map(fill).filter(|expected| *expected != stdout) {
            wrong.push(format!("standard output is not {expected:?}"));
        }
        let missing = |pieces: &[String], text: &str, of: &str| {
            let missing = pieces.iter().map(|piece| fill(piece)).filter(|piece| !text.contains(piece.as_str()));
            missing.map(|piece| format!("{of} has no {piece:?}")).collect::<Vec<_>>()
        };
        wrong.extend(missing(&self.shows, &stdout, "standard output"));
        wrong.extend(missing(&self.says, &stderr, "standard error"));
        let canary = (!self.reveals).then(|| "canary".to_owned());
        let hidden = self.hides.iter().map(|piece| fill(piece)).chain(canary);
        let seen = hidden.filter(|piece| stdout.contains(piece) || stderr.contains(piece));
        wrong.extend(seen.map(|piece| format!("{piece:?} is seen")));
        let has_both = stderr.contains("error: ") && (stderr.contains("\ntry: ") || stderr.contains("try '--help'"));
        let is_help = stderr.contains("\nCommands:\n");
        if self.exit != 0 && !has_both && !is_help {
            wrong.push("an error says what happened and what to try".into());
        }
        if !wrong.is_empty() {
            wrong.push(format!("\n--- stdout\n{stdout}\n--- stderr\n{stderr}"));
        }
        wrong
    }
}
