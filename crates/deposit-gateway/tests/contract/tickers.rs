//! Section 2, row by row: every ticker's provider, decimals, limits and link, and what `create` answers for it (3.1 to 3.3).

use crate::harness::{AT, World};
use crate::row::{
    Member, Row, Want, amount, assert_want, create, error, exactly, get, member, raw, row, text,
};

/// Members of the answer to a create.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Crypto,
    Daimo,
    Card,
}

pub struct Ticker {
    pub name: &'static str,
    pub provider: &'static str,
    pub kind: Kind,
    pub decimals: usize,
    /// USD for one unit, as the sandbox says.
    pub price: &'static str,
    /// An amount with all its decimals.
    pub amount: &'static str,
    /// `minimum`, `maximum` at that price.
    pub limits: (&'static str, &'static str),
    /// With ADDR, AMOUNT, MINOR, MEMO, PAGE.
    pub link: &'static str,
}

const fn ticker(
    name: &'static str,
    provider: &'static str,
    (kind, decimals): (Kind, usize),
    price: &'static str,
    amount: &'static str,
    limits: (&'static str, &'static str),
    link: &'static str,
) -> Ticker {
    Ticker { name, provider, kind, decimals, price, amount, limits, link }
}

const CRYPTO: Kind = Kind::Crypto;
const DAIMO: (Kind, usize) = (Kind::Daimo, 6);
const CARD: (Kind, usize) = (Kind::Card, 2);
const USD: (&str, &str) = ("0.1", "500");

/// All of section 2 but XNO.
#[rustfmt::skip]
pub const TICKERS: [Ticker; 24] = [
    ticker("BTC", "btcpay", (CRYPTO, 8), "50000", "0.00123457", ("0.000002", "0.01"), "bitcoin:ADDR?amount=AMOUNT"),
    ticker("BTC-LN", "btcpay", (CRYPTO, 8), "50000", "0.00023457", ("0.000002", "0.01"), "lightning:ADDR"),
    ticker("LTC", "btcpay", (CRYPTO, 8), "80", "0.51234567", ("0.00125", "6.25"), "litecoin:ADDR?amount=AMOUNT"),
    ticker("LTC-MWEB", "btcpay", (CRYPTO, 8), "80", "0.51234568", ("0.00125", "6.25"), "litecoin:ADDR?amount=AMOUNT"),
    ticker("XMR", "btcpay", (CRYPTO, 12), "160", "0.123456789012", ("0.000625", "3.125"), "monero:ADDR?tx_amount=AMOUNT"),
    ticker("DOGE", "btcpay", (CRYPTO, 8), "0.125", "100.04000001", ("0.8", "4000"), "dogecoin:ADDR?amount=AMOUNT"),
    ticker("DASH", "btcpay", (CRYPTO, 8), "25", "1.50000001", ("0.004", "20"), "dash:ADDR?amount=AMOUNT"),
    ticker("ZEC", "btcpay", (CRYPTO, 8), "40", "2.00012345", ("0.0025", "12.5"), "zcash:ADDR?amount=AMOUNT"),
    ticker("BCH", "promptcash", (CRYPTO, 8), "400", "0.05123457", ("0.00025", "1.25"), "bitcoincash:ADDR?amount=AMOUNT"),
    ticker("BAN", "nanswap", (CRYPTO, 29), "0.004", "5000.12345678901234567890123456789", ("25", "125000"), "banano:ADDR?amount=MINOR"),
    ticker("KAS", "nanswap", (CRYPTO, 8), "0.08", "200.12345678", ("125", "6250"), "kaspa:ADDR?amount=AMOUNT"),
    ticker("TON", "nanswap", (CRYPTO, 9), "4", "5.123456789", ("0.025", "125"), "ton://transfer/ADDR?amount=MINOR&text=MEMO"),
    ticker("NEAR", "nanswap", (CRYPTO, 24), "5", "4.123456789012345678901234", ("0.02", "100"), "PAGE"),
    ticker("EGLD", "nanswap", (CRYPTO, 18), "20", "1.123456789012345678", ("0.005", "25"), "PAGE"),
    ticker("VVV", "nanswap", (CRYPTO, 18), "2", "10.123456789012345678", ("0.05", "250"), "PAGE"),
    ticker("ZANO", "zano", (CRYPTO, 12), "10", "2.123456789012", ("0.01", "50"), "zano:action=send&address=ADDR&amount=AMOUNT"),
    ticker("FUSD", "zano", (CRYPTO, 4), "1", "20.1235", USD, "zano:action=send&address=ADDR&amount=AMOUNT&asset_id=FUSD"),
    ticker("USDC", "daimo", DAIMO, "1", "10.123456", USD, "PAGE"),
    ticker("USDT", "daimo", DAIMO, "1", "10.005", USD, "PAGE"),
    ticker("ETH", "daimo", DAIMO, "1", "10.004999", USD, "PAGE"),
    ticker("SOL", "daimo", DAIMO, "1", "10", USD, "PAGE"),
    ticker("USD", "stripe", CARD, "1", "10.25", ("1", "500"), "CHECKOUT"),
    ticker("EUR", "stripe", CARD, "1.08", "10.25", ("0.93", "462.96"), "CHECKOUT"),
    ticker("GBP", "stripe", CARD, "1.25", "10.01", ("0.8", "400"), "CHECKOUT"),
];

/// Digits without the point, and how many decimals they have.
fn digits(number: &str) -> (u128, u32) {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    (format!("{whole}{fraction}").parse().unwrap(), fraction.len() as u32)
}

/// USD for an amount, cents, half up; in whole numbers only.
pub fn cents(amount: &str, price: &str) -> String {
    let ((a, a_dec), (p, p_dec)) = (digits(amount), digits(price));
    let unit = 10_u128.pow(a_dec + p_dec);
    let cents = (a * p * 100 + unit / 2) / unit;
    let text = format!("{}.{:02}", cents / 100, cents % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// An amount in smallest units.
fn minor(amount: &str, decimals: usize) -> String {
    let (digits, dec) = digits(amount);
    (digits * 10_u128.pow(decimals as u32 - dec)).to_string()
}

/// What 3.1 says of a new deposit, made at the start of the clock.
pub fn new_deposit(
    world: &World,
    ticker: &Ticker,
    reply: &crate::common::Reply,
) -> Vec<(&'static str, Member)> {
    let (id, address, memo) = (member(reply, "txId"), member(reply, "address"), member(reply, "memo"));
    let page = format!("{}/pay/{id}", world.public_url());
    let mut wanted = vec![
        ("txId", text(&id)),
        ("ticker", text(ticker.name)),
        ("amount", raw(ticker.amount)),
        ("status", text("New")),
        ("createdAt", text("2026-03-04T09:30:00.000Z")),
        ("expiresAt", text("2026-03-04T10:30:00.000Z")),
        ("expiration", raw((AT + 3600).to_string())),
        ("remainingTime", raw("3600")),
        ("paidAmountCrypto", raw("0")),
        ("QRUrl", text(format!("{page}/qr.svg"))),
        ("amountFiat", raw(cents(ticker.amount, ticker.price))),
    ];
    match ticker.kind {
        Kind::Crypto => {
            let bare = address.strip_prefix("bitcoincash:").unwrap_or(&address);
            let bare = bare.strip_prefix("kaspa:").unwrap_or(bare);
            let link = ticker
                .link
                .replace("=FUSD", &format!("={}", world.sandbox.setting("zano", "fusd_asset_id").unwrap()))
                .replace("ADDR", bare)
                .replace("AMOUNT", ticker.amount)
                .replace("MINOR", &minor(ticker.amount, ticker.decimals))
                .replace("MEMO", &memo)
                .replace("PAGE", &page);
            wanted.extend([
                ("address", Member::AnyString),
                ("amountCrypto", raw(ticker.amount)),
                ("paymentLink", text(link)),
            ]);
        }
        Kind::Daimo => wanted.extend([("paymentId", Member::AnyString), ("paymentLink", text(page))]),
        Kind::Card => wanted.push(("paymentLink", text(member(reply, "paymentLink")))),
    }
    if ticker.name == "TON" {
        wanted.push(("memo", Member::AnyString));
    }
    wanted
}

#[tokio::test]
async fn every_ticker_is_created_as_its_row_says() {
    let world = World::start().await;
    for ticker in &TICKERS {
        let line = format!(
            "2 {}, 3.1 {} fields",
            ticker.name,
            match ticker.kind {
                Kind::Crypto => "C",
                Kind::Daimo => "D",
                Kind::Card => "S",
            }
        );
        let reply = world.call(&amount(&ticker.name.to_lowercase(), ticker.amount)).await;
        assert_eq!(reply.status, 200, "{line}: {}", reply.body);
        assert_want(
            &line,
            &reply,
            &exactly(new_deposit(&world, ticker, &reply)).no_header("idempotent-replayed"),
        );
        let id = member(&reply, "txId");
        let id_like = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        assert!((16..=64).contains(&id.len()) && id.bytes().all(id_like), "{line}: txId {id}");
        let told = !matches!(ticker.provider, "zano" | "nanswap");
        let reference = if told { id.clone() } else { member(&reply, "address") };
        let order = world.order_of(&reference).await;
        assert_eq!(order["provider"], ticker.provider, "{line}: provider");
        if ticker.kind == Kind::Card {
            let link = member(&reply, "paymentLink");
            let session = order["ref"].as_str().unwrap();
            assert!(link.starts_with("http") && link.contains(session), "3.3 Checkout URL: {link}");
            assert!(!link.starts_with(&world.public_url()), "3.3 Checkout URL: {link}");
        }
        // As it is now: the same and `updatedAt` (3.5), by our id and by the provider's.
        let mut wanted = new_deposit(&world, ticker, &reply);
        wanted.push(("updatedAt", text("2026-03-04T09:30:00.000Z")));
        let wanted = exactly(wanted).header("x-poll-after", "5");
        let mut ids = vec![id];
        match ticker.kind {
            Kind::Crypto => {}
            Kind::Daimo => ids.push(member(&reply, "paymentId")),
            Kind::Card => ids.push(order["ref"].as_str().unwrap().to_owned()),
        }
        for id in ids {
            assert_want(
                &format!("3.5 status of {} by {id}", ticker.name),
                &world.status(ticker.name, &id).await,
                &wanted,
            );
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn limits_and_errors_of_every_ticker() {
    let world = World::start().await;
    let mut rows: Vec<Row> = Vec::new();
    let all = TICKERS.iter().map(|t| (t.name, t.limits));
    for (name, (minimum, maximum)) in all.chain([("XNO", ("0.125", "625"))]) {
        let usd = match name {
            "KAS" => "10",
            "USD" | "EUR" | "GBP" => "1",
            _ => "0.1",
        };
        let quoted = || {
            exactly(vec![
                ("minimum", raw(minimum)),
                ("maximum", raw(maximum)),
                ("fiatEquivalentMinimum", raw(usd)),
                ("fiatEquivalentMaximum", raw("500")),
                ("timestamp", raw(AT.to_string())),
            ])
        };
        for spelled in [name.to_owned(), name.to_lowercase()] {
            rows.push(row(
                format!("3.4 limits {name}"),
                get(format!("/api/transaction/limits/{spelled}")),
                quoted(),
            ));
        }
    }
    for ticker in &TICKERS {
        let (name, (minimum, maximum)) = (ticker.name, ticker.limits);
        let fine = format!("0.{}1", "0".repeat(ticker.decimals));
        let text = format!("Invalid amount. {name} has at most {} decimals.", ticker.decimals);
        rows.push(row(
            format!("2 {name}: decimals"),
            amount(name, &fine),
            error(400, text, "amount_precision"),
        ));
        let zeros = format!("{}0", ticker.amount);
        let zeros = if ticker.amount.contains('.') { zeros } else { format!("{}.000", ticker.amount) };
        rows.push(row(format!("5 trailing zeros are fine: {name}"), amount(name, &zeros), crate::row::ok()));
        let step = if ticker.decimals < 8 { ticker.decimals } else { 8 };
        let low = below(minimum, step);
        let text = format!("Minimum amount is {minimum}");
        rows.push(row(
            format!("5 Minimum amount is X: {name}"),
            amount(name, &low),
            error(400, text, "amount_below_minimum"),
        ));
        rows.push(row(format!("5 the minimum itself: {name}"), amount(name, minimum), crate::row::ok()));
        rows.push(row(format!("5 the maximum itself: {name}"), amount(name, maximum), crate::row::ok()));
        for high in [above(maximum, ticker.decimals), "1e400".into(), "9".repeat(300)] {
            let text = format!("Maximum amount is {maximum}");
            rows.push(row(
                format!("5 Maximum amount is X: {name}"),
                amount(name, &high),
                error(400, text, "amount_above_maximum"),
            ));
        }
    }
    let unsupported = || error(400, "Unsupported ticker", "unsupported_ticker");
    for name in
        ["nope", "BTCLN", "BTC_LN", "b", "%00", "%ff", "btc%20", "BTC%2FX", "\u{212a}AS", &"A".repeat(300)]
    {
        let path = name.replace('\u{212a}', "%E2%84%AA");
        rows.push(row(format!("5 Unsupported ticker: {name}"), amount(&path, "1"), unsupported()));
        rows.push(row(
            "3.4 400 Unsupported ticker",
            get(format!("/api/transaction/limits/{path}")),
            unsupported(),
        ));
    }
    for ticker in TICKERS.iter().filter(|t| t.kind != Kind::Daimo).map(|t| t.name).chain(["XNO", "nope"]) {
        rows.push(row(
            format!("3.2 others Unsupported ticker: {ticker}"),
            amount(&format!("daimo/{ticker}"), "10"),
            unsupported(),
        ));
    }
    for ticker in TICKERS.iter().filter(|t| t.kind == Kind::Daimo) {
        let call = create(
            &format!("daimo/{}", ticker.name.to_lowercase()),
            format!(r#"{{"amount":{}}}"#, ticker.amount),
        );
        let wanted: Want =
            crate::row::with(vec![("ticker", text(ticker.name)), ("amount", raw(ticker.amount))]);
        rows.push(row(format!("3.2 create/daimo/{}", ticker.name), call, wanted));
    }
    world.check(rows).await;
    let xno = world.call(&amount("xno", "1")).await;
    assert_want("3.1 all but XNO", &xno, &unsupported());
    assert!(
        member(&xno, "details").contains("nanoDepositAddress"),
        "3.1 hint to nanoDepositAddress: {}",
        xno.body
    );
    world.stop().await;
}

/// One step of so many decimals less.
fn below(number: &str, decimals: usize) -> String {
    let minor: u128 = minor(number, decimals).parse().unwrap();
    format!("{}e-{decimals}", minor - 1)
}

/// One step of so many decimals more.
fn above(number: &str, decimals: usize) -> String {
    let minor: u128 = minor(number, decimals).parse().unwrap();
    format!("{}e-{decimals}", minor + 1)
}

#[test]
fn figures_of_this_table() {
    assert_eq!(cents("100.04", "0.125"), "12.51");
    assert_eq!(cents("10.004999", "1"), "10");
    assert_eq!(cents("0.0004", "50000"), "20");
    assert_eq!((below("0.1", 4), above("462.96", 2)), ("999e-4".to_owned(), "46297e-2".to_owned()));
}
