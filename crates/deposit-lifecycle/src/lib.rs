//! The state machine of a deposit: pure functions over terms, evidence and time.
#![forbid(unsafe_code)]
