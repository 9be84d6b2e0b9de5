//! The example does what it says.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, dead_code, unreachable_pub)]

#[path = "../examples/top_up.rs"]
mod top_up;

#[tokio::test]
async fn a_deposit_of_an_outside_provider_is_credited() {
    let mut lines = Vec::new();
    let balance = top_up::run(|line| lines.push(line)).await.unwrap();
    // 80.00000004 ACORN at 0.25 USD.
    assert_eq!(balance, "20.00000001");
    assert!(lines[0].starts_with("New: pay 80.00000004 ACORN to acorn1"), "{lines:?}");
    assert_eq!(lines[1..], ["Processing", "Completed", "balance 20.00000001 USD, ledger balanced: true"]);
}
