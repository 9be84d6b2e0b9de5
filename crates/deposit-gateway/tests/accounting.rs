//! Every unit of every payment that the emulated providers have seen is somewhere: credited by a rule, resolved by hand, open in review,
//! told by reconcile, on its way or undone at the provider; and nowhere twice. All scenarios of all providers, and money that no rule can
//! credit, under faults.
#![cfg(feature = "sandbox")]
#![allow(dead_code, unreachable_pub, reason = "the shared parts are used by other tests too")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm
)]

#[path = "process/client.rs"]
mod client;
#[path = "common/sandboxed.rs"]
mod sandboxed;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deposit_core::{Amount, Asset, PaymentRef, ProviderId, Rounding, Ticker, Timestamp};
use deposit_engine::{ManualClock, ReconcileOptions};
use deposit_gateway::gateway::Gateway;
use deposit_lifecycle as lifecycle;
use deposit_sandbox::{Sandbox, SandboxConfig};
use deposit_store::{
    AssignReview, Assigned, DepositRow, LedgerEntry, ResolutionKind, ReviewFilter, ReviewReason, ReviewRow,
    ReviewTopic,
};
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use client::Http;

/// 2026-03-04T09:30:00Z.
const START: i64 = 1_772_616_600;
const PROVIDERS: [&str; 7] = ["btcpay", "stripe", "daimo", "nanswap", "promptcash", "zano", "nano"];
/// How long is waited, by the machine's clock, for what travels over sockets.
const PATIENCE: Duration = Duration::from_secs(60);

/// Provider, ticker, amount, and what is played one after the other; `pay` is in full, `other` is another asset.
type Case = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// The table of the control contract, row by row.
const CASES: &[Case] = &[
    ("btcpay", "BTC", "0.0004", &["pay"]),
    ("btcpay", "LTC", "0.5", &["partial"]),
    ("btcpay", "LTC", "0.5", &["over"]),
    ("btcpay", "LTC", "0.5", &["late"]),
    ("btcpay", "LTC", "0.5", &["double"]),
    ("btcpay", "LTC", "0.5", &["reorg"]),
    ("btcpay", "LTC", "0.5", &["pay", "reorg", "return"]),
    ("btcpay", "BTC", "0.0004", &["expire"]),
    ("btcpay", "BTC", "0.0004", &["expire", "pay"]),
    ("btcpay", "BTC", "0.0004", &["fail"]),
    ("btcpay", "XMR", "0.5", &["seen"]),
    ("stripe", "USD", "10", &["pay"]),
    ("stripe", "EUR", "10", &["refund"]),
    ("stripe", "USD", "10", &["refund_part"]),
    ("stripe", "USD", "10", &["dispute"]),
    ("stripe", "USD", "10", &["pay", "dispute", "return"]),
    ("stripe", "USD", "10", &["expire"]),
    ("stripe", "USD", "10", &["fail"]),
    ("daimo", "USDC", "10", &["pay"]),
    ("daimo", "USDC", "10", &["fail"]),
    ("daimo", "USDC", "10", &["refund"]),
    ("daimo", "USDC", "10", &["expire"]),
    ("daimo", "ETH", "25.5", &["pay", "refund"]),
    ("nanswap", "KAS", "200", &["pay"]),
    ("nanswap", "KAS", "200", &["partial"]),
    ("nanswap", "KAS", "200", &["over"]),
    ("nanswap", "KAS", "200", &["late"]),
    ("nanswap", "KAS", "200", &["expire"]),
    ("nanswap", "KAS", "200", &["fail"]),
    ("promptcash", "BCH", "0.05", &["pay"]),
    ("promptcash", "BCH", "0.05", &["partial"]),
    ("promptcash", "BCH", "0.05", &["over"]),
    ("promptcash", "BCH", "0.05", &["late"]),
    ("promptcash", "BCH", "0.05", &["double"]),
    ("promptcash", "BCH", "0.05", &["expire"]),
    ("zano", "ZANO", "2", &["pay"]),
    ("zano", "ZANO", "2", &["partial"]),
    ("zano", "ZANO", "2", &["over"]),
    ("zano", "ZANO", "2", &["double"]),
    ("zano", "ZANO", "2", &["reorg"]),
    ("zano", "FUSD", "20.5", &["pay", "reorg", "return"]),
    ("zano", "ZANO", "2", &["other"]),
    ("nano", "XNO", "2", &["pay"]),
    ("nano", "XNO", "2", &["partial"]),
    ("nano", "XNO", "2", &["over"]),
    ("nano", "XNO", "2", &["double"]),
];

struct Shop {
    gateway: Gateway,
    sandbox: Sandbox,
    clock: ManualClock,
    http: Http,
    _folder: tempfile::TempDir,
}

impl Shop {
    async fn open(seed: u64) -> Self {
        let sandbox = SandboxConfig { clock: Some(START), seed, ..SandboxConfig::default() };
        let sandbox = Sandbox::start(sandbox).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = sandboxed::store_url(folder.path());
        // Time passes fast here, and the static rates are asked by the machine's clock: nothing may become stale by that.
        let sections = sandbox.config_toml().replace("[rates]\n", "[rates]\nmax_age_seconds = 1000000000\n");
        let sections = format!(
            "{sections}{}[store]\nurl = {store:?}\n[create_rate_limit]\nrequests = 100000\n[poll]\nyoung_seconds = 1\nold_seconds = 5\n",
            sandboxed::FREE_PORT
        );
        let clock = ManualClock::at(Timestamp::from_secs(START));
        let tell = |url| sandbox.set_gateways(vec![url]);
        let gateway = sandboxed::start(&sections, Arc::new(clock.clone()), tell).await;
        Self { gateway, sandbox, clock, http: Http::new(), _folder: folder }
    }

    async fn control(&self, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.sandbox.control_url());
        let reply = self.http.send("POST", &url, &[], body.to_string()).await.unwrap();
        assert_eq!(reply.status, 200, "{path} {body}: {}", reply.text());
        reply.json()
    }

    async fn faults(&self, provider: &str, faults: Value) {
        self.control(&format!("/{provider}/faults"), faults).await;
    }

    async fn truth(&self) -> Vec<Value> {
        let url = format!("{}/truth", self.sandbox.control_url());
        self.http.send("GET", &url, &[], "").await.unwrap().json().as_array().unwrap().clone()
    }

    async fn key(&self, account: &str) -> String {
        sandboxed::issue_key(&self.gateway, account).await
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> client::Reply {
        let url = format!("http://{}{path}", self.gateway.address());
        self.http.send(method, &url, headers, body.to_owned()).await.unwrap()
    }

    /// Both clocks.
    async fn advance(&self, secs: u32) {
        self.clock.advance_secs(i64::from(secs));
        self.sandbox.advance(secs);
        self.gateway.engine().seed_rates().await.unwrap();
    }

    /// Until there is one, whatever fails meanwhile; what the sandbox is told to know it by.
    async fn create(&self, key: &str, name: &str, (provider, ticker, amount, _): Case) -> String {
        if provider == "nano" {
            let reply = self.ask("POST", "/api/check-balance", &[("x-api-key", key)], "{}").await;
            return reply.json()["nanoDepositAddress"].as_str().unwrap().to_owned();
        }
        let begun = Instant::now();
        let body = format!(r#"{{"amount":{amount}}}"#);
        loop {
            let headers = [("x-api-key", key), ("idempotency-key", name)];
            let path = format!("/api/transaction/create/{ticker}");
            let reply = self.ask("POST", &path, &headers, &body).await;
            if reply.status == 200 {
                let told = reply.json();
                let member = if matches!(provider, "zano" | "nanswap") { "address" } else { "txId" };
                return told[member].as_str().unwrap().to_owned();
            }
            assert!(matches!(reply.status, 409 | 500 | 503), "{name}: {} {}", reply.status, reply.text());
            assert!(begun.elapsed() < PATIENCE, "{name}: {}", reply.text());
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.clock.advance_secs(2);
            self.sandbox.advance(2);
        }
    }

    async fn play(&self, reference: &str, (provider, ticker, amount, steps): Case) {
        for step in steps {
            let mut body = json!({ "ref": reference });
            if matches!(provider, "zano" | "nano") {
                body["amount"] = json!(amount);
            }
            if provider == "zano" {
                body["ticker"] = json!(if *step == "other" { "FUSD" } else { ticker });
            }
            match *step {
                "pay" | "other" => drop(self.control(&format!("/{provider}/pay"), body).await),
                "seen" => {
                    body["stage"] = json!("seen");
                    self.control(&format!("/{provider}/pay"), body).await;
                }
                name => {
                    body["name"] = json!(name);
                    self.control(&format!("/{provider}/scenario"), body).await;
                }
            }
        }
    }

    /// An invoice in our store that carries our marker, and that no deposit knows.
    async fn lost_invoice(&self) -> String {
        let setting = |key: &str| self.sandbox.setting("btcpay", key).unwrap();
        let url = format!("{}/api/v1/stores/{}/invoices", setting("base_url"), setting("store_id"));
        let token = format!("token {}", setting("api_key"));
        let metadata = json!({ "orderId": "LostDeposit000000000", "depositGateway": "deposit/1" });
        let body = json!({
            "amount": "0.001", "currency": "BTC", "metadata": metadata, "checkout": { "paymentMethods": ["BTC-CHAIN"] }
        });
        let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
        let reply = self.http.send("POST", &url, &headers, body.to_string()).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    async fn books(&self) -> Books {
        let engine = self.gateway.engine();
        let (mut rows, mut entries) = (Vec::new(), Vec::new());
        for provider in PROVIDERS {
            let provider: ProviderId = provider.parse().unwrap();
            let all = engine.store().deposits_since(provider, Timestamp::EPOCH, None, 10_000).await.unwrap();
            for row in all {
                entries.extend(engine.store().deposit_entries(&row.id).await.unwrap());
                rows.push(row);
            }
        }
        let all = ReviewFilter { open: false, after: 0, limit: 100_000 };
        let reviews = engine.store().reviews(all).await.unwrap();
        let options = ReconcileOptions { provider: None, since: Timestamp::EPOCH, again_after: Vec::new() };
        let found = engine.reconcile(&options).await.unwrap();
        assert!(found.ledger.balanced, "{:?}", found.ledger);
        let differences = found.differences.into_iter().map(|d| (d.provider.to_string(), d.reference));
        Books { truth: self.truth().await, rows, entries, reviews, differences: differences.collect() }
    }

    /// Lets time pass until everything is accounted for.
    async fn settle(&self) -> Books {
        self.settle_until(|_| true).await
    }

    /// The same, and until it is so.
    async fn settle_until(&self, enough: impl Fn(&Books) -> bool) -> Books {
        let begun = Instant::now();
        loop {
            let books = self.books().await;
            let mut complaints = books.complaints();
            complaints.extend(books.differences.iter().map(|(by, what)| format!("{by} {what} differs")));
            if complaints.is_empty() && enough(&books) {
                return books;
            }
            assert!(begun.elapsed() < PATIENCE, "not accounted for:\n  {}", complaints.join("\n  "));
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(30)).await;
                self.advance(3).await;
            }
        }
    }

    async fn stop(self) {
        self.gateway.stop().await;
        self.sandbox.shutdown().await;
    }
}

/// All that is known on both sides at one moment.
struct Books {
    truth: Vec<Value>,
    rows: Vec<DepositRow>,
    entries: Vec<LedgerEntry>,
    reviews: Vec<ReviewRow>,
    /// Provider and reference.
    differences: Vec<(String, String)>,
}

/// Where the units of one payment are, in its own smallest ones.
#[derive(Debug, Default)]
struct Where {
    credited: u128,
    by_hand: u128,
    in_review: u128,
    /// An item that tells no amount is about all that is left.
    in_review_unmeasured: bool,
    differs: bool,
}

fn asset_of(ticker: &str) -> Asset {
    let ticker: Ticker = ticker.parse().unwrap();
    let code = match ticker.as_str() {
        "LTC-MWEB" => "LTC",
        "USDT" | "ETH" | "SOL" => "USDC",
        other => other,
    };
    *Asset::KNOWN.iter().find(|asset| asset.code().as_str() == code).unwrap()
}

fn units(text: &Value, asset: Asset) -> u128 {
    Amount::parse(text.as_str().unwrap(), asset).unwrap().minor()
}

impl Books {
    fn row_of(&self, order: &Value, payment: &PaymentRef) -> Option<&DepositRow> {
        let is = |row: &DepositRow, name: &str| {
            let told = order[name].as_str().unwrap_or_default();
            row.id.as_str() == told || row.intent.as_ref().is_some_and(|i| i.provider_ref.as_str() == told)
        };
        let provider = order["provider"].as_str().unwrap();
        let mut ours = self.rows.iter().filter(|row| row.provider.as_str() == provider);
        ours.clone()
            .find(|row| row.evidence.payments.contains_key(payment))
            .or_else(|| ours.find(|row| is(row, "ref") || is(row, "order")))
    }

    /// Whatever does not add up.
    fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for order in &self.truth {
            for payment in order["payments"].as_array().unwrap() {
                if let Err(complaint) = self.account_for(order, payment) {
                    let (provider, id) = (&order["provider"], &payment["id"]);
                    complaints.push(format!("{provider} {id}: {complaint}; {payment}"));
                }
            }
        }
        complaints
    }

    fn account_for(&self, order: &Value, payment: &Value) -> Result<(), String> {
        let provider = order["provider"].as_str().unwrap();
        let id = PaymentRef::new(payment["id"].as_str().unwrap()).unwrap();
        let row = self.row_of(order, &id);
        // A payment in something else than the order: its asset is that of the payment's own id.
        let other = row.and_then(|row| row.evidence.payments.get(&id)).map(|known| known.asset);
        let asset = other.unwrap_or_else(|| asset_of(order["ticker"].as_str().unwrap_or("XNO")));
        let figure = |name: &str| units(&payment[name], asset);
        let (amount, confirmed) = (figure("amount"), figure("confirmed"));
        let net = confirmed - (figure("reversed") - figure("reinstated"));

        let posted: Vec<&LedgerEntry> = self
            .entries
            .iter()
            .filter(|entry| {
                entry.payment.as_ref() == Some(&id)
                    && Some(&entry.deposit) == row.map(|r| Some(r.id.clone())).as_ref()
            })
            .collect();
        let mut place =
            Where { credited: self.credited(row, payment, asset, net, &posted)?, ..Where::default() };
        let about = |item: &&ReviewRow| {
            // What went back is no money to credit.
            item.provider.as_str() == provider
                && !item.reason.takes_back()
                && (item.reference == id.as_str() || Some(item.reference.as_str()) == order["ref"].as_str())
        };
        let mut open: BTreeMap<(String, ReviewTopic), usize> = BTreeMap::new();
        for item in self.reviews.iter().filter(about) {
            if item.resolution.is_none() {
                *open.entry((item.reference.clone(), item.reason.topic())).or_default() += 1;
            }
            let told = item.amount.as_deref().map(|text| Amount::parse(text, asset).map(|a| a.minor()));
            match (&item.resolution, told) {
                (None, Some(Ok(open))) => place.in_review += open,
                (None, _) => place.in_review_unmeasured = true,
                (Some(done), Some(Ok(sum))) if done.kind == ResolutionKind::Assigned => place.by_hand += sum,
                (Some(_), _) => {}
            }
        }
        if let Some((matter, count)) = open.iter().find(|(_, count)| **count > 1) {
            return Err(format!("{count} items of one matter {matter:?}"));
        }
        place.differs = self.differences.iter().any(|(by, reference)| {
            by == provider && (reference == id.as_str() || Some(reference.as_str()) == order["ref"].as_str())
        });

        let accounted = place.credited + place.by_hand + place.in_review;
        if accounted > amount {
            return Err(format!("{accounted} of {amount} units: some are there twice, {place:?}"));
        }
        let shown = place.in_review_unmeasured || place.differs;
        if accounted < net && !shown {
            return Err(format!("{accounted} of {net} confirmed units, {place:?}"));
        }
        // What is not confirmed is on its way, and known to be, or gone; of a bounced or failed one somebody has the payer's money.
        let flying = amount - confirmed;
        match payment["stage"].as_str().unwrap() {
            "seen" if flying > 0 && !shown && place.in_review == 0 => {
                let known = row.and_then(|row| row.evidence.payments.get(&id)).map(lifecycle::in_flight);
                (known >= Some(flying)).then_some(()).ok_or(format!("{flying} on its way, here {known:?}"))
            }
            "withdrawn" if matches!(provider, "daimo" | "nanswap") && !shown && place.in_review < amount => {
                Err(format!("{amount} units failed after they came, {place:?}"))
            }
            _ => Ok(()),
        }
    }

    /// How many units the rules have credited: as many as the ledger's postings are worth.
    fn credited(
        &self,
        row: Option<&DepositRow>,
        payment: &Value,
        asset: Asset,
        net: u128,
        posted: &[&LedgerEntry],
    ) -> Result<u128, String> {
        let Some(row) = row else { return Ok(0) };
        let ledger = row.terms.credit.ledger;
        let sum = posted
            .iter()
            .fold(deposit_core::Signed::zero(ledger), |sum, e| sum.checked_add(e.amount).unwrap());
        if sum.is_zero() {
            return Ok(0);
        }
        let paid = match payment["settled"].as_str() {
            // A swap is worth what it paid out.
            Some(text) => Amount::parse(text, asset_of(payment["settledTicker"].as_str().unwrap())).unwrap(),
            None => Amount::new(net, asset),
        };
        let worth = match row.terms.quote {
            None => paid,
            Some(quote) => quote.rate.value_in(paid, ledger, Rounding::Down).unwrap(),
        };
        if sum.non_negative() == Some(worth) {
            return Ok(net);
        }
        Err(format!("posted {sum}, worth {worth}"))
    }
}

/// What this seed makes of a provider.
fn faults(chance: &mut StdRng) -> Value {
    let webhooks = ["normal", "lost", "duplicated", "reordered"][chance.random_range(0..4_usize)];
    let rate = ["0.0", "0.1", "0.25"];
    let text = format!(
        r#"{{"webhooks":"{webhooks}","error_rate":{},"drop_response_rate":{}}}"#,
        rate[chance.random_range(0..3_usize)],
        rate[chance.random_range(0..3_usize)]
    );
    serde_json::from_str(&text).unwrap()
}

/// The items that are open, as reason and amount.
fn open(books: &Books, reason: ReviewReason) -> Vec<&ReviewRow> {
    books.reviews.iter().filter(|item| item.resolution.is_none() && item.reason == reason).collect()
}

async fn every_unit_is_somewhere(seed: u64) {
    let shop = Shop::open(seed).await;
    let mut chance = StdRng::seed_from_u64(seed);
    let (ana, gone) = (shop.key("ana").await, shop.key("gone").await);
    // Before the wire fails: these two are about money, not about the wire.
    const CLOSED: Case = ("btcpay", "BTC", "0.0004", &["pay"]);
    let closed = shop.create(&gone, "closed", CLOSED).await;
    let lost = shop.lost_invoice().await;
    let mut keys = Vec::new();
    for (number, case) in CASES.iter().enumerate() {
        // One standing address for each.
        keys.push(if case.0 == "nano" { shop.key(&format!("nano-{number}")).await } else { ana.clone() });
    }
    for provider in PROVIDERS {
        let faults = faults(&mut chance);
        shop.faults(provider, faults).await;
    }
    let made = join_all(CASES.iter().zip(&keys).enumerate().map(|(number, (case, key))| {
        let shop = &shop;
        async move { shop.create(key, &format!("case-{number}"), *case).await }
    }));
    let made = made.await;
    let engine = shop.gateway.engine().clone();
    engine.store().close_account(&"gone".parse().unwrap(), engine.now()).await.unwrap().unwrap();
    shop.play(&closed, CLOSED).await;
    shop.control("/btcpay/pay", json!({ "ref": lost })).await;
    for (case, reference) in CASES.iter().zip(&made) {
        shop.play(reference, *case).await;
    }
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        shop.advance(3).await;
    }
    for provider in PROVIDERS {
        shop.faults(provider, json!({})).await;
    }
    // A listing is asked now and then, so what a lost webhook told of an order that nobody knows is sent again.
    shop.control("/btcpay/redeliver", json!({ "ref": lost })).await;
    shop.advance(600).await;

    let books = shop.settle().await;
    let paid: usize = books.truth.iter().map(|order| order["payments"].as_array().unwrap().len()).sum();
    assert!(paid > CASES.len() - 8, "{paid} payments");
    let page = shop.ask("GET", &format!("/pay/{closed}"), &[], "").await.text();
    assert!(page.contains("looked at") && !page.contains("Waiting for your payment"), "{page}");

    // What a provider never confirms is not waited for for ever.
    for _ in 0..27 {
        shop.advance(10_000).await;
    }
    let books = shop.settle_until(|books| open(books, ReviewReason::NeverConfirmed).len() == 2).await;
    let parts = open(&books, ReviewReason::NeverConfirmed);
    let mut parts: Vec<_> =
        parts.iter().map(|item| (item.provider.as_str(), item.amount.as_deref())).collect();
    parts.sort_unstable();
    // One that no block ever had, and half of what its provider confirms only in full.
    assert_eq!(parts, [("btcpay", Some("0.5")), ("promptcash", Some("0.025"))]);

    // By hand, once.
    let item = open(&books, ReviewReason::AccountClosed)[0].clone();
    assert_eq!(item.amount.as_deref(), Some("0.0004"));
    let value = engine.value_of_review(&item).await.unwrap().unwrap();
    let accounts = engine.store().accounts().await.unwrap();
    let account = accounts.iter().find(|account| account.name.as_str() == "ana").unwrap().id;
    let assign = AssignReview {
        id: item.id,
        account,
        amount: value.credit,
        seen: item.amount.clone(),
        note: None,
        by: "operator".to_owned(),
        again: false,
        now: engine.now(),
    };
    assert!(matches!(engine.store().assign_review(assign).await.unwrap(), Assigned::Yes { .. }));
    shop.advance(60).await;
    let books = shop.settle().await;
    assert!(open(&books, ReviewReason::AccountClosed).is_empty());
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_the_faults_of_the_first_seed() {
    every_unit_is_somewhere(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_the_faults_of_the_second_seed() {
    every_unit_is_somewhere(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_the_faults_of_the_third_seed() {
    every_unit_is_somewhere(3).await;
}

/// No webhook tells of it and no deposit has it: the provider's own list does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconcile_finds_a_paid_order_that_nobody_was_shown() {
    let shop = Shop::open(3).await;
    shop.faults("btcpay", json!({ "webhooks": "lost" })).await;
    // The feed has passed its beginning, where it would have been seen.
    while shop.gateway.engine().store().scan_cursor("btcpay".parse().unwrap()).await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let lost = shop.lost_invoice().await;
    assert!(shop.books().await.differences.is_empty(), "nobody lost anything yet");
    shop.control("/btcpay/pay", json!({ "ref": lost })).await;
    let books = shop.books().await;
    let order = books.truth.iter().find(|order| order["ref"] == json!(lost)).unwrap();
    let payment = order["payments"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(books.differences, [("btcpay".to_owned(), payment)]);
    shop.stop().await;
}
