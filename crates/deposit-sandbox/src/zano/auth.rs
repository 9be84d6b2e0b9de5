//! The wallet's access token: a JWT in standard base64 without padding, over the bytes of one body, good once.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::json::Json;

/// How long a salt is remembered, and how many of them.
const REMEMBERED_SECONDS: i64 = 3_600;
const MAX_REMEMBERED: usize = 100_000;

/// A token for one request body.
#[must_use]
pub fn token(secret: &str, body: &[u8], salt: &str, expires: i64) -> String {
    let part = |json: Json| STANDARD_NO_PAD.encode(json.compact());
    let head = part(Json::object([("typ", Json::text("JWT")), ("alg", Json::text("HS256"))]));
    let claims = part(Json::object([
        ("user", Json::text("sandbox")),
        ("body_hash", Json::text(hex::encode(Sha256::digest(body)))),
        ("salt", Json::text(salt)),
        ("exp", Json::int(expires)),
    ]));
    let signed = format!("{head}.{claims}");
    let signature = STANDARD_NO_PAD.encode(mac(secret, &signed).finalize().into_bytes());
    format!("{signed}.{signature}")
}

fn mac(secret: &str, text: &str) -> Hmac<Sha256> {
    // HMAC takes keys of any length: the error does not occur.
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap_or_else(|_| Hmac::new(&[0; 64].into()));
    mac.update(text.as_bytes());
    mac
}

/// The salts that were used, with when.
#[derive(Debug, Default)]
pub(super) struct Salts(BTreeMap<String, i64>);

impl Salts {
    /// Whether a request may pass. A salt is used up only by a token that is right in everything else.
    pub(super) fn admit(&mut self, secret: &str, token: Option<&str>, body: &[u8], now: i64) -> bool {
        let Some(claims) = token.and_then(|token| claims(secret, token)) else { return false };
        let body_hash = claims.get("body_hash").and_then(Json::as_text);
        if body_hash != Some(hex::encode(Sha256::digest(body)).as_str()) {
            return false;
        }
        if claims.get("exp").and_then(Json::as_i64).is_none_or(|exp| exp < now) {
            return false;
        }
        let Some(salt) = claims.get("salt").and_then(Json::as_text).filter(|salt| !salt.is_empty()) else {
            return false;
        };
        self.0.retain(|_, used| now.saturating_sub(*used) < REMEMBERED_SECONDS);
        if self.0.len() >= MAX_REMEMBERED || self.0.contains_key(salt) {
            return false;
        }
        self.0.insert(salt.to_owned(), now);
        true
    }
}

/// The claims of a token with a right signature.
fn claims(secret: &str, token: &str) -> Option<Json> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (head, claims) = signed.split_once('.')?;
    let signature = STANDARD_NO_PAD.decode(signature).ok()?;
    mac(secret, signed).verify_slice(&signature).ok()?;
    let read = |part: &str| Json::parse(&STANDARD_NO_PAD.decode(part).ok()?).ok();
    (read(head)?.get("alg")?.as_text()? == "HS256").then_some(())?;
    read(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_785_000_000;

    #[test]
    fn a_token_is_good_once_and_for_one_body() {
        let mut salts = Salts::default();
        let right = token("secret", b"{}", "salt-1", NOW + 60);
        let mut admit = |token: Option<&str>, body: &[u8]| salts.admit("secret", token, body, NOW);
        assert!(!admit(None, b"{}"));
        assert!(!admit(Some(&right), b"{ }"));
        assert!(!admit(Some(&token("other", b"{}", "salt-2", NOW + 60)), b"{}"));
        assert!(!admit(Some(&token("secret", b"{}", "salt-3", NOW - 1)), b"{}"));
        assert!(!admit(Some(&token("secret", b"{}", "", NOW + 60)), b"{}"));
        assert!(!admit(Some("a.b.c"), b"{}"));
        assert!(admit(Some(&right), b"{}"));
        assert!(!admit(Some(&right), b"{}"), "the salt was used");
        assert!(!admit(Some(&token("secret", b"{1}", "salt-1", NOW + 60)), b"{1}"));
        assert!(salts.admit(
            "secret",
            Some(&token("secret", b"{}", "salt-1", NOW + 9_999)),
            b"{}",
            NOW + 3_600
        ));
    }

    #[test]
    fn base64url_is_refused_where_it_differs() {
        let mut salts = Salts::default();
        let mut differing = 0;
        for n in 0..50 {
            let right = token("secret", b"{}", &format!("salt-{n}"), NOW + 60);
            let url = right.replace('+', "-").replace('/', "_");
            if url != right {
                differing += 1;
                assert!(!salts.admit("secret", Some(&url), b"{}", NOW));
            }
            assert!(salts.admit("secret", Some(&right), b"{}", NOW));
        }
        assert!(differing > 10);
    }
}
