//! `deposit create`, `limits`, `status`, `watch`: the real binary against a running gateway.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Options, TestGateway};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

fn deposit(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deposit"));
    command.args(arguments).env("NO_COLOR", "1").current_dir(env!("CARGO_TARGET_TMPDIR"));
    for variable in ["DEPOSIT_LOG", "DEPOSIT_URL", "DEPOSIT_API_KEY", "http_proxy", "HTTP_PROXY"] {
        command.env_remove(variable);
    }
    command
}

/// As a customer of that gateway.
fn at(gateway: &TestGateway, arguments: &[&str]) -> Command {
    let mut command = deposit(arguments);
    command.env("DEPOSIT_URL", gateway.url("")).env("DEPOSIT_API_KEY", &gateway.key);
    command
}

struct Done {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Beside the gateway, which runs in this process.
async fn run(mut command: Command) -> Done {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap().into()
}

/// A running `watch`, whose lines are read one by one.
struct Watch {
    child: Child,
    lines: tokio::sync::mpsc::UnboundedReceiver<String>,
}

impl Watch {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(std::time::Duration::from_secs(30), self.lines.recv());
        line.await.expect("no line").expect("the output ended")
    }

    async fn line_with(&mut self, word: &str) -> String {
        loop {
            let line = self.line().await;
            if line.contains(word) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").arg(name).arg(self.child.id().to_string()).status().unwrap().success());
    }

    async fn end(self) -> Done {
        tokio::task::spawn_blocking(move || self.child.wait_with_output().unwrap()).await.unwrap().into()
    }
}

async fn create(gateway: &TestGateway) -> String {
    gateway.create("btc", r#"{"amount":0.0004}"#).await.member("txId")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_from_its_limits_to_its_credit() {
    let gateway = TestGateway::start().await;

    let limits = run(at(&gateway, &["limits", "btc"])).await;
    assert_eq!(limits.code, 0, "{}", limits.err);
    assert_eq!(
        limits.out,
        "ticker     BTC\nminimum    0.000002 (0.1 USD)\nmaximum    0.01 (500 USD)\nrate of    2026-03-04T09:30:00Z\n"
    );
    let limits = run(at(&gateway, &["limits", "btc", "--json"])).await;
    assert_eq!(limits.out.trim_end(), gateway.get("/api/transaction/limits/btc").await.body);

    // The amount goes out as it was typed and comes back exactly.
    let created = run(at(&gateway, &["create", "BTC", "4.0e-4", "--idempotency-key", "o-17"])).await;
    assert_eq!(created.code, 0, "{}", created.err);
    let word = |name: &str| {
        let line = created
            .out
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{}", created.out));
        line.split_once("  ").unwrap().1.trim().to_owned()
    };
    let (id, address) = (word("deposit"), word("address"));
    assert_eq!(word("pay"), "0.0004 BTC (20 USD)");
    assert_eq!(word("link"), format!("bitcoin:{address}?amount=0.0004"));
    assert_eq!(word("until"), "2026-03-04T10:30:00.000Z");
    assert!(created.out.contains(&format!("deposit watch BTC {id}")), "{}", created.out);
    assert!(!created.out.contains('█') && !created.out.contains('\u{1b}'), "no drawing in a pipe");
    let again = run(at(&gateway, &["create", "btc", "0.0004", "--idempotency-key", "o-17", "--json"])).await;
    let json: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(json["txId"], id.as_str(), "the same key, the same deposit");
    assert!(again.out.contains(r#""amount":0.0004,"#) && again.out.lines().count() == 1, "{}", again.out);
    let drawn = run(at(&gateway, &["create", "btc", "0.0004", "--qr", "always"])).await;
    assert!(drawn.out.contains('█') && !drawn.out.contains(&id), "{}", drawn.out);

    let status = run(at(&gateway, &["status", "btc", &id])).await;
    assert_eq!(status.code, 0, "{}", status.err);
    assert!(status.out.contains("status     New: no payment seen yet\n"), "{}", status.out);
    let status = run(at(&gateway, &["status", "btc", &id, "--json"])).await;
    assert_eq!(status.out.trim_end(), gateway.status("btc", &id).await.body);

    let mut watch = Watch::start(at(&gateway, &["watch", "BTC", &id]));
    let mut json = Watch::start(at(&gateway, &["watch", "BTC", &id, "--json"]));
    assert_eq!(watch.line().await, "2026-03-04T09:30:00.000Z  New         0.0004 BTC awaited");
    json.line().await;
    gateway.pay(&id, None).await;
    let line = watch.line_with("Completed").await;
    assert_eq!(
        line.split_once("Completed   ")
            .unwrap()
            .1
            .split(", ")
            .filter(|w| !w.contains("confirmations"))
            .collect::<Vec<_>>(),
        ["0.0004 of 0.0004 BTC paid", "20 USD credited"]
    );
    let last = json.line_with("Completed").await;
    let object: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(object["txId"], id.as_str());
    assert!(last.contains(r#""creditedUsd":20"#), "{last}");
    for watch in [watch, json] {
        let done = watch.end().await;
        assert_eq!((done.code, done.err.as_str()), (0, ""));
    }
    let over = run(at(&gateway, &["watch", "BTC", &id])).await;
    assert_eq!((over.code, over.out.lines().count()), (0, 1), "{}", over.out);
    let status = run(at(&gateway, &["status", "btc", &id])).await;
    assert!(status.out.contains("status     Completed: credited\n"), "{}", status.out);
    assert!(status.out.contains("credited   20 USD"), "{}", status.out);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_can_be_followed_at_once() {
    let gateway = TestGateway::start().await;
    let mut watch = Watch::start(at(&gateway, &["create", "LTC", "0.5", "--watch", "--json"]));
    let created: Value = serde_json::from_str(&watch.line().await).unwrap();
    gateway.pay(created["txId"].as_str().unwrap(), None).await;
    watch.line_with(r#""status":"Completed""#).await;
    assert_eq!(watch.end().await.code, 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_tells_the_outcome() {
    let gateway = TestGateway::start().await;
    let late = create(&gateway).await;

    let waited = run(at(&gateway, &["watch", "BTC", &late, "--timeout", "1"])).await;
    assert_eq!(waited.code, 1);
    assert_eq!(waited.err, "deposit: not credited after 1 s (--timeout)\n");

    let mut interrupted = Watch::start(at(&gateway, &["watch", "BTC", &late, "--json"]));
    interrupted.line().await;
    interrupted.signal("-INT");
    let done = interrupted.end().await;
    assert_eq!(done.code, 1);
    let said: Value = serde_json::from_str(&done.err).unwrap();
    assert_eq!(said["code"], "interrupted");

    gateway.advance(3601).await;
    gateway.wait_for("btc", &late, "Expired").await;
    let expired = run(at(&gateway, &["watch", "BTC", &late])).await;
    assert_eq!(expired.code, 1);
    assert!(
        expired.out.contains("Expired") && expired.err.contains("--keep-watching"),
        "{}{}",
        expired.out,
        expired.err
    );

    // It is paid late, and credited all the same.
    let mut patient = Watch::start(at(&gateway, &["watch", "BTC", &late, "--keep-watching"]));
    patient.line_with("Expired").await;
    gateway.pay(&late, None).await;
    let line = patient.line_with("Completed").await;
    assert!(line.contains("late"), "{line}");
    assert_eq!(patient.end().await.code, 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_says_what_to_do_next() {
    let gateway = TestGateway::start().await;
    let id = create(&gateway).await;
    let other = gateway.issue_key("ben").await;
    for (arguments, code, error, hint) in [
        (&["limits", "nosuch"][..], "unsupported_ticker", "Unsupported ticker", "the tickers are BTC "),
        (&["create", "xno", "1"], "unsupported_ticker", "Unsupported ticker", "the tickers are"),
        (
            &["create", "btc", "0.000001"],
            "amount_below_minimum",
            "Minimum amount is 0.000002",
            "`deposit limits btc`",
        ),
        (&["create", "btc", "7"], "amount_above_maximum", "Maximum amount is 0.01", "`deposit limits btc`"),
        (&["create", "btc", "-1"], "invalid_amount", "Invalid amount. Must be a positive number.", "0.0004"),
        (&["create", "btc", "0.0004000001"], "amount_precision", "at most 8 decimals", "0.0004"),
        (&["create", "kas", "500"], "payment_method_unavailable", "not available", "`deposit config check`"),
        (
            &["create", "btc", "0.0004", "--idempotency-key", "ö"],
            "invalid_idempotency_key",
            "Invalid idempotency key",
            "printable",
        ),
        (&["status", "btc", "nosuchid"], "not_found", "Transaction not found", "check ticker and ID"),
        (&["status", "btc", "a b"], "invalid_tx_id", "Invalid transaction ID", ""),
        (&["watch", "btc", "nosuchid"], "not_found", "Transaction not found", "check ticker and ID"),
        (&["watch", "ltc", &id], "not_found", "Transaction not found", "check ticker and ID"),
    ] {
        let failed = run(at(&gateway, arguments)).await;
        assert_eq!((failed.code, failed.out.as_str()), (1, ""), "{arguments:?} {}", failed.err);
        assert!(
            failed.err.starts_with("deposit: ") && failed.err.contains(error),
            "{arguments:?} {}",
            failed.err
        );
        assert!(failed.err.contains(hint), "{arguments:?} {}", failed.err);
        let json = run(at(&gateway, &[arguments, &["--json"]].concat())).await;
        assert_eq!((json.code, json.out.as_str()), (1, ""));
        let said: Value = serde_json::from_str(&json.err).unwrap_or_else(|e| panic!("{e}: {}", json.err));
        assert_eq!(said["code"], code, "{}", json.err);
        assert!(said["error"].as_str().unwrap().contains(error) && said["status"].is_u64(), "{}", json.err);
    }

    let mut foreign = at(&gateway, &["status", "btc", &id]);
    foreign.env("DEPOSIT_API_KEY", &other);
    assert!(run(foreign).await.err.contains("a key of the account that made it"));
    let mut wrong = at(&gateway, &["limits", "btc"]);
    wrong.env("DEPOSIT_API_KEY", "hush-wrong");
    let wrong = run(wrong).await;
    assert!(
        wrong.err.contains("Incorrect API key") && wrong.err.contains("deposit keys create --account"),
        "{}",
        wrong.err
    );
    assert!(!wrong.err.contains("hush"), "{}", wrong.err);
    let mut none = at(&gateway, &["watch", "btc", &id]);
    none.env_remove("DEPOSIT_API_KEY");
    let none = run(none).await;
    assert_eq!(none.code, 1);
    assert!(none.err.contains("no API key") && none.err.contains("DEPOSIT_API_KEY"), "{}", none.err);

    // A key from a file, as secrets are given elsewhere.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, format!("{}\n", gateway.key)).unwrap();
    let mut filed = at(&gateway, &["limits", "btc", "--key-file", file.to_str().unwrap()]);
    filed.env_remove("DEPOSIT_API_KEY");
    assert_eq!(run(filed).await.code, 0);
    let missing = run(at(&gateway, &["limits", "btc", "--key-file", "/nonexistent/key"])).await;
    assert!(missing.code == 1 && missing.err.contains("/nonexistent/key"), "{}", missing.err);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_not_there_and_wrong_usage() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    for arguments in
        [&["limits", "btc"][..], &["create", "btc", "1"], &["status", "btc", "x"], &["watch", "btc", "x"]]
    {
        let mut command = deposit(&[arguments, &["--url", &url]].concat());
        command.env("DEPOSIT_API_KEY", "k");
        let failed = run(command).await;
        assert_eq!(failed.code, 1);
        assert!(failed.err.contains(&format!("no gateway answers at {url}")), "{}", failed.err);
        assert!(failed.err.contains("refused") && failed.err.contains("deposit serve"), "{}", failed.err);
    }
    for arguments in [
        &["limits"][..],
        &["limits", ""],
        &["create", "btc", "1,5"],
        &["create", "btc", ".5"],
        &["create", "btc", "1", "--timeout", "3"],
        &["create", "btc", "1", "--api-key", "k"],
        &["watch", "btc"],
        &["limits", "btc", "--url", "nonsense"],
        &["limits", "btc", "--url", "http://user:secret@x"],
        &["completions", "nosuch"],
    ] {
        assert_eq!(run(deposit(arguments)).await.code, 2, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_say_how_long_to_wait() {
    let mut options = Options::default();
    options.engine.create_limit.requests = 1;
    let gateway = TestGateway::start_with(options).await;
    create(&gateway).await;
    let refused = run(at(&gateway, &["create", "btc", "0.0004"])).await;
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("Too many requests") && refused.err.contains("try again in 600 s"),
        "{}",
        refused.err
    );
    gateway.stop().await;
}

/// Passes connections on to a gateway until it is told to cut them.
struct Cutter {
    address: SocketAddr,
    cut: broadcast::Sender<()>,
    connections: Arc<AtomicUsize>,
}

impl Cutter {
    async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, _) = broadcast::channel(1);
        let connections = Arc::new(AtomicUsize::new(0));
        tokio::spawn({
            let (cut, connections) = (cut.clone(), Arc::clone(&connections));
            async move {
                while let Ok((mut near, _)) = listener.accept().await {
                    connections.fetch_add(1, Ordering::SeqCst);
                    let mut cut = cut.subscribe();
                    tokio::spawn(async move {
                        let mut far = TcpStream::connect(to).await.unwrap();
                        tokio::select! {
                            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                            _ = cut.recv() => {}
                        }
                    });
                }
            }
        });
        Self { address, cut, connections }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_survives_a_cut_connection() {
    let gateway = TestGateway::start().await;
    let id = create(&gateway).await;
    let cutter = Cutter::start(gateway.address).await;
    let url = format!("http://{}", cutter.address);
    let mut watch = Watch::start(at(&gateway, &["watch", "btc", &id, "--url", &url]));
    watch.line_with("New").await;
    let before = cutter.connections.load(Ordering::SeqCst);
    cutter.cut.send(()).ok();
    gateway.pay(&id, None).await;
    watch.line_with("Completed").await;
    assert!(cutter.connections.load(Ordering::SeqCst) > before, "another connection");
    let done = watch.end().await;
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(!done.err.contains("panicked"), "{}", done.err);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_reason_to_panic() {
    let gateway = TestGateway::start().await;
    let id = create(&gateway).await;
    for arguments in [
        &["status", "btc", &id][..],
        &["limits", "btc", "--json"],
        &["watch", "btc", &id],
        &["create", "btc", "0.0004"],
        &["completions", "bash"],
        &["config", "check"],
    ] {
        let mut command = at(&gateway, arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let done: Done =
            tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap().into();
        assert_eq!((done.code, done.err.as_str()), (1, ""), "{arguments:?}");
    }
    gateway.stop().await;
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let done: Done = deposit(&["completions", shell]).output().unwrap().into();
        assert_eq!(done.code, 0);
        for word in ["create", "limits", "status", "watch", "keys"] {
            assert!(done.out.contains(word), "{shell}: {word}");
        }
    }
}
