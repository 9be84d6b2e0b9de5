//! What the emulator recorded (`cargo xtask fixtures`), as this adapter understands it. The snapshots are reviewed as code;
//! references are replaced in them, so that a new recording changes only what it means.

use std::collections::BTreeMap;

use deposit_core::{IntentRecord, RawDelivery, Secret, Timestamp};
use deposit_testkit::Recorded;

use crate::api::{Dispute, Event, List, Refund, Session};
use crate::currency::Currency;
use crate::map::{self, Read};
use crate::testing::{S1, config, record, terms};
use crate::webhook::{Webhooks, observe};

const FIXTURES: Recorded = Recorded("stripe");

/// The deposit that the session of a fixture belongs to.
fn deposit(session: &Session) -> (IntentRecord, &'static Currency) {
    let code = session.currency.as_deref().unwrap();
    let currency = Currency::ALL.iter().find(|currency| currency.is(code)).unwrap();
    let mut record = record(currency.ticker);
    record.terms = terms(currency.ticker, session.amount_total.unwrap());
    record.provider_ref = session.id.parse().unwrap();
    record.deposit_id = session.client_reference_id.as_deref().unwrap().parse().unwrap();
    (record, currency)
}

#[test]
fn states() {
    let mut count = 0;
    for name in FIXTURES.names("session_") {
        let state = name.strip_prefix("session_").unwrap();
        if state == "wrong_types" || FIXTURES.answer(&name).status != 200 {
            continue;
        }
        let session: Session = FIXTURES.parsed(&name);
        let paid = FIXTURES.has(&format!("refunds_{state}"));
        let (mut refunds, mut disputes) = (Vec::new(), Vec::new());
        if paid {
            refunds = FIXTURES.parsed::<List<Refund>>(&format!("refunds_{state}")).data;
            disputes = FIXTURES.parsed::<List<Dispute>>(&format!("disputes_{state}")).data;
        }
        let (record, currency) = deposit(&session);
        let read = Read { session, refunds, disputes };
        let snapshot = map::snapshot(&record, currency, &read);
        let mut shown = serde_json::to_string_pretty(&snapshot).unwrap();
        shown = shown.replace(&read.session.id, "[session]");
        if let Some(intent) = map::intent_id(&read.session) {
            shown = shown.replace(intent, "[payment]");
        }
        for (n, refund) in read.refunds.iter().rev().enumerate() {
            shown = shown.replace(&refund.id, &format!("[refund {}]", n + 1));
        }
        for dispute in &read.disputes {
            shown = shown.replace(&dispute.id, "[dispute]");
        }
        insta::assert_snapshot!(format!("state_{state}"), shown);
        count += 1;
    }
    assert!(count >= 18, "{count} states: are the fixtures complete?");
}

#[test]
fn a_made_session_says_where_to_pay() {
    for name in ["create_ok", "create_replayed"] {
        let session: Session = FIXTURES.parsed(name);
        let (record, currency) = deposit(&session);
        assert!(map::is_what_we_asked(&session, false, &record.deposit_id, currency, 2_500), "{name}");
        let how = map::instructions(&session).unwrap();
        let link = how.link().unwrap();
        assert!(link.starts_with("https://checkout.example/c/pay/cs_test_") && link.ends_with("#fid0001"));
    }
    assert_eq!(FIXTURES.body("create_ok"), FIXTURES.body("create_replayed"));
}

#[test]
fn wrong_types_are_no_answer() {
    assert!(serde_json::from_str::<Session>(&FIXTURES.body("session_wrong_types")).is_err());
}

#[test]
fn events_are_read_as_webhooks_are() {
    let page: List<Event> = FIXTURES.parsed("events_page");
    assert_eq!((page.data.len(), page.has_more), (2, true));
    assert!(FIXTURES.parsed::<List<Event>>("events_empty").data.is_empty());
    let session: List<Session> = FIXTURES.parsed("sessions_by_intent");
    assert_eq!(session.data.len(), 1);
    let intent = map::intent_id(&session.data[0]).unwrap();
    assert!(page.data.iter().any(|event| event.data.object.intent() == Some(intent)));
    for event in &page.data {
        assert!(observe(event, false, &mut Vec::new()).unwrap().is_some());
    }
    assert!(FIXTURES.parsed::<List<Session>>("sessions_empty").data.is_empty());
}

#[test]
fn webhooks() {
    #[derive(serde::Deserialize)]
    struct Delivered {
        headers: BTreeMap<String, String>,
        body: String,
    }
    let mut config = config();
    config.webhook_secret = Secret::new(S1);
    let hooks = Webhooks::new(&config.check().unwrap());
    let mut shown = BTreeMap::new();
    for name in FIXTURES.names("webhook_") {
        let sent: Delivered = FIXTURES.request(&name);
        let event: serde_json::Value = serde_json::from_str(&sent.body).unwrap();
        let headers: Vec<_> = sent.headers.into_iter().collect();
        // Signatures keep wall time, which stands in the recorded world.
        let received_at = Timestamp::from_secs(1_790_000_000);
        let raw = RawDelivery { headers: &headers, query: &[], body: sent.body.as_bytes(), received_at };
        let delivery = hooks.take(&raw).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(delivery.id.as_str(), event["id"].as_str().unwrap());
        let mut text = serde_json::to_string(&delivery.observations).unwrap();
        let object = &event["data"]["object"];
        for (member, word) in [("id", "[object]"), ("payment_intent", "[payment]")] {
            if let Some(id) = object[member].as_str() {
                text = text.replace(id, word);
            }
        }
        if let Some(id) = object["metadata"]["deposit_id"].as_str() {
            text = text.replace(id, "[deposit]");
        }
        shown.insert(name, text);
    }
    insta::assert_json_snapshot!("webhooks", shown);
    assert!(shown.len() >= 20, "{}", shown.len());
}
