//! A check of all providers: side by side, bounded, and none spoils another's answer.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use deposit_core::{
    Asset, Capabilities, CheckContext, CheckItem, CreditRule, DepositIntent, IntentRecord, OpenRequest,
    Operation, PaymentProvider, ProviderError, ProviderId, Replay, RequestBudget, Snapshot, Ticker,
    TickerKind, TickerSpec, async_trait,
};
use deposit_engine::check_providers;
use deposit_facade::Registry;

#[derive(Debug, Clone, Copy)]
enum Manner {
    Answers,
    Hangs,
    Breaks,
    /// Of before there were checks.
    Old,
}

#[derive(Debug)]
struct Provider {
    name: &'static str,
    manner: Manner,
    capabilities: Capabilities,
}

fn provider(name: &'static str, ticker: Ticker, asset: Asset, manner: Manner) -> Arc<dyn PaymentProvider> {
    let spec = TickerSpec::new(ticker, asset, TickerKind::Invoice, CreditRule::at_rate_of(ticker));
    let capabilities = Capabilities {
        tickers: vec![spec],
        replay: Replay::None,
        open_timeout: Duration::from_secs(1),
        scan: false,
        standing_address: false,
        webhooks: false,
        bounds: false,
        read_batch: 1,
        budget: RequestBudget { requests: 1, per: Duration::from_secs(1), concurrency: 1 },
        requests_per_read: 1,
    };
    Arc::new(Provider { name, manner, capabilities })
}

#[async_trait]
impl PaymentProvider for Provider {
    fn id(&self) -> ProviderId {
        ProviderId::constant(self.name)
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn open(&self, _request: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        Err(ProviderError::unsupported(self.id(), Operation::Open))
    }

    async fn read(&self, _intent: &IntentRecord) -> Result<Snapshot, ProviderError> {
        Err(ProviderError::unsupported(self.id(), Operation::Read))
    }

    async fn check(&self, context: &CheckContext) -> Vec<CheckItem> {
        match self.manner {
            Manner::Answers => {
                vec![CheckItem::right("webhook").seen(context.webhook_url(self.id()).unwrap())]
            }
            Manner::Hangs => std::future::pending().await,
            Manner::Breaks => panic!("an adapter's mistake"),
            Manner::Old => vec![],
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_or_breaks_takes_its_own_answer_alone() {
    let registry = [
        provider("hangs", Ticker::BTC, Asset::BTC, Manner::Hangs),
        provider("breaks", Ticker::LTC, Asset::LTC, Manner::Breaks),
        provider("answers", Ticker::DOGE, Asset::DOGE, Manner::Answers),
        provider("old", Ticker::DASH, Asset::DASH, Manner::Old),
    ]
    .into_iter()
    .try_fold(Registry::builder(), |registry, provider| registry.register(provider))
    .unwrap()
    .build();
    let found = check_providers(&registry, &CheckContext::new("https://gw.example")).await;
    let words: Vec<_> = found
        .iter()
        .map(|check| {
            let [item] = check.items.as_slice() else { panic!("{check:?}") };
            (check.provider.to_string(), item.what.to_string(), item.outcome.word(), check.is_wrong())
        })
        .collect();
    let expected = [
        ("hangs", "reachable", "wrong", true),
        ("breaks", "provider", "unknown", false),
        ("answers", "webhook", "right", false),
        ("old", "provider", "unknown", false),
    ]
    .map(|(provider, what, word, wrong)| (provider.to_owned(), what.to_owned(), word, wrong));
    assert_eq!(words, expected);
    assert_eq!(
        found.get(2).unwrap().items.first().unwrap().seen.as_deref(),
        Some("https://gw.example/webhooks/answers")
    );
}
