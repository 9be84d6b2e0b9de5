//! The `deposit` binary.
fn main() {}
