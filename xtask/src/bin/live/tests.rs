use std::fmt::Write as _;

use axum::Router;
use axum::http::HeaderMap;
use deposit_sandbox::{Sandbox, SandboxConfig};
use toml::Table;

use crate::redact::{Secrets, hidden_query};
use crate::{Cli, all, record, section};

async fn sandbox() -> (Sandbox, Table) {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let config = sandbox.config_toml().parse().unwrap();
    (sandbox, config)
}

/// The sandbox stands in for a real server: it has an address, a key and a store that must not be in any file.
#[tokio::test]
async fn an_account_is_recorded_without_its_secrets() {
    let (sandbox, config) = sandbox().await;
    let section = section(&config, "btcpay").unwrap();
    let recorded = record("btcpay", section, &["BTC=0.0004".parse().unwrap()]).await.unwrap();
    let names: Vec<_> = recorded.keys().map(String::as_str).collect();
    for name in [
        "look_up_btc_1.json",
        "look_up_unknown_1.json",
        "open_btc_1.json",
        "open_btc_2.json",
        "read_btc_1.json",
        "read_unknown_1.json",
    ] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    let all: String = recorded.values().map(String::as_str).collect();
    for key in ["api_key", "webhook_secret", "store_id"] {
        assert!(!all.contains(&sandbox.setting("btcpay", key).unwrap()), "{key}");
    }
    assert!(!all.contains("127.0.0.1"), "an address of this machine");
    let open = &recorded["open_btc_1.json"];
    for part in [
        "\"authorization\": \"token REDACTED\"",
        "/api/v1/stores/CONFIGURED_STORE_ID/invoices",
        "\"status\": 200",
        "\"amount\": \"0.0004\"",
    ] {
        assert!(open.contains(part), "{part} is not in {open}");
    }
    // An invoice that is not there is refused as one that the key may not see.
    assert!(recorded["read_unknown_1.json"].contains("\"status\": 403"));
}

/// Whatever an adapter's configuration is like: its addresses are found, and its secrets.
#[tokio::test]
async fn every_adapter_can_be_recorded() {
    let (sandbox, config) = sandbox().await;
    for name in deposit_facade::COMPILED_IN {
        let recorded = record(name, section(&config, name).unwrap(), &[]).await;
        let recorded = recorded.unwrap_or_else(|error| panic!("{name}: {error:#}"));
        assert!(recorded.values().all(|text| !text.contains(&sandbox.address().to_string())), "{name}");
    }
}

/// A server that says the key again, in a way that the redaction does not see.
#[tokio::test]
async fn nothing_is_written_if_a_secret_is_left() {
    let echo = async |headers: HeaderMap| {
        let key = headers["authorization"].to_str().unwrap().trim_start_matches("token ").to_owned();
        let escaped = key.chars().fold(String::new(), |mut text, c| {
            write!(text, "\\u{:04x}", u32::from(c)).unwrap();
            text
        });
        ([("content-type", "application/json")], format!(r#"{{"debug":"{escaped}"}}"#))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(echo)).await });

    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("deposit.toml");
    let key = folder.path().join("key");
    std::fs::write(&key, "a-real-key-0001\n").unwrap();
    let text = format!(
        "[providers.btcpay]\nbase_url = \"{url}\"\napi_key_file = \"{}\"\nstore_id = \"TheStore\"\nwebhook_secret = \"whsec-real-0001\"\n",
        key.display()
    );
    std::fs::write(&config, text).unwrap();
    let target = folder.path().join("live");
    let cli = Cli { provider: "btcpay".to_owned(), config, order: vec![] };
    let error = all(&cli, &target).await.unwrap_err().to_string();
    assert!(error.contains("would hold the configured `api_key`: nothing is written"), "{error}");
    assert!(!error.contains("a-real-key-0001"), "{error}");
    assert!(!target.exists(), "a file was written");
}

fn secrets() -> Secrets {
    let section: Table = "base_url = \"https://api.real.example/v1\"\napi_key = \"k/ey+0001=\"\nrpc_authorization = \"Basic dXNlcjpwYXNz\"\nseed = \"ABCDEF0123456789\"\nspeed_policy = \"MediumSpeed\"\nsettle_address = \"nano_1real\"\nolder_keys = [\"an-older-one-0001\"]\n[more]\ninner_secret = \"an-inner-one-0001\""
        .parse()
        .unwrap();
    Secrets::of(&section).unwrap()
}

#[test]
fn every_way_to_write_a_secret_is_refused() {
    use base64::Engine as _;
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    for leak in [
        "k/ey+0001=".to_owned(),
        "x k/ey+0001= y".to_owned(),
        "k%2Fey%2B0001%3D".to_owned(),
        base64("k/ey+0001="),
        base64("user:k/ey+0001="),
        hex::encode("k/ey+0001="),
        hex::encode_upper("k/ey+0001="),
        "abcdef0123456789".to_owned(),
        "dXNlcjpwYXNz".to_owned(),
        "an-older-one-0001".to_owned(),
        "an-inner-one-0001".to_owned(),
    ] {
        let text = serde_json::json!({ "a": ["b", { "c": leak }] }).to_string();
        let error = secrets().refuse("x.json", &text).unwrap_err().to_string();
        assert!(error.contains("x.json would hold the configured"), "{leak}: {error}");
        let as_name = serde_json::json!({ &leak: 1 }).to_string();
        assert!(secrets().refuse("x.json", &as_name).is_err(), "{leak} as a name");
    }
    secrets().refuse("x.json", r#"{"speed":"MediumSpeed","n":1}"#).unwrap();
}

#[test]
fn what_is_hidden() {
    let document = "{\n  \"client_secret\": \"pi_1_secret_x\",\n  \"url\": \"https://api.real.example/pay?k=k%2Fey%2B0001%3D\",\n  \"to\": \"nano_1real\",\n  \"email\": \"payer@mail.example\",\n  \"n\": 25.00,\n  \"token\": \"USDC\"\n}";
    let hidden = secrets().hide(document).unwrap();
    for part in [
        "\"client_secret\": \"REDACTED\"",
        "https://pay.example/pay?k=REDACTED",
        "CONFIGURED_SETTLE_ADDRESS",
        "\"email\": \"REDACTED\"",
        "\"n\": 25.00",
        "\"token\": \"USDC\"",
    ] {
        assert!(hidden.contains(part), "{part} is not in {hidden}");
    }
    assert_eq!(hidden_query("/a?x=1&token=abc&api_key=d"), "/a?x=1&token=REDACTED&api_key=REDACTED");
}

#[test]
fn a_secret_that_is_too_short_is_refused() {
    let section: Table = "api_key = \"abc\"".parse().unwrap();
    assert!(Secrets::of(&section).is_err());
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_an_error() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        "[providers.btcpay]\nbase_url = \"http://{free}\"\napi_key = \"a-real-key-0001\"\nstore_id = \"TheStore\"\nwebhook_secret = \"whsec-real-0001\"\n"
    );
    let section = section(&text.parse().unwrap(), "btcpay").unwrap();
    let error = record("btcpay", section, &[]).await.unwrap_err().to_string();
    assert!(error.contains("nothing was recorded"), "{error}");
}
