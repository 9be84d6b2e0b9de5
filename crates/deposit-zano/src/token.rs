//! The wallet's access token (dossier, section 4): a JWT whose parts are in standard base64 without padding, over the very bytes
//! of one request's body. The server decodes nothing else; the base64url of ordinary JWT libraries works by luck only.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use deposit_core::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The header that carries it.
pub(crate) const HEADER: &str = "zano-access-token";

/// How long a token is good for, in seconds. The wallet refuses one that it has seen.
const LIFETIME: u64 = 60;

/// No random bytes, or no key: nothing to sign with.
#[derive(Debug, thiserror::Error)]
#[error("no access token can be made")]
pub(crate) struct Unsigned;

#[derive(Serialize)]
struct Head {
    alg: &'static str,
    typ: &'static str,
}

#[derive(Serialize)]
struct Claims<'a> {
    body_hash: &'a str,
    exp: u64,
    salt: &'a str,
    user: &'static str,
}

/// A token for one sending of this body. Its time is the wall clock's: it decides about nothing but the token.
pub(crate) fn fresh(secret: &Secret, body: &str) -> Result<Secret, Unsigned> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|_| Unsigned)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Unsigned)?;
    signed(secret, body, &hex::encode(salt), now.as_secs() + LIFETIME)
}

fn signed(secret: &Secret, body: &str, salt: &str, exp: u64) -> Result<Secret, Unsigned> {
    let part = |json: serde_json::Result<String>| {
        json.map(|text| STANDARD_NO_PAD.encode(text)).map_err(|_| Unsigned)
    };
    let body_hash = hex::encode(Sha256::digest(body.as_bytes()));
    let head = part(serde_json::to_string(&Head { alg: "HS256", typ: "JWT" }))?;
    let claims = Claims { body_hash: &body_hash, exp, salt, user: "deposit" };
    let text = format!("{head}.{}", part(serde_json::to_string(&claims))?);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).map_err(|_| Unsigned)?;
    mac.update(text.as_bytes());
    Ok(Secret::new(format!("{text}.{}", STANDARD_NO_PAD.encode(mac.finalize().into_bytes()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_parts_in_standard_base64_without_padding() {
        let token = signed(&Secret::new("secret"), "{}", "salt", 1_785_000_060).unwrap();
        let parts: Vec<_> = token.expose().split('.').collect();
        let read = |n: usize| String::from_utf8(STANDARD_NO_PAD.decode(parts[n]).unwrap()).unwrap();
        assert_eq!(read(0), r#"{"alg":"HS256","typ":"JWT"}"#);
        // SHA-256 of "{}".
        let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let claims = format!(r#"{{"body_hash":"{hash}","exp":1785000060,"salt":"salt","user":"deposit"}}"#);
        assert_eq!(read(1), claims);
        assert_eq!(STANDARD_NO_PAD.decode(parts[2]).unwrap().len(), 32);
    }

    #[test]
    fn tokens_have_the_letters_that_base64url_has_not() {
        let secret = Secret::new("secret");
        let tokens: String =
            (0..50).map(|n| signed(&secret, "{}", &n.to_string(), 60).unwrap().expose().to_owned()).collect();
        assert!(tokens.contains('+') && tokens.contains('/'));
        assert!(!tokens.contains(['-', '_', '=']));
    }

    #[test]
    fn no_two_are_alike() {
        let secret = Secret::new("secret");
        let of = || fresh(&secret, "{}").unwrap().expose().to_owned();
        assert_ne!(of(), of());
    }
}
