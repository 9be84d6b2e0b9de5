//! The suite fails an adapter that is wrong, in the case that is about it.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm
)]

mod paper;

use std::panic::{AssertUnwindSafe, catch_unwind};

use deposit_conformance::cases;
use deposit_core::Replay;
use paper::{Flaw, PaperHarness};

/// One test for each flaw: with the flaw the case fails, without it the same case passes.
macro_rules! flaws {
    ($($name:ident: $flaw:ident, $replay:ident => $($case:ident),+;)*) => {
        $(#[test]
        fn $name() {
            $(
                let run = |flaw| catch_unwind(AssertUnwindSafe(|| deposit_conformance::run(async {
                    cases::$case(&PaperHarness::new(Replay::$replay, flaw)).await;
                })));
                assert!(run(None).is_ok(), "{} fails a right adapter", stringify!($case));
                assert!(run(Some(Flaw::$flaw)).is_err(), "{} does not notice {}", stringify!($case), stringify!($flaw));
            )+
        })*
    };
}

flaws! {
    a_check_that_finds_nothing: FindsAllRight, LookUp => a_check_tells_what_is_wrong;
    a_ticker_twice: TwoOfOneTicker, LookUp => capabilities_are_consistent;
    a_pretended_scan: PretendsToScan, LookUp => undeclared_capabilities_are_unsupported;
    a_blind_repeat: RepeatsOpenBlindly, LookUp => a_lost_answer_is_found_again, a_slow_answer_is_given_up_in_time;
    a_blind_repeat_of_fresh_orders: RepeatsOpenBlindly, None => a_lost_answer_is_found_again;
    a_lost_answer_taken_for_none: LostIsTransient, LookUp => a_lost_answer_is_found_again;
    a_wait_without_end: NeverGivesUp, Key => a_slow_answer_is_given_up_in_time;
    down_for_ever: StaysDown, LookUp => an_adapter_recovers_by_itself;
    a_verdict_on_what_is_down: RejectsWhatIsDown, Key => a_provider_that_is_down_is_temporary,
        a_server_error_is_no_verdict, an_html_error_is_no_verdict;
    a_doubt_without_reason: UnreachableIsUnknown, LookUp => an_unreachable_provider_is_temporary;
    a_key_that_may_be_right_later: KeyRefusedIsTransient, LookUp => a_refused_key_is_authentication;
    a_limit_without_time: RateLimitWithoutTime, LookUp => a_rate_limit_says_when_again;
    nothing_happened: UnreadableIsTransient, LookUp => a_huge_body_is_refused, wrong_types_are_refused;
    nonsense_believed: BelievesUnreadable, Key => a_huge_body_is_refused, wrong_types_are_refused;
    an_unknown_word_decided: UnknownWordIsGone, LookUp => an_unknown_payment_word_changes_nothing;
    an_unknown_word_kept_quiet: UnknownWordUntold, LookUp => an_unknown_payment_word_changes_nothing,
        an_unknown_order_word_changes_nothing;
    an_unknown_order_word_decided: UnknownOrderWordIsFailed, LookUp => an_unknown_order_word_changes_nothing;
    a_method_not_missed: MissingMethodUnnoticed, LookUp => a_missing_method_is_noticed;
    an_unknown_order_shown: UnknownOrderIsEmpty, LookUp => an_unknown_order_is_not_found;
    newest_first: NewestFirst, LookUp => a_repeat_behaves_as_declared;
    everything_found: LooksUpEverything, LookUp => a_look_up_finds_what_was_opened;
    a_key_not_kept: IgnoresTheKey, Key => a_repeat_behaves_as_declared, a_lost_answer_is_found_again;
    a_shared_address: SharesAnAddress, LookUp => two_deposits_share_nothing;
    a_rounded_link: RoundsTheLink, LookUp => the_last_decimal_is_asked_for,
        every_ticker_opens_with_usable_instructions;
    floating_point: FloatingPoint, LookUp => amounts_are_exact;
    a_reference_that_changes: ConfirmedUnderAnotherReference, LookUp => a_payment_is_in_flight_then_confirmed;
    a_time_in_seconds: SecondsForMilliseconds, LookUp => a_payment_is_in_flight_then_confirmed;
    confirmed_too_early: ConfirmedTooEarly, LookUp => a_payment_is_in_flight_then_confirmed;
    one_payment_only: FirstPaymentOnly, LookUp => a_second_payment_counts, a_part_shows_as_a_part,
        a_replaced_payment_is_gone;
    late_money_lost: ForgetsLatePayments, LookUp => a_late_payment_counts;
    a_reversal_not_seen: KeepsReversedPayments, LookUp => a_reversed_payment_is_gone_and_can_return;
    a_replacement_not_seen: KeepsReplacedPayments, LookUp => a_replaced_payment_is_gone;
    a_refund_not_seen: SubtractsNoRefund, LookUp => a_refund_shows_as_taken,
        a_dispute_shows_as_taken_until_it_is_won;
    a_partial_refund_not_seen: SubtractsNoPartialRefund, LookUp => a_refund_shows_as_taken;
    a_read_that_is_never_whole: NeverWhole, LookUp => a_second_payment_counts, a_late_payment_counts;
    an_expiry_not_seen: ExpiryIgnored, LookUp => an_expired_order_reads_as_expired;
    a_failure_not_seen: FailureIgnored, LookUp => a_failed_order_reads_as_failed;
    somebody_elses_money: ShowsPaymentsOfOthers, LookUp => payments_stay_with_their_order;
    no_signature_checked: AcceptsEverything, LookUp => a_forged_webhook_is_refused, an_altered_webhook_is_refused;
    half_a_signature_checked: ComparesHalfTheSignature, LookUp => a_forged_webhook_is_refused;
    half_a_body_signed: SignatureOverTheStart, LookUp => an_altered_webhook_is_refused;
    an_empty_secret: EmptySecretVerifies, LookUp => without_a_secret_every_webhook_is_refused;
    ids_that_are_fresh: FreshDeliveryIds, LookUp => a_replayed_webhook_has_the_same_id;
    ids_that_are_one: OneIdForAll, LookUp => a_replayed_webhook_has_the_same_id;
    money_not_mentioned: HidesMoney, LookUp => an_authentic_webhook_names_its_order;
    strangers_believed: BelievesStrangers, LookUp => a_stranger_is_not_ours;
    nonsense_that_kills: PanicsAtNonsense, LookUp => an_authentic_body_that_is_no_event_is_malformed;
    a_key_in_debug: PrintsItsKey, LookUp => no_secret_is_printed;
    a_key_in_a_source: KeyInTheSourceOfAnError, LookUp => no_secret_is_printed;
    an_excuse_that_is_none: HarnessExcusesLate, LookUp => a_late_payment_counts;
}
