//! What is secret in a configuration, and how it is kept out of a file.

use anyhow::{Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;
use toml::Table;

use crate::json;

/// What stands in a fixture for a secret.
pub(crate) const HIDDEN: &str = "REDACTED";
/// What stands in a fixture for the provider's address.
pub(crate) const PUBLIC: &str = "https://pay.example";

/// A value with one of these words in its key is secret.
const SECRET: [&str; 10] = [
    "key",
    "secret",
    "token",
    "seed",
    "password",
    "authorization",
    "jwt",
    "mnemonic",
    "private",
    "passphrase",
];
/// One with these is not, but says whose account it is.
const OF_THE_ACCOUNT: [&str; 4] = ["store_id", "address", "merchant", "account"];

/// Members of an answer that nobody else may know, or that are somebody's: names in lower case without `_` and `-`.
const MEMBERS: [&str; 18] = [
    "secret",
    "clientsecret",
    "webhooksecret",
    "apikey",
    "apitoken",
    "accesstoken",
    "refreshtoken",
    "authtoken",
    "authorization",
    "password",
    "passphrase",
    "privatekey",
    "mnemonic",
    "seed",
    "jwt",
    "email",
    "customeremail",
    "phone",
];

/// A secret shorter than this is found everywhere.
const SHORTEST: usize = 6;

/// The values of a configuration that no file may hold.
pub(crate) struct Secrets {
    /// (key, value)
    secret: Vec<(String, String)>,
    /// (value, what stands for it): not secret.
    replaced: Vec<(String, String)>,
}

impl Secrets {
    pub(crate) fn of(section: &Table) -> Result<Self> {
        let mut found = Self { secret: Vec::new(), replaced: Vec::new() };
        found.collect(section)?;
        // Longest first, so that one that holds another goes as a whole.
        found.secret.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        Ok(found)
    }

    fn collect(&mut self, table: &Table) -> Result<()> {
        table.iter().try_for_each(|(key, value)| self.value(key, value))
    }

    fn value(&mut self, key: &str, value: &toml::Value) -> Result<()> {
        if let Some(inner) = value.as_table() {
            return self.collect(inner);
        }
        if let Some(items) = value.as_array() {
            return items.iter().try_for_each(|item| self.value(key, item));
        }
        let Some(text) = value.as_str().filter(|text| !text.is_empty()) else { return Ok(()) };
        let lower = key.to_lowercase();
        if SECRET.iter().any(|word| lower.contains(word)) {
            ensure!(text.len() >= SHORTEST, "`{key}` is too short to be told from other text");
            self.secret.push((key.to_owned(), text.to_owned()));
            // `Basic` and `Bearer` are no secret, what follows is.
            if let Some((_, proof)) = text.split_once(' ').filter(|(_, proof)| proof.len() >= SHORTEST) {
                self.secret.push((key.to_owned(), proof.to_owned()));
            }
        } else if lower.ends_with("url") {
            self.address(key, text);
        } else if text.len() >= SHORTEST && OF_THE_ACCOUNT.iter().any(|word| lower.contains(word)) {
            self.replaced.push((text.to_owned(), format!("CONFIGURED_{}", key.to_uppercase())));
        }
        Ok(())
    }

    fn address(&mut self, key: &str, text: &str) {
        let Ok(url) = text.parse::<reqwest::Url>() else { return };
        if let Some(password) = url.password() {
            self.secret.push((key.to_owned(), password.to_owned()));
        }
        if let Some(host) = url.host_str() {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            self.replaced.push((format!("{}://{host}{port}", url.scheme()), PUBLIC.to_owned()));
        }
    }

    /// The document (pretty JSON) without secrets.
    pub(crate) fn hide(&self, document: &str) -> Result<String> {
        let mut text = document.lines().map(hidden_member).collect::<Vec<_>>().join("\n");
        for (_, secret) in &self.secret {
            for form in forms(secret) {
                text = text.replace(&form, HIDDEN);
            }
        }
        for (value, instead) in &self.replaced {
            text = text.replace(value, instead);
        }
        // It is JSON still.
        json::pretty(&text)
    }

    /// Fails if a secret is in the text: as it is, in an encoding, or in what a string of it says.
    pub(crate) fn refuse(&self, name: &str, text: &str) -> Result<()> {
        let document: Value = serde_json::from_str(text)?;
        let mut strings = vec![text.to_owned()];
        all_strings(&document, &mut strings);
        for string in &strings {
            let lower = string.to_lowercase();
            for (key, secret) in &self.secret {
                let found = forms(secret).iter().any(|form| string.contains(form.as_str()))
                    || lower.contains(&secret.to_lowercase())
                    || lower.contains(&hex::encode(secret));
                if found {
                    bail!("{name} would hold the configured `{key}`: nothing is written");
                }
            }
        }
        Ok(())
    }
}

/// How a secret can be written in an answer.
fn forms(secret: &str) -> Vec<String> {
    let quoted = json::string(secret);
    let quoted = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or(secret).to_owned();
    let percent: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let slashes = quoted.replace('/', "\\/");
    let mut forms = vec![secret.to_owned(), quoted, slashes, percent, hex::encode(secret)];
    forms.extend(
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().map(|base64| base64.encode(secret)),
    );
    forms
}

/// Every string and member name, decoded; those that are base64 decoded once more.
fn all_strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            for part in text.split_whitespace() {
                let decoded = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
                    .iter()
                    .find_map(|base64| String::from_utf8(base64.decode(part).ok()?).ok());
                found.extend(decoded);
            }
            found.push(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| all_strings(item, found)),
        Value::Object(members) => {
            for (name, value) in members {
                all_strings(&Value::String(name.clone()), found);
                all_strings(value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_secret_member(name: &str) -> bool {
    let plain: String = name.to_lowercase().chars().filter(|c| !matches!(c, '_' | '-')).collect();
    MEMBERS.contains(&plain.as_str())
}

/// A line of pretty JSON; a text under a name that is secret by itself is hidden.
fn hidden_member(line: &str) -> String {
    let hide = || {
        let start = line.find('"')?;
        let (name, value) = line.get(start + 1..)?.split_once("\": ")?;
        let value = value.strip_suffix(',').unwrap_or(value);
        // A proof is hidden already, behind its scheme word.
        let text = value.len() > 2 && value.starts_with('"') && !value.ends_with(&format!(" {HIDDEN}\""));
        (text && is_secret_member(name)).then(|| line.replace(value, &json::string(HIDDEN)))
    };
    hide().unwrap_or_else(|| line.to_owned())
}

/// A path without the values of parameters that are keys.
pub(crate) fn hidden_query(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else { return path.to_owned() };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if SECRET.iter().any(|word| name.to_lowercase().contains(word)) => {
            format!("{name}={HIDDEN}")
        }
        _ => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}
