//! Observe: from what a provider shows to evidence, status and postings, in one commit.

mod reviews;
mod watching;

use deposit_core::{
    Amount, Asset, DepositId, Evidence, Facts, PayInstructions, PaymentProvider, PaymentRef, Snapshot,
    Timestamp,
};
use deposit_lifecycle::{self as lifecycle, Advance, Credit, PaymentCredit};
use deposit_store::{
    Account, Commit, Committed, DepositRow, Phase, Posting, ReviewReason, ReviewRow, Touch, crash_point,
};

use self::reviews::{Reviews, Withheld};
pub(crate) use self::reviews::{amount_told, asset_of, never_confirmed};
use crate::Engine;
use crate::error::EngineError;
use crate::reading::shows_less;
use crate::view::DepositView;

/// How often a commit is tried again after somebody else's came first.
const TRIES: u32 = 8;
/// How soon a failed read is tried again at least, in seconds.
const RETRY_SECS: i64 = 5;

/// What an observation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub enum Observation {
    /// Something new is committed.
    Changed,
    /// Nothing new.
    Unchanged,
    /// The deposit is not there or not open.
    NotOpen,
    /// The provider could not be read; the evidence is as it was, and the next check is set.
    Unread,
    /// Others kept committing first; the next check is set.
    Contended,
}

/// What is to be merged into a deposit.
enum News<'a> {
    /// What reads of its orders showed, under one snapshot number.
    Read { number: u64, snapshots: &'a [Snapshot] },
    /// What a message showed.
    Facts(&'a Facts),
    /// Nothing but the time: a rate may be known now; or the expiry is due, which is committed even where it changes no status.
    Time { expiry: bool },
}

impl Engine {
    /// Reads a deposit at its provider and commits what that shows. `heard_at`: when the message that caused this entered the journal.
    ///
    /// # Errors
    /// The store's; a provider's error is an outcome, not an error.
    pub async fn observe(
        &self,
        id: &DepositId,
        heard_at: Option<Timestamp>,
    ) -> Result<Observation, EngineError> {
        self.observe_now(id, heard_at, false).await
    }

    /// As [`Engine::observe`], for a read that polling has taken off the provider's budget already.
    pub(crate) async fn observe_claimed(&self, id: &DepositId) -> Result<Observation, EngineError> {
        self.observe_now(id, None, true).await
    }

    async fn observe_now(
        &self,
        id: &DepositId,
        heard_at: Option<Timestamp>,
        mut paid: bool,
    ) -> Result<Observation, EngineError> {
        for _ in 0..TRIES {
            let Some((row, number)) = self.store().begin_read(id).await? else {
                return Ok(Observation::NotOpen);
            };
            let Some(intent) = row.intent.clone() else { return Ok(Observation::NotOpen) };
            let snapshots = match self.read_orders(&intent, std::mem::take(&mut paid)).await {
                Ok(snapshots) => snapshots,
                Err(error) => {
                    self.read_failed(&row, number, &error).await?;
                    return Ok(Observation::Unread);
                }
            };
            self.note_read(row.provider);
            self.note_answer(row.provider, self.now());
            crash_point("observe.read");
            let news = News::Read { number, snapshots: &snapshots };
            match self.commit_news(row, &news, heard_at).await? {
                Some(outcome) => return Ok(outcome),
                // A newer read has committed: this one may be older than what is known, so it is dropped and asked again.
                None => continue,
            }
        }
        self.store().check_at(id, self.now().plus_secs(RETRY_SECS)).await?;
        Ok(Observation::Contended)
    }

    /// Reads many deposits of one provider in as few requests as it takes, and commits what that shows; one that cannot be read fails alone.
    /// Those that a batch cannot serve (further orders, a newer read meanwhile, money that it does not show) are read alone.
    pub(crate) async fn observe_batch(
        &self,
        provider: &dyn PaymentProvider,
        ids: &[DepositId],
    ) -> Result<(), EngineError> {
        let mut begun = Vec::with_capacity(ids.len());
        let mut intents = Vec::with_capacity(ids.len());
        for id in ids {
            if self.store().orders_of(id).await?.len() > 1 {
                self.observe(id, None).await?;
            } else if let Some((row, number)) = self.store().begin_read(id).await?
                && let Some(intent) = row.intent.clone()
            {
                begun.push((row, number));
                intents.push(intent);
            }
        }
        if intents.is_empty() {
            return Ok(());
        }
        let outcomes = match self.read_batch(provider, &intents).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                for (row, number) in &begun {
                    self.read_failed(row, *number, &error).await?;
                }
                return Ok(());
            }
        };
        if outcomes.iter().any(Result::is_ok) {
            self.note_read(provider.id());
            self.note_answer(provider.id(), self.now());
        }
        for ((row, number), outcome) in begun.into_iter().zip(outcomes) {
            let id = row.id.clone();
            let snapshot = match outcome {
                Ok(snapshot) => snapshot,
                Err(error) => {
                    self.read_failed(&row, number, &error).await?;
                    continue;
                }
            };
            if shows_less(&row.evidence, &snapshot) {
                self.spend_read(provider);
                self.observe(&id, None).await?;
                continue;
            }
            let news = News::Read { number, snapshots: std::slice::from_ref(&snapshot) };
            if self.commit_news(row, &news, None).await?.is_none() {
                self.observe(&id, None).await?;
            }
        }
        Ok(())
    }

    /// Commits facts that only a message can show.
    ///
    /// # Errors
    /// The store's.
    pub async fn observe_facts(
        &self,
        id: &DepositId,
        facts: &Facts,
        heard_at: Option<Timestamp>,
    ) -> Result<Observation, EngineError> {
        self.commit_without_read(id, &News::Facts(facts), heard_at).await
    }

    /// Commits what a feed showed of one order.
    pub(crate) async fn observe_snapshot(
        &self,
        id: &DepositId,
        snapshot: &Snapshot,
    ) -> Result<Observation, EngineError> {
        let Some((row, number)) = self.store().begin_read(id).await? else {
            return Ok(Observation::NotOpen);
        };
        let news = News::Read { number, snapshots: std::slice::from_ref(snapshot) };
        Ok(self.commit_news(row, &news, None).await?.unwrap_or(Observation::Contended))
    }

    /// Commits an expiry that is due.
    ///
    /// # Errors
    /// The store's.
    pub async fn expire(&self, id: &DepositId) -> Result<Observation, EngineError> {
        self.commit_without_read(id, &News::Time { expiry: true }, None).await
    }

    /// Prices payments whose rate was not known, if it is known now.
    ///
    /// # Errors
    /// The store's.
    pub async fn price(&self, id: &DepositId) -> Result<Observation, EngineError> {
        self.commit_without_read(id, &News::Time { expiry: false }, None).await
    }

    async fn commit_without_read(
        &self,
        id: &DepositId,
        news: &News<'_>,
        heard_at: Option<Timestamp>,
    ) -> Result<Observation, EngineError> {
        let row = self.store().deposit(id).await?.filter(|row| row.phase == Phase::Open);
        let Some(row) = row else { return Ok(Observation::NotOpen) };
        Ok(self.commit_news(row, news, heard_at).await?.unwrap_or(Observation::Contended))
    }

    /// Merges and commits. `None`: a newer snapshot has committed.
    async fn commit_news(
        &self,
        mut row: DepositRow,
        news: &News<'_>,
        heard_at: Option<Timestamp>,
    ) -> Result<Option<Observation>, EngineError> {
        let mut taken: Vec<(PaymentRef, DepositId)> = Vec::new();
        for _ in 0..TRIES {
            let id = row.id.clone();
            let step = self.step(&row, news, &taken, heard_at).await?;
            // Without a read, a commit is the only thing that can note that a price was withheld.
            if step.unchanged && (step.commit.snapshot.is_some() || !Reviews::shows(&step.commit.reviews)) {
                self.store().sight(step.commit.reviews).await?;
                let Some(number) = step.commit.snapshot else { return Ok(Some(Observation::Unchanged)) };
                let touch = Touch { id, snapshot: number, watch: step.commit.watch, now: step.commit.now };
                return Ok(self.store().touch(touch).await?.then_some(Observation::Unchanged));
            }
            crash_point("observe.before_commit");
            match self.store().commit(step.commit).await? {
                Committed::Yes { history, .. } => {
                    crash_point("observe.committed");
                    self.announce(&id, history);
                    return Ok(Some(Observation::Changed));
                }
                Committed::StaleSnapshot => return Ok(None),
                Committed::PaymentTaken { payment, owner } => {
                    tracing::error!(deposit = %id, %payment, %owner, "a payment shows up on a second deposit");
                    taken.push((payment, owner));
                }
                Committed::Conflict | Committed::Duplicate | Committed::Assigned { .. } => {
                    let Some(fresh) = self.store().deposit(&id).await? else {
                        return Ok(Some(Observation::NotOpen));
                    };
                    row = fresh;
                }
            }
        }
        self.store().check_at(&row.id, self.now().plus_secs(RETRY_SECS)).await?;
        Ok(Some(Observation::Contended))
    }

    async fn step(
        &self,
        row: &DepositRow,
        news: &News<'_>,
        taken: &[(PaymentRef, DepositId)],
        heard_at: Option<Timestamp>,
    ) -> Result<Step, EngineError> {
        let now = self.now();
        let mut reviews = Reviews::new(row, now);
        let (evidence, instructions) = merged(row, news, taken, now, &mut reviews);
        let (credit, withheld) = self.priced(row, &evidence, heard_at, now, &mut reviews).await?;
        let advance = lifecycle::advance(&row.terms, &evidence, credit, now);
        let in_vain = never_confirmed(row, &evidence, now, self.config().undecided_secs);
        if let News::Read { snapshots, .. } = news {
            for snapshot in *snapshots {
                self.tell_once(&row.id, &snapshot.order, &snapshot.concerns);
                reviews.add_concerns(snapshot, &evidence, &advance.credit);
            }
        }
        // After what the provider tells of: what was assigned of that, and is evidence by now, is the same money.
        reviews.add_uncredited(&evidence, &advance.overflow, in_vain);
        let reviews = reviews.items;
        let mut step = self.step_from(row, news, evidence, instructions, advance, now);
        step.commit.unpriced = step.commit.unpriced && !withheld;
        step.commit.reviews = reviews;
        Ok(step)
    }

    /// Gives each new payment its time and, as soon as one is known, its price; both are written once. Also says whether a price was
    /// withheld because the account is closed.
    async fn priced(
        &self,
        row: &DepositRow,
        evidence: &Evidence,
        heard_at: Option<Timestamp>,
        now: Timestamp,
        reviews: &mut Reviews<'_>,
    ) -> Result<(Credit, bool), EngineError> {
        let mut credit = row.credit.clone();
        let mut withheld = false;
        let mut owner: Option<Account> = None;
        for (id, payment) in &evidence.payments {
            if payment.asset != row.terms.asset {
                continue;
            }
            let entry = credit.payments.entry(id.clone()).or_insert_with(|| {
                let at = lifecycle::payment_time(&row.terms, payment.paid_at, heard_at.unwrap_or(now), now);
                let late = lifecycle::is_late(&row.terms, &evidence.order, at);
                PaymentCredit { at, late, price: None, posted: 0, postings: 0 }
            });
            let (store, provider) = (self.store(), row.provider);
            let net = lifecycle::net(payment);
            // Before the first posting only: from then on the ledger follows the payment, down as well as up.
            let assigned = if entry.postings == 0 && payment.confirmed > 0 {
                store.assignment(&row.id, provider, id).await?
            } else {
                None
            };
            if let Some(item) = &assigned {
                let gone = Some((payment.asset, gone(item, payment.confirmed, net, payment.asset)));
                reviews.add(id, gone, ReviewReason::AssignedReversed);
            }
            // Only the first posting is withheld: what is posted follows its payment, down as well as up.
            if net > 0 && entry.postings == 0 {
                if owner.is_none() {
                    owner = self.store().account(row.account).await?;
                }
                // Money for a closed account stays unpriced, so unposted, and an operator sees it; also where a price was noted while the
                // payment was on its way. So does money that an operator has credited by hand: whether something is still missing is for
                // them to say.
                let reason = if assigned.is_some() {
                    Some(ReviewReason::AlreadyAssigned)
                } else if owner.as_ref().is_none_or(|a| a.closed_at.is_some()) {
                    Some(ReviewReason::AccountClosed)
                } else {
                    None
                };
                if let Some(reason) = reason {
                    reviews.withheld.insert(id.clone(), Withheld { reason, minor: net });
                    entry.price = None;
                    withheld = true;
                    continue;
                }
            }
            if entry.price.is_some() {
                continue;
            }
            entry.price = self.price_for(lifecycle::price_need(&row.terms, entry.at)).await?;
        }
        Ok((credit, withheld))
    }

    fn step_from(
        &self,
        row: &DepositRow,
        news: &News<'_>,
        evidence: Evidence,
        instructions: Option<PayInstructions>,
        advance: Advance,
        now: Timestamp,
    ) -> Step {
        let mut after = row.clone();
        if let (Some(instructions), Some(intent)) = (instructions, after.intent.as_mut()) {
            intent.instructions = instructions;
        }
        after.evidence = evidence;
        after.credit = advance.credit;
        if advance.view.status == row.status || lifecycle::can_go(row.status, advance.view.status) {
            after.status = advance.view.status;
        } else {
            // The table holds for every derivation (property-tested); if it ever does not, the status stays and a person is told.
            tracing::error!(
                deposit = %row.id, from = %row.status, to = %advance.view.status, "a status change is not in the table"
            );
        }
        let changed_at = after.updated_at;
        after.updated_at = now;
        let view = match (DepositView::of(row), DepositView::of(&after)) {
            (Some(before), Some(new)) if new.differs_from(&before) => serde_json::to_string(&new).ok(),
            _ => None,
        };
        let moved = view.is_some();
        let moved_at = if moved { now } else { changed_at };
        let watch = self.watch_after(&after, &advance.view, moved_at, now);
        let watch = match (news, row.watch.next) {
            // Nobody has asked the provider: the read that was due goes first, so that a payment in the last moments of a quote is seen in time.
            (News::Facts(_) | News::Time { .. }, Some(before))
                if watch.next.is_none_or(|next| before.at <= next.at) =>
            {
                row.watch
            }
            _ => watch,
        };
        let unchanged = !moved
            && after.evidence == row.evidence
            && after.credit == row.credit
            && after.intent == row.intent
            && advance.owed.is_empty()
            && !matches!(news, News::Time { expiry: true });
        let commit = Commit {
            id: row.id.clone(),
            expected_version: row.version,
            snapshot: match news {
                News::Read { number, .. } => Some(*number),
                News::Facts(_) | News::Time { .. } => None,
            },
            watch,
            intent: (after.intent != row.intent).then(|| after.intent.clone()).flatten(),
            evidence: after.evidence,
            credit: after.credit,
            status: after.status,
            view,
            postings: advance
                .owed
                .into_iter()
                .map(|owed| Posting {
                    payment: owed.payment,
                    number: owed.posting,
                    amount: owed.amount,
                    kind: owed.kind,
                })
                .collect(),
            reviews: Vec::new(),
            rates: Vec::new(),
            unpriced: !advance.unpriced.is_empty(),
            under_way: advance.view.in_flight > 0,
            expiry_pending: row.terms.expires_at().is_some_and(|at| now < at),
            now,
        };
        Step { commit, unchanged }
    }
}

/// How much of what an operator has credited by hand went back, in smallest units of the payment's asset.
fn gone(item: &ReviewRow, confirmed: u128, net: u128, asset: Asset) -> u128 {
    let gone = confirmed.saturating_sub(net);
    // What is left may cover what was credited.
    let given = item.seen.as_deref().and_then(|seen| Amount::parse(seen, asset).ok());
    given.map_or(gone, |given| gone.min(given.minor().saturating_sub(net)))
}

struct Step {
    commit: Commit,
    unchanged: bool,
}

/// The evidence after the news, without payments that belong to another deposit, and where to pay the rest.
fn merged(
    row: &DepositRow,
    news: &News<'_>,
    taken: &[(PaymentRef, DepositId)],
    now: Timestamp,
    reviews: &mut Reviews<'_>,
) -> (Evidence, Option<PayInstructions>) {
    let mut evidence = row.evidence.clone();
    let mut instructions = None;
    let mut merge = |evidence: &mut Evidence, mut facts: Facts| {
        for (payment, _) in taken {
            if let Some(seen) = facts.payments.remove(payment) {
                let amount = Some((seen.asset, lifecycle::paid(&seen)));
                reviews.add(payment, amount, ReviewReason::PaymentOnSecondDeposit);
            }
        }
        let merged = lifecycle::merge(std::mem::take(evidence), &facts);
        for payment in &merged.conflicts {
            let amount = facts.payments.get(payment).map(|p| (p.asset, lifecycle::paid(p)));
            reviews.add(payment, amount, ReviewReason::AssetChanged);
        }
        *evidence = merged.evidence;
    };
    match news {
        News::Read { snapshots, .. } => {
            for snapshot in *snapshots {
                let facts = lifecycle::facts_of(&evidence, snapshot, now);
                merge(&mut evidence, facts);
                lifecycle::set_newest(&mut evidence, snapshot);
                instructions = snapshot.instructions.clone().or(instructions);
            }
        }
        News::Facts(facts) => merge(&mut evidence, (*facts).clone()),
        News::Time { .. } => {}
    }
    (evidence, instructions)
}
