//! A gateway that is killed between any two steps and started again ends in the same ledger as one that was not.
//!
//! The feature `crash-points` compiles `crash_point("…")` into an abort of the child process, so this file's binary is not the one that
//! is shipped. Every point of the sources is in [`TABLE`]; a new one that is not fails [`every_point_is_killed`].
#![cfg(unix)]
#![allow(clippy::print_stdout, clippy::wildcard_enum_match_arm)]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod process;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deposit_store::prelude::*;
use futures_util::stream::{self, StreamExt as _};
use process::{Book, Mortal, Played, Program, Site as _, check_truth};
use serde_json::json;

/// Signal numbers of POSIX.
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

/// How long a step of the play with standing addresses may take, kills included.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many gateways of one group run at once.
const AT_ONCE: usize = 4;

/// A group of runs; each run is a list of points at which one gateway after the other dies.
type Group = &'static [&'static [&'static str]];

/// From a client's request to its answer. The fourth create is killed too: others' payments are under way then.
const CREATE: Group = &[
    &["create.admitted"],
    &["create.begun"],
    &["create.opened"],
    &["create.finished"],
    &["store.in_finish_create"],
    &["create.admitted#4"],
    &["create.begun#4"],
    &["create.opened#4"],
    &["create.finished#4"],
    &["store.in_finish_create#4"],
    // Taken up by the second process, which dies in turn: nothing was opened at the provider, or something was.
    &["create.begun", "create.resumed"],
    &["create.opened", "create.resumed"],
    &["create.opened", "create.opened", "store.in_finish_create", "create.finished"],
];

/// From a provider's message to what was made of it.
const WEBHOOK: Group = &[
    &["webhook.verified"],
    &["webhook.verified#6"],
    &["webhook.journalled"],
    &["webhook.journalled#6"],
    &["webhook.handled"],
    &["webhook.handled#3"],
    &["webhook.handled#6"],
    &["webhook.journalled", "webhook.handled", "webhook.verified"],
];

/// From a read to the ledger.
const OBSERVE: Group = &[
    &["observe.read"],
    &["observe.read#4"],
    &["observe.before_commit"],
    &["observe.before_commit#2"],
    &["observe.before_commit#3"],
    &["observe.before_commit#5"],
    &["observe.committed"],
    &["observe.committed#2"],
    &["observe.committed#3"],
    &["observe.committed#5"],
    &["observe.before_commit", "observe.committed", "observe.before_commit#2", "observe.committed#2"],
];

/// Within the transaction that credits, at each of the scenario's first credits and reversals.
const CREDIT: Group = &[
    &["store.in_commit.evidence"],
    &["store.in_commit.evidence#2"],
    &["store.in_commit.evidence#4"],
    &["store.in_commit.evidence#7"],
    &["store.in_commit.postings"],
    &["store.in_commit.postings#2"],
    &["store.in_commit.postings#4"],
    &["store.in_commit.postings#7"],
    &["store.in_commit.postings#8"],
    &[
        "store.in_commit.postings",
        "store.in_commit.postings",
        "store.in_commit.evidence",
        "observe.before_commit",
    ],
];

/// Around the writer's own commits, whatever is in them; the first ones are those of the start.
const WRITER: Group = &[
    &["store.before_commit"],
    &["store.before_commit#2"],
    &["store.before_commit#5"],
    &["store.before_commit#11"],
    &["store.before_commit#23"],
    &["store.after_commit"],
    &["store.after_commit#3"],
    &["store.after_commit#7"],
    &["store.after_commit#13"],
    &["store.after_commit#29"],
];

/// From a payment to a standing address to the block that takes it in.
const STANDING: Group = &[
    &["scan.opened"],
    &["scan.opened#2"],
    &["scan.opened#3"],
    &["scan.committed"],
    &["scan.committed#3"],
    &["scan.moved"],
    &["scan.moved#3"],
    &["receive.taken"],
    &["receive.taken#2"],
    &["receive.noted"],
    &["scan.opened", "scan.committed", "receive.taken", "scan.moved"],
];

const TABLE: &[Group] = &[CREATE, WEBHOOK, OBSERVE, CREDIT, WRITER, STANDING];

/// Those that the promise "between any two steps of create and of credit" was made for: the list may grow, never shrink.
const LEAST: &[&str] = &[
    "create.admitted",
    "create.begun",
    "create.finished",
    "create.opened",
    "create.resumed",
    "observe.before_commit",
    "observe.committed",
    "observe.read",
    "store.after_commit",
    "store.before_commit",
    "store.in_commit.evidence",
    "store.in_commit.postings",
    "store.in_finish_create",
    "webhook.handled",
    "webhook.journalled",
    "webhook.verified",
];

#[test]
fn every_point_is_killed() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = BTreeSet::new();
    for file in sources(crates) {
        let text = std::fs::read_to_string(&file).unwrap();
        for rest in text.split("crash_point(\"").skip(1) {
            found.insert(rest.split('"').next().unwrap().to_owned());
        }
    }
    for point in LEAST {
        assert!(found.contains(*point), "the sources have no crash point {point} any more");
    }
    let killed: BTreeSet<String> =
        TABLE.iter().copied().flatten().copied().flatten().map(|point| name(point).to_owned()).collect();
    assert_eq!(found, killed, "the crash points of the sources, and those that are killed at");
}

fn sources(crates: &Path) -> Vec<PathBuf> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    };
    let mut folders: Vec<PathBuf> = list(crates).into_iter().map(|krate| krate.join("src")).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in list(&folder) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                files.push(path);
            }
        }
    }
    files
}

fn name(point: &str) -> &str {
    point.split('#').next().unwrap()
}

/// Plays the scenario with a gateway that dies as planned; what comes of it.
async fn run(program: &Program, plan: &[&str]) -> Book {
    let mut shop = Mortal::shop(program, plan, &[]).await;
    let played = shop.play(0).await;
    let book = settle(&mut shop, &[played]).await;
    let deaths = &shop.site.deaths;
    assert_eq!(
        deaths.len(),
        plan.len(),
        "{plan:?}: the scenario does not reach {:?}, or the program was built again without the feature crash-points",
        plan.get(deaths.len())
    );
    for (death, point) in deaths.iter().zip(plan) {
        assert_eq!(death.signal(), Some(SIGABRT), "{point}: {death}");
    }
    shop.site.stop().await;
    book
}

/// Compares with the provider's truth and reads the book of the last round.
async fn settle(shop: &mut process::Shop<Mortal>, rounds: &[Played]) -> Book {
    let store = shop.site.store().await;
    let book = Book::read(shop, rounds.last().unwrap(), &store).await;
    check_truth(shop, rounds, &store, &shop.site.courier.heard()).await;
    store.close().await;
    book
}

async fn kill_at_each(group: Group) {
    let program = Program::keep();
    let calm = run(&program, &[]).await;
    assert_eq!(calm.credits, 9, "{calm:#?}");
    stream::iter(group)
        .for_each_concurrent(AT_ONCE, |plan| {
            let (program, calm) = (&program, &calm);
            async move {
                // Shown by the runner if it fails: a panic in the middle of a step does not know the plan.
                println!("killed at {plan:?}");
                assert_eq!(run(program, plan).await, *calm, "killed at {plan:?}");
                println!("as calm: {plan:?}");
            }
        })
        .await;
}

#[tokio::test]
async fn killed_within_create() {
    kill_at_each(CREATE).await;
}

/// The client's repeat waits for no lease: the process that held it is known to be dead. What holds all the same is the provider's own rule, at
/// BTCPay a look-up that proves nothing before the lost call's own time.
#[tokio::test]
async fn a_killed_create_is_taken_up_by_the_next_process_at_once() {
    let program = Program::keep();
    let points = ["create.admitted", "create.begun", "create.opened", "store.in_finish_create"];
    // By what a repeat is safe: a key, nothing, a look-up.
    let tickers = [("BCH", "0.05"), ("KAS", "200"), ("BTC", "0.0004")];
    let runs = tickers.iter().flat_map(|ticker| points.iter().map(move |point| (*ticker, *point)));
    stream::iter(runs)
        .for_each_concurrent(AT_ONCE, |((ticker, amount), point)| {
            let program = &program;
            async move {
                println!("{ticker} killed at {point}");
                let mut shop = Mortal::shop(program, &[point], &[]).await;
                shop.site.sleeps = 0;
                let path = format!("/api/transaction/create/{ticker}");
                let body = format!(r#"{{"amount":{amount}}}"#);
                // Its first answer: of the process after the one that died.
                let mut reply = shop.ask(0, "POST", &path, Some("k"), &body).await;
                assert_eq!(shop.site.deaths.len(), 1, "{ticker} {point}");
                if (ticker, point) == ("BTC", "create.begun") {
                    assert_eq!(reply.status, 500, "{}", reply.text());
                    let wait: u64 = reply.headers["retry-after"].to_str().unwrap().parse().unwrap();
                    assert!((1..=10).contains(&wait), "{wait}");
                    tokio::time::sleep(Duration::from_secs(wait)).await;
                    reply = shop.ask(0, "POST", &path, Some("k"), &body).await;
                }
                assert_eq!(reply.status, 200, "{ticker} {point}: {}", reply.text());
                let id = reply.json()["txId"].clone();
                let again = shop.ask(0, "POST", &path, Some("k"), &body).await;
                assert_eq!((again.status, &again.json()["txId"]), (200, &id), "{ticker} {point}");
                let orders = shop.truth().await.len();
                let most = if ticker == "KAS" { 2 } else { 1 };
                assert!((1..=most).contains(&orders), "{ticker} {point}: {orders} orders");
                shop.site.stop().await;
            }
        })
        .await;
}

#[tokio::test]
async fn killed_within_a_webhook() {
    kill_at_each(WEBHOOK).await;
}

#[tokio::test]
async fn killed_within_an_observation() {
    kill_at_each(OBSERVE).await;
}

#[tokio::test]
async fn killed_within_the_crediting_transaction() {
    kill_at_each(CREDIT).await;
}

#[tokio::test]
async fn killed_around_a_commit() {
    kill_at_each(WRITER).await;
}

/// Payments to the customers' own addresses, in another play than the others': no order is made for them.
#[tokio::test]
async fn killed_between_a_standing_address_and_its_block() {
    let program = Program::keep();
    stream::iter(STANDING)
        .for_each_concurrent(AT_ONCE, |plan| {
            let program = &program;
            async move {
                println!("killed at {plan:?}");
                pay_standing(program, plan).await;
                println!("all credited: {plan:?}");
            }
        })
        .await;
}

async fn pay_standing(program: &Program, plan: &[&str]) {
    let mut shop = Mortal::shop(program, plan, &[]).await;
    let mut addresses = Vec::new();
    for account in 0..2 {
        let reply = shop.ask(account, "POST", "/api/check-balance", None, "").await;
        addresses.push(reply.json()["nanoDepositAddress"].as_str().unwrap().to_owned());
    }
    // Asked for as well, so that it is not the background alone that takes it in.
    for (account, amount, total) in [(0, "1.5", "1.5"), (1, "0.25", "0.25"), (0, "2.000001", "3.500001")] {
        let pay = |stage: &str, payment: Option<&str>| {
            let mut body = json!({ "ref": addresses[account], "amount": amount, "stage": stage });
            if let Some(payment) = payment {
                body["payment"] = json!(payment);
            }
            body
        };
        let paid = shop.control("/nano/pay", pay("seen", None)).await;
        let send = paid["payment"].as_str().unwrap().to_owned();
        shop.control("/nano/pay", pay("confirmed", Some(&send))).await;
        let begun = Instant::now();
        loop {
            shop.ask(account, "POST", "/api/receive-nano", None, "").await;
            let balance = shop.ask(account, "POST", "/api/check-balance", None, "").await;
            if balance.json()["nano_balance"] == total {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{plan:?}: {}", balance.text());
            shop.site.pause().await;
        }
    }
    let deaths: Vec<_> = shop.site.deaths.iter().map(|death| death.signal()).collect();
    assert_eq!(deaths, vec![Some(SIGABRT); plan.len()], "{plan:?}: what the play does not reach");
    // Each taken in once, whoever died meanwhile, and found by the block that did it, though nobody saw the answer.
    for (account, address, count) in [(0, &addresses[0], 2), (1, &addresses[1], 1)] {
        let begun = Instant::now();
        let found = loop {
            let mut found = BTreeSet::new();
            for block in receives(&shop, address).await {
                let path = format!("/api/transaction/status/XNO/{block}");
                let reply = shop.ask(account, "GET", &path, None, "").await;
                if reply.status == 200 && reply.json()["status"] == "Completed" {
                    found.insert(reply.json()["txId"].to_string());
                }
            }
            if found.len() >= count {
                break found;
            }
            assert!(begun.elapsed() < PATIENCE, "{plan:?}: {found:?}");
            shop.site.pause().await;
        };
        assert_eq!(found.len(), count, "{plan:?}");
        assert_eq!(receives(&shop, address).await.len(), count, "{plan:?}");
    }
    let store = shop.site.store().await;
    let check = store.check_ledger().await.unwrap();
    assert!(check.balanced, "{plan:?}: {check:?}");
    assert_eq!(check.credits, 3, "{plan:?}");
    assert_eq!(store.open_reviews().await.unwrap(), [], "{plan:?}");
    store.close().await;
    shop.site.stop().await;
}

/// The receive blocks of an account, as its node has them.
async fn receives(shop: &process::Shop<Mortal>, address: &str) -> Vec<String> {
    let config: toml::Table = shop.site.sandbox.config_toml().parse().unwrap();
    let nano = &config["providers"]["nano"];
    let authorization = nano.get("rpc_authorization").and_then(toml::Value::as_str).unwrap_or_default();
    let question = json!({ "action": "account_history", "account": address, "count": "100" });
    let headers = [("authorization", authorization)];
    let url = nano["rpc_url"].as_str().unwrap();
    let reply = shop.http.send("POST", url, &headers, question.to_string()).await.unwrap();
    let history = reply.json()["history"].as_array().cloned().unwrap_or_default();
    let receives = history.iter().filter(|line| line["type"] == "receive");
    receives.map(|line| line["hash"].as_str().unwrap().to_owned()).collect()
}

/// SIGKILL from outside, at moments that nobody chose; the scenario is played until all have happened.
#[tokio::test]
async fn killed_at_random_moments() {
    let program = Program::keep();
    let calm = run(&program, &[]).await;
    for seed in [3, 11] {
        let mut state: u64 = seed;
        let lives: Vec<Duration> = (0..5)
            .map(|_| {
                // A linear congruential generator is random enough for moments.
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                Duration::from_millis(20 + (state >> 33) % 600)
            })
            .collect();
        let mut shop = Mortal::shop(&program, &[], &lives).await;
        let mut rounds = Vec::new();
        while rounds.is_empty() || shop.site.is_doomed() {
            let played = shop.play(rounds.len()).await;
            rounds.push(played);
        }
        let deaths: Vec<_> = shop.site.deaths.iter().map(|death| death.signal()).collect();
        assert_eq!(deaths, vec![Some(SIGKILL); lives.len()], "seed {seed}");
        let store = shop.site.store().await;
        for (round, played) in rounds.iter().enumerate() {
            let book = Book::read(&mut shop, played, &store).await;
            assert_eq!(book.lines, calm.lines, "seed {seed}, round {round}, killed after {lives:?}");
        }
        store.close().await;
        let book = settle(&mut shop, &rounds).await;
        assert_eq!(book.credits, calm.credits * u64::try_from(rounds.len()).unwrap(), "seed {seed}");
        shop.site.stop().await;
    }
}
