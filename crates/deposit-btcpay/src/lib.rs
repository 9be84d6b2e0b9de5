//! BTCPay Server (Greenfield API) as a payment provider.
#![forbid(unsafe_code)]
