//! What every [`Store`](crate::Store) has to do, as cases that any database can be held to.
//!
//! ```ignore
//! struct Fresh(tempfile::TempDir);
//!
//! #[async_trait::async_trait]
//! impl deposit_store::behaviour::Fixture for Fresh { /* open */ }
//!
//! deposit_store::store_suite!(Fresh(tempfile::tempdir().unwrap()));
//! ```
// Test code: a failed expectation is a panic that names it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod accounts;
mod admission;
mod creating;
pub(crate) mod fixtures;
mod journal;
mod ledger;
mod matters;
mod observing;
mod rates;
mod reviews;
mod schedule;
mod taken;
mod together;

use std::sync::Arc;

use async_trait::async_trait;

pub use accounts::*;
pub use admission::*;
pub use creating::*;
pub use journal::*;
pub use ledger::*;
pub use matters::{
    all_that_was_seen_is_accounted_for, an_item_follows_what_is_seen,
    an_item_that_has_changed_is_not_resolved, an_unknown_amount_closes_nothing,
    money_that_only_its_provider_told_of_is_assigned_once, one_item_of_each_payment_waits,
    reviews_are_listed_by_page, what_comes_after_a_resolution_waits_again, what_rules_credit_waits_no_longer,
};
pub use observing::*;
pub use rates::*;
pub use reviews::*;
pub use schedule::*;
pub use taken::*;
pub use together::*;

use crate::Store;

/// An empty database of its own for each case.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Opens it; the second time as another process would, with what the first has left in it.
    async fn open(&self) -> Arc<dyn Store>;
}

/// One test for each case. The expression makes a new [`Fixture`]; the calling crate needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! store_suite {
    ($fixture:expr) => {
        $crate::store_suite! { @each $fixture;
            accounts_are_numbered_once,
            the_owner_of_a_standing_address_is_found,
            a_closed_account_is_seen_through_its_keys,
            api_keys_are_unique_and_revoked_once,
            the_rate_window_is_exact,
            limiters_count_apart,
            the_first_answer_is_replayed,
            idempotency_table,
            keys_are_each_account_s_own,
            a_dead_claim_is_taken_over_with_its_deposit,
            an_abandoned_deposit_is_not_resumed,
            claims_are_forgotten_in_time,
            a_deposit_opens,
            a_lost_claim_begins_nothing,
            a_create_is_taken_up_by_one,
            a_lost_lease_finishes_nothing,
            orders_and_addresses_belong_to_one_deposit,
            stale_creates_are_given_up,
            a_failed_begin_leaves_nothing,
            a_commit_writes_everything,
            a_refused_commit_writes_nothing,
            history_is_read_by_pages_and_from_its_end,
            old_snapshots_are_dropped,
            every_address_ever_shown_is_kept,
            a_payment_has_one_owner,
            concurrent_commits_post_once,
            a_failing_command_harms_no_other,
            a_dropped_caller_harms_nothing,
            two_connections_write_at_once,
            entries_are_read_on_without_a_gap,
            everything_survives_a_restart,
            due_reads_come_in_order,
            expiries_and_unpriced_are_found,
            what_waits_is_counted,
            a_scan_s_cursor_is_kept,
            a_standing_deposit_opens_once,
            a_deposit_is_found_by_what_took_its_payment_in,
            deliveries_are_stored_once,
            deliveries_are_claimed_and_finished,
            the_journal_is_listed_and_purged,
            rates_are_stored_by_change,
            rates_are_found_by_time,
            old_rates_go_and_what_is_needed_stays,
            the_whole_range_of_amounts_is_exact,
            reversals_may_leave_a_debt,
            a_balance_never_wraps,
            entries_rise_by_account_and_deposit,
            a_wrong_history_is_reported,
            one_item_of_each_payment_waits,
            an_item_follows_what_is_seen,
            what_comes_after_a_resolution_waits_again,
            an_unknown_amount_closes_nothing,
            what_rules_credit_waits_no_longer,
            money_that_only_its_provider_told_of_is_assigned_once,
            an_item_that_has_changed_is_not_resolved,
            all_that_was_seen_is_accounted_for,
            reviews_are_listed_by_page,
            a_deposit_is_in_review_while_an_item_waits,
            an_assignment_is_an_entry_of_its_own,
            a_review_is_resolved_once,
            assigned_money_is_not_credited_by_rule,
            money_of_an_unknown_order_is_assigned_once,
            credited_money_is_not_assigned,
            an_assignment_and_a_credit_race,
            deposits_are_listed_by_time,
        }
    };
    (@each $fixture:expr; $($case:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let fixture = $fixture;
            $crate::behaviour::$case(&fixture).await;
        }
    )*};
}
