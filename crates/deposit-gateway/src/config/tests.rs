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

/// Each provider's section with all that it must have, and every key of it that is a secret.
const SECRETS: [(&str, &str, &[&str]); 8] = [
    ("providers.btcpay", "base_url = \"x\"\nstore_id = \"s\"", &["api_key", "webhook_secret"]),
    ("providers.stripe", "success_url = \"x\"", &["secret_key", "webhook_secret"]),
    ("providers.daimo", "refund_address = \"x\"\ndestination_address = \"x\"", &["api_key", "webhook_token"]),
    ("providers.nanswap", "settle_address = \"x\"", &["api_key"]),
    ("providers.promptcash", "public_token = \"x\"", &["secret_token"]),
    ("providers.zano", "wallet_url = \"x\"", &["jwt_secret"]),
    (
        "providers.nano",
        "rpc_url = \"x\"\nrepresentative = \"x\"",
        &["seed", "rpc_authorization", "callback_token"],
    ),
    ("rates.coingecko", "", &["api_key"]),
];

/// The sections with `odd` in place of one secret, and a good one in place of the others.
fn with_secret(section: &str, key: &str, odd: &str) -> String {
    let mut text = String::new();
    for (name, rest, keys) in SECRETS {
        text.push_str(&format!("[{name}]\n{rest}\n"));
        for known in keys {
            let value = if (name, *known) == (section, key) { odd } else { "\"g00d\"" };
            text.push_str(&format!("{known} = {value}\n"));
        }
    }
    text
}

#[test]
fn what_an_editor_or_a_shell_left_around_a_secret_is_no_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deposit.toml");
    for odd in [r#""s3cr3t\n""#, r#""\uFEFFs3cr3t \r\n""#, r#"" s3cr3t\t""#] {
        let mut text = String::new();
        for (name, rest, keys) in SECRETS {
            text.push_str(&format!("[{name}]\n{rest}\n"));
            keys.iter().for_each(|key| text.push_str(&format!("{key} = {odd}\n")));
        }
        std::fs::write(&file, text).unwrap();
        let providers = Loaded::read(Some(&file), None, &Environment::default()).unwrap().config.providers;
        let (nano, daimo) = (providers.nano.unwrap(), providers.daimo.unwrap());
        let (stripe, btcpay) = (providers.stripe.unwrap(), providers.btcpay.unwrap());
        for secret in [
            &btcpay.api_key,
            &btcpay.webhook_secret,
            &stripe.secret_key,
            &stripe.webhook_secret,
            &daimo.api_key,
            &daimo.webhook_token,
            &providers.nanswap.unwrap().api_key,
            &providers.promptcash.unwrap().secret_token,
            &providers.zano.unwrap().jwt_secret,
            &nano.seed,
            &nano.rpc_authorization,
            &nano.callback_token,
        ] {
            assert_eq!(secret.expose(), "s3cr3t", "{odd}");
        }
    }
    // From a file and from the environment alike.
    let secret = folder.path().join("webhook");
    std::fs::write(&secret, "\u{feff} w-from-file \r\n\n").unwrap();
    let text = BTCPAY.replace("webhook_secret = \"w\"", &format!("webhook_secret_file = {secret:?}"));
    std::fs::write(&file, text).unwrap();
    let environment = Environment::of([("DEPOSIT__PROVIDERS__BTCPAY__API_KEY", "k-from-env\n")]);
    let btcpay = Loaded::read(Some(&file), None, &environment).unwrap().config.providers.btcpay.unwrap();
    assert_eq!((btcpay.webhook_secret.expose(), btcpay.api_key.expose()), ("w-from-file", "k-from-env"));
}

#[test]
fn a_secret_that_cannot_be_one_is_refused_by_its_name() {
    for (section, _, keys) in SECRETS {
        for key in keys {
            for odd in [r#"" ""#, r#""\n""#, r#""s3\ncr3t""#, r#""s3\u200bcr3t""#, r#""s3\u0000cr3t""#] {
                let said = complaint(&with_secret(section, key, odd));
                assert!(said.contains(&format!("`{section}.{key}`")), "{odd}: {said}");
                assert!(said.starts_with("deposit.toml:"), "by its line: {said}");
                assert!(!said.contains("s3") && !said.contains("cr3t"), "{said}");
            }
        }
    }
    let variable = Environment::of([("DEPOSIT__PROVIDERS__BTCPAY__WEBHOOK_SECRET", "two\nlines")]);
    let said = load(BTCPAY, &variable).unwrap_err().to_string();
    assert!(said.contains("DEPOSIT__PROVIDERS__BTCPAY__WEBHOOK_SECRET") && !said.contains("two"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Loaded::read(Some(Path::new("/nonexistent/deposit.toml")), None, &Environment::default());
    assert!(error.unwrap_err().to_string().starts_with("/nonexistent/deposit.toml: cannot be read"));
}
