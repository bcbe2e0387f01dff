//! Filters of ListSecrets and BatchGetSecretValue.

use serde::Deserialize;

use crate::error::ServiceError;
use crate::rules::input;
use crate::state::secret::Secret;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FilterKey {
    All,
    Description,
    Name,
    OwningService,
    PrimaryRegion,
    TagKey,
    TagValue,
}

/// Values of one filter are alternatives; all filters have to fit.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Filter {
    key: FilterKey,
    values: Vec<String>,
}

pub(crate) fn checked(filters: &[Filter]) -> Result<(), ServiceError> {
    input::count("Filters", filters.len(), 0..=10)?;
    for filter in filters {
        input::count("Filters.Values", filter.values.len(), 1..=10)?;
        for value in &filter.values {
            input::length("Filters.Values", value, 0..=512)?;
            input::characters("Filters.Values", value, " :_@/+=.-!")?;
        }
    }
    Ok(())
}

pub(crate) fn fits(filters: &[Filter], secret: &Secret, region: &str) -> bool {
    filters.iter().all(|filter| filter.fits(secret, region))
}

impl Filter {
    fn fits(&self, secret: &Secret, region: &str) -> bool {
        let (without, with): (Vec<&str>, Vec<&str>) =
            self.values.iter().map(String::as_str).partition(|value| value.starts_with('!'));
        let wanted = with.is_empty() || with.iter().any(|value| self.key.finds(value, secret, region));
        let mut without = without.iter().filter_map(|value| value.strip_prefix('!'));
        wanted && !without.any(|value| self.key.finds(value, secret, region))
    }
}

impl FilterKey {
    /// By the beginning of a text; all but descriptions and `all` by case.
    fn finds(self, value: &str, secret: &Secret, region: &str) -> bool {
        match self {
            Self::Name => secret.name.starts_with(value),
            Self::TagKey => secret.tags.keys().any(|key| key.starts_with(value)),
            Self::TagValue => secret.tags.values().any(|tag| tag.starts_with(value)),
            Self::PrimaryRegion => region.starts_with(value),
            Self::OwningService => value.is_empty(),
            Self::Description => {
                let description = secret.description.as_deref().unwrap_or_default().to_lowercase();
                description.starts_with(&value.to_lowercase())
            }
            Self::All => {
                let attributes = words_of(secret);
                let mut wanted = words(value);
                wanted.all(|wanted| attributes.iter().any(|word| word.starts_with(&wanted)))
            }
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase)
}

fn words_of(secret: &Secret) -> Vec<String> {
    let tags = secret.tags.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    let texts = [secret.name.as_str(), secret.description.as_deref().unwrap_or_default()].into_iter().chain(tags);
    texts.flat_map(words).collect()
}
