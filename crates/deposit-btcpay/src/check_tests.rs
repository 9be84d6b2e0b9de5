use super::*;
use crate::testing::{STORE, methods};

fn granted(list: &[&str]) -> Vec<String> {
    list.iter().map(|right| (*right).to_owned()).collect()
}

#[test]
fn a_right_is_here_elsewhere_or_missing() {
    let view = "btcpay.store.canviewinvoices";
    let modify = "btcpay.store.canmodifyinvoices";
    for (list, needed, expected) in [
        (granted(&[view]), view, Grant::Here),
        (granted(&[&format!("{view}:{STORE}")]), view, Grant::Here),
        (granted(&[&format!("{view}:another")]), view, Grant::ForAnotherStore),
        (granted(&["unrestricted"]), WALLET, Grant::Here),
        // The least rights of the dossier's section 14.
        (granted(&[&format!("{modify}:{STORE}")]), "btcpay.store.cancreateinvoice", Grant::Here),
        (granted(&[&format!("{modify}:{STORE}")]), view, Grant::Here),
        (granted(&["btcpay.store.canviewstoresettings"]), view, Grant::Here),
        (granted(&[view]), modify, Grant::No),
        (granted(&[modify]), "btcpay.store.canviewstoresettings", Grant::No),
        (granted(&["btcpay.store.canmodifystoresettings"]), WEBHOOKS, Grant::Here),
        (vec![], view, Grant::No),
    ] {
        assert_eq!(grant(&list, needed, STORE), expected, "{list:?} {needed}");
    }
}

#[test]
fn the_least_rights_of_a_real_key_are_enough() {
    let key = granted(&[
        &format!("btcpay.store.canmodifyinvoices:{STORE}"),
        &format!("btcpay.store.canviewstoresettings:{STORE}"),
        &format!("btcpay.store.canviewwallet:{STORE}"),
    ]);
    let words: Vec<_> = rights(&key, STORE).iter().map(|item| item.outcome.word()).collect();
    assert_eq!(words, ["right"; 5]);
    let other = rights(&key, "another-store");
    assert!(other.iter().take(4).all(CheckItem::is_wrong));
    assert!(other[0].outcome.text().unwrap().contains("store_id"));
}

#[test]
fn fee_modes() {
    let word = |mode| fee_mode(mode).outcome.word();
    assert_eq!(word(Some("Never")), "right");
    assert_eq!(word(Some("MultiplePaymentsOnly")), "advice");
    assert_eq!(word(Some("Always")), "wrong");
    assert_eq!(word(Some("Sometimes")), "unknown");
    assert_eq!(word(None), "unknown");
}

#[test]
fn a_store_may_have_fewer_coins_but_not_none() {
    let there = |id: &str, enabled| StoreMethod { payment_method_id: id.to_owned(), enabled };
    let words = |there: &[StoreMethod], chains: &[Chain]| -> Vec<_> {
        methods_of(&methods(), there, chains).iter().map(|item| item.outcome.word()).collect()
    };
    let two = [there("BTC", true), there("XMR-CHAIN", false)];
    assert_eq!(words(&two, &[])[0], "right");
    assert!(words(&two, &[]).iter().skip(1).all(|word| *word == "advice"));
    let away: Chain =
        serde_json::from_value(serde_json::json!({"paymentMethodId": "BTC-CHAIN", "available": false}))
            .unwrap();
    assert_eq!(words(&two, &[away])[0], "wrong");
    assert_eq!(words(&[], &[]).last(), Some(&"wrong"));
}

#[test]
fn events_that_are_missing_are_named() {
    let hook = |everything, events: &[&str]| Webhook {
        id: String::new(),
        url: String::new(),
        enabled: true,
        automatic_redelivery: true,
        authorized_events: Some(Events { everything, specific_events: granted(events) }),
    };
    assert_eq!(events_of(&hook(true, &[])).outcome.word(), "right");
    assert_eq!(events_of(&hook(false, EVENTS)).outcome.word(), "advice");
    let item = events_of(&hook(false, &EVENTS[1..]));
    assert!(item.is_wrong() && item.outcome.text().unwrap().contains("InvoiceReceivedPayment"));
}
