//! How often what was called, and how often refused.

use std::collections::BTreeMap;

use crate::operation::Operation;

/// Calls that arrived, whatever became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    operations: BTreeMap<Operation, u64>,
    secrets: BTreeMap<String, BTreeMap<Operation, u64>>,
    refusals: BTreeMap<String, u64>,
}

impl Counters {
    /// Calls of one operation.
    pub fn of(&self, operation: Operation) -> u64 {
        self.operations.get(&operation).copied().unwrap_or(0)
    }

    /// Calls of one operation that named this secret: by SecretId or Name, as the callers wrote it.
    pub fn of_secret(&self, secret: &str, operation: Operation) -> u64 {
        self.secrets.get(secret).and_then(|calls| calls.get(&operation)).copied().unwrap_or(0)
    }

    /// Calls of any operation.
    pub fn total(&self) -> u64 {
        self.operations.values().sum()
    }

    /// Calls that were answered with this error, such as `LimitExceededException`, for whatever reason.
    pub fn refused(&self, code: &str) -> u64 {
        self.refusals.get(code).copied().unwrap_or(0)
    }

    /// Every error that was answered, and how often.
    pub fn refusals(&self) -> impl Iterator<Item = (&str, u64)> {
        self.refusals.iter().map(|(code, count)| (code.as_str(), *count))
    }

    /// Every operation that was called, and how often.
    pub fn operations(&self) -> impl Iterator<Item = (Operation, u64)> {
        self.operations.iter().map(|(operation, count)| (*operation, *count))
    }

    /// Every secret that was named, and how often by which operation.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &BTreeMap<Operation, u64>)> {
        self.secrets.iter().map(|(secret, calls)| (secret.as_str(), calls))
    }

    pub(crate) fn refuse(&mut self, code: &str) {
        *self.refusals.entry(code.to_owned()).or_default() += 1;
    }

    pub(crate) fn count(&mut self, operation: Operation, secret: Option<&str>) {
        *self.operations.entry(operation).or_default() += 1;
        if let Some(secret) = secret {
            *self.secrets.entry(secret.to_owned()).or_default().entry(operation).or_default() += 1;
        }
    }
}
