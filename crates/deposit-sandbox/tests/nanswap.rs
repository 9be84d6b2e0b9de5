//! The Nanswap emulator, held to its dossier: refusals, states, limits, odd shapes.
#![allow(missing_docs, unreachable_pub, dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
use common::{Reply, World, text};
use deposit_sandbox::Json;

struct Swap {
    w: World,
    key: String,
    to: String,
}

impl Swap {
    async fn new() -> Self {
        let w = World::new().await;
        let setting = |name| w.sandbox.setting("nanswap", name).unwrap();
        let (key, to) = (setting("api_key"), setting("settle_address"));
        Self { w, key, to }
    }

    async fn get(&self, path: &str) -> Reply {
        self.w
            .send("GET", &format!("{}/nanswap/v1{path}", self.w.sandbox.base_url()), None, None)
            .await
            .unwrap()
    }

    fn body(&self, from: &str, amount: &str, more: &str) -> String {
        format!(r#"{{"from":"{from}","to":"XNO","amount":{amount},"toAddress":"{}"{more}}}"#, self.to)
    }

    /// With the key in its header: the shared client only knows `Authorization`.
    async fn post(&self, body: &str, key: Option<&str>) -> Reply {
        use http_body_util::BodyExt as _;
        let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build_http();
        let url = format!("{}/nanswap/v1/create-order", self.w.sandbox.base_url());
        let mut request =
            hyper::Request::builder().method("POST").uri(url).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("nanswap-api-key", key);
        }
        let body = http_body_util::Full::new(bytes::Bytes::from(body.to_owned()));
        let (parts, body) = client.request(request.body(body).unwrap()).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Reply { status: parts.status.as_u16(), headers: parts.headers, bytes }
    }

    async fn refused(&self, body: &str) -> String {
        let reply = self.post(body, Some(&self.key)).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
        text(&reply.json(), "error")
    }

    async fn create(&self, from: &str, amount: &str) -> Json {
        let reply = self.post(&self.body(from, amount, ""), Some(&self.key)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    async fn order(&self, from: &str, amount: &str) -> String {
        text(&self.create(from, amount).await, "id")
    }

    async fn read(&self, id: &str) -> Json {
        self.get(&format!("/get-order?id={id}")).await.json()
    }

    async fn status(&self, id: &str) -> String {
        text(&self.read(id).await, "status")
    }

    async fn pay(&self, reference: &str, more: &str) -> String {
        let body = format!(r#"{{"ref":"{reference}"{more}}}"#);
        text(&self.w.done("/nanswap/pay", &body).await, "payment")
    }

    async fn play(&self, reference: &str, name: &str) -> u16 {
        let body = format!(r#"{{"ref":"{reference}","name":"{name}"}}"#);
        self.w.control("/nanswap/scenario", &body).await.status
    }

    async fn truth(&self, reference: &str) -> Json {
        self.w.truth(reference).await
    }

    async fn payment(&self, reference: &str) -> Json {
        self.truth(reference).await.get("payments").unwrap().items()[0].clone()
    }
}

fn number(json: &Json, name: &str) -> String {
    json.get(name).and_then(Json::number).unwrap_or_else(|| panic!("{name} of {}", json.compact())).to_owned()
}

#[tokio::test]
async fn only_creates_need_the_key() {
    let s = Swap::new().await;
    let body = s.body("KAS", "100", "");
    for key in [None, Some("00000000-0000-4000-8000-000000000000"), Some("")] {
        let reply = s.post(&body, key).await;
        assert_eq!(reply.status, 401);
        assert!(!text(&reply.json(), "error").is_empty());
    }
    assert_eq!(s.post(&body, Some(&s.key)).await.status, 200);
    assert_eq!(s.get("/all-currencies").await.status, 200);
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let s = Swap::new().await;
    for (body, says) in [
        (s.body("VVV", "100", ""), "VVV is not supported"),
        (s.body("kas", "100", ""), "kas is not supported"),
        (s.body("XNO", "100", ""), "must differ"),
        (s.body("KAS", "\"100\"", ""), "amount must be a number"),
        (s.body("KAS", "-1", ""), "Invalid amount"),
        (s.body("KAS", "0.2499999", ""), "below the minimum of 0.25 KAS"),
        (s.body("KAS", "37500.01", ""), "above the maximum of 37500 KAS"),
        (s.body("KAS", "100", r#","maxDurationSeconds":29"#), "30 to 259200"),
        (s.body("KAS", "100", r#","maxDurationSeconds":259201"#), "30 to 259200"),
        (s.body("KAS", "100", r#","maxDurationSeconds":"3600""#), "30 to 259200"),
        (s.body("KAS", "100", r#","fromNetwork":"base""#), "fromNetwork"),
        (s.body("KAS", "100", &format!(r#","itemName":"{}""#, "x".repeat(129))), "128"),
        (s.body("KAS", "100", "").replace(&s.to, "nano_1short"), "toAddress"),
        (s.body("KAS", "100", "").replace("XNO", "TON").replace(&s.to, &"U".repeat(48)), "extraId"),
        ("{}".to_owned(), "from is required"),
        ("{".to_owned(), "not valid JSON"),
    ] {
        let error = s.refused(&body).await;
        assert!(error.contains(says), "{body}: {error}");
    }
    assert!(s.w.done("/truth", "").await.items().is_empty(), "nothing was made");
    for path in [
        "/get-order?id=00000000000000",
        "/get-order",
        "/get-limits?from=KAS&to=KAS",
        "/get-limits?from=KAS",
        "/get-estimate?from=KAS&to=XNO&amount=1e3",
        "/get-estimate-reverse?from=KAS&to=XNO&amount=1",
    ] {
        assert_eq!(s.get(path).await.status, 400, "{path}");
    }
    assert_eq!(s.get("/check-pair?from=KAS&to=XNO").await.status, 404);
}

#[tokio::test]
async fn an_order_goes_from_waiting_to_completed_and_its_totals_are_true() {
    let s = Swap::new().await;
    let made = s.create("VVV-BASE", "5").await;
    assert_eq!((text(&made, "from"), text(&made, "fromNetwork")), ("vvv".into(), "base".into()));
    assert_eq!((text(&made, "to"), made.get("toNetwork")), ("XNO".into(), None));
    assert_eq!(text(&made, "payoutAddress"), s.to);
    let id = text(&made, "id");
    let expected = number(&made, "expectedAmountTo");
    assert_eq!(expected, "12.4375");
    assert_eq!(s.pay(&id, r#","stage":"seen""#).await, id);
    let seen = s.read(&id).await;
    assert_eq!((text(&seen, "status"), number(&seen, "amountFrom")), ("exchanging".into(), "5".into()));
    assert!(seen.get("amountTo").is_none_or(Json::is_null));
    assert!(s.w.sandbox.emulators().nanswap.send_out(&id));
    assert_eq!(s.status(&id).await, "sending");
    s.pay(&id, &format!(r#","stage":"confirmed","payment":"{id}""#)).await;
    let done = s.read(&id).await;
    assert_eq!((text(&done, "status"), number(&done, "amountTo")), ("completed".into(), "12.4250625".into()));
    assert!(!text(&done, "payoutHash").is_empty());
    let payment = s.payment(&id).await;
    for (name, value) in [
        ("id", id.as_str()),
        ("amount", "5"),
        ("stage", "confirmed"),
        ("confirmed", "5"),
        ("reversed", "0"),
        ("settled", "12.4250625"),
        ("settledTicker", "XNO"),
    ] {
        assert_eq!(text(&payment, name), value, "{name}");
    }
    let order = s.truth(&id).await;
    assert_eq!((text(&order, "ticker"), text(&order, "due")), ("VVV".into(), "5".into()));
    assert!(order.get("order").unwrap().is_null(), "it was never told our id");
}

#[tokio::test]
async fn a_payer_is_found_by_the_address_with_and_without_its_scheme() {
    let s = Swap::new().await;
    let made = s.create("KAS", "100").await;
    let address = text(&made, "payinAddress");
    let bare = address.strip_prefix("kaspa:").unwrap();
    s.pay(bare, r#","amount":"40""#).await;
    s.pay(&address, "").await;
    let read = s.read(&text(&made, "id")).await;
    assert_eq!((text(&read, "status"), number(&read, "amountFrom")), ("completed".into(), "100".into()));
}

#[tokio::test]
async fn scenarios() {
    let s = Swap::new().await;
    for (name, status, amount) in [
        ("partial", "completed", "50.00000001"),
        ("over", "completed", "150.00000002"),
        ("late", "completed", "100.00000001"),
    ] {
        let id = s.order("KAS", "100.00000001").await;
        assert_eq!(s.play(&id, name).await, 200, "{name}");
        let read = s.read(&id).await;
        assert_eq!(
            (text(&read, "status"), number(&read, "amountFrom")),
            (status.into(), amount.into()),
            "{name}"
        );
        assert_eq!(text(&s.payment(&id).await, "confirmed"), amount, "{name}");
    }
    let expired = s.order("KAS", "100").await;
    assert_eq!(s.play(&expired, "expire").await, 200);
    let read = s.read(&expired).await;
    assert_eq!(text(&read, "status"), "waiting", "there is no word for it");
    assert_eq!(text(&read, "validUntil"), "2026-07-25T17:19:58.000Z");
    s.pay(&expired, "").await;
    assert_eq!(s.status(&expired).await, "completed", "a late pay-in is swapped");
    assert_eq!(s.play(&expired, "expire").await, 400);
    assert_eq!(s.play(&expired, "fail").await, 400);

    let failed = s.order("KAS", "100").await;
    assert_eq!(s.play(&failed, "fail").await, 200);
    assert_eq!(s.status(&failed).await, "error");
    let payment = s.payment(&failed).await;
    assert_eq!((text(&payment, "stage"), text(&payment, "confirmed")), ("withdrawn".into(), "0".into()));
    assert_eq!(s.w.control("/nanswap/pay", &format!(r#"{{"ref":"{failed}"}}"#)).await.status, 400);

    let id = s.order("KAS", "100").await;
    for name in ["double", "reorg", "return", "refund", "refund_part", "dispute", "replace"] {
        assert_eq!(s.play(&id, name).await, 400, "{name}");
    }
    assert_eq!(s.status(&id).await, "waiting");
    assert_eq!(
        s.w.done("/nanswap/redeliver", &format!(r#"{{"ref":"{id}"}}"#)).await.compact(),
        r#"{"redelivered":0}"#
    );
}

#[tokio::test]
async fn the_window_is_held_and_told() {
    let s = Swap::new().await;
    let header = |reply: &Reply, name: &str| reply.headers[name].to_str().unwrap().to_owned();
    let first = s.get("/all-currencies").await;
    assert_eq!(header(&first, "ratelimit-limit"), "180");
    assert_eq!(
        (header(&first, "ratelimit-remaining"), header(&first, "ratelimit-reset")),
        ("179".into(), "60".into())
    );
    assert_eq!(header(&first, "date"), "Sat, 25 Jul 2026 17:20:00 GMT");
    for _ in 0..179 {
        assert_eq!(s.get("/get-limits?from=KAS&to=XNO").await.status, 200);
    }
    s.w.advance(20).await;
    let over = s.get("/all-currencies").await;
    assert_eq!(
        (over.status, header(&over, "ratelimit-remaining"), header(&over, "ratelimit-reset")),
        (429, "0".into(), "40".into())
    );
    assert_eq!(s.post(&s.body("KAS", "100", ""), Some(&s.key)).await.status, 429);
    assert_eq!(s.w.sandbox.emulators().nanswap.over_limit(), 2);
    s.w.advance(40).await;
    assert_eq!(s.get("/all-currencies").await.status, 200);
}

#[tokio::test]
async fn shapes_that_the_dossier_saw() {
    let s = Swap::new().await;
    let (mut statuses, mut validities) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let made = s.create("KAS", "100").await;
        statuses.push(made.get("status").is_some());
        validities.push(s.read(&text(&made, "id")).await.get("validUntil").is_some());
    }
    assert_eq!((statuses, validities), (vec![true, true, false, true], vec![true, true, true, false]));
    // Feeless pairs have ids of another form.
    let feeless = s.order("BAN", "100").await;
    let other = s.order("KAS", "100").await;
    assert_eq!((feeless.len(), other.len()), (11, 14));
    // The memo of the coin that needs one.
    let ton = s.create("TON", "2.5").await;
    assert_eq!(text(&ton, "payinExtraId").len(), 9);
    // Small figures are written with an exponent, long ones as the nearest double.
    let near = s.order("NEAR", "1.5").await;
    s.pay(&near, r#","amount":"0.0000001""#).await;
    assert_eq!(number(&s.read(&near).await, "amountFrom"), "1e-7");
    let long = s.order("BAN", "27.02702702702702702702702702703").await;
    s.pay(&long, "").await;
    assert_eq!(number(&s.read(&long).await, "amountFrom"), "27.027027027027028");
    assert_eq!(text(&s.payment(&long).await, "confirmed"), "27.02702702702702702702702702703");
}

#[tokio::test]
async fn a_pair_can_be_limited_and_an_answer_can_lie() {
    let s = Swap::new().await;
    s.w.sandbox.emulators().nanswap.set_limits("KAS", "10", "20.5");
    let limits = s.get("/get-limits?from=KAS&to=XNO").await.json();
    assert_eq!((number(&limits, "min"), number(&limits, "max")), ("10".into(), "20.5".into()));
    assert!(s.refused(&s.body("KAS", "21", "")).await.contains("maximum of 20.5"));
    s.w.done("/nanswap/faults", r#"{"wrong_payout":true}"#).await;
    assert_ne!(text(&s.create("KAS", "15").await, "payoutAddress"), s.to);
}

#[tokio::test]
async fn faults_can_strike_chosen_paths_only() {
    let s = Swap::new().await;
    s.w.done("/nanswap/faults", r#"{"error_rate":1,"only_paths":["/get-order"]}"#).await;
    assert_eq!(s.get("/all-currencies").await.status, 200);
    assert_eq!(s.get("/get-order?id=1").await.status, 500);
    s.w.done("/nanswap/faults", r#"{"error_rate":1}"#).await;
    assert_eq!(s.get("/all-currencies").await.status, 500);
}
