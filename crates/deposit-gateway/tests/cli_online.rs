//! `deposit config check --online` and the same at the start of `deposit serve`: real processes, emulated providers.
#![cfg(all(feature = "sandbox", unix))]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use deposit_sandbox::{Faults, Sandbox, SandboxConfig};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
const GATEWAY: &str = "https://gw.example";
const PROVIDERS: [&str; 7] = ["btcpay", "daimo", "nano", "nanswap", "promptcash", "stripe", "zano"];

struct Shop {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

impl Shop {
    async fn new() -> Self {
        let gateways = vec![GATEWAY.to_owned()];
        let sandbox = Sandbox::start(SandboxConfig { gateways, ..SandboxConfig::default() }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "{}\n[server]\nlisten = \"127.0.0.1:0\"\npublic_url = \"{GATEWAY}\"\n",
            sandbox.config_toml()
        );
        std::fs::write(folder.path().join("deposit.toml"), config).unwrap();
        Self { sandbox, folder }
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

    /// Runs beside the test's own runtime, in which the emulators live.
    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let printed = format!("{output:?}");
        for (provider, key) in
            [("btcpay", "api_key"), ("stripe", "secret_key"), ("zano", "jwt_secret"), ("nano", "seed")]
        {
            assert!(
                !printed.contains(&self.sandbox.setting(provider, key).unwrap()),
                "{provider} {key} is printed"
            );
        }
        output
    }

    /// The lines of `--json` that are wrong, and the exit code.
    async fn wrong(&self) -> (Vec<(String, String)>, i32) {
        let output = self.run(&["config", "check", "--online", "--json"]).await;
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
        let all = found["online"].as_array().unwrap();
        let wrong: Vec<_> = all
            .iter()
            .filter(|item| item["state"] == "wrong")
            .inspect(|item| assert!(!text(item, "text").is_empty()))
            .map(|item| (text(item, "provider"), text(item, "item")))
            .collect();
        assert_eq!(found["ok"], wrong.is_empty());
        for provider in PROVIDERS {
            assert!(all.iter().any(|item| item["provider"] == provider), "{provider} is missing");
        }
        (wrong, output.status.code().unwrap())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn what_is_set_up_is_told_and_ends_with_0() {
    let shop = Shop::new().await;
    assert_eq!(shop.wrong().await, (vec![], 0));
    let output = shop.run(&["config", "check", "--online"]).await;
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(
        printed.contains("right btcpay.store.canviewinvoices") && printed.contains(" 0 wrong"),
        "{printed}"
    );
    assert!(printed.ends_with("nothing is wrong\n"), "{printed}");
    let plain = shop.run(&["config", "check", "--json"]).await;
    let plain: Value = serde_json::from_slice(&plain.stdout).unwrap();
    assert_eq!(plain.get("online"), None, "nobody was to be asked");
}

#[tokio::test]
async fn each_mistake_is_named_and_ends_with_1_and_spoils_no_other_provider() {
    type Mistake = (&'static str, &'static str, fn(&Sandbox));
    let mistakes: [Mistake; 8] = [
        ("btcpay", "credentials", |s| s.emulators().btcpay.revoke_key()),
        ("btcpay", "right btcpay.store.canmodifyinvoices", |s| {
            s.emulators().btcpay.take_right("btcpay.store.canmodifyinvoices");
        }),
        ("btcpay", "webhook", |s| s.emulators().btcpay.switch_webhook(false)),
        ("btcpay", "store networkFeeMode", |s| s.emulators().btcpay.set_fee_mode("Always")),
        ("stripe", "webhook", |s| s.emulators().stripe.switch_webhook(false)),
        ("stripe", "account charges_enabled", |s| s.emulators().stripe.allow_charges(false)),
        ("daimo", "credentials", |s| {
            assert!(s.set_faults("daimo", Faults { reject_key: true, ..Faults::default() }));
        }),
        ("zano", "wallet height", |s| {
            s.emulators().zano.stick(true);
            s.emulators().zano.mine(40);
        }),
    ];
    for (provider, item, mistake) in mistakes {
        let shop = Shop::new().await;
        mistake(&shop.sandbox);
        assert_eq!(shop.wrong().await, (vec![(provider.to_owned(), item.to_owned())], 1));
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_wrong_alone() {
    let shop = Shop::new().await;
    assert!(shop.sandbox.set_faults("stripe", Faults { down: true, ..Faults::default() }));
    assert_eq!(shop.wrong().await, (vec![("stripe".to_owned(), "reachable".to_owned())], 1));
    let output = shop.run(&["config", "check", "--online"]).await;
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed.contains("WRONG") && printed.contains("`providers.stripe.base_url`"), "{printed}");
    assert!(!printed.contains("nothing is wrong"), "{printed}");
}

/// Ends the process, whatever becomes of the test.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `serve` and answers its log up to the first line that holds `last`.
async fn log_of_serve(shop: &Shop, last: &'static str) -> Vec<String> {
    let mut child = shop.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let gateway = Gateway(child);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    tokio::task::spawn_blocking(move || {
        let _gateway = gateway;
        let mut log = Vec::new();
        loop {
            let line = receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {last:?} in {log:#?}"));
            let found = line.contains(last);
            log.push(line);
            if found {
                return log;
            }
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn serve_logs_what_is_wrong_and_one_line_where_nothing_is() {
    let shop = Shop::new().await;
    let log = log_of_serve(&shop, "checks passed").await;
    assert!(!log.iter().any(|line| line.contains("not set up as it should be")), "{log:#?}");
    shop.sandbox.emulators().btcpay.revoke_key();
    let log = log_of_serve(&shop, "not set up as it should be").await;
    let line = log.last().unwrap();
    assert!(line.contains("WARN") && line.contains("btcpay") && line.contains("credentials"), "{line}");
    assert!(line.contains("`providers.btcpay.api_key`"), "{line}");
}
