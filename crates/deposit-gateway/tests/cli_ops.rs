//! What operators do on the command line: real processes beside a running gateway, or without one, on its store.
#![cfg(all(feature = "sandbox", unix))]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm
)]

mod process;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use deposit_sandbox::{Sandbox, SandboxConfig};
use deposit_store::prelude::*;
use deposit_store::{EntryKind, SqliteStore};
use process::Http;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);

/// Emulators, a store, and a gateway that comes and goes.
struct Shop {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
    http: Http,
    gateway: Option<(Child, String)>,
}

impl Shop {
    async fn new() -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        // Every webhook is lost: the gateway finds out by asking.
        sandbox.set_gateways(Vec::new());
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "{}\n[server]\nlisten = \"127.0.0.1:0\"\n[poll]\nyoung_seconds = 1\n[create_rate_limit]\nrequests = 1000\n",
            sandbox.config_toml()
        );
        std::fs::write(folder.path().join("deposit.toml"), config).unwrap();
        Self { sandbox, folder, http: Http::new(), gateway: None }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deposit"));
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .env_remove("DEPOSIT_LOG")
            .env("NO_COLOR", "1");
        command.env("DEPOSIT_OPERATOR", "tester");
        command
    }

    /// Runs a command beside the test's own runtime, in which the emulators live.
    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// What a command prints with exit code 0.
    async fn out(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        self.out(arguments).await.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What a command says when it fails.
    async fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {:?}", output.stdout);
        error
    }

    /// Exit code and report.
    async fn reconcile(&self) -> (i32, Value) {
        let output = self.run(&["reconcile", "--json"]).await;
        (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
    }

    async fn start(&mut self) {
        let mut command = self.command(&["serve"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).unwrap();
            line
        });
        let line = line.await.unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        self.gateway = Some((child, url));
    }

    async fn stop(&mut self) {
        let (mut child, _) = self.gateway.take().unwrap();
        let asked = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
        assert!(asked.success());
        let end = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        assert!(end.success(), "{end}");
    }

    async fn ask(&self, key: &str, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.gateway.as_ref().unwrap().1);
        let reply = self.http.send(method, &url, &[("x-api-key", key)], body.to_string()).await.unwrap();
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    }

    /// A deposit of 0.0004 BTC, by its `txId`.
    async fn create(&self, key: &str) -> String {
        let made = self.ask(key, "POST", "/api/transaction/create/btc", json!({ "amount": 0.0004 })).await;
        made["txId"].as_str().unwrap().to_owned()
    }

    /// Pays it in full at the provider; the payment's id.
    async fn pay(&self, deposit: &str) -> String {
        let url = format!("{}/btcpay/pay", self.sandbox.control_url());
        let body = json!({ "ref": deposit, "stage": "confirmed" }).to_string();
        let reply = self.http.send("POST", &url, &[], body).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["payment"].as_str().unwrap().to_owned()
    }

    async fn until_completed(&self, key: &str, deposit: &str) {
        let begun = Instant::now();
        let path = format!("/api/transaction/status/btc/{deposit}");
        while self.ask(key, "GET", &path, Value::Null).await["status"] != "Completed" {
            assert!(begun.elapsed() < PATIENCE, "{deposit} is never credited");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What waits in review, once it is so many items.
    async fn until_reviews(&self, count: usize) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let items = self.lines(&["review", "list", "--json"]).await;
            if items.len() == count {
                return items;
            }
            assert!(begun.elapsed() < PATIENCE, "{items:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn key(&self, account: &str) -> String {
        self.out(&["keys", "create", "--account", account]).await.trim().to_owned()
    }

    async fn usd(&self, account: &str) -> Value {
        let all = self.lines(&["accounts", "list", "--json"]).await;
        all.iter().find(|line| line["name"] == account).unwrap()["balances"]["USD"].clone()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.gateway {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn members(value: &Value) -> Vec<&str> {
    let mut members: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    members
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconcile_finds_what_a_stopped_gateway_missed() {
    let mut shop = Shop::new().await;
    let key = shop.key("shop").await;
    shop.start().await;
    let deposit = shop.create(&key).await;
    shop.stop().await;
    let (code, clean) = shop.reconcile().await;
    assert_eq!((code, &clean["differences"]), (0, &json!([])));
    assert_eq!(clean["ledger"], json!({ "balanced": true, "totals": { "USD": "0" } }));

    let payment = shop.pay(&deposit).await;
    let (code, found) = shop.reconcile().await;
    assert_eq!(code, 1);
    let expected = json!([
        { "provider": "btcpay", "ref": payment, "kind": "missing_credit", "ours": null, "theirs": "0.0004" }
    ]);
    assert_eq!(found["differences"], expected);
    assert_eq!(members(&found), ["differences", "inReview", "ledger"]);
    // For a person; and not by another provider, nor of another time.
    let told = shop.run(&["reconcile", "--provider", "btcpay"]).await;
    let table = String::from_utf8(told.stdout).unwrap();
    assert_eq!(told.status.code(), Some(1));
    assert!(table.contains("missing_credit") && table.contains("1 difference; ledger balanced"), "{table}");
    assert!(shop.out(&["reconcile", "--provider", "stripe"]).await.contains("0 differences"));
    assert!(shop.out(&["reconcile", "--since", "2100-01-01"]).await.contains("0 deposits compared"));
    // A plan, which writes nothing; then the repair, by a command beside no gateway at all.
    let plan = shop.run(&["reconcile", "--repair", "--dry-run", "--json"]).await;
    assert_eq!(plan.status.code(), Some(1));
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    let action = format!("read deposit {deposit} again");
    assert_eq!(plan["repair"], json!([{ "provider": "btcpay", "refs": [payment], "action": action }]));
    assert_eq!(shop.usd("shop").await, "0", "nothing is written");
    let repaired = shop.run(&["reconcile", "--repair"]).await;
    let told = String::from_utf8(repaired.stdout).unwrap();
    assert_eq!(repaired.status.code(), Some(0), "{told}");
    assert!(told.contains(&action) && told.contains("changed") && told.contains("0 differences"), "{told}");
    assert_eq!(shop.usd("shop").await, "20");
    let again = shop.run(&["reconcile", "--repair", "--json"]).await;
    assert_eq!(again.status.code(), Some(0));
    assert_eq!(serde_json::from_slice::<Value>(&again.stdout).unwrap()["repair"], json!([]));
    shop.fails(2, &["reconcile", "--dry-run"]).await;

    shop.start().await;
    shop.until_completed(&key, &deposit).await;
    let (code, after) = shop.reconcile().await;
    assert_eq!((code, &after["differences"]), (0, &json!([])));
    assert_eq!(after["ledger"]["totals"]["USD"], "20");

    // A provider that does not answer is told, and the others are compared.
    let url = format!("{}/promptcash/faults", shop.sandbox.control_url());
    shop.http.send("POST", &url, &[], json!({ "down": true }).to_string()).await.unwrap();
    let made = shop.ask(&key, "POST", "/api/transaction/create/zec", json!({ "amount": 0.3 })).await;
    assert_eq!(made["status"], "New");
    assert_eq!(shop.reconcile().await.0, 0, "it has no deposits there");
    let error = shop.fails(1, &["reconcile", "--provider", "nobody"]).await;
    assert!(
        error.contains("no provider nobody is configured (configured: ") && error.contains("btcpay"),
        "{error}"
    );
    shop.fails(2, &["reconcile", "--since", "yesterday"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_in_review_is_assigned_or_dismissed_once() {
    let mut shop = Shop::new().await;
    let key = shop.key("shop").await;
    shop.key("other").await;
    shop.start().await;
    let (first, second) = (shop.create(&key).await, shop.create(&key).await);
    let closed = shop.lines(&["accounts", "close", "shop", "--json"]).await;
    assert_eq!(members(&closed[0]), ["balances", "closedAt", "createdAt", "index", "name"]);
    let again = shop.lines(&["accounts", "close", "shop", "--json"]).await;
    assert_eq!(again[0]["closedAt"], closed[0]["closedAt"]);
    assert!(shop.out(&["accounts", "close", "shop"]).await.contains("was closed already, at "));
    let error = shop.fails(1, &["accounts", "close", "nobody"]).await;
    assert!(error.contains("deposit accounts list"), "{error}");

    let (one, two) = (shop.pay(&first).await, shop.pay(&second).await);
    let items = shop.until_reviews(2).await;
    let of = |payment: &str| items.iter().find(|item| item["ref"] == payment).unwrap();
    let item = of(&one);
    assert_eq!(members(item), ["amount", "id", "provider", "reason", "ref", "since", "ticker"]);
    let told = json!(["btcpay", "0.0004", "BTC", "account_closed"]);
    assert_eq!(json!([item["provider"], item["amount"], item["ticker"], item["reason"]]), told);
    let (id, other) = (item["id"].to_string(), of(&two)["id"].to_string());
    assert_eq!(shop.reconcile().await.0, 0, "an operator was shown it");

    // Errors say what to do next.
    let error = shop.fails(1, &["review", "assign", &id, "--account", "shop"]).await;
    assert!(error.contains("was closed at"), "{error}");
    let error = shop.fails(1, &["review", "assign", &id, "--account", "nobody"]).await;
    assert!(error.contains("deposit keys create --account nobody"), "{error}");
    let error = shop.fails(1, &["review", "assign", "999", "--account", "other"]).await;
    assert!(error.contains("deposit review list"), "{error}");
    for bad in
        [&["review", "assign", &id, "--account", "other", "--usd", "0"][..], &["review", "assign", &id]]
    {
        shop.fails(2, bad).await;
    }
    shop.fails(2, &["review", "dismiss", &id, "--reason", " "]).await;

    let assign = ["review", "assign", &id, "--account", "other", "--json"];
    let dry = shop.lines(&[&assign[..], &["--dry-run"]].concat()).await;
    assert_eq!(json!([dry[0]["amount"], dry[0]["currency"], dry[0]["entry"]]), json!(["20", "USD", null]));
    assert_eq!(shop.usd("other").await, "0");
    let done = shop.lines(&[&assign[..], &["--note", "ticket 12"]].concat()).await;
    assert_eq!(json!([done[0]["amount"], done[0]["account"]]), json!(["20", "other"]));
    assert_eq!(shop.usd("other").await, "20");
    let error = shop.fails(1, &assign).await;
    assert!(error.contains("resolved before: assigned (20 USD to other) by tester at "), "{error}");
    let dismiss = ["review", "dismiss", &other, "--reason", "sent back by hand"];
    assert!(shop.out(&dismiss).await.contains("is dismissed"));
    let error = shop.fails(1, &dismiss).await;
    assert!(error.contains("dismissed by tester at ") && error.contains("sent back by hand"), "{error}");

    assert!(shop.lines(&["review", "list", "--json"]).await.is_empty());
    let all = shop.lines(&["review", "list", "--all", "--json"]).await;
    assert_eq!(all.len(), 2);
    let kinds: Vec<&Value> = all.iter().map(|item| &item["resolution"]["kind"]).collect();
    assert!(kinds.contains(&&json!("assigned")) && kinds.contains(&&json!("dismissed")), "{kinds:?}");
    assert!(shop.out(&["review", "list", "--all"]).await.contains("ticket 12"));

    let url = format!("sqlite://{}", shop.folder.path().join("deposit.db").display());
    let store = SqliteStore::open(&url).await.unwrap();
    let account = store.account_by_name(&"other".parse().unwrap()).await.unwrap().unwrap();
    let entries = store.ledger_entries(account.id, 0, 9).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].kind, &entries[0].payment), (EntryKind::Adjustment, &None));
    assert!(store.check_ledger().await.unwrap().balanced);
    store.close().await;
    let (code, report) = shop.reconcile().await;
    assert_eq!((code, &report["ledger"]["totals"]["USD"]), (0, &json!("20")));
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_is_listed_and_replayed_beside_a_gateway() {
    let mut shop = Shop::new().await;
    let key = shop.key("shop").await;
    assert!(shop.lines(&["journal", "list", "--json"]).await.is_empty());
    shop.start().await;
    shop.sandbox.set_gateways(vec![shop.gateway.as_ref().unwrap().1.clone()]);
    let deposit = shop.create(&key).await;
    shop.pay(&deposit).await;
    shop.until_completed(&key, &deposit).await;
    let begun = Instant::now();
    let rows = loop {
        let rows = shop.lines(&["journal", "list", "--json"]).await;
        if !rows.is_empty() && rows.iter().all(|row| !row["outcome"].is_null()) {
            break rows;
        }
        assert!(begun.elapsed() < PATIENCE, "{rows:?}");
        tokio::time::sleep(LOOK).await;
    };
    for row in &rows {
        assert_eq!(members(row), ["delivery", "handledAt", "id", "outcome", "provider", "receivedAt"]);
        assert_eq!(row["provider"], "btcpay");
    }
    assert!(shop.lines(&["journal", "list", "--unhandled", "--json"]).await.is_empty());
    assert_eq!(
        shop.lines(&["journal", "list", "--limit", "1", "--json"]).await[0]["id"],
        rows.last().unwrap()["id"]
    );
    assert!(shop.lines(&["journal", "list", "--provider", "stripe", "--json"]).await.is_empty());

    let id = rows.last().unwrap()["id"].to_string();
    for _ in 0..2 {
        let done = shop.lines(&["journal", "replay", &id, "--json"]).await;
        assert_eq!((done.len(), &done[0]["outcome"]), (1, &json!("unchanged")));
    }
    shop.stop().await;
    // Without a gateway as well; nothing is credited twice.
    assert!(shop.lines(&["journal", "replay", "--all", "--json"]).await.len() >= rows.len());
    assert!(shop.out(&["journal", "replay"]).await.contains("nothing to replay"));
    let error = shop.fails(1, &["journal", "replay", "999"]).await;
    assert!(error.contains("deposit journal list"), "{error}");
    assert_eq!(shop.usd("shop").await, "20");
    assert_eq!(shop.reconcile().await.0, 0);
}
