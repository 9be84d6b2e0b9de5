//! Reading the wallet's list of transactions, newest first, back to a point in time (dossier, section 5).
//!
//! The list moves while it is read: what comes in shifts every entry, what a reorganisation takes away shifts them back, and then
//! one could slip between two pages. So the pages of one reading have to agree on the wallet's height and on the length of the list; where
//! they do not, it is read again, and at last called incomplete.

use deposit_core::{Concern, ErrorKind, Operation, ProviderError, Timestamp};

use crate::api::{Entry, FeedPage, FeedQuestion, Order};
use crate::client::Client;
use crate::provider::error;

/// Entries of a page.
pub(crate) const PAGE: u64 = 100;
/// A window with more pages is read so far and called incomplete.
const MAX_PAGES: usize = 100;
/// How often a list that moved is read.
const TRIES: usize = 3;
/// Block times are not quite in order, and may run ahead by hours.
const MARGIN_SECS: u64 = 6 * 3_600;

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    /// The wallet's top block; `None`: it did not say, and nothing can be counted.
    pub(crate) height: Option<u64>,
    /// Length of the wallet's list.
    pub(crate) total: u64,
    /// Transactions, each once.
    pub(crate) entries: Vec<Entry>,
    /// Whether no transaction since the point in time can be missing.
    pub(crate) complete: bool,
    /// Except those before this time (Unix seconds): the window was too large.
    pub(crate) cut_at: Option<u64>,
    /// What an operator should see.
    pub(crate) concerns: Vec<Concern>,
}

impl Feed {
    /// Nothing is concluded from what is missing.
    pub(crate) fn doubt(&mut self, code: &str, detail: &str) {
        self.complete = false;
        self.concerns.push(Concern::new(code, detail));
    }

    /// Whether the reading goes back to before a deposit of this time could be paid.
    pub(crate) fn covers(&self, created_at: Timestamp) -> bool {
        self.cut_at.is_none_or(|cut_at| cut_at < begin(created_at))
    }
}

/// From when on a deposit can have been paid, by the times of blocks.
fn begin(created_at: Timestamp) -> u64 {
    u64::try_from(created_at.secs()).unwrap_or(0).saturating_sub(MARGIN_SECS)
}

/// Reads back to `since`.
pub(crate) async fn read(
    client: &Client,
    operation: Operation,
    since: Timestamp,
) -> Result<Feed, ProviderError> {
    let since = begin(since);
    let mut tries = TRIES;
    loop {
        let mut walk = Walk::new(since);
        let step = loop {
            let page = client.feed(operation, &walk.question()).await?;
            match walk.take(page).ok_or_else(|| error(operation, ErrorKind::Protocol))? {
                Step::More => {}
                ended @ (Step::End | Step::Moved) => break ended,
            }
        };
        tries -= 1;
        if step == Step::End || tries == 0 {
            return Ok(walk.feed(step));
        }
    }
}

/// Where a reading stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    More,
    End,
    /// The list is another one than at the first page.
    Moved,
}

#[derive(Debug)]
struct Walk {
    since: u64,
    offset: u64,
    without_pool: bool,
    pages: usize,
    first: Option<Option<u64>>,
    total: Option<u64>,
    height: Option<u64>,
    /// The oldest block's time on the last page of a reading that was cut.
    cut_at: Option<u64>,
    entries: Vec<Entry>,
}

impl Walk {
    fn new(since: u64) -> Self {
        Self {
            since,
            offset: 0,
            without_pool: false,
            pages: 0,
            first: None,
            total: None,
            height: None,
            cut_at: None,
            entries: Vec::new(),
        }
    }

    fn question(&self) -> FeedQuestion {
        FeedQuestion {
            offset: self.offset,
            count: PAGE,
            order: Order::NewestFirst,
            exclude_mining_txs: true,
            exclude_unconfirmed: self.without_pool,
            update_provision_info: true,
        }
    }

    /// `None`: an answer that makes no sense.
    fn take(&mut self, page: FeedPage) -> Option<Step> {
        self.pages += 1;
        let height = page.pi.map(|pi| pi.height);
        let mined: Vec<&Entry> = page.transfers.iter().filter(|entry| entry.height > 0).collect();
        // The length is not told where nothing is listed.
        let total = mined.last().map(|_| page.total_transfers);
        let moved = self.first.is_some_and(|first| first != height)
            || total.is_some_and(|total| self.total.is_some_and(|before| before != total));
        self.first.get_or_insert(height);
        self.total = self.total.or(total);
        // The lower of two: never a confirmation too many.
        self.height = if self.pages == 1 { height } else { self.height.min(height) };

        let oldest = mined.last().map(|entry| entry.timestamp);
        let pooled = page.transfers.len() - mined.len();
        for entry in page.transfers {
            self.entries.retain(|known| known.tx_hash != entry.tx_hash);
            self.entries.push(entry);
        }
        if moved {
            return Some(Step::Moved);
        }
        let Some(oldest) = oldest else {
            // Unconfirmed ones come first and count: they can fill a page.
            if !self.without_pool && u64::try_from(pooled).ok()? >= PAGE {
                self.without_pool = true;
                return Some(Step::More);
            }
            // Nothing is left but what mines, which is not listed but counted.
            return Some(Step::End);
        };
        let next = page.last_item_index.checked_add(1)?;
        if oldest < self.since || next >= page.total_transfers {
            return Some(Step::End);
        }
        // No way forward: the wallet contradicts itself.
        (next > self.offset).then_some(())?;
        self.offset = next;
        if self.pages < MAX_PAGES {
            return Some(Step::More);
        }
        self.cut_at = Some(oldest);
        Some(Step::End)
    }

    fn feed(self, step: Step) -> Feed {
        let mut feed = Feed {
            height: self.height,
            total: self.total.unwrap_or(0),
            entries: self.entries,
            complete: step == Step::End,
            cut_at: self.cut_at,
            concerns: Vec::new(),
        };
        if feed.height.is_none() {
            feed.doubt("no_height", "the wallet does not tell its height: confirmations cannot be counted");
        }
        feed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::Provision;

    fn entry(number: u64, height: u64, timestamp: u64) -> Entry {
        Entry {
            tx_hash: format!("{number:064x}"),
            height,
            timestamp,
            transfer_internal_index: None,
            unlock_time: 0,
            is_mining: false,
            subtransfers_by_pid: Vec::new(),
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
            for (index, entry) in (0_u64..).zip(&newest_first).skip(usize::try_from(question.offset).unwrap())
            {
                if page.transfers.len() >= usize::try_from(question.count).unwrap() {
                    break;
                }
                page.transfers.push((*entry).clone());
                page.total_transfers = self.mined.len().try_into().unwrap();
                page.last_item_index = index;
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
                let step = walk.take(wallet.answer(&walk.question())).unwrap();
                pages += 1;
                change(pages, wallet);
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
        let mut all: Vec<_> =
            feed.entries.iter().map(|e| u64::from_str_radix(&e.tx_hash, 16).unwrap()).collect();
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

    #[test]
    fn without_a_height_nothing_is_complete() {
        let mut walk = Walk::new(0);
        let step = walk.take(FeedPage::default()).unwrap();
        let feed = walk.feed(step);
        assert_eq!((feed.complete, feed.height), (false, None));
        assert_eq!(feed.concerns[0].code, "no_height");
    }

    #[test]
    fn an_endless_window_is_given_up_openly() {
        let mut wallet = Wallet::of(PAGE * 101);
        let (feed, pages) = reading(&mut wallet, 0, |_, _| {});
        assert_eq!((feed.complete, pages), (true, MAX_PAGES));
        let of = |number: i64| Timestamp::from_secs(10_000_000 + number * 60);
        let margin = i64::try_from(MARGIN_SECS).unwrap() / 60;
        // The oldest that was read is number 101.
        assert!(feed.covers(of(102 + margin)));
        assert!(!feed.covers(of(101 + margin)));
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
        assert_eq!(walk.take(page()), Some(Step::More));
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
}
