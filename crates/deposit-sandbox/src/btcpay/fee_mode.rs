//! When the server asks payers for a network fee on top of the price.

/// The store's `networkFeeMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FeeMode {
    /// Never.
    Never,
    /// From the second payment on: what a store does by default.
    MultiplePaymentsOnly,
    /// From the first on. The Monero plugin does it whatever the store says.
    Always,
}

impl FeeMode {
    pub(super) const ALL: &'static [(&'static str, Self)] = &[
        ("Never", Self::Never),
        ("MultiplePaymentsOnly", Self::MultiplePaymentsOnly),
        ("Always", Self::Always),
    ];

    pub(super) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, mode)| *mode == self).map_or("", |(word, _)| word)
    }
}
