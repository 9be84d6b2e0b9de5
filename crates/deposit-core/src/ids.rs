//! Identifiers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// A text is no identifier of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {rule}")]
pub struct InvalidId {
    what: &'static str,
    rule: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            #[doc = concat!("Checks the text: ", $rule, ".")]
            ///
            /// # Errors
            /// Where the text breaks that rule.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) { Ok(Self(text)) } else { Err(InvalidId { what: $what, rule: $rule }) }
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(d)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

fn url_safe(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn opaque(text: &str) -> bool {
    !text.is_empty() && text.len() <= 512 && !text.chars().any(char::is_control)
}

text_id! {
    /// Our id of a deposit: the `txId` of the API, and what a provider is told.
    DepositId, "a deposit id", "16-64 characters of A-Z, a-z, 0-9, _ and -",
    |t| (16..=64).contains(&t.len()) && url_safe(t)
}
text_id! {
    /// The name of an account, given by the operator.
    AccountName, "an account name", "1-64 characters of A-Z, a-z, 0-9, . _ @ and -",
    |t| (1..=64).contains(&t.len())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'@' | b'-'))
}
text_id! {
    /// What a provider calls an order or invoice. Opaque: never parsed.
    ProviderRef, "a provider's reference", "1-512 characters without control characters", opaque
}
text_id! {
    /// The stable reference of one payment at its provider (transaction id and output, send-block hash, payment
    /// intent; a provider that tells totals only has one payment, under the order's reference). Unique per
    /// provider, not per deposit.
    PaymentRef, "a payment reference", "1-512 characters without control characters", opaque
}
text_id! {
    /// A provider's id of one webhook delivery, the same over redeliveries.
    DeliveryId, "a delivery id", "1-512 characters without control characters", opaque
}
text_id! {
    /// The stable id of one taking-back: a refund, a dispute, or [`TakingId::chain`].
    TakingId, "a taking's id", "1-512 characters without control characters", opaque
}

impl TakingId {
    /// A reorganised block, or a confirmed payment that the provider no longer shows.
    #[must_use]
    pub fn chain() -> Self {
        Self("chain".to_owned())
    }
}

/// The durable index of an account: given once, never reused. A standing address is derived from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountIndex(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_at_the_door() {
        assert!(DepositId::new("Jq4vT9mZxK2cRw7LbYd3Hp").is_ok());
        for bad in ["", "short", "with space in the middle", "../../etc/passwd/x", &"a".repeat(65)] {
            assert!(DepositId::new(bad).is_err(), "{bad}");
        }
        assert!(AccountName::new("ana@example.com").is_ok());
        assert!(AccountName::new("a/b").is_err());
        assert!(PaymentRef::new("tx\n1").is_err());
        assert!(serde_json::from_str::<DepositId>("\"x\"").is_err());
    }
}
