//! What the emulator recorded (`cargo xtask fixtures`), as this adapter understands it. The snapshots are reviewed as code.

use std::collections::BTreeMap;

use deposit_core::{Amount, IntentRecord, Ticker};
use deposit_testkit::{Answer, Recorded};
use serde_json::Value;

use crate::api::{Currency, Limits, Order, Status};
use crate::coin::{Coin, Settle};
use crate::map::{self, Payout};
use crate::testing::intent;

const FIXTURES: Recorded = Recorded("nanswap");

/// The order, the pay-out address that it names, and the deposit that it could belong to.
fn read(answer: &Answer) -> (Order, String, IntentRecord) {
    let text = answer.body.get();
    let order: Order = serde_json::from_str(text).unwrap();
    let body: Value = serde_json::from_str(text).unwrap();
    let ticker: Ticker = body["from"].as_str().unwrap().parse().unwrap();
    let asked = order.expected_amount_from.as_ref().unwrap().as_str().to_owned();
    let memo = order.extra_id().unwrap();
    let address = order.payin_address.clone().unwrap();
    let intent = intent(ticker, &asked, &order.id, &address, memo.as_deref());
    let payout = body["payoutAddress"].as_str().unwrap().to_owned();
    (order, payout, intent)
}

#[test]
fn states() {
    // Where every deposit of the script is paid out.
    let ours = read(&FIXTURES.answer("order_kas_waiting")).1;
    let mut count = 0;
    for name in FIXTURES.names("order_") {
        let answer = FIXTURES.answer(&name);
        if answer.status != 200 || name == "order_wrong_types" {
            continue;
        }
        let (order, _, intent) = read(&answer);
        let payout = Payout { asset: Settle::of(Ticker::XNO).unwrap().asset, address: &ours };
        let at = map::http_date(&answer.headers["date"]);
        assert!(at.is_some(), "{name}");
        let snapshot = map::snapshot(&intent, payout, &order, at);
        let shown = serde_json::to_string_pretty(&snapshot).unwrap().replace(&order.id, "[order]");
        insta::assert_snapshot!(name, shown);
        count += 1;
    }
    assert!(count >= 25, "{count} states: are the fixtures complete?");
}

/// Each coin: where to pay it.
#[test]
fn coins() {
    let mut shown = BTreeMap::new();
    for coin in Coin::ALL {
        let name = coin.ticker.as_str().to_lowercase();
        let (order, _, intent) = read(&FIXTURES.answer(&format!("create_{name}")));
        let asked: Amount = intent.terms.requested().unwrap();
        assert!(map::is_asked(asked, order.expected_amount_from.as_ref().unwrap()));
        assert!(order.status.is_none_or(|status| status == Status::Waiting), "{name}");
        shown.insert(name, intent.instructions);
    }
    insta::assert_json_snapshot!("coins", shown);
}

#[test]
fn a_create_without_a_status_is_among_them() {
    let read =
        |coin: &Coin| read(&FIXTURES.answer(&format!("create_{}", coin.ticker.as_str().to_lowercase()))).0;
    assert!(Coin::ALL.iter().any(|coin| read(coin).status.is_none()));
}

#[test]
fn offers() {
    let all: BTreeMap<String, Currency> = FIXTURES.parsed("currencies");
    assert_eq!(all["TON"].has_external_id, Some(true));
    assert_eq!(all["VVV-BASE"].has_external_id, Some(false));
    let limits: Limits = FIXTURES.parsed("limits_kas");
    assert_eq!((limits.min.as_str(), limits.max.as_str()), ("0.25", "37500"));
}

#[test]
fn refusals_are_known_by_their_body() {
    let mut count = 0;
    for name in FIXTURES.all() {
        let answer = FIXTURES.answer(&name);
        let refused = crate::api::is_refusal(answer.body.get().as_bytes());
        assert_eq!(refused, answer.status != 200 && answer.status != 502, "{name}");
        count += usize::from(refused);
    }
    assert!(count >= 12, "{count}");
}

#[test]
fn wrong_types_are_no_answer() {
    let text = FIXTURES.answer("order_wrong_types").body;
    assert!(serde_json::from_str::<Order>(text.get()).is_err());
}

#[test]
fn the_key_is_in_no_fixture_and_goes_to_creates_only() {
    for name in FIXTURES.all() {
        let request: Value = FIXTURES.request(&name);
        let key = request["headers"]["nanswap-api-key"].as_str();
        assert_eq!(key.is_some(), name.starts_with("create_") && name != "create_401_no_key", "{name}");
        assert!(key.is_none_or(|key| key == "REDACTED"), "{name}");
    }
}
