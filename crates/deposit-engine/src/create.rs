//! Create: from a client's request to a place to pay.

use std::time::Duration;

use deposit_core::{
    Amount, DecimalText, DepositId, ErrorKind, IntentRecord, LimitError, Limits, Price, ProviderError,
    ProviderId, Quote, Terms, Ticker, TickerKind, TickerSpec, Timestamp,
};
use deposit_facade::{AmountError, CheckError, Route, RouteError};
use deposit_store::{
    Admission, Admit, BeginCreate, Begun, DepositRow, FinishCreate, Finished, IdempotencyClaim, Lease,
    RateState, Refuse, StoredAnswer, StoredRate, crash_point,
};
use sha2::{Digest, Sha256};

use crate::error::{CreateError, EngineError, Refusal, retry_after};
use crate::query::{Caller, unknown_ticker_hint};
use crate::view::DepositView;
use crate::{Engine, random};

use self::open::Opened;

mod open;

/// How long an idempotency key is remembered, in seconds.
const KEY_LIFE_SECS: i64 = 24 * 3600;
/// What a create may take beside the provider's own timeout, in milliseconds, before its lease ends.
const LEASE_MARGIN_MILLIS: i64 = 15_000;
/// How long a provider that just failed counts as known to be down.
const DOWN_MILLIS: i64 = 1_000;
/// When to ask again where no rate is fresh.
pub(crate) const RATE_RETRY: Duration = Duration::from_secs(20);

/// The `amount` of a request, as the door read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AmountInput {
    /// The body was no JSON object.
    Unreadable,
    /// No body, no `amount`, or `null`.
    Missing,
    /// Something else than a number: its JSON text.
    NotANumber(String),
    /// A number.
    Number(DecimalText),
}

/// A request to create a deposit.
#[derive(Debug, Clone)]
pub struct CreateRequest {
    /// Who asks.
    pub caller: Caller,
    /// The ticker as the client wrote it.
    pub ticker: String,
    /// Only a ticker of this provider will do (`/create/daimo/…`).
    pub family: Option<ProviderId>,
    /// How much.
    pub amount: AmountInput,
    /// The client's idempotency key, already checked for its form.
    pub idempotency_key: Option<String>,
}

/// What came of a create.
#[derive(Debug)]
pub struct CreateOutcome {
    /// Where the caller's rate limit stands.
    pub rate: Option<RateState>,
    /// Whether this is a first answer again.
    pub replayed: bool,
    /// The deposit as it was created, or why not.
    pub result: Result<DepositView, CreateError>,
}

/// What both a fresh and a resumed create work with.
struct Job<'a> {
    caller: &'a Caller,
    route: Route,
    amount: Amount,
    rate: StoredRate,
    unit_price: Price,
    owner: &'a str,
    key: Option<&'a str>,
}

impl Engine {
    /// Creates a deposit: rate limit, ticker, amount, limits, the row, the provider, the answer. A repeat with the same idempotency
    /// key gets the first answer.
    pub async fn create(&self, request: CreateRequest) -> CreateOutcome {
        let owner = match random::token(12) {
            Ok(owner) => owner,
            Err(error) => return CreateOutcome { rate: None, replayed: false, result: Err(error.into()) },
        };
        let admission = match self.admit(&request, &owner).await {
            Ok(admission) => admission,
            Err(error) => return CreateOutcome { rate: None, replayed: false, result: Err(error) },
        };
        let (rate, resume) = match admission {
            Admission::Admitted { rate, resume } => (rate, resume),
            Admission::Replay { answer, rate } => {
                return CreateOutcome { rate: Some(rate), replayed: true, result: self.replay(answer).await };
            }
            Admission::Running { rate } => return refused(rate, CreateError::IdempotencyRunning),
            Admission::Conflict { rate } => return refused(rate, CreateError::IdempotencyConflict),
            Admission::Limited { rate } => return refused(rate, CreateError::RateLimited),
        };
        crash_point("create.admitted");
        let result = self.create_admitted(&request, resume, &owner).await;
        let result = self.settle_key(&request, &owner, result).await;
        CreateOutcome { rate: Some(rate), replayed: false, result }
    }

    /// Before the first create: frees what creates of dead processes held, so that their clients need not wait for a lease that nobody keeps.
    pub(crate) async fn take_over(&self) -> Result<(), EngineError> {
        let freed = self.store().begin_serving(self.now()).await?;
        if freed > 0 {
            tracing::info!(freed, "creates that a process left behind when it died can be taken up");
        }
        Ok(())
    }

    async fn admit(&self, request: &CreateRequest, owner: &str) -> Result<Admission, CreateError> {
        let now = self.now();
        let claim = request.idempotency_key.as_ref().map(|key| IdempotencyClaim {
            key: key.clone(),
            fingerprint: fingerprint(&request.ticker, &request.amount),
            owner: owner.to_owned(),
            lease_until: now.plus_millis(self.longest_create_millis()),
            forget_before: now.plus_secs(-KEY_LIFE_SECS),
        });
        let command = Admit {
            account: request.caller.account.id,
            limiter: request.caller.limiter(),
            limit: self.config().create_limit,
            claim,
            now,
        };
        Ok(self.store().admit(command).await?)
    }

    /// Stores a refusal as the key's first answer; gives the key back after anything that a retry may mend.
    async fn settle_key(
        &self,
        request: &CreateRequest,
        owner: &str,
        result: Result<DepositView, CreateError>,
    ) -> Result<DepositView, CreateError> {
        let (Some(key), Err(error)) = (&request.idempotency_key, &result) else { return result };
        let account = request.caller.account.id;
        let stored = match error {
            CreateError::Refused(refusal) => match serde_json::to_string(refusal) {
                Ok(body) => {
                    let (key, owner) = (key.clone(), owner.to_owned());
                    self.store().refuse(Refuse { account, key, owner, status: 400, body }).await
                }
                Err(_) => return Err(EngineError::Inconsistent("a refusal cannot be written").into()),
            },
            CreateError::IdempotencyConflict
            | CreateError::IdempotencyRunning
            | CreateError::RateLimited
            | CreateError::Unavailable { .. }
            | CreateError::Internal(_) => self.store().release_claim(account, key, owner).await,
        };
        stored?;
        result
    }

    async fn replay(&self, answer: StoredAnswer) -> Result<DepositView, CreateError> {
        match answer {
            StoredAnswer::Created(id) => {
                let first = self.store().history(&id, 0).await?.into_iter().next();
                let first = first.ok_or(EngineError::Inconsistent("a created deposit has no history"))?;
                Ok(serde_json::from_str(&first.view)
                    .map_err(|_| EngineError::Inconsistent("a history row cannot be read"))?)
            }
            StoredAnswer::Refused { body, .. } => {
                let refusal: Refusal = serde_json::from_str(&body)
                    .map_err(|_| EngineError::Inconsistent("a stored refusal cannot be read"))?;
                Err(refusal.into())
            }
        }
    }

    async fn create_admitted(
        &self,
        request: &CreateRequest,
        resume: Option<DepositId>,
        owner: &str,
    ) -> Result<DepositView, CreateError> {
        let route = self.route_for_create(request)?;
        let now = self.now();
        let spec = route.spec;
        let unavailable = || CreateError::Unavailable { retry_after: Some(RATE_RETRY) };
        if let Some(left) = self.down_for(route.provider.id(), now) {
            return Err(CreateError::Unavailable { retry_after: Some(left) });
        }
        // A payment to it would not be seen: nobody is sent there to pay.
        if self.is_blind(route.provider.id(), now) {
            tracing::warn!(provider = %route.provider.id(), "deposit not opened: the provider refuses our reads");
            return Err(CreateError::Unavailable { retry_after: None });
        }
        let unit = self.newest_rate(spec.quoted_by, now).await?.ok_or_else(unavailable)?;
        let rate = if spec.quoted_by == spec.credit.priced_by {
            unit.clone()
        } else {
            self.newest_rate(spec.credit.priced_by, now).await?.ok_or_else(unavailable)?
        };
        let mut prices = self.acceptable_prices(&spec, unit.price, now).await?;
        if let Some(id) = &resume {
            // What was within the limits when it was begun is so while its quote lasts.
            let begun = self.store().deposit(id).await?.and_then(|row| row.terms.quote);
            prices.extend(begun.filter(|quote| now < quote.expires_at).map(|quote| quote.unit_price));
        }
        let mut bounds = self.bounds(spec.ticker, now);
        if resume.is_some() {
            // Begun within what the provider took then; whether it still does it says itself.
            bounds.push(None);
        }
        let amount = self.checked_amount(&spec, &request.amount, &prices, &bounds)?;
        let job = Job {
            caller: &request.caller,
            route,
            amount,
            rate,
            unit_price: unit.price,
            owner,
            key: request.idempotency_key.as_deref(),
        };
        match resume {
            Some(id) => self.resume(&job, id).await,
            None => self.begin(&job).await,
        }
    }

    fn route_for_create(&self, request: &CreateRequest) -> Result<Route, CreateError> {
        let unsupported = |hint: String| CreateError::Refused(Refusal::UnsupportedTicker { hint });
        let available = || unknown_ticker_hint(self.registry().tickers());
        let ticker: Ticker = request.ticker.parse().map_err(|_| unsupported(available()))?;
        if ticker == Ticker::XNO {
            return Err(unsupported("pay XNO to nanoDepositAddress of /api/check-balance".to_owned()));
        }
        match self.registry().route(&ticker) {
            Ok(route) if route.spec.kind == TickerKind::Standing => {
                Err(unsupported("this ticker is paid to a standing address".to_owned()))
            }
            Ok(route) if request.family.is_some_and(|family| family != route.provider.id()) => {
                Err(unsupported(available()))
            }
            Ok(route) => Ok(route),
            Err(RouteError::Unknown { .. }) => Err(unsupported(available())),
            Err(RouteError::Unavailable { .. }) => Err(CreateError::Unavailable { retry_after: None }),
        }
    }

    fn checked_amount(
        &self,
        spec: &TickerSpec,
        input: &AmountInput,
        prices: &[Price],
        bounds: &[Option<Limits>],
    ) -> Result<Amount, CreateError> {
        let number = match input {
            AmountInput::Unreadable => return Err(Refusal::InvalidJson.into()),
            AmountInput::Missing => return Err(Refusal::AmountMissing.into()),
            AmountInput::NotANumber(_) => return Err(Refusal::InvalidAmount.into()),
            AmountInput::Number(number) => number,
        };
        let amount = match deposit_facade::parse_amount(spec, number) {
            Ok(amount) => amount,
            Err(AmountError::NotPositive) => return Err(Refusal::InvalidAmount.into()),
            Err(AmountError::Precision { decimals }) => {
                return Err(Refusal::AmountPrecision { ticker: spec.ticker, decimals }.into());
            }
            // Too large for any integer here is above every maximum.
            Err(AmountError::AboveRange) => Amount::new(u128::MAX, spec.asset),
        };
        let checked = self.config().limits.check_amount_within(spec, amount, prices, bounds);
        checked.map_err(|error| match error {
            CheckError::Outside(LimitError::BelowMinimum(minimum)) => {
                CreateError::Refused(Refusal::BelowMinimum { minimum })
            }
            CheckError::Outside(LimitError::AboveMaximum(maximum)) => {
                CreateError::Refused(Refusal::AboveMaximum { maximum })
            }
            CheckError::Unquotable(_) => CreateError::Unavailable { retry_after: None },
        })?;
        Ok(amount)
    }

    fn terms(&self, job: &Job<'_>, now: Timestamp) -> Terms {
        let spec = job.route.spec;
        spec.terms(now)
            .with_quote(Quote {
                amount: job.amount,
                rate: job.rate.price,
                unit_price: job.unit_price,
                expires_at: now.plus_secs(self.config().lifetime_secs),
            })
            .with_bonus_percent(self.config().bonus.get(&spec.ticker).copied().unwrap_or_default())
    }

    async fn begin(&self, job: &Job<'_>) -> Result<DepositView, CreateError> {
        let now = self.now();
        let id = random::deposit_id()?;
        let terms = self.terms(job, now);
        let begun = self
            .store()
            .begin_create(BeginCreate {
                id: id.clone(),
                account: job.caller.account.id,
                provider: job.route.provider.id(),
                terms,
                lease: self.lease(job, now),
                idempotency_key: job.key.map(str::to_owned),
                rate: Some(job.rate.clone()),
                now,
            })
            .await?;
        match begun {
            Begun::Yes => {}
            Begun::ClaimLost => return Err(CreateError::IdempotencyRunning),
        }
        crash_point("create.begun");
        let opened = self.open(job, &id, &terms, 1, now, &[]).await;
        self.finish(job, &id, opened).await
    }

    async fn finish(
        &self,
        job: &Job<'_>,
        id: &DepositId,
        opened: Result<Opened, ProviderError>,
    ) -> Result<DepositView, CreateError> {
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let now = self.now();
                self.store().release_create(id, job.owner, now).await?;
                return Err(self.open_failed(&error, now));
            }
        };
        crash_point("create.opened");
        let now = self.now();
        let view = opening_view(&opened.intent, now);
        let text = serde_json::to_string(&view)
            .map_err(|_| EngineError::Inconsistent("a deposit's view cannot be written"))?;
        let finished = self
            .store()
            .finish_create(FinishCreate {
                id: id.clone(),
                owner: job.owner.to_owned(),
                intent: opened.intent,
                other_orders: opened.others,
                view: text,
                rate: Some(job.rate.clone()),
                next_check_at: now.plus_millis(random::jittered_millis(self.config().young_secs)),
                now,
            })
            .await?;
        match finished {
            Finished::Yes => {
                crash_point("create.finished");
                self.announce(id, 1);
                Ok(view)
            }
            Finished::Open(row) => self.first_view(&row).await,
            Finished::LeaseLost => Err(CreateError::IdempotencyRunning),
            Finished::OrderTaken(other) => {
                tracing::error!(deposit = %id, %other, "the provider gave an order or address of another deposit");
                self.store().release_create(id, job.owner, now).await?;
                Err(CreateError::Unavailable { retry_after: None })
            }
        }
    }

    async fn first_view(&self, row: &DepositRow) -> Result<DepositView, CreateError> {
        self.replay(StoredAnswer::Created(row.id.clone())).await
    }

    fn open_failed(&self, error: &ProviderError, now: Timestamp) -> CreateError {
        tracing::warn!(
            %error, source = std::error::Error::source(error).map(tracing::field::display), "deposit not opened"
        );
        if matches!(error.kind(), ErrorKind::Transient { .. }) {
            self.note_down(error.provider(), now);
        }
        CreateError::Unavailable { retry_after: retry_after(error, Duration::from_secs(1)) }
    }

    fn note_down(&self, provider: ProviderId, now: Timestamp) {
        if let Ok(mut down) = self.inner.down_until.lock() {
            down.insert(provider, now.plus_millis(DOWN_MILLIS));
        }
    }

    /// How long the provider still counts as known to be down; `None`: it does not.
    fn down_for(&self, provider: ProviderId, now: Timestamp) -> Option<Duration> {
        let until = self.inner.down_until.lock().ok()?.get(&provider).copied()?;
        (now < until).then(|| Duration::from_millis(u64::try_from(until.millis_since(now)).unwrap_or(0)))
    }

    fn lease(&self, job: &Job<'_>, now: Timestamp) -> Lease {
        Lease { owner: job.owner.to_owned(), until: now.plus_millis(self.longest_create_millis()) }
    }

    /// A create may open and look up, each within the slowest provider's own timeout.
    fn longest_create_millis(&self) -> i64 {
        let slowest = self.registry().providers().map(|p| millis(p.capabilities().open_timeout)).max();
        slowest.unwrap_or(0).saturating_mul(2).saturating_add(LEASE_MARGIN_MILLIS)
    }
}

fn refused(rate: RateState, error: CreateError) -> CreateOutcome {
    CreateOutcome { rate: Some(rate), replayed: false, result: Err(error) }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The public object as it is created: history row 1.
fn opening_view(intent: &IntentRecord, now: Timestamp) -> DepositView {
    let terms = &intent.terms;
    DepositView {
        id: intent.deposit_id.clone(),
        ticker: terms.ticker,
        status: deposit_core::Status::New,
        amount: terms.requested(),
        unit_price: terms.quote.map(|q| q.unit_price),
        bonus_percent: terms.bonus_percent.normalize().to_string(),
        created_at: terms.created_at,
        expires_at: terms.expires_at(),
        updated_at: now,
        paid: Amount::zero(terms.asset),
        due: terms.requested(),
        instructions: intent.instructions.clone(),
        payments: Vec::new(),
        credited: None,
        bonus: None,
        completed_at: None,
        late: false,
        reversed: false,
        reason: None,
    }
}

/// Digest of what an idempotency key stands for: the ticker, case ignored, and the amount by value. `None` for an unreadable body,
/// which equals nothing.
fn fingerprint(ticker: &str, amount: &AmountInput) -> Option<String> {
    let amount = match amount {
        AmountInput::Unreadable => return None,
        AmountInput::Missing => "missing".to_owned(),
        AmountInput::NotANumber(text) => format!("other {text}"),
        AmountInput::Number(number) => format!("number {number}"),
    };
    let digest = Sha256::digest(format!("{} {amount}", ticker.to_ascii_uppercase()).as_bytes());
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_goes_by_value_and_ignores_case() {
        let number = |text: &str| AmountInput::Number(text.parse().unwrap());
        assert_eq!(fingerprint("btc", &number("4e-4")), fingerprint("BTC", &number("0.00040")));
        assert_ne!(fingerprint("btc", &number("4e-4")), fingerprint("ltc", &number("4e-4")));
        assert_ne!(fingerprint("btc", &number("1")), fingerprint("btc", &number("-1")));
        assert_ne!(
            fingerprint("btc", &AmountInput::NotANumber("\"1\"".into())),
            fingerprint("btc", &number("1"))
        );
        assert_eq!(fingerprint("btc", &AmountInput::Unreadable), None);
    }
}
