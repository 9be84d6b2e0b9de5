//! URLs that may be shown.

use std::fmt;

use url::Url;

/// Scheme, host, port and path of a URL: no user, password, query or fragment.
///
/// ```
/// let url = "https://user:pw@pay.example:8443/api/v1?key=s3cr3t#x".parse().unwrap();
/// assert_eq!(deposit_transport::RedactedUrl::from(&url).to_string(), "https://pay.example:8443/api/v1");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RedactedUrl(String);

impl From<&Url> for RedactedUrl {
    fn from(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Self(format!("{}://{host}{port}{}", url.scheme(), url.path()))
    }
}

impl fmt::Display for RedactedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RedactedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
