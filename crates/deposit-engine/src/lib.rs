//! The use cases: create, observe, credit, poll. Embeddable without HTTP.
#![forbid(unsafe_code)]
