//! Policies: the JSON documents of IAM, read strictly.

use serde_json::{Map, Value};

use crate::iam::condition::Condition;
use crate::iam::strings::strings;

/// A policy document. What it holds that the simulator does not evaluate is an error, never passed over.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) allows: bool,
    pub(crate) actions: Patterns,
    /// None in a secret's own policy, which may leave it out.
    pub(crate) resources: Option<Patterns>,
    /// In a secret's own policy only.
    pub(crate) principals: Option<Vec<String>>,
    pub(crate) conditions: Vec<Condition>,
}

/// `Action`, `NotAction` and their like.
#[derive(Clone, Debug)]
pub(crate) struct Patterns {
    pub(crate) patterns: Vec<String>,
    pub(crate) negated: bool,
}

impl Policy {
    /// Reads an identity-based policy.
    ///
    /// # Errors
    ///
    /// What is wrong with the document, or what of it is not simulated.
    pub fn parse(document: &str) -> Result<Self, String> {
        Self::read(document, false)
    }

    /// Reads a secret's own policy, whose statements name principals.
    pub(crate) fn of_secret(document: &str) -> Result<Self, String> {
        Self::read(document, true)
    }

    fn read(document: &str, of_secret: bool) -> Result<Self, String> {
        let document: Value = serde_json::from_str(document).map_err(|error| format!("no JSON: {error}"))?;
        let members = document.as_object().ok_or("no JSON object")?;
        known(members, &["Version", "Id", "Statement"])?;
        if let Some(version) = members.get("Version")
            && !["2012-10-17", "2008-10-17"].iter().any(|known| version == known)
        {
            return Err(format!("no policy version: {version}"));
        }
        let statements = match members.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().map(|one| statement(one, of_secret)).collect(),
            Some(one) => statement(one, of_secret).map(|one| vec![one]),
            None => Err("no Statement".to_owned()),
        };
        Ok(Self { statements: statements? })
    }

    /// Whether a statement allows this to everybody, without a condition.
    pub(crate) fn is_public(&self) -> bool {
        self.statements.iter().any(|statement| {
            let everybody = |principals: &Vec<String>| principals.iter().any(|principal| principal == "*");
            statement.allows && statement.conditions.is_empty() && statement.principals.as_ref().is_some_and(everybody)
        })
    }
}

fn statement(value: &Value, of_secret: bool) -> Result<Statement, String> {
    let members = value.as_object().ok_or("a Statement is no JSON object")?;
    known(members, &["Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"])?;
    let allows = match members.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return Err("a Statement has no Effect of Allow or Deny".to_owned()),
    };
    let resources = patterns(members, "Resource", "NotResource")?;
    let principals = members.get("Principal").map(principals).transpose()?;
    if of_secret != principals.is_some() {
        return Err("Principal belongs into the policy of a secret, and only there".to_owned());
    }
    if resources.is_none() && !of_secret {
        return Err("a Statement has no Resource".to_owned());
    }
    let conditions = members.get("Condition").map(Condition::parse).transpose()?.unwrap_or_default();
    let actions = patterns(members, "Action", "NotAction")?.ok_or("a Statement has no Action")?;
    Ok(Statement { allows, actions, resources, principals, conditions })
}

fn known(members: &Map<String, Value>, names: &[&str]) -> Result<(), String> {
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(format!("{name} is not simulated")),
        None => Ok(()),
    }
}

fn patterns(members: &Map<String, Value>, name: &str, negated: &str) -> Result<Option<Patterns>, String> {
    match (members.get(name), members.get(negated)) {
        (Some(_), Some(_)) => Err(format!("a Statement has both {name} and {negated}")),
        (Some(value), None) => Ok(Some(Patterns { patterns: strings(value)?, negated: false })),
        (None, Some(value)) => Ok(Some(Patterns { patterns: strings(value)?, negated: true })),
        (None, None) => Ok(None),
    }
}

fn principals(value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Object(members) => {
            known(members, &["AWS"])?;
            members.get("AWS").map_or_else(|| Err("a Principal without AWS".to_owned()), strings)
        }
        other => strings(other),
    }
}
