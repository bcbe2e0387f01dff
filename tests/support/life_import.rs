//! Imports in a random life: a few rows, and now and then the same rows again.

use std::collections::HashMap;
use std::time::Duration;

use tokenvault::import::summary::Effect;
use tokenvault::import::{Ids, ImportOptions};

use crate::life::Life;
use crate::model_import::Told;
use crate::pair::Pair;
use crate::way::Way;
use crate::witness::Deed;

impl<W: Way> Life<'_, W> {
    pub(crate) async fn import(&mut self) {
        let options = ImportOptions {
            ids: if self.random.u32(0..4) == 0 { Ids::New } else { Ids::Keep },
            overwrite: self.random.u32(0..5) == 0,
            dry_run: self.random.u32(0..10) == 0,
            skip_refused: self.random.bool(),
            progress: None,
        };
        let mut rows = Vec::new();
        for _ in 0..self.random.usize(1..5) {
            let mut row = self.newcomer();
            row.set_id(&self.some_id());
            rows.push(row);
        }
        let told = self.import_once(&rows, &options, 0).await;
        if self.random.bool() {
            let before = self.contents().await;
            self.clock.advance(Duration::from_millis(1));
            self.import_once(&rows, &options, 10).await;
            let after = self.contents().await;
            // A row that was refused may find its record made by a later one. And without its id, a row of a client and
            // an access token means no record that any rule finds: it is new again.
            let may_change = !told.refused.is_empty() || options.ids == Ids::New;
            self.check(may_change || after == before, || {
                format!("the second import changed\n{before:?}\nto\n{after:?}")
            });
        }
    }

    async fn import_once(&mut self, rows: &[Pair<W::Token>], options: &ImportOptions<'_>, later: u64) -> Told {
        self.tell(format!("import {rows:?} {options:?}"));
        let (twins, now) = (rows.iter().map(|row| row.twin.clone()).collect::<Vec<_>>(), self.now() + later);
        let before: HashMap<u64, String> =
            self.model.rows.iter().map(|row| (row.number, row.id().to_owned())).collect();
        let expected = self.model.import(&twins, options, now);
        let source: Vec<_> = twins.iter().map(|twin| (twin.id.as_str(), &twin.texts)).collect();
        let (effect, told) = match self.way().import(&source, options).await {
            Ok(answer) => answer,
            Err(error) => self.fail(&format!("the import failed: {error}")),
        };
        let expected_effect = match options {
            ImportOptions { skip_refused: false, .. } if !expected.refused.is_empty() => Effect::Stopped,
            ImportOptions { dry_run: true, .. } => Effect::DryRun,
            _ => Effect::Imported,
        };
        self.check(told == expected, || format!("the import told {told:?}, the model {expected:?}"));
        self.check(effect == expected_effect, || format!("the import was {effect:?}, not {expected_effect:?}"));
        self.learn_ids(&before).await;
        self.look(Deed::Imported { is_overwriting: options.overwrite }).await;
        told
    }

    /// Rows without ids of their own get them from the vault; rows that were brought one are listed under it now.
    async fn learn_ids(&mut self, before: &HashMap<u64, String>) {
        let listed = self.list().await;
        for (row, (id, _)) in self.model.rows.iter_mut().zip(&listed) {
            if row.id().is_empty() {
                id.clone_into(&mut row.made);
            }
            match before.get(&row.number) {
                Some(old) if old != row.id() => self.witness.rename(old, row.id()),
                _ => {}
            }
        }
    }

    async fn contents(&mut self) -> Vec<String> {
        self.list().await.iter().map(|(id, texts)| format!("{id:?} {texts:?}")).collect()
    }
}
