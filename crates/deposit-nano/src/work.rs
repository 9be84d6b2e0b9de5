//! Proof of work: what is asked for, whether it is there, and how this CPU finds it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blake2::Blake2b;
use blake2::digest::Digest;
use blake2::digest::consts::U8;

/// A nonce; sixteen hexadecimal digits in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Work(pub(crate) u64);

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Work {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

impl Work {
    /// `blake2b(out=8, nonce low byte first || root)`, read low byte first.
    pub(crate) fn value(self, root: &[u8; 32]) -> u64 {
        let mut hash = Blake2b::<U8>::new();
        hash.update(self.0.to_le_bytes());
        hash.update(root);
        u64::from_le_bytes(hash.finalize().into())
    }

    pub(crate) fn is_enough(self, root: &[u8; 32], threshold: u64) -> bool {
        self.value(root) >= threshold
    }
}

/// The networks that a node's `version` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Network {
    Live,
    Beta,
    Test,
    Dev,
    /// A word that no document lists.
    Other(String),
}

impl Network {
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "live" => Self::Live,
            "beta" => Self::Beta,
            "test" => Self::Test,
            "dev" => Self::Dev,
            other => Self::Other(other.chars().filter(char::is_ascii_graphic).take(32).collect()),
        }
    }

    /// What a receive or open block has to reach. A fresh dev ledger is still at epoch 0 and asks for the older threshold; a network
    /// that the documents have no figure for gets the live one, which is enough everywhere.
    pub(crate) fn receive_threshold(&self) -> u64 {
        match self {
            Self::Live | Self::Test | Self::Other(_) => 0xffff_fe00_0000_0000,
            Self::Beta => 0xffff_e000_0000_0000,
            Self::Dev => 0xfe00_0000_0000_0000,
        }
    }
}

/// Stops the search when it is dropped: a caller that gives up leaves no thread behind.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Searches on this CPU, in a thread that may block.
pub(crate) async fn generate(root: [u8; 32], threshold: u64) -> Option<Work> {
    let stop = Arc::new(AtomicBool::new(false));
    let guard = StopOnDrop(stop.clone());
    let found = tokio::task::spawn_blocking(move || search(&root, threshold, &stop)).await.ok().flatten();
    drop(guard);
    found
}

/// From a start that depends on the root, so that the same root gives the same nonce.
fn search(root: &[u8; 32], threshold: u64, stop: &AtomicBool) -> Option<Work> {
    let start = Work(0).value(root);
    for step in 0..u64::MAX {
        let work = Work(start.wrapping_add(step));
        if work.is_enough(root, threshold) {
            return Some(work);
        }
        if step % 1024 == 0 && stop.load(Ordering::Relaxed) {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn root(text: &str) -> [u8; 32] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn published_values() {
        for (at, nonce, value, send, receive) in [
            (
                "718CC2121C3E641059BC1C2CFC45666C99E8AE922F7A807B7D07B62C995D79E2",
                "2b3d689bbcb21dca",
                "fffffff93c41ec94",
                true,
                true,
            ),
            (
                "F47B23107E5F34B2CE06F562B5C435DF72A533251CB414C51B2B62A8F63A00E4",
                "cab7404f0b5449d0",
                "ffffffd2b7ffab7b",
                false,
                true,
            ),
            (
                "3ED191EC702F384514BA35E1F9081148DF5A9AB48FE0F604B6E5B9F7177CEE32",
                "bb6737f2daf01a2c",
                "74bbaa4490886de7",
                false,
                false,
            ),
        ] {
            let work: Work = nonce.parse().unwrap();
            let root = root(at);
            assert_eq!(work.to_string(), nonce);
            assert_eq!(format!("{:016x}", work.value(&root)), value);
            assert_eq!(work.is_enough(&root, 0xffff_fff8_0000_0000), send);
            assert_eq!(work.is_enough(&root, Network::Live.receive_threshold()), receive);
        }
    }

    #[test]
    fn every_network_has_a_threshold_and_an_unknown_one_the_hardest() {
        let of = |word| format!("{:016x}", Network::of(word).receive_threshold());
        assert_eq!(of("live"), "fffffe0000000000");
        assert_eq!(of("beta"), "ffffe00000000000");
        assert_eq!(of("dev"), "fe00000000000000");
        assert_eq!(of("test"), of("live"));
        assert_eq!(of("moon"), of("live"));
    }

    #[tokio::test]
    async fn a_search_that_nobody_waits_for_ends() {
        let wait = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(wait, generate([7; 32], u64::MAX)).await.is_err());
        // The runtime waits for its blocking threads when it ends: a search that went on would hang here.
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn what_is_found_is_enough(root: [u8; 32]) {
            let threshold = Network::Dev.receive_threshold();
            let work = search(&root, threshold, &AtomicBool::new(false)).unwrap();
            prop_assert!(work.is_enough(&root, threshold));
            prop_assert_eq!(work.to_string().parse::<Work>().unwrap(), work);
        }
    }
}
