//! `deposit reconcile`: what the providers have, against the ledger; with `--repair` what differs is committed.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use deposit_core::{Asset, ProviderId, Timestamp};
use deposit_engine::{
    Difference, Engine, ReconcileOptions, Reconciliation, RepairAction, RepairStep, Repaired,
};
use deposit_store::ReviewReason;
use serde_json::{Map, Value, json};

use super::operator::{closing, configured, dash, engine, now, since, table};
use super::{Global, print};

/// What differs is looked at again after these times: a running gateway may just be at it.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

pub(super) const HELP: &str = "Reads every deposit that was made or has changed since T at its provider, and the whole feed of providers that have one, each
within half of the provider's request budget, and adds the ledger up. Without --repair nothing is written. What differs is looked at again after 1 s
and 3 s before it is reported; beside a running gateway a payment that is younger than poll.young_seconds may still be on its way.

Kinds of differences:
  unknown_payment      money at the provider that has neither a deposit nor a review item
  missing_payment      a payment on a deposit, not yet confirmed, that is not known here
  missing_credit       confirmed at the provider, or owed for what is known, and not in the ledger
  missing_reversal     taken back at the provider, still in the ledger
  excess_credit        more in the ledger than what is known is worth
  missing_at_provider  known here, and no longer there
  undecided            seen, and neither credited nor in review yet: no rate is known, it is unconfirmed an hour after the end of
                       its order, or its provider says of it what nobody understands
  amount               other figures differ (what is on its way, what a swap paid out)
  unreadable           the provider could not be read

What waits in review is counted besides: an operator has it, so it is no difference.

--repair shows a plan, then carries it out: each deposit that differs is read again, each feed with something unknown is scanned from its
beginning, and what that shows is committed as from any webhook or poll: once, however often it is run, and beside a running gateway. What no
rule can credit goes to `deposit review list`. Then all is compared again. --dry-run shows the plan only.

Exit codes: 0 nothing differs (with --repair: any more) and the ledger is balanced, 1 otherwise.

Examples:
  deposit reconcile
  deposit reconcile --provider stripe --since 7d
  deposit reconcile --since 2026-03-04T09:30:00Z --json
  deposit reconcile --repair --dry-run
  deposit reconcile --provider nano --repair";

#[derive(Debug, Args)]
pub(super) struct ReconcileArgs {
    /// Only this provider (default: every configured one)
    #[arg(long, value_name = "P")]
    provider: Option<ProviderId>,
    /// From when on: a time (RFC 3339), a date, or how long ago (24h, 7d)
    #[arg(long, value_name = "T", default_value = "30d", value_parser = point_in_time)]
    since: Timestamp,
    /// Commit what differs, then compare again
    #[arg(long)]
    repair: bool,
    /// Only show what --repair would do
    #[arg(long, requires = "repair")]
    dry_run: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

fn point_in_time(text: &str) -> Result<Timestamp, String> {
    since(text, now())
}

pub(super) async fn run(global: &Global, args: ReconcileArgs) -> anyhow::Result<ExitCode> {
    let (store, engine) = engine(global).await?;
    let result = compare(&engine, &args).await;
    closing(&store, result).await
}

async fn compare(engine: &Engine, args: &ReconcileArgs) -> anyhow::Result<ExitCode> {
    if let Some(provider) = args.provider {
        configured(engine, provider)?;
    }
    if engine.registry().providers().len() == 0 {
        print::error(
            "deposit: no provider is configured here (`serve --sandbox` has its own): only the ledger is checked",
        );
    }
    let options =
        ReconcileOptions { provider: args.provider, since: args.since, again_after: AGAIN_AFTER.to_vec() };
    let mut found = engine.reconcile(&options).await?;
    let mut steps = Vec::new();
    if args.repair {
        let plan = engine.plan_repair(&found);
        let repairs = !args.dry_run && !plan.is_empty();
        if !args.json {
            show(&found)?;
            show_plan(&plan)?;
        }
        for step in plan {
            let outcome = if args.dry_run { None } else { Some(engine.repair(&step).await?) };
            steps.push((step, outcome));
        }
        if repairs {
            found = engine.reconcile(&options).await?;
        }
        if !args.json && repairs {
            show_outcomes(&steps)?;
            show(&found)?;
        }
    } else if !args.json {
        show(&found)?;
    }
    if args.json {
        let mut object = object(&found);
        if let (true, Some(members)) = (args.repair, object.as_object_mut()) {
            members.insert("repair".to_owned(), steps.iter().map(step_object).collect());
        }
        print::line(object)?;
    }
    for fault in &found.ledger.faults {
        print::error(format_args!("deposit: ledger: {fault}"));
    }
    let well = found.differences.is_empty() && found.ledger.balanced;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a step does, in words.
fn action(step: &RepairStep) -> String {
    match &step.action {
        RepairAction::ReadDeposit(id) => format!("read deposit {id} again"),
        RepairAction::ScanFeed => "scan the feed from its beginning".to_owned(),
        RepairAction::Nothing => "nothing: the provider cannot be read, or it is for an operator".to_owned(),
    }
}

fn step_object((step, outcome): &(RepairStep, Option<Repaired>)) -> Value {
    let mut object = json!({ "provider": step.provider, "refs": step.references, "action": action(step) });
    if let (Some(outcome), Some(members)) = (outcome, object.as_object_mut()) {
        members.insert("outcome".to_owned(), outcome.to_string().into());
    }
    object
}

fn show_plan(plan: &[RepairStep]) -> std::io::Result<()> {
    if plan.is_empty() {
        return print::line("plan: nothing to do");
    }
    let mut rows = table(["provider", "refs", "plan"]);
    for step in plan {
        rows.add_row([step.provider.to_string(), step.references.join("\n"), action(step)]);
    }
    print::line(rows)
}

fn show_outcomes(steps: &[(RepairStep, Option<Repaired>)]) -> std::io::Result<()> {
    let mut rows = table(["provider", "done", "outcome"]);
    for (step, outcome) in steps {
        rows.add_row([
            step.provider.to_string(),
            action(step),
            dash(outcome.map(|outcome| outcome.to_string())),
        ]);
    }
    print::line(rows)
}

fn object(found: &Reconciliation) -> Value {
    let differences: Vec<Value> = found
        .differences
        .iter()
        .map(|Difference { provider, reference, kind, ours, theirs, .. }| {
            json!({ "provider": provider, "ref": reference, "kind": kind.to_string(), "ours": ours, "theirs": theirs })
        })
        .collect();
    // USD is always there; the rest where there was ever any.
    let mut totals = Map::from_iter([(Asset::USD.to_string(), json!("0"))]);
    totals.extend(found.ledger.totals.iter().map(|(asset, total)| (asset.to_string(), json!(total))));
    let in_review: Vec<Value> = found
        .in_review
        .iter()
        .map(|(provider, reason, items)| {
            json!({ "provider": provider, "reason": reason.to_string(), "items": items })
        })
        .collect();
    json!({
        "differences": differences,
        "inReview": in_review,
        "ledger": { "balanced": found.ledger.balanced, "totals": totals },
    })
}

fn show(found: &Reconciliation) -> std::io::Result<()> {
    if !found.differences.is_empty() {
        let mut rows = table(["provider", "ref", "kind", "ours", "theirs"]);
        for Difference { provider, reference, kind, ours, theirs, .. } in &found.differences {
            rows.add_row([
                provider.to_string(),
                reference.clone(),
                kind.to_string(),
                dash(ours.clone()),
                dash(theirs.clone()),
            ]);
        }
        print::line(rows)?;
    }
    let totals: Vec<String> =
        found.ledger.totals.iter().map(|(asset, total)| format!("{total} {asset}")).collect();
    let totals = if totals.is_empty() { "empty".to_owned() } else { totals.join(", ") };
    let state = if found.ledger.balanced { "balanced" } else { "NOT balanced" };
    let count = found.differences.len();
    let plural = if count == 1 { "difference" } else { "differences" };
    print::line(format_args!(
        "{} deposits compared, {count} {plural}; ledger {state}: {totals}",
        found.deposits
    ))?;
    let waiting: u64 = found.in_review.iter().map(|(.., items)| items).sum();
    if waiting > 0 {
        let of = |(provider, reason, items): &(ProviderId, ReviewReason, u64)| {
            format!("{items} of {provider} ({reason})")
        };
        let each: Vec<String> = found.in_review.iter().map(of).collect();
        print::line(format_args!("in review: {}; `deposit review list` shows them", each.join(", ")))?;
    }
    Ok(())
}
