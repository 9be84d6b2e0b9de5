use deposit_core::Ticker;

use super::*;
use crate::api::Provision;
use crate::asset::{FUSD_ID, ZANO_ID};
use crate::testing::{OTHER_ID, assets, entry, line, rules, zano};

const TOP: u64 = 1_000;
const ID: &str = "1dfe5a88ff9effb3";

/// Entries with a number as hash; the index of each is its place.
fn listed(entries: Vec<Entry>, first: u64, total: u64) -> FeedPage {
    let mut entries = entries;
    for (entry, index) in entries.iter_mut().zip(first..) {
        entry.transfer_internal_index = Some(index);
    }
    let last = first + u64::try_from(entries.len().saturating_sub(1)).unwrap();
    FeedPage {
        pi: Some(Provision { height: TOP }),
        last_item_index: if entries.is_empty() { 0 } else { last },
        total_transfers: if entries.is_empty() { 0 } else { total },
        transfers: entries,
    }
}

fn scanned(position: &Position, listed: &FeedPage) -> ScanPage {
    page(position, std::slice::from_ref(listed), rules(&assets())).unwrap()
}

fn position(page: &ScanPage) -> Position {
    Position::of(Some(&page.next))
}

#[test]
fn the_cursor_stands_behind_what_is_final() {
    let start = Position::default();
    assert_eq!(start.question().offset, 0);
    let list = listed(vec![zano(1, 10, ID, 5), zano(2, 20, ID, 6), zano(3, 995, ID, 7)], 0, 3);
    let first = scanned(&start, &list);
    assert_eq!((first.observations.len(), first.more), (3, false));
    let next = position(&first);
    assert_eq!(next, Position { next: 2, after: Some(format!("{:064x}", 2)), shown: vec![], height: TOP });
    // The last final one again, to see that it is there.
    assert_eq!(next.question().offset, 1);
    let again = scanned(&next, &listed(vec![zano(2, 20, ID, 6), zano(3, 995, ID, 7)], 1, 3));
    assert_eq!(again.observations.len(), 1, "what is not final comes again");
    assert_eq!(position(&again), next);
}

#[test]
fn full_pages_say_that_there_is_more() {
    let list = listed((1..=100).map(|n| zano(n, n, ID, 5)).collect(), 0, 250);
    let first = scanned(&Position::default(), &list);
    assert!(first.more);
    assert_eq!(position(&first).next, 100);
    // Without a way forward nobody is sent round in a circle.
    let mut stuck = list;
    stuck.transfers.iter_mut().for_each(|entry| entry.transfer_internal_index = None);
    assert!(!scanned(&Position::default(), &stuck).more);
}

#[test]
fn another_entry_in_the_remembered_place_begins_anew() {
    let after = Position { next: 2, after: Some(format!("{:064x}", 2)), shown: vec![], height: 0 };
    for list in [listed(vec![zano(9, 20, ID, 6)], 1, 2), listed(vec![], 1, 0)] {
        let page = scanned(&after, &list);
        assert_eq!((page.observations.len(), page.more, position(&page)), (0, true, Position::default()));
    }
}

#[test]
fn cursors_that_are_none_begin_anew() {
    for text in ["", "1", "{}", r#"{"next":5,"after":null}"#, r#"{"next":0,"after":"x"}"#] {
        assert_eq!(Position::of(Some(&ScanCursor(text.to_owned()))), Position::default(), "{text}");
    }
    let kept = Position { next: 5, after: Some("ab".into()), shown: vec![], height: 0 };
    assert_eq!(Position::of(Some(&kept.cursor())), kept);
}

#[test]
fn without_a_height_nothing_is_scanned() {
    let mut list = listed(vec![zano(1, 10, ID, 5)], 0, 1);
    list.pi = None;
    assert!(page(&Position::default(), &[list], rules(&assets())).is_err());
}

#[test]
fn only_what_is_confirmed_speaks_of_money() {
    let what = |entry: &Entry| {
        let seen = observed(entry, Some(TOP), rules(&assets()));
        seen.into_iter().map(|o| (o.target, o.ticker, o.observed)).collect::<Vec<_>>()
    };
    let order = Target::Order(ID.parse().unwrap());
    let hint = (order.clone(), Some(Ticker::ZANO), Observed::Hint);
    assert_eq!(what(&zano(1, 0, ID, 5)), std::slice::from_ref(&hint));
    assert_eq!(what(&zano(1, 991, ID, 5)), [hint]);
    let money = what(&zano(1, 990, ID, 5));
    assert!(matches!(&money[0], (t, _, Observed::Payment(p)) if *t == order && p.confirmed == 5));
    let mut locked = zano(1, 990, ID, 5);
    locked.unlock_time = 1;
    assert_eq!(what(&locked), [(order, Some(Ticker::ZANO), Observed::PaymentHint)]);
    // To the wallet's own address: nobody's, and shown once it is final.
    let base = entry(
        1,
        990,
        &[("", vec![line(FUSD_ID, 7, true), line(OTHER_ID, 8, true), line(ZANO_ID, 1, false)])],
    );
    let shown = what(&base);
    assert_eq!(shown.iter().map(|s| s.1).collect::<Vec<_>>(), [Some(Ticker::FUSD), None]);
    assert!(shown.iter().all(|s| s.0 == Target::Unknown && matches!(s.2, Observed::Payment(_))));
    assert_eq!(what(&entry(1, 991, &[("", vec![line(ZANO_ID, 7, true)])])), []);
}

#[test]
fn one_hint_for_an_order() {
    let of = |entry: &Entry| observed(entry, Some(TOP), rules(&assets()));
    let entries = [
        zano(1, 0, ID, 5),
        zano(2, 995, ID, 5),
        zano(3, 0, "aaaaaaaaaaaaaaaa", 5),
        zano(4, 10, ID, 5),
        zano(5, 10, ID, 5),
    ];
    let all: Vec<_> = entries.iter().flat_map(of).collect();
    let kept = once(all.clone());
    assert_eq!(kept, [all[0].clone(), all[2].clone(), all[3].clone(), all[4].clone()]);
}

#[test]
fn a_confirmed_payment_is_shown_once_and_missed_when_it_goes() {
    // Depths 980, 60 and 20: the first is beyond the overlap.
    let all = || vec![zano(1, 20, ID, 5), zano(2, 940, ID, 6), zano(3, 980, "aaaaaaaaaaaaaaaa", 7)];
    let first = scanned(&Position::default(), &listed(all(), 0, 3));
    assert_eq!((first.observations.len(), first.more), (3, false));
    let held = position(&first);
    assert_eq!((held.next, held.shown.len()), (1, 2));
    let again = scanned(&held, &listed(all(), 0, 3));
    assert_eq!((again.observations.len(), position(&again)), (0, held.clone()));
    // The newest block is gone, and a payment with it.
    let mut left = all();
    left.pop();
    let gone = scanned(&held, &listed(left, 0, 2));
    let order = Target::Order("aaaaaaaaaaaaaaaa".parse().unwrap());
    assert_eq!(
        gone.observations.iter().map(|o| (&o.target, &o.observed)).collect::<Vec<_>>(),
        [(&order, &Observed::Hint)]
    );
    assert_eq!(position(&gone).shown.len(), 2, "a read believes it the second time");
    let mut higher = listed(all().drain(..2).collect(), 0, 2);
    higher.pi = Some(Provision { height: TOP + TOLD_BLOCKS });
    let told = scanned(&position(&gone), &higher);
    assert_eq!((told.observations.len(), position(&told).shown.len()), (1, 1));
    // A list that moved between two pages tells nothing of what is gone.
    let (one, mut two) = (listed(all().drain(..2).collect(), 0, 3), listed(vec![], 2, 0));
    two.pi = Some(Provision { height: TOP + 1 });
    let moved = page(&held, &[one, two], rules(&assets())).unwrap();
    assert_eq!((moved.observations.len(), position(&moved).shown.len()), (0, 2));
    // One that begins anew still knows what there was.
    let anew = position(&scanned(&held, &listed(vec![], 0, 0)));
    assert_eq!((anew.next, anew.shown.len()), (0, 2));
}

#[test]
fn a_round_goes_on_to_the_end_of_what_is_not_final() {
    let many = |from: u64, height: u64| (from..from + 100).map(|n| zano(n, height, ID, 5)).collect();
    let start = Position::default();
    let one = listed(many(0, 995), 0, 250);
    assert_eq!(goes_on(&start, std::slice::from_ref(&one), 10).map(|q| q.offset), Some(100));
    let two = listed((200..250).map(|n| zano(n, 999, ID, 5)).collect(), 200, 250);
    assert!(goes_on(&start, &[one, two], 10).is_none());
    // All of it beyond the overlap: the cursor moves first.
    assert!(goes_on(&start, &[listed(many(0, 100), 0, 250)], 10).is_none());
}
