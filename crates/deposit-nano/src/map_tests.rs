use deposit_core::{CreditRule, PayInstructions, ProviderRef, Terms};
use proptest::prelude::*;

use super::*;

const HASH: &str = "FF0144381CFF0B2C079A115E7ADA7E96F43FD219446E7524C48D1CC9900C4F17";
const TO: &str = "nano_18gmu6engqhgtjnppqam181o5nfhj4sdtgyhy36dan3jr9spt84rzwmktafc";
const LINK: &str = "19D3D919475DEED4696B5D13018151D1AF88B2BD3BCFF048B45031C1F36D1858";
const FROM: &str = "nano_3qgmh14nwztqw4wmcdzy4xpqeejey68chx6nciczwn9abji7ihhum9qtpmdr";

fn hash() -> Hash {
    HASH.parse().unwrap()
}

fn info(change: impl FnOnce(&mut serde_json::Value)) -> BlockInfo {
    let mut json = serde_json::json!({
        "block_account": FROM,
        "amount": "1500000000000000000000000000000",
        "confirmed": "true",
        "subtype": "send",
        "local_timestamp": "1785000000",
        "contents": { "type": "state", "previous": HASH, "link": LINK },
    });
    change(&mut json);
    serde_json::from_str(&json.to_string()).unwrap()
}

fn intent() -> IntentRecord {
    IntentRecord {
        deposit_id: "dep_01J9Z3K7QmWxAbCd".parse().unwrap(),
        provider: ID,
        provider_ref: ProviderRef::new(HASH).unwrap(),
        terms: Terms::new(
            Ticker::XNO,
            Asset::XNO,
            CreditRule::in_kind(Asset::XNO),
            Timestamp::from_secs(1_785_000_000),
        ),
        instructions: PayInstructions::StandingAddress { address: TO.into(), uri: None },
    }
}

#[test]
fn every_form_of_a_block() {
    let kind = |kind: &str, subtype: Option<&str>| {
        let info = info(|json| {
            json["contents"]["type"] = kind.into();
            json["contents"]["destination"] = TO.into();
            match subtype {
                Some(word) => json["subtype"] = word.into(),
                None => _ = json.as_object_mut().unwrap().remove("subtype"),
            }
        });
        match send(hash(), &info) {
            Ok(send) => send.to.to_string(),
            Err(NoPayment::NotASend) => "nothing".to_owned(),
            Err(NoPayment::Undecided(concern)) => concern.code,
        }
    };
    assert_eq!(kind("state", Some("send")), TO);
    for word in ["receive", "open", "change", "epoch"] {
        assert_eq!(kind("state", Some(word)), "nothing", "{word}");
    }
    assert_eq!(kind("state", Some("burn")), "unknown_status");
    assert_eq!(kind("state", None), "unknown_status");
    // From before state blocks, without a subtype.
    assert_eq!(kind("send", None), TO);
    for word in ["receive", "open", "change"] {
        assert_eq!(kind(word, None), "nothing", "{word}");
    }
    assert_eq!(kind("vote", Some("send")), "unknown_status");
}

#[test]
fn every_word_of_confirmed() {
    let reading = |word: &str| snapshot(&intent(), hash(), &info(|json| json["confirmed"] = word.into()));
    let numbers =
        |s: &Snapshot| s.payments.iter().map(|p| (p.in_flight > 0, p.confirmed > 0)).collect::<Vec<_>>();
    assert_eq!(numbers(&reading("true")), [(false, true)]);
    assert_eq!(numbers(&reading("false")), [(true, false)]);
    let odd = reading("mostly");
    assert_eq!(numbers(&odd), []);
    assert_eq!((odd.undecided[0].as_str(), odd.concerns[0].code.as_str()), (HASH, "unknown_status"));
}

#[test]
fn what_cannot_be_right_is_left_as_it_is() {
    for (change, code) in [
        (info(|json| json["contents"]["link"] = "11".repeat(32).into()), "destination_mismatch"),
        (info(|json| json["subtype"] = "receive".into()), "unreadable_payment"),
        (info(|json| _ = json["contents"].as_object_mut().unwrap().remove("link")), "unreadable_payment"),
        (info(|json| _ = json.as_object_mut().unwrap().remove("amount")), "unreadable_amount"),
    ] {
        let read = snapshot(&intent(), hash(), &change);
        assert!(read.payments.is_empty(), "{code}");
        assert_eq!((read.undecided.len(), read.concerns[0].code.as_str()), (1, code));
        // To an operator, with how much it is where the block says so.
        let payment = ConcernedMoney::of_payment(HASH.parse().unwrap());
        let money = match code {
            "unreadable_amount" => payment,
            _ => payment.amount(Amount::parse("1.5", Asset::XNO).unwrap()),
        };
        assert_eq!(read.concerns[0].money, Some(money), "{code}");
    }
}

#[test]
fn a_word_from_outside_is_cut() {
    let long = "x\n".repeat(500);
    let read = snapshot(&intent(), hash(), &info(|json| json["confirmed"] = long.into()));
    assert!(read.concerns[0].detail.len() < 100 && !read.concerns[0].detail.contains('\n'));
}

#[test]
fn a_replaced_payment_is_listed_as_gone() {
    let read = gone(&intent(), hash());
    assert_eq!((read.payments.len(), read.payments[0].in_flight, read.payments[0].confirmed), (1, 0, 0));
    assert!(read.complete);
}

#[test]
fn the_time_is_the_nodes_own_where_it_knows_it() {
    let at = |text: &str| send(hash(), &info(|json| json["local_timestamp"] = text.into())).unwrap().at;
    assert_eq!(at("1785000000"), Some(Timestamp::from_secs(1_785_000_000)));
    assert_eq!(at("0"), None);
    assert_eq!(at("soon"), None);
}

proptest! {
    #[test]
    fn any_amount_arrives_whole(raw: u128, confirmed: bool) {
        let info = info(|json| {
            json["amount"] = raw.to_string().into();
            json["confirmed"] = confirmed.to_string().into();
        });
        let send = send(hash(), &info).unwrap();
        prop_assert_eq!((send.raw, send.confirmed), (raw, confirmed));
        let read = snapshot(&intent(), hash(), &info);
        prop_assert_eq!(read.payments[0].in_flight + read.payments[0].confirmed, raw);
    }
}
