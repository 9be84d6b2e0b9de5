//! The behaviour suite that every payment provider adapter has to pass.
#![forbid(unsafe_code)]
