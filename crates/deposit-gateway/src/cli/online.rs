//! What `config check --online` prints and what `serve` logs: whether each provider is set up as payments need it.

use std::net::SocketAddr;

use comfy_table::ContentArrangement;
use deposit_core::{CheckContext, CheckItem, CheckOutcome};
use deposit_engine::{Engine, ProviderCheck};
use serde_json::{Value, json};

use super::operator::table;
use super::print;

/// What providers are told to be the gateway's address. `listen` stands in for it, if its port is known.
pub(super) fn context(public_url: &str, listen: SocketAddr) -> CheckContext {
    if !public_url.is_empty() {
        CheckContext::new(public_url)
    } else if listen.port() == 0 || listen.ip().is_unspecified() {
        CheckContext::default()
    } else {
        CheckContext::new(&format!("http://{listen}"))
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    right: usize,
    advice: usize,
    unknown: usize,
    wrong: usize,
}

impl Counts {
    fn of(found: &[ProviderCheck]) -> Self {
        let mut counts = Self::default();
        for item in found.iter().flat_map(|check| &check.items) {
            let count = match item.outcome {
                CheckOutcome::Right => &mut counts.right,
                CheckOutcome::Advice(_) => &mut counts.advice,
                CheckOutcome::Wrong(_) => &mut counts.wrong,
                CheckOutcome::Unknown(_) | _ => &mut counts.unknown,
            };
            *count += 1;
        }
        counts
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { right, advice, unknown, wrong } = self;
        write!(f, "{right} right, {advice} advice, {unknown} could not be looked at, {wrong} wrong")
    }
}

/// One object for each thing that was looked at.
pub(super) fn object(found: &[ProviderCheck]) -> Vec<Value> {
    let of = |check: &ProviderCheck, item: &CheckItem| {
        json!({
            "provider": check.provider, "item": item.what, "state": item.outcome.word(), "seen": item.seen,
            "text": item.outcome.text(),
        })
    };
    found.iter().flat_map(|check| check.items.iter().map(move |item| of(check, item))).collect()
}

/// A table, wrapped on a terminal and a line for each row elsewhere, and the sums.
pub(super) fn show(found: &[ProviderCheck]) -> std::io::Result<()> {
    let mut rows = table(["provider", "item", "state", "seen, or what to do"]);
    rows.set_content_arrangement(ContentArrangement::Dynamic);
    for check in found {
        for item in &check.items {
            let said = match (&item.seen, item.outcome.text()) {
                (Some(seen), Some(text)) => format!("{seen}: {text}"),
                (Some(seen), None) => seen.clone(),
                (None, text) => text.unwrap_or_default().to_owned(),
            };
            let state = if item.is_wrong() { "WRONG" } else { item.outcome.word() };
            rows.add_row([check.provider.to_string(), item.what.to_string(), state.to_owned(), said]);
        }
    }
    print::line(rows)?;
    print::line(Counts::of(found))
}

/// The same at the start of a gateway: what is wrong is a warning each, all else one line.
pub(super) async fn log(engine: Engine, context: CheckContext) {
    let found = engine.check_providers(&context).await;
    for check in &found {
        for item in check.items.iter().filter(|item| item.is_wrong()) {
            tracing::warn!(
                provider = %check.provider,
                item = %item.what,
                "a provider is not set up as it should be: {}",
                item.outcome.text().unwrap_or_default()
            );
        }
    }
    let counts = Counts::of(&found);
    if counts.wrong == 0 && !found.is_empty() {
        tracing::info!(
            "providers: {} checks passed ({counts}; `deposit config check --online` lists them)",
            counts.right
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_is_listened_on_stands_in_for_the_public_one() {
        let listen = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(context("", listen("127.0.0.1:8080")), CheckContext::new("http://127.0.0.1:8080"));
        for nobody_s in ["127.0.0.1:0", "0.0.0.0:8080", "[::]:8080"] {
            assert_eq!(context("", listen(nobody_s)), CheckContext::default(), "{nobody_s}");
        }
        assert_eq!(
            context("https://gw.example/", listen("0.0.0.0:0")).public_url.as_deref(),
            Some("https://gw.example")
        );
    }
}
