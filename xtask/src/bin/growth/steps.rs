//! The steps that are measured, each as the engine does it with the store.

use anyhow::{Context as _, Result, bail};
use deposit_core::{
    AccountIndex, Amount, Asset, CreditRule, DeliveryId, DepositId, Evidence, IntentRecord, PayInstructions,
    PaymentEvidence, PaymentRef, ProviderId, ProviderRef, Quote, ScanCursor, Signed, StandingPosition,
    Status, Taken, Terms, Ticker, Timestamp,
};
use deposit_lifecycle::watch::{Lane, Lanes, Watch};
use deposit_lifecycle::{Credit, PostingKind};
use deposit_store::prelude::*;
use deposit_store::{
    Account, BeginCreate, Begun, Commit, Committed, DepositRow, FinishCreate, Finished, JournalEntry, Lease,
    OpenStanding, Posting, ReviewReason, SightedDue, Sighting, SqliteStore, StoredRate,
};

/// The deposit of which the others are copies.
pub(crate) const TEMPLATE: &str = "template-deposit-0001";
const PROVIDER: ProviderId = ProviderId::constant("btcpay");
const NANO: ProviderId = ProviderId::constant("nano");

/// Their names, in the order of the table.
pub(crate) const STEPS: [&str; 8] = [
    "a create",
    "a first credit",
    "a webhook that nothing matches",
    "a scan round of Nano with one payment",
    "a claim of ten due checks",
    "a page of the ledger",
    "the open reviews",
    "the rates of a create",
];

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

/// What a step needs that is not measured.
pub(crate) enum Prepared {
    Nothing,
    Deposit(Box<DepositRow>),
}

/// The store, and who owns what is made while measuring.
pub(crate) struct Bench {
    store: SqliteStore,
    /// The account with half of all postings.
    pub(crate) shop: Account,
}

impl Bench {
    /// One row of everything.
    pub(crate) async fn new(store: SqliteStore) -> Result<Self> {
        let owner = store.ensure_account(&"template".parse()?, at(1)).await?;
        let shop = store.ensure_account(&"shop".parse()?, at(1)).await?;
        let bench = Self { store, shop };
        let row = bench.create(TEMPLATE, &owner).await?;
        bench.credit(&row, "template").await?;
        bench.store.note_standing(NANO, vec![("template".to_owned(), owner.index)]).await?;
        bench.store.store_rates(vec![rate(0)?]).await?;
        bench.webhook("template").await?;
        Ok(bench)
    }

    pub(crate) async fn prepare(&self, step: usize, n: u32) -> Result<Prepared> {
        if step == 1 {
            let row = self.create(&format!("credited-deposit-{n:06}"), &self.shop).await?;
            return Ok(Prepared::Deposit(Box::new(row)));
        }
        Ok(Prepared::Nothing)
    }

    pub(crate) async fn run(&self, step: usize, n: u32, prepared: Prepared) -> Result<()> {
        match (step, prepared) {
            (0, _) => self.create(&format!("created-deposit-{n:06}"), &self.shop).await.map(|_| ()),
            (1, Prepared::Deposit(row)) => self.credit(&row, &format!("credited-{n}")).await,
            (2, _) => self.webhook(&format!("unmatched-{n}")).await,
            (3, _) => self.scan(n).await,
            (4, _) => self.claim().await,
            (5, _) => {
                let page = self.store.ledger_entries(self.shop.id, 0, 100).await?;
                anyhow::ensure!(page.len() == 100, "a page of {}", page.len());
                Ok(())
            }
            (6, _) => self.store.open_reviews().await.map(|_| ()).map_err(Into::into),
            (7, _) => {
                self.store.newest_rates().await?;
                self.store.rate_at(Ticker::BTC, at(5)).await?;
                self.store.rates_since(Ticker::BTC, at(2_000_000)).await?;
                Ok(())
            }
            _ => bail!("no such step"),
        }
    }

    async fn create(&self, id: &str, owner: &Account) -> Result<DepositRow> {
        let (id, now) = (DepositId::new(id)?, at(100));
        let lease = Lease { owner: "growth".to_owned(), until: at(130) };
        let terms = terms(now)?;
        let begin = BeginCreate {
            id: id.clone(),
            account: owner.id,
            provider: PROVIDER,
            terms,
            lease,
            idempotency_key: None,
            rate: None,
            now,
        };
        anyhow::ensure!(self.store.begin_create(begin).await? == Begun::Yes, "not begun");
        let address = format!("bc1q{id}");
        let intent = IntentRecord {
            deposit_id: id.clone(),
            provider: PROVIDER,
            provider_ref: ProviderRef::new(format!("invoice-{id}"))?,
            terms,
            instructions: PayInstructions::Address {
                uri: Some(format!("bitcoin:{address}")),
                address,
                memo: None,
            },
        };
        let finish = FinishCreate {
            id: id.clone(),
            owner: "growth".to_owned(),
            intent,
            other_orders: Vec::new(),
            view: format!("{{\"txId\":\"{id}\"}}"),
            rate: None,
            // Not among those that are due.
            next_check_at: at(9_999_999),
            now,
        };
        anyhow::ensure!(self.store.finish_create(finish).await? == Finished::Yes, "not finished");
        self.store.deposit(&id).await?.context("the deposit is there")
    }

    async fn credit(&self, row: &DepositRow, reference: &str) -> Result<()> {
        let (row, snapshot) = self.store.begin_read(&row.id).await?.context("it can be read")?;
        self.store.account(row.account).await?.context("it has an owner")?;
        let payment = PaymentRef::new(reference)?;
        self.store.rate_at(Ticker::BTC, at(5)).await?;
        let mut evidence = Evidence::default();
        let known = PaymentEvidence { seen: 40_000, confirmed: 40_000, ..PaymentEvidence::none(Asset::BTC) };
        evidence.payments.insert(payment.clone(), known);
        let posting = Posting {
            payment,
            number: 1,
            amount: Signed::credit(Amount::new(2_050_000_000, Asset::USD)),
            kind: PostingKind::Credit,
        };
        let commit = Commit {
            id: row.id.clone(),
            expected_version: row.version,
            snapshot: Some(snapshot),
            evidence,
            credit: Credit { completed_at: Some(at(110)), ..row.credit.clone() },
            status: Status::Completed,
            intent: None,
            view: Some(format!("{{\"paid\":\"{reference}\"}}")),
            postings: vec![posting],
            reviews: Vec::new(),
            rates: Vec::new(),
            unpriced: false,
            under_way: false,
            expiry_pending: false,
            watch: Watch::at(at(9_999_999), Lane::Old),
            now: at(110),
        };
        let done = self.store.commit(commit).await?;
        anyhow::ensure!(matches!(done, Committed::Yes { .. }), "not committed: {done:?}");
        Ok(())
    }

    async fn webhook(&self, text: &str) -> Result<()> {
        let entry = JournalEntry {
            provider: PROVIDER,
            delivery: DeliveryId::new(text)?,
            body: vec![b'x'; 400],
            observations: "[]".to_owned(),
            received_at: at(200),
        };
        self.store.journal(entry).await?;
        let claimed = self.store.claim_journal(at(201), at(260), 10).await?;
        let row = claimed.first().context("it waits")?;
        let order = ProviderRef::new(text)?;
        self.store.deposit_by_ref(PROVIDER, &order).await?;
        self.store.deposit_by_payment(PROVIDER, &PaymentRef::new(text)?).await?;
        self.store.deposit_by_address(PROVIDER, text).await?;
        self.store.standing_owner(NANO, text).await?;
        let sighting = Sighting {
            provider: PROVIDER,
            reference: text.to_owned(),
            order: None,
            due: SightedDue::News,
            ticker: Some(Ticker::BTC),
            deposit: None,
            reason: ReviewReason::NoDeposit,
            code: None,
            detail: None,
            at: at(200),
        };
        self.store.sight(vec![sighting]).await?;
        Ok(self.store.finish_journal(row.id, "review", at(202)).await?)
    }

    async fn scan(&self, n: u32) -> Result<()> {
        let highest = self.store.standing_mark(NANO).await?.unwrap_or(AccountIndex(0));
        self.store.accounts_after(highest, 500).await?;
        let owner = self.store.standing_owner(NANO, "template").await?.context("an owner")?;
        let hash = format!("{n:064X}");
        let payment = PaymentRef::new(&hash)?;
        self.store.deposit_by_payment(NANO, &payment).await?;
        let terms = Terms::new(Ticker::XNO, Asset::XNO, CreditRule::in_kind(Asset::XNO), at(300));
        let id = DepositId::new(format!("standing-deposit-{n:06}"))?;
        let intent = IntentRecord {
            deposit_id: id.clone(),
            provider: NANO,
            provider_ref: ProviderRef::new(&hash)?,
            terms,
            instructions: PayInstructions::StandingAddress { address: "template".to_owned(), uri: None },
        };
        let opening = OpenStanding { id, account: owner.id, provider: NANO, intent, now: at(300) };
        let id = self.store.open_standing(opening).await?;
        let row = self.store.deposit(&id).await?.context("it is open")?;
        self.credit(&row, &hash).await?;
        let taken = Taken {
            block: ProviderRef::new(format!("B{n:063X}"))?,
            payment,
            amount: Amount::new(1, Asset::XNO),
        };
        self.store.note_taken(NANO, vec![taken]).await?;
        let position = StandingPosition { address: "template".to_owned(), position: hash };
        self.store.note_positions(NANO, vec![position]).await?;
        Ok(self.store.move_scan_cursor(NANO, &ScanCursor(format!("live-{n}-0"))).await?)
    }

    async fn claim(&self) -> Result<()> {
        let now = at(5_000_000);
        self.store.due_checks(PROVIDER, now, 50).await?;
        let limits = Lanes { young: 0, under_way: 0, old: 10 };
        let ids = self.store.claim_checks(PROVIDER, now, at(5_000_060), limits).await?;
        anyhow::ensure!(ids.len() == 10, "{} are due", ids.len());
        Ok(self.store.release_checks(ids, at(0)).await?)
    }
}

fn rate(secs: i64) -> Result<StoredRate> {
    let time = at(secs);
    Ok(StoredRate {
        ticker: Ticker::BTC,
        price: "50000".parse()?,
        source: "static".to_owned(),
        valid_from: time,
        seen_until: time,
    })
}

fn terms(now: Timestamp) -> Result<Terms> {
    Ok(Terms::new(Ticker::BTC, Asset::BTC, CreditRule::at_rate_of(Ticker::BTC), now).with_quote(Quote {
        amount: Amount::new(40_000, Asset::BTC),
        rate: "50000".parse()?,
        unit_price: "50000".parse()?,
        expires_at: now.plus_secs(3600),
    }))
}
