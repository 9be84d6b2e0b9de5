use serde_json::Value;

use super::*;

fn output(outpoint: &str, address: &str, confirmations: i64, timestamp: i64) -> api::Output {
    serde_json::from_value(serde_json::json!({
        "outpoint": outpoint, "address": address, "amount": "0.05",
        "confirmations": confirmations, "timestamp": timestamp,
    }))
    .unwrap()
}

/// A real server's list.
#[test]
fn a_recorded_wallet_is_read() {
    let recorded: Value =
        serde_json::from_str(include_str!("../../../fixtures/btcpay/live/wallet_utxos.json")).unwrap();
    let outputs: Vec<api::Output> = serde_json::from_value(recorded["response"]["body"].clone()).unwrap();
    let News { changed, place, .. } = news(None, &outputs);
    assert_eq!((outputs.len(), changed.len(), place.young.len()), (8, 7, 8));
    let nothing = News { changed: BTreeSet::new(), away: Vec::new(), place: place.clone() };
    assert_eq!(news(Some(&place), &outputs), nothing);
    for (name, lost) in [
        (include_str!("../../../fixtures/btcpay/live/wallet_transaction_gone_from_the_chain.json"), true),
        (include_str!("../../../fixtures/btcpay/live/wallet_transaction_settled.json"), false),
    ] {
        let recorded: Value = serde_json::from_str(name).unwrap();
        let transaction: api::Transaction =
            serde_json::from_value(recorded["response"]["body"].clone()).unwrap();
        assert_eq!(transaction.is_lost(), lost);
    }
}

#[test]
fn only_what_means_something_else_is_told_and_only_what_is_young_is_kept() {
    let day = 24 * 3600;
    let News { changed, place, .. } = news(None, &[output("a-0", "A", 0, 100), output("b-0", "B", 500, 50)]);
    assert_eq!(changed.len(), 2, "all of it, the first time");
    let told = |outputs: &[api::Output]| news(Some(&place), outputs).changed.into_iter().collect::<Vec<_>>();
    let b = || output("b-0", "B", 501, 50);
    assert_eq!(told(&[output("a-0", "A", 0, 100), b()]), [""; 0]);
    assert_eq!(told(&[output("a-0", "A", 1, 100), b()]), ["A"], "in the chain");
    let away = news(Some(&place), &[b()]).away;
    assert_eq!(away, [("a-0".to_owned(), "A".to_owned(), 0)], "spent or gone");
    // Missed by an indexer that was away for days.
    assert_eq!(told(&[output("a-0", "A", 0, 100), b(), output("c-1", "C", 300, 2 * day)]), ["C"]);
    let later = news(Some(&place), &[b(), output("c-1", "C", 1, 30 * day)]).place;
    assert_eq!(later.young.keys().collect::<Vec<_>>(), ["c-1"], "old ones are not kept");
    let News { changed, .. } = news(Some(&later), &[b(), output("c-1", "C", 0, 30 * day)]);
    assert_eq!(changed.into_iter().collect::<Vec<_>>(), ["C"], "no longer in the chain");
}

/// As long as the outputs of that time are remembered, or until the chain has it again; and a cursor of a version that kept no such thing is read.
#[test]
fn what_was_lost_is_kept_in_the_cursor() {
    let week = REMEMBERED_SECS;
    let mut place = news(None, &[output("a-0", "A", 1, 100)]).place;
    place = news(Some(&place), &[]).place;
    place.lose("a-0".to_owned(), "A".to_owned());
    let written = serde_json::to_string(&place).unwrap();
    place = serde_json::from_str(&written).unwrap();
    let lost = |outputs: &[api::Output]| news(Some(&place), outputs).place.lost.len();
    assert_eq!(lost(&[]), 1);
    assert_eq!(lost(&[output("b-0", "B", 1, 100 + week)]), 1);
    assert_eq!(lost(&[output("b-0", "B", 1, 101 + week)]), 0);
    assert_eq!(lost(&[output("a-0", "A", 0, 100)]), 0);
    let old: Place = serde_json::from_str(r#"{"newest":5,"young":{"a-0":["A",1]}}"#).unwrap();
    assert_eq!((old.young.len(), old.lost.len()), (1, 0));
}
