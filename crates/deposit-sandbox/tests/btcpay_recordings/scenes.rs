//! The situations of the recordings, played at the emulator; each then answers the recorded requests.

use serde_json::{Value, json};

use crate::common::World;
use crate::{Answers, recording};

/// A world with its store's settings, and what it answered.
struct Scene {
    w: World,
    answers: Answers,
    fee_mode: &'static str,
}

impl Scene {
    async fn new() -> Self {
        Self { w: World::new().await, answers: Answers::new(), fee_mode: "MultiplePaymentsOnly" }
    }

    fn store(&self, fee_mode: &str) {
        self.w.sandbox.emulators().btcpay.set_fee_mode(fee_mode);
    }

    async fn ask(&self, method: &str, path: &str, auth: Option<&str>, body: Option<&Value>) -> (u16, Value) {
        let url = format!("{}/btcpay{path}", self.w.sandbox.base_url());
        let body = body.map(ToString::to_string);
        let reply = self.w.send(method, &url, auth, body.as_deref()).await.unwrap();
        let value = serde_json::from_slice(&reply.bytes).unwrap_or_else(|_| Value::from(reply.text()));
        (reply.status, value)
    }

    /// The recorded request, at this store and this invoice.
    async fn replay(&mut self, name: &str, invoice: &str) -> Value {
        let auth = format!("token {}", self.w.key);
        self.replay_as(name, invoice, Some(&auth)).await
    }

    async fn replay_as(&mut self, name: &str, invoice: &str, auth: Option<&str>) -> Value {
        let recorded = recording(name);
        let request = &recorded["request"];
        let path = self.here(request["path"].as_str().unwrap(), invoice);
        let answer = self.ask(request["method"].as_str().unwrap(), &path, auth, request.get("body")).await;
        self.answers.insert(name.to_owned(), answer.clone());
        answer.1
    }

    /// The path with this emulator's ids.
    fn here(&self, path: &str, invoice: &str) -> String {
        let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
        for at in 1..parts.len() {
            match parts[at - 1].as_str() {
                "stores" if parts[at] != "33333333333333333333333333333333333333333333" => {
                    parts[at] = self.w.store.clone();
                }
                "invoices" if !invoice.is_empty() => parts[at] = invoice.to_owned(),
                "transactions" => parts[at] = invoice.to_owned(),
                _ => {}
            }
        }
        parts.join("/")
    }

    /// An invoice as the recordings' were made, for so much.
    async fn invoice(&self, coin: &str, amount: &str, minutes: u32) -> String {
        self.invoice_of("recorded-1", coin, amount, minutes).await
    }

    async fn invoice_of(&self, order: &str, coin: &str, amount: &str, minutes: u32) -> String {
        self.store(self.fee_mode);
        let body = json!({
            "amount": amount,
            "currency": coin,
            "metadata": { "orderId": order, "depositGateway": "deposit/1" },
            "checkout": {
                "paymentMethods": [format!("{coin}-CHAIN")],
                "expirationMinutes": minutes,
                "monitoringMinutes": 10080,
                "speedPolicy": "MediumSpeed",
                "paymentTolerance": 0,
                "lazyPaymentMethods": false,
            },
        });
        let path = format!("/api/v1/stores/{}/invoices", self.w.store);
        let auth = format!("token {}", self.w.key);
        let (status, made) = self.ask("POST", &path, Some(&auth), Some(&body)).await;
        assert_eq!(status, 200, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }

    /// The two reads of one moment.
    async fn look(&mut self, name: &str, invoice: &str) {
        self.replay(&format!("invoice_{name}"), invoice).await;
        self.replay(&format!("payments_{name}"), invoice).await;
    }

    /// Deliveries about one invoice, in their order, under the recordings' names.
    async fn deliveries(&mut self, flow: &str, invoice: &str) {
        self.w.sandbox.webhooks_idle().await;
        let of = |got: &crate::common::Got| got.text("invoiceId") == invoice;
        let told: Vec<Value> = self
            .w
            .gateway
            .all()
            .iter()
            .filter(|got| of(got))
            .map(|got| serde_json::from_slice(&got.bytes).unwrap())
            .collect();
        // What replaces a payment comes in the same moment: the real invoice was never `New` in between, and is not told to be processing again.
        let mut seen = false;
        let told = told
            .into_iter()
            .filter(|body| body["type"] != "InvoiceProcessing" || !std::mem::replace(&mut seen, true));
        for (at, body) in told.enumerate() {
            let name = format!("webhook_{flow}_{}_{}", at + 1, body["type"].as_str().unwrap());
            self.answers.insert(name, (0, body));
        }
    }
}

pub async fn all() -> Answers {
    let mut all = Answers::new();
    all.extend(litecoin_in_time().await);
    all.extend(litecoin_late().await);
    all.extend(litecoin_undone().await);
    all.extend(litecoin_fees_and_marks().await);
    all.extend(monero().await);
    all.extend(refusals().await);
    all.extend(settings().await);
    all.extend(wallet().await);
    all.extend(lists().await);
    all
}

async fn litecoin_in_time() -> Answers {
    let mut s = Scene::new().await;
    s.replay("create_ltc", "").await;
    let new = s.invoice("LTC", "1", 65).await;
    s.look("ltc_new", &new).await;

    let exact = s.invoice("LTC", "0.05", 65).await;
    let payment = s.w.pay(&exact, "0.05", "seen").await;
    s.look("ltc_processing", &exact).await;
    s.w.confirm(&exact, &payment).await;
    s.look("ltc_settled", &exact).await;
    s.deliveries("ltc_exact", &exact).await;

    let over = s.invoice("LTC", "0.05", 65).await;
    s.w.pay(&over, "0.07", "confirmed").await;
    s.look("ltc_over", &over).await;
    s.deliveries("ltc_over", &over).await;

    let two = s.invoice("LTC", "0.05", 65).await;
    let first = s.w.pay(&two, "0.02", "seen").await;
    s.look("ltc_part", &two).await;
    let second = s.w.pay(&two, "0.03", "seen").await;
    s.look("ltc_paid_in_two", &two).await;
    s.w.confirm(&two, &first).await;
    s.w.confirm(&two, &second).await;
    s.look("ltc_paid_in_two_settled", &two).await;
    s.deliveries("ltc_two", &two).await;
    s.answers
}

async fn litecoin_late() -> Answers {
    let mut s = Scene::new().await;
    let expired = s.invoice("LTC", "0.05", 1).await;
    let part = s.invoice("LTC", "0.05", 1).await;
    let late = s.invoice("LTC", "0.05", 1).await;
    s.w.pay(&part, "0.02", "confirmed").await;
    s.w.advance(62).await;
    s.look("ltc_expired", &expired).await;
    s.deliveries("ltc_expired", &expired).await;
    s.look("ltc_expired_part", &part).await;
    let payment = s.w.pay(&late, "0.05", "seen").await;
    s.look("ltc_late", &late).await;
    s.w.confirm(&late, &payment).await;
    s.look("ltc_late_settled", &late).await;
    s.deliveries("ltc_late", &late).await;
    s.w.pay(&part, "0.03", "confirmed").await;
    s.look("ltc_late_rest", &part).await;
    s.deliveries("ltc_late_rest", &part).await;
    s.answers
}

async fn litecoin_undone() -> Answers {
    let mut s = Scene::new().await;
    let lost = s.invoice("LTC", "0.05", 65).await;
    s.w.pay(&lost, "0.05", "seen").await;
    s.w.play(&lost, "replace").await;
    s.look("ltc_double_spent", &lost).await;
    s.deliveries("ltc_double_spent", &lost).await;

    let replaced = s.invoice("LTC", "0.05", 65).await;
    s.w.pay(&replaced, "0.05", "seen").await;
    s.w.play(&replaced, "replace").await;
    let other = s.w.pay(&replaced, "0.05", "seen").await;
    s.look("ltc_replaced", &replaced).await;
    s.w.confirm(&replaced, &other).await;
    s.look("ltc_replaced_settled", &replaced).await;
    s.deliveries("ltc_replaced", &replaced).await;

    let part = s.invoice("LTC", "0.05", 65).await;
    s.w.pay(&part, "0.02", "confirmed").await;
    s.look("ltc_part_settled", &part).await;
    s.w.play(&part, "reorg").await;
    s.w.play(&part, "return").await;
    s.look("ltc_part_mined_again", &part).await;

    let settled = s.invoice("LTC", "0.05", 65).await;
    s.w.pay(&settled, "0.05", "confirmed").await;
    s.w.play(&settled, "reorg").await;
    s.look("ltc_settled_then_gone_from_the_chain", &settled).await;
    s.answers
}

async fn litecoin_fees_and_marks() -> Answers {
    let mut s = Scene::new().await;
    s.fee_mode = "Always";
    let always = s.invoice("LTC", "0.05", 65).await;
    s.look("ltc_new_fee_always", &always).await;
    s.w.pay(&always, "0.05", "confirmed").await;
    s.look("ltc_exact_fee_always", &always).await;
    s.fee_mode = "Never";
    let never = s.invoice("LTC", "0.05", 65).await;
    s.look("ltc_new_fee_never", &never).await;
    s.fee_mode = "MultiplePaymentsOnly";

    let settled = s.invoice("LTC", "0.05", 65).await;
    s.replay("mark_settled", &settled).await;
    s.look("ltc_marked_settled", &settled).await;
    s.deliveries("ltc_marked_settled", &settled).await;
    let invalid = s.invoice("LTC", "0.05", 65).await;
    s.replay("mark_invalid", &invalid).await;
    s.look("ltc_marked_invalid", &invalid).await;
    s.deliveries("ltc_marked_invalid", &invalid).await;
    s.replay("mark_again_422", &invalid).await;
    s.replay("archive", &invalid).await;
    s.answers
}

async fn monero() -> Answers {
    let mut s = Scene::new().await;
    s.replay("create_xmr", "").await;
    let exact = s.invoice("XMR", "1", 65).await;
    s.look("xmr_new", &exact).await;
    let payment = s.w.pay(&exact, "1", "seen").await;
    s.look("xmr_exact_processing", &exact).await;
    s.look("xmr_dropped_from_the_pool", &exact).await;
    s.w.confirm(&exact, &payment).await;
    s.look("xmr_exact_settled", &exact).await;
    s.deliveries("xmr_exact", &exact).await;

    let two = s.invoice("XMR", "1", 65).await;
    let first = s.w.pay(&two, "0.4", "seen").await;
    s.look("xmr_part", &two).await;
    let second = s.w.pay(&two, "0.6", "seen").await;
    s.w.confirm(&two, &first).await;
    s.w.confirm(&two, &second).await;
    s.look("xmr_paid_in_two_settled", &two).await;
    s.deliveries("xmr_two", &two).await;

    s.w.sandbox.emulators().btcpay.set_xmr_threshold(Some(10));
    let ten = s.invoice("XMR", "1", 65).await;
    s.w.pay(&ten, "1", "seen").await;
    s.look("xmr_five_of_ten", &ten).await;

    s.w.sandbox.emulators().btcpay.set_xmr_threshold(Some(0));
    let none = s.invoice("XMR", "1", 65).await;
    s.look("xmr_new_no_confirmations", &none).await;
    s.w.pay(&none, "1", "seen").await;
    s.look("xmr_settled_without_confirmations", &none).await;
    s.look("xmr_settled_without_confirmations_and_gone", &none).await;
    s.answers
}

async fn refusals() -> Answers {
    let mut s = Scene::new().await;
    for name in [
        "create_zero",
        "create_400_dust",
        "create_422_negative",
        "create_422_wrong_type",
        "create_422_unknown_method",
    ] {
        s.replay(name, "").await;
    }
    s.w.sandbox.emulators().btcpay.switch_method("XMR-CHAIN", true);
    s.replay("create_400_xmr_off", "").await;
    let viewer = s.w.sandbox.emulators().btcpay.add_key(&["btcpay.store.canviewinvoices"]);
    s.replay_as("create_403_no_right", "", Some(&format!("token {viewer}"))).await;
    let invoice = s.invoice("LTC", "0.05", 65).await;
    s.replay_as("read_401_no_key", &invoice, None).await;
    s.replay_as("read_401_wrong_key", &invoice, Some("token 0000000000000000000000000000000000000000")).await;
    let nobody = s.w.sandbox.emulators().btcpay.add_key(&["btcpay.store.canviewwallet"]);
    s.replay_as("read_403_no_right", &invoice, Some(&format!("token {nobody}"))).await;
    s.replay("read_403_other_store", &invoice).await;
    s.replay("read_403_unknown_invoice", "AAAAAAAAAAAAAAAAAAAAAA").await;
    s.replay("payments_403_unknown_invoice", "AAAAAAAAAAAAAAAAAAAAAA").await;
    s.replay("read_404_wrong_path", &invoice).await;
    s.replay_as("wallet_403_no_right", "", Some(&format!("token {viewer}"))).await;
    s.answers
}

async fn settings() -> Answers {
    let mut s = Scene::new().await;
    for name in ["health", "server_info", "payment_methods_of_store", "key_current", "rates"] {
        s.replay(name, "").await;
    }
    let faults = deposit_sandbox::Faults { rates_down: true, ..deposit_sandbox::Faults::default() };
    s.w.sandbox.set_faults("btcpay", faults);
    s.replay("rates_none", "").await;
    s.answers
}

async fn wallet() -> Answers {
    let mut s = Scene::new().await;
    // In the order of the recorded ones, and each with its fate.
    for pays in [vec!["0.05"], vec!["0.02", "0.03"], vec!["0.07"]] {
        let invoice = s.invoice("LTC", "1", 65).await;
        for amount in pays {
            s.w.pay(&invoice, amount, "confirmed").await;
        }
    }
    let replaced = s.invoice("LTC", "0.05", 65).await;
    s.w.pay(&replaced, "0.05", "seen").await;
    s.w.play(&replaced, "replace").await;
    s.w.pay(&replaced, "0.05", "confirmed").await;
    let lost = s.invoice("LTC", "0.05", 65).await;
    s.w.pay(&lost, "0.05", "seen").await;
    s.w.play(&lost, "replace").await;
    let part = s.invoice("LTC", "0.05", 65).await;
    s.w.pay(&part, "0.02", "confirmed").await;
    let invoice = s.invoice("LTC", "0.05", 65).await;
    let payment = s.w.pay(&invoice, "0.05", "confirmed").await;
    let hash = payment.rsplit_once('-').unwrap().0.to_owned();
    s.replay("wallet_transaction_settled", &hash).await;
    s.w.play(&invoice, "reorg").await;
    s.replay("wallet_transaction_gone_from_the_chain", &hash).await;
    s.replay("wallet_transactions_list", "").await;
    s.replay("wallet_utxos", "").await;
    s.answers
}

async fn lists() -> Answers {
    let mut s = Scene::new().await;
    s.replay("list_empty", "").await;
    for (order, pays) in
        [("2", vec!["0.05"]), ("3", vec!["0.02", "0.03"]), ("5", vec!["0.05"]), ("7", vec!["0.02"])]
    {
        let invoice = s.invoice_of(&format!("recorded-{order}"), "LTC", "0.05", 65).await;
        for amount in pays {
            s.w.pay(&invoice, amount, "confirmed").await;
        }
    }
    s.replay("list_by_order", "").await;
    s.replay("list_many_orders_with_methods", "").await;
    s.answers
}
