//! What the emulator recorded (`cargo xtask fixtures`), as this adapter understands it. The snapshots are reviewed as code; hashes are replaced
//! in them, so that a new recording changes only what it means.

use std::collections::BTreeMap;

use deposit_core::{
    AccountIndex, Asset, CreditRule, IntentRecord, PayInstructions, PaymentProvider, RawDelivery, Secret,
    Terms, Ticker, Timestamp,
};
use deposit_testkit::Recorded;
use serde_json::Value;

use crate::api;
use crate::block::Hash;
use crate::config::Config;
use crate::error::NodeError;
use crate::map;
use crate::provider::Nano;

const SEED: &str = "A98A541406E5DF55EB3F57396255AB133A417C3252679CC9C1AEF51382089AF9";

const FIXTURES: Recorded = Recorded("nano");

fn names(part: &str) -> Vec<String> {
    let mut names = FIXTURES.all();
    names.retain(|name| name.contains(part));
    names
}

fn body(name: &str) -> String {
    FIXTURES.answer(name).body.get().to_owned()
}

fn nano() -> Nano {
    let representative = "nano_3e3j5tkog48pnny9dmfzj1r16pg8t1e76dz5tmac6iq689wyjfpiij4txtdo";
    let mut config = Config::new("http://127.0.0.1:1", SEED, representative);
    config.callback_token = Secret::new("REDACTED");
    let nano = Nano::new(config).unwrap();
    nano.watch(&[AccountIndex(1)]);
    nano
}

/// Sixty-four hexadecimal digits in a row become a name.
fn redact(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_hexdigit() {
            digits.push(c);
            continue;
        }
        if digits.len() == 64 {
            out.push_str("[hash]");
        } else {
            out.push_str(&digits);
        }
        digits.clear();
        out.push(c);
    }
    out
}

fn intent(hash: &str) -> IntentRecord {
    let instructions: PayInstructions = nano().standing_address(AccountIndex(1)).unwrap();
    IntentRecord {
        deposit_id: "fixture-deposit-0001".parse().unwrap(),
        provider: Nano::ID,
        provider_ref: hash.parse().unwrap(),
        terms: Terms::new(
            Ticker::XNO,
            Asset::XNO,
            CreditRule::in_kind(Asset::XNO),
            Timestamp::from_secs(1_785_000_000),
        ),
        instructions,
    }
}

/// Each read of a block, as a payment to the first account.
#[test]
fn reads() {
    let mut shown = BTreeMap::new();
    for name in names("block_info_") {
        let asked: Value = FIXTURES.request(&name);
        let hash = asked["body"]["hash"].as_str().unwrap().to_owned();
        let text = body(&name);
        let understood = match serde_json::from_str::<api::MaybeError>(&text) {
            Ok(api::MaybeError { error: Some(error) }) => Value::from(NodeError::of(&error).to_string()),
            _ => match serde_json::from_str::<api::BlockInfo>(&text) {
                Ok(info) => {
                    let hash: Hash = hash.parse().unwrap();
                    let text = serde_json::to_string(&map::snapshot(&intent(&hash.to_string()), hash, &info));
                    serde_json::from_str(&redact(&text.unwrap())).unwrap()
                }
                Err(_) => Value::from("no answer"),
            },
        };
        shown.insert(name, understood);
    }
    assert!(shown.len() >= 12, "are the fixtures complete?");
    insta::assert_json_snapshot!("reads", shown);
}

/// What waits, in either dialect, and with nothing waiting.
#[test]
fn waiting() {
    let mut shown = BTreeMap::new();
    for name in names("receivable_") {
        let amounts: Vec<String> = if name.contains("accounts") {
            let read: api::AccountsReceivable = serde_json::from_str(&body(&name)).unwrap();
            read.blocks.0.values().flat_map(|all| all.0.values().map(|w| w.amount.0.to_string())).collect()
        } else {
            let read: api::Receivable = serde_json::from_str(&body(&name)).unwrap();
            read.blocks.0.values().map(|w| w.amount.0.to_string()).collect()
        };
        shown.insert(name, amounts);
    }
    insta::assert_json_snapshot!("waiting", shown);
}

/// Errors: by their text where HTTP says 200, else by the status alone.
#[test]
fn errors() {
    let mut shown = BTreeMap::new();
    for name in FIXTURES.all() {
        let Some(response) = FIXTURES.exchange(&name).response else { continue };
        if response.status != 200 {
            assert!(response.body.get().starts_with('"'), "{name}: plain text");
            shown.insert(name, format!("HTTP {}", response.status));
        } else if let Ok(api::MaybeError { error: Some(error) }) = serde_json::from_str(response.body.get()) {
            let known = NodeError::of(&error);
            assert_ne!(known, NodeError::Other, "{name}: {error}");
            shown.insert(name, known.to_string());
        }
    }
    insta::assert_json_snapshot!("errors", shown);
}

#[test]
fn callbacks() {
    #[derive(serde::Deserialize)]
    struct Delivered {
        path: String,
        body: String,
    }
    let nano = nano();
    let mut shown = BTreeMap::new();
    for name in names("callback_") {
        let sent: Delivered = FIXTURES.request(&name);
        let token = sent.path.split_once("token=").unwrap().1.to_owned();
        let query = [("token".to_owned(), token)];
        let raw = RawDelivery {
            headers: &[],
            query: &query,
            body: sent.body.as_bytes(),
            received_at: Timestamp::EPOCH,
        };
        let delivery = nano.webhook(&raw).unwrap_or_else(|error| panic!("{name}: {error}"));
        let event: Value = serde_json::from_str(&sent.body).unwrap();
        assert_eq!(delivery.id.as_str(), event["hash"].as_str().unwrap());
        shown.insert(name, (delivery.observations, delivery.concerns));
    }
    insta::assert_json_snapshot!("callbacks", shown);
}

/// The rest of what is read, in both dialects.
#[test]
fn accounts() {
    for dialect in ["cpp", "rs"] {
        let named = |name: &str| body(&format!("{dialect}_{name}"));
        let info: api::AccountInfo = serde_json::from_str(&named("account_info")).unwrap();
        let processed: api::Processed = serde_json::from_str(&named("process")).unwrap();
        assert_eq!(info.frontier, processed.hash);
        let history: api::History = serde_json::from_str(&named("account_history")).unwrap();
        assert_eq!((history.history[0].kind.as_str(), history.history[0].hash), ("receive", processed.hash));
        let heads: api::AccountsFrontiers = serde_json::from_str(&named("accounts_frontiers")).unwrap();
        assert!(heads.frontiers.0.values().any(|head| *head == info.frontier));
        let blocks: api::BlocksInfo = serde_json::from_str(&named("blocks_info_unknown")).unwrap();
        assert!(blocks.blocks.0.is_empty());
        let version: api::Version = serde_json::from_str(&named("version")).unwrap();
        assert_eq!(version.network, "dev");
    }
}
