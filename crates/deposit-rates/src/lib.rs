//! USD prices of tickers: sources, median, staleness.
#![forbid(unsafe_code)]
