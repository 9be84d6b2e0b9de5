//! What a payer opens or scans: which links are shown at all, the link for a rest, and what the QR code holds.

use deposit_core::{Amount, PayInstructions};
use deposit_engine::DepositView;
use url::Url;

/// Schemes of wallet links. Anything else in a link of an adapter is shown as no link: `javascript:` is a scheme too.
const WALLET_SCHEMES: [&str; 13] = [
    "bitcoin",
    "lightning",
    "litecoin",
    "monero",
    "dogecoin",
    "dash",
    "zcash",
    "bitcoincash",
    "banano",
    "kaspa",
    "ton",
    "zano",
    "nano",
];

/// A provider's page as a link: `http` or `https`, with a host, printable ASCII as it stands.
pub(super) fn hosted(url: &str) -> Option<Url> {
    let parsed = url.bytes().all(|b| b.is_ascii_graphic()).then(|| Url::parse(url).ok()).flatten()?;
    // With its slashes: `https:page` is a link relative to ours in a browser, and another host's to the parser.
    let absolute = ["https://", "http://"].iter().any(|start| url.starts_with(start));
    (absolute && parsed.has_host()).then_some(parsed)
}

/// A wallet link, if its scheme is a coin's: one of ours, or the ticker's own name (an adapter from outside).
fn wallet<'a>(uri: &'a str, view: &DepositView) -> Option<&'a str> {
    let (scheme, rest) = uri.split_once(':')?;
    let coin = WALLET_SCHEMES.contains(&scheme)
        || (!view.ticker.is_known() && view.ticker.as_str().eq_ignore_ascii_case(scheme));
    (coin && !rest.is_empty() && uri.bytes().all(|b| b.is_ascii_graphic())).then_some(uri)
}

/// The wallet link for what is still due. `None` where there is none, or the one there is cannot be made to say the rest.
pub(super) fn wallet_link(view: &DepositView) -> Option<String> {
    let uri = match &view.instructions {
        PayInstructions::Address { uri, .. } => uri.as_deref().and_then(|uri| wallet(uri, view))?,
        PayInstructions::LightningInvoice { uri, .. } => wallet(uri, view)?,
        PayInstructions::StandingAddress { address, uri } => {
            let made = || nano(address);
            return uri.as_deref().and_then(|uri| wallet(uri, view)).map(str::to_owned).or_else(made);
        }
        PayInstructions::HostedPage { .. } => return None,
    };
    match (view.amount, view.due) {
        (Some(full), Some(rest)) if rest != full => for_rest(uri, full, rest),
        _ => Some(uri.to_owned()),
    }
}

/// `nano:ADDR`, for an adapter that gives no link.
fn nano(address: &str) -> Option<String> {
    let plain = address.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (plain && (address.starts_with("nano_") || address.starts_with("xrb_")))
        .then(|| format!("nano:{address}"))
}

/// The link with `rest` in the place of `full`: in coins or in the smallest unit, whichever it has. `None` for a link that names an
/// amount otherwise; one that names none fits any amount.
fn for_rest(uri: &str, full: Amount, rest: Amount) -> Option<String> {
    let mut link = String::with_capacity(uri.len());
    for part in uri.split_inclusive(['?', '&']) {
        let end = part.trim_end_matches(['?', '&']);
        let Some((name @ ("amount" | "tx_amount"), value)) = end.split_once('=') else {
            link.push_str(part);
            continue;
        };
        let value = if value == full.to_string() {
            rest.to_string()
        } else if value == full.minor().to_string() {
            rest.minor().to_string()
        } else {
            return None;
        };
        link.push_str(name);
        link.push('=');
        link.push_str(&value);
        link.push_str(part.get(end.len()..).unwrap_or_default());
    }
    Some(link)
}

/// What the QR code holds; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Payload {
    /// A wallet link; in upper case for Lightning, which makes a smaller code.
    Wallet(String),
    /// The bare address, where the coin has no link.
    Address(String),
    /// The provider's page.
    Hosted(String),
    /// Our own page: nothing else would carry all that is needed (a memo without a link, say).
    Page(String),
}

impl Payload {
    pub(super) fn of(view: &DepositView, public_url: &str) -> Self {
        let page = || Self::Page(format!("{public_url}/pay/{}", view.id));
        match &view.instructions {
            PayInstructions::HostedPage { url, .. } => {
                if hosted(url).is_some() {
                    Self::Hosted(url.clone())
                } else {
                    page()
                }
            }
            PayInstructions::LightningInvoice { .. } => {
                // Bech32 is the same in either case, and capitals take 5.5 bits each instead of 8.
                wallet_link(view).map_or_else(page, |uri| Self::Wallet(uri.to_ascii_uppercase()))
            }
            PayInstructions::Address { address, memo, .. } => match (wallet_link(view), memo) {
                (Some(uri), _) => Self::Wallet(uri),
                (None, None) if !address.is_empty() => Self::Address(address.clone()),
                // A bare address would be paid without the memo.
                (None, _) => page(),
            },
            PayInstructions::StandingAddress { address, .. } => match wallet_link(view) {
                Some(uri) => Self::Wallet(uri),
                None if !address.is_empty() => Self::Address(address.clone()),
                None => page(),
            },
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Wallet(text) | Self::Address(text) | Self::Hosted(text) | Self::Page(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deposit_core::Asset;

    fn rest(uri: &str, asset: Asset, full: &str, rest: &str) -> Option<String> {
        for_rest(uri, Amount::parse(full, asset).unwrap(), Amount::parse(rest, asset).unwrap())
    }

    #[test]
    fn a_link_for_the_rest_of_every_form() {
        let rows = [
            ("bitcoin:bc1q?amount=0.0004", Asset::BTC, "0.0004", "0.0001", "bitcoin:bc1q?amount=0.0001"),
            (
                "monero:4A?tx_amount=1.5",
                Asset::XMR,
                "1.5",
                "0.000000000001",
                "monero:4A?tx_amount=0.000000000001",
            ),
            (
                "banano:ban_1?amount=100000000000000000000000000000",
                Asset::BAN,
                "1",
                "0.5",
                "banano:ban_1?amount=50000000000000000000000000000",
            ),
            (
                "ton://transfer/UQ?amount=1500000000&text=amount%3D1",
                Asset::TON,
                "1.5",
                "1",
                "ton://transfer/UQ?amount=1000000000&text=amount%3D1",
            ),
            (
                "zano:action=send&address=iZ&amount=2&asset_id=86",
                Asset::FUSD,
                "2",
                "1.9999",
                "zano:action=send&address=iZ&amount=1.9999&asset_id=86",
            ),
            ("mycoin:abc", Asset::BTC, "2", "1", "mycoin:abc"),
        ];
        for (uri, asset, full, part, expected) in rows {
            assert_eq!(rest(uri, asset, full, part).as_deref(), Some(expected));
        }
        assert_eq!(rest("bitcoin:bc1q?amount=0.00040", Asset::BTC, "0.0004", "0.0001"), None);
    }

    #[test]
    fn hosted_links_are_http_only() {
        assert!(hosted("https://checkout.stripe.com/c/pay/cs_1#frag").is_some());
        assert!(hosted("http://127.0.0.1:4010/daimo/checkout?id=1").is_some());
        for bad in [
            "javascript:alert(1)",
            "JavaScript://x/%0aalert(1)",
            "data:text/html,x",
            "//evil.example",
            "https:evil.example",
            "",
            "https://",
            "https:// x",
            "https://x.example/\u{202e}",
            "\u{1}https://x.example",
        ] {
            assert!(hosted(bad).is_none(), "{bad:?}");
        }
    }
}
