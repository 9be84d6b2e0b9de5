//! Limits: USD figures to coin units, and the check of an amount.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

use deposit_core::{
    Amount, Asset, CreditRule, Decimal, DecimalText, LimitError, Limits, Price, Ticker, TickerKind,
    TickerSpec, UsdLimits,
};
use deposit_facade::{AmountError, CheckError, LimitBook, LimitsConfig, Registry, Unquotable, parse_amount};
use proptest::prelude::*;

fn spec(ticker: Ticker, asset: Asset, quote_decimals: u8) -> TickerSpec {
    TickerSpec::new(ticker, asset, TickerKind::Address, CreditRule::at_rate_of(ticker))
        .with_quote_decimals(quote_decimals)
}

fn btc() -> TickerSpec {
    spec(Ticker::BTC, Asset::BTC, 8)
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn number(text: &str) -> DecimalText {
    text.parse().unwrap()
}

fn book(toml: &str) -> LimitBook {
    LimitBook::new(&toml::from_str(toml).unwrap(), &Registry::builder().build()).unwrap()
}

fn usd(book: &LimitBook, ticker: Ticker) -> (String, String) {
    let limits = book.usd(ticker);
    (limits.minimum.normalize().to_string(), limits.maximum.normalize().to_string())
}

fn pair(minimum: &str, maximum: &str) -> (String, String) {
    (minimum.to_owned(), maximum.to_owned())
}

#[test]
fn built_in_limits_are_those_of_the_contract() {
    let book = LimitBook::default();
    for ticker in Ticker::KNOWN {
        let least = match ticker.as_str() {
            "KAS" => "10",
            "USD" | "EUR" | "GBP" => "1",
            _ => "0.1",
        };
        assert_eq!(usd(&book, *ticker), pair(least, "500"), "{ticker}");
    }
}

#[test]
fn configuration_overrides_figure_by_figure() {
    let book = book(
        "default = { minimum = \"2.50\", maximum = 1000 }\nXMR = { maximum = \"20\" }\nKAS = { minimum = 3 }",
    );
    assert_eq!(usd(&book, Ticker::BTC), pair("2.5", "1000"));
    assert_eq!(usd(&book, Ticker::XMR), pair("2.5", "20"));
    assert_eq!(usd(&book, Ticker::KAS), pair("3", "1000"));
    // The built-in 1 USD of cards is below the default here.
    assert_eq!(usd(&book, Ticker::EUR), pair("2.5", "1000"));
}

#[test]
fn a_raised_minimum_gives_way_to_a_configured_maximum() {
    let book = book("default = { maximum = \"5\" }");
    assert_eq!(usd(&book, Ticker::KAS), pair("0.1", "5"));
    assert_eq!(usd(&book, Ticker::EUR), pair("1", "5"));
}

#[test]
fn wrong_limits_are_named() {
    let refused = |toml: &str| {
        let config: LimitsConfig = toml::from_str(toml).unwrap();
        LimitBook::new(&config, &Registry::builder().build()).unwrap_err().to_string()
    };
    assert_eq!(refused("BTC = { minimum = \"-1\" }"), "`limits.BTC.minimum`: must not be negative");
    assert_eq!(refused("default = { maximum = -1 }"), "`limits.default.maximum`: must not be negative");
    assert_eq!(refused("BTC = { minimum = \"501\" }"), "`limits.BTC`: minimum must not be above maximum");
    assert_eq!(refused("BTCC = { minimum = \"1\" }"), "`limits.BTCC`: no such ticker");
}

#[test]
fn unreadable_limits_are_refused_and_nothing_passes_through_binary_floating_point() {
    let refused = |toml: &str| toml::from_str::<LimitsConfig>(toml).unwrap_err().to_string();
    assert!(refused("BTC = { minimum = 0.1 }").contains("as text"), "{}", refused("BTC = { minimum = 0.1 }"));
    assert!(refused("BTC = { minimum = \"1e2\" }").contains("as text"));
    assert!(refused("BTC = { minimum = \"0.00000000000000000000000000001\" }").contains("as text"));
    assert!(refused("BTC = { minimun = \"1\" }").contains("minimun"));
    assert!(refused("default = { minimun = \"1\" }").contains("minimun"));
    assert!(refused("\"B TC\" = { minimum = \"1\" }").contains("A-Z"));
}

#[test]
fn the_contract_s_sample() {
    let kas = spec(Ticker::KAS, Asset::KAS, 8);
    let limits = LimitBook::default().limits(&kas, price("0.08")).unwrap();
    assert_eq!((limits.minimum.to_string(), limits.maximum.to_string()), ("125".into(), "6250".into()));
}

#[test]
fn an_amount_is_read_exactly() {
    let parse = |text| parse_amount(&btc(), &number(text));
    assert_eq!(parse("0.0004").unwrap().minor(), 40_000);
    assert_eq!(parse("4e-4").unwrap(), parse("0.000400000000000").unwrap());
    assert_eq!(parse("0"), Err(AmountError::NotPositive));
    assert_eq!(parse("-0.0"), Err(AmountError::NotPositive));
    assert_eq!(parse("-0.000000001"), Err(AmountError::NotPositive));
    assert_eq!(parse("0.000000001"), Err(AmountError::Precision { decimals: 8 }));
    assert_eq!(parse("1e40"), Err(AmountError::AboveRange));
    assert_eq!(parse("1e999999999"), Err(AmountError::AboveRange));
    assert_eq!(parse("1e-999999999"), Err(AmountError::Precision { decimals: 8 }));
    // Too fine and too large: precision is judged first.
    assert_eq!(parse(&format!("{}.123456789", "9".repeat(60))), Err(AmountError::Precision { decimals: 8 }));
}

#[test]
fn lightning_is_stored_finer_than_it_is_quoted() {
    let ln = spec(Ticker::BTC_LN, Asset::BTC_LN, 8);
    assert_eq!(parse_amount(&ln, &number("0.00000001")).unwrap().minor(), 1000);
    assert_eq!(parse_amount(&ln, &number("0.000000001")), Err(AmountError::Precision { decimals: 8 }));
    let limits = LimitBook::default().limits(&ln, price("49999")).unwrap();
    assert_eq!(limits.minimum.minor() % 1000, 0);
    assert_eq!(limits.maximum.minor() % 1000, 0);
}

#[test]
fn a_quoted_limit_stays_good_while_its_price_was_in_force() {
    let book = LimitBook::default();
    let (old, new) = (price("50000"), price("49000"));
    let quoted = book.limits(&btc(), old).unwrap().minimum;
    // At the new price alone the old minimum is too little …
    let least = book.limits(&btc(), new).unwrap().minimum;
    assert_eq!(
        book.check_amount(&btc(), quoted, &[new]),
        Err(CheckError::Outside(LimitError::BelowMinimum(least)))
    );
    // … but it was quoted a moment ago.
    assert_eq!(book.check_amount(&btc(), quoted, &[new, old]), Ok(()));
    // One that no price takes gets the error of the newest.
    let less = quoted.checked_sub(Amount::new(1, Asset::BTC)).unwrap();
    assert_eq!(
        book.check_amount(&btc(), less, &[new, old]),
        Err(CheckError::Outside(LimitError::BelowMinimum(least)))
    );
    let most = book.limits(&btc(), new).unwrap().maximum;
    let more = most.checked_add(Amount::new(1, Asset::BTC)).unwrap();
    assert_eq!(
        book.check_amount(&btc(), more, &[new, old]),
        Err(CheckError::Outside(LimitError::AboveMaximum(most)))
    );
    assert_eq!(LimitError::AboveMaximum(most).to_string(), format!("Maximum amount is {most}"));
}

/// An asset so fine that 500 USD of it do not fit an amount: the maximum is then the largest amount that the API can take.
#[test]
fn a_maximum_beyond_every_amount_is_one_that_can_be_sent_back() {
    let fine = spec("OWN".parse().unwrap(), Asset::new("OWN", 38).unwrap(), 8);
    let book = LimitBook::default();
    let limits = book.limits(&fine, price("0.1")).unwrap();
    assert_eq!((limits.minimum.to_string(), limits.maximum.to_string()), ("1".into(), "3.40282366".into()));
    let sent = parse_amount(&fine, &number("3.40282366")).unwrap();
    assert_eq!(book.check_amount(&fine, sent, &[price("0.1")]), Ok(()));
}

#[test]
fn without_a_usable_price_nothing_is_taken() {
    let book = LimitBook::default();
    let any = Amount::new(1, Asset::XNO);
    let xno = spec(Ticker::XNO, Asset::XNO, 30);
    assert_eq!(book.check_amount(&xno, any, &[]), Err(CheckError::Unquotable(Unquotable::NoPrice)));
    // 0.10 USD would be 10^39 raw.
    let worthless = price("0.0000000001");
    assert_eq!(book.limits(&xno, worthless), Err(Unquotable::Overflow));
    assert_eq!(book.check_amount(&xno, any, &[worthless]), Err(CheckError::Unquotable(Unquotable::Overflow)));
    // One smallest unit is above the maximum.
    let fusd = spec(Ticker::FUSD, Asset::FUSD, 4);
    assert_eq!(book.limits(&fusd, price("6000000")), Err(Unquotable::Empty));
    let unit = Amount::new(1, Asset::FUSD);
    assert_eq!(
        book.check_amount(&fusd, unit, &[price("6000000")]),
        Err(CheckError::Unquotable(Unquotable::Empty))
    );
    assert_eq!(book.check_amount(&fusd, unit, &[price("6000000"), price("10000")]), Ok(()));
}

fn any_price() -> impl Strategy<Value = Price> {
    prop_oneof![
        (1_i128..(1 << 96), 0_u32..=28),
        // What prices look like.
        (1_i128..10_000_000_000, 0_u32..=12),
    ]
    .prop_map(|(mantissa, scale)| Price::new(Decimal::from_i128_with_scale(mantissa, scale)).unwrap())
}

fn any_figure() -> impl Strategy<Value = Decimal> {
    prop_oneof![(0_i128..(1 << 96), 0_u32..=28), (0_i128..1_000_000, 2_u32..=2)]
        .prop_map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa, scale))
}

fn any_spec() -> impl Strategy<Value = TickerSpec> {
    (0_u8..=38).prop_flat_map(|scale| (Just(scale), 0..=scale)).prop_map(|(scale, decimals)| {
        spec("OWN".parse().unwrap(), Asset::new("OWN", scale).unwrap(), decimals)
    })
}

fn with(minimum: Decimal, maximum: Decimal) -> LimitBook {
    let limits = UsdLimits::new(minimum.min(maximum), maximum.max(minimum)).unwrap();
    LimitBook::default().with("OWN".parse().unwrap(), limits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What is quoted is what is enforced: both ends, sent back as they are printed, are taken; one step outside is not.
    #[test]
    fn quoted_is_enforced(spec in any_spec(), price in any_price(), a in any_figure(), b in any_figure()) {
        let book = with(a, b);
        match book.limits(&spec, price) {
            Err(why) => {
                let one = Amount::new(1, spec.asset);
                prop_assert_eq!(book.check_amount(&spec, one, &[price]), Err(CheckError::Unquotable(why)));
            }
            Ok(limits) => {
                for end in [limits.minimum, limits.maximum] {
                    match parse_amount(&spec, &number(&end.to_string())) {
                        Ok(sent) => {
                            prop_assert_eq!(sent, end);
                            prop_assert_eq!(book.check_amount(&spec, sent, &[price]), Ok(()));
                        }
                        Err(why) => prop_assert!(why == AmountError::NotPositive && end.is_zero(), "{end}: {why}"),
                    }
                }
                let unit = Amount::new(1, spec.asset);
                if let Some(less) = limits.minimum.checked_sub(unit) {
                    prop_assert_eq!(
                        book.check_amount(&spec, less, &[price]),
                        Err(CheckError::Outside(LimitError::BelowMinimum(limits.minimum)))
                    );
                }
                if let Some(more) = limits.maximum.checked_add(unit) {
                    prop_assert_eq!(
                        book.check_amount(&spec, more, &[price]),
                        Err(CheckError::Outside(LimitError::AboveMaximum(limits.maximum)))
                    );
                }
            }
        }
    }

    /// Minimum up and maximum down: what lies between is worth what the operator said, and never less or more.
    #[test]
    fn rounding_is_to_the_safe_side(spec in any_spec(), price in any_price(), low in 0_i64..1_000_000, more in 0_i64..1_000_000) {
        let (low, high) = (Decimal::new(low, 2), Decimal::new(low + more, 2));
        if let Ok(limits) = with(low, high).limits(&spec, price) {
            let exact = |usd: Decimal| Amount::parse(&usd.to_string(), Asset::USD).unwrap().minor();
            let worth = |amount, rounding| price.value_of(amount, rounding).map(|usd| usd.minor());
            if let Ok(least) = worth(limits.minimum, deposit_core::Rounding::Up) {
                prop_assert!(least >= exact(low));
            }
            prop_assert!(worth(limits.maximum, deposit_core::Rounding::Down).unwrap() <= exact(high));
        }
    }

    /// A dearer coin never has higher limits, and higher USD figures never lower ones.
    #[test]
    fn limits_are_monotone(spec in any_spec(), p in any_price(), q in any_price(), a in any_figure(), b in any_figure(), c in any_figure()) {
        let mut figures = [a, b, c];
        figures.sort();
        let [a, b, c] = figures;
        let (cheap, dear) = (p.min(q), p.max(q));
        if let (Ok(at_cheap), Ok(at_dear)) = (with(a, c).limits(&spec, cheap), with(a, c).limits(&spec, dear)) {
            prop_assert!(at_cheap.minimum.minor() >= at_dear.minimum.minor());
            prop_assert!(at_cheap.maximum.minor() >= at_dear.maximum.minor());
        }
        if let (Ok(lower), Ok(higher)) = (with(a, b).limits(&spec, p), with(b, c).limits(&spec, p)) {
            prop_assert!(lower.minimum.minor() <= higher.minimum.minor());
            prop_assert!(lower.maximum.minor() <= higher.maximum.minor());
        }
    }

    /// With one price or many, an amount passes exactly where one of them takes it.
    #[test]
    fn any_price_in_force_is_enough(spec in any_spec(), minor: u128, prices in prop::collection::vec(any_price(), 0..5)) {
        let book = LimitBook::default();
        let amount = Amount::new(minor, spec.asset);
        let alone = prices.iter().any(|price| book.check_amount(&spec, amount, &[*price]).is_ok());
        let together = book.check_amount(&spec, amount, &prices);
        prop_assert_eq!(together.is_ok(), alone);
        if let (Err(_), Some(newest)) = (together, prices.first()) {
            prop_assert_eq!(together, book.check_amount(&spec, amount, &[*newest]));
        }
    }

    /// Whatever is taken is a positive multiple of the quote's step, and reads back as it was written.
    #[test]
    fn a_parsed_amount_is_what_was_written(spec in any_spec(), digits in "-?(0|[1-9][0-9]{0,45})(\\.[0-9]{1,45})?([eE]-?[0-9]{1,3})?") {
        let number = number(&digits);
        match parse_amount(&spec, &number) {
            Ok(amount) => {
                prop_assert!(!amount.is_zero() && !number.is_negative());
                prop_assert_eq!(self::number(&amount.to_string()), number);
                let step = 10_u128.pow(u32::from(spec.asset.scale() - spec.quote_decimals));
                prop_assert_eq!(amount.minor() % step, 0);
            }
            Err(AmountError::NotPositive) => prop_assert!(number.is_negative() || number.is_zero()),
            Err(AmountError::Precision { decimals }) => prop_assert!(number.decimals() > u64::from(decimals)),
            Err(AmountError::AboveRange) => prop_assert!(number.to_minor(spec.asset.scale()).is_err()),
        }
    }
}

fn bounds(minimum: u128, maximum: u128, asset: Asset) -> Limits {
    Limits { minimum: Amount::new(minimum, asset), maximum: Amount::new(maximum, asset) }
}

#[test]
fn the_provider_s_own_bounds_tighten_ours_and_never_widen_them() {
    let book = LimitBook::default();
    let shown = |bounds: Option<Limits>| {
        let limits = book.limits_within(&btc(), price("50000"), bounds.as_ref())?;
        Ok::<_, Unquotable>((limits.minimum.to_string(), limits.maximum.to_string()))
    };
    let of = |minimum, maximum| Some(bounds(minimum, maximum, Asset::BTC));
    let ours = Ok(pair("0.000002", "0.01"));
    assert_eq!(shown(None), ours);
    assert_eq!(shown(of(0, u128::MAX)), ours);
    assert_eq!(shown(of(200, 1_000_000)), ours);
    assert_eq!(shown(of(201, 999_999)), Ok(pair("0.00000201", "0.00999999")));
    assert_eq!(shown(of(1_000_000, 2_000_000)), Ok(pair("0.01", "0.01")));
    for nothing in [of(1_000_001, 2_000_000), of(1, 199), of(300, 200), of(u128::MAX, u128::MAX)] {
        assert_eq!(shown(nothing), Err(Unquotable::Empty));
    }
}

#[test]
fn bounds_are_quoted_by_the_same_rounding_as_ours() {
    // 18 decimals, of which 8 are quoted.
    let asset = Asset::new("EGLD", 18).unwrap();
    let spec = spec(Ticker::EGLD, asset, 18);
    let step = 10_u128.pow(10);
    let own = bounds(7 * 10_u128.pow(17) + 1, 9 * 10_u128.pow(17) + step - 1, asset);
    let book = LimitBook::default();
    let limits = book.limits_within(&spec, Price::ONE, Some(&own)).unwrap();
    assert_eq!(
        (limits.minimum.to_string().as_str(), limits.maximum.to_string().as_str()),
        ("0.70000001", "0.9")
    );
    for quoted in [limits.minimum, limits.maximum] {
        assert_eq!(own.check(quoted), Ok(()), "what is quoted is taken");
    }
}

#[test]
fn any_bounds_of_the_last_minute_will_do_but_the_newest_are_named() {
    let book = LimitBook::default();
    let own = |minimum| Some(bounds(minimum, 900_000, Asset::BTC));
    let check = |minor, bounds: &[Option<Limits>]| {
        book.check_amount_within(&btc(), Amount::new(minor, Asset::BTC), &[price("50000")], bounds)
    };
    assert_eq!(check(300, &[own(500), own(300)]), Ok(()));
    assert_eq!(check(200, &[own(500), None]), Ok(()));
    let below = CheckError::Outside(LimitError::BelowMinimum(Amount::new(500, Asset::BTC)));
    assert_eq!(check(299, &[own(500), own(300)]), Err(below));
    assert_eq!(check(200, &[]), Ok(()), "nothing known is no bound");
    assert_eq!(
        book.check_amount_within(&btc(), Amount::new(300, Asset::BTC), &[], &[own(300)]),
        Err(Unquotable::NoPrice.into())
    );
}
