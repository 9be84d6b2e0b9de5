//! The suite passes an adapter that is right, whatever its replay kind.
#![allow(
    missing_docs,
    dead_code,
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

mod by_key {
    use deposit_core::Replay;
    deposit_conformance::provider_suite!(crate::paper::PaperHarness::new(Replay::Key, None));
}

mod by_look_up {
    use deposit_core::Replay;
    deposit_conformance::provider_suite!(crate::paper::PaperHarness::new(Replay::LookUp, None));
}

mod by_a_fresh_order {
    use deposit_core::Replay;
    deposit_conformance::provider_suite!(crate::paper::PaperHarness::new(Replay::None, None));
}
