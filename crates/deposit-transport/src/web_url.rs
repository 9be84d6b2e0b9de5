//! URLs as configurations give them.

use url::Url;

/// Why a URL cannot be used: the rule that it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be {} URL with a host, and without {without}", schemes(allowed))]
pub struct InvalidUrl {
    allowed: &'static [&'static str],
    without: &'static str,
}

fn schemes(allowed: &[&str]) -> String {
    match allowed {
        ["http", "https"] => "an http or https".to_owned(),
        other => format!("a {}", other.join(" or ")),
    }
}

/// The URL of a provider's API: `http` or `https`, with a host, without user, query and fragment.
///
/// ```
/// assert!(deposit_transport::base_url("https://pay.example/api").is_ok());
/// let error = deposit_transport::base_url("pay.example").unwrap_err();
/// assert_eq!(error.to_string(), "must be an http or https URL with a host, and without user, query and fragment");
/// ```
///
/// # Errors
/// [`InvalidUrl`], whose text is the rule.
pub fn base_url(text: &str) -> Result<Url, InvalidUrl> {
    let invalid = InvalidUrl { allowed: &["http", "https"], without: "user, query and fragment" };
    endpoint(text, invalid.allowed).ok().filter(|url| url.query().is_none()).ok_or(invalid)
}

/// A URL of one of these schemes, with a host, without user and fragment; a query may stand in it.
///
/// # Errors
/// [`InvalidUrl`], whose text is the rule.
pub fn endpoint(text: &str, schemes: &'static [&'static str]) -> Result<Url, InvalidUrl> {
    let invalid = InvalidUrl { allowed: schemes, without: "user and fragment" };
    let url: Url = text.parse().map_err(|_| invalid.clone())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if schemes.contains(&url.scheme()) && url.has_host() && plain { Ok(url) } else { Err(invalid) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_plain() {
        for good in ["http://127.0.0.1:4010", "https://pay.example", "https://pay.example/sub/"] {
            assert!(base_url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "pay.example",
            "ftp://pay.example",
            "https://u@x",
            "https://u:p@x",
            "https://x?y",
            "https://x#y",
        ] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_endpoint_may_have_a_query() {
        assert!(endpoint("https://x?y", &["http", "https"]).is_ok());
        let error = endpoint("http://x", &["ws", "wss"]).unwrap_err();
        assert_eq!(error.to_string(), "must be a ws or wss URL with a host, and without user and fragment");
    }
}
