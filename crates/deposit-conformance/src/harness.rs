//! What the suite needs of whoever runs it: a world with a provider in it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{
    Amount, DepositId, IntentRecord, PaymentProvider, PaymentRef, ProviderRef, RawDelivery, TickerSpec,
    Timestamp,
};

/// What goes wrong between adapter and provider. One at a time, for every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Connections are closed without an answer, and no work is done.
    Down,
    /// The provider's own 5xx, and no work is done.
    ServerError,
    /// A proxy's 502 with an HTML body, and no work is done.
    HtmlError,
    /// The work is done and the connection closed without an answer.
    LostAnswer,
    /// The work is done and the answer comes later than the adapter waits.
    Slow,
    /// The provider refuses the key.
    RejectKey,
    /// 429 (or the provider's own way to say it) with a time to wait of 1 s, and no work is done.
    RateLimited,
    /// The work is done; the answer is right and followed by more white space than anybody should read.
    HugeBody,
    /// The work is done; values of the answer have JSON types that the documents do not allow.
    WrongTypes,
    /// The status of each payment is a word that no document lists.
    UnknownPaymentWord,
    /// The status of each order is a word that no document lists.
    UnknownOrderWord,
    /// The way of paying that an order asks for is silently missing from it.
    MissingMethod,
}

/// What a payer, a chain or an operator at the provider does to one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scenario {
    /// Half of what is due, confirmed.
    Partial,
    /// Half as much again as is due.
    Over,
    /// The provider's expiry first, then in full.
    Late,
    /// In full, twice.
    Double,
    /// Seen, then gone before it was ever confirmed.
    Replace,
    /// Confirmed (paid in full where nothing was), then undone.
    Reorg,
    /// Played after `Reorg` or `Dispute`: what was undone counts again.
    Return,
    /// All of it goes back.
    Refund,
    /// Half of it goes back.
    RefundPart,
    /// A dispute is opened.
    Dispute,
    /// The provider's time to pay is over.
    Expire,
    /// The provider, or a person there, gives the order up.
    Fail,
}

/// The adapter, configured otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Its provider is at an address where nothing listens.
    Unreachable,
    /// With a key that the provider does not know.
    WrongKey,
    /// Without a webhook secret. An adapter that refuses to be built so cannot have it.
    NoWebhookSecret,
    /// With timeouts (and a circuit breaker, where there is one) so short that [`Fault::Slow`] and the recovery after a
    /// fault take no time. One that cannot be configured so is tested as it is.
    Impatient,
}

/// Something that a harness may be unable to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ability {
    /// A fault.
    Fault(Fault),
    /// A scenario, for any of its tickers.
    Scenario(Scenario),
    /// A variant.
    Variant(Variant),
    /// Sending a webhook again.
    Redeliver,
}

/// How far a payer's payment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PayStage {
    /// On its way; not final.
    Seen,
    /// Final as far as the provider is concerned.
    Confirmed,
}

/// What has become of a payment, in truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlayedStage {
    /// On its way.
    Seen,
    /// Final.
    Confirmed,
    /// Confirmed once, taken back since.
    Reversed,
    /// Seen, and gone before it was ever confirmed.
    Withdrawn,
}

/// One payment in truth: what a read has to show. A provider that tells totals only has one for each order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// The reference that a read shows.
    pub id: PaymentRef,
    /// What arrived, cumulative, in the received asset.
    pub amount: Amount,
    /// What has become of it.
    pub stage: PlayedStage,
    /// Of it taken back by refunds and disputes, less what was given back again; `Reversed` says all of it.
    pub taken: u128,
    /// What a swap paid out; `None`: not checked.
    pub settled: Option<Amount>,
}

impl Played {
    /// A payment of which nothing went back.
    #[must_use]
    pub fn new(id: PaymentRef, amount: Amount, stage: PlayedStage) -> Self {
        Self { id, amount, stage, taken: 0, settled: None }
    }
}

/// Where a webhook's proof is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// A header, by its lower-case name.
    Header(&'static str),
    /// A parameter of the URL's query.
    Query(&'static str),
    /// A member of the JSON body.
    Member(&'static str),
}

/// How the provider's webhooks are authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookAuth {
    /// Where the proof is.
    pub carrier: Carrier,
    /// Whether it is a signature over the body; a mere token cannot show that a body was altered.
    pub signs_body: bool,
}

/// A webhook as it arrived.
#[derive(Clone, PartialEq, Eq)]
pub struct CapturedDelivery {
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Decoded parameters of the URL's query.
    pub query: Vec<(String, String)>,
    /// The raw bytes.
    pub body: Vec<u8>,
}

impl CapturedDelivery {
    /// What an adapter is given.
    #[must_use]
    pub fn raw(&self, received_at: Timestamp) -> RawDelivery<'_> {
        RawDelivery { headers: &self.headers, query: &self.query, body: &self.body, received_at }
    }
}

/// Only sizes: bodies hold what a payer would not want in a log.
impl fmt::Debug for CapturedDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapturedDelivery").field("body_len", &self.body.len()).finish_non_exhaustive()
    }
}

/// An authentic webhook of which nothing may be believed.
#[derive(Debug, Clone)]
pub struct Stranger {
    /// What it is, for the message of a failed check.
    pub what: &'static str,
    /// The webhook, with a right signature.
    pub delivery: CapturedDelivery,
    /// Whether it is about an order of ours all the same (an event of an unknown kind): a hint to read it does no harm then.
    pub of_our_order: bool,
}

/// A provider, or its emulator, in the hands of the suite. One is made for each case, so nothing is left
/// over from another.
///
/// Only the methods without a default have to be written. What the provider cannot have is said by
/// [`Harness::cannot`], with the reason; a case never passes because a method did nothing.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The adapter, configured for the emulator and **made anew** at each call, as after a restart: with closed
    /// circuit breakers and without anything remembered.
    fn provider(&self) -> Arc<dyn PaymentProvider>;

    /// The same, configured otherwise. `None` exactly where [`Harness::cannot`] gives a reason.
    fn variant(&self, variant: Variant) -> Option<Arc<dyn PaymentProvider>>;

    /// Every secret in its configuration: API keys, signing secrets, seeds. They may appear nowhere.
    fn secrets(&self) -> Vec<String>;

    /// The provider's clock.
    fn now(&self) -> Timestamp;

    /// Moves the provider's clock.
    async fn advance(&self, seconds: u32);

    /// The payer pays what is due (`amount: None`) or so much, in the received asset.
    async fn pay(&self, order: &IntentRecord, amount: Option<Amount>, stage: PayStage) -> Played;

    /// A payment that was seen is confirmed.
    async fn confirm(&self, order: &IntentRecord, payment: &PaymentRef) -> Played;

    /// Plays a scenario and answers every payment of the order as it now is; `None` where this ticker cannot have it.
    async fn scenario(&self, order: &IntentRecord, scenario: Scenario) -> Option<Vec<Played>>;

    /// From now on this fault alone; `None`: none.
    async fn fault(&self, fault: Option<Fault>);

    /// How many orders at the provider carry our id.
    async fn orders_at_provider(&self, id: &DepositId) -> usize;

    /// Why it cannot do something; `None`: it can.
    fn cannot(&self, _ability: Ability) -> Option<&'static str> {
        None
    }

    /// How webhooks are authenticated. Needed where the adapter declares them.
    fn webhook_auth(&self) -> Option<WebhookAuth> {
        None
    }

    /// All webhooks since the start, in the order of their arrival, once none is on its way any more.
    async fn deliveries(&self) -> Vec<CapturedDelivery> {
        Vec::new()
    }

    /// The provider sends every webhook of the order again.
    async fn redeliver(&self, _order: &IntentRecord) {}

    /// A webhook with this body and a proof made with this secret (empty ones included). Needed where
    /// [`WebhookAuth::signs_body`].
    fn sign(&self, _body: &[u8], _secret: &str) -> Option<CapturedDelivery> {
        None
    }

    /// Webhooks made from a real one, rightly signed, that are not about an order of ours: of another account or
    /// store, of another program's order, of a kind that no document lists.
    fn strangers(&self, _sample: &CapturedDelivery) -> Vec<Stranger> {
        Vec::new()
    }

    /// A usual amount, in the received asset and within the quote decimals. Not a round one.
    fn amount(&self, spec: &TickerSpec) -> Amount {
        usual_amount(spec)
    }

    /// Amounts that a payer may pay and that have to arrive to the last unit: by default one smallest unit, and a
    /// figure of more digits than a binary floating point number holds.
    fn exact_amounts(&self, spec: &TickerSpec) -> Vec<Amount> {
        exact_amounts(spec)
    }

    /// Whether the provider shows payments before they are final.
    fn shows_in_flight(&self, _spec: &TickerSpec) -> bool {
        true
    }

    /// Whether a read of an order that has ended lists every payment, so that one it does not list is gone. Where it does not (what came late may
    /// have been spent since), it has to list what is gone.
    fn reads_of_ended_orders_are_whole(&self) -> bool {
        true
    }

    /// Whether reading an order needs the key: where anybody may read, only `open` is refused with a wrong one.
    fn reads_need_key(&self) -> bool {
        true
    }

    /// A reference of the right form that the provider does not know.
    fn unknown_ref(&self, known: &ProviderRef) -> ProviderRef {
        let turned: String = known.as_str().chars().rev().collect();
        let turned = if turned == known.as_str() { format!("{turned}2") } else { turned };
        ProviderRef::new(turned).unwrap_or_else(|_| known.clone())
    }

    /// Within which a call of this adapter has to end, whatever the provider does. By default twice the declared
    /// `open_timeout` and two seconds.
    fn patience(&self, provider: &dyn PaymentProvider) -> Duration {
        provider.capabilities().open_timeout * 2 + Duration::from_secs(2)
    }
}

/// 0.01234567…, or 12.34 where there are too few decimals for that.
fn usual_amount(spec: &TickerSpec) -> Amount {
    let digits = 1_234_567_891_234_567_u128;
    let quoted = spec.quote_decimals.min(spec.asset.scale());
    let kept = match u32::from(quoted) {
        few @ 0..=3 => digits / 10_u128.pow(14 - few),
        many @ 4..=17 => digits / 10_u128.pow(17 - many),
        many => digits * 10_u128.pow(many - 17),
    };
    Amount::new(kept * 10_u128.pow(u32::from(spec.asset.scale() - quoted)), spec.asset)
}

fn exact_amounts(spec: &TickerSpec) -> Vec<Amount> {
    let unit = 10_u128.pow(u32::from(spec.asset.scale()));
    let units = if spec.asset.scale() > 24 { 1_234_567 } else { 1_234_567_890 };
    vec![Amount::new(1, spec.asset), Amount::new(unit.saturating_mul(units).saturating_sub(1), spec.asset)]
}

#[cfg(test)]
mod tests {
    use deposit_core::{Asset, CreditRule, Ticker, TickerKind};

    use super::*;

    fn spec(asset: Asset, quote_decimals: u8) -> TickerSpec {
        let ticker = Ticker::BTC;
        let credit = CreditRule::at_rate_of(ticker);
        let kind = TickerKind::Address;
        TickerSpec::new(ticker, asset, kind, credit).with_quote_decimals(quote_decimals).quoted_one_to_one()
    }

    #[test]
    fn usual_amounts_use_all_decimals_of_the_quote() {
        let cases = [
            (Asset::BTC, 8, "0.01234567"),
            (Asset::BTC_LN, 8, "0.01234567"),
            (Asset::XMR, 12, "0.012345678912"),
            (Asset::EUR, 2, "12.34"),
            (Asset::USDC, 2, "12.34"),
            (Asset::FUSD, 4, "0.0123"),
            (Asset::NEAR, 24, "0.01234567891234567"),
            (Asset::XNO, 30, "0.01234567891234567"),
        ];
        for (asset, decimals, text) in cases {
            assert_eq!(usual_amount(&spec(asset, decimals)).to_string(), text, "{asset}");
        }
    }

    #[test]
    fn exact_amounts_are_beyond_binary_floating_point() {
        let large = |asset| exact_amounts(&spec(asset, 8)).pop().unwrap();
        assert_eq!(large(Asset::BTC).to_string(), "1234567889.99999999");
        for asset in Asset::KNOWN.iter().filter(|asset| asset.scale() >= 8) {
            assert!(large(*asset).minor() > 1 << 53, "{asset}");
        }
    }
}
