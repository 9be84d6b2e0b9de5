//! Checks of webhook signatures, all in constant time and over the raw bytes.
//!
//! Only these functions make a [`VerifiedBody`], so a decoder that takes one cannot be given anything unchecked. An
//! empty secret matches nothing.

use std::fmt;
use std::time::Duration;

use deposit_core::{Secret, Timestamp, WebhookError};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The raw body of a delivery whose signature or token was right.
#[derive(Clone, Copy)]
pub struct VerifiedBody<'a>(&'a [u8]);

impl<'a> VerifiedBody<'a> {
    /// The bytes that were signed.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// The payer's data is in it: only its size is printed.
impl fmt::Debug for VerifiedBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedBody").field("len", &self.0.len()).finish()
    }
}

/// Why a delivery is not believed. For logs; outside they are all 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// No secret is configured: nothing can be right.
    #[error("no secret is configured")]
    NoSecret,
    /// The header is missing or not in its form.
    #[error("the signature is missing or not in its form")]
    Malformed,
    /// Signed with another secret, or altered.
    #[error("the signature does not match")]
    Mismatch,
    /// Signed too long ago, or in the future.
    #[error("the signature's time is out of tolerance")]
    Stale,
}

impl From<SignatureError> for WebhookError {
    fn from(_: SignatureError) -> Self {
        Self::Unauthenticated
    }
}

/// HMAC-SHA256 of the body, as 64 hexadecimal digits; the key is the text of the secret.
///
/// ```
/// use deposit_core::Secret;
/// use deposit_transport::signature::hmac_sha256_hex;
/// let body = br#"{"type":"InvoiceSettled","invoiceId":"Vx7KdQm2Rj8nTzW4cYhB6p"}"#;
/// let hex = "b3aadf8c49d23cf963c808920c756fc4a0ad721a64a0e4148fc7dd8b2a543e6b";
/// assert!(hmac_sha256_hex(&Secret::new("whsec-sample-1"), body, hex).is_ok());
/// assert!(hmac_sha256_hex(&Secret::new("another"), body, hex).is_err());
/// ```
///
/// # Errors
/// See [`SignatureError`].
pub fn hmac_sha256_hex<'a>(
    secret: &Secret,
    body: &'a [u8],
    candidate_hex: &str,
) -> Result<VerifiedBody<'a>, SignatureError> {
    let candidate = digest(candidate_hex).ok_or(SignatureError::Malformed)?;
    check(secret, &[body], &candidate)?;
    Ok(VerifiedBody(body))
}

/// HMAC-SHA256 of `t.body`: Stripe's and Daimo's form. The header is `t=<unix seconds>,v1=<hex>[,v1=<hex>…]` in any order; other
/// schemes than `v1` are ignored. Any of the secrets and any of the `v1` may match, since several are valid while a
/// secret is being changed. The time is checked after the signature, in both directions, ends included.
///
/// # Errors
/// See [`SignatureError`].
pub fn timestamped<'a>(
    secrets: &[Secret],
    body: &'a [u8],
    header: &str,
    now: Timestamp,
    tolerance: Duration,
) -> Result<VerifiedBody<'a>, SignatureError> {
    let mut stamp = None;
    let mut candidates = Vec::new();
    for (name, value) in header.split(',').filter_map(|part| part.split_once('=')) {
        match name.trim() {
            "t" if stamp.is_some() => return Err(SignatureError::Malformed),
            "t" => stamp = Some(value.trim()),
            "v1" => candidates.extend(digest(value.trim())),
            _ => {}
        }
    }
    let stamp = stamp.ok_or(SignatureError::Malformed)?;
    // Canonical digits only: what is signed is the text, and what is compared with the clock its value.
    let signed_at: i64 = stamp.parse().map_err(|_| SignatureError::Malformed)?;
    if signed_at.to_string() != stamp || candidates.is_empty() {
        return Err(SignatureError::Malformed);
    }
    if secrets.iter().all(Secret::is_empty) {
        return Err(SignatureError::NoSecret);
    }
    let message: [&[u8]; 3] = [stamp.as_bytes(), b".", body];
    let matches =
        |secret: &Secret| candidates.iter().any(|candidate| check(secret, &message, candidate).is_ok());
    if !secrets.iter().any(matches) {
        return Err(SignatureError::Mismatch);
    }
    let age = now.secs().saturating_sub(signed_at).unsigned_abs();
    if age > tolerance.as_secs() { Err(SignatureError::Stale) } else { Ok(VerifiedBody(body)) }
}

/// A token that comes beside the body: in a header, or in the query of a callback that cannot sign.
///
/// # Errors
/// See [`SignatureError`].
pub fn token<'a>(
    secret: &Secret,
    candidate: Option<&str>,
    body: &'a [u8],
) -> Result<VerifiedBody<'a>, SignatureError> {
    if secret.is_empty() {
        return Err(SignatureError::NoSecret);
    }
    let candidate = candidate.ok_or(SignatureError::Malformed)?;
    if secret.matches(candidate) { Ok(VerifiedBody(body)) } else { Err(SignatureError::Mismatch) }
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).ok().map(|()| digest)
}

fn check(secret: &Secret, message: &[&[u8]], candidate: &[u8; 32]) -> Result<(), SignatureError> {
    if secret.is_empty() {
        return Err(SignatureError::NoSecret);
    }
    // Any length of key is fine for HMAC, so this cannot fail; if it did, nothing would match.
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).map_err(|_| SignatureError::NoSecret)?;
    for part in message {
        mac.update(part);
    }
    mac.verify_slice(candidate).map_err(|_| SignatureError::Mismatch)
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
