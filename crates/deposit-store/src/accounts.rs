//! Accounts and their API keys.

use async_trait::async_trait;
use deposit_core::{AccountIndex, AccountName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::StoreResult;

/// Accounts and their API keys.
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// The account of this name, made if it is new. Its index is the next never-used one.
    async fn ensure_account(&self, name: &AccountName, now: Timestamp) -> StoreResult<Account>;
    /// All accounts, oldest first: for an operator's listing, never for a request, a credit or a scan.
    async fn accounts(&self) -> StoreResult<Vec<Account>>;
    /// The account of this number.
    async fn account(&self, id: AccountId) -> StoreResult<Option<Account>>;
    /// At most `limit` accounts with an index above `after`, by rising index. Whoever reads on from the last index misses nothing: no account
    /// becomes visible after one with a higher index was.
    async fn accounts_after(&self, after: AccountIndex, limit: u32) -> StoreResult<Vec<Account>>;
    /// The account of this name.
    async fn account_by_name(&self, name: &AccountName) -> StoreResult<Option<Account>>;
    /// Closes an account: its keys stop working, money that still comes goes to review. `None`: no such account.
    async fn close_account(&self, name: &AccountName, now: Timestamp) -> StoreResult<Option<Account>>;
    /// Stores an API key's hash.
    async fn insert_api_key(&self, key: NewApiKey) -> StoreResult<()>;
    /// The key row with this look-up prefix, revoked or not, with its account's state.
    async fn api_key_by_prefix(&self, prefix: &str) -> StoreResult<Option<ApiKeyRow>>;
    /// All keys, oldest first.
    async fn api_keys(&self) -> StoreResult<Vec<ApiKeyRow>>;
    /// Revokes a key; `false`: no such key. Revoking twice keeps the first time.
    async fn revoke_api_key(&self, id: &str, now: Timestamp) -> StoreResult<bool>;
}

/// An account's number in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub i64);

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// The operator's name for it.
    pub name: AccountName,
    /// Its durable index, never reused.
    pub index: AccountIndex,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

/// A new API key: only its hash is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// Its public id.
    pub id: String,
    /// Whose it is.
    pub account: AccountId,
    /// The part of the key by which its row is found; not secret by itself.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewApiKey")
            .field("id", &self.id)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// An API key as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// Its public id.
    pub id: String,
    /// Whose it is.
    pub account: Account,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl std::fmt::Debug for ApiKeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKeyRow")
            .field("id", &self.id)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
