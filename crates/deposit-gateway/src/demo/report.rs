//! What the demo shows: progress while it runs, a table or JSON lines at the end.

use std::io::IsTerminal;
use std::time::Duration;

use comfy_table::{CellAlignment, Table};
use deposit_core::Ticker;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::cli::print;
use crate::client::Deposit;

/// How one deposit went.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ticker: Ticker,
    pub(crate) provider: String,
    pub(crate) tx_id: String,
    pub(crate) asked: String,
    pub(crate) paid: String,
    pub(crate) credited: String,
    pub(crate) credited_in: &'static str,
    pub(crate) status: String,
    pub(crate) seconds: Duration,
    pub(crate) error: Option<String>,
}

impl Outcome {
    pub(crate) fn new(ticker: Ticker, provider: &str) -> Self {
        Self {
            ticker,
            provider: provider.to_owned(),
            tx_id: String::new(),
            asked: String::new(),
            paid: "0".to_owned(),
            credited: "0".to_owned(),
            credited_in: "USD",
            status: "-".to_owned(),
            seconds: Duration::ZERO,
            error: None,
        }
    }

    pub(crate) fn take(&mut self, state: &Deposit) {
        self.tx_id.clone_from(&state.tx_id);
        self.status = state.status.to_string();
        state.paid_amount_crypto.as_str().clone_into(&mut self.paid);
        if let Some(usd) = &state.credited_usd {
            usd.as_str().clone_into(&mut self.credited);
        }
        if let Some(nano) = &state.credited_nano {
            nano.as_str().clone_into(&mut self.credited);
            self.credited_in = "XNO";
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.error.is_none() && self.status == "Completed"
    }

    fn seconds(&self) -> String {
        format!("{}.{}", self.seconds.as_secs(), self.seconds.subsec_millis() / 100)
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "ticker": self.ticker, "provider": self.provider, "txId": self.tx_id, "asked": self.asked,
            "paid": self.paid, "credited": self.credited, "creditedIn": self.credited_in,
            "status": self.status, "seconds": self.seconds(),
        })
    }
}

pub(crate) fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new();
    table
        .load_style(crate::cli::TABLE)
        .set_header(["ticker", "provider", "asked", "paid", "credited", "status", "seconds"]);
    for outcome in outcomes {
        table.add_row([
            outcome.ticker.to_string(),
            outcome.provider.clone(),
            outcome.asked.clone(),
            outcome.paid.clone(),
            format!("{} {}", outcome.credited, outcome.credited_in),
            outcome.error.clone().unwrap_or_else(|| outcome.status.clone()),
            outcome.seconds(),
        ]);
    }
    for column in [2, 3, 4, 6] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Progress: a bar for all and one line for each deposit on a terminal, plain lines elsewhere, nothing with `--json`.
pub(crate) struct Progress {
    kind: Kind,
}

enum Kind {
    Silent,
    Lines,
    Bars { all: MultiProgress, total: ProgressBar },
}

impl Progress {
    pub(crate) fn new(deposits: usize, json: bool) -> Self {
        let kind = if json {
            Kind::Silent
        } else if std::io::stdout().is_terminal() {
            let all = MultiProgress::new();
            let total = all.add(ProgressBar::new(u64::try_from(deposits).unwrap_or(0)));
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} credited  {msg}") {
                total.set_style(style);
            }
            Kind::Bars { all, total }
        } else {
            Kind::Lines
        };
        Self { kind }
    }

    pub(crate) fn step(&self, outcome: &Outcome, what: &str) {
        match &self.kind {
            Kind::Silent => {}
            // Who reads no more of this misses nothing that the demo is for.
            Kind::Lines => {
                let _ = print::line(format_args!("{:<9} {:<8} {}", outcome.ticker, what, outcome.tx_id));
            }
            Kind::Bars { all, total } => {
                total.set_message(format!("{} {what}", outcome.ticker));
                // A bar that has no terminal any more shows nothing; the table still comes.
                let _ = all.println(format!("{:<9} {:<8} {}", outcome.ticker, what, outcome.tx_id));
            }
        }
    }

    pub(crate) fn done(&self, outcome: &Outcome) {
        let word = if outcome.is_complete() { "credited" } else { "FAILED" };
        self.step(outcome, word);
        if let Kind::Bars { total, .. } = &self.kind
            && outcome.is_complete()
        {
            total.inc(1);
        }
    }

    pub(crate) fn finish(&self) {
        match &self.kind {
            Kind::Silent | Kind::Lines => {}
            Kind::Bars { total, .. } => total.finish_and_clear(),
        }
    }
}
