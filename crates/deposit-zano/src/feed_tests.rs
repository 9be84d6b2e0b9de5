use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::api::Provision;
use crate::entry::{Group, Line};
use crate::history::History;

const ID: &str = "1dfe5a88ff9effb3";

fn entry(number: u64, height: u64, timestamp: u64) -> Entry {
    Entry {
        tx_hash: format!("{number:064x}"),
        height,
        timestamp,
        transfer_internal_index: None,
        unlock_time: 0,
        is_mining: false,
        subtransfers_by_pid: vec![Group {
            payment_id: ID.to_owned(),
            subtransfers: vec![Line { amount: 1, asset_id: "a".to_owned(), is_income: true, odd: false }],
        }],
    }
}

/// A wallet with entries oldest first, and a pool.
#[derive(Clone)]
struct Wallet {
    height: u64,
    pool: Vec<Entry>,
    mined: Vec<Entry>,
}

impl Wallet {
    fn of(count: u64) -> Self {
        let mined = (1..=count).map(|n| entry(n, n, 10_000_000 + n * 60)).collect();
        Self { height: count + 20, pool: Vec::new(), mined }
    }

    /// As the source of the wallet does it.
    fn answer(&self, question: &FeedQuestion) -> FeedPage {
        let mut page = FeedPage { pi: Some(Provision { height: self.height }), ..FeedPage::default() };
        if question.offset == 0 && !question.exclude_unconfirmed {
            page.transfers.extend(self.pool.iter().cloned());
        }
        let newest_first: Vec<_> = self.mined.iter().rev().collect();
        page.total_transfers = self.mined.len().try_into().unwrap();
        for (index, entry) in (0_u64..).zip(&newest_first).skip(usize::try_from(question.offset).unwrap()) {
            page.transfers.push(Entry { transfer_internal_index: Some(index), ..(*entry).clone() });
            page.last_item_index = index;
            if page.transfers.len() >= usize::try_from(question.count).unwrap() {
                break;
            }
        }
        page
    }
}

/// Reads, letting `change` happen after each page.
fn reading(wallet: &mut Wallet, since: u64, mut change: impl FnMut(usize, &mut Wallet)) -> (Feed, usize) {
    let mut pages = 0;
    for tries in 1..=TRIES {
        let mut walk = Walk::new(since);
        let step = loop {
            let is_page = walk.pool.is_some();
            let step = walk.take(wallet.answer(&walk.question())).unwrap();
            if is_page {
                pages += 1;
                change(pages, wallet);
            }
            if step != Step::More {
                break step;
            }
        };
        if step == Step::End || tries == TRIES {
            return (walk.feed(step), pages);
        }
    }
    panic!("the last try ends it")
}

fn numbers(feed: &Feed) -> Vec<u64> {
    let mut all: Vec<_> = feed.entries.iter().map(|e| u64::from_str_radix(&e.tx_hash, 16).unwrap()).collect();
    all.sort_unstable();
    all
}

#[test]
fn an_empty_wallet_is_read_completely() {
    let (feed, pages) = reading(&mut Wallet::of(0), 0, |_, _| {});
    assert!(feed.complete && feed.entries.is_empty());
    assert_eq!((feed.height, pages), (Some(20), 1));
}

#[test]
fn only_as_far_back_as_wanted() {
    let mut wallet = Wallet::of(350);
    let since = 10_000_000 + 300 * 60;
    let (feed, pages) = reading(&mut wallet, since, |_, _| {});
    assert!(feed.complete);
    assert_eq!(pages, 1, "one page reaches back to number 251");
    assert_eq!(numbers(&feed), (251..=350).collect::<Vec<_>>());
    let (feed, pages) = reading(&mut wallet, 0, |_, _| {});
    assert_eq!((feed.complete, pages, feed.entries.len()), (true, 4, 350));
}

#[test]
fn what_comes_in_between_two_pages_loses_none() {
    let mut wallet = Wallet::of(250);
    let (feed, _) = reading(&mut wallet, 0, |page, wallet| {
        if page == 1 {
            wallet.height += 1;
            wallet.mined.push(entry(1_000, wallet.height, 20_000_000));
        }
    });
    assert!(feed.complete, "read again");
    assert_eq!(feed.entries.len(), 251);
}

#[test]
fn what_goes_away_between_two_pages_loses_none() {
    // The newest is detached: number 150 moves from the second page to the first, unseen.
    let mut wallet = Wallet::of(250);
    let (feed, pages) = reading(&mut wallet, 0, |page, wallet| {
        if page == 1 {
            wallet.mined.pop();
        }
    });
    assert!(feed.complete && pages > 3);
    assert_eq!(numbers(&feed), (1..=249).collect::<Vec<_>>());
}

#[test]
fn a_list_that_always_moves_is_incomplete() {
    let mut wallet = Wallet::of(250);
    let (feed, _) = reading(&mut wallet, 0, |_, wallet| wallet.height += 1);
    assert!(!feed.complete);
    assert!(feed.concerns.is_empty(), "it passes by itself");
    // The lowest of the heights that were told.
    assert!(feed.height < Some(wallet.height));
}

#[test]
fn a_full_pool_hides_nothing() {
    let mut wallet = Wallet::of(150);
    wallet.pool = (1_000..1_120).map(|n| entry(n, 0, 20_000_000)).collect();
    let (feed, _) = reading(&mut wallet, 0, |_, _| {});
    assert!(feed.complete);
    assert_eq!(feed.entries.len(), 270);
    // Fewer than a page: they count towards it, so the next offset is not the number of entries.
    wallet.pool.truncate(3);
    let (feed, _) = reading(&mut wallet, 0, |_, _| {});
    assert_eq!((feed.complete, feed.entries.len()), (true, 153));
}

/// It is listed with the pool, and not without it.
#[test]
fn a_detached_transaction_is_in_the_pool_whatever_height_it_tells() {
    let mut wallet = Wallet::of(150);
    let detached = wallet.mined.remove(147);
    let height = detached.height;
    wallet.pool.push(detached);
    let (feed, _) = reading(&mut wallet, 0, |_, _| {});
    assert!(feed.complete && feed.entries.len() == 150);
    let told = feed.entries.iter().find(|e| e.tx_hash == format!("{height:064x}")).unwrap();
    assert_eq!((height, told.height), (148, 0));
    // The newest of the history comes with the pool: it is none of it.
    assert_eq!(feed.entries.iter().filter(|e| e.height == 0).count(), 1);
}

#[test]
fn without_a_height_nothing_is_complete() {
    let mut walk = Walk::new(0);
    assert_eq!(walk.take(FeedPage::default()), Some(Step::More));
    let step = walk.take(FeedPage::default()).unwrap();
    let feed = walk.feed(step);
    assert_eq!((feed.complete, feed.height), (false, None));
    assert_eq!(feed.concerns[0].code, "no_height");
}

#[test]
fn an_endless_window_is_given_up_openly() {
    let mut wallet = Wallet::of(PAGE * 21);
    let (feed, pages) = reading(&mut wallet, 0, |_, _| {});
    assert_eq!((feed.complete, pages), (true, MAX_PAGES));
    let of = |number: i64| Timestamp::from_secs(10_000_000 + number * 60);
    let margin = i64::try_from(MARGIN_SECS).unwrap() / 60;
    // The oldest that was read is number 101.
    assert!(feed.covers(of(102 + margin)));
    assert!(!feed.covers(of(101 + margin)));
}

/// Reads with what is kept, as the adapter does; answers what the reading and the memory show together, and the pages that it took.
fn with_memory(wallet: &Wallet, history: &mut History, since: u64) -> (BTreeSet<u64>, Feed, usize) {
    let mut walk = Walk { kept: history.span(), ..Walk::new(since) };
    let mut pages = 0;
    while walk.take(wallet.answer(&walk.question())).unwrap() == Step::More {
        pages += 1;
    }
    // The pool is not a page.
    pages -= 1;
    let feed = walk.feed(Step::End);
    history.learn(&feed.news, feed.height, 10);
    let mut all: BTreeSet<u64> = numbers(&feed).into_iter().collect();
    if feed.with_kept {
        let kept = history.paid_to([ID].into_iter());
        all.extend(kept.iter().map(|e| u64::from_str_radix(&e.tx_hash, 16).unwrap()));
    }
    (all, feed, pages + 1)
}

#[test]
fn an_old_deposit_walks_the_wallet_once() {
    let mut wallet = Wallet::of(5_000);
    let mut history = History::default();
    let (_, feed, pages) = with_memory(&wallet, &mut history, 0);
    assert_eq!((pages, feed.cut_at.is_some()), (MAX_PAGES, true), "not all at once");
    let mut total = pages;
    loop {
        let (all, feed, pages) = with_memory(&wallet, &mut history, 0);
        total += pages;
        if feed.cut_at.is_none() {
            assert_eq!(all, (1..=5_000).collect());
            break;
        }
    }
    assert!(total < 60, "{total}");
    // From then on only the new end of the list is read, however old the deposit is.
    wallet.height += 100;
    wallet.mined.extend((5_001..=5_060).map(|n| entry(n, n + 50, 20_000_000 + n)));
    for _ in 0..3 {
        let (all, feed, pages) = with_memory(&wallet, &mut history, 0);
        assert_eq!((all.len(), feed.complete, pages <= 2), (5_060, true, true), "{pages}");
    }
    // What a deep reorganisation takes away is not remembered.
    wallet.mined.truncate(4_900);
    let (_, feed, _) = with_memory(&wallet, &mut history, 0);
    assert!(!feed.with_kept);
    let (all, ..) = with_memory(&wallet, &mut history, 10_000_000 + 4_000 * 60);
    assert!(all.iter().all(|n| *n <= 4_900));
    assert!((4_000..=4_900).all(|n| all.contains(&n)));
}

#[test]
fn a_wallet_that_contradicts_itself_is_not_believed() {
    let mut walk = Walk::new(0);
    let page = || FeedPage {
        pi: Some(Provision { height: 9 }),
        transfers: vec![entry(1, 1, 10_000_000)],
        total_transfers: 500,
        last_item_index: 0,
    };
    for _ in 0..2 {
        assert_eq!(walk.take(page()), Some(Step::More));
    }
    assert_eq!(walk.take(page()), None);
}

proptest! {
    #[test]
    fn complete_means_all(count in 0_u64..400, since in 0_u64..400, changes in prop::collection::vec(0_u8..4, 0..6)) {
        let mut wallet = Wallet::of(count);
        let from = 10_000_000 + since * 60;
        let (feed, _) = reading(&mut wallet, from, |page, wallet| match changes.get(page - 1) {
            Some(1) => {
                wallet.height += 1;
                let next = entry(10_000 + wallet.height, wallet.height, 20_000_000);
                wallet.mined.push(next);
            }
            Some(2) => _ = wallet.mined.pop(),
            Some(3) => wallet.pool.push(entry(20_000 + u64::try_from(page).unwrap(), 0, 20_000_000)),
            _ => {}
        });
        if feed.complete {
            let seen = numbers(&feed);
            let wanted = wallet.mined.iter().filter(|e| e.timestamp >= from);
            for entry in wanted.filter(|e| e.height <= count) {
                let number = u64::from_str_radix(&entry.tx_hash, 16).unwrap();
                prop_assert!(seen.contains(&number), "{number} of {count} is missing");
            }
        }
    }
}
