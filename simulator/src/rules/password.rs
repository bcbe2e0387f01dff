//! GetRandomPassword.

use serde::Deserialize;
use serde_json::Value;

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::rules::input;
use crate::rules::reply::Reply;
use crate::world::World;
use crate::world::caller::Caller;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Input {
    password_length: Option<i64>,
    #[serde(default)]
    exclude_characters: String,
    #[serde(default)]
    exclude_numbers: bool,
    #[serde(default)]
    exclude_punctuation: bool,
    #[serde(default)]
    exclude_uppercase: bool,
    #[serde(default)]
    exclude_lowercase: bool,
    #[serde(default)]
    include_space: bool,
    require_each_included_type: Option<bool>,
}

pub(crate) fn get_random_password(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let input: Input = input::parse(Operation::GetRandomPassword, body)?;
    let length = input.password_length.map_or(Ok(32), |length| input::number("PasswordLength", length, 1..=4096))?;
    input::length("ExcludeCharacters", &input.exclude_characters, 0..=4096)?;
    world.allowed_everywhere(caller, Operation::GetRandomPassword)?;
    let types = input.types();
    let characters: Vec<char> = types.iter().flatten().copied().collect();
    if characters.is_empty() {
        return Err(ServiceError::invalid_parameter("No characters are left to make a password of."));
    }
    let each = input.require_each_included_type.unwrap_or(true);
    if each && length < types.len() {
        return Err(ServiceError::invalid_parameter("The password is too short to hold each included type."));
    }
    let mut password: Vec<char> = match each {
        true => types.iter().filter_map(|kind| world.random.choice(kind).copied()).collect(),
        false => Vec::new(),
    };
    while password.len() < length {
        password.extend(world.random.choice(&characters));
    }
    world.random.shuffle(&mut password);
    Ok(Reply::default().with("RandomPassword", password.into_iter().collect::<String>()).done())
}

/// Whether a character is of a type.
type Kind = fn(&char) -> bool;

impl Input {
    /// The types of characters that are left, each with its characters.
    fn types(&self) -> Vec<Vec<char>> {
        let kinds: [(bool, Kind); 5] = [
            (!self.exclude_numbers, |letter| letter.is_ascii_digit()),
            (!self.exclude_punctuation, |letter| letter.is_ascii_punctuation()),
            (!self.exclude_uppercase, |letter| letter.is_ascii_uppercase()),
            (!self.exclude_lowercase, |letter| letter.is_ascii_lowercase()),
            (self.include_space, |letter| *letter == ' '),
        ];
        let included = kinds.into_iter().filter(|(included, _)| *included);
        let characters = included.map(|(_, is_of_kind)| {
            (' '..='~').filter(is_of_kind).filter(|letter| !self.exclude_characters.contains(*letter)).collect()
        });
        characters.filter(|kind: &Vec<char>| !kind.is_empty()).collect()
    }
}
