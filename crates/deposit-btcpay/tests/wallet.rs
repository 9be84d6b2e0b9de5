//! What the invoice API does not show, and the wallet does: money that came late, and money that the chain lost.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use deposit_btcpay::{BtcPay, Config, SpeedPolicy};
use deposit_conformance::{PayStage, Scenario};
use deposit_core::{
    Amount, ErrorKind, IntentRecord, Observed, OpenRequest, PaymentProvider as _, Price, ProviderError,
    Quote, Snapshot, Target, Ticker,
};
use deposit_testkit::{World, impatient};

struct Shop {
    world: World,
    provider: BtcPay,
    emulator: Arc<deposit_sandbox::btcpay::BtcPay>,
}

impl Shop {
    async fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        let world = World::start("btcpay").await;
        let [url, key, store, secret] =
            ["base_url", "api_key", "store_id", "webhook_secret"].map(|key| world.setting(key));
        let mut config = Config::new(url, key, store, secret);
        change(&mut config);
        let provider = BtcPay::with_http(config, impatient()).unwrap().with_wallet_pace(Duration::ZERO);
        let emulator = world.sandbox().emulators().btcpay.clone();
        Self { world, provider, emulator }
    }

    /// Another adapter for the same store, which knows nothing of what the first one saw.
    fn adapter(&self) -> BtcPay {
        let [url, key, store, secret] =
            ["base_url", "api_key", "store_id", "webhook_secret"].map(|key| self.world.setting(key));
        let config = Config::new(url, key, store, secret);
        BtcPay::with_http(config, impatient()).unwrap().with_wallet_pace(Duration::ZERO)
    }

    async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    async fn order(&self, ticker: Ticker) -> Result<IntentRecord, ProviderError> {
        let spec = *self.provider.capabilities().tickers.iter().find(|spec| spec.ticker == ticker).unwrap();
        let amount = Amount::parse("0.5", spec.asset).unwrap();
        let created_at = self.world.now();
        let expires_at = created_at.plus_secs(3_600);
        let quote = Quote { amount, rate: Price::ONE, unit_price: Price::ONE, expires_at };
        let terms = spec.terms(created_at).with_quote(quote);
        let deposit_id = "dep_00000000000000000001".parse().unwrap();
        let request = OpenRequest { deposit_id, terms, amount, expires_at, attempt: 1 };
        Ok(IntentRecord::from(self.provider.open(&request).await?.as_ref()))
    }

    /// Alone and in a list: both say the same.
    async fn read(&self, order: &IntentRecord) -> Snapshot {
        let alone = self.provider.read(order).await.unwrap();
        let listed = self.provider.read_many(std::slice::from_ref(order)).await.unwrap().remove(0).unwrap();
        assert_eq!(figures(&alone), figures(&listed));
        alone
    }

    fn play(&self, order: &IntentRecord, scenario: Scenario) {
        let played = self.world.play(order, scenario, None, false);
        assert!(played.is_some());
    }
}

/// In flight and confirmed, by payment.
fn figures(snapshot: &Snapshot) -> Vec<(String, u128, u128)> {
    let all = snapshot.payments.iter().filter(|p| p.in_flight + p.confirmed > 0);
    all.map(|p| (p.id.to_string(), p.in_flight, p.confirmed)).collect()
}

const HALF: u128 = 50_000_000;

#[tokio::test]
async fn money_that_came_to_an_expired_invoice_while_the_server_was_down_counts() {
    let shop = Shop::open().await;
    let order = shop.order(Ticker::LTC).await.unwrap();
    let start = shop.provider.scan(None).await.unwrap();
    shop.play(&order, Scenario::Expire);
    assert_eq!(figures(&shop.read(&order).await), []);
    let id = shop.emulator.pay_unseen(order.provider_ref.as_str()).unwrap();

    // The feed says whose order has to be read, once.
    let page = shop.provider.scan(Some(&start.next)).await.unwrap();
    let told: Vec<_> = page.observations.iter().map(|o| (&o.target, &o.observed)).collect();
    let address = order.instructions.address().unwrap().to_owned();
    assert_eq!(told, [(&Target::Address(address), &Observed::Hint)]);
    assert!(shop.provider.scan(Some(&page.next)).await.unwrap().observations.is_empty());

    let read = shop.read(&order).await;
    assert_eq!(figures(&read), [(id.clone(), 0, HALF)]);
    assert_eq!(read.payments[0].confirmations, Some(1));

    // The operator spends it: it is listed nowhere then, and its absence takes nothing back.
    shop.emulator.spend(&id);
    let read = shop.read(&order).await;
    assert!(!read.complete && figures(&read).is_empty());
}

#[tokio::test]
async fn late_money_waits_for_as_many_confirmations_as_other_money() {
    let shop = Shop::open_with(|config| {
        config.speed_policies.insert(Ticker::LTC, SpeedPolicy::MediumSpeed);
    })
    .await;
    let order = shop.order(Ticker::LTC).await.unwrap();
    shop.play(&order, Scenario::Expire);
    let id = shop.emulator.pay_unseen(order.provider_ref.as_str()).unwrap();
    // The invoice was made to wait for one block; who is configured to wait for six does.
    let strict = {
        let [url, key, store, secret] =
            ["base_url", "api_key", "store_id", "webhook_secret"].map(|key| shop.world.setting(key));
        let mut config = Config::new(url, key, store, secret);
        config.speed_policy = SpeedPolicy::LowSpeed;
        BtcPay::with_http(config, impatient()).unwrap()
    };
    assert_eq!(figures(&strict.read(&order).await.unwrap()), [(id.clone(), HALF, 0)]);
    assert_eq!(figures(&shop.read(&order).await), [(id, 0, HALF)]);
}

#[tokio::test]
async fn a_settled_payment_that_the_chain_lost_counts_no_longer_and_again_when_it_is_back() {
    let shop = Shop::open().await;
    let order = shop.order(Ticker::LTC).await.unwrap();
    let paid = shop.world.pay(&order, None, PayStage::Confirmed);
    let id = paid.id.to_string();
    assert_eq!(figures(&shop.read(&order).await), [(id.clone(), 0, HALF)]);
    let before = shop.provider.scan(None).await.unwrap();
    shop.play(&order, Scenario::Reorg);
    let page = shop.provider.scan(Some(&before.next)).await.unwrap();
    assert_eq!(page.observations.len(), 1, "{page:?}");
    let read = shop.read(&order).await;
    assert_eq!(figures(&read), []);
    assert_eq!(read.payments.len(), 1, "it is listed as gone: the read is not complete");
    shop.play(&order, Scenario::Return);
    assert_eq!(figures(&shop.read(&order).await), [(id.clone(), 0, HALF)]);
    // Spent by the operator: its transaction tells that the chain has it.
    shop.emulator.spend(&id);
    assert_eq!(figures(&shop.read(&order).await), [(id.clone(), 0, HALF)]);
    shop.play(&order, Scenario::Reorg);
    assert_eq!(figures(&shop.read(&order).await), []);
}

/// The invoice never knew of it, and a read of it is not complete: the feed remembers what it was, over a restart too.
#[tokio::test]
async fn late_money_that_the_chain_lost_is_taken_back() {
    let shop = Shop::open().await;
    let order = shop.order(Ticker::LTC).await.unwrap();
    shop.play(&order, Scenario::Expire);
    let id = shop.emulator.pay_unseen(order.provider_ref.as_str()).unwrap();
    let seen = shop.provider.scan(None).await.unwrap();
    assert_eq!(figures(&shop.read(&order).await), [(id.clone(), 0, HALF)]);

    // A block is undone, and another transaction spends the same coins: neither list nor chain has it.
    shop.play(&order, Scenario::Reorg);
    shop.emulator.spend(&id);
    let page = shop.provider.scan(Some(&seen.next)).await.unwrap();
    let address = order.instructions.address().unwrap().to_owned();
    assert_eq!(page.observations.iter().map(|o| &o.target).collect::<Vec<_>>(), [&Target::Address(address)]);
    let gone = |read: &Snapshot| {
        let listed: Vec<_> =
            read.payments.iter().map(|p| (p.id.to_string(), p.in_flight, p.confirmed)).collect();
        assert_eq!(listed, [(id.clone(), 0, 0)], "said to be gone, since absence says nothing");
    };
    gone(&shop.read(&order).await);

    // Another process, from the stored cursor on.
    let again = shop.adapter();
    let later = again.scan(Some(&page.next)).await.unwrap();
    assert!(later.observations.is_empty());
    gone(&again.read(&order).await.unwrap());

    // The first chain wins after all.
    shop.play(&order, Scenario::Return);
    shop.emulator.unspend(&id);
    let back = again.scan(Some(&later.next)).await.unwrap();
    assert_eq!(back.observations.len(), 1);
    assert_eq!(figures(&again.read(&order).await.unwrap()), [(id.clone(), 0, HALF)]);
}

/// A spent output is still looked after: the chain can lose its transaction until it is deep.
#[tokio::test]
async fn late_money_that_was_spent_and_then_lost_is_taken_back() {
    let shop = Shop::open().await;
    let order = shop.order(Ticker::LTC).await.unwrap();
    shop.play(&order, Scenario::Expire);
    let id = shop.emulator.pay_unseen(order.provider_ref.as_str()).unwrap();
    let seen = shop.provider.scan(None).await.unwrap();
    shop.emulator.spend(&id);
    let spent = shop.provider.scan(Some(&seen.next)).await.unwrap();
    assert!(spent.observations.is_empty() && spent.further_requests == 1, "{spent:?}");
    assert!(shop.read(&order).await.payments.is_empty(), "spent is not lost");
    shop.play(&order, Scenario::Reorg);
    let lost = shop.provider.scan(Some(&spent.next)).await.unwrap();
    assert_eq!(lost.observations.len(), 1);
    assert_eq!(shop.read(&order).await.payments.len(), 1);
}

#[tokio::test]
async fn without_the_right_all_is_as_the_invoice_says() {
    let shop = Shop::open().await;
    shop.emulator.take_right("btcpay.store.canviewwallet");
    let order = shop.order(Ticker::LTC).await.unwrap();
    let id = shop.world.pay(&order, None, PayStage::Confirmed).id.to_string();
    shop.play(&order, Scenario::Reorg);
    let read = shop.read(&order).await;
    assert_eq!(figures(&read), [(id, 0, HALF)]);
    assert!(read.complete);
    // The invoices alone: no wallet is seen.
    let page = shop.provider.scan(None).await.unwrap();
    let told: Vec<_> = page.observations.iter().map(|o| &o.target).collect();
    assert_eq!(told, [&Target::Order(order.provider_ref.clone())]);
    let page = shop.provider.scan(Some(&page.next)).await.unwrap();
    assert!(page.observations.is_empty() && !page.more);
}

#[tokio::test]
async fn a_key_that_is_refused_is_no_missing_right() {
    let shop = Shop::open().await;
    shop.emulator.revoke_key();
    let error = shop.provider.scan(None).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Authentication);
}

#[tokio::test]
async fn an_order_in_xmr_that_would_settle_without_a_confirmation_is_not_opened() {
    let shop = Shop::open().await;
    shop.emulator.set_xmr_threshold(Some(0));
    let refused = shop.order(Ticker::XMR).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Rejected("no_confirmations"));
    assert!(shop.order(Ticker::LTC).await.is_ok());
    // Made before, say: what settles in the pool is nobody's credit.
    shop.emulator.set_xmr_threshold(Some(10));
    assert!(shop.order(Ticker::XMR).await.is_ok());
}
