//! The example does what it says.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]
#![allow(dead_code, unreachable_pub, reason = "the example's own main")]

#[path = "../examples/embedded.rs"]
mod embedded;

#[tokio::test]
async fn a_program_of_its_own_gets_its_deposit_credited() {
    let mut lines = Vec::new();
    let balance = embedded::run(|line| lines.push(line)).await.unwrap();
    assert_eq!(balance, "20");
    assert!(lines[0].starts_with("New: pay 0.0004 BTC to bc1q"), "{lines:?}");
    assert_eq!(lines[1..], ["Processing", "Completed", "balance 20 USD, ledger balanced: true"]);
}
