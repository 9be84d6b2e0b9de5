//! The scenario: two customers, seven deposits, and what payers and chains do to them. Every step waits until the gateway shows it, so that
//! two runs differ in how they got there and in nothing else.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Http, Reply};

/// The customers.
pub const ACCOUNTS: [&str; 2] = ["ana", "ben"];

/// How long a step may take in all, kills included.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a gateway runs, and how it is kept alive.
pub trait Site {
    /// Its address now.
    fn url(&self) -> String;
    /// A request got no answer: find out why, bring the gateway back if it is dead, or give up.
    async fn mend(&mut self);
    /// Between two looks.
    async fn pause(&mut self);
}

/// A deposit that was made.
#[derive(Debug, Clone)]
pub struct Deposit {
    pub account: usize,
    pub ticker: &'static str,
    pub id: String,
    pub address: String,
}

/// The deposits of a scenario by the name of what happens to them.
pub type Played = BTreeMap<String, Deposit>;

/// A client of the gateway and the hand on the emulators' controls.
pub struct Shop<S> {
    pub site: S,
    pub http: Http,
    control: String,
    keys: [String; 2],
}

impl<S: Site> Shop<S> {
    pub fn new(site: S, control: String, keys: [String; 2]) -> Self {
        Self { site, http: Http::new(), control, keys }
    }

    /// A request to the gateway, again and again until it answers.
    pub async fn ask(
        &mut self,
        account: usize,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &str,
    ) -> Reply {
        let begun = Instant::now();
        loop {
            let mut headers = vec![("x-api-key", self.keys[account].as_str())];
            headers.extend(key.map(|key| ("idempotency-key", key)));
            let url = format!("{}{path}", self.site.url());
            match self.http.send(method, &url, &headers, body.to_owned()).await {
                Ok(reply) => return reply,
                Err(error) => {
                    assert!(begun.elapsed() < PATIENCE, "{method} {path}: {error}");
                    self.site.mend().await;
                }
            }
        }
    }

    /// Creates as a careful client does: the same key until there is an answer that is one.
    pub async fn create(&mut self, account: usize, ticker: &'static str, amount: &str, key: &str) -> Deposit {
        let begun = Instant::now();
        let path = format!("/api/transaction/create/{ticker}");
        let body = format!(r#"{{"amount":{amount}}}"#);
        loop {
            let reply = self.ask(account, "POST", &path, Some(key), &body).await;
            if reply.status == 200 {
                let made = reply.json();
                let text = |member: &str| made[member].as_str().unwrap().to_owned();
                return Deposit { account, ticker, id: text("txId"), address: text("address") };
            }
            assert!(matches!(reply.status, 409 | 500), "create {ticker}: {} {}", reply.status, reply.text());
            assert!(begun.elapsed() < PATIENCE, "create {ticker}: still {} {}", reply.status, reply.text());
            self.site.pause().await;
        }
    }

    pub async fn status(&mut self, deposit: &Deposit) -> Value {
        let path = format!("/api/transaction/status/{}/{}", deposit.ticker, deposit.id);
        let reply = self.ask(deposit.account, "GET", &path, None, "").await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    }

    /// Looks until the gateway shows what is expected.
    pub async fn until(&mut self, deposit: &Deposit, what: &str, there: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let state = self.status(deposit).await;
            if there(&state) {
                return state;
            }
            assert!(begun.elapsed() < PATIENCE, "{} never came to {what}: {state:#}", deposit.ticker);
            self.site.pause().await;
        }
    }

    pub async fn until_status(&mut self, deposit: &Deposit, wanted: &str) -> Value {
        self.until(deposit, wanted, |state| state["status"] == wanted).await
    }

    /// `Completed`, with so many payments confirmed and the sum of them credited.
    pub async fn until_credited(&mut self, deposit: &Deposit, payments: usize) -> Value {
        let what = format!("{payments} credited payments");
        self.until(deposit, &what, |state| {
            let confirmed = stages(state).filter(|stage| *stage == "confirmed").count();
            state["status"] == "Completed" && confirmed == payments && state["reversed"].is_null()
        })
        .await
    }

    /// `POST /control/…`, to which no fault applies.
    pub async fn control(&self, call: &str, body: Value) -> Value {
        let url = format!("{}{call}", self.control);
        let reply = self.http.send("POST", &url, &[], body.to_string()).await.unwrap();
        assert_eq!(reply.status, 200, "{call} {body}: {}", reply.text());
        reply.json()
    }

    /// What the provider really has.
    pub async fn truth(&self) -> Vec<Value> {
        let reply = self.http.send("GET", &format!("{}/truth", self.control), &[], "").await.unwrap();
        reply.json().as_array().unwrap().clone()
    }

    /// Pays to the address that the payer was shown.
    pub async fn pay(&self, deposit: &Deposit, amount: Option<&str>, stage: &str) -> String {
        let mut body = json!({ "ref": deposit.address, "stage": stage });
        if let Some(amount) = amount {
            body["amount"] = json!(amount);
        }
        self.control("/btcpay/pay", body).await["payment"].as_str().unwrap().to_owned()
    }

    pub async fn confirm(&self, deposit: &Deposit, payment: &str) {
        let body = json!({ "ref": deposit.address, "stage": "confirmed", "payment": payment });
        self.control("/btcpay/pay", body).await;
    }

    pub async fn scenario(&self, deposit: &Deposit, name: &str) {
        self.control("/btcpay/scenario", json!({ "ref": deposit.address, "name": name })).await;
    }

    /// Everything that can happen to a deposit within its window. `round` tells several plays on one gateway apart.
    pub async fn play(&mut self, round: usize) -> Played {
        let mut played = Played::new();
        let key = |name: &str| format!("{name}-{round}");

        // Two orders at once, before any is paid; then one goes the usual way.
        let plain = self.create(0, "BTC", "0.0004", &key("plain")).await;
        let part = self.create(1, "XMR", "0.2", &key("part")).await;
        let payment = self.pay(&plain, None, "seen").await;
        self.until_status(&plain, "Processing").await;
        self.confirm(&plain, &payment).await;
        self.until_credited(&plain, 1).await;

        // Half, which is credited at once; then the rest, to the address that is shown by then.
        self.scenario(&part, "partial").await;
        let half = self.until(&part, "half a credit", |state| !state["creditedUsd"].is_null()).await;
        assert_eq!(half["status"], "Pending", "{half:#}");
        let rest = Deposit { address: half["address"].as_str().unwrap().to_owned(), ..part.clone() };
        let payment = self.pay(&rest, None, "seen").await;
        self.until_status(&part, "Processing").await;
        self.confirm(&rest, &payment).await;
        self.until_credited(&part, 2).await;

        // Half as much again; the block is undone, and comes back.
        let undone = self.create(0, "LTC", "0.5", &key("undone")).await;
        self.scenario(&undone, "over").await;
        self.until_credited(&undone, 1).await;
        self.scenario(&undone, "reorg").await;
        self.until(&undone, "a reversal", |state| state["reversed"] == true).await;
        self.scenario(&undone, "return").await;
        self.until_credited(&undone, 1).await;

        // Reversed for good.
        let gone = self.create(1, "DOGE", "200", &key("gone")).await;
        self.scenario(&gone, "double").await;
        self.until_credited(&gone, 2).await;
        self.scenario(&gone, "reorg").await;
        self.until(&gone, "two reversals", |state| {
            state["reversed"] == true && stages(state).all(|stage| stage == "reversed")
        })
        .await;

        // Replaced before it was confirmed, then paid by another transaction.
        let replaced = self.create(0, "DASH", "1.5", &key("replaced")).await;
        self.pay(&replaced, None, "seen").await;
        self.until_status(&replaced, "Processing").await;
        self.scenario(&replaced, "replace").await;
        self.until_status(&replaced, "Pending").await;
        self.pay(&replaced, None, "confirmed").await;
        self.until_credited(&replaced, 1).await;

        let instant = self.create(1, "BTC-LN", "0.0002", &key("instant")).await;
        self.pay(&instant, None, "confirmed").await;
        self.until_credited(&instant, 1).await;

        // Nobody pays this one.
        let unpaid = self.create(0, "ZEC", "0.3", &key("unpaid")).await;

        for (name, deposit) in [
            ("plain", plain),
            ("part", part),
            ("undone", undone),
            ("gone", gone),
            ("replaced", replaced),
            ("instant", instant),
            ("unpaid", unpaid),
        ] {
            played.insert(name.to_owned(), deposit);
        }
        played
    }
}

fn stages(state: &Value) -> impl Iterator<Item = &str> {
    state["payments"].as_array().into_iter().flatten().filter_map(|payment| payment["stage"].as_str())
}
