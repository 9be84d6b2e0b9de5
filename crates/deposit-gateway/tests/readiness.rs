//! `GET /readyz` and the metrics beside it, over real sockets: a database that another process holds, a disk that is full, providers that
//! refuse us or are gone, deliveries that are not taken.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Options, Reply, TestGateway};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

const PATIENCE: Duration = Duration::from_secs(20);

async fn ready(gateway: &TestGateway) -> Reply {
    gateway.send("GET", "/readyz", &[], "").await
}

async fn metric(gateway: &TestGateway, line: &str) -> Option<u64> {
    let text = gateway.send("GET", "/metrics", &[], "").await.body;
    text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' ')?.parse().ok())
}

async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is().await {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_another_process_holds_is_not_ready_and_is_again_when_it_lets_go() {
    let gateway = TestGateway::start_with(Options { background: false, ..Options::default() }).await;
    assert_eq!(ready(&gateway).await.body, r#"{"status":"ok"}"#);
    let url = common::sandboxed::store_url(gateway.folder());
    let file = SqliteConnectOptions::new().filename(url.trim_start_matches("sqlite://"));
    let mut other = file.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    // The write of a moment ago is good for a second.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let begun = Instant::now();
    let reply = ready(&gateway).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    reply.assert_error(503, "Not ready", "not_ready");
    assert_eq!(reply.member("details"), "the store takes no writes");
    assert!(reply.header("retry-after").is_some());
    assert_eq!(gateway.get("/healthz").await.status, 200);
    assert_eq!(metric(&gateway, "deposit_ready").await, Some(0), "and reads go on");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    until("ready again", async || ready(&gateway).await.status == 200).await;
    assert_eq!(metric(&gateway, "deposit_ready").await, Some(1));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoked_credentials_are_shown_until_a_read_works() {
    let mut options = Options::default();
    options.engine.young_secs = 1;
    let gateway = TestGateway::start_with(options).await;
    let failing = r#"deposit_provider_failing_seconds{provider="btcpay"}"#;
    let created = gateway.create("btc", r#"{"amount":0.0004}"#).await;
    assert_eq!(created.status, 200, "{}", created.body);
    assert_eq!(metric(&gateway, failing).await, Some(0));
    gateway.faults(r#"{"reject_key":true}"#).await;
    gateway.clock.advance_secs(3);
    until("it is seen", async || metric(&gateway, failing).await != Some(0)).await;
    let reply = ready(&gateway).await;
    assert_eq!(reply.status, 200, "one provider harms its own tickers alone: {}", reply.body);
    let shown = reply.json();
    let found = &shown["failing"][0];
    let read = found["call"] == "read" || found["call"] == "read_batch";
    assert!(read && found["provider"] == "btcpay" && found["kind"] == "authentication", "{shown}");
    assert_eq!(found["last"], "btcpay: read: credentials refused");
    let call = found["call"].as_str().unwrap();
    let labels = format!(r#"provider="btcpay",call="{call}",kind="authentication""#);
    let seconds = metric(&gateway, &format!("deposit_provider_call_failing_seconds{{{labels}}}")).await;
    assert!(seconds > Some(0), "{seconds:?}");
    let failures = metric(&gateway, &format!("deposit_provider_call_failures_total{{{labels}}}")).await;
    assert!(failures > Some(0), "{failures:?}");
    let refused = gateway.create("btc", r#"{"amount":0.0004}"#).await;
    refused.assert_error(500, "This payment method is currently not available", "payment_method_unavailable");

    gateway.faults("{}").await;
    gateway.clock.advance_secs(3_600);
    gateway.engine.seed_rates().await.unwrap();
    until("it is over", async || metric(&gateway, failing).await == Some(0)).await;
    assert_eq!(ready(&gateway).await.json().get("failing"), None);
    let created = gateway.create("btc", r#"{"amount":0.0004}"#).await;
    assert_eq!(created.status, 200, "{}", created.body);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_dead_is_shown_without_any_deposit() {
    let options = Options { also: &["nano"], ..Options::default() };
    let gateway = TestGateway::start_with(options).await;
    // An account, whose address is watched.
    assert!(gateway.post("/api/check-balance", "").await.member("nanoDepositAddress").starts_with("nano_"));
    gateway.control("/nano/faults", r#"{"down":true}"#).await;
    let failing = r#"deposit_provider_failing_seconds{provider="nano"}"#;
    until("it is seen", async || metric(&gateway, failing).await.is_some_and(|secs| secs > 0)).await;
    let shown = ready(&gateway).await.json();
    let calls: Vec<&Value> =
        shown["failing"].as_array().unwrap().iter().map(|found| &found["call"]).collect();
    assert!(calls.contains(&&json!("scan")), "{shown}");
    assert_eq!(metric(&gateway, r#"deposit_provider_failing_seconds{provider="btcpay"}"#).await, Some(0));
    gateway.control("/nano/faults", "{}").await;
    let begun = Instant::now();
    while metric(&gateway, failing).await != Some(0) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn deliveries_that_are_not_taken_are_counted_by_reason() {
    let gateway = TestGateway::start_with(Options { background: false, ..Options::default() }).await;
    for _ in 0..7 {
        assert_eq!(gateway.send("POST", "/webhooks/btcpay", &[("btcpay-sig", "x")], "{}").await.status, 401);
    }
    for name in ["made-up", "BTCPAY", "stripe"] {
        assert_eq!(gateway.send("POST", &format!("/webhooks/{name}"), &[], "{}").await.status, 404);
    }
    let huge = " ".repeat(1024 * 1024 + 1);
    assert_eq!(gateway.send("POST", "/webhooks/btcpay", &[], huge).await.status, 413);
    let refused = async |provider: &str, why: &str| {
        let line = format!(r#"deposit_webhooks_refused_total{{provider="{provider}",why="{why}"}}"#);
        metric(&gateway, &line).await
    };
    assert_eq!(refused("btcpay", "signature").await, Some(7));
    assert_eq!(refused("unknown", "unknown_provider").await, Some(3));
    assert_eq!(refused("btcpay", "too_large").await, Some(1));
    // Anybody may send such: the provider itself is well.
    assert_eq!(ready(&gateway).await.body, r#"{"status":"ok"}"#);
    gateway.stop().await;
}

/// `deposit serve` as a process, whose files can be kept from growing.
struct Served {
    process: Child,
    address: String,
}

impl Served {
    fn start(folder: &std::path::Path) -> Self {
        let store = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite://{}/deposit.db\"\n",
            folder.display()
        );
        std::fs::write(folder.join("deposit.toml"), store).unwrap();
        // What writes past the limit gets an error, as on a full disk, instead of a signal.
        let mut process = Command::new("sh")
            .args([
                "-c",
                "trap '' XFSZ; exec \"$0\" \"$@\"",
                env!("CARGO_BIN_EXE_deposit"),
                "serve",
                "--config",
            ])
            .arg(folder.join("deposit.toml"))
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("listening on http://").to_owned();
        Self { process, address }
    }

    fn limit_files(&self, bytes: &str) {
        let done = Command::new("prlimit")
            .args(["--pid", &self.process.id().to_string(), &format!("--fsize={bytes}:unlimited")])
            .status()
            .unwrap();
        assert!(done.success());
    }

    fn ready(&self) -> String {
        let mut socket = std::net::TcpStream::connect(&self.address).unwrap();
        socket.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    fn until_ready(&self, wanted: bool) -> String {
        let begun = Instant::now();
        loop {
            let answer = self.ready();
            if answer.starts_with("HTTP/1.1 200") == wanted {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "still {answer}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_disk_that_is_full_is_not_ready_and_is_again_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path());
    served.until_ready(true);
    served.limit_files("16");
    let answer = served.until_ready(false);
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("the store takes no writes"), "{answer}");
    served.limit_files("unlimited");
    served.until_ready(true);
}
