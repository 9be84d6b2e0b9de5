#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a failed check is a panic: that is what a test runner counts"
)]

#[cfg(feature = "capture")]
mod capture;
pub mod cases;
mod harness;
mod support;

#[cfg(feature = "capture")]
pub use capture::CaptureServer;
pub use harness::{
    Ability, CapturedDelivery, Carrier, Fault, Harness, PayStage, Played, PlayedStage, Scenario, Stranger,
    Variant, WebhookAuth,
};

use std::time::Duration;

/// How long one case may take, wall time, with everything that its adapter waits for.
const CASE_TIMEOUT: Duration = Duration::from_secs(300);

/// Runs one case in a runtime of its own. For [`provider_suite!`].
///
/// # Panics
/// Where the case fails or does not end.
#[doc(hidden)]
pub fn run(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(CASE_TIMEOUT, case).await.expect("the case does not end");
    });
}

/// Makes one `#[test]` of each case of the suite.
///
/// The expression makes a [`Harness`] and may `.await`; it is evaluated anew for each case.
///
/// ```ignore
/// deposit_conformance::provider_suite!(MyHarness::start().await);
/// ```
#[macro_export]
macro_rules! provider_suite {
    ($harness:expr $(,)?) => {
        $crate::for_each_case! { {$crate::provider_tests} $harness }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! provider_tests {
    ([$harness:expr] $($case:ident),* $(,)?) => {$(
        #[test]
        fn $case() {
            $crate::run(async {
                let harness = $harness;
                $crate::cases::$case(&harness).await;
            });
        }
    )*};
}

/// Hands the names of all cases to a macro. A test holds this list to the code.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_case {
    ({$($callback:tt)*} $($argument:tt)*) => {
        $($callback)*! {
            [$($argument)*]
            capabilities_are_consistent,
            undeclared_capabilities_are_unsupported,
            a_declared_scan_comes_to_an_end,
            a_standing_address_stands,
            the_harness_can_do_what_any_provider_suffers,
            declared_bounds_are_held_by_open,
            every_ticker_opens_with_usable_instructions,
            the_last_decimal_is_asked_for,
            an_unpaid_order_reads_as_empty,
            two_deposits_share_nothing,
            a_repeat_behaves_as_declared,
            a_look_up_finds_what_was_opened,
            an_unknown_order_is_not_found,
            a_payment_is_in_flight_then_confirmed,
            amounts_are_exact,
            a_part_shows_as_a_part,
            too_much_shows_as_what_came,
            a_late_payment_counts,
            a_second_payment_counts,
            a_replaced_payment_is_gone,
            a_reversed_payment_is_gone_and_can_return,
            a_refund_shows_as_taken,
            a_dispute_shows_as_taken_until_it_is_won,
            an_expired_order_reads_as_expired,
            a_failed_order_reads_as_failed,
            payments_stay_with_their_order,
            a_provider_that_is_down_is_temporary,
            an_adapter_recovers_by_itself,
            an_unreachable_provider_is_temporary,
            a_server_error_is_no_verdict,
            an_html_error_is_no_verdict,
            a_lost_answer_is_found_again,
            a_slow_answer_is_given_up_in_time,
            a_refused_key_is_authentication,
            a_rate_limit_says_when_again,
            a_huge_body_is_refused,
            wrong_types_are_refused,
            an_unknown_payment_word_changes_nothing,
            an_unknown_order_word_changes_nothing,
            a_missing_method_is_noticed,
            an_authentic_webhook_names_its_order,
            a_replayed_webhook_has_the_same_id,
            a_forged_webhook_is_refused,
            an_altered_webhook_is_refused,
            without_a_secret_every_webhook_is_refused,
            a_stranger_is_not_ours,
            an_authentic_body_that_is_no_event_is_malformed,
            no_secret_is_printed,
            a_check_tells_what_is_wrong,
            a_standing_payment_is_scanned,
            standing_amounts_are_exact,
            standing_payments_are_each_their_own,
            standing_payments_survive_a_restart,
            a_replaced_standing_payment_is_gone,
            taking_in_hides_no_payment,
            what_is_not_final_is_not_taken_in,
            a_scan_under_a_fault_is_no_verdict,
            an_unknown_word_of_a_standing_payment_changes_nothing,
            an_unknown_standing_payment_is_not_found,
            standing_webhooks_are_each_their_own,
            a_batch_answers_as_single_reads_do,
            a_full_batch_is_answered_whole,
            an_unknown_order_spoils_no_batch,
            a_batch_does_not_count_what_was_undone,
            a_batch_under_a_fault_is_no_verdict,
        }
    };
}

macro_rules! case_names {
    ([] $($case:ident),* $(,)?) => {
        /// The names of all cases.
        pub const CASES: &[&str] = &[$(stringify!($case)),*];
    };
}
for_each_case! { {case_names} }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_in_the_suite() {
        let files = [
            include_str!("cases/capabilities.rs"),
            include_str!("cases/opening.rs"),
            include_str!("cases/payments.rs"),
            include_str!("cases/faults.rs"),
            include_str!("cases/webhooks.rs"),
            include_str!("cases/secrets.rs"),
            include_str!("cases/check.rs"),
            include_str!("cases/standing.rs"),
            include_str!("cases/batches.rs"),
        ];
        let lines = files.iter().flat_map(|file| file.lines());
        let written: Vec<_> =
            lines.filter_map(|l| l.strip_prefix("pub async fn ")?.split('(').next()).collect();
        assert_eq!(written, CASES);
    }
}
