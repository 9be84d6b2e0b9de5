//! `deposit review`: money that no rule could credit. Works beside a running gateway, on the same store.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use deposit_core::{AccountName, Amount, Asset};
use deposit_engine::{Engine, NoValue, Valued};
use deposit_store::prelude::*;
use deposit_store::{
    AssignReview, Assigned, DismissReview, Dismissed, Resolution, ResolutionKind, ReviewFilter, ReviewReason,
    ReviewRow, SqliteStore,
};
use serde_json::{Value, json};

use super::operator::{closing, dash, engine, now, operator, store, table};
use super::{Global, print};
use crate::http::wire::rfc3339;

/// Longest reason or note, in characters.
const LONGEST_TEXT: usize = 500;

const ASSIGN_HELP: &str = "The credit is an entry of its own in the ledger, of kind `adjustment`, tied to no payment: the item's amount at the rate in force
when it was noted, rounded down to 8 decimals; XNO in kind. --usd or --xno names the figure instead. An item is resolved once and for
the amount that it has then; what comes on top of it is a new item. Money that was assigned is never credited by rule later.

Examples:
  deposit review assign 3 --account shop --dry-run   what would be credited
  deposit review assign 3 --account shop
  deposit review assign 4 --account shop --usd 12.34 --note 'ticket 12'";

#[derive(Debug, Subcommand)]
pub(super) enum ReviewCommand {
    /// List what waits, oldest first
    #[command(
        after_help = "Reasons: no_deposit (no deposit is known for it), wrong_asset, account_closed, payment_on_second_deposit,\n\
                            overflow, never_confirmed (seen, never confirmed, its order long over), order_gone (on its way when its order went),\n\
                            already_assigned (above what was assigned here before), assigned_reversed (assigned here before, and taken back\n\
                            at the provider since), asset_changed, provider_reports (money that no rule follows: code and detail say which),\n\
                            not_taken_back (went back at the provider in a way that no rule follows).\n\n\
                            An item is about one payment, or about one order where nothing tells its payments apart. Its amount follows what\n\
                            is seen while it waits; one that rules have credited meanwhile, or that is gone, closes by itself.\n\nExamples:\n  deposit review list\n  deposit review list --all --json"
    )]
    List {
        /// What was resolved too
        #[arg(long)]
        all: bool,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Credit an item to an account
    #[command(after_help = ASSIGN_HELP)]
    Assign(AssignArgs),
    /// Resolve an item without crediting anything
    #[command(
        after_help = "A rule may still credit the payment later, once the provider confirms it, say.\n\n\
                            Example:\n  deposit review dismiss 3 --reason 'refunded by hand at the provider'"
    )]
    Dismiss {
        /// The item's id, as `review list` shows it
        id: i64,
        /// Why, 1-500 characters
        #[arg(long, value_name = "TEXT", value_parser = words)]
        reason: String,
        #[command(flatten)]
        by: By,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct AssignArgs {
    /// The item's id, as `review list` shows it
    id: i64,
    /// Whose balance to raise
    #[arg(long, value_name = "NAME")]
    account: AccountName,
    /// Credit so many US dollars instead of what the item is worth
    #[arg(long, value_name = "AMOUNT", conflicts_with = "xno", value_parser = usd)]
    usd: Option<Amount>,
    /// Credit so many XNO instead
    #[arg(long, value_name = "AMOUNT", value_parser = xno)]
    xno: Option<Amount>,
    /// Whatever there is to say, 1-500 characters; stored with the item
    #[arg(long, value_name = "TEXT", value_parser = words)]
    note: Option<String>,
    #[command(flatten)]
    by: By,
    /// Money of this payment or its order was assigned before, and this is on top of it
    #[arg(long)]
    again: bool,
    /// Say what would be credited, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct By {
    /// Who resolves it (default: the user of this system)
    #[arg(long, value_name = "NAME", env = "DEPOSIT_OPERATOR", value_parser = words)]
    by: Option<String>,
}

fn words(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("must not be empty".to_owned()),
        1..=LONGEST_TEXT => Ok(text.to_owned()),
        _ => Err(format!("must be at most {LONGEST_TEXT} characters")),
    }
}

fn usd(text: &str) -> Result<Amount, String> {
    figure(text, Asset::USD)
}

fn xno(text: &str) -> Result<Amount, String> {
    figure(text, Asset::XNO)
}

fn figure(text: &str, asset: Asset) -> Result<Amount, String> {
    match Amount::parse(text, asset) {
        Ok(amount) if amount.is_zero() => {
            Err("must be above zero; to credit nothing: `deposit review dismiss`".to_owned())
        }
        Ok(amount) => Ok(amount),
        Err(error) => Err(format!("{error} (a plain number with at most {} decimals)", asset.scale())),
    }
}

pub(super) async fn run(global: &Global, command: ReviewCommand) -> anyhow::Result<ExitCode> {
    match command {
        ReviewCommand::List { all, json } => {
            let store = store(global).await?;
            let result = list(&store, all, json).await;
            closing(&store, result).await
        }
        ReviewCommand::Assign(args) => {
            let (store, engine) = engine(global).await?;
            let result = assign(&store, &engine, args).await;
            closing(&store, result).await
        }
        ReviewCommand::Dismiss { id, reason, by, json } => {
            let store = store(global).await?;
            let result = dismiss(&store, id, reason, operator(by.by), json).await;
            closing(&store, result).await
        }
    }
}

/// So many items are read at once: a long queue is printed as it is read.
const PAGE: u32 = 500;

async fn list(store: &SqliteStore, all: bool, json: bool) -> anyhow::Result<ExitCode> {
    let heads = ["id", "provider", "ref", "amount", "ticker", "reason", "since", "what is known", "resolved"];
    let shown = if all { &heads[..] } else { heads.get(..8).unwrap_or(&heads) };
    let mut rows = table(shown.iter().copied());
    let mut filter = ReviewFilter { open: !all, after: 0, limit: PAGE };
    loop {
        let items = store.reviews(filter).await?;
        let Some(last) = items.last() else { break };
        filter.after = last.id;
        for item in &items {
            if json {
                print::line(line(item, all))?;
            } else {
                rows.add_row(cells(item, all));
            }
        }
    }
    if !json {
        print::line(rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn cells(item: &ReviewRow, all: bool) -> Vec<String> {
    let of = item.seen.as_ref().filter(|seen| item.amount.as_ref() != Some(seen));
    let amount = item.amount.as_ref().map(|amount| match of {
        Some(seen) => format!("{amount} of {seen}"),
        None => amount.clone(),
    });
    let payment = Some(&item.reference).filter(|payment| *payment != reference(item));
    let words = [payment.map(|payment| format!("payment {payment}")), item.code.clone(), item.detail.clone()];
    let words = words.into_iter().flatten().collect::<Vec<_>>().join(": ");
    let mut cells = vec![
        item.id.to_string(),
        item.provider.to_string(),
        reference(item).to_owned(),
        dash(amount),
        dash(item.ticker.map(|ticker| ticker.to_string())),
        item.reason.to_string(),
        rfc3339(item.since),
        dash(Some(words).filter(|words| !words.is_empty())),
    ];
    if all {
        cells.push(dash(item.resolution.as_ref().map(how)));
    }
    cells
}

async fn assign(store: &SqliteStore, engine: &Engine, args: AssignArgs) -> anyhow::Result<ExitCode> {
    let Some(item) = store.review(args.id).await? else { return Err(unknown(args.id)) };
    if let Some(resolution) = &item.resolution {
        return Err(resolved(&item, resolution));
    }
    let Some(account) = store.account_by_name(&args.account).await? else {
        bail!(
            "no account is called {name}; `deposit accounts list` shows them, `deposit keys create --account {name}` opens one",
            name = args.account
        );
    };
    if let Some(at) = account.closed_at {
        bail!("account {} was closed at {}; assign to an open one", account.name, rfc3339(at));
    }
    if item.reason.takes_back() {
        return Err(worthless(&item, &NoValue::TakenBack));
    }
    let (credit, from) = match args.usd.or(args.xno) {
        Some(amount) => (amount, "as named".to_owned()),
        None => match engine.value_of_review(&item).await? {
            Ok(valued) => (valued.credit, explained(&valued)),
            Err(why) => return Err(worthless(&item, &why)),
        },
    };
    let show = |entry: Option<i64>| {
        let currency = credit.asset().to_string();
        if args.json {
            let line = json!({
                "id": item.id, "account": account.name, "currency": currency, "amount": credit.to_string(),
                "entry": entry, "dryRun": args.dry_run,
            });
            // What is done is done, whether or not anybody reads it.
            let _ = print::line(line);
        } else {
            let verb = if args.dry_run { "would credit" } else { "credited" };
            let _ = print::line(format_args!("{verb} {credit} {currency} to {} ({from})", account.name));
        }
    };
    if args.dry_run {
        show(None);
        return Ok(ExitCode::SUCCESS);
    }
    let command = AssignReview {
        id: item.id,
        account: account.id,
        amount: credit,
        seen: item.amount.clone(),
        note: args.note.clone(),
        by: operator(args.by.by.clone()),
        // Where its worth was not guessed, the figure was named by who has read what came before.
        again: args.again || item.reason == ReviewReason::AlreadyAssigned,
        now: now(),
    };
    match store.assign_review(command).await? {
        Assigned::Yes { entry } => {
            show(Some(entry));
            Ok(ExitCode::SUCCESS)
        }
        Assigned::Unknown => Err(unknown(item.id)),
        Assigned::Resolved(item) => Err(match &item.resolution {
            Some(resolution) => resolved(&item, resolution),
            None => anyhow!("review item {} was resolved meanwhile", item.id),
        }),
        Assigned::Changed(now) => Err(changed(&now)),
        Assigned::Elsewhere(other) => Err(anyhow!(
            "{} of {} is also review item {}, which was {}; dismiss this one (`deposit review dismiss {} --reason …`), or, if this is \
             money on top of that, say how much with --usd (or --xno) and --again",
            item.reference,
            item.provider,
            other.id,
            dash(other.resolution.as_ref().map(how)),
            item.id
        )),
        Assigned::Posted { deposit } => Err(anyhow!(
            "{} of {} is in the ledger by rule already, on deposit {deposit}; assigning it would credit it twice. Dismiss it: \
             `deposit review dismiss {} --reason …`; what only its provider reports, and is on top of that, takes --again and a figure",
            item.reference,
            item.provider,
            item.id
        )),
        Assigned::NoAccount => {
            Err(anyhow!("account {} was closed meanwhile; assign to an open one", account.name))
        }
        Assigned::BadAmount => {
            Err(anyhow!("{credit} does not fit the balance of {}; name another figure", account.name))
        }
    }
}

async fn dismiss(
    store: &SqliteStore,
    id: i64,
    reason: String,
    by: String,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let Some(item) = store.review(id).await? else { return Err(unknown(id)) };
    let command = DismissReview { id, seen: item.amount, reason, by: by.clone(), now: now() };
    match store.dismiss_review(command).await? {
        Dismissed::Yes if json => {
            print::line(json!({ "id": id, "resolution": "dismissed", "by": by }))?;
        }
        Dismissed::Yes => print::line(format_args!("review item {id} is dismissed"))?,
        Dismissed::Unknown => return Err(unknown(id)),
        Dismissed::Changed(now) => return Err(changed(&now)),
        Dismissed::Resolved(item) => {
            return Err(match &item.resolution {
                Some(resolution) => resolved(&item, resolution),
                None => anyhow!("review item {id} was resolved meanwhile"),
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What an item is known by: where no deposit is known, the order, which is what an operator finds at the provider.
fn reference(item: &ReviewRow) -> &str {
    match (&item.order, item.reason) {
        (Some(order), ReviewReason::NoDeposit) => order,
        _ => &item.reference,
    }
}

/// An item as `review list --json` prints it; with all that is known of it, and how it was resolved, where that is asked for.
fn line(item: &ReviewRow, resolution: bool) -> Value {
    let mut line = json!({
        "id": item.id,
        "provider": item.provider,
        "ref": reference(item),
        "amount": item.amount,
        "ticker": item.ticker,
        "reason": item.reason.to_string(),
        "since": rfc3339(item.since),
    });
    if resolution && let Some(members) = line.as_object_mut() {
        members.insert("payment".to_owned(), json!(item.reference));
        members.insert("order".to_owned(), json!(item.order));
        members.insert("deposit".to_owned(), json!(item.deposit));
        members.insert("seen".to_owned(), json!(item.seen));
        members.insert("code".to_owned(), json!(item.code));
        members.insert("detail".to_owned(), json!(item.detail));
        let how = item.resolution.as_ref().map(|how| {
            json!({
                "kind": how.kind.to_string(),
                "at": rfc3339(how.at),
                "by": how.by,
                "note": how.note,
                "credited": how.credited.as_ref().map(|credited| json!({
                    "entry": credited.entry,
                    "account": credited.account,
                    "currency": credited.amount.asset().to_string(),
                    "amount": credited.amount.to_string(),
                })),
            })
        });
        members.insert("resolution".to_owned(), how.unwrap_or(Value::Null));
    }
    line
}

/// `assigned (20 USD to shop) by operator at …: ticket 12`
fn how(resolution: &Resolution) -> String {
    let credited = resolution
        .credited
        .as_ref()
        .map(|c| format!(" ({} {} to {})", c.amount, c.amount.asset(), c.account))
        .unwrap_or_default();
    let note = resolution.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    let kind = match resolution.kind {
        ResolutionKind::Assigned => "assigned",
        ResolutionKind::Dismissed => "dismissed",
        ResolutionKind::Settled => "settled",
    };
    format!("{kind}{credited} by {} at {}{note}", resolution.by, rfc3339(resolution.at))
}

fn explained(valued: &Valued) -> String {
    match valued.price {
        Some((ticker, price)) => {
            format!("{} {} at {} USD for 1 {ticker}", valued.paid, valued.paid.asset(), price.usd())
        }
        None => format!("{} {}", valued.paid, valued.paid.asset()),
    }
}

fn unknown(id: i64) -> anyhow::Error {
    anyhow!("no review item has the id {id}; `deposit review list` shows the ids")
}

fn resolved(item: &ReviewRow, resolution: &Resolution) -> anyhow::Error {
    anyhow!("review item {} was resolved before: {}", item.id, how(resolution))
}

fn changed(now: &ReviewRow) -> anyhow::Error {
    anyhow!(
        "review item {} has changed meanwhile: it is about {} now, so nothing was done; look at it again: `deposit review list`",
        now.id,
        now.amount.as_deref().unwrap_or("an unknown amount")
    )
}

fn worthless(item: &ReviewRow, why: &NoValue) -> anyhow::Error {
    let next = match why {
        NoValue::Nothing | NoValue::TakenBack => {
            format!("dismiss it: `deposit review dismiss {} --reason …`", item.id)
        }
        NoValue::Amount
        | NoValue::Coin
        | NoValue::Unreadable(_)
        | NoValue::Rate(_)
        | NoValue::Size
        | NoValue::Again => "say what to credit with --usd AMOUNT (or --xno AMOUNT)".to_owned(),
    };
    anyhow!("review item {}: {why}; {next}", item.id)
}
