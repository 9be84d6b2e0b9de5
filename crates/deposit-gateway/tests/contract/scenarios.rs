//! Section 6 and the members of 3.5: what each provider's scenarios come to. Every row is a deposit of its own; all are played at once.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::common::Reply;
use crate::harness::{Setup, World};
use crate::row::{Member, Want, member, raw, text, with};

/// What happens to a deposit.
#[derive(Clone, Copy)]
enum Step {
    /// The payer pays what is due.
    Pay,
    /// The payer pays so much.
    PayOf(&'static str),
    /// The sandbox plays it.
    Play(&'static str),
    /// Until the status is this.
    Until(&'static str),
    /// Until `creditedUsd` (XNO: `creditedNano`) is this.
    Credited(&'static str),
    /// Until `reversed` is there.
    Reversed,
    /// Until so many payments are shown.
    Payments(usize),
}

use Step::{Credited, Pay, PayOf, Payments, Play, Reversed, Until};

struct Case {
    line: &'static str,
    ticker: &'static str,
    amount: &'static str,
    steps: Vec<Step>,
    want: Vec<(&'static str, Member)>,
    /// `x-poll-after`
    poll: Option<&'static str>,
}

fn provider_of(ticker: &str) -> &'static str {
    crate::tickers::TICKERS.iter().find(|t| t.name == ticker).unwrap().provider
}

const GONE: Member = Member::Gone;
const REASON: Member = Member::AnyString;

fn case(line: &'static str, (ticker, amount): (&'static str, &'static str), steps: Vec<Step>) -> Case {
    Case { line, ticker, amount, steps, want: Vec::new(), poll: None }
}

impl Case {
    /// `Completed`; credited, paid.
    fn completed(mut self, credited: &'static str, paid: &'static str) -> Self {
        self.want.extend([
            ("status", text("Completed")),
            ("creditedUsd", raw(credited)),
            ("paidAmountCrypto", raw(paid)),
            ("completedAt", Member::AnyString),
        ]);
        self
    }

    /// Not credited, and `x-poll-after`.
    fn waiting(mut self, status: &'static str, poll: &'static str) -> Self {
        self.want.extend([("status", text(status)), ("creditedUsd", GONE), ("completedAt", GONE)]);
        self.poll = Some(poll);
        self
    }

    fn is(mut self, name: &'static str, member: Member) -> Self {
        self.want.push((name, member));
        self
    }

    /// On time, never reversed, nothing to say.
    fn plain(self) -> Self {
        self.is("late", GONE).is("reversed", GONE).is("statusReason", GONE)
    }

    fn late(self) -> Self {
        self.is("late", raw("true")).is("reversed", GONE)
    }

    fn reversed(mut self) -> Self {
        self.poll = Some("60");
        self.is("reversed", raw("true"))
    }
}

const BTC: (&str, &str) = ("BTC", "0.0004");
const LTC: (&str, &str) = ("LTC", "0.5");
const LN: (&str, &str) = ("BTC-LN", "0.0004");
const USD: (&str, &str) = ("USD", "10");
const EUR: (&str, &str) = ("EUR", "10");
const USDC: (&str, &str) = ("USDC", "10");
const BCH: (&str, &str) = ("BCH", "0.05");
const ZANO: (&str, &str) = ("ZANO", "2");
const FUSD: (&str, &str) = ("FUSD", "20.5");

fn btcpay() -> Vec<Case> {
    let completed = Until("Completed");
    vec![
        case("6 Completed: balance credited", LTC, vec![Pay, completed]).completed("40", "0.5").plain(),
        case("6 Processing: payment seen", BTC, vec![Play("seen"), Until("Processing")])
            .waiting("Processing", "10")
            .plain(),
        case("6 bonus: BTC-LN may add to the credit", LN, vec![Pay, completed])
            .completed("20.5", "0.0004")
            .plain()
            .is("bonusUsd", raw("0.5"))
            .is("bonusPercent", raw("2.5")),
        case("6 a part: Pending", LTC, vec![Play("partial"), Until("Pending")])
            .is("creditedUsd", raw("20"))
            .is("paidAmountCrypto", raw("0.25"))
            .is("status", text("Pending"))
            .is("statusReason", REASON)
            .is("completedAt", GONE),
        case("6 a part and the rest", LTC, vec![Play("partial"), Until("Pending"), PayOf("0.25"), completed])
            .completed("40", "0.5")
            .plain(),
        case("6 a rest that could not be sent is not asked for", LTC, vec![PayOf("0.49999999"), completed])
            .completed("39.9999992", "0.49999999")
            .plain(),
        case("6 excess too", LTC, vec![Play("over"), completed])
            .completed("60", "0.75")
            .is("statusReason", REASON),
        case("6 late: after the provider's own expiry", LTC, vec![Play("late"), completed])
            .completed("40", "0.5")
            .late(),
        case("6 each confirmed payment is credited once", LTC, vec![Play("double"), Credited("80")])
            .completed("80", "1")
            .is("statusReason", REASON)
            .is("late", GONE),
        case(
            "6 after a reversal Completed stays, with reversed",
            LTC,
            vec![Pay, completed, Play("reorg"), Reversed],
        )
        .completed("0", "0")
        .reversed(),
        case(
            "6 a reversal and a return",
            LTC,
            vec![Pay, completed, Play("reorg"), Reversed, Play("return"), Credited("40")],
        )
        .completed("40", "0.5")
        .is("reversed", GONE),
        case("6 Expired: the provider's expiry before ours", BTC, vec![Play("expire"), Until("Expired")])
            .waiting("Expired", "60")
            .is("paidAmountCrypto", raw("0"))
            .plain(),
        case(
            "6 Expired -> Completed, late",
            BTC,
            vec![Play("expire"), Until("Expired"), PayOf("0.0004"), completed],
        )
        .completed("20", "0.0004")
        .late(),
        case("6 Failed", BTC, vec![Play("fail"), Until("Failed")])
            .waiting("Failed", "60")
            .is("statusReason", REASON),
        case(
            "6 Failed -> Completed, on a payment seen later",
            BTC,
            vec![Play("fail"), Until("Failed"), PayOf("0.0004"), completed],
        )
        .completed("20", "0.0004")
        .is("statusReason", GONE),
        case("6 XMR", ("XMR", "0.5"), vec![Pay, completed]).completed("80", "0.5").plain(),
        case("6 LTC-MWEB", ("LTC-MWEB", "0.5"), vec![Pay, completed]).completed("40", "0.5").plain(),
        case("6 ZEC", ("ZEC", "2"), vec![Pay, completed]).completed("80", "2").plain(),
    ]
}

fn cards_and_daimo() -> Vec<Case> {
    let completed = Until("Completed");
    vec![
        case("6 a card", USD, vec![Pay, completed]).completed("10", "10").plain(),
        case("6 a card in EUR, at the locked rate", EUR, vec![Pay, completed])
            .completed("10.8", "10")
            .plain(),
        case("6 a card in GBP, at the locked rate", ("GBP", "10.01"), vec![Pay, completed])
            .completed("12.5125", "10.01")
            .plain(),
        case("6 a card, paid back", USD, vec![Pay, completed, Play("refund"), Reversed])
            .completed("0", "0")
            .reversed(),
        case("6 a card, half paid back", USD, vec![Pay, completed, Play("refund_part"), Credited("5")])
            .completed("5", "5")
            .reversed(),
        case("6 a card, disputed", USD, vec![Pay, completed, Play("dispute"), Reversed])
            .completed("0", "0")
            .reversed(),
        case(
            "6 a card, dispute won",
            USD,
            vec![Pay, completed, Play("dispute"), Reversed, Play("return"), Credited("10")],
        )
        .completed("10", "10")
        .is("reversed", GONE),
        case("6 a card, expired", USD, vec![Play("expire"), Until("Expired")])
            .waiting("Expired", "60")
            .plain(),
        case("6 a card, failed", USD, vec![Play("fail"), Until("Failed")])
            .waiting("Failed", "60")
            .is("statusReason", REASON),
        case("6 Daimo credits 1 USD per USDC settled", USDC, vec![Pay, completed])
            .completed("10", "10")
            .plain(),
        case("6 Daimo: ETH settles as USDC", ("ETH", "25.5"), vec![Pay, completed])
            .completed("25.5", "25.5")
            .plain(),
        case("6 Daimo, bounced", USDC, vec![Play("fail"), Until("Failed")])
            .waiting("Failed", "60")
            .is("statusReason", REASON),
        // A payment of the first generation has no such status: it expires with the quote alone.
        case("6 Daimo, its expiry shows nothing", USDC, vec![Play("expire"), Pay, completed])
            .completed("10", "10"),
    ]
}

fn the_others() -> Vec<Case> {
    let completed = Until("Completed");
    vec![
        case("6 Prompt.Cash", BCH, vec![Pay, completed]).completed("20", "0.05").plain(),
        case("6 Prompt.Cash leaves a part at Pending", BCH, vec![Play("partial"), Until("Pending")])
            .waiting("Pending", "5")
            .is("paidAmountCrypto", raw("0.025"))
            .is("statusReason", REASON),
        case("6 Prompt.Cash, excess", BCH, vec![Play("over"), completed])
            .completed("30", "0.075")
            .is("statusReason", REASON),
        case("6 Prompt.Cash, late", BCH, vec![Play("late"), completed]).completed("20", "0.05").late(),
        case("6 Prompt.Cash, twice", BCH, vec![Play("double"), Credited("40")]).completed("40", "0.1"),
        case("6 Prompt.Cash, expired", BCH, vec![Play("expire"), Until("Expired")]).waiting("Expired", "60"),
        case("6 Zano", ZANO, vec![Pay, completed]).completed("20", "2").plain(),
        case("6 FUSD", FUSD, vec![Pay, completed]).completed("20.5", "20.5").plain(),
        case("6 Zano, a part", ZANO, vec![Play("partial"), Credited("10")])
            .is("status", text("Pending"))
            .is("paidAmountCrypto", raw("1"))
            .is("statusReason", REASON),
        case("6 Zano, excess", ZANO, vec![Play("over"), completed])
            .completed("30", "3")
            .is("statusReason", REASON),
        case("6 Zano, twice", ZANO, vec![Play("double"), Payments(2), Credited("40")]).completed("40", "4"),
        case("6 Zano, reorganised", ZANO, vec![Pay, completed, Play("reorg"), Reversed])
            .completed("0", "0")
            .reversed(),
        case(
            "6 Zano, reorganised and back",
            ZANO,
            vec![Pay, completed, Play("reorg"), Reversed, Play("return"), Credited("20")],
        )
        .completed("20", "2")
        .is("reversed", GONE),
    ]
}

async fn world() -> World {
    let sections = "[poll]\nyoung_seconds = 1\n[bonus]\nBTC-LN = \"2.5\"\n";
    World::with(Setup { running: true, sections: sections.into(), ..Setup::default() }).await
}

/// Plays one case; what does not hold of it.
async fn play(world: &World, case: &Case) -> Vec<String> {
    let provider = provider_of(case.ticker);
    let (id, created) = world.created(case.ticker, case.amount).await;
    let told = !matches!(provider, "zano" | "nanswap");
    let reference = if told { id.clone() } else { member(&created, "address") };
    let order = |mut more: Value| {
        more["ref"] = json!(reference);
        if provider == "zano" {
            more["ticker"] = json!(case.ticker);
            if more["amount"].is_null() {
                more["amount"] = json!(case.amount);
            }
        }
        more
    };
    let until = async |what: &str, enough: &dyn Fn(&Reply) -> bool| {
        world.until(case.ticker, &id, &format!("{what} ({})", case.line), enough).await
    };
    for step in &case.steps {
        match *step {
            Pay => drop(world.pay(provider, order(json!({}))).await),
            PayOf(amount) => drop(world.pay(provider, order(json!({ "amount": amount }))).await),
            Play("seen") => drop(world.pay(provider, order(json!({ "stage": "seen" }))).await),
            Play(name) => {
                world.control(&format!("/{provider}/scenario"), order(json!({ "name": name }))).await;
            }
            Until(status) => drop(until(status, &|reply| member(reply, "status") == status).await),
            Credited(figure) => drop(until(figure, &|reply| member(reply, "creditedUsd") == figure).await),
            Reversed => drop(until("reversed", &|reply| member(reply, "reversed") == "true").await),
            Payments(count) => {
                drop(
                    until("paid twice", &|reply| {
                        payments(reply).as_array().is_some_and(|p| p.len() == count)
                    })
                    .await,
                );
            }
        }
    }
    let state = world.status(case.ticker, &id).await;
    let mut want: Want = with(case.want.clone());
    want = match case.poll {
        Some(secs) => want.header("x-poll-after", secs),
        None => want,
    };
    if member(&state, "status") == "Completed" && case.poll.is_none() {
        want = want.no_header("x-poll-after");
    }
    let mut complaints = want.complaints(&state);
    complaints.extend(same_payments(world, provider, &id, &reference, &state).await);
    if !complaints.is_empty() {
        complaints.insert(0, format!("{} ({} {}): {}", case.line, case.ticker, case.amount, state.body));
    }
    complaints
}

fn payments(reply: &Reply) -> Value {
    serde_json::from_str(&crate::row::members(&reply.body).remove("payments").unwrap_or("[]".into())).unwrap()
}

/// `payments[].id` is the provider's own.
async fn same_payments(
    world: &World,
    provider: &str,
    id: &str,
    reference: &str,
    state: &Reply,
) -> Vec<String> {
    let order =
        world.order_of(if provider == "zano" || provider == "nanswap" { reference } else { id }).await;
    let mut theirs: Vec<String> = Vec::new();
    for payment in order["payments"].as_array().unwrap() {
        theirs.push(payment["id"].as_str().unwrap().to_owned());
    }
    // Providers that tell totals only: the order's reference.
    theirs.push(order["ref"].as_str().unwrap_or_default().to_owned());
    let mut complaints = Vec::new();
    for payment in payments(state).as_array().unwrap() {
        let stages = ["seen", "confirming", "confirmed", "reversed"];
        let known = theirs.iter().any(|id| *id == payment["id"]);
        if !known || !stages.iter().any(|stage| payment["stage"] == *stage) {
            complaints.push(format!("3.5 payments: {payment} of {theirs:?}"));
        }
        let truth = order["payments"].as_array().unwrap().iter().find(|truth| truth["id"] == payment["id"]);
        // A bounced order of Daimo's says that its payment is gone, no longer how much it was; nobody may have read it before.
        let told = provider != "daimo" && payment["stage"] == "reversed";
        if let Some(truth) = truth.filter(|_| told) {
            let shown = |member: &str| payment[member].to_string();
            let came = truth["amount"].as_str().unwrap();
            if (shown("amount").as_str(), shown("reversed").as_str()) != (came, came) {
                complaints.push(format!("3.5 payments: {payment}, of which {came} came and went"));
            }
        }
    }
    complaints
}

async fn play_all(cases: Vec<Case>) {
    let world = world().await;
    let failed: Vec<String> = join_all(cases.iter().map(|case| play(&world, case))).await.concat();
    assert!(failed.is_empty(), "{}", failed.join("\n  "));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_btcpay() {
    play_all(btcpay()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_stripe_and_daimo() {
    play_all(cards_and_daimo()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_prompt_cash_and_zano() {
    play_all(the_others()).await;
}

/// `settled` of the sandbox's truth at the locked rate of XNO, rounded down at eight decimals.
fn worth_of_xno(settled: &str) -> String {
    let (whole, fraction) = settled.split_once('.').unwrap_or((settled, ""));
    let raw: u128 = format!("{whole}{fraction:0<30}").parse().unwrap();
    // 0.8 USD for one, in units of 10^-8.
    let usd = raw * 8 / 10 / 10_u128.pow(22);
    let text = format!("{}.{:08}", usd / 100_000_000, usd % 100_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Ticker, amount, scenario (none: paid in full), status, members.
type Swap = (&'static str, &'static str, &'static str, &'static str, Vec<(&'static str, Member)>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_nanswap_by_what_it_paid_out() {
    let world = world().await;
    let cases: [Swap; 8] = [
        (
            "KAS",
            "200",
            "",
            "Completed",
            vec![("paidAmountCrypto", raw("200")), ("late", GONE), ("statusReason", GONE)],
        ),
        ("BAN", "5000", "", "Completed", vec![("paidAmountCrypto", raw("5000"))]),
        ("TON", "5", "", "Completed", vec![("paidAmountCrypto", raw("5"))]),
        (
            "KAS",
            "200",
            "partial",
            "Pending",
            vec![("paidAmountCrypto", raw("100")), ("statusReason", REASON)],
        ),
        ("KAS", "200", "over", "Completed", vec![("paidAmountCrypto", raw("300")), ("statusReason", REASON)]),
        ("KAS", "200", "late", "Completed", vec![("paidAmountCrypto", raw("200")), ("late", raw("true"))]),
        ("KAS", "200", "expire", "Expired", vec![("paidAmountCrypto", raw("0")), ("creditedUsd", GONE)]),
        ("KAS", "200", "fail", "Failed", vec![("creditedUsd", GONE), ("statusReason", REASON)]),
    ];
    let failed = join_all(cases.into_iter().map(|(ticker, amount, name, status, wanted)| {
        let world = &world;
        async move {
            let (id, created) = world.created(ticker, amount).await;
            let reference = member(&created, "address");
            if name.is_empty() {
                world.pay_all("nanswap", &reference).await;
            } else {
                world.control("/nanswap/scenario", json!({ "ref": reference, "name": name })).await;
            }
            let state = world.until_status(ticker, &id, status).await;
            let mut complaints = with(wanted).complaints(&state);
            let order = world.order_of(&reference).await;
            let settled = order["payments"][0]["settled"].as_str().unwrap_or_default();
            let credited = member(&state, "creditedUsd");
            if !credited.is_empty() && credited != worth_of_xno(settled) {
                complaints.push(format!("creditedUsd {credited} for {settled} XNO"));
            }
            if !complaints.is_empty() {
                complaints.insert(
                    0,
                    format!("6 a Nanswap swap by what it paid out: {ticker} {name}: {} {order}", state.body),
                );
            }
            complaints
        }
    }))
    .await
    .concat();
    assert!(failed.is_empty(), "{}", failed.join("\n  "));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_nano_node() {
    let world = world().await;
    let address = member(&world.balance().await, "nanoDepositAddress");
    let mut total = 0;
    for (name, due, parts) in
        [("partial", "4", vec!["2"]), ("over", "4", vec!["6"]), ("double", "1", vec!["1", "1"])]
    {
        let played =
            world.control("/nano/scenario", json!({ "ref": address, "amount": due, "name": name })).await;
        // All that this address was ever paid; the newest come last.
        let played = played["payments"].as_array().unwrap().clone();
        for (payment, amount) in played[played.len() - parts.len()..].iter().zip(parts) {
            let id = payment["id"].as_str().unwrap();
            let state = world.until_status("xno", id, "Completed").await;
            let wanted = with(vec![("creditedNano", raw(amount)), ("statusReason", GONE), ("late", GONE)]);
            crate::row::assert_want(
                &format!("3.4 every direct payment is credited: {name}"),
                &state,
                &wanted,
            );
            total += amount.parse::<u32>().unwrap();
        }
    }
    // Below the advised minimum and above the advised maximum.
    for amount in ["0.000001", "0.000000000000000000000000000001", "700"] {
        let id = world.pay("nano", json!({ "ref": address, "amount": amount })).await;
        let state = world.until_status("xno", &id, "Completed").await;
        assert_eq!(member(&state, "creditedNano"), amount, "3.4 limits of XNO are advisory");
    }
    assert_eq!(
        member(&world.balance().await, "nano_balance"),
        format!("{}.000001000000000000000000000001", total + 700),
        "3.7"
    );
    world.stop().await;
}
