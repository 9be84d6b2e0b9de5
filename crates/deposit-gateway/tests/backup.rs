//! A backup while the gateway runs, and what it gives after it was restored: the real program, as an operator uses it.
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

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use deposit_sandbox::{Sandbox, SandboxConfig};
use process::Http;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

struct Shop {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
    http: Http,
}

struct Gateway(Child, String);

impl Drop for Gateway {
    fn drop(&mut self) {
        // A failed test leaves no process behind.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Shop {
    async fn new() -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        sandbox.set_gateways(Vec::new());
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "{}\n[server]\nlisten = \"127.0.0.1:0\"\n[poll]\nyoung_seconds = 1\n",
            sandbox.config_toml()
        );
        std::fs::write(folder.path().join("deposit.toml"), config).unwrap();
        Self { sandbox, folder, http: Http::new() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deposit"));
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .env_remove("DEPOSIT_LOG")
            .env("NO_COLOR", "1");
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    async fn out(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    async fn start(&self) -> Gateway {
        let mut child =
            self.command(&["serve"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let mut gateway = Gateway(child, String::new());
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).unwrap();
            line
        });
        gateway.1 = line.await.unwrap().trim().strip_prefix("listening on ").unwrap().to_owned();
        gateway
    }

    async fn stop(&self, mut gateway: Gateway) {
        let asked = Command::new("kill").arg("-TERM").arg(gateway.0.id().to_string()).status().unwrap();
        assert!(asked.success());
        let end = tokio::task::spawn_blocking(move || gateway.0.wait().unwrap()).await.unwrap();
        assert!(end.success(), "{end}");
    }

    /// A new account's Nano address, as its product shows it.
    async fn address(&self, gateway: &Gateway, account: &str) -> String {
        let key = self.out(&["keys", "create", "--account", account]).await;
        let url = format!("{}/api/check-balance", gateway.1);
        let reply = self.http.send("POST", &url, &[("x-api-key", &key)], "").await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["nanoDepositAddress"].as_str().unwrap().to_owned()
    }

    async fn reviews(&self) -> Vec<Value> {
        let lines = self.out(&["review", "list", "--json"]).await;
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The file is put in place, and what the old one left goes; the mark stays.
    fn restore(&self, copy: &str) {
        let at = |name: &str| self.folder.path().join(name);
        for left in ["deposit.db", "deposit.db-wal", "deposit.db-shm"] {
            let _ = std::fs::remove_file(at(left));
        }
        std::fs::copy(at(copy), at("deposit.db")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_address_is_given_twice_and_what_comes_to_a_lost_account_is_seen() {
    let shop = Shop::new().await;
    let gateway = shop.start().await;
    let mut given = BTreeSet::new();
    given.insert(shop.address(&gateway, "ana").await);
    let told: Value = serde_json::from_str(&shop.out(&["backup", "copy.db", "--json"]).await).unwrap();
    assert_eq!((&told["accounts"], &told["lastLedgerEntry"]), (&json!(1), &json!(0)), "{told}");
    let again = shop.run(&["backup", "copy.db"]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("copy.db: exists already"));
    let lost = shop.address(&gateway, "ben").await;
    given.insert(lost.clone());
    shop.stop(gateway).await;

    shop.restore("copy.db");
    let gateway = shop.start().await;
    assert!(given.insert(shop.address(&gateway, "cleo").await), "an address was given again");
    // The payer of the lost account does not know.
    let url = format!("{}/nano/pay", shop.sandbox.control_url());
    let body = json!({ "ref": lost, "amount": "1.5", "stage": "confirmed" }).to_string();
    let paid = shop.http.send("POST", &url, &[], body).await.unwrap();
    assert_eq!(paid.status, 200, "{}", paid.text());
    let begun = Instant::now();
    let reviews = loop {
        let reviews = shop.reviews().await;
        if !reviews.is_empty() {
            break reviews;
        }
        assert!(begun.elapsed() < PATIENCE, "the payment to a lost account is not seen");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((reviews.len(), &reviews[0]["amount"]), (1, &json!("1.5")), "{reviews:?}");
    shop.stop(gateway).await;

    // A volume that was put back as a whole tells nothing: the operator says it.
    let files = ["deposit.db", "deposit.db-mark"];
    let at = |name: &str| shop.folder.path().join(name);
    for file in files {
        std::fs::copy(at(file), at(&format!("old-{file}"))).unwrap();
    }
    let gateway = shop.start().await;
    given.insert(shop.address(&gateway, "dora").await);
    shop.stop(gateway).await;
    shop.restore("old-deposit.db");
    std::fs::copy(at("old-deposit.db-mark"), at("deposit.db-mark")).unwrap();
    shop.out(&["accounts", "gap", "--by", "10"]).await;
    let gateway = shop.start().await;
    assert!(given.insert(shop.address(&gateway, "eve").await), "an address was given again");
    shop.stop(gateway).await;
    // Nothing to copy is no backup.
    let missing =
        shop.command(&["backup", "none.db"]).env("DEPOSIT__STORE__URL", "sqlite://nowhere.db").output();
    let missing = missing.unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(!at("none.db").exists() && !at("nowhere.db").exists());
}
