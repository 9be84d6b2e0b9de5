//! The node's JSON, as its documents and both its implementations write it: numbers and flags as text, nothing as `""`.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::address::Address;
use crate::block::Hash;

/// A count of raw: decimal digits in a string, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raw(pub(crate) u128);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let raw = digits.then(|| text.parse().ok()).flatten();
        raw.map(Self).ok_or_else(|| D::Error::custom("expected raw: decimal digits of 128 bits"))
    }
}

/// An object; what is empty may be `""`, `[]`, `{}` or `null` (C++ node and RsNano differ).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entries<V>(pub(crate) BTreeMap<String, V>);

impl<V> Default for Entries<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Any<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Any<V> {
            type Value = Entries<V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, or an empty text or list")
            }
            fn visit_unit<E>(self) -> Result<Entries<V>, E> {
                Ok(Entries::default())
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Entries<V>, E> {
                if text.is_empty() {
                    Ok(Entries::default())
                } else {
                    Err(E::custom("a text that is not empty"))
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entries<V>, A::Error> {
                match seq.next_element::<IgnoredAny>()? {
                    None => Ok(Entries::default()),
                    Some(_) => Err(A::Error::custom("a list that is not empty")),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<V>, A::Error> {
                let mut all = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    all.insert(name, value);
                }
                Ok(Entries(all))
            }
        }
        d.deserialize_any(Any(PhantomData))
    }
}

/// A JSON object, or a string with its text in it, as the C++ node writes blocks in callbacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Embedded<T>(pub(crate) T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Embedded<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(d)?;
        let inner = if raw.get().starts_with('"') {
            let text: String = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
            serde_json::from_str(&text)
        } else {
            serde_json::from_str(raw.get())
        };
        inner.map(Self).map_err(|_| D::Error::custom("no block"))
    }
}

/// What a state block did.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Subtype {
    Send,
    Receive,
    Open,
    Change,
    Epoch,
    #[serde(untagged)]
    Other(String),
}

/// The form of a block: all but `state` are from before 2018.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BlockType {
    State,
    Send,
    Receive,
    Open,
    Change,
    #[serde(untagged)]
    Other(String),
}

/// Whether a quorum has cemented the block.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Confirmed {
    True,
    False,
    #[serde(untagged)]
    Other(String),
}

/// The block itself. Its `balance` is not read: legacy blocks have it in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Contents {
    #[serde(rename = "type")]
    pub(crate) kind: BlockType,
    pub(crate) previous: Option<Hash>,
    pub(crate) link: Option<Hash>,
    /// Of a legacy send.
    pub(crate) destination: Option<Address>,
}

/// `block_info`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct BlockInfo {
    pub(crate) block_account: Address,
    pub(crate) amount: Option<Raw>,
    pub(crate) confirmed: Confirmed,
    pub(crate) subtype: Option<Subtype>,
    pub(crate) local_timestamp: Option<String>,
    pub(crate) successor: Option<String>,
    pub(crate) contents: Embedded<Contents>,
}

/// `blocks_info`.
#[derive(Debug, Deserialize)]
pub(crate) struct BlocksInfo {
    #[serde(default)]
    pub(crate) blocks: Entries<BlockInfo>,
}

/// One send that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) amount: Raw,
}

/// `receivable` with `source`.
#[derive(Debug, Deserialize)]
pub(crate) struct Receivable {
    #[serde(default)]
    pub(crate) blocks: Entries<Waiting>,
}

/// `accounts_receivable` with `source`; accounts with nothing are left out.
#[derive(Debug, Deserialize)]
pub(crate) struct AccountsReceivable {
    #[serde(default)]
    pub(crate) blocks: Entries<Entries<Waiting>>,
}

/// `account_info`.
#[derive(Debug, Deserialize)]
pub(crate) struct AccountInfo {
    pub(crate) frontier: Hash,
    pub(crate) balance: Raw,
}

/// `accounts_frontiers`; accounts without a block are left out, or told of as errors.
#[derive(Debug, Deserialize)]
pub(crate) struct AccountsFrontiers {
    #[serde(default)]
    pub(crate) frontiers: Entries<Hash>,
}

/// One line of `account_history`: a block of the account.
#[derive(Debug, Deserialize)]
pub(crate) struct HistoryLine {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) hash: Hash,
}

/// `account_history`.
#[derive(Debug, Deserialize)]
pub(crate) struct History {
    #[serde(default, deserialize_with = "list")]
    pub(crate) history: Vec<HistoryLine>,
    /// Where to go on, if it was cut.
    pub(crate) previous: Option<Hash>,
}

/// A list; empty ones may be `""`.
fn list<'de, D: Deserializer<'de>, V: DeserializeOwned>(d: D) -> Result<Vec<V>, D::Error> {
    let raw = Box::<RawValue>::deserialize(d)?;
    match raw.get() {
        "\"\"" | "null" | "{}" => Ok(Vec::new()),
        text => serde_json::from_str(text).map_err(|_| D::Error::custom("no list")),
    }
}

/// `process`.
#[derive(Debug, Deserialize)]
pub(crate) struct Processed {
    pub(crate) hash: Hash,
}

/// `work_generate`.
#[derive(Debug, Deserialize)]
pub(crate) struct Generated {
    pub(crate) work: String,
}

/// `version`.
#[derive(Debug, Deserialize)]
pub(crate) struct Version {
    pub(crate) network: String,
}

/// `block_count`.
#[derive(Debug, Deserialize)]
pub(crate) struct BlockCount {
    pub(crate) count: Raw,
    pub(crate) unchecked: Option<Raw>,
    pub(crate) cemented: Option<Raw>,
}

/// `confirmation_quorum`, in raw.
#[derive(Debug, Deserialize)]
pub(crate) struct Quorum {
    pub(crate) quorum_delta: Option<Raw>,
    pub(crate) online_stake_total: Option<Raw>,
}

/// Any answer: an error comes with HTTP 200.
#[derive(Debug, Deserialize)]
pub(crate) struct MaybeError {
    pub(crate) error: Option<String>,
}

/// The block of a notice: `subtype`, or `sub_type` in callbacks of RsNano.
#[derive(Debug, Deserialize)]
pub(crate) struct NoticeBlock {
    #[serde(alias = "sub_type")]
    pub(crate) subtype: Option<Subtype>,
    pub(crate) link: Option<Hash>,
    pub(crate) destination: Option<Address>,
}

/// What a confirmation says, by socket or callback.
#[derive(Debug, Deserialize)]
pub(crate) struct Notice {
    pub(crate) hash: Hash,
    pub(crate) block: Option<Embedded<NoticeBlock>>,
    /// RsNano puts it here.
    #[serde(alias = "sub_type")]
    pub(crate) subtype: Option<Subtype>,
    /// `true` for sends, in callbacks.
    pub(crate) is_send: Option<String>,
}

/// A frame of the socket.
#[derive(Debug, Deserialize)]
pub(crate) struct Frame {
    pub(crate) ack: Option<String>,
    pub(crate) topic: Option<String>,
    pub(crate) message: Option<Notice>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_in_many_ways() {
        for text in [r#"{"blocks":""}"#, r#"{"blocks":[]}"#, r#"{"blocks":{}}"#, r#"{"blocks":null}"#, "{}"] {
            assert!(serde_json::from_str::<Receivable>(text).unwrap().blocks.0.is_empty(), "{text}");
            assert!(serde_json::from_str::<AccountsReceivable>(text).unwrap().blocks.0.is_empty(), "{text}");
            let history = text.replace("blocks", "history");
            assert!(serde_json::from_str::<History>(&history).unwrap().history.is_empty(), "{history}");
        }
        for bad in [r#"{"blocks":"x"}"#, r#"{"blocks":[1]}"#, r#"{"blocks":7}"#, r#"{"blocks":{"a":7}}"#] {
            assert!(serde_json::from_str::<Receivable>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn raw_keeps_every_digit() {
        let read = |text: &str| serde_json::from_str::<Raw>(text).map(|r| r.0);
        assert_eq!(read("\"340282366920938463463374607431768211455\"").unwrap(), u128::MAX);
        assert_eq!(read("\"1\"").unwrap(), 1);
        for bad in [
            "\"\"",
            "\"-1\"",
            "\"+1\"",
            "\"1.0\"",
            "\"1e3\"",
            "1",
            "\"340282366920938463463374607431768211456\"",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_word_is_read() {
        let subtype = |word: &str| serde_json::from_str::<Subtype>(&format!("\"{word}\"")).unwrap();
        assert_eq!(
            ["send", "receive", "open", "change", "epoch"].map(subtype),
            [Subtype::Send, Subtype::Receive, Subtype::Open, Subtype::Change, Subtype::Epoch]
        );
        assert_eq!(subtype("burn"), Subtype::Other("burn".into()));
        let kind = |word: &str| serde_json::from_str::<BlockType>(&format!("\"{word}\"")).unwrap();
        assert_eq!(
            ["state", "send", "receive", "open", "change"].map(kind),
            [BlockType::State, BlockType::Send, BlockType::Receive, BlockType::Open, BlockType::Change]
        );
        assert_eq!(kind("vote"), BlockType::Other("vote".into()));
        let confirmed = |word: &str| serde_json::from_str::<Confirmed>(&format!("\"{word}\"")).unwrap();
        assert_eq!(["true", "false"].map(confirmed), [Confirmed::True, Confirmed::False]);
        assert_eq!(confirmed("maybe"), Confirmed::Other("maybe".into()));
        assert!(serde_json::from_str::<Confirmed>("true").is_err(), "flags are text");
    }
}
