//! State blocks: what is hashed, and their JSON.

use std::fmt;
use std::str::FromStr;

use blake2::Blake2b256;
use blake2::digest::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::Address;

/// A block's hash, or another 32 bytes in its place. Written in upper case, read in either.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Hash(pub(crate) [u8; 32]);

impl Hash {
    /// Of no block: the predecessor of an account's first.
    pub(crate) const ZERO: Self = Self([0; 32]);
}

/// Not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a block hash")]
pub(crate) struct NotAHash;

impl FromStr for Hash {
    type Err = NotAHash;
    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NotAHash)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode_upper(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What is hashed of a state block; signature and work are not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateBlock {
    pub(crate) account: Address,
    /// Head of the account; zero for its first block.
    pub(crate) previous: Hash,
    pub(crate) representative: Address,
    /// Balance *after* the block, in raw.
    pub(crate) balance: u128,
    /// For a receive or open block the hash of the send.
    pub(crate) link: Hash,
}

impl StateBlock {
    /// The hash under which the network knows it.
    pub(crate) fn hash(&self) -> Hash {
        let mut preamble = [0; 32];
        preamble[31] = 6;
        let mut hash = Blake2b256::new();
        hash.update(preamble);
        hash.update(self.account.0);
        hash.update(self.previous.0);
        hash.update(self.representative.0);
        hash.update(self.balance.to_be_bytes());
        hash.update(self.link.0);
        Hash(hash.finalize().into())
    }

    /// What the work is done on: the head, or for the first block the public key.
    pub(crate) fn work_root(&self) -> [u8; 32] {
        if self.previous == Hash::ZERO { self.account.0 } else { self.previous.0 }
    }
}

#[cfg(test)]
#[path = "vectors.rs"]
mod vectors;
