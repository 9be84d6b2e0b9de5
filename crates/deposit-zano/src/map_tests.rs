use deposit_core::Asset;
use proptest::prelude::*;

use super::*;
use crate::asset::{FUSD_ID, ZANO_ID};
use crate::entry::Entry;
use crate::payment::paid;
use crate::testing::{DEPOSIT, OTHER_ID, assets, entry, intent, line, rules, zano};

const TOP: u64 = 5_000;

fn feed(entries: Vec<Entry>) -> Feed {
    Feed { height: Some(TOP), entries, complete: true, ..Feed::default() }
}

/// The snapshot of the usual deposit, made by `change` into what the wallet lists.
fn read(entries: Vec<Entry>) -> Snapshot {
    read_with(&feed(entries), true)
}

fn read_with(feed: &Feed, fusd_fits: bool) -> Snapshot {
    let assets = assets();
    let payments: Vec<_> = feed.entries.iter().flat_map(paid).collect();
    let rules = Rules { fusd_fits, ..rules(&assets) };
    snapshot(&intent(DEPOSIT, Ticker::ZANO, "-"), feed, &payments, rules, None)
}

fn ours() -> String {
    intent(DEPOSIT, Ticker::ZANO, "-").provider_ref.to_string()
}

fn figures(snapshot: &Snapshot) -> Vec<(String, u128, u128, Option<u32>)> {
    let payments = snapshot.payments.iter();
    payments.map(|p| (p.asset.to_string(), p.in_flight, p.confirmed, p.confirmations)).collect()
}

fn codes(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.concerns.iter().map(|c| c.code.as_str()).collect()
}

/// What goes to an operator: code, how much and of what; each about one payment.
fn handed(snapshot: &Snapshot) -> Vec<String> {
    let money = snapshot.concerns.iter().filter_map(|c| Some((&c.code, c.money.as_ref()?)));
    money
        .map(|(code, money)| {
            let payment = money.payment.as_ref().unwrap();
            assert!(snapshot.undecided.contains(payment), "{payment}");
            let ticker = money.ticker.map_or("-".to_owned(), |ticker| ticker.to_string());
            format!("{code} {} {ticker}", money.amount.as_deref().unwrap_or("-"))
        })
        .collect()
}

#[test]
fn what_stays_undecided_is_handed_over_by_payment() {
    let locked = |lines: Vec<_>| {
        let mut entry = entry(1, 100, &[(&ours(), lines)]);
        entry.unlock_time = 5_000_000;
        entry
    };
    let zano = locked(vec![line(ZANO_ID, 1_500_000_000_000, true)]);
    assert_eq!(handed(&read(vec![zano])), ["locked_payment 1.5 ZANO"]);
    let both = locked(vec![line(ZANO_ID, 1, true), line(FUSD_ID, 25_000, true)]);
    assert_eq!(
        handed(&read(vec![both.clone()])),
        ["locked_payment 2.5 FUSD", "locked_payment 0.000000000001 ZANO"]
    );
    // In what it is counted is not known; the other one is told all the same.
    assert_eq!(
        handed(&read_with(&feed(vec![both]), false)),
        ["locked_payment - FUSD", "locked_payment 0.000000000001 ZANO"]
    );
    // Two transactions are two payments, in the same words.
    let second = locked(vec![line(ZANO_ID, 1_500_000_000_000, true)]);
    let mut third = second.clone();
    third.tx_hash = format!("{:064x}", 7);
    assert_eq!(handed(&read(vec![second, third])).len(), 2);
    let twice = entry(1, 100, &[(&ours(), vec![line(ZANO_ID, 5, true), line(ZANO_ID, 6, true)])]);
    assert_eq!(handed(&read(vec![twice])), ["repeated_line - ZANO"]);
    let fusd = entry(1, 100, &[(&ours(), vec![line(FUSD_ID, 7, true)])]);
    assert_eq!(handed(&read_with(&feed(vec![fusd]), false)), ["asset_decimals - FUSD"]);
    // Another token is evidence that the rules see to, and a height that is missing is the wallet's matter.
    let other = entry(1, 100, &[(&ours(), vec![line(OTHER_ID, 9, true)])]);
    assert_eq!(handed(&read(vec![other])), [""; 0]);
    let mut blind = feed(vec![crate::testing::zano(1, 100, &ours(), 5)]);
    blind.height = None;
    assert_eq!(
        (handed(&read_with(&blind, true)), codes(&read_with(&blind, true))),
        (vec![], vec!["no_height"])
    );
}

#[test]
fn depths() {
    for (height, top, wanted) in [
        (0, Some(TOP), Depth::Pool),
        (0, None, Depth::Pool),
        (TOP, Some(TOP), Depth::Confirming(0)),
        (TOP - 1, Some(TOP), Depth::Confirming(1)),
        (TOP - 9, Some(TOP), Depth::Confirming(9)),
        (TOP - 10, Some(TOP), Depth::Confirmed),
        (1, Some(TOP), Depth::Confirmed),
        (1, Some(u64::MAX), Depth::Confirmed),
        // Above the wallet's own height: never more than none.
        (TOP + 5, Some(TOP), Depth::Confirming(0)),
        (1, None, Depth::Unknown),
    ] {
        assert_eq!(depth(height, top, 10), wanted, "{height} under {top:?}");
    }
}

#[test]
fn from_the_pool_to_ten_blocks_deep() {
    let at = |height| figures(&read(vec![zano(1, height, &ours(), 1_500_000_000_000)]));
    let sum = 1_500_000_000_000;
    assert_eq!(at(0), [("ZANO".into(), sum, 0, None)], "seen");
    assert_eq!(at(TOP), [("ZANO".into(), sum, 0, Some(0))]);
    assert_eq!(at(TOP - 9), [("ZANO".into(), sum, 0, Some(9))]);
    assert_eq!(at(TOP - 10), [("ZANO".into(), 0, sum, Some(10))]);
    // Deeper ones look the same, so that a block changes nothing.
    assert_eq!(at(TOP - 400), at(TOP - 10));
}

#[test]
fn the_time_is_the_block_s() {
    let paid_at = |height| read(vec![zano(1, height, &ours(), 1)]).payments[0].paid_at;
    assert_eq!(paid_at(0), None, "when this wallet heard of it says nothing");
    assert_eq!(paid_at(TOP), Some(Timestamp::from_secs(1_785_000_600)));
}

#[test]
fn one_transaction_may_carry_many_payments() {
    let ours = ours();
    let both = entry(
        1,
        100,
        &[
            (&ours, vec![line(ZANO_ID, 5, true), line(FUSD_ID, 10_000, true)]),
            ("aaaaaaaaaaaaaaaa", vec![line(ZANO_ID, 7, true)]),
            ("", vec![line(ZANO_ID, 1_000, false)]),
        ],
    );
    let snapshot = read(vec![both.clone()]);
    let wanted = [("FUSD".to_owned(), 0, 10_000, Some(10)), ("ZANO".to_owned(), 0, 5, Some(10))];
    assert_eq!(figures(&snapshot), wanted);
    let ids: Vec<_> = snapshot.payments.iter().map(|p| p.id.to_string()).collect();
    assert_eq!(
        ids,
        [format!("{}:{ours}:{FUSD_ID}", both.tx_hash), format!("{}:{ours}:{ZANO_ID}", both.tx_hash)]
    );
    assert!(snapshot.concerns.is_empty() && snapshot.complete);
}

#[test]
fn two_transactions_are_two_payments() {
    let snapshot = read(vec![zano(1, 100, &ours(), 5), zano(2, 100, &ours(), 5)]);
    assert_eq!(snapshot.payments.len(), 2);
}

#[test]
fn upper_case_is_the_same() {
    let mut entry = zano(0xab, 100, &ours().to_uppercase(), 5);
    let lower = read(vec![zano(0xab, 100, &ours(), 5)]);
    entry.tx_hash = entry.tx_hash.to_uppercase();
    entry.subtransfers_by_pid[0].subtransfers[0].asset_id = ZANO_ID.to_uppercase();
    assert_eq!(read(vec![entry]), lower);
}

#[test]
fn another_token_is_money_in_another_asset() {
    let snapshot = read(vec![entry(1, 100, &[(&ours(), vec![line(OTHER_ID, 9, true)])])]);
    assert_eq!(figures(&snapshot), [("ZA-F4A1E5ED00000".into(), 0, 9, Some(10))]);
    assert_eq!(codes(&snapshot), ["unknown_asset"]);
    assert!(!Asset::KNOWN.contains(&snapshot.payments[0].asset));
}

#[test]
fn a_locked_payment_is_not_credited() {
    let mut entry = zano(1, 100, &ours(), 5);
    entry.unlock_time = 5_000_000;
    let snapshot = read(vec![entry]);
    assert!(snapshot.payments.is_empty());
    assert_eq!((snapshot.undecided.len(), codes(&snapshot)), (1, vec!["locked_payment"]));
}

#[test]
fn a_line_that_is_listed_twice_is_undecided() {
    let snapshot =
        read(vec![entry(1, 100, &[(&ours(), vec![line(ZANO_ID, 5, true), line(ZANO_ID, 5, true)])])]);
    assert!(snapshot.payments.is_empty());
    assert_eq!((snapshot.undecided.len(), codes(&snapshot)), (1, vec!["repeated_line"]));
}

#[test]
fn fusd_of_other_decimals_is_undecided_and_zano_is_not() {
    let lines = vec![line(ZANO_ID, 5, true), line(FUSD_ID, 7, true)];
    let snapshot = read_with(&feed(vec![entry(1, 100, &[(&ours(), lines)])]), false);
    assert_eq!(figures(&snapshot), [("ZANO".into(), 0, 5, Some(10))]);
    assert_eq!((snapshot.undecided.len(), codes(&snapshot)), (1, vec!["asset_decimals"]));
}

#[test]
fn without_a_height_only_the_pool_is_judged() {
    let mut feed = feed(vec![zano(1, 100, &ours(), 5), zano(2, 0, &ours(), 6)]);
    feed.height = None;
    feed.doubt("no_height", "x");
    let snapshot = read_with(&feed, true);
    assert_eq!(figures(&snapshot), [("ZANO".into(), 6, 0, None)]);
    assert_eq!(snapshot.undecided.len(), 1);
    assert!(!snapshot.complete);
}

#[test]
fn what_mines_goes_out_or_is_nothing_is_no_payment() {
    let mut mining = zano(1, 100, &ours(), 5);
    mining.is_mining = true;
    let out = entry(2, 100, &[(&ours(), vec![line(ZANO_ID, 5, false)])]);
    let nothing = zano(3, 100, &ours(), 0);
    assert_eq!(read(vec![mining, out, nothing]).payments, []);
}

#[test]
fn a_line_that_cannot_be_read_is_handed_over_and_the_others_count() {
    let mut odd = entry(1, 100, &[(&ours(), vec![line("ZANO", 5, true), line(ZANO_ID, 7, true)])]);
    let snapshot = read(vec![odd.clone(), zano(2, 100, &ours(), 9)]);
    assert_eq!((handed(&snapshot), snapshot.complete), (vec!["unreadable_line - -".to_owned()], false));
    assert_eq!(snapshot.payments.iter().map(|p| p.confirmed).collect::<Vec<_>>(), [7, 9]);
    odd.tx_hash.push('0');
    let snapshot = read(vec![odd.clone(), zano(2, 100, &ours(), 9)]);
    assert_eq!((snapshot.payments.len(), snapshot.undecided.len()), (1, 1));
    // Nobody's, where not even the payment id is one.
    odd.subtransfers_by_pid[0].payment_id = "x".repeat(5_000);
    assert!(paid(&odd).iter().all(|paid| paid.odd && paid.payment_id.is_empty()));
}

#[test]
fn an_outage_of_the_look_up_is_not_wrong_decimals() {
    let feed = feed(vec![entry(1, 100, &[(&ours(), vec![line(ZANO_ID, 5, true), line(FUSD_ID, 7, true)])])]);
    let assets = assets();
    let payments: Vec<_> = feed.entries.iter().flat_map(paid).collect();
    let rules = Rules { fusd_unknown: true, ..rules(&assets) };
    let snapshot = snapshot(&intent(DEPOSIT, Ticker::ZANO, "-"), &feed, &payments, rules, None);
    assert_eq!(figures(&snapshot), [("ZANO".into(), 0, 5, Some(10))]);
    assert_eq!(
        (snapshot.undecided.len(), codes(&snapshot), handed(&snapshot)),
        (1, vec!["fusd_unchecked"], vec![])
    );
}

#[test]
fn links() {
    let how = |ticker, asset| instructions(ticker, &assets(), "iZ1", Amount::parse("1.50", asset).unwrap());
    assert_eq!(how(Ticker::ZANO, Asset::ZANO).link(), Some("zano:action=send&address=iZ1&amount=1.5"));
    let fusd = format!("zano:action=send&address=iZ1&amount=1.5&asset_id={FUSD_ID}");
    assert_eq!(how(Ticker::FUSD, Asset::FUSD).link(), Some(fusd.as_str()));
    assert_eq!(
        (how(Ticker::FUSD, Asset::FUSD).address(), how(Ticker::FUSD, Asset::FUSD).memo()),
        (Some("iZ1"), None)
    );
    let least = instructions(Ticker::ZANO, &assets(), "iZ1", Amount::new(1, Asset::ZANO));
    assert!(least.link().unwrap().ends_with("&amount=0.000000000001"));
}

#[test]
fn a_window_that_was_cut_is_incomplete_for_old_deposits_alone() {
    let mut feed = feed(vec![zano(1, 100, &ours(), 5)]);
    let created = u64::try_from(crate::testing::CREATED).unwrap();
    feed.cut_at = Some(created - 6 * 3_600);
    let cut = read_with(&feed, true);
    assert_eq!((cut.complete, codes(&cut), cut.payments.len()), (false, vec!["window_too_large"], 1));
    feed.cut_at = Some(created - 6 * 3_600 - 1);
    assert!(read_with(&feed, true).complete);
}

proptest! {
    /// Whatever is listed: each of our lines is one payment, exact, and none of another id is.
    #[test]
    fn every_line_counts_once_and_exactly(
        lines in prop::collection::vec((0_usize..3, 0_usize..3, 1_u64.., 0_u64..=TOP), 0..20),
    ) {
        let ours = ours();
        let ids = [ours.as_str(), "aaaaaaaaaaaaaaaa", ""];
        let tokens = [ZANO_ID, FUSD_ID, OTHER_ID];
        let entries: Vec<_> = lines
            .iter()
            .zip(1..)
            .map(|((id, token, units, height), n)| {
                entry(n, *height, &[(ids[*id], vec![line(tokens[*token], *units, true)])])
            })
            .collect();
        let snapshot = read(entries);
        let sum: u128 = snapshot.payments.iter().map(|p| p.in_flight + p.confirmed).sum();
        let wanted: u128 = lines.iter().filter(|l| l.0 == 0).map(|l| u128::from(l.2)).sum();
        prop_assert_eq!(sum, wanted);
        let deep: u128 = lines.iter().filter(|l| l.0 == 0 && l.3 > 0 && TOP - l.3 >= 10).map(|l| u128::from(l.2)).sum();
        prop_assert_eq!(snapshot.payments.iter().map(|p| p.confirmed).sum::<u128>(), deep);
        prop_assert!(snapshot.undecided.is_empty());
    }
}
