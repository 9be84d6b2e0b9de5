use super::*;

fn load(text: &str, environment: &Environment) -> Result<Built, InvalidConfig> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deposit.toml");
    std::fs::write(&file, text).unwrap();
    let loaded = Loaded::read(Some(&file), None, environment);
    loaded.and_then(Loaded::build).map_err(|mut error| {
        // The folder's name is random.
        error.file = error.file.map(|_| PathBuf::from("deposit.toml"));
        error
    })
}

fn complaint(text: &str) -> String {
    load(text, &Environment::default()).unwrap_err().to_string()
}

const BTCPAY: &str = "[providers.btcpay]\nbase_url = \"http://127.0.0.1:4010\"\napi_key = \"k\"\nstore_id = \"s\"\nwebhook_secret = \"w\"\n";

#[test]
fn nothing_configured_is_fine() {
    let built = load("", &Environment::default()).unwrap();
    assert_eq!(built.registry.tickers().count(), 0);
    assert_eq!(built.store_url, "sqlite://deposit.db");
    assert_eq!(built.server.listen.to_string(), "127.0.0.1:8080");
}

#[test]
fn the_contract_s_sample_reads() {
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://127.0.0.1:8080\"\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
         [limits.default]\nminimum = \"0.10\"\nmaximum = \"500\"\n[limits.KAS]\nminimum = \"10\"\n\
         [rates]\nsources = [\"static\"]\nmax_age_seconds = 300\n[rates.static]\nBTC = \"50000\"\nEUR = \"1.08\"\n\
         [bonus]\nBTC-LN = \"2.5\"\n{BTCPAY}method_ids = {{ LTC-MWEB = \"LTC-MWEB\" }}\n"
    );
    let built = load(&text, &Environment::default()).unwrap();
    assert_eq!(built.registry.tickers().count(), 8);
    assert_eq!(built.engine.bonus[&Ticker::BTC_LN], Decimal::new(25, 1));
}

#[test]
fn mistakes_are_named_by_key_and_line() {
    let cases = [
        ("[server]\nlisen = \"x\"\n", "deposit.toml:2: `server.lisen`: unknown field"),
        ("[servr]\n", "deposit.toml:1: `servr`: unknown field"),
        ("[server]\nlisten = \"nowhere\"\n", "deposit.toml:2: `server.listen`: "),
        (
            "\n[server]\npublic_url = \"ftp://x\"\n",
            "deposit.toml:3: `server.public_url`: must be an http or https URL",
        ),
        (
            "[server]\ncors_origins = [\"https://shop.example\", \"shop.example\"]\n",
            "deposit.toml:2: `server.cors_origins`: must be \"*\" alone or origins as a browser sends them",
        ),
        ("[server]\ncors_origins = \"*\"\n", "deposit.toml:2: `server.cors_origins`: "),
        (
            "[deposits]\nlifetime_seconds = 0\n",
            "deposit.toml:2: `deposits.lifetime_seconds`: must be above 0",
        ),
        ("[deposits]\nlifetime_seconds = -5\n", "deposit.toml:2: `deposits.lifetime_seconds`: "),
        ("[bonus]\nBTC = \"101\"\n", "deposit.toml:2: `bonus.BTC`: must be a percentage from 0 to 100"),
        ("[rates]\nsources = [\"nowhere\"]\n", "deposit.toml:2: `rates.sources`: "),
        (
            "[rates]\noutlier_percent = \"0\"\n",
            "deposit.toml:2: `rates.outlier_percent`: must be a percentage",
        ),
        ("[rates]\njump_percent = \"-3\"\n", "deposit.toml:2: `rates.jump_percent`: must be a percentage"),
        (
            "[rates]\nsources = [\"kraken\"]\n[rates.kraken]\nbase_url = \"ftp://x\"\n",
            "deposit.toml:4: `rates.kraken.base_url`: must be an http or https URL",
        ),
        ("[rates.kraken]\napi_key = \"k\"\n", "deposit.toml:2: `rates.kraken.api_key`: unknown field"),
        ("[rates.static]\nBTC = \"0\"\n", "deposit.toml:2: `rates.static.BTC`: "),
        ("[providers.paypal]\n", "`providers"),
        ("[providers.btcpay]\nbase_url = \"http://127.0.0.1:1\"\n", "deposit.toml:1: `providers.btcpay"),
        ("[server\n", "deposit.toml:1: "),
        (
            "[store]\nurl = \"mysql://u:s3cr3t@h/db\"\n",
            "deposit.toml:2: `store.url`: only sqlite://PATH can be opened",
        ),
        ("[store]\nurl = \"sqlite://\"\n", "deposit.toml:2: `store.url`: sqlite://PATH wants the path"),
        ("[limits.default]\nminimum = \"9\"\nmaximum = \"1\"\n", "`limits.default"),
    ];
    for (text, expected) in cases {
        let said = complaint(text);
        assert!(said.contains(expected), "{text:?} said {said:?}, not {expected:?}");
    }
}

#[test]
fn a_wrong_value_of_a_secret_is_not_printed() {
    let said = complaint(&BTCPAY.replace("api_key = \"k\"", "api_key = [\"hush-hush\"]"));
    assert!(said.contains("`providers.btcpay.api_key`"), "{said}");
    assert!(!said.contains("hush"), "{said}");
}

#[test]
fn the_environment_wins_and_is_named() {
    let environment = Environment::of([
        ("DEPOSIT__SERVER__LISTEN", "127.0.0.1:9"),
        ("DEPOSIT__DEPOSITS__LIFETIME_SECONDS", "60"),
        ("DEPOSIT__RATES__STATIC__BTC_LN", "40000"),
        ("DEPOSIT__PROVIDERS__BTCPAY__API_KEY", "123456"),
        ("DEPOSIT__SERVER__TRUSTED_PROXIES", "[\"10.0.0.0/8\"]"),
        ("DEPOSIT__LIMITS__DEFAULT__MINIMUM", "0.50"),
    ]);
    let built = load(&format!("[server]\nlisten = \"127.0.0.1:8\"\n{BTCPAY}"), &environment).unwrap();
    assert_eq!(built.server.listen.port(), 9);
    assert_eq!(built.server.trusted_proxies.len(), 1);
    assert_eq!(built.engine.lifetime_secs, 60);
    assert_eq!(built.engine.limits.usd(Ticker::BTC).minimum, Decimal::new(50, 2));

    let wrong = Environment::of([("DEPOSIT__DEPOSITS__LIFETIME_SECONDS", "soon")]);
    let said = load("", &wrong).unwrap_err().to_string();
    assert!(said.contains("DEPOSIT__DEPOSITS__LIFETIME_SECONDS"), "{said}");
    let unknown = Environment::of([("DEPOSIT__SERVER__LISEN", "x")]);
    let said = load("", &unknown).unwrap_err().to_string();
    assert!(said.contains("DEPOSIT__SERVER__LISEN") && said.contains("server.lisen"), "{said}");
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("key");
    std::fs::write(&secret, "k-from-file\n").unwrap();
    let with_file = BTCPAY.replace("api_key = \"k\"", &format!("api_key_file = {secret:?}"));
    assert_eq!(load(&with_file, &Environment::default()).unwrap().registry.tickers().count(), 8);
    let both = format!("{BTCPAY}api_key_file = {secret:?}\n");
    assert!(complaint(&both).contains("`providers.btcpay.api_key_file`"));
    let missing = BTCPAY.replace("api_key = \"k\"", "api_key_file = \"/nonexistent/key\"");
    let said = complaint(&missing);
    assert!(said.contains("`providers.btcpay.api_key_file`") && said.contains(":3:"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Loaded::read(Some(Path::new("/nonexistent/deposit.toml")), None, &Environment::default());
    assert!(error.unwrap_err().to_string().starts_with("/nonexistent/deposit.toml: cannot be read"));
}
