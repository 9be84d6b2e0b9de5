//! One order of either generation and what can become of it: dossier, A3 and B3.

use deposit_core::{Amount, Asset, DecimalText, plain_decimal};

use super::chain::{Chain, Coin};
use crate::emulator::TruthStage;
use crate::json::Json;
use crate::random::Random;
use crate::rates::Rates;

/// Which API an order is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    Payment,
    Session,
}

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// `payment_unpaid`, `requires_payment_method`
    Unpaid,
    /// `waiting_payment`: sessions only
    Waiting,
    /// `payment_started`, `processing`
    Started,
    /// `payment_completed`, `succeeded`
    Completed,
    /// `payment_bounced`, `bounced`
    Bounced,
    /// `payment_refunded`: payments only
    Refunded,
    /// `expired`: sessions only
    Expired,
}

/// What there is a webhook for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    Started,
    Completed,
    Bounced,
    Refunded,
}

/// What the payer sent.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) coin: &'static Coin,
    /// `None`: an exchange, which does not tell.
    pub(super) payer: Option<String>,
    pub(super) tx: Option<String>,
    pub(super) units: String,
    pub(super) at: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) generation: Generation,
    pub(super) id: String,
    pub(super) created: i64,
    /// Of payments it is not shown.
    pub(super) expires: i64,
    pub(super) stage: Stage,
    pub(super) chain: &'static Chain,
    pub(super) address: String,
    /// Whole tokens; a session may leave it open.
    pub(super) amount: Option<DecimalText>,
    pub(super) calldata: String,
    pub(super) display: Json,
    pub(super) refund_address: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) metadata: Json,
    pub(super) client_secret: String,
    /// What a session's payer chose.
    pub(super) method: Vec<(String, Json)>,
    pub(super) receivers: Vec<String>,
    pub(super) source: Option<Source>,
    /// What is on its way, or arrived.
    pub(super) paid: Option<DecimalText>,
    /// What of it went back to the payer.
    pub(super) refunded: Option<DecimalText>,
    pub(super) delivery_tx: Option<String>,
    pub(super) ever_completed: bool,
}

impl Order {
    /// Our id, if the provider was told it.
    pub(super) fn our_id(&self) -> Option<String> {
        let noted = || self.metadata.get("depositId").and_then(Json::as_text).map(str::to_owned);
        self.external_id.clone().or_else(noted)
    }

    pub(super) fn payable(&self) -> bool {
        matches!(self.stage, Stage::Unpaid | Stage::Waiting)
    }

    fn hash(&self, random: &Random, what: &str) -> String {
        format!("0x{}", random.hex::<32>(&format!("daimo/{what}/{}", self.id)))
    }

    /// The payer's transaction is seen.
    pub(super) fn start(
        &mut self,
        coin: &'static Coin,
        amount: &DecimalText,
        now: i64,
        random: &Random,
        rates: &Rates,
    ) -> Happened {
        let solana = coin.chain == 501;
        let exchange = coin.ticker == deposit_core::Ticker::USDT;
        let label = |what: &str| format!("daimo/{what}/{}", self.id);
        let payer = if solana {
            random.base58_bytes::<32>(&label("payer"))
        } else {
            let bare = format!("0x{}", random.hex::<20>(&label("payer")));
            super::chain::address(&bare).unwrap_or(bare)
        };
        let tx =
            if solana { random.base58_bytes::<64>(&label("source")) } else { self.hash(random, "source") };
        let units = source_units(coin, amount, rates);
        self.source = Some(Source {
            coin,
            payer: (!exchange).then_some(payer),
            tx: (!exchange).then_some(tx),
            units,
            at: now,
        });
        self.paid = Some(amount.clone());
        self.stage = Stage::Started;
        Happened::Started
    }

    /// The destination has it.
    pub(super) fn complete(&mut self, random: &Random) -> Happened {
        self.delivery_tx = Some(self.hash(random, "delivery"));
        self.ever_completed = true;
        self.stage = Stage::Completed;
        Happened::Completed
    }

    /// The delivery was reverted. A session then calls the refund its delivery.
    pub(super) fn bounce(&mut self, random: &Random) -> Happened {
        self.delivery_tx = Some(self.hash(random, "bounce"));
        self.stage = Stage::Bounced;
        Happened::Bounced
    }

    /// Back to the payer: so much of it.
    pub(super) fn refund(&mut self, amount: DecimalText) -> Happened {
        self.refunded = Some(amount);
        self.stage = Stage::Refunded;
        Happened::Refunded
    }

    /// A session nobody paid in time.
    pub(super) fn expire(&mut self, now: i64) {
        self.expires = self.expires.min(now);
        if self.generation == Generation::Session {
            self.stage = Stage::Expired;
        }
    }

    /// When a session expires unpaid.
    pub(super) fn deadline(&self) -> Option<i64> {
        (self.generation == Generation::Session && self.payable()).then_some(self.expires)
    }

    /// What was asked for, in USDC as it is counted.
    pub(super) fn due(&self) -> Option<Amount> {
        self.amount.as_ref().and_then(usdc)
    }

    /// What was paid; nothing where nothing was.
    pub(super) fn paid(&self) -> Option<Amount> {
        self.paid.as_ref().and_then(usdc)
    }

    /// What of it went back.
    pub(super) fn taken_back(&self) -> Amount {
        self.refunded.as_ref().and_then(usdc).unwrap_or(Amount::zero(Asset::USDC))
    }

    /// Whether a refund left something of what was paid.
    fn left(&self) -> bool {
        self.paid().is_some_and(|paid| paid.minor() > self.taken_back().minor())
    }

    /// `None`: nothing was ever seen.
    pub(super) fn truth_stage(&self) -> Option<TruthStage> {
        match self.stage {
            Stage::Unpaid | Stage::Waiting | Stage::Expired => None,
            Stage::Started => Some(TruthStage::Seen),
            Stage::Completed => Some(TruthStage::Confirmed),
            Stage::Refunded if self.ever_completed && self.left() => Some(TruthStage::Confirmed),
            Stage::Refunded if self.ever_completed => Some(TruthStage::Reversed),
            Stage::Bounced | Stage::Refunded => Some(TruthStage::Withdrawn),
        }
    }

    pub(super) fn word(&self) -> &'static str {
        match (self.generation, self.stage) {
            (Generation::Payment, Stage::Unpaid | Stage::Waiting | Stage::Expired) => "payment_unpaid",
            (Generation::Payment, Stage::Started) => "payment_started",
            (Generation::Payment, Stage::Completed) => "payment_completed",
            (Generation::Payment, Stage::Bounced) => "payment_bounced",
            (Generation::Payment, Stage::Refunded) => "payment_refunded",
            (Generation::Session, Stage::Unpaid) => "requires_payment_method",
            (Generation::Session, Stage::Waiting) => "waiting_payment",
            (Generation::Session, Stage::Started) => "processing",
            (Generation::Session, Stage::Completed) => "succeeded",
            (Generation::Session, Stage::Bounced | Stage::Refunded) => "bounced",
            (Generation::Session, Stage::Expired) => "expired",
        }
    }
}

/// Down to USDC's six decimals, as it is counted everywhere else.
pub(super) fn usdc(number: &DecimalText) -> Option<Amount> {
    Amount::floor_from_decimal(number, Asset::USDC).ok().map(|(amount, _)| amount)
}

/// What the payer's wallet sent: dollars in dollars, coins at the rate.
fn source_units(coin: &Coin, amount: &DecimalText, rates: &Rates) -> String {
    let coins = || {
        let (dollars, _) = amount.floor_to_minor(6).ok()?;
        let (rate, _) = rates.usd(coin.ticker)?.floor_to_minor(6).ok()?;
        let units = dollars.checked_mul(1_000_000_000)?.checked_div(rate)?;
        Some(plain_decimal(units, 9))
    };
    coins().unwrap_or_else(|| amount.to_string())
}
