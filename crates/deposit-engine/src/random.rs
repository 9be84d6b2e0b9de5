//! Random identifiers from the system's generator.

use deposit_core::DepositId;

use crate::error::EngineError;

/// `bytes` random bytes as Base58 text.
pub(crate) fn token(bytes: usize) -> Result<String, EngineError> {
    let mut buffer = vec![0_u8; bytes];
    getrandom::fill(&mut buffer).map_err(|_| EngineError::Random)?;
    Ok(bs58::encode(buffer).into_string())
}

/// A fresh deposit id: 128 random bits.
pub(crate) fn deposit_id() -> Result<DepositId, EngineError> {
    DepositId::new(token(16)?).map_err(|_| EngineError::Inconsistent("a fresh deposit id is not valid"))
}

/// `secs` with a jitter of a tenth in either direction, so that what was made together is not asked together.
pub(crate) fn jittered_millis(secs: i64) -> i64 {
    let millis = secs.saturating_mul(1000).max(1);
    let tenth = millis / 10;
    millis.saturating_add(rand::random_range(-tenth..=tenth))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_valid_and_differ() {
        let a = deposit_id().unwrap();
        assert_ne!(a, deposit_id().unwrap());
        assert!(a.as_str().len() >= 16);
    }

    #[test]
    fn jitter_stays_within_a_tenth() {
        for _ in 0..1000 {
            assert!((9_000..=11_000).contains(&jittered_millis(10)));
        }
    }
}
