//! The command line, as a person or script uses it: real processes, real files, real sockets.
#![cfg(feature = "sandbox")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn deposit(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deposit"));
    command.current_dir(folder).args(arguments).env_remove("DEPOSIT_LOG").env("NO_COLOR", "1");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DEPOSIT__")) {
        command.env_remove(name);
    }
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    deposit(folder, arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A server process that is killed when the test ends, however it ends.
struct Server {
    child: Child,
    address: String,
    /// Kept, so that the process can go on printing.
    _stdout: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("listening on http://") else {
            let mut rest = String::new();
            child.kill().ok();
            child.stderr.take().unwrap().read_to_string(&mut rest).ok();
            panic!("no address in {line:?}: {rest}");
        };
        Self { address: address.to_owned(), child, _stdout: stdout }
    }

    fn request(&self, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n").unwrap();
        write!(stream, "content-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn balance(&self, key: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST /api/check-balance HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {key}\r\ncontent-length: 0\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn terminate(mut self) -> (std::process::ExitStatus, String) {
        let killed = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
        let status = self.child.wait().unwrap();
        let mut logs = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut logs).unwrap();
        (status, logs)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn the_demo_credits_every_ticker_exactly_once() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["demo", "--json"]);
    assert!(output.status.success(), "{}{}", out(&output), err(&output));
    let lines: Vec<Value> = out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (ledger, deposits) = lines.split_last().unwrap();
    assert!(deposits.len() >= 8, "{deposits:?}");
    for deposit in deposits {
        assert_eq!(deposit["status"], "Completed", "{deposit}");
        assert_eq!(deposit["asked"], deposit["paid"], "{deposit}");
        let members: Vec<&str> = deposit.as_object().unwrap().keys().map(String::as_str).collect();
        for member in
            ["ticker", "provider", "txId", "asked", "paid", "credited", "creditedIn", "status", "seconds"]
        {
            assert!(members.contains(&member), "{member} in {deposit}");
        }
    }
    assert_eq!(ledger["ledger"], "balanced");
    assert_eq!(ledger["deposits"], deposits.len());
    assert_eq!(ledger["credits"], deposits.len());
}

#[test]
fn without_a_terminal_the_demo_prints_plain_lines() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["demo"]);
    let text = out(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("every credit is there exactly once") && text.contains("ledger balanced"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no escape sequences outside a terminal: {text:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the demo leaves nothing behind");
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let too_long = "x".repeat(65);
    for arguments in [
        &["nonsense"][..],
        &["keys", "create"],
        &["keys", "create", "--account", "a b"],
        &["serve", "--port", "1"],
    ]
    .into_iter()
    .chain([&["keys", "create", "--account", too_long.as_str()][..]])
    {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", err(&output));
    }
    let help = run(folder.path(), &["--help"]);
    assert!(help.status.success() && out(&help).contains("Examples:"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn configuration_mistakes_name_the_key_and_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deposit.toml");
    for (text, expected) in [
        ("[server]\nlisen = \"127.0.0.1:0\"\n", "deposit.toml:2: `server.lisen`"),
        ("[store]\nurl = \"mysql://x\"\n", "store.url"),
        (
            "[providers.btcpay]\nbase_url = \"x\"\napi_key = \"hush\"\nstore_id = \"s\"\nwebhook_secret = \"w\"\n",
            "deposit.toml:2: `providers.btcpay.base_url`",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let output = run(folder.path(), &["serve"]);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(err(&output).contains(expected), "{text:?} said {}", err(&output));
        assert!(!err(&output).contains("hush"), "{}", err(&output));
        assert!(out(&output).is_empty(), "nothing listens: {}", out(&output));
    }
    let missing = run(folder.path(), &["serve", "--config", "nowhere.toml"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(err(&missing).contains("nowhere.toml: cannot be read"), "{}", err(&missing));
}

#[test]
fn config_check_says_what_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.toml");
    std::fs::write(
        &file,
        "[providers.btcpay]\nbase_url = \"http://127.0.0.1:9\"\napi_key = \"hush\"\nstore_id = \"s\"\nwebhook_secret = \"hush\"\n",
    )
    .unwrap();
    let output = run(folder.path(), &["config", "check", "--json", "--config", "other.toml"]);
    assert!(output.status.success(), "{}", err(&output));
    let said: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(said["tickers"].as_array().unwrap().len(), 8);
    assert_eq!(said["off"].as_array().unwrap().len(), 17);
    assert!(!out(&output).contains("hush"));

    std::fs::write(&file, "[rates]\nsources = [\"oracle\"]\n").unwrap();
    let output = run(folder.path(), &["config", "check", "--config", "other.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("other.toml:2: `rates.sources`"), "{}", err(&output));
}

#[test]
fn a_store_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let no_database = folder.path().join("text.db");
    std::fs::write(&no_database, "this is no database, whatever its name says\n".repeat(100)).unwrap();
    for url in [
        format!("sqlite://{}", folder.path().join("no/such/folder/deposit.db").display()),
        format!("sqlite://{}", folder.path().display()),
        format!("sqlite://{}", no_database.display()),
    ] {
        let mut command = deposit(folder.path(), &["serve"]);
        command.env("DEPOSIT__STORE__URL", &url).env("DEPOSIT__SERVER__LISTEN", "127.0.0.1:0");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{url}: {}", err(&output));
        let path = url.strip_prefix("sqlite://").unwrap();
        assert!(err(&output).contains("store") && err(&output).contains(path), "{url}: {}", err(&output));
    }
    assert!(std::fs::read_to_string(&no_database).unwrap().starts_with("this is no database"));
}

#[test]
fn a_taken_port_is_named_and_no_store_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = deposit(folder.path(), &["serve"]);
    let output = command.env("DEPOSIT__SERVER__LISTEN", &address).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("server.listen") && err(&output).contains(&address), "{}", err(&output));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was half-made");
}

#[test]
fn keys_work_beside_a_running_gateway_and_secrets_stay_out_of_the_logs() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = deposit(folder.path(), &["serve"]);
    command.env("DEPOSIT__SERVER__LISTEN", "127.0.0.1:0").env("DEPOSIT_LOG", "debug");
    let server = Server::start(command);
    assert!(server.request("GET /readyz", "").starts_with("HTTP/1.1 200"), "ready once it says so");

    let created = run(folder.path(), &["keys", "create", "--account", "ana"]);
    assert!(created.status.success(), "{}", err(&created));
    let text = out(&created);
    let key = text.trim();
    assert_eq!(text.lines().count(), 1, "the key alone: {text:?}");

    let answer = server.balance(key);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(r#""usd_balance":"0""#), "{answer}");

    let listed = run(folder.path(), &["keys", "list", "--json"]);
    let row: Value = serde_json::from_str(out(&listed).trim()).unwrap();
    assert_eq!(row["account"], "ana");
    assert_eq!(row["revokedAt"], Value::Null);
    assert!(!out(&listed).contains(key), "a key is printed once");

    let id = row["id"].as_str().unwrap();
    assert!(run(folder.path(), &["keys", "revoke", id]).status.success());
    assert!(server.balance(key).starts_with("HTTP/1.1 401"), "a revoked key is refused at once");
    let unknown = run(folder.path(), &["keys", "revoke", "nosuchkey"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).contains("nosuchkey"));

    let (status, logs) = server.terminate();
    assert_eq!(status.code(), Some(0), "SIGTERM is an orderly end: {logs}");
    assert!(!logs.contains(key), "no key in the logs");
    let database: Vec<u8> = std::fs::read(folder.path().join("deposit.db")).unwrap();
    let needle = key.as_bytes();
    assert!(!database.windows(needle.len()).any(|window| window == needle), "only the hash is stored");
}

#[test]
fn a_provider_that_refuses_the_key_is_said_and_nothing_is_shown_to_the_payer() {
    let folder = tempfile::tempdir().unwrap();
    let mut sandbox = deposit(folder.path(), &["sandbox", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(sandbox.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    assert!(said["control"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    let config = said["config"].as_str().unwrap();
    std::fs::write(folder.path().join("deposit.toml"), config).unwrap();

    let key = out(&run(folder.path(), &["keys", "create", "--account", "ana"])).trim().to_owned();
    let mut command = deposit(folder.path(), &["serve"]);
    command
        .env("DEPOSIT__SERVER__LISTEN", "127.0.0.1:0")
        .env("DEPOSIT__PROVIDERS__BTCPAY__API_KEY", "hush-hush-wrong-key");
    let server = Server::start(command);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let body = r#"{"amount":0.0004}"#;
    write!(
        stream,
        "POST /api/transaction/create/btc HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {key}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(answer.contains(r#""code":"payment_method_unavailable""#), "{answer}");
    let (_, logs) = server.terminate();
    sandbox.kill().ok();
    sandbox.wait().ok();
    assert!(logs.contains("btcpay: open: credentials refused"), "the operator is told: {logs}");
    assert!(!logs.contains("hush"), "{logs}");
}
