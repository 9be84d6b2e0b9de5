//! The sections `[providers]` and `[rates]`, with and without the adapters they speak of.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

use std::time::Duration;

use deposit_core::{Ticker, Timestamp};
use deposit_facade::{ADAPTERS, COMPILED_IN, ProvidersConfig, RatesConfig};

fn providers_error(toml: &str) -> String {
    toml::from_str::<ProvidersConfig>(toml).unwrap_err().to_string()
}

fn rates(toml: &str) -> Result<deposit_facade::rates::Rates, String> {
    let config: RatesConfig = toml::from_str(toml).map_err(|error| error.to_string())?;
    config.build(&ProvidersConfig::default()).map_err(|error| error.to_string())
}

fn rates_error(toml: &str) -> String {
    rates(toml).unwrap_err()
}

#[test]
fn compiled_in_is_what_the_features_say() {
    assert!(COMPILED_IN.iter().all(|name| ADAPTERS.contains(name)));
    assert_eq!(COMPILED_IN.contains(&"btcpay"), cfg!(feature = "btcpay"));
    if cfg!(feature = "full") {
        assert_eq!(COMPILED_IN, ADAPTERS);
    }
}

#[test]
fn no_section_is_no_provider() {
    let config: ProvidersConfig = toml::from_str("").unwrap();
    assert_eq!(config.configured(), [""; 0]);
    assert_eq!(config.build().unwrap().providers().len(), 0);
}

#[test]
fn an_unknown_section_is_an_error_that_lists_the_known() {
    let error = providers_error("[btcpya]\nstore_id = \"x\"");
    assert!(error.contains("`btcpya`"), "{error}");
    for name in ADAPTERS {
        assert!(error.contains(name), "{error}");
    }
}

#[cfg(not(feature = "btcpay"))]
#[test]
fn a_section_of_an_adapter_that_is_not_compiled_in_says_so() {
    let error = providers_error("[btcpay]\nstore_id = \"x\"");
    assert!(error.contains("`providers.btcpay`: not compiled in (feature `btcpay`)"), "{error}");
    let error = rates_error("sources = [\"btcpay\"]");
    assert_eq!(error, "`rates.sources`: `btcpay` is not compiled in (feature `btcpay`)");
}

#[cfg(feature = "btcpay")]
mod btcpay {
    use super::*;

    const SECTION: &str = r#"
        [btcpay]
        base_url = "https://pay.example"
        api_key = "an-api-key-of-nobody"
        store_id = "store"
        webhook_secret = "a-secret-of-nobody"
    "#;

    #[test]
    fn a_section_turns_its_tickers_on() {
        let config: ProvidersConfig = toml::from_str(SECTION).unwrap();
        assert_eq!(config.configured(), ["btcpay"]);
        let debug = format!("{config:?}");
        assert!(!debug.contains("of-nobody"), "{debug}");
        let registry = config.build().unwrap();
        assert_eq!(
            registry.tickers().collect::<Vec<_>>(),
            [
                Ticker::BTC,
                Ticker::BTC_LN,
                Ticker::LTC,
                Ticker::LTC_MWEB,
                Ticker::XMR,
                Ticker::DOGE,
                Ticker::DASH,
                Ticker::ZEC
            ]
        );
        assert!(registry.routes().all(|route| route.provider.id().as_str() == "btcpay"));
    }

    #[test]
    fn a_wrong_value_and_an_unknown_key_are_named() {
        let error = providers_error("[btcpay]\nstore = \"x\"");
        assert!(error.contains("`store`"), "{error}");
        let config: ProvidersConfig =
            toml::from_str(&SECTION.replace("https://pay.example", "ftp://pay.example")).unwrap();
        assert_eq!(config.build().unwrap_err().key, "providers.btcpay.base_url");
    }

    #[test]
    fn store_rates_need_the_section() {
        let error = rates_error("sources = [\"btcpay\"]");
        assert_eq!(error, "`rates.sources`: `btcpay` needs the section `providers.btcpay`");
        let providers: ProvidersConfig = toml::from_str(SECTION).unwrap();
        let config: RatesConfig = toml::from_str("sources = [\"btcpay\", \"static\"]").unwrap();
        let rates = config.build(&providers).unwrap();
        assert_eq!(rates.source_names().collect::<Vec<_>>(), ["btcpay", "static"]);
    }
}

#[tokio::test]
async fn static_rates_of_the_configuration() {
    let rates = rates("max_age_seconds = 60\n[static]\nBTC = \"50000\"\nEUR = \"1.08\"").unwrap();
    assert_eq!(rates.max_age(), Duration::from_secs(60));
    let now = Timestamp::from_secs(1_772_616_600);
    let report = rates.refresh(Ticker::KNOWN, now).await;
    assert!(report.failures.is_empty());
    let priced: Vec<String> =
        report.new.iter().map(|rate| format!("{} {}", rate.ticker, rate.price)).collect();
    assert_eq!(priced, ["BTC 50000", "BTC-LN 50000", "EUR 1.08", "USD 1"]);
    assert_eq!(report.missing.len(), Ticker::KNOWN.len() - priced.len());
}

#[test]
fn without_a_section_there_is_a_static_source_and_no_rate() {
    let rates = rates("").unwrap();
    assert_eq!(rates.source_names().collect::<Vec<_>>(), ["static"]);
    assert_eq!(rates.max_age(), Duration::from_secs(300));
}

#[test]
fn wrong_rates_are_named() {
    assert_eq!(
        rates_error("sources = [\"oracle\"]"),
        "`rates.sources`: `oracle` is none of static, btcpay, coingecko, kraken, kucoin, frankfurter"
    );
    assert_eq!(rates_error("sources = [\"static\", \"static\"]"), "`rates.sources`: `static` is there twice");
    assert_eq!(rates_error("max_age_seconds = 0"), "`rates.max_age_seconds`: must be above 0");
    assert_eq!(rates_error("[static]\nBTCC = \"1\""), "`rates.static.BTCC`: no such ticker");
    assert_eq!(rates_error("[static]\nUSD = \"2\""), "`rates.static.USD`: must be 1: prices are in USD");
    assert!(rates_error("[static]\nBTC = \"-1\"").contains("above zero"));
    assert!(rates_error("[static]\nBTC = 1.5").contains("string"));
    assert!(rates_error("source = []").contains("`source`"));
    for key in ["outlier_percent", "jump_percent"] {
        for bad in ["0", "-1", "1000.1"] {
            let error = rates_error(&format!("{key} = \"{bad}\""));
            assert!(error.starts_with(&format!("`rates.{key}`: must be a percentage above 0")), "{error}");
        }
        assert!(rates_error(&format!("{key} = \"much\"")).contains("percentage"));
        assert!(rates(&format!("{key} = \"2.5\"")).is_ok());
    }
    assert!(rates_error("[kraken]\napi_key = \"k\"").contains("api_key"));
}

#[cfg(not(feature = "public-rates"))]
#[test]
fn public_sources_that_are_not_compiled_in_say_so() {
    for name in ["coingecko", "kraken", "kucoin", "frankfurter"] {
        let error = rates_error(&format!("sources = [\"{name}\"]"));
        assert_eq!(error, format!("`rates.sources`: `{name}` is not compiled in (feature `public-rates`)"));
    }
}

#[cfg(feature = "public-rates")]
#[test]
fn public_sources_need_no_section_and_take_one() {
    let built =
        rates("sources = [\"coingecko\", \"kraken\", \"kucoin\", \"frankfurter\", \"static\"]").unwrap();
    let names: Vec<&str> = built.source_names().collect();
    assert_eq!(names, ["coingecko", "kraken", "kucoin", "frankfurter", "static"]);
    rates("sources = [\"coingecko\"]\n[coingecko]\nbase_url = \"https://pro-api.coingecko.com\"\napi_key = \"k\"")
        .unwrap();
    for name in ["coingecko", "kraken", "kucoin", "frankfurter"] {
        let error = rates_error(&format!("sources = [\"{name}\"]\n[{name}]\nbase_url = \"ftp://x\""));
        assert!(
            error.starts_with(&format!("`rates.{name}.base_url`: must be an http or https URL")),
            "{error}"
        );
    }
}
