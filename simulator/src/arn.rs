//! Names of secrets: ARNs, whole and partial.

/// How many characters the service appends to a name, after a hyphen.
const SUFFIX: usize = 6;

/// What a SecretId names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    /// Where the id is a whole ARN, only the secret with this very ARN is meant.
    pub(crate) arn: Option<&'a str>,
}

impl<'a> Named<'a> {
    /// Whatever ends in a hyphen and six characters counts as a whole ARN: a partial one of such a name finds nothing.
    pub(crate) fn by(id: &'a str) -> Self {
        let Some(resource) = resource(id) else { return Self { name: id, arn: None } };
        match resource.rsplit_once('-') {
            Some((name, suffix)) if is_suffix(suffix) => Self { name, arn: Some(id) },
            _ => Self { name: resource, arn: None },
        }
    }
}

/// The part of a secret's ARN after `:secret:`.
fn resource(id: &str) -> Option<&str> {
    id.starts_with("arn:").then(|| id.splitn(7, ':').nth(6)).flatten()
}

fn is_suffix(text: &str) -> bool {
    text.len() == SUFFIX && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A new secret's ARN. The suffix is drawn anew for each secret, so that a recreated name has another ARN.
pub(crate) fn new(region: &str, account: &str, name: &str, random: &mut fastrand::Rng) -> String {
    let suffix: String = (0..SUFFIX).map(|_| random.alphanumeric()).collect();
    format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-{suffix}")
}

/// The ARN by which policies know a secret that does not exist.
pub(crate) fn without_secret(region: &str, account: &str, id: &str) -> String {
    if id.starts_with("arn:") {
        return id.to_owned();
    }
    format!("arn:aws:secretsmanager:{region}:{account}:secret:{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_and_partial_arns_are_told_apart() {
        let prefix = "arn:aws:secretsmanager:us-east-1:123456789012:secret:";
        let whole = format!("{prefix}a/b-XyZ123");
        assert_eq!(Named::by(&whole), Named { name: "a/b", arn: Some(&whole) });
        assert_eq!(Named::by(&format!("{prefix}a/b")), Named { name: "a/b", arn: None });
        assert_eq!(Named::by("a/b-XyZ123"), Named { name: "a/b-XyZ123", arn: None });
    }

    #[test]
    fn suffixes_differ() {
        let random = &mut fastrand::Rng::with_seed(1);
        let (one, two) = (new("r", "a", "n", random), new("r", "a", "n", random));
        assert_ne!(one, two);
        assert_eq!(Named::by(&one).name, "n");
    }
}
