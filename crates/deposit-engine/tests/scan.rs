//! Feeds and standing addresses.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/standing.rs"]
mod standing;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use deposit_core::*;
use deposit_engine::{Engine, ManualClock};
use deposit_store::{JournalFilter, ReviewReason};

const ID: ProviderId = ProviderId::constant("feed");

#[derive(Debug, Default)]
struct Feed {
    /// What every scan shows from its cursor on.
    rows: Vec<Observation>,
    watched: BTreeSet<AccountIndex>,
    cursors: Vec<Option<String>>,
    taken_in: Vec<AccountIndex>,
    down: bool,
    /// Its push tells of everybody's payments, like a node's of every block of the network.
    everybodys: bool,
}

/// A node with a feed of two rows a page.
#[derive(Debug, Clone)]
struct Node {
    id: ProviderId,
    capabilities: Capabilities,
    feed: Arc<Mutex<Feed>>,
}

fn address(index: AccountIndex) -> String {
    format!("address-{}", index.0)
}

#[async_trait]
impl PaymentProvider for Node {
    fn id(&self) -> ProviderId {
        self.id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn open(&self, _: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        Err(ProviderError::unsupported(ID, Operation::Open))
    }

    async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError> {
        Ok(Snapshot { complete: false, ..Snapshot::empty(intent.provider_ref.clone()) })
    }

    async fn scan(&self, cursor: Option<&ScanCursor>) -> Result<ScanPage, ProviderError> {
        let mut feed = self.feed.lock().unwrap();
        feed.cursors.push(cursor.map(|c| c.0.clone()));
        if feed.down {
            return Err(ProviderError::new(ID, Operation::Scan, ErrorKind::Transient { retry_after: None }));
        }
        let from: usize = cursor.map_or(0, |c| c.0.parse().unwrap());
        let page: Vec<Observation> = feed.rows.iter().skip(from).take(2).cloned().collect();
        let next = from + page.len();
        let more = next < feed.rows.len();
        Ok(ScanPage {
            observations: page,
            taken: Vec::new(),
            next: ScanCursor(next.to_string()),
            more,
            ..ScanPage::default()
        })
    }

    fn standing_address(&self, index: AccountIndex) -> Result<PayInstructions, ProviderError> {
        Ok(PayInstructions::StandingAddress { address: address(index), uri: None })
    }

    fn watch(&self, indices: &[AccountIndex]) {
        // Those of one account alone come too, when it is shown its address.
        self.feed.lock().unwrap().watched.extend(indices);
    }

    async fn receive(&self, index: AccountIndex, _: usize) -> Result<Received, ProviderError> {
        self.feed.lock().unwrap().taken_in.push(index);
        Ok(Received::default())
    }

    fn webhook(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        let mut observations: Vec<Observation> = serde_json::from_slice(delivery.body).unwrap();
        let feed = self.feed.lock().unwrap();
        if feed.everybodys {
            let ours =
                |o: &Observation| feed.watched.iter().any(|i| o.target == Target::Address(address(*i)));
            observations.retain(ours);
        }
        Ok(Delivery { id: DeliveryId::new("d1").unwrap(), observations, concerns: Vec::new() })
    }
}

struct Bench {
    _folder: tempfile::TempDir,
    url: String,
    node: Node,
    clock: ManualClock,
    engine: Engine,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("scan.db").display());
        let capabilities = Capabilities { webhooks: true, ..standing::capabilities() };
        let node = Node { id: ID, capabilities, feed: Arc::default() };
        let clock = ManualClock::at(standing::START);
        let engine = standing::engine(&url, Arc::new(node.clone()), &clock).await;
        Self { _folder: folder, url, node, clock, engine }
    }

    async fn restart(&mut self) {
        self.engine = standing::engine(&self.url, Arc::new(self.node.clone()), &self.clock).await;
    }

    fn show(&self, to: &str, id: &str, in_flight: u128, confirmed: u128) {
        let id = PaymentRef::new(id).unwrap();
        let reading =
            PaymentReading { in_flight, ..PaymentReading::confirmed(id, Amount::new(confirmed, Asset::XNO)) };
        let observed = Observed::Payment(Box::new(reading));
        let target = Target::Address(to.to_owned());
        let row = Observation { provider: ID, target, ticker: Some(Ticker::XNO), ours: Some(true), observed };
        self.node.feed.lock().unwrap().rows.push(row);
    }

    fn say(&self, target: Target, observed: Observed) {
        let row =
            Observation { provider: self.node.id, target, ticker: Some(Ticker::XNO), ours: None, observed };
        self.node.feed.lock().unwrap().rows.push(row);
    }

    /// The references of what waits for an operator.
    async fn reviews(&self) -> Vec<String> {
        self.engine.store().open_reviews().await.unwrap().into_iter().map(|item| item.reference).collect()
    }

    async fn scan(&self) -> usize {
        let messages = self.engine.scan(&self.node).await.unwrap();
        assert!(self.engine.check_ledger().await.unwrap().balanced);
        messages
    }

    async fn balance(&self, name: &str) -> String {
        let account = self.engine.store().account_by_name(&name.parse().unwrap()).await.unwrap().unwrap();
        self.engine.balances(&account).await.unwrap().xno.to_string()
    }

    async fn status(&self, name: &str, payment: &str) -> Option<Status> {
        let account = self.engine.store().account_by_name(&name.parse().unwrap()).await.unwrap().unwrap();
        let view = self.engine.deposit(account.id, Ticker::XNO, payment).await.unwrap();
        view.map(|view| view.status)
    }
}

/// 1 XNO in raw.
const XNO: u128 = 1_000_000_000_000_000_000_000_000_000_000;

#[tokio::test]
async fn each_payment_to_a_standing_address_is_a_deposit_of_its_own_and_is_credited_once() {
    let mut bench = Bench::new().await;
    let (ana, ben) = (address(AccountIndex(1)), address(AccountIndex(2)));
    bench.show(&ana, "S1", XNO, 0);
    assert_eq!(bench.scan().await, 1);
    assert_eq!(bench.status("ana", "S1").await, Some(Status::Processing));
    assert_eq!(bench.status("ben", "S1").await, None, "another's deposit");
    assert_eq!(bench.balance("ana").await, "0");
    assert!(bench.node.feed.lock().unwrap().taken_in.is_empty(), "nothing is taken in before it is final");

    // The same send confirmed, a second one, and one of somebody else's; three pages.
    bench.show(&ana, "S1", 0, XNO);
    bench.show(&ana, "S2", 0, 1);
    bench.show(&ben, "S3", 0, u128::MAX / 4);
    bench.show(&ana, "S1", 0, XNO);
    assert_eq!(bench.scan().await, 4);
    assert_eq!(bench.status("ana", "S1").await, Some(Status::Completed));
    assert_eq!(bench.balance("ana").await, "1.000000000000000000000000000001");
    assert_eq!(bench.balance("ben").await, "85070591.730234615865843651857942052863", "to the last raw");
    assert_eq!(bench.node.feed.lock().unwrap().taken_in, [AccountIndex(1), AccountIndex(2)]);
    assert_eq!(bench.node.feed.lock().unwrap().watched, [AccountIndex(1), AccountIndex(2)].into());

    // The cursor is kept over a restart, and showing everything again changes nothing.
    bench.restart().await;
    assert_eq!(bench.scan().await, 0);
    assert_eq!(bench.node.feed.lock().unwrap().cursors.last().unwrap().as_deref(), Some("5"));
    // A feed shows how things stand: what was seen in flight is confirmed by now.
    bench.node.feed.lock().unwrap().rows.remove(0);
    bench.engine.store().move_scan_cursor(ID, &ScanCursor("0".to_owned())).await.unwrap();
    assert_eq!(bench.scan().await, 4);
    assert_eq!(bench.balance("ana").await, "1.000000000000000000000000000001");
    assert_eq!(bench.engine.check_ledger().await.unwrap().credits, 3);
}

#[tokio::test]
async fn money_to_an_address_of_nobody_goes_to_review_once() {
    let bench = Bench::new().await;
    bench.show("address-99", "S1", 0, 7);
    bench.scan().await;
    bench.engine.store().move_scan_cursor(ID, &ScanCursor("0".to_owned())).await.unwrap();
    bench.scan().await;
    let reviews = bench.engine.store().open_reviews().await.unwrap();
    assert_eq!(reviews.len(), 1);
    assert_eq!((reviews[0].reference.as_str(), reviews[0].reason), ("S1", ReviewReason::NoDeposit));
    assert_eq!(reviews[0].amount.as_deref(), Some("0.000000000000000000000000000007"));
    assert_eq!(bench.engine.check_ledger().await.unwrap().credits, 0);
}

#[tokio::test]
async fn money_for_a_closed_account_goes_to_review() {
    let bench = Bench::new().await;
    bench.engine.store().close_account(&"ana".parse().unwrap(), bench.engine.now()).await.unwrap();
    bench.show(&address(AccountIndex(1)), "S1", 0, XNO);
    bench.scan().await;
    assert_eq!(bench.status("ana", "S1").await, Some(Status::Paid));
    assert_eq!(bench.balance("ana").await, "0");
    let reviews = bench.engine.store().open_reviews().await.unwrap();
    assert_eq!((reviews.len(), reviews[0].reason), (1, ReviewReason::AccountClosed));
}

#[tokio::test]
async fn a_feed_that_fails_loses_nothing() {
    let bench = Bench::new().await;
    bench.show(&address(AccountIndex(1)), "S1", 0, XNO);
    bench.node.feed.lock().unwrap().down = true;
    assert_eq!(bench.scan().await, 0);
    assert_eq!(bench.engine.store().scan_cursor(ID).await.unwrap(), None);
    bench.node.feed.lock().unwrap().down = false;
    assert_eq!(bench.scan().await, 1);
    assert_eq!(bench.balance("ana").await, "1");
}

/// A node's callback names the address alone. The address is nobody's order, and its money is no operator's business.
#[tokio::test]
async fn a_hint_of_a_standing_address_makes_a_scan_and_no_review() {
    let bench = Bench::new().await;
    let ana = address(AccountIndex(1));
    bench.show(&ana, "S1", 0, XNO);
    let hint = |to: &str| Observation {
        provider: ID,
        target: Target::Address(to.to_owned()),
        ticker: Some(Ticker::XNO),
        ours: Some(true),
        observed: Observed::PaymentHint,
    };
    let deliver = async |to: &str| {
        let body = serde_json::to_vec(&[hint(to)]).unwrap();
        let delivery = RawDelivery { headers: &[], query: &[], body: &body, received_at: bench.engine.now() };
        bench.engine.webhook(ID.as_str(), &delivery).await.unwrap();
    };
    deliver(&ana).await;
    assert_eq!(bench.engine.handle_deliveries().await.unwrap(), 1, "at once");
    assert_eq!(bench.balance("ana").await, "1", "what the feed shows is committed");
    let row = &bench.engine.store().journal_rows(JournalFilter::default()).await.unwrap()[0];
    assert_eq!(row.outcome.as_deref(), Some("scanned"));

    // However long afterwards it is worked off again, and whatever the node does then.
    bench.clock.advance_secs(10_000);
    bench.engine.handle_delivery(row).await.unwrap();
    bench.node.feed.lock().unwrap().down = true;
    bench.engine.handle_delivery(row).await.unwrap();
    assert_eq!(bench.reviews().await, Vec::<String>::new());
    assert_eq!(bench.engine.check_ledger().await.unwrap().credits, 1);
}

/// The cursor passes over a line once: what it says of money is on a deposit or before an operator by then.
#[tokio::test]
async fn money_of_an_order_that_nobody_knows_goes_to_review_by_the_feed_alone() {
    let bench = Bench::new().await;
    let order = |text: &str| Target::Order(ProviderRef::new(text).unwrap());
    bench.say(order("unpaid"), Observed::Hint);
    bench.say(order("lost-1"), Observed::PaymentHint);
    bench.say(order("lost-2"), Observed::Facts(Box::default()));
    bench.say(Target::Unknown, Observed::PaymentHint);
    bench.say(Target::Address("address-99".to_owned()), Observed::PaymentHint);
    bench.say(Target::Address(address(AccountIndex(1))), Observed::PaymentHint);
    for _ in 0..2 {
        bench.scan().await;
        let mut reviews = bench.reviews().await;
        reviews.sort();
        assert_eq!(reviews, ["address-99", "feed from 2, line 2", "lost-1", "lost-2"]);
        bench.engine.store().move_scan_cursor(ID, &ScanCursor("0".to_owned())).await.unwrap();
    }
}

#[tokio::test]
async fn facts_of_a_feed_are_taken_from_it() {
    let bench = Bench::new().await;
    bench.show(&address(AccountIndex(1)), "S1", 0, XNO);
    bench.scan().await;
    let more = PaymentEvidence { seen: 3 * XNO, confirmed: 3 * XNO, ..PaymentEvidence::none(Asset::XNO) };
    let payments = [(PaymentRef::new("S1").unwrap(), more)].into();
    let facts = Facts { payments, order: OrderEvidence::default() };
    bench.say(Target::Order(ProviderRef::new("S1").unwrap()), Observed::Facts(Box::new(facts)));
    bench.scan().await;
    assert_eq!(bench.balance("ana").await, "3", "what only the message can show");
}

#[tokio::test]
async fn a_feed_speaks_for_the_deposits_of_its_own_provider_alone() {
    let mut bench = Bench::new().await;
    bench.show(&address(AccountIndex(1)), "S1", 0, XNO);
    bench.scan().await;
    let ana = bench.engine.store().account_by_name(&"ana".parse().unwrap()).await.unwrap().unwrap();
    let theirs = bench.engine.deposit(ana.id, Ticker::XNO, "S1").await.unwrap().unwrap().id;
    // Another provider pays in, and names a deposit that is not its own.
    bench.node = Node { id: ProviderId::constant("other"), feed: Arc::default(), ..bench.node.clone() };
    let reading = PaymentReading::confirmed(PaymentRef::new("P9").unwrap(), Amount::new(5, Asset::XNO));
    bench.say(Target::Deposit(theirs), Observed::Payment(Box::new(reading)));
    bench.scan().await;
    assert_eq!(bench.reviews().await, ["P9"]);
    assert_eq!(bench.balance("ana").await, "1");
}

#[tokio::test]
async fn a_push_about_everybody_is_kept_only_where_it_is_about_us() {
    let bench = Bench::new().await;
    bench.node.feed.lock().unwrap().everybodys = true;
    let push = async |to: String| {
        let told = Observation {
            provider: ID,
            target: Target::Address(to),
            ticker: Some(Ticker::XNO),
            ours: Some(true),
            observed: Observed::PaymentHint,
        };
        let body = serde_json::to_vec(&[told]).unwrap();
        let delivery = RawDelivery { headers: &[], query: &[], body: &body, received_at: Timestamp::EPOCH };
        bench.engine.webhook(ID.as_str(), &delivery).await.unwrap();
    };
    let kept = async || bench.engine.store().journal_rows(JournalFilter::default()).await.unwrap().len();
    for n in 0..1_000 {
        push(format!("foreign-{n}")).await;
    }
    assert_eq!(kept().await, 0);
    // Made a moment ago, by another process: nobody here has told the provider of it.
    let made = bench.engine.store().ensure_account(&"cleo".parse().unwrap(), Timestamp::EPOCH).await.unwrap();
    assert!(!bench.node.feed.lock().unwrap().watched.contains(&made.index));
    push(address(made.index)).await;
    assert_eq!(kept().await, 1);
}

#[tokio::test]
async fn owners_are_noted_once_and_again_where_the_addresses_became_others() {
    let mut bench = Bench::new().await;
    bench.scan().await;
    let store = bench.engine.store();
    let owner = store.standing_owner(ID, &address(AccountIndex(2))).await.unwrap().unwrap();
    assert_eq!(owner.index, AccountIndex(2));
    assert_eq!(store.standing_mark(ID).await.unwrap(), Some(AccountIndex(2)));
    // As another seed would have left it: the addresses of now are noted at the next start.
    let id = ProviderId::constant("other");
    let before = vec![("old-1".to_owned(), AccountIndex(1)), ("old-2".to_owned(), AccountIndex(2))];
    store.note_standing(id, before).await.unwrap();
    bench.node = Node { id, feed: Arc::default(), ..bench.node.clone() };
    bench.restart().await;
    bench.scan().await;
    let store = bench.engine.store();
    for (at, index) in [("old-1", 1), ("old-2", 2), ("address-1", 1), ("address-2", 2)] {
        let owner = store.standing_owner(id, at).await.unwrap();
        assert_eq!(owner.map(|account| account.index), Some(AccountIndex(index)), "{at}");
    }
}
