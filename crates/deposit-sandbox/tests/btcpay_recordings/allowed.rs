//! Where the emulator may differ, and why.

/// Recording (a `*` at its end stands for any), place (likewise), reason.
pub const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "create_400_dust",
        ".message",
        "a log with times and rates; its line about the asked method is compared",
    ),
    ("create_400_xmr_off", ".message", "a log with times and rates of a store with other methods"),
    (
        "key_current",
        ".permissions*",
        "the emulator's key has rights that the checks of other tests take away",
    ),
    ("payment_methods_of_store", "*", "the emulated store has eight methods, the recorded one two"),
    ("server_info", ".supportedPaymentMethods*", "the emulated server knows other coins"),
    (
        "server_info",
        ".syncStatus*",
        "the same; the form of a core chain's and of Monero's entry is compared by itself",
    ),
    ("server_info", ".version", "the emulator tells no commit"),
    ("rates", "[]*", "other rates, and a rate for every coin"),
    ("wallet_utxos", "[].confirmations", "here as deep as the speed policy asks, and no deeper"),
    (
        "webhook_ltc_replaced_4_InvoiceReceivedPayment",
        ".payment.fee",
        "told before the server noticed what is replaced",
    ),
];

/// Recordings that no scene plays, and why.
pub const NOT_PLAYED: &[(&str, &str)] = &[(
    "create_400_method_off",
    "that server has no Bitcoin at all; the emulator knows all coins of ours, and answers so for one that it does not know",
)];

fn fits(pattern: &str, text: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == text, |begin| text.starts_with(begin))
}

/// The entry that allows this difference.
pub fn reason(name: &str, place: &str) -> Option<usize> {
    DIFFERENCES.iter().position(|(of, at, _)| fits(of, name) && fits(at, place))
}
