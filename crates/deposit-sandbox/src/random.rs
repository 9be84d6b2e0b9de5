//! Chance that can be repeated: everything derives from the sandbox's seed.
//!
//! Ids come from a label and not from one running stream: the third invoice of a seed has the same id
//! whatever was delivered, failed or drawn meanwhile in other tasks.

use std::sync::{Mutex, PoisonError};

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest as _, Sha256};

/// The source of ids, addresses and faults.
#[derive(Debug)]
pub struct Random {
    seed: u64,
    faults: Mutex<ChaCha8Rng>,
}

const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

impl Random {
    /// Everything follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, faults: Mutex::new(ChaCha8Rng::seed_from_u64(seed)) }
    }

    fn stream(&self, label: &str) -> ChaCha8Rng {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(label.as_bytes());
        ChaCha8Rng::from_seed(hash.finalize().into())
    }

    /// `N` bytes for this label.
    #[must_use]
    pub fn bytes<const N: usize>(&self, label: &str) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream(label).fill_bytes(&mut bytes);
        bytes
    }

    /// `N` bytes in lower-case hexadecimal digits.
    #[must_use]
    pub fn hex<const N: usize>(&self, label: &str) -> String {
        hex::encode(self.bytes::<N>(label))
    }

    /// `N` bytes in Base58.
    #[must_use]
    pub fn base58_bytes<const N: usize>(&self, label: &str) -> String {
        bs58::encode(self.bytes::<N>(label)).into_string()
    }

    /// So many characters of the Base58 alphabet.
    #[must_use]
    pub fn base58(&self, label: &str, characters: usize) -> String {
        self.characters(label, BASE58, characters)
    }

    /// So many characters of the Bech32 alphabet.
    #[must_use]
    pub fn bech32(&self, label: &str, characters: usize) -> String {
        self.characters(label, BECH32, characters)
    }

    fn characters(&self, label: &str, alphabet: &[u8], count: usize) -> String {
        let mut stream = self.stream(label);
        (0..count)
            .filter_map(|_| alphabet.get(stream.random_range(0..alphabet.len())))
            .map(|b| char::from(*b))
            .collect()
    }

    /// Whether a fault of this probability strikes now.
    #[must_use]
    pub fn strikes(&self, probability: f64) -> bool {
        let mut stream = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        stream.random_bool(probability.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_its_own_stream() {
        let (a, b) = (Random::new(7), Random::new(7));
        _ = b.bytes::<64>("another");
        _ = b.strikes(0.5);
        assert_eq!(a.hex::<16>("x"), b.hex::<16>("x"));
        assert_ne!(a.hex::<16>("x"), a.hex::<16>("y"));
        assert_ne!(a.hex::<16>("x"), Random::new(8).hex::<16>("x"));
        assert_eq!(a.base58("x", 30).len(), 30);
    }

    #[test]
    fn strikes_follow_the_probability() {
        let random = Random::new(7);
        assert!(!(0..100).any(|_| random.strikes(0.0)));
        assert!((0..100).all(|_| random.strikes(1.0)));
        let half = (0..1_000).filter(|_| random.strikes(0.5)).count();
        assert!((400..600).contains(&half), "{half}");
    }
}
