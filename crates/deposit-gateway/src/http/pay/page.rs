//! What the page says, for every status and every way of paying.

use askama::Template;
use deposit_core::{Amount, PayInstructions, Stage, Status, Ticker, Timestamp};
use deposit_engine::{DepositView, PaymentView};

use super::link::{self, Payload};
use crate::http::wire;

/// The page's only style; its hash is in the page's policy.
pub(super) const STYLE: &str = include_str!("../../../templates/pay/style.css");

/// Shortest time between two loads: somebody reads, selects and copies here.
const REFRESH_SECS: u16 = 15;

/// The page of one deposit.
#[derive(Debug, Template)]
#[template(path = "pay/page.html")]
pub(super) struct Page<'a> {
    id: &'a str,
    ticker: &'a str,
    name: &'a str,
    tone: &'static str,
    heading: &'static str,
    lines: Vec<String>,
    invite: Option<Invite<'a>>,
    facts: Vec<Fact>,
    /// Seconds until the page loads itself again; `None` at the end.
    refresh: Option<u16>,
}

/// How to pay. Not there unless something is to be paid.
#[derive(Debug)]
struct Invite<'a> {
    until: Option<Until>,
    amount: Option<String>,
    unit: String,
    address: Option<&'a str>,
    address_label: String,
    rows: usize,
    memo: Option<&'a str>,
    link: Option<Link>,
    /// What stands under the QR code.
    qr: Option<&'static str>,
}

#[derive(Debug)]
struct Until {
    machine: String,
    human: String,
    left: String,
}

#[derive(Debug)]
struct Link {
    href: String,
    text: String,
}

#[derive(Debug)]
struct Fact {
    label: &'static str,
    value: String,
}

/// Where the payer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Situation {
    /// Nothing paid, time left.
    Open,
    /// A payment was seen and is gone again; nothing else was paid, time left.
    Gone,
    /// Money was seen that no rule credits, at least for now: a person looks at it.
    LookedAt,
    /// Paid in part, time left.
    Part,
    /// Paid in part, the time is over.
    PartOver,
    /// Seen, being confirmed.
    Seen,
    /// Confirmed, not credited yet.
    Confirmed,
    /// Credited.
    Done,
    /// Credited, then taken back.
    Undone,
    /// The time is over, nothing paid.
    Over,
    /// The provider gave up.
    Failed,
}

impl Situation {
    /// `looked_at`: whether an operator was asked about money of this deposit.
    fn of(view: &DepositView, looked_at: bool, now: Timestamp) -> Self {
        // The clock counts, not only the status, which follows a moment later.
        let over = view.expires_at.is_some_and(|end| end <= now);
        // Something came, but not what was asked for.
        let other = view.paid.is_zero() && seen(view).next().is_some();
        match view.status {
            Status::New | Status::Pending | Status::Paid | Status::Expired if looked_at => Self::LookedAt,
            Status::New | Status::Pending | Status::Expired if other => Self::LookedAt,
            Status::New | Status::Pending if view.paid.is_zero() => {
                if over {
                    Self::Over
                } else if view.payments.is_empty() {
                    Self::Open
                } else {
                    Self::Gone
                }
            }
            // All of it is there, and the status follows with the next reading.
            Status::New | Status::Pending if view.amount.is_some() && view.due.is_none() => Self::Seen,
            Status::New | Status::Pending => {
                if over {
                    Self::PartOver
                } else {
                    Self::Part
                }
            }
            Status::Processing => Self::Seen,
            Status::Paid => Self::Confirmed,
            Status::Completed if view.reversed => Self::Undone,
            Status::Completed => Self::Done,
            Status::Expired => Self::Over,
            Status::Failed => Self::Failed,
        }
    }

    fn heading(self, how: &PayInstructions) -> &'static str {
        match (self, how) {
            (Self::Part, PayInstructions::LightningInvoice { .. }) => "Paid in part",
            (Self::Part, _) => "Paid in part: please send the rest",
            (other, _) => other.plain_heading(),
        }
    }

    fn plain_heading(self) -> &'static str {
        match self {
            Self::Open => "Waiting for your payment",
            Self::Gone => "Your payment was seen, and is not there any more",
            Self::LookedAt => "Payment seen, and being looked at",
            Self::Part => "Paid in part",
            Self::PartOver => "Paid in part, and the time to pay is over",
            Self::Seen => "Payment seen, waiting for its confirmation",
            Self::Confirmed => "Payment confirmed, about to be credited",
            Self::Done => "Payment completed",
            Self::Undone => "The payment was taken back",
            Self::Over => "The time to pay is over",
            Self::Failed => "The payment failed",
        }
    }

    fn tone(self) -> &'static str {
        match self {
            Self::Open => "",
            Self::Gone | Self::LookedAt | Self::Part | Self::PartOver | Self::Over => "warn",
            Self::Seen | Self::Confirmed | Self::Done => "good",
            Self::Undone | Self::Failed => "bad",
        }
    }
}

impl<'a> Page<'a> {
    pub(super) fn of(view: &'a DepositView, looked_at: bool, public_url: &str, now: Timestamp) -> Self {
        let situation = Situation::of(view, looked_at, now);
        Self {
            id: view.id.as_str(),
            ticker: view.ticker.as_str(),
            name: name(view),
            tone: situation.tone(),
            heading: situation.heading(&view.instructions),
            lines: lines(view, situation, looked_at),
            // While a person looks at what came, nobody is asked for more.
            invite: if looked_at { None } else { invite(view, situation, public_url, now) },
            facts: facts(view, situation, now),
            refresh: wire::poll_after_secs(view).map(|secs| secs.max(REFRESH_SECS)),
        }
    }
}

fn name(view: &DepositView) -> &str {
    view.ticker.display_name().unwrap_or(view.ticker.as_str())
}

/// What the amounts are counted in, for a person.
fn unit(view: &DepositView) -> String {
    match &view.instructions {
        PayInstructions::LightningInvoice { .. } => Ticker::BTC.to_string(),
        // A multi-chain order is asked for in dollars, whatever it is paid with.
        PayInstructions::HostedPage { payment_id: Some(_), .. } => Ticker::USD.to_string(),
        PayInstructions::HostedPage { payment_id: None, .. }
        | PayInstructions::Address { .. }
        | PayInstructions::StandingAddress { .. } => view.paid.asset().to_string(),
    }
}

fn with_unit(view: &DepositView, amount: Amount) -> String {
    format!("{amount} {}", unit(view))
}

/// The network to send on, where the ticker's name does not say it: the wrong one loses the money.
fn network(ticker: Ticker) -> Option<&'static str> {
    const OF: [(Ticker, &str); 4] = [
        (Ticker::BTC_LN, "Lightning"),
        (Ticker::LTC_MWEB, "Litecoin (MWEB)"),
        (Ticker::VVV, "Base"),
        (Ticker::FUSD, "Zano"),
    ];
    OF.iter().find(|(of, _)| *of == ticker).map(|(_, network)| *network)
}

fn credited(view: &DepositView) -> Option<String> {
    let credited = view.credited.filter(|credited| !credited.is_zero())?;
    let bonus = view.bonus.filter(|bonus| !bonus.is_zero());
    let bonus = bonus.map(|bonus| format!(", of it {bonus} {} as a bonus", bonus.asset()));
    Some(format!("{credited} {}{}", credited.asset(), bonus.unwrap_or_default()))
}

/// What is still there of each payment.
fn seen(view: &DepositView) -> impl Iterator<Item = Amount> {
    view.payments.iter().filter(|payment| payment.stage != Stage::Reversed).filter_map(PaymentView::standing)
}

/// What was seen, in whatever it was paid.
fn what_was_seen(view: &DepositView) -> String {
    let amounts: Vec<String> = seen(view)
        .map(|amount| {
            if amount.asset() == view.paid.asset() {
                with_unit(view, amount)
            } else {
                format!("{amount} {}", amount.asset())
            }
        })
        .collect();
    if amounts.is_empty() {
        "A payment was seen that cannot be credited without a person.".to_owned()
    } else {
        format!("Seen so far: {}.", amounts.join(", "))
    }
}

fn lines(view: &DepositView, situation: Situation, looked_at: bool) -> Vec<String> {
    let due = view.due.map(|rest| with_unit(view, rest));
    let paid = with_unit(view, view.paid);
    let mut lines = Vec::new();
    match situation {
        Situation::Open | Situation::Gone => {
            let asked = view.amount.map(|amount| with_unit(view, amount));
            lines.push(match (&view.instructions, asked) {
                (PayInstructions::HostedPage { .. }, Some(amount)) => {
                    format!("Please pay {amount} on the payment provider's page.")
                }
                (PayInstructions::LightningInvoice { .. }, Some(amount)) => {
                    format!("Please pay the Lightning invoice below: {amount}.")
                }
                (_, Some(amount)) => format!(
                    "Please send exactly {amount} in one payment. Fees of the network or of an exchange come on top."
                ),
                (_, None) => "Any amount can be sent to the address below.".to_owned(),
            });
            if situation == Situation::Gone {
                lines.push("A payment that was seen before is not there any more.".to_owned());
            }
        }
        Situation::LookedAt => {
            lines.push(what_was_seen(view));
            lines.extend(view.reason.clone());
            lines.extend(credited(view).map(|credited| format!("Credited: {credited}.")));
            lines.push(
                "It is not lost: a person looks at it. Do not pay any more here until that is done."
                    .to_owned(),
            );
        }
        Situation::Part => {
            let due = due.unwrap_or_default();
            lines.push(match &view.instructions {
                PayInstructions::LightningInvoice { .. } => format!(
                    "{paid} arrived, {due} is missing. A Lightning invoice can be paid only once: do not pay it again. What arrived is \
                     credited."
                ),
                PayInstructions::HostedPage { .. } => {
                    format!("{paid} arrived, {due} is missing. Please pay the rest on the payment provider's page.")
                }
                PayInstructions::Address { .. } | PayInstructions::StandingAddress { .. } => {
                    format!("{paid} arrived. Please send the rest: {due}.")
                }
            });
        }
        Situation::PartOver => {
            lines.push(format!("{paid} arrived. Do not pay any more."));
            lines.push("What arrived is not lost: it is credited or looked at.".to_owned());
        }
        Situation::Seen => {
            lines.push("There is nothing left to do: this takes a while.".to_owned());
            if let Some(due) = due {
                lines.clear();
                lines.push(format!("{paid} arrived and is being confirmed; {due} is missing."));
            }
        }
        Situation::Confirmed => {
            lines.push("There is nothing left to do: the amount is credited shortly.".to_owned());
        }
        Situation::Done => {
            lines.push(match credited(view) {
                Some(credited) => format!("Thank you. Credited: {credited}."),
                None => "Thank you.".to_owned(),
            });
            if due.is_some() {
                lines.push(format!(
                    "Less than asked for was paid ({paid}): what arrived is credited. Do not send the rest any more."
                ));
            } else {
                lines.extend(view.reason.clone());
            }
        }
        Situation::Undone => {
            lines.push(
                "It was refunded, disputed or undone by the network, and its credit was undone with it."
                    .to_owned(),
            );
            lines.extend(credited(view).map(|left| format!("Still credited: {left}.")));
            lines.push("Do not pay any more here.".to_owned());
        }
        Situation::Over => {
            lines.push("Do not pay any more.".to_owned());
            lines.push("If you have paid already, the payment is not lost: when it arrives it is credited or looked at.".to_owned());
        }
        Situation::Failed => {
            lines.extend(view.reason.clone());
            lines.push("Do not pay any more.".to_owned());
            lines.push("If you have paid already, the payment is not lost: when it arrives it is credited or looked at.".to_owned());
        }
    }
    if looked_at && situation != Situation::LookedAt {
        lines.push(
            "Some of what was seen cannot be credited without a person: it is not lost, and is being looked at."
                .to_owned(),
        );
    }
    if view.late {
        lines.push(
            "The payment came after the time to pay was over: the rate of the time at which it came counts."
                .to_owned(),
        );
    }
    lines
}

fn invite<'a>(
    view: &'a DepositView,
    situation: Situation,
    public_url: &str,
    now: Timestamp,
) -> Option<Invite<'a>> {
    let how = &view.instructions;
    let wanted = match (situation, how) {
        (Situation::Open | Situation::Gone, _) => true,
        (Situation::Part, PayInstructions::LightningInvoice { .. }) => false,
        (Situation::Part, _) => true,
        // What is being confirmed is less than was asked for: the rest need not wait for that.
        (Situation::Seen, PayInstructions::Address { .. }) => {
            view.due.is_some() && view.expires_at.is_some_and(|end| end > now)
        }
        (Situation::Seen, _) => false,
        (
            Situation::LookedAt
            | Situation::PartOver
            | Situation::Confirmed
            | Situation::Done
            | Situation::Undone
            | Situation::Over
            | Situation::Failed,
            _,
        ) => false,
    };
    if !wanted {
        return None;
    }
    let payload = Payload::of(view, public_url);
    let is_hosted = matches!(how, PayInstructions::HostedPage { .. });
    let link = match how {
        PayInstructions::HostedPage { url, .. } => link::hosted(url).map(|page| Link {
            href: url.clone(),
            text: format!("Pay at {}", page.host_str().unwrap_or_default()),
        }),
        PayInstructions::Address { .. }
        | PayInstructions::LightningInvoice { .. }
        | PayInstructions::StandingAddress { .. } => {
            link::wallet_link(view).map(|href| Link { href, text: "Open in a wallet".to_owned() })
        }
    };
    let address = how.address();
    let label = match how {
        PayInstructions::LightningInvoice { .. } => "Lightning invoice".to_owned(),
        PayInstructions::Address { .. }
        | PayInstructions::StandingAddress { .. }
        | PayInstructions::HostedPage { .. } => {
            format!("{} address", network(view.ticker).unwrap_or(name(view)))
        }
    };
    Some(Invite {
        until: view.expires_at.map(|end| Until {
            machine: wire::rfc3339(end),
            human: human_time(end),
            left: time_left(end.millis_since(now) / 1000),
        }),
        amount: view.due.map(|rest| rest.to_string()).filter(|_| !is_hosted),
        unit: unit(view),
        address,
        address_label: label,
        // Some forty characters a line, so that nobody compares only the visible part.
        rows: address.map_or(1, |text| text.len().div_ceil(40)).clamp(1, 12),
        memo: how.memo(),
        link,
        qr: match payload {
            Payload::Wallet(_) => Some("Scan with a wallet"),
            Payload::Address(_) => Some("Scan with a wallet: the address alone, please enter the amount"),
            Payload::Hosted(_) => Some("Scan to open the payment provider's page"),
            // It would lead here.
            Payload::Page(_) => None,
        },
    })
}

fn facts(view: &DepositView, situation: Situation, now: Timestamp) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut fact = |label, value: Option<String>| facts.extend(value.map(|value| Fact { label, value }));
    let is_hosted = matches!(view.instructions, PayInstructions::HostedPage { .. });
    fact("Amount", view.amount.map(|amount| with_unit(view, amount)));
    let usd = wire::cents(view).filter(|_| !is_hosted);
    fact("Worth", usd.map(|usd| format!("about {} USD", usd.as_str())));
    fact("Network", network(view.ticker).map(str::to_owned));
    fact(
        "Paid with",
        matches!(&view.instructions, PayInstructions::HostedPage { payment_id: Some(_), .. })
            .then(|| format!("{}, or another coin and chain that the provider's page offers", name(view))),
    );
    let seen = !view.payments.is_empty() || !view.paid.is_zero();
    fact("Paid so far", seen.then(|| with_unit(view, view.paid)));
    let open = matches!(situation, Situation::Open | Situation::Gone | Situation::Part | Situation::Seen);
    fact("Still due", view.due.filter(|_| seen && open).map(|rest| with_unit(view, rest)));
    let counted = wire::least_confirmed(&view.payments).filter(|_| situation == Situation::Seen);
    fact(
        "Confirmations",
        counted.and_then(|payment| match (payment.confirmations, payment.required_confirmations) {
            (Some(n), Some(of)) => Some(format!("{n} of {of}")),
            (Some(n), None) => Some(n.to_string()),
            (None, _) => None,
        }),
    );
    let reached = matches!(
        situation,
        Situation::LookedAt | Situation::Seen | Situation::Confirmed | Situation::Done | Situation::Undone
    );
    fact("Paid to", paid_to(view).filter(|_| reached));
    fact("Credited", credited(view));
    let ended =
        matches!(situation, Situation::LookedAt | Situation::Over | Situation::PartOver | Situation::Failed);
    // Where the provider ended the order before our time was over, the page says that it has ended and not a time that is still to come.
    let over = |at: &Timestamp| ended && *at <= now;
    fact("Time to pay ended", view.expires_at.filter(over).map(human_time));
    fact("Completed", view.completed_at.map(human_time));
    fact("Status", Some(view.status.to_string()));
    fact("Last change", Some(human_time(view.updated_at)));
    fact("Reference", Some(view.id.to_string()));
    facts
}

/// For comparing with what a wallet says; an invoice is paid once, and a page has no address.
fn paid_to(view: &DepositView) -> Option<String> {
    match &view.instructions {
        PayInstructions::Address { address, .. } | PayInstructions::StandingAddress { address, .. } => {
            Some(address.clone())
        }
        PayInstructions::LightningInvoice { .. } | PayInstructions::HostedPage { .. } => None,
    }
}

/// `2026-03-04 10:30:00 UTC`.
fn human_time(at: Timestamp) -> String {
    let held = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(jiff::Timestamp::MAX);
    let text = format!("{held:.0}");
    text.replace('T', " ").replace('Z', " UTC")
}

/// `59 min 12 s`; hours from the first on.
fn time_left(secs: i64) -> String {
    let secs = secs.max(0);
    let (hours, minutes, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
    match (hours, minutes) {
        (0, 0) => format!("{secs} s"),
        (0, _) => format!("{minutes} min {secs} s"),
        _ => format!("{hours} h {minutes} min"),
    }
}
