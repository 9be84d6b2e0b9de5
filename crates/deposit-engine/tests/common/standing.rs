//! An engine over one provider that has nothing but standing addresses, as Nano has.
#![allow(unreachable_pub)]

use std::sync::Arc;
use std::time::Duration;

use deposit_core::*;
use deposit_engine::{Engine, EngineConfig, ManualClock};
use deposit_facade::Registry;
use deposit_rates::Rates;
use deposit_store::SqliteStore;

/// Where the clock stands at first.
pub const START: Timestamp = Timestamp::from_secs(1_790_000_000);

/// XNO at an address of the account's own; one request at a time.
pub fn capabilities() -> Capabilities {
    let spec =
        TickerSpec::new(Ticker::XNO, Asset::XNO, TickerKind::Standing, CreditRule::in_kind(Asset::XNO))
            .with_quote_decimals(30);
    Capabilities {
        tickers: vec![spec],
        replay: Replay::Key,
        open_timeout: Duration::from_secs(1),
        scan: true,
        standing_address: true,
        webhooks: false,
        bounds: false,
        read_batch: 1,
        budget: RequestBudget { requests: 100, per: Duration::from_secs(1), concurrency: 1 },
        requests_per_read: 1,
    }
}

/// On the database at `url`, with the accounts `ana` and `ben`.
pub async fn engine(url: &str, node: Arc<dyn PaymentProvider>, clock: &ManualClock) -> Engine {
    let store = Arc::new(SqliteStore::open(url).await.unwrap());
    let registry = Registry::builder().register(node).unwrap().build();
    let rates = Arc::new(Rates::new(Vec::new(), Duration::from_secs(300)));
    let engine = Engine::new(store, registry, rates, EngineConfig::default(), Arc::new(clock.clone()));
    for name in ["ana", "ben"] {
        engine.store().ensure_account(&name.parse().unwrap(), engine.now()).await.unwrap();
    }
    engine
}
