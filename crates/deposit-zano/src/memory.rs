//! What was listed in blocks before, by payment id, so that a payment that is not listed any more is not believed to be gone at once: a wallet
//! may answer with an empty list at the height that it had. It is believed on the second reading, at a greater height than it was last listed at.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Payment ids of one generation; there are two.
const MOST_KEPT: usize = 20_000;

#[derive(Debug, Clone, Copy)]
struct Last {
    /// The wallet's height when it was last listed.
    height: u64,
    /// Whether one reading did not list it.
    missed: bool,
}

type Transactions = BTreeMap<String, Last>;

/// Bounded: ids that were not asked about for long are forgotten, and are then judged by a single reading.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    recent: HashMap<String, Transactions>,
    older: HashMap<String, Transactions>,
}

/// By what a transaction is known here: the end of its hash.
pub(crate) fn short(tx_hash: &str) -> String {
    tx_hash.chars().take(64).skip(40).collect::<String>().to_ascii_lowercase()
}

impl Memory {
    fn of(&mut self, payment_id: &str) -> &mut Transactions {
        if !self.recent.contains_key(payment_id) {
            if self.recent.len() >= MOST_KEPT {
                self.older = std::mem::take(&mut self.recent);
            }
            let before = self.older.remove(payment_id).unwrap_or_default();
            self.recent.insert(payment_id.to_owned(), before);
        }
        self.recent.entry(payment_id.to_owned()).or_default()
    }

    /// It was listed in a block at this height, as was noted elsewhere.
    pub(crate) fn remind(&mut self, payment_id: &str, short: &str, height: u64) {
        self.of(payment_id).entry(short.to_owned()).or_insert(Last { height, missed: false });
    }

    /// A reading listed these in blocks. Answers those whose absence is not to be believed yet.
    pub(crate) fn judge(&mut self, payment_id: &str, mined: &BTreeSet<String>, height: u64) -> Vec<String> {
        if mined.is_empty() && !self.recent.contains_key(payment_id) && !self.older.contains_key(payment_id) {
            return Vec::new();
        }
        let known = self.of(payment_id);
        let mut doubted = Vec::new();
        for (short, last) in known.iter_mut().filter(|(short, _)| !mined.contains(*short)) {
            if !last.missed || height <= last.height {
                doubted.push(short.clone());
            }
            last.missed = true;
        }
        if doubted.is_empty() {
            known.retain(|short, _| mined.contains(short));
        }
        for short in mined {
            known.insert(short.clone(), Last { height, missed: false });
        }
        doubted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn absence_is_believed_on_the_second_reading_at_a_greater_height() {
        let mut memory = Memory::default();
        let none: [&str; 0] = [];
        assert_eq!(memory.judge("a", &set(&["x", "y"]), 100), none);
        for _ in 0..3 {
            assert_eq!(memory.judge("a", &set(&["x"]), 100), ["y"], "the height is the same");
        }
        assert_eq!(memory.judge("a", &set(&["x"]), 101), none);
        assert_eq!(memory.judge("a", &set(&["x"]), 101), none);
        // One reading alone, however high.
        assert_eq!(memory.judge("a", &set(&[]), 200), ["x"]);
        assert_eq!(memory.judge("a", &set(&["x"]), 201), none, "it is there again");
        assert_eq!(memory.judge("a", &set(&[]), 202), ["x"]);
        assert_eq!(memory.judge("a", &set(&[]), 202), none);
        assert_eq!(memory.judge("b", &set(&[]), 1), none);
        memory.remind("b", "z", 50);
        assert_eq!(memory.judge("b", &set(&[]), 60), ["z"]);
    }

    #[test]
    fn it_is_bounded() {
        let mut memory = Memory::default();
        for n in 0..3 * MOST_KEPT {
            memory.remind(&n.to_string(), "x", 1);
        }
        assert!(memory.recent.len() + memory.older.len() <= 2 * MOST_KEPT);
        assert_eq!(memory.judge(&(3 * MOST_KEPT - 1).to_string(), &set(&[]), 5), ["x"]);
    }
}
