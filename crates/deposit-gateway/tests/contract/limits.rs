//! Section 3.4: rounding, and quoted values while the rate moves.

use serde_json::json;

use crate::harness::{AT, Setup, World};
use crate::row::{Row, amount, error, get, member, ok, raw, row, with};

async fn limits(world: &World, ticker: &str) -> (String, String) {
    let reply = world.call(&get(format!("/api/transaction/limits/{ticker}"))).await;
    (member(&reply, "minimum"), member(&reply, "maximum"))
}

#[tokio::test]
async fn rounding_at_the_ticker_s_decimals_or_eight() {
    // Prices that come out even nowhere, in either direction.
    let prices = [
        ("BTC", "50000", "63123.45", "0.00000159", "0.00792098"),
        ("XMR", "160", "163.7", "0.00061088", "3.05436774"),
        ("BAN", "0.004", "0.0037", "27.02702703", "135135.13513513"),
        ("NEAR", "5", "7", "0.01428572", "71.42857142"),
        ("FUSD", "1", "0.997", "0.1004", "501.5045"),
        ("GBP", "1.25", "1.3333", "0.76", "375"),
        ("TON", "4", "3", "0.03333334", "166.66666666"),
        ("XNO", "0.8", "0.7", "0.14285715", "714.28571428"),
    ];
    let instead =
        prices.map(|(t, old, new, ..)| (format!("\n{t} = \"{old}\"\n"), format!("\n{t} = \"{new}\"\n")));
    let sections =
        "[limits.LTC]\nminimum = \"1.015\"\nmaximum = \"20.5\"\n[limits.DASH]\nmaximum = \"100\"\n";
    let world =
        World::with(Setup { instead: instead.into(), sections: sections.into(), ..Setup::default() }).await;
    let mut rows: Vec<Row> = Vec::new();
    for (ticker, _, _, minimum, maximum) in prices {
        let wanted = with(vec![
            ("minimum", raw(minimum)),
            ("maximum", raw(maximum)),
            ("timestamp", raw(AT.to_string())),
        ]);
        rows.push(row(
            format!("3.4 minimum rounds up, maximum down: {ticker}"),
            get(format!("/api/transaction/limits/{ticker}")),
            wanted,
        ));
    }
    for (ticker, least, most) in [("LTC", "1.015", "20.5"), ("DASH", "0.1", "100")] {
        let wanted = with(vec![("fiatEquivalentMinimum", raw(least)), ("fiatEquivalentMaximum", raw(most))]);
        rows.push(row(
            format!("2 configuration overrides; 3.4 fiatEquivalent as configured: {ticker}"),
            get(format!("/api/transaction/limits/{ticker}")),
            wanted,
        ));
    }
    let text = "Minimum amount is 0.00000159";
    rows.push(row(
        "5 X as limits prints it",
        amount("btc", "0.00000158"),
        error(400, text, "amount_below_minimum"),
    ));
    let text = "Maximum amount is 135135.13513513";
    // Finer than what is quoted, and above it.
    rows.push(row(
        "5 X as limits prints it",
        amount("ban", "135135.135135131"),
        error(400, text, "amount_above_maximum"),
    ));
    rows.push(row("3.4 a quoted maximum", amount("near", "71.42857142"), ok()));
    world.check(rows).await;
    world.stop().await;
}

#[tokio::test]
async fn a_quoted_value_is_taken_for_60_seconds() {
    let setup = Setup {
        instead: vec![("sources = [\"static\"]".into(), "sources = [\"btcpay\"]".into())],
        ..Setup::default()
    };
    let world = World::with(setup).await;
    let (minimum, maximum) = limits(&world, "ltc").await;
    assert_eq!((minimum.as_str(), maximum.as_str()), ("0.00125", "6.25"));
    // The coin falls: more of it is asked for now.
    world.advance(1).await;
    world.control("/rates", json!({ "LTC": "40" })).await;
    world.advance(1).await;
    assert_eq!(limits(&world, "ltc").await, ("0.0025".to_owned(), "12.5".to_owned()), "3.4 moved");
    let too_low = || error(400, "Minimum amount is 0.0025", "amount_below_minimum");
    world
        .check(vec![
            row("3.4 a quoted value sent back within 60 s", amount("ltc", &minimum), ok()),
            row("3.4 a value of the new quote", amount("ltc", "12.5"), ok()),
            row("3.4 a value that was never quoted", amount("ltc", "0.00124999"), too_low()),
        ])
        .await;
    world.advance(57).await;
    world.check(vec![row("3.4 within 60 s", amount("ltc", &minimum), ok())]).await;
    world.advance(10).await;
    world.check(vec![row("3.4 no longer", amount("ltc", &minimum), too_low())]).await;
    // It rises: the old maximum is still taken for a while.
    world.control("/rates", json!({ "LTC": "80" })).await;
    world.advance(1).await;
    let too_high = || error(400, "Maximum amount is 6.25", "amount_above_maximum");
    world.check(vec![row("3.4 a quoted maximum within 60 s", amount("ltc", "12.5"), ok())]).await;
    world.advance(59).await;
    world.check(vec![row("3.4 a quoted maximum at 60 s", amount("ltc", "12.5"), ok())]).await;
    world.advance(10).await;
    world.check(vec![row("3.4 a quoted maximum no longer", amount("ltc", "12.5"), too_high())]).await;
    world.stop().await;
}

/// The sources are asked now and then, so that a rate is quoted for a while after it was last heard of.
#[tokio::test]
async fn sixty_seconds_count_from_the_quote() {
    let setup = Setup {
        instead: vec![("sources = [\"static\"]".into(), "sources = [\"btcpay\"]".into())],
        ..Setup::default()
    };
    let world = World::with(setup).await;
    // Nobody asks the sources for 25 seconds.
    world.clock.advance_secs(25);
    let (minimum, _) = limits(&world, "ltc").await;
    assert_eq!(minimum, "0.00125");
    world.control("/rates", json!({ "LTC": "40" })).await;
    world.advance(1).await;
    assert_eq!(limits(&world, "ltc").await.0, "0.0025", "3.4 moved");
    world.advance(58).await;
    world.check(vec![row("3.4 within 60 s of the quote", amount("ltc", &minimum), ok())]).await;
    world.advance(30).await;
    let too_low = error(400, "Minimum amount is 0.0025", "amount_below_minimum");
    world.check(vec![row("3.4 no longer", amount("ltc", &minimum), too_low)]).await;
    world.stop().await;
}

#[tokio::test]
async fn a_stale_rate_is_none() {
    let setup = Setup {
        instead: vec![("sources = [\"static\"]".into(), "sources = [\"btcpay\"]".into())],
        ..Setup::default()
    };
    let world = World::with(setup).await;
    let at = |reply: &crate::common::Reply| member(reply, "timestamp");
    let ask = get("/api/transaction/limits/btc");
    let first = world.call(&ask).await;
    assert_eq!(at(&first), AT.to_string(), "3.4 timestamp: of the rate");
    world.faults("btcpay", json!({ "down": true })).await;
    world.advance(299).await;
    let still = world.call(&ask).await;
    assert_eq!(
        (still.status.as_u16(), at(&still)),
        (200, AT.to_string()),
        "3.4 timestamp: of the rate, not of now"
    );
    world.advance(10).await;
    let unavailable =
        error(500, "This payment method is currently not available", "payment_method_unavailable");
    world
        .check(vec![
            row("5 no fresh rate", ask, unavailable.clone()),
            row("5 no fresh rate", amount("btc", "0.0004"), unavailable),
            row("5 no fresh rate: USD needs none", amount("usd", "10"), ok()),
            row("5 no fresh rate: Daimo needs none", amount("usdc", "10"), ok()),
        ])
        .await;
    world.stop().await;
}
