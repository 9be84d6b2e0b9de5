//! What lets a create in: idempotency keys and windows of requests.

use async_trait::async_trait;
use deposit_core::{DepositId, Timestamp};

use crate::{AccountId, StoreResult};

/// What lets a create in: idempotency keys and windows of requests.
#[async_trait]
pub trait AdmissionStore: Send + Sync + 'static {
    /// Idempotency look-up, then the rate limit, in one transaction (see [`Admission`] for which wins and what counts). A refusal for the limit and
    /// a replay write nothing, and wait for no writer.
    async fn admit(&self, command: Admit) -> StoreResult<Admission>;
    /// Counts one request without a key against `limiter` (an IP address, or a network of them), if there is room; else writes nothing.
    async fn count_request(&self, limiter: &str, limit: RateLimit, now: Timestamp) -> StoreResult<RateState>;
    /// The limiter as it stands; nothing is counted.
    async fn rate_state(&self, limiter: &str, limit: RateLimit, now: Timestamp) -> StoreResult<RateState>;
    /// Stores a refusal (400) as the first answer of an idempotency key.
    async fn refuse(&self, command: Refuse) -> StoreResult<()>;
    /// Gives an idempotency claim back without an answer (after a 500), so that a retry need not wait for the lease.
    async fn release_claim(&self, account: AccountId, key: &str, owner: &str) -> StoreResult<()>;
}

/// A sliding window: at most `requests` in any `window_millis`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many.
    pub requests: u32,
    /// In how long.
    pub window_millis: i64,
}

/// Where a limiter stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateState {
    /// Whether the request was let through (and counted).
    pub allowed: bool,
    /// How many more would be let through now.
    pub remaining: u32,
    /// When the oldest counted request leaves the window; `now` if there is none.
    pub reset_at: Timestamp,
}

/// What a client's idempotency key claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyClaim {
    /// The key, 1-255 printable ASCII; unique per account.
    pub key: String,
    /// Digest of ticker and amount; `None` where the content is unreadable, which equals nothing.
    pub fingerprint: Option<String>,
    /// Random name of this request.
    pub owner: String,
    /// Until when a repeat is `Running`.
    pub lease_until: Timestamp,
    /// Claims older than this are forgotten (24 h before now).
    pub forget_before: Timestamp,
}

/// Asks for a create to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admit {
    /// Whose key it is.
    pub account: AccountId,
    /// What is counted: `key:ID`.
    pub limiter: String,
    /// The window.
    pub limit: RateLimit,
    /// The client's idempotency key.
    pub claim: Option<IdempotencyClaim>,
    /// Now.
    pub now: Timestamp,
}

/// Whether a create is let in. Idempotency is looked at first: a replay and a `Running` never count, a `Conflict` counts where
/// there is room and is answered even where there is none; only a request that would do something can be `Limited`, which counts nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Go ahead; the key, if any, is claimed.
    Admitted {
        /// The limiter.
        rate: RateState,
        /// The deposit that an earlier attempt with this key has begun and not finished.
        resume: Option<DepositId>,
    },
    /// The first answer again.
    Replay {
        /// What it was.
        answer: StoredAnswer,
        /// The limiter, not counted.
        rate: RateState,
    },
    /// The first request with this key is still running.
    Running {
        /// The limiter, not counted.
        rate: RateState,
    },
    /// The key was used with other content.
    Conflict {
        /// The limiter.
        rate: RateState,
    },
    /// Too many requests.
    Limited {
        /// The limiter, not counted.
        rate: RateState,
    },
}

/// The first answer of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredAnswer {
    /// 200: this deposit, as its history row 1 shows it.
    Created(DepositId),
    /// 400: this body.
    Refused {
        /// HTTP status.
        status: u16,
        /// The body as it was sent.
        body: String,
    },
}

/// Stores a refusal under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refuse {
    /// The account.
    pub account: AccountId,
    /// The key.
    pub key: String,
    /// Who claimed it.
    pub owner: String,
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}
