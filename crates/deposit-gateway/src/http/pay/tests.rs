use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deposit_core::{Amount, Asset, DepositId, PayInstructions, PaymentRef, Stage, Status, Ticker, Timestamp};
use deposit_engine::PaymentView;
use scan::scanned;
use sha2::{Digest as _, Sha256};

#[path = "../../../tests/common/scan.rs"]
mod scan;

const URL: &str = "https://pay.example";
/// 2026-03-04T09:30:00Z.
const CREATED: i64 = 1_772_616_600;

fn at(secs_after: i64) -> Timestamp {
    Timestamp::from_secs(CREATED + secs_after)
}

fn amount(text: &str, asset: Asset) -> Amount {
    Amount::parse(text, asset).unwrap()
}

fn address(address: &str, memo: Option<&str>, uri: Option<&str>) -> PayInstructions {
    PayInstructions::Address {
        address: address.to_owned(),
        memo: memo.map(str::to_owned),
        uri: uri.map(str::to_owned),
    }
}

/// A new deposit of a kind: asked for `full`, of which half is `half`.
struct Kind {
    name: &'static str,
    ticker: Ticker,
    asset: Asset,
    full: &'static str,
    half: &'static str,
    price: &'static str,
    how: PayInstructions,
}

fn kinds() -> Vec<Kind> {
    let kind =
        |name, ticker, asset, full, half, price, how| Kind { name, ticker, asset, full, half, price, how };
    let hosted = |url: &str, id: Option<&str>| PayInstructions::HostedPage {
        url: url.to_owned(),
        payment_id: id.map(str::to_owned),
    };
    vec![
        kind(
            "address",
            Ticker::BTC,
            Asset::BTC,
            "0.0004",
            "0.0002",
            "50000",
            address("bc1qexample", None, Some("bitcoin:bc1qexample?amount=0.0004")),
        ),
        kind(
            "invoice",
            Ticker::BTC_LN,
            Asset::BTC_LN,
            "0.0004",
            "0.0002",
            "50000",
            PayInstructions::LightningInvoice {
                bolt11: "lnbc400u1example".to_owned(),
                uri: "lightning:lnbc400u1example".to_owned(),
            },
        ),
        kind(
            "swap_with_memo",
            Ticker::TON,
            Asset::TON,
            "4",
            "1.5",
            "5",
            address(
                "UQexample",
                Some("70211"),
                Some("ton://transfer/UQexample?amount=4000000000&text=70211"),
            ),
        ),
        kind(
            "swap_without_link",
            Ticker::VVV,
            Asset::VVV,
            "4.000000000000000001",
            "2",
            "5",
            address("0x52908400098527886E0F7030069857D2E4169EE7", None, None),
        ),
        kind(
            "multi_chain",
            Ticker::USDC,
            Asset::USDC,
            "10",
            "5",
            "1",
            hosted("https://pay.daimo.example/checkout?id=abc&x=1", Some("abc")),
        ),
        kind(
            "card",
            Ticker::EUR,
            Asset::EUR,
            "10.05",
            "5",
            "1.1",
            hosted("https://checkout.example/c/pay/cs_1#frag", None),
        ),
    ]
}

fn fresh(kind: &Kind) -> DepositView {
    DepositView {
        id: DepositId::new("Jq4vT9mZxK2cRw7LbYd3Hp").unwrap(),
        ticker: kind.ticker,
        status: Status::New,
        amount: Some(amount(kind.full, kind.asset)),
        unit_price: Some(kind.price.parse().unwrap()),
        bonus_percent: "0".to_owned(),
        created_at: at(0),
        expires_at: Some(at(3600)),
        updated_at: at(0),
        paid: amount("0", kind.asset),
        due: Some(amount(kind.full, kind.asset)),
        instructions: kind.how.clone(),
        payments: vec![],
        credited: None,
        bonus: None,
        completed_at: None,
        late: false,
        reversed: false,
        reason: None,
    }
}

fn payment(amount: Amount, stage: Stage, counted: Option<(u32, u32)>) -> PaymentView {
    PaymentView {
        id: PaymentRef::new("7f3e-0").unwrap(),
        amount,
        reversed: (stage == Stage::Reversed).then_some(amount),
        stage,
        confirmations: counted.map(|c| c.0),
        required_confirmations: counted.map(|c| c.1),
    }
}

/// Every status, with what can go with it; and the second after creation at which the page is looked at.
fn states(kind: &Kind) -> Vec<(&'static str, DepositView, i64)> {
    let new = fresh(kind);
    let full = amount(kind.full, kind.asset);
    let half = amount(kind.half, kind.asset);
    let usd = |text: &str| Some(amount(text, Asset::USD));
    let change = |status, secs| DepositView { status, updated_at: at(secs), ..new.clone() };
    let part = DepositView {
        paid: half,
        due: full.checked_sub(half),
        payments: vec![payment(half, Stage::Confirmed, None)],
        credited: usd("10"),
        reason: Some(format!("Paid in part: a rest of {} is missing.", kind.asset)),
        ..change(Status::Pending, 300)
    };
    let processing = DepositView {
        paid: full,
        due: None,
        payments: vec![payment(full, Stage::Confirming, Some((1, 3)))],
        ..change(Status::Processing, 120)
    };
    let paid = DepositView { payments: vec![payment(full, Stage::Confirmed, None)], ..processing.clone() };
    let completed = DepositView {
        status: Status::Completed,
        updated_at: at(700),
        credited: usd("20"),
        completed_at: Some(at(700)),
        ..paid.clone()
    };
    vec![
        ("new", new.clone(), 61),
        ("new, time over", new.clone(), 3600),
        (
            "pending, the payment vanished",
            DepositView {
                payments: vec![payment(amount("2", kind.asset), Stage::Reversed, None)],
                ..change(Status::Pending, 200)
            },
            201,
        ),
        ("pending, paid in part", part.clone(), 301),
        ("pending, paid in part, time over", part.clone(), 3601),
        ("processing", processing.clone(), 130),
        (
            "processing, a part",
            DepositView {
                paid: half,
                due: full.checked_sub(half),
                payments: vec![payment(half, Stage::Seen, None)],
                ..processing.clone()
            },
            130,
        ),
        ("paid", DepositView { status: Status::Paid, ..paid }, 130),
        ("completed", completed.clone(), 10_000),
        (
            "completed, with a bonus",
            DepositView { credited: usd("20.5"), bonus: usd("0.5"), ..completed.clone() },
            10_000,
        ),
        (
            "completed, a part",
            DepositView { status: Status::Completed, completed_at: Some(at(3600)), ..part },
            10_000,
        ),
        ("completed, late", DepositView { late: true, ..completed.clone() }, 10_000),
        (
            "completed, then reversed",
            DepositView {
                reversed: true,
                paid: amount("0", kind.asset),
                due: Some(full),
                payments: vec![payment(amount("2", kind.asset), Stage::Reversed, None)],
                credited: usd("0"),
                ..completed
            },
            10_000,
        ),
        ("expired", change(Status::Expired, 3600), 3700),
        (
            "failed",
            DepositView {
                reason: Some("The payment provider reported an error.".to_owned()),
                ..change(Status::Failed, 400)
            },
            500,
        ),
    ]
}

fn rendered(view: &DepositView, secs_after: i64) -> String {
    Page::of(view, false, URL, at(secs_after)).render().unwrap()
}

/// The same, where an operator was asked about money of the deposit.
fn looked_at(view: &DepositView, secs_after: i64) -> String {
    Page::of(view, true, URL, at(secs_after)).render().unwrap()
}

/// The page without what all pages share, each thing on a line of its own.
fn shown(page: &str) -> String {
    let refresh = page.lines().find(|line| line.contains("http-equiv")).unwrap_or("(no refresh)");
    let main = page.split_once("<main>").unwrap().1.split_once("</main>").unwrap().0;
    format!("{refresh}\n{}", main.trim())
}

/// The page as XML: it is written so that a parser which forgives nothing can read it.
fn parsed(page: &str) -> roxmltree::Document<'_> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
    roxmltree::Document::parse_with_options(page, options).unwrap_or_else(|e| panic!("{e}:\n{page}"))
}

#[test]
fn a_whole_page() {
    let kinds = kinds();
    let unstyled = |page: String| page.replace(STYLE, "…");
    insta::assert_snapshot!("whole_page", unstyled(rendered(&fresh(&kinds[0]), 61)));
    insta::assert_snapshot!("unknown", unstyled(UNKNOWN.render().unwrap()));
}

#[test]
fn every_state_of_every_kind() {
    for kind in kinds() {
        let mut text = String::new();
        for (state, view, secs) in states(&kind) {
            let page = rendered(&view, secs);
            parsed(&page);
            text.push_str(&format!("===== {state}\n{}\n\n", shown(&page)));
        }
        insta::assert_snapshot!(kind.name, text);
    }
}

/// A payment to a standing address has no terms: it is there because it was seen.
#[test]
fn a_direct_payment() {
    let one = amount("1.000000000000000000000000000001", Asset::XNO);
    let kind = Kind {
        name: "standing",
        ticker: Ticker::XNO,
        asset: Asset::XNO,
        full: "1",
        half: "1",
        price: "1",
        how: PayInstructions::StandingAddress { address: "nano_1examp1e".to_owned(), uri: None },
    };
    let base = DepositView {
        amount: None,
        unit_price: None,
        expires_at: None,
        paid: one,
        due: None,
        ..fresh(&kind)
    };
    let states = [
        (
            "processing",
            DepositView {
                status: Status::Processing,
                payments: vec![payment(one, Stage::Seen, None)],
                ..base.clone()
            },
        ),
        (
            "completed",
            DepositView {
                status: Status::Completed,
                payments: vec![payment(one, Stage::Confirmed, None)],
                credited: Some(one),
                completed_at: Some(at(5)),
                ..base.clone()
            },
        ),
        ("pending, vanished", DepositView { status: Status::Pending, paid: amount("0", Asset::XNO), ..base }),
    ];
    let mut text = String::new();
    for (state, view) in states {
        let page = rendered(&view, 10);
        parsed(&page);
        text.push_str(&format!("===== {state}\n{}\n\n", shown(&page)));
        assert_eq!(Payload::of(&view, URL).text(), "nano:nano_1examp1e");
    }
    insta::assert_snapshot!("standing", text);
}

/// Whatever the state, nothing but an open or part-paid deposit in time asks for money.
#[test]
fn who_is_invited_to_pay() {
    for kind in kinds() {
        for (state, view, secs) in states(&kind) {
            let page = rendered(&view, secs);
            let invited = page.contains("<a ") || page.contains("<img ") || page.contains("readonly");
            let part_of_invoice =
                kind.name == "invoice" || matches!(kind.how, PayInstructions::HostedPage { .. });
            let expected = match state {
                "new" | "pending, the payment vanished" => true,
                "pending, paid in part" => kind.name != "invoice",
                "processing, a part" => !part_of_invoice,
                _ => false,
            };
            assert_eq!(invited, expected, "{} {state}:\n{page}", kind.name);
        }
    }
}

/// Where an operator has money of it, no page waits for a payment, promises a credit or asks for more.
#[test]
fn money_in_review_is_said_to_be_looked_at_in_every_state() {
    let kinds = kinds();
    for kind in &kinds {
        for (state, view, secs) in states(kind) {
            let page = looked_at(&view, secs);
            parsed(&page);
            assert!(page.contains("looked at"), "{} {state}:\n{page}", kind.name);
            assert!(!page.contains("<a ") && !page.contains("readonly"), "{} {state}:\n{page}", kind.name);
            for promise in ["Waiting for your payment", "about to be credited", "please send the rest"] {
                assert!(!page.contains(promise), "{} {state}:\n{page}", kind.name);
            }
        }
    }
    let mut text = String::new();
    for (state, view, secs) in states(&kinds[0]) {
        text.push_str(&format!("===== {state}\n{}\n\n", shown(&looked_at(&view, secs))));
    }
    insta::assert_snapshot!("looked_at", text);
}

/// A page waits for a payment only while none was ever seen.
#[test]
fn no_page_waits_where_money_was_seen() {
    for kind in kinds() {
        for (state, view, secs) in states(&kind) {
            let waits = rendered(&view, secs).contains("Waiting for your payment");
            assert_eq!(waits, state == "new", "{} {state}", kind.name);
        }
        for stage in [Stage::Seen, Stage::Confirmed, Stage::Reversed] {
            let paid = amount(kind.half, kind.asset);
            let view = DepositView { payments: vec![payment(paid, stage, None)], ..fresh(&kind) };
            let page = rendered(&view, 10);
            assert!(!page.contains("Waiting for your payment"), "{} {stage:?}:\n{page}", kind.name);
        }
    }
}

#[test]
fn a_payment_in_something_else_is_not_said_to_be_gone() {
    let reason = "A payment came in another currency than asked for; it is being looked at.";
    let view = DepositView {
        payments: vec![payment(amount("3", Asset::FUSD), Stage::Confirmed, None)],
        reason: Some(reason.to_owned()),
        ..fresh(&kinds()[0])
    };
    let page = rendered(&view, 10);
    assert!(page.contains(reason) && !page.contains("not there any more"), "{page}");
    assert!(page.contains("Payment seen, and being looked at") && page.contains("Seen so far: 3 FUSD."));
    assert!(!page.contains("<a ") && !page.contains("readonly"), "nobody is asked to pay again: {page}");
    let mut partly = view;
    partly.payments[0].reversed = Some(amount("1", Asset::FUSD));
    assert!(rendered(&partly, 10).contains("Seen so far: 2 FUSD."), "what is left of it");
}

#[test]
fn the_rest_and_nothing_more_is_asked_for() {
    let kinds = kinds();
    let of = |index: usize| {
        let kind: &Kind = &kinds[index];
        let paid = amount(kind.half, kind.asset);
        let due = amount(kind.full, kind.asset).checked_sub(paid);
        DepositView { status: Status::Pending, paid, due, ..fresh(kind) }
    };
    let page = rendered(&of(0), 10);
    assert!(page.contains(r#"href="bitcoin:bc1qexample?amount=0.0002""#), "{page}");
    assert!(page.contains(r#"inputmode="decimal" value="0.0002""#), "{page}");
    assert_eq!(Payload::of(&of(0), URL).text(), "bitcoin:bc1qexample?amount=0.0002");
    assert_eq!(Payload::of(&of(2), URL).text(), "ton://transfer/UQexample?amount=2500000000&text=70211");
    let page = rendered(&of(3), 10);
    assert!(page.contains(r#"value="2.000000000000000001""#), "{page}");
    // A link that names an amount which is not ours cannot be made to say the rest: it is not shown.
    let odd = DepositView {
        instructions: address("bc1qexample", None, Some("bitcoin:bc1qexample?amount=7")),
        ..of(0)
    };
    assert!(!rendered(&odd, 10).contains("<a "));
    assert_eq!(Payload::of(&odd, URL).text(), "bc1qexample");
}

#[test]
fn hostile_words_of_a_provider_stay_words() {
    let evil = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'&\u{202e}";
    let mut views = vec![];
    for kind in kinds() {
        let how = match &kind.how {
            PayInstructions::Address { .. } => address(evil, Some(evil), Some(&format!("bitcoin:{evil}"))),
            PayInstructions::LightningInvoice { .. } => PayInstructions::LightningInvoice {
                bolt11: evil.to_owned(),
                uri: "javascript:alert(1)".to_owned(),
            },
            PayInstructions::HostedPage { payment_id, .. } => PayInstructions::HostedPage {
                url: format!("https://x.example/?{evil}"),
                payment_id: payment_id.as_ref().map(|_| evil.to_owned()),
            },
            PayInstructions::StandingAddress { .. } => panic!("not among the kinds"),
        };
        for status in [Status::New, Status::Failed, Status::Completed] {
            views.push(DepositView {
                status,
                instructions: how.clone(),
                reason: Some(evil.to_owned()),
                ..fresh(&kind)
            });
        }
    }
    for url in
        ["javascript:alert(1)", "data:text/html,<script>", "vbscript:x", "https:javascript", "bitcoin:x"]
    {
        views.push(DepositView {
            instructions: PayInstructions::HostedPage { url: url.to_owned(), payment_id: None },
            ..fresh(&kinds()[5])
        });
        views.push(DepositView { instructions: address("x", None, Some(url)), ..fresh(&kinds()[0]) });
    }
    for view in views {
        let page = rendered(&view, 10);
        let document = parsed(&page);
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            let name = node.tag_name().name();
            assert!(name != "script", "{page}");
            assert!(node.attributes().all(|a| !a.name().starts_with("on") && a.name() != "style"), "{page}");
            if name == "img" {
                assert_eq!(node.attribute("src"), Some("Jq4vT9mZxK2cRw7LbYd3Hp/qr.svg"));
            }
            if let Some(href) = node.attribute("href") {
                let fine = ["https://", "http://", "bitcoin:x"].iter().any(|start| href.starts_with(start));
                assert!(fine, "{href}");
            }
        }
        assert!(!Payload::of(&view, URL).text().starts_with("javascript:"));
        assert!(qr::svg(Payload::of(&view, URL).text()).is_some());
    }
}

#[test]
fn the_policy_names_the_style() {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    assert!(POLICY.contains(&format!("style-src 'sha256-{hash}'")), "the style's hash is now {hash}");
    assert!(!STYLE.contains(['<', '&']), "it stands in the page as it is");
    let page = rendered(&fresh(&kinds()[0]), 10);
    assert!(page.contains(&format!("<style>{STYLE}</style>")));
}

#[test]
fn qr_codes_read_back() {
    let long = format!("https://checkout.example/c/pay/cs_{}#{}", "a1".repeat(60), "Fid%2B".repeat(60));
    let mut texts: Vec<String> =
        kinds().iter().map(|kind| Payload::of(&fresh(kind), URL).text().to_owned()).collect();
    assert_eq!(texts[1], "LIGHTNING:LNBC400U1EXAMPLE");
    texts.push(long);
    texts.push(format!(
        "zano:action=send&address=iZ{}&amount=1.5&asset_id={}",
        "k2J".repeat(35),
        "8".repeat(64)
    ));
    for text in texts {
        assert_eq!(scanned(&qr::svg(&text).unwrap()), text);
    }
}

#[test]
fn capitals_make_a_smaller_code_and_what_is_too_long_is_none() {
    let invoice = format!("lightning:lnbc{}", "qpzry9x8gf2tvdw0s3jn54khce6mua7l".repeat(8));
    let size = |text: &str| {
        let svg = qr::svg(text).unwrap();
        let document = roxmltree::Document::parse(&svg).unwrap();
        document.root_element().attribute("width").unwrap().parse::<u32>().unwrap()
    };
    assert!(size(&invoice.to_uppercase()) < size(&invoice));
    assert!(qr::svg(&"x".repeat(2953)).is_some());
    assert!(qr::svg(&"x".repeat(2954)).is_none());
}

#[test]
fn a_code_is_never_without_the_memo_and_never_empty() {
    let kind = &kinds()[3];
    let with = |how| DepositView { instructions: how, ..fresh(kind) };
    let page = "https://pay.example/pay/Jq4vT9mZxK2cRw7LbYd3Hp";
    let memo = with(address("example.near", Some("12345"), None));
    assert_eq!(Payload::of(&memo, URL), Payload::Page(page.to_owned()));
    let shown = rendered(&memo, 10);
    assert!(!shown.contains("<img ") && shown.contains("value=\"12345\""), "{shown}");
    assert_eq!(Payload::of(&with(address("", None, None)), URL).text(), page);
    let script = PayInstructions::HostedPage { url: "javascript:x".to_owned(), payment_id: None };
    assert_eq!(Payload::of(&with(script), URL).text(), page);
}
