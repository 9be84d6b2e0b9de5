//! The adapter and a node that behaves badly: races, lost answers, other dialects, missing actions, push. Between them stands a proxy
//! that changes answers by their action.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use deposit_core::{
    AccountIndex, Amount, Asset, ErrorKind, Observed, Operation, PaymentProvider, PaymentReading, ProviderId,
    Secret, Target,
};
use deposit_nano::{Config, Nano};
use deposit_sandbox::nano::Dialect;
use deposit_sandbox::{
    Emulator as _, Faults, PayRequest, PayStage, Sandbox, SandboxConfig, ScenarioName, ScenarioRequest,
};
use deposit_transport::{HttpClient, HttpConfig, Method, Safety};
use serde_json::{Value, json};

const ONE: AccountIndex = AccountIndex(1);
const ALL: usize = usize::MAX;
const XNO: u128 = 10_u128.pow(30);

/// What the proxy does with a request.
enum Do {
    Forward,
    /// Forwards, and answers 500 all the same.
    Lose,
    /// Forwards, and never answers.
    Hang,
    Answer(Value),
}

type Script = Arc<dyn Fn(&str, &Value, usize) -> Do + Send + Sync>;

fn total(received: &deposit_core::Received) -> u128 {
    received.taken.iter().map(|taken| taken.amount.minor()).sum()
}

struct World {
    sandbox: Sandbox,
    nano: Nano,
    /// Actions that came through the proxy, with how often.
    seen: Arc<Mutex<BTreeMap<String, usize>>>,
    rpc_url: String,
}

fn http() -> HttpConfig {
    let mut http = HttpConfig::default();
    http.min_backoff = Duration::from_millis(1);
    http.max_backoff = Duration::from_millis(2);
    http
}

impl World {
    async fn new() -> Self {
        Self::scripted(|_, _, _| Do::Forward).await
    }

    /// The script gets action, request and how often this action came before.
    async fn scripted(script: impl Fn(&str, &Value, usize) -> Do + Send + Sync + 'static) -> Self {
        Self::configured(script, |_| ()).await
    }

    async fn configured(
        script: impl Fn(&str, &Value, usize) -> Do + Send + Sync + 'static,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        let setting = |key| sandbox.setting("nano", key).unwrap();
        let seen = Arc::new(Mutex::new(BTreeMap::new()));
        let upstream = (setting("rpc_url"), setting("rpc_authorization"));
        let rpc_url = proxy(upstream, Arc::new(script), seen.clone()).await;
        let mut config = Config::new(rpc_url.clone(), setting("seed"), setting("representative"));
        config.rpc_authorization = Secret::new(setting("rpc_authorization"));
        config.ws_url = setting("ws_url");
        change(&mut config);
        let nano = Nano::with_http(config, http()).unwrap();
        nano.watch(&[ONE, AccountIndex(2)]);
        Self { sandbox, nano, seen, rpc_url }
    }

    fn address(&self, index: AccountIndex) -> String {
        self.nano.standing_address(index).unwrap().address().unwrap().to_owned()
    }

    fn pay(&self, index: AccountIndex, raw: u128, stage: PayStage) -> String {
        let amount = Some(Amount::new(raw, Asset::XNO).to_string().parse().unwrap());
        let request =
            PayRequest { reference: self.address(index), amount, stage, payment: None, ticker: None };
        self.sandbox.emulators().nano.pay(&request).unwrap()
    }

    async fn scan(&self) -> Vec<(String, PaymentReading)> {
        let (mut cursor, mut all) = (None, Vec::new());
        loop {
            let page = self.nano.scan(cursor.as_ref()).await.unwrap();
            for observation in page.observations {
                let (Target::Address(address), Observed::Payment(payment)) =
                    (observation.target, observation.observed)
                else {
                    panic!("a scan shows payments")
                };
                // A push that comes between two pages shows it again.
                all.retain(|(_, known): &(String, PaymentReading)| known.id != payment.id);
                all.push((address, *payment));
            }
            if !page.more {
                return all;
            }
            cursor = Some(page.next);
        }
    }

    fn chain(&self) -> Option<(u64, u128)> {
        self.sandbox.emulators().nano.chain_of(&self.address(ONE))
    }

    fn count(&self, action: &str) -> usize {
        self.seen.lock().unwrap().get(action).copied().unwrap_or(0)
    }
}

async fn proxy(
    upstream: (String, String),
    script: Script,
    seen: Arc<Mutex<BTreeMap<String, usize>>>,
) -> String {
    let client = Arc::new(HttpClient::new(ProviderId::constant("proxy"), http()).unwrap());
    let app = Router::new().fallback(move |request: Request| {
        let (client, script, seen, upstream) =
            (client.clone(), script.clone(), seen.clone(), upstream.clone());
        async move {
            let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let action = body["action"].as_str().unwrap().to_owned();
            let before = {
                let mut seen = seen.lock().unwrap();
                let count = seen.entry(action.clone()).or_default();
                *count += 1;
                *count - 1
            };
            let what = script(&action, &body, before);
            if let Do::Answer(answer) = what {
                return answer.to_string().into_response();
            }
            let url = upstream.0.parse().unwrap();
            let sent = client
                .request(Operation::Check, Safety::Once, Method::POST, url)
                .secret_header("authorization", "", &Secret::new(upstream.1))
                .json(&body)
                .send()
                .await;
            match (what, sent) {
                (Do::Hang, _) => std::future::pending().await,
                (Do::Lose, _) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                (_, Ok(answer)) => answer.bytes().to_vec().into_response(),
                (_, Err(_)) => (StatusCode::UNPROCESSABLE_ENTITY, "refused").into_response(),
            }
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

fn error(text: &str) -> Do {
    Do::Answer(json!({ "error": text }))
}

#[tokio::test]
async fn an_answer_of_process_that_is_lost_once_makes_no_second_block() {
    let w =
        World::scripted(|action, _, n| if action == "process" && n == 0 { Do::Lose } else { Do::Forward })
            .await;
    w.pay(ONE, 3 * XNO, PayStage::Confirmed);
    let received = w.nano.receive(ONE, ALL).await.unwrap();
    assert_eq!((received.taken.len(), total(&received), received.failed), (1, 3 * XNO, 0));
    assert_eq!((w.chain(), w.count("process")), (Some((1, 3 * XNO)), 2));
}

#[tokio::test]
async fn an_answer_of_process_that_never_comes_is_looked_up() {
    let w = World::scripted(|action, _, _| if action == "process" { Do::Lose } else { Do::Forward }).await;
    w.pay(ONE, XNO, PayStage::Confirmed);
    w.pay(ONE, 2 * XNO, PayStage::Confirmed);
    let received = w.nano.receive(ONE, ALL).await.unwrap();
    assert_eq!((received.taken.len(), total(&received), received.failed), (2, 3 * XNO, 0));
    assert_eq!(w.chain(), Some((2, 3 * XNO)));
}

#[tokio::test]
async fn a_caller_that_gives_up_half_way_hides_no_payment() {
    let w = World::scripted(|action, _, _| if action == "process" { Do::Hang } else { Do::Forward }).await;
    let first = w.nano.scan(None).await.unwrap();
    let live = w.nano.scan(Some(&first.next)).await.unwrap();
    assert!(live.observations.is_empty() && !live.more);
    let live = live.next;
    w.pay(ONE, XNO, PayStage::Confirmed);
    let given_up = tokio::time::timeout(Duration::from_millis(1_500), w.nano.receive(ONE, ALL)).await;
    assert!(given_up.is_err());
    assert_eq!(w.chain(), Some((1, XNO)), "the node has the block");
    let lost = w.nano.scan(Some(&live)).await.unwrap();
    assert_eq!(lost.observations.len(), 1);
    // That page was not stored: the engine comes back with the cursor that it has.
    let page = w.nano.scan(Some(&live)).await.unwrap();
    assert_eq!(page.observations, lost.observations);
    let later = w.nano.scan(Some(&page.next)).await.unwrap();
    assert!(later.observations.is_empty(), "stored, so not shown again");
    assert_eq!(later.next, page.next, "nothing new to store");
}

#[tokio::test]
async fn a_head_that_is_stale_is_asked_for_again_and_nothing_is_sent_away() {
    // The first answer after the account was opened is from before that.
    let w = World::scripted(|action, _, n| match (action, n) {
        ("account_info", 1) => error("Account not found"),
        _ => Do::Forward,
    })
    .await;
    w.pay(ONE, 5 * XNO, PayStage::Confirmed);
    w.nano.receive(ONE, ALL).await.unwrap();
    w.pay(ONE, XNO, PayStage::Confirmed);
    let received = w.nano.receive(ONE, ALL).await.unwrap();
    assert_eq!((received.taken.len(), received.failed), (1, 0));
    assert_eq!(w.chain(), Some((2, 6 * XNO)));
    assert!(w.count("account_info") >= 3, "the head was asked for again");
}

#[tokio::test]
async fn a_stale_balance_never_becomes_a_send() {
    let stale: Arc<Mutex<Option<Value>>> = Arc::default();
    let told = stale.clone();
    let w = World::scripted(move |action, _, n| match (action, n, told.lock().unwrap().clone()) {
        ("account_info", 2, Some(answer)) => Do::Answer(answer),
        _ => Do::Forward,
    })
    .await;
    w.pay(ONE, 5 * XNO, PayStage::Confirmed);
    let opened = w.nano.receive(ONE, ALL).await.unwrap();
    let representative = w.sandbox.setting("nano", "representative").unwrap();
    *stale.lock().unwrap() = Some(json!({
        "frontier": opened.taken[0].block, "balance": (5 * XNO).to_string(), "representative": representative,
    }));
    w.pay(ONE, 3 * XNO, PayStage::Confirmed);
    w.nano.receive(ONE, ALL).await.unwrap();
    w.pay(ONE, XNO, PayStage::Confirmed);
    let received = w.nano.receive(ONE, ALL).await.unwrap();
    assert_eq!((total(&received), received.failed), (XNO, 0));
    assert_eq!(w.chain(), Some((3, 9 * XNO)));
}

#[tokio::test]
async fn two_calls_at_once_make_one_chain() {
    let w = World::new().await;
    for _ in 0..4 {
        w.pay(ONE, XNO, PayStage::Confirmed);
    }
    let (a, b, c) =
        tokio::join!(w.nano.receive(ONE, ALL), w.nano.receive(ONE, ALL), w.nano.receive(ONE, ALL));
    let all = [a.unwrap(), b.unwrap(), c.unwrap()];
    assert_eq!(all.iter().map(|r| r.taken.len()).sum::<usize>(), 4);
    assert_eq!(all.iter().map(|r| r.failed).sum::<usize>(), 0);
    assert_eq!(w.chain(), Some((4, 4 * XNO)));
    assert_eq!(w.scan().await.len(), 4);
}

#[tokio::test]
async fn a_node_that_contradicts_itself_is_not_followed() {
    // The list says another amount than the block.
    let w = World::scripted(|action, body, _| {
        if action != "receivable" {
            return Do::Forward;
        }
        assert_eq!(body["include_only_confirmed"], "true");
        Do::Answer(json!({ "blocks": {
            "FF0144381CFF0B2C079A115E7ADA7E96F43FD219446E7524C48D1CC9900C4F17": { "amount": "7000000000000000000000000" }
        } }))
    })
    .await;
    let error = w.nano.receive(ONE, ALL).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound);
    assert_eq!((w.count("process"), w.chain()), (0, None));
}

#[tokio::test]
async fn the_other_dialect_and_a_node_without_the_newer_actions() {
    let w = World::scripted(|action, _, _| match action {
        "accounts_receivable" | "blocks_info" | "accounts_frontiers" => error("Unknown command"),
        _ => Do::Forward,
    })
    .await;
    for dialect in [Dialect::Cpp, Dialect::RsNano] {
        w.sandbox.emulators().nano.speak(dialect);
        w.pay(ONE, XNO, PayStage::Confirmed);
        w.nano.receive(ONE, ALL).await.unwrap();
        w.pay(ONE, XNO, PayStage::Seen);
    }
    let all = w.scan().await;
    let confirmed = all.iter().filter(|(_, p)| p.confirmed == XNO).count();
    let in_flight = all.iter().filter(|(_, p)| p.in_flight == XNO).count();
    assert_eq!((confirmed, in_flight), (2, 2));
    assert!(w.count("receivable") > 0 && w.count("block_info") > 0);
}

#[tokio::test]
async fn what_another_wallet_of_the_seed_took_in_is_shown_all_the_same() {
    let w = World::new().await;
    let sweep = async |mut cursor: Option<deposit_core::ScanCursor>| {
        let mut all = Vec::new();
        loop {
            let page = w.nano.scan(cursor.as_ref()).await.unwrap();
            all.extend(page.observations);
            cursor = Some(page.next);
            if !page.more {
                return (all, cursor);
            }
        }
    };
    let (_, cursor) = sweep(None).await;
    let mut config = Config::new(
        w.sandbox.setting("nano", "rpc_url").unwrap(),
        w.sandbox.setting("nano", "seed").unwrap(),
        w.sandbox.setting("nano", "representative").unwrap(),
    );
    config.rpc_authorization = Secret::new(w.sandbox.setting("nano", "rpc_authorization").unwrap());
    let other = Nano::with_http(config, http()).unwrap();
    other.watch(&[ONE]);
    w.pay(ONE, XNO, PayStage::Confirmed);
    assert_eq!(other.receive(ONE, ALL).await.map(|r| total(&r)).unwrap(), XNO);
    // Pushes are lost: only the sweep can find it.
    let (mut found, mut cursor) = sweep(cursor).await;
    for _ in 0..3 {
        let (more, next) = sweep(cursor).await;
        found.extend(more);
        cursor = next;
    }
    assert!(
        found.iter().any(|line| matches!(&line.observed, Observed::Payment(p) if p.confirmed == XNO)),
        "{found:?}"
    );
}

#[tokio::test]
async fn one_chain_that_cannot_be_read_takes_no_other_s_payments_along() {
    let broken = Arc::new(Mutex::new(String::new()));
    let script = {
        let broken = broken.clone();
        move |action: &str, body: &Value, _: usize| {
            let bad = broken.lock().unwrap().clone();
            if action == "account_history" && body["account"] == bad.as_str() {
                error("Internal server error in RPC")
            } else {
                Do::Forward
            }
        }
    };
    let w = World::scripted(script).await;
    *broken.lock().unwrap() = w.address(ONE);
    for index in [ONE, AccountIndex(2)] {
        w.pay(index, XNO, PayStage::Confirmed);
        w.nano.receive(index, ALL).await.unwrap();
    }
    w.pay(ONE, 2 * XNO, PayStage::Confirmed);
    let shown: Vec<u128> = w.scan().await.iter().map(|(_, payment)| payment.confirmed).collect();
    assert!(
        shown.contains(&XNO) && shown.contains(&(2 * XNO)),
        "the other's, and what waits at this one: {shown:?}"
    );
}

#[tokio::test]
async fn more_addresses_are_paid_than_a_node_that_counts_accounts_lists_by_default() {
    let w = World::new().await;
    w.sandbox.emulators().nano.speak(Dialect::RsNano);
    let all: Vec<_> = (1..=100).map(AccountIndex).collect();
    w.nano.watch(&all);
    for index in &all {
        w.pay(*index, XNO, PayStage::Confirmed);
    }
    let paid: std::collections::BTreeSet<String> =
        w.scan().await.into_iter().map(|(address, _)| address).collect();
    assert_eq!(paid.len(), 100);
}

#[tokio::test]
async fn work_is_made_by_a_node_that_takes_no_difficulty() {
    let w = World::new().await;
    w.sandbox.emulators().nano.speak(Dialect::RsNano);
    w.sandbox.emulators().nano.allow_control(true);
    for _ in 0..3 {
        w.pay(ONE, XNO, PayStage::Confirmed);
        w.nano.receive(ONE, ALL).await.unwrap();
    }
    // Refused once, and remembered: from then on one question a block.
    assert_eq!(w.count("work_generate"), 4);
}

#[tokio::test]
async fn rsnano_from_end_to_end() {
    let w = World::new().await;
    w.sandbox.emulators().nano.speak(Dialect::RsNano);
    w.sandbox.emulators().nano.allow_control(true);
    assert!(w.scan().await.is_empty());
    assert_eq!(w.nano.receive(ONE, ALL).await.unwrap().taken.len(), 0);
    w.pay(ONE, XNO, PayStage::Confirmed);
    assert_eq!(w.nano.receive(ONE, ALL).await.map(|r| total(&r)).unwrap(), XNO);
    assert_eq!(w.scan().await.len(), 1);
}

#[tokio::test]
async fn a_backlog_larger_than_a_page_is_shown_whole() {
    let w = World::new().await;
    for _ in 0..70 {
        w.pay(ONE, XNO, PayStage::Confirmed);
    }
    assert_eq!(w.scan().await.len(), 70);
    let first = w.nano.receive(ONE, ALL).await.unwrap();
    assert_eq!((first.taken.len(), first.failed, first.waiting), (32, 0, 38));
    while w.nano.receive(ONE, ALL).await.unwrap().waiting > 0 {}
    assert_eq!(w.chain(), Some((70, 70 * XNO)));
    assert_eq!(w.scan().await.len(), 70, "a scan from the beginning walks the whole chain");
}

#[tokio::test]
async fn one_raw_is_a_payment() {
    let w = World::new().await;
    w.pay(ONE, 1, PayStage::Confirmed);
    assert_eq!(w.scan().await[0].1.confirmed, 1);
}

#[tokio::test]
async fn below_a_threshold_nothing_is_shown_nor_taken_in() {
    let w = World::configured(|_, _, _| Do::Forward, |config| config.dust_raw = 10_u128.pow(24)).await;
    w.pay(ONE, 10_u128.pow(24) - 1, PayStage::Confirmed);
    assert!(w.scan().await.is_empty());
    assert_eq!(w.nano.receive(ONE, ALL).await.unwrap().taken.len(), 0);
    w.pay(ONE, 10_u128.pow(24), PayStage::Confirmed);
    assert_eq!(w.scan().await.len(), 1);
}

#[tokio::test]
async fn the_whole_supply_survives() {
    let w = World::new().await;
    w.pay(ONE, u128::MAX, PayStage::Confirmed);
    assert_eq!(w.scan().await[0].1.confirmed, u128::MAX);
    assert_eq!(w.nano.receive(ONE, ALL).await.map(|r| total(&r)).unwrap(), u128::MAX);
    assert_eq!(w.chain(), Some((1, u128::MAX)));
    assert_eq!(w.scan().await[0].1.confirmed, u128::MAX);
}

#[tokio::test]
async fn a_node_that_is_behind_concludes_nothing() {
    let w = World::new().await;
    let hash = w.pay(ONE, XNO, PayStage::Seen);
    assert_eq!(w.scan().await.len(), 1);
    w.sandbox.set_faults("nano", Faults { not_synchronized: true, ..Faults::default() });
    assert!(w.scan().await.is_empty());
    let error = w.nano.read(&intent(&w, &hash)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound, "not known is not gone");
}

#[tokio::test]
async fn a_replaced_payment_is_gone_only_by_proof() {
    let w = World::new().await;
    let hash = w.pay(ONE, XNO, PayStage::Seen);
    let order = intent(&w, &hash);
    assert_eq!(w.nano.read(&order).await.unwrap().payments[0].in_flight, XNO);
    let request = ScenarioRequest {
        reference: w.address(ONE),
        name: ScenarioName::Replace,
        amount: None,
        ticker: None,
    };
    w.sandbox.emulators().nano.scenario(&request).unwrap();
    let read = w.nano.read(&order).await.unwrap();
    assert!(read.complete && read.payments[0].in_flight == 0 && read.payments[0].confirmed == 0);
}

fn intent(w: &World, hash: &str) -> deposit_core::IntentRecord {
    deposit_core::IntentRecord {
        deposit_id: "dep_01J9Z3K7QmWxAbCd".parse().unwrap(),
        provider: Nano::ID,
        provider_ref: hash.parse().unwrap(),
        terms: deposit_core::Terms::new(
            deposit_core::Ticker::XNO,
            Asset::XNO,
            deposit_core::CreditRule::in_kind(Asset::XNO),
            deposit_core::Timestamp::EPOCH,
        ),
        instructions: w.nano.standing_address(ONE).unwrap(),
    }
}

#[tokio::test]
async fn work_of_others_is_checked() {
    // A server whose nonce is not enough, and a node that may not: this CPU does it.
    let w = World::scripted(|action, body, _| {
        if action == "work_generate" {
            assert_eq!(body["difficulty"], "fe00000000000000");
            return Do::Answer(json!({ "work": "0000000000000000" }));
        }
        Do::Forward
    })
    .await;
    w.pay(ONE, XNO, PayStage::Confirmed);
    assert_eq!(w.nano.receive(ONE, ALL).await.unwrap().taken.len(), 1);
    assert_eq!(w.count("work_generate"), 1);
}

#[tokio::test]
async fn a_work_server_goes_first() {
    let w = World::new().await;
    let setting = |key| w.sandbox.setting("nano", key).unwrap();
    let mut config = Config::new(setting("rpc_url"), setting("seed"), setting("representative"));
    config.rpc_authorization = Secret::new(setting("rpc_authorization"));
    config.work_url = format!("{}/work", setting("rpc_url"));
    let nano = Nano::with_http(config, http()).unwrap();
    w.pay(ONE, XNO, PayStage::Confirmed);
    assert_eq!(nano.receive(ONE, ALL).await.unwrap().taken.len(), 1);
}

async fn woken(nano: &Nano) {
    tokio::time::timeout(Duration::from_secs(10), nano.changed()).await.expect("a hint");
}

/// Hints that are left over from a connection.
async fn settled(nano: &Nano) {
    while tokio::time::timeout(Duration::from_millis(400), nano.changed()).await.is_ok() {}
}

#[tokio::test]
async fn the_socket_hints_reconnects_and_follows_new_accounts() {
    let w = World::new().await;
    w.scan().await;
    // Once connected: what came before has to be looked for.
    woken(&w.nano).await;
    settled(&w.nano).await;
    w.pay(ONE, XNO, PayStage::Confirmed);
    woken(&w.nano).await;
    settled(&w.nano).await;
    w.nano.watch(&[AccountIndex(9)]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    w.pay(AccountIndex(9), XNO, PayStage::Confirmed);
    woken(&w.nano).await;
    // What was pushed is seen: nothing of it is to be asked for again.
    assert_eq!(w.scan().await.len(), 2);
    settled(&w.nano).await;
    // Nobody's business.
    w.pay(AccountIndex(77), XNO, PayStage::Confirmed);
    let silent = tokio::time::timeout(Duration::from_millis(200), w.nano.changed()).await;
    assert!(silent.is_err(), "a hint about somebody else");
    w.sandbox.emulators().nano.cut_sockets();
    woken(&w.nano).await;
    settled(&w.nano).await;
    w.pay(AccountIndex(9), XNO, PayStage::Confirmed);
    woken(&w.nano).await;
    assert_eq!(w.scan().await.len(), 3);
}

/// Addresses that each request of an action named.
fn asked(log: &Arc<Mutex<Vec<(String, Value)>>>, action: &str) -> Vec<usize> {
    let log = log.lock().unwrap();
    let of = log.iter().filter(|(name, _)| name == action);
    of.map(|(_, body)| body["accounts"].as_array().map_or(1, Vec::len)).collect()
}

async fn logged() -> (World, Arc<Mutex<Vec<(String, Value)>>>) {
    let log: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let kept = log.clone();
    let w = World::configured(
        move |action, body, _| {
            kept.lock().unwrap().push((action.to_owned(), body.clone()));
            Do::Forward
        },
        |_| (),
    )
    .await;
    (w, log)
}

#[tokio::test]
async fn a_push_reads_its_address_alone_however_many_there_are() {
    let (w, log) = logged().await;
    let all: Vec<_> = (1..=1_200).map(AccountIndex).collect();
    w.nano.watch(&all);
    let (mut cursor, mut pages) = (None, 0);
    loop {
        let page = w.nano.scan(cursor.as_ref()).await.unwrap();
        pages += 1;
        cursor = Some(page.next);
        if !page.more {
            break;
        }
    }
    assert!(pages > 2, "in slices");
    // The socket is connected, and what that hints at is no address.
    woken(&w.nano).await;
    settled(&w.nano).await;
    log.lock().unwrap().clear();
    w.pay(AccountIndex(777), XNO, PayStage::Confirmed);
    woken(&w.nano).await;
    let page = w.nano.scan(cursor.as_ref()).await.unwrap();
    assert_eq!((page.observations.len(), page.more), (1, false));
    assert_eq!(asked(&log, "accounts_receivable"), [1], "one address, and no other");
    // Nobody stored that page: it is shown again.
    let again = w.nano.scan(cursor.as_ref()).await.unwrap();
    assert_eq!(again.observations, page.observations);
    log.lock().unwrap().clear();
    // Stored: the turn goes on, a slice at a time, each no longer than the last.
    let slice = w.nano.scan(Some(&again.next)).await.unwrap();
    assert!(slice.more);
    assert_eq!(asked(&log, "accounts_receivable"), [500]);
    assert_eq!(asked(&log, "accounts_frontiers"), [500], "whether somebody else has taken in");
    assert!(asked(&log, "account_history").is_empty(), "no chain is walked that has not moved");
}

#[tokio::test]
async fn a_push_that_is_ahead_of_the_answers_is_asked_about_again_soon() {
    let behind = Arc::new(Mutex::new(false));
    let script = {
        let behind = behind.clone();
        move |action: &str, _: &Value, _: usize| {
            if action == "accounts_receivable" && *behind.lock().unwrap() {
                Do::Answer(json!({ "blocks": "" }))
            } else {
                Do::Forward
            }
        }
    };
    let w = World::scripted(script).await;
    w.scan().await;
    woken(&w.nano).await;
    settled(&w.nano).await;
    w.scan().await;
    *behind.lock().unwrap() = true;
    w.pay(ONE, XNO, PayStage::Confirmed);
    woken(&w.nano).await;
    assert!(w.scan().await.is_empty(), "the node's answers are behind its push");
    // Nobody else says anything: it hints again by itself, more than once.
    woken(&w.nano).await;
    assert!(w.scan().await.is_empty());
    *behind.lock().unwrap() = false;
    woken(&w.nano).await;
    assert_eq!(w.scan().await.len(), 1);
}

#[tokio::test]
async fn a_refused_block_is_not_worked_again_at_once_and_holds_nobody_up() {
    // The node refuses whatever takes the smaller payment in; its hash is known later.
    let bad = Arc::new(Mutex::new(String::new()));
    let script = {
        let bad = bad.clone();
        move |action: &str, body: &Value, _: usize| {
            let link = body["block"]["link"].as_str().unwrap_or_default();
            if action == "process" && !link.is_empty() && link.eq_ignore_ascii_case(&bad.lock().unwrap()) {
                error("Representative missing")
            } else {
                Do::Forward
            }
        }
    };
    let w = World::scripted(script).await;
    *bad.lock().unwrap() = w.pay(ONE, XNO, PayStage::Confirmed);
    w.pay(ONE, 3 * XNO, PayStage::Confirmed);
    let first = w.nano.receive(ONE, ALL).await.unwrap();
    assert_eq!((first.taken.len(), first.failed, first.waiting), (1, 1, 0), "the larger one came first");
    let (works, tried) = (w.count("work_generate"), w.count("process"));
    for _ in 0..20 {
        let again = w.nano.receive(ONE, ALL).await.unwrap();
        assert_eq!((again.taken.len(), again.failed), (0, 1), "it is told all the same");
    }
    assert_eq!((w.count("work_generate"), w.count("process")), (works, tried));
    // Another payment is taken in meanwhile.
    w.pay(ONE, 5 * XNO, PayStage::Confirmed);
    assert_eq!(w.nano.receive(ONE, ALL).await.unwrap().taken.len(), 1);
}

#[tokio::test]
async fn what_waits_is_shown_before_any_chain_is_read() {
    let (w, log) = logged().await;
    let all: Vec<_> = (1..=700).map(AccountIndex).collect();
    w.nano.watch(&all);
    // Each of them has a chain, and only the last one has a payment that waits.
    for index in all.iter().step_by(100) {
        w.pay(*index, XNO, PayStage::Confirmed);
        w.nano.receive(*index, ALL).await.unwrap();
    }
    w.pay(AccountIndex(700), 2 * XNO, PayStage::Confirmed);
    log.lock().unwrap().clear();
    let (mut cursor, mut shown) = (None, Vec::new());
    while shown.is_empty() {
        let page = w.nano.scan(cursor.as_ref()).await.unwrap();
        assert!(page.more, "the chains come after it");
        shown = page.observations;
        cursor = Some(page.next);
    }
    assert_eq!(shown.len(), 1);
    // Two slices, and those that pushes have named: whatever there is in the chains.
    let listed = asked(&log, "accounts_receivable");
    assert!(listed.len() <= 4 && listed.iter().sum::<usize>() < 720, "{listed:?}");
    assert!(asked(&log, "account_history").is_empty() && asked(&log, "accounts_frontiers").is_empty());
    // The chains follow, to their opening blocks.
    let mut taken = 0;
    loop {
        let page = w.nano.scan(cursor.as_ref()).await.unwrap();
        taken += page.taken.len();
        if !page.more {
            break;
        }
        cursor = Some(page.next);
    }
    assert_eq!(taken, 7);
}

#[tokio::test]
async fn a_restart_walks_no_chain_that_has_not_moved() {
    let (w, log) = logged().await;
    for _ in 0..3 {
        w.pay(ONE, XNO, PayStage::Confirmed);
    }
    while w.nano.receive(ONE, ALL).await.unwrap().waiting > 0 {}
    let first = w.nano.scan(None).await.unwrap();
    let page = w.nano.scan(Some(&first.next)).await.unwrap();
    assert_eq!((page.observations.len(), page.taken.len(), page.positions.len()), (3, 3, 1));
    let start = async |positions: &[deposit_core::StandingPosition]| {
        let setting = |key| w.sandbox.setting("nano", key).unwrap();
        let mut config = Config::new(w.rpc_url.clone(), setting("seed"), setting("representative"));
        config.rpc_authorization = Secret::new(setting("rpc_authorization"));
        let nano = Nano::with_http(config, http()).unwrap();
        nano.watch(&[ONE, AccountIndex(2)]);
        nano.resume(positions);
        log.lock().unwrap().clear();
        let page = nano.scan(Some(&page.next)).await.unwrap();
        (nano, page)
    };
    let (_, idle) = start(&page.positions).await;
    assert!(idle.observations.is_empty() && idle.positions.is_empty());
    assert!(asked(&log, "account_history").is_empty());
    // Taken in by a process that died before anybody saw it: that block alone is looked at.
    w.pay(ONE, 2 * XNO, PayStage::Confirmed);
    w.nano.receive(ONE, ALL).await.unwrap();
    let (nano, moved) = start(&page.positions).await;
    assert_eq!((moved.observations.len(), moved.taken.len(), moved.positions.len()), (1, 1, 1));
    // One account's own look shows the same, and moves no cursor.
    let own = nano.scan_address(ONE).await.unwrap();
    assert_eq!((own.observations, own.positions), (moved.observations, moved.positions));
    // Without what was stored the whole chain is shown: never less.
    let (_, whole) = start(&[]).await;
    assert_eq!(whole.observations.len(), 4);
}
