//! Where the provider is asked.

use std::fmt;

use crate::error::{Error, Result};

/// The data centres of Zoho, and where each has its accounts (Zoho Accounts, multi-DC). A token works in its own alone.
const DATA_CENTRES: [(&str, &str); 9] = [
    ("us", "https://accounts.zoho.com"),
    ("eu", "https://accounts.zoho.eu"),
    ("in", "https://accounts.zoho.in"),
    ("au", "https://accounts.zoho.com.au"),
    ("jp", "https://accounts.zoho.jp"),
    ("cn", "https://accounts.zoho.com.cn"),
    ("ca", "https://accounts.zohocloud.ca"),
    ("sa", "https://accounts.zoho.sa"),
    ("uk", "https://accounts.zoho.uk"),
];

/// The address under which a provider has its token endpoint: `/oauth/v2/token`, and `/oauth/v2/token/revoke`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    /// A data centre of Zoho's (`us`, `eu`, `in`, `au`, `jp`, `cn`, `ca`, `sa`, `uk`), or the URL of another accounts
    /// server: `https://HOST[:PORT]`, and `http` on this machine alone.
    ///
    /// # Errors
    /// `InvalidInput` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some((_, url)) = DATA_CENTRES.iter().find(|(name, _)| *name == text) {
            return Ok(Self((*url).to_owned()));
        }
        let url = text.strip_suffix('/').unwrap_or(text);
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://").filter(|host| is_local(host)));
        let is_host = |host: &str| {
            let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
            !host.is_empty() && host.bytes().all(is_fit)
        };
        match host {
            Some(host) if is_host(host) => Ok(Self(url.to_owned())),
            // Not repeated: what somebody puts there by mistake may be a secret.
            _ => Err(Error::invalid("the provider is neither a data centre nor the URL of an accounts server").with_hint(
                "set it to us, eu, in, au, jp, cn, ca, sa or uk, or to https://HOST; http is for 127.0.0.1 and localhost",
            )),
        }
    }

    /// The one of the data centre that a token's API domain is in, as Zoho tells it with each token.
    pub fn of_api_domain(domain: &str) -> Option<Self> {
        let host = domain.strip_prefix("https://")?.trim_end_matches('/');
        let end = host.strip_prefix("www.zohoapis.")?;
        let name = match end {
            "com" => "us",
            "com.au" => "au",
            "com.cn" => "cn",
            other => other,
        };
        DATA_CENTRES.iter().find(|(centre, _)| *centre == name).map(|(_, url)| Self((*url).to_owned()))
    }

    pub(super) fn token(&self) -> String {
        format!("{}/oauth/v2/token", self.0)
    }

    pub(super) fn revoke(&self) -> String {
        format!("{}/oauth/v2/token/revoke", self.0)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_local(host: &str) -> bool {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "0"));
    (name == "127.0.0.1" || name == "localhost") && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_centres_and_https_and_this_machine() {
        let token = |text: &str| Endpoint::parse(text).unwrap().token();
        assert_eq!(token("eu"), "https://accounts.zoho.eu/oauth/v2/token");
        assert_eq!(token("https://login.example.com:8443/"), "https://login.example.com:8443/oauth/v2/token");
        assert_eq!(token("http://127.0.0.1:8080"), "http://127.0.0.1:8080/oauth/v2/token");
        assert_eq!(Endpoint::parse("us").unwrap().revoke(), "https://accounts.zoho.com/oauth/v2/token/revoke");
    }

    #[test]
    fn a_token_tells_its_data_centre() {
        let of = |domain: &str| Endpoint::of_api_domain(domain).map(|endpoint| endpoint.to_string());
        assert_eq!(of("https://www.zohoapis.eu").as_deref(), Some("https://accounts.zoho.eu"));
        assert_eq!(of("https://www.zohoapis.com.au/").as_deref(), Some("https://accounts.zoho.com.au"));
        assert_eq!(of("https://www.zohoapis.com").as_deref(), Some("https://accounts.zoho.com"));
        for other in ["https://www.zohoapis.example", "http://www.zohoapis.eu", "https://example.com", ""] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn secrets_go_nowhere_in_clear_and_nowhere_else() {
        for text in [
            "",
            "EU",
            "http://example.com",
            "http://127.0.0.1.example.com",
            "http://localhost@example.com:80",
            "https://",
            "https://a/b",
            "https://canary@host",
            "https://host?canary",
            "ftp://host",
            "accounts.zoho.eu",
        ] {
            let error = Endpoint::parse(text).expect_err(text);
            assert!(!format!("{error} {error:?} {:?}", error.hint()).contains("canary"), "{text}");
        }
    }
}
