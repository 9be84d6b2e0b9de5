//! API keys: made here, shown once, stored as a hash.

use deposit_core::{AccountName, Secret, Timestamp};
use deposit_store::{Account, ApiKeyRow, NewApiKey, Store};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::EngineError;
use crate::random;

const SCHEME: &str = "dep";

/// A key that was just made. Its text is nowhere else.
#[derive(Debug)]
pub struct IssuedKey {
    /// The public id, for listing and revoking.
    pub id: String,
    /// The key itself.
    pub key: Secret,
}

/// Makes a key for an account, which is made too if it is new.
///
/// # Errors
/// `AccountClosed`; the store's, or the system's random numbers.
pub async fn issue(
    store: &dyn Store,
    account: &AccountName,
    now: Timestamp,
) -> Result<IssuedKey, EngineError> {
    let account = store.ensure_account(account, now).await?;
    if account.closed_at.is_some() {
        return Err(EngineError::AccountClosed);
    }
    let id = random::token(8)?;
    let text = format!("{SCHEME}_{id}_{}", random::token(32)?);
    let hash = digest(&text);
    store
        .insert_api_key(NewApiKey {
            id: id.clone(),
            account: account.id,
            prefix: id.clone(),
            hash,
            created_at: now,
        })
        .await?;
    Ok(IssuedKey { id, key: Secret::new(text) })
}

/// The part of a key by which its row is found; `None` for a text that cannot be a key.
fn prefix(key: &str) -> Option<&str> {
    let (scheme, rest) = key.split_once('_')?;
    let (id, secret) = rest.split_once('_')?;
    let fine = |t: &str| !t.is_empty() && t.len() <= 64 && t.bytes().all(|b| b.is_ascii_alphanumeric());
    (scheme == SCHEME && fine(id) && fine(secret)).then_some(id)
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Whose key this is: known, not revoked, the account not closed.
pub(crate) async fn verify(store: &dyn Store, key: &str) -> Result<Option<(String, Account)>, EngineError> {
    let Some(prefix) = prefix(key) else { return Ok(None) };
    let Some(ApiKeyRow { id, account, hash, revoked_at, .. }) = store.api_key_by_prefix(prefix).await? else {
        return Ok(None);
    };
    let same = bool::from(hash.ct_eq(&digest(key)));
    Ok((same && revoked_at.is_none() && account.closed_at.is_none()).then_some((id, account)))
}

/// Whether the key of this public id, which was verified before, is neither revoked nor of a closed account. The id is the prefix too.
pub(crate) async fn still_valid(store: &dyn Store, id: &str) -> Result<bool, EngineError> {
    let row = store.api_key_by_prefix(id).await?;
    Ok(row.is_some_and(|row| row.id == id && row.revoked_at.is_none() && row.account.closed_at.is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_of_the_right_shape_reach_the_database() {
        assert_eq!(prefix("dep_abc_xyz"), Some("abc"));
        for bad in ["", "dep", "dep_abc", "dep__x", "dep_a_", "sk_abc_xyz", "dep_a'b_x", "dep_abc_x y"] {
            assert_eq!(prefix(bad), None, "{bad}");
        }
    }
}
