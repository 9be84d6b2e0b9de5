//! What was logged before: a provider shows the same at every look, and a person reads it once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// At most so many are remembered: beyond that the oldest half is forgotten, and may be told again.
const MOST: usize = 20_000;

/// What was told, by what it is about and a code.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    new: BTreeSet<(String, String)>,
    old: BTreeSet<(String, String)>,
}

impl Told {
    /// Whether this was not told before; it is from now on.
    pub(crate) fn is_new(&self, subject: &str, code: &str) -> bool {
        let key = (subject.to_owned(), code.to_owned());
        // Whoever panicked in here left whole sets.
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.old.contains(&key) || !told.new.insert(key) {
            return false;
        }
        if told.new.len() >= MOST / 2 {
            told.old = std::mem::take(&mut told.new);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_and_memory_is_bounded() {
        let told = Told::default();
        assert!(told.is_new("a", "rounded"));
        assert!(!told.is_new("a", "rounded"));
        assert!(told.is_new("a", "marked"));
        assert!(told.is_new("b", "rounded"));
        for n in 0..MOST {
            told.is_new(&n.to_string(), "rounded");
        }
        let halves = told.0.lock().unwrap();
        assert!(halves.new.len() + halves.old.len() <= MOST);
    }
}
