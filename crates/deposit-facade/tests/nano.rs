//! The section `[providers.nano]`.
#![cfg(feature = "nano")]
#![allow(missing_docs, clippy::unwrap_used)]

use deposit_core::{AccountIndex, Ticker, TickerKind};
use deposit_facade::ProvidersConfig;

fn section(more: &str) -> String {
    format!(
        r#"
        [nano]
        rpc_url = "http://127.0.0.1:7076"
        ws_url = "ws://127.0.0.1:7078"
        work_url = ""
        seed = "A98A541406E5DF55EB3F57396255AB133A417C3252679CC9C1AEF51382089AF9"
        representative = "nano_3e3j5tkog48pnny9dmfzj1r16pg8t1e76dz5tmac6iq689wyjfpiij4txtdo"
        rpc_authorization = ""
        {more}
        "#
    )
}

#[test]
fn every_key_of_the_contract_is_read_and_xno_is_standing() {
    let config: ProvidersConfig = toml::from_str(&section("callback_token = \"t\"")).unwrap();
    assert_eq!(config.configured(), ["nano"]);
    let registry = config.build().unwrap();
    let route = registry.routes().find(|route| route.spec.ticker == Ticker::XNO).unwrap();
    assert_eq!(route.spec.kind, TickerKind::Standing);
    let first = route.provider.standing_address(AccountIndex(1)).unwrap();
    assert_eq!(first.address(), Some("nano_3eizh9rjaaphzj4wd7mbmuawfmdz17e7pao9nbstwg4ohfhfcoxq98o6xdw7"));
    assert!(route.provider.capabilities().webhooks);
}

#[test]
fn an_unknown_key_and_a_bad_value_are_named() {
    let error = toml::from_str::<ProvidersConfig>(&section("wallet = \"x\"")).unwrap_err().to_string();
    assert!(error.contains("wallet"), "{error}");
    let config: ProvidersConfig = toml::from_str(&section("").replace("A98A", "")).unwrap();
    assert_eq!(config.build().unwrap_err().key, "providers.nano.seed");
}
