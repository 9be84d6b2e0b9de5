//! What the emulator recorded (`cargo xtask fixtures`), as this adapter understands it. The snapshots are reviewed as code; hashes and
//! ids are replaced in them, so that a new recording changes only what it means.

use std::collections::BTreeMap;

use deposit_core::{Observed, Snapshot, Ticker};
use deposit_testkit::Recorded;
use serde::de::DeserializeOwned;

use crate::address::Address;
use crate::api::{Answer, AssetAnswer, FeedPage, Info, MadeAddress, OwnAddress, RpcError, Status};
use crate::asset::{FUSD_ID, ZANO_ID};
use crate::feed::Feed;
use crate::map;
use crate::payment;
use crate::scan::{self, Position};
use crate::testing::{OTHER_ID, assets, intent, rules};

const DEPOSIT: &str = "fixture-deposit-0001";
const OTHER_DEPOSIT: &str = "fixture-deposit-0002";

const FIXTURES: Recorded = Recorded("zano");

fn answer<T: DeserializeOwned>(name: &str) -> Answer<T> {
    FIXTURES.parsed(name)
}

fn result<T: DeserializeOwned>(name: &str) -> T {
    answer(name).result.unwrap()
}

fn feed(mut page: FeedPage) -> Feed {
    settle(&mut page);
    Feed {
        height: page.pi.map(|pi| pi.height),
        total: page.total_transfers,
        entries: page.transfers,
        complete: true,
        cut_at: None,
        concerns: Vec::new(),
        ..Feed::default()
    }
}

/// All is on one page: what is more than the history has is unconfirmed, and comes first, whatever height it tells.
fn settle(page: &mut FeedPage) {
    let history = usize::try_from(page.total_transfers).unwrap();
    let unconfirmed = page.transfers.len().saturating_sub(history);
    page.transfers.iter_mut().take(unconfirmed).for_each(|entry| entry.height = 0);
}

fn snapshot(deposit: &str, feed: &Feed) -> Snapshot {
    let assets = assets();
    let payments: Vec<_> = feed.entries.iter().flat_map(payment::paid).collect();
    map::snapshot(&intent(deposit, Ticker::ZANO, "-"), feed, &payments, rules(&assets), None)
}

/// Opaque texts by what they are.
fn redact(text: String, feed: &Feed) -> String {
    let mut text = text;
    for (n, entry) in feed.entries.iter().enumerate() {
        text = text.replace(&entry.tx_hash, &format!("[transaction {}]", n + 1));
    }
    for deposit in [DEPOSIT, OTHER_DEPOSIT] {
        let id = intent(deposit, Ticker::ZANO, "-").provider_ref;
        text = text.replace(id.as_str(), &format!("[payment id of {deposit}]"));
    }
    text.replace(ZANO_ID, "[ZANO]").replace(FUSD_ID, "[FUSD]").replace(OTHER_ID, "[another token]")
}

#[test]
fn states() {
    let mut count = 0;
    for name in FIXTURES.names("feed_") {
        let feed = feed(result(&name));
        let shown = serde_json::to_string_pretty(&snapshot(DEPOSIT, &feed)).unwrap();
        insta::assert_snapshot!(name, redact(shown, &feed));
        count += 1;
    }
    assert_eq!(count, 17, "are the fixtures complete?");
}

#[test]
fn the_other_deposit_of_one_transaction() {
    let feed = feed(result("feed_two_deposits_and_change"));
    let (ours, other) = (snapshot(DEPOSIT, &feed), snapshot(OTHER_DEPOSIT, &feed));
    let figures =
        |s: &Snapshot| s.payments.iter().map(|p| (p.asset.to_string(), p.confirmed)).collect::<Vec<_>>();
    assert_eq!(figures(&ours), [("ZANO".to_owned(), 1_000_000_000_000)]);
    assert_eq!(figures(&other), [("FUSD".to_owned(), 10_000)]);
}

/// The same feeds as a scan shows them.
#[test]
fn scanned() {
    let mut shown = BTreeMap::new();
    for name in FIXTURES.names("feed_") {
        let mut page: FeedPage = result(&name);
        settle(&mut page);
        let assets = assets();
        let top = page.pi.map(|pi| pi.height);
        let seen: Vec<_> =
            page.transfers.iter().flat_map(|e| scan::observed(e, top, rules(&assets))).collect();
        let lines: Vec<_> = seen
            .iter()
            .map(|o| {
                let observed = if let Observed::Payment(p) = &o.observed {
                    format!("payment of {} {}", p.confirmed, p.asset)
                } else {
                    format!("{:?}", o.observed)
                };
                let ticker = o.ticker.map(|t| t.to_string());
                redact(format!("{:?} {ticker:?} {observed}", o.target), &feed(result(&name)))
            })
            .collect();
        shown.insert(name, lines);
    }
    insta::assert_json_snapshot!("scanned", shown);
}

#[test]
fn pages() {
    let first: FeedPage = result("page_1");
    // One in the pool, one mined; the coinbase before it is counted and not listed.
    assert_eq!(first.transfers.iter().map(|e| e.height > 0).collect::<Vec<_>>(), [false, true]);
    assert_eq!((first.total_transfers, first.last_item_index), (5, 1));
    let second: FeedPage = result("page_2");
    assert_eq!((second.transfers.len(), second.last_item_index), (2, 3));
    let past: FeedPage = result("page_past_end");
    assert_eq!((past.transfers.len(), past.total_transfers, past.last_item_index), (0, 5, 0));
    assert!(result::<FeedPage>("page_without_height").pi.is_some(), "it is told whatever is asked for");
    // Oldest first: a cursor behind what is final.
    let oldest: FeedPage = result("page_oldest_first");
    let assets = assets();
    let page = scan::page(&Position::default(), std::slice::from_ref(&oldest), rules(&assets)).unwrap();
    // The coinbase behind it is counted and not listed: a page that is not full is the last.
    assert_eq!((page.observations.len(), page.more), (3, false));
    // None is beyond the overlap: all are remembered as shown, and looked for again.
    assert!(page.next.0.starts_with(r#"{"next":0,"after":null,"shown":[{"tx":""#), "{}", page.next.0);
    let again = scan::page(&Position::of(Some(&page.next)), &[oldest], rules(&assets)).unwrap();
    assert_eq!((again.observations.len(), again.next), (0, page.next));
}

#[test]
fn calls() {
    let own = Address::parse(&result::<OwnAddress>("getaddress").address).unwrap();
    let ours = intent(DEPOSIT, Ticker::ZANO, "-").provider_ref;
    for name in ["make_address", "make_address_upper_case"] {
        let made: MadeAddress = result(name);
        let address = Address::parse(&made.integrated_address).unwrap();
        assert_eq!((address.keys, address.payment_id.as_deref()), (own.keys, Some(ours.as_str())));
        assert!(made.payment_id.eq_ignore_ascii_case(ours.as_str()));
    }
    let decimals = |name: &str| {
        let told: AssetAnswer = result(name);
        (told.status, told.asset_descriptor.map(|a| a.decimal_point))
    };
    assert_eq!(decimals("whitelist_fusd"), (Status::Ok, Some(4)));
    assert_eq!(decimals("asset_fusd"), (Status::Ok, Some(4)));
    assert_eq!(decimals("asset_false_fusd"), (Status::Ok, Some(12)));
    for name in ["asset_unknown", "whitelist_unknown"] {
        assert_eq!(decimals(name), (Status::Other("NOT_FOUND".into()), None));
    }
    let info = |name: &str| {
        let told: Info = result(name);
        (told.status, told.daemon_network_state, told.height)
    };
    assert_eq!(info("info"), (Status::Ok, 2, 3_900_001));
    assert_eq!(info("info_synchronizing"), (Status::Ok, 1, 3_900_001));
}

#[test]
fn errors() {
    for (name, wanted) in [
        ("error_method", -32601),
        ("error_params", -32602),
        ("error_deprecated", -12),
        ("error_busy", -3),
        ("make_address_error_payment_id", -5),
    ] {
        let told: Answer<FeedPage> = answer(name);
        assert!(
            matches!(told, Answer { result: None, error: Some(RpcError { code }) } if code == wanted),
            "{name}"
        );
    }
}

#[test]
fn what_is_no_answer() {
    for (name, status) in [("401", 401), ("429", 429), ("500", 500), ("502_html", 502)] {
        assert_eq!(FIXTURES.answer(&format!("trouble_{name}")).status, status);
    }
    let wrong = FIXTURES.answer("trouble_wrong_types");
    assert!(serde_json::from_str::<Answer<FeedPage>>(wrong.body.get()).is_err());
}
