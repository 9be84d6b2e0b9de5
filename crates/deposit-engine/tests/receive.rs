//! Taking in on request what waits at a standing address.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/standing.rs"]
mod standing;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::*;
use deposit_engine::{Call, Engine, ManualClock, ReceiveError, Trouble};
use deposit_store::Account;
use tokio::sync::Notify;

const ID: ProviderId = ProviderId::constant("node");
const LONG: Duration = Duration::from_secs(3600);
/// 1 XNO in raw.
const XNO: u128 = 1_000_000_000_000_000_000_000_000_000_000;

#[derive(Debug, Clone)]
struct Send {
    id: String,
    to: AccountIndex,
    raw: u128,
    confirmed: bool,
    block: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    sends: Vec<Send>,
    /// Come as soon as something is taken in: nobody has scanned them.
    surprises: Vec<Send>,
    /// Cannot be taken in.
    stuck: BTreeSet<String>,
    /// Taken in, but the answer takes for ever.
    slow: BTreeSet<String>,
    scans: usize,
    down: bool,
    /// A mistake in the adapter.
    broken: bool,
}

/// A node whose scan shows everything that there is, waiting or taken in.
#[derive(Debug, Clone)]
struct Node {
    capabilities: Capabilities,
    state: Arc<Mutex<State>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    hangs: Arc<Notify>,
    go_on: Arc<Notify>,
}

fn address(index: AccountIndex) -> String {
    format!("address-{}", index.0)
}

fn down(operation: Operation) -> ProviderError {
    ProviderError::new(ID, operation, ErrorKind::Transient { retry_after: None })
}

fn taken(send: &Send) -> Option<Taken> {
    let block = ProviderRef::new(send.block.clone()?).unwrap();
    Some(Taken {
        block,
        payment: PaymentRef::new(send.id.as_str()).unwrap(),
        amount: Amount::new(send.raw, Asset::XNO),
    })
}

fn observation(send: &Send) -> Observation {
    let (id, amount) = (PaymentRef::new(send.id.as_str()).unwrap(), Amount::new(send.raw, Asset::XNO));
    let reading = if send.confirmed {
        PaymentReading::confirmed(id, amount)
    } else {
        PaymentReading::in_flight(id, amount)
    };
    Observation {
        provider: ID,
        target: Target::Address(address(send.to)),
        ticker: Some(Ticker::XNO),
        ours: Some(true),
        observed: Observed::Payment(Box::new(reading)),
    }
}

#[async_trait]
impl PaymentProvider for Node {
    fn id(&self) -> ProviderId {
        ID
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn open(&self, _: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        Err(ProviderError::unsupported(ID, Operation::Open))
    }

    fn spelled(&self, reference: &str) -> Option<ProviderRef> {
        ProviderRef::new(reference.to_ascii_uppercase()).ok()
    }

    async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError> {
        Ok(Snapshot { complete: false, ..Snapshot::empty(intent.provider_ref.clone()) })
    }

    async fn scan(&self, _: Option<&ScanCursor>) -> Result<ScanPage, ProviderError> {
        let mut state = self.state.lock().unwrap();
        state.scans += 1;
        if state.down {
            return Err(down(Operation::Scan));
        }
        Ok(ScanPage {
            observations: state.sends.iter().map(observation).collect(),
            taken: state.sends.iter().filter_map(taken).collect(),
            next: ScanCursor(state.scans.to_string()),
            more: false,
            ..ScanPage::default()
        })
    }

    fn standing_address(&self, index: AccountIndex) -> Result<PayInstructions, ProviderError> {
        Ok(PayInstructions::StandingAddress { address: address(index), uri: None })
    }

    async fn receive(&self, index: AccountIndex, most: usize) -> Result<Received, ProviderError> {
        let _turn = self.turn.lock().await;
        let mut received = Received::default();
        let mut slow = false;
        {
            let broken = self.state.lock().unwrap().broken;
            assert!(!broken, "a mistake in the adapter");
            let mut state = self.state.lock().unwrap();
            if state.down {
                return Err(down(Operation::Receive));
            }
            let surprises = std::mem::take(&mut state.surprises);
            state.sends.extend(surprises);
            let stuck = state.stuck.clone();
            let slow_ones = state.slow.clone();
            for send in &mut state.sends {
                if send.to != index || !send.confirmed || send.block.is_some() {
                } else if received.taken.len() >= most {
                    received.waiting += 1;
                } else if stuck.contains(&send.id) {
                    received.failed += 1;
                } else {
                    send.block = Some(format!("BLOCK-{}", send.id));
                    slow |= slow_ones.contains(&send.id);
                    received.taken.extend(taken(send));
                }
            }
        }
        if slow {
            self.hangs.notify_one();
            self.go_on.notified().await;
        }
        if received.taken.is_empty() && received.failed > 0 {
            return Err(down(Operation::Receive));
        }
        Ok(received)
    }
}

struct Bench {
    _folder: tempfile::TempDir,
    url: String,
    node: Node,
    engine: Engine,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("receive.db").display());
        let node = Node {
            capabilities: standing::capabilities(),
            state: Arc::default(),
            turn: Arc::default(),
            hangs: Arc::default(),
            go_on: Arc::default(),
        };
        let engine = standing::engine(&url, Arc::new(node.clone()), &ManualClock::at(standing::START)).await;
        Self { _folder: folder, url, node, engine }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.node.state.lock().unwrap()
    }

    fn pay(&self, to: u32, id: &str, raw: u128) {
        self.state().sends.push(send(to, id, raw));
    }

    async fn account(&self, name: &str) -> Account {
        self.engine.store().account_by_name(&name.parse().unwrap()).await.unwrap().unwrap()
    }

    async fn receive(&self, name: &str) -> Result<(Vec<String>, String, bool), ReceiveError> {
        let receipt = self.engine.receive(&self.account(name).await, Ticker::XNO, LONG).await?;
        assert!(self.engine.check_ledger().await.unwrap().balanced);
        Ok((blocks(&receipt), receipt.total.to_string(), receipt.complete))
    }

    async fn balance(&self, name: &str) -> String {
        self.engine.balances(&self.account(name).await).await.unwrap().xno.to_string()
    }

    async fn status(&self, name: &str, id: &str) -> Option<Status> {
        let view = self.engine.deposit(self.account(name).await.id, Ticker::XNO, id).await.unwrap();
        view.map(|view| view.status)
    }
}

fn send(to: u32, id: &str, raw: u128) -> Send {
    Send { id: id.to_owned(), to: AccountIndex(to), raw, confirmed: true, block: None }
}

fn blocks(receipt: &deposit_engine::Receipt) -> Vec<String> {
    receipt.taken.iter().map(|taken| taken.block.to_string()).collect()
}

#[tokio::test]
async fn what_waits_is_credited_and_taken_in_before_the_answer() {
    let bench = Bench::new().await;
    assert_eq!(bench.receive("ana").await.unwrap(), (vec![], "0".to_owned(), true));
    bench.pay(1, "S1", XNO);
    bench.pay(2, "S2", 7 * XNO);
    bench.pay(1, "S3", XNO / 2);
    bench.state().sends.push(Send { confirmed: false, ..send(1, "S4", 9) });
    let (blocks, total, complete) = bench.receive("ana").await.unwrap();
    assert_eq!(
        (blocks.as_slice(), total.as_str(), complete),
        (["BLOCK-S1", "BLOCK-S3"].map(String::from).as_slice(), "1.5", true)
    );
    assert_eq!(bench.balance("ana").await, "1.5", "what is not confirmed is left alone");
    assert_eq!(bench.status("ana", "S4").await, Some(Status::Processing));
    assert_eq!(bench.balance("ben").await, "7", "seen with the rest");
    assert!(bench.state().sends[1].block.is_none(), "another's payment is not taken in");
    assert_eq!(bench.receive("ana").await.unwrap(), (vec![], "0".to_owned(), true));

    // By the send, and by the block that took it in, in either case.
    for id in ["S1", "s1", "BLOCK-S1", "block-s1"] {
        assert_eq!(bench.status("ana", id).await, Some(Status::Completed), "{id}");
        assert_eq!(bench.status("ben", id).await, None, "{id}");
    }
    assert_eq!(bench.status("ana", "BLOCK-S2").await, None);
    assert_eq!(bench.engine.check_ledger().await.unwrap().credits, 3);
}

#[tokio::test]
async fn a_payment_that_comes_between_the_scan_and_the_taking_in_is_credited_too() {
    let bench = Bench::new().await;
    bench.pay(1, "S1", XNO);
    bench.state().surprises = vec![send(1, "S2", 2 * XNO)];
    let (blocks, total, complete) = bench.receive("ana").await.unwrap();
    assert_eq!((blocks.len(), total.as_str(), complete), (2, "3", true));
    assert_eq!(bench.balance("ana").await, "3");
    assert_eq!(bench.status("ana", "BLOCK-S2").await, Some(Status::Completed));
}

#[tokio::test]
async fn what_fails_is_told_and_taken_in_later() {
    let bench = Bench::new().await;
    for (id, raw) in [("S1", XNO), ("S2", 2 * XNO), ("S3", 4 * XNO)] {
        bench.pay(1, id, raw);
    }
    bench.state().stuck.insert("S2".to_owned());
    let (blocks, total, complete) = bench.receive("ana").await.unwrap();
    assert_eq!(
        (blocks.as_slice(), total.as_str(), complete),
        (["BLOCK-S1", "BLOCK-S3"].map(String::from).as_slice(), "5", false)
    );
    assert_eq!(bench.balance("ana").await, "7", "the credit does not depend on it");
    // Nothing but failures: nothing was done.
    assert!(matches!(bench.receive("ana").await, Err(ReceiveError::Unavailable { retry_after: Some(_) })));
    bench.state().stuck.clear();
    assert_eq!(bench.receive("ana").await.unwrap(), (vec!["BLOCK-S2".to_owned()], "2".to_owned(), true));
    assert_eq!(bench.balance("ana").await, "7");
}

#[tokio::test]
async fn a_node_that_is_down_or_none_at_all_is_unavailable() {
    let bench = Bench::new().await;
    bench.pay(1, "S1", XNO);
    bench.state().down = true;
    assert!(matches!(bench.receive("ana").await, Err(ReceiveError::Unavailable { retry_after: Some(_) })));
    assert_eq!(bench.balance("ana").await, "0");
    bench.state().down = false;
    assert_eq!(bench.receive("ana").await.unwrap().1, "1");
    let ana = bench.account("ana").await;
    let other = bench.engine.receive(&ana, Ticker::BTC, LONG).await;
    assert!(matches!(other, Err(ReceiveError::Unavailable { retry_after: None })));
}

#[tokio::test]
async fn a_node_whose_adapter_breaks_is_told_and_takes_in_again_later() {
    let bench = Bench::new().await;
    bench.pay(1, "S1", XNO);
    bench.state().broken = true;
    assert!(matches!(bench.receive("ana").await, Err(ReceiveError::Internal(_))));
    assert_eq!(bench.balance("ana").await, "1", "the taking in has no part in the credit");
    let told: Vec<_> = bench.engine.provider_troubles().iter().map(|t| (t.call, t.trouble)).collect();
    assert_eq!(told, [(Call::Receive, Trouble::Panicked)]);
    bench.state().broken = false;
    assert_eq!(bench.receive("ana").await.unwrap(), (vec!["BLOCK-S1".to_owned()], "1".to_owned(), true));
    assert!(bench.engine.provider_troubles().is_empty());
}

#[tokio::test]
async fn a_slow_one_answers_what_it_has_and_goes_on() {
    let bench = Bench::new().await;
    for (id, raw) in [("S1", XNO), ("S2", 2 * XNO), ("S3", 4 * XNO)] {
        bench.pay(1, id, raw);
    }
    bench.state().slow.insert("S2".to_owned());
    let call = tokio::spawn({
        let (engine, ana) = (bench.engine.clone(), bench.account("ana").await);
        async move { engine.receive(&ana, Ticker::XNO, LONG).await.unwrap() }
    });
    bench.node.hangs.notified().await;
    tokio::time::pause();
    tokio::time::advance(LONG).await;
    let receipt = call.await.unwrap();
    tokio::time::resume();
    assert_eq!((blocks(&receipt), receipt.complete), (vec!["BLOCK-S1".to_owned()], false));
    assert_eq!(receipt.total.to_string(), "1");
    assert_eq!(bench.balance("ana").await, "7");
    // What was under way ends, unheard; the next scan says by what it was taken in, and takes in the rest.
    bench.node.go_on.notify_one();
    bench.engine.scan(&bench.node).await.unwrap();
    assert_eq!(bench.status("ana", "BLOCK-S2").await, Some(Status::Completed));
    assert!(bench.state().sends.iter().all(|send| send.block.is_some()));
    assert_eq!(bench.receive("ana").await.unwrap(), (vec![], "0".to_owned(), true));
    assert_eq!(bench.balance("ana").await, "7");
}

#[tokio::test]
async fn many_calls_at_once_and_the_scan_double_and_lose_nothing() {
    let bench = Bench::new().await;
    for n in 0..24 {
        bench.pay(1, &format!("S{n}"), XNO);
    }
    let ana = bench.account("ana").await;
    let calls = (0..16).map(|_| bench.engine.receive(&ana, Ticker::XNO, LONG));
    let scans = (0..4).map(|_| bench.engine.scan(&bench.node));
    let (receipts, scans) =
        tokio::join!(futures_util::future::join_all(calls), futures_util::future::join_all(scans));
    assert!(scans.iter().all(Result::is_ok));
    let mut listed = Vec::new();
    for receipt in receipts {
        let receipt = receipt.unwrap();
        assert!(receipt.complete);
        assert_eq!(receipt.total.minor(), XNO * u128::try_from(receipt.taken.len()).unwrap());
        listed.extend(blocks(&receipt));
    }
    let once: BTreeSet<_> = listed.iter().collect();
    assert_eq!(once.len(), listed.len(), "a block is listed by whoever made it");
    assert_eq!(bench.balance("ana").await, "24");
    assert_eq!(bench.engine.check_ledger().await.unwrap().credits, 24);
    for n in 0..24 {
        assert_eq!(bench.status("ana", &format!("BLOCK-S{n}")).await, Some(Status::Completed));
    }
    let scans = bench.state().scans;
    assert!(scans <= 4 + 3, "sixteen calls at once need no sixteen scans: {scans}");
}

#[tokio::test]
async fn a_process_that_dies_after_taking_in_forgets_nothing() {
    let mut bench = Bench::new().await;
    bench.pay(1, "S1", XNO);
    bench.engine.scan(&bench.node).await.unwrap();
    // The block is out, and nobody has noted it; the other payment was never even seen.
    bench.pay(1, "S2", XNO);
    assert_eq!(bench.node.receive(AccountIndex(1), usize::MAX).await.unwrap().taken.len(), 1);
    bench.engine =
        standing::engine(&bench.url, Arc::new(bench.node.clone()), &ManualClock::at(standing::START)).await;
    assert_eq!(bench.status("ana", "BLOCK-S2").await, None);
    assert_eq!(bench.receive("ana").await.unwrap(), (vec![], "0".to_owned(), true), "it was taken in before");
    assert_eq!(bench.balance("ana").await, "2");
    assert_eq!(bench.status("ana", "BLOCK-S1").await, Some(Status::Completed));
    assert_eq!(bench.status("ana", "BLOCK-S2").await, Some(Status::Completed));
}
