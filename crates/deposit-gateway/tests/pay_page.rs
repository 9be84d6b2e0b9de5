//! The payment page and its QR code for every ticker, over real sockets, with every provider's emulator.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

mod common;
#[path = "common/scan.rs"]
mod scan;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use deposit_core::json::NumberText;
use deposit_core::{Ticker, plain_decimal};
use deposit_engine::SystemClock;
use deposit_gateway::gateway::Gateway;
use deposit_sandbox::{Sandbox, SandboxConfig};
use http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use common::{Reply, sandboxed};

/// Decimals that hold every ticker's amounts.
const FINEST: u8 = 30;

struct Shop {
    gateway: Gateway,
    sandbox: Sandbox,
    client: Client<HttpConnector, Full<Bytes>>,
    key: String,
    url: String,
    _folder: tempfile::TempDir,
}

impl Shop {
    /// A gateway with all providers.
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = sandboxed::store_url(folder.path());
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        let sections = format!(
            "{}{}[store]\nurl = {store:?}\n[create_rate_limit]\nrequests = 1000\n[poll]\nyoung_seconds = 1\n",
            sandbox.config_toml(),
            sandboxed::FREE_PORT
        );
        let tell = |url| sandbox.set_gateways(vec![url]);
        let gateway = sandboxed::start(&sections, Arc::new(SystemClock), tell).await;
        let url = format!("http://{}", gateway.address());
        let key = sandboxed::issue_key(&gateway, "ana").await;
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { gateway, sandbox, client, key, url, _folder: folder }
    }

    async fn send(&self, method: &str, url: &str, key: bool, body: String) -> Reply {
        let url = if url.starts_with('/') { format!("{}{url}", self.url) } else { url.to_owned() };
        let mut request = Request::builder().method(method).uri(url);
        if key {
            request = request.header("x-api-key", &self.key);
        }
        Reply::read(self.client.request(request.body(Full::from(body)).unwrap()).await.unwrap()).await
    }

    /// As a payer: without a key.
    async fn get(&self, url: &str) -> Reply {
        self.send("GET", url, false, String::new()).await
    }

    async fn api(&self, method: &str, path: &str, body: String) -> Value {
        let reply = self.send(method, path, true, body).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        serde_json::from_str(&reply.body).unwrap()
    }

    async fn create(&self, ticker: Ticker) -> (String, Value) {
        let limits =
            self.send("GET", &format!("/api/transaction/limits/{ticker}"), true, String::new()).await;
        #[derive(serde::Deserialize)]
        struct Limits {
            minimum: NumberText,
        }
        let limits: Limits = serde_json::from_str(&limits.body).unwrap();
        let amount = limits.minimum.decimal().to_minor(FINEST).unwrap() * 20;
        let amount = plain_decimal(amount, FINEST);
        let path = format!("/api/transaction/create/{ticker}");
        (amount.clone(), self.api("POST", &path, format!("{{\"amount\":{amount}}}")).await)
    }

    async fn control(&self, call: &str, body: Value) -> Value {
        let url = format!("{}{call}", self.sandbox.control_url());
        let reply = self.send("POST", &url, false, body.to_string()).await;
        assert_eq!(reply.status, 200, "{call}: {}", reply.body);
        serde_json::from_str(&reply.body).unwrap()
    }

    async fn wait_for(&self, ticker: &str, id: &str, status: &str) -> Value {
        let path = format!("/api/transaction/status/{ticker}/{id}");
        let mut last = String::new();
        for _ in 0..1200 {
            let reply = self.send("GET", &path, true, String::new()).await;
            if reply.status == 200 {
                let state: Value = serde_json::from_str(&reply.body).unwrap();
                if state["status"] == status {
                    return state;
                }
            }
            last = reply.body;
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{ticker} {id} is not {status}: {last}");
    }

    async fn close(self) {
        self.gateway.stop().await;
        self.sandbox.shutdown().await;
    }
}

fn parsed(page: &str) -> roxmltree::Document<'_> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
    roxmltree::Document::parse_with_options(page, options).unwrap_or_else(|e| panic!("{e}:\n{page}"))
}

/// A page that runs nothing, loads nothing from elsewhere, and sends nothing anywhere.
fn assert_harmless(reply: &Reply) {
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex, nofollow"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(reply.headers[name], value, "{name}");
    }
    let policy = reply.headers["content-security-policy"].to_str().unwrap();
    for part in [
        "default-src 'none'",
        "img-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let document = parsed(&reply.body);
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        let name = node.tag_name().name();
        let active = ["script", "link", "iframe", "object", "embed", "form", "base", "video", "audio", "svg"];
        assert!(!active.contains(&name), "<{name}>");
        for attribute in node.attributes() {
            let what = attribute.name();
            assert!(!what.starts_with("on") && what != "style" && what != "srcset", "{what}");
            assert!(what != "src" || attribute.value().ends_with("/qr.svg"), "{}", attribute.value());
            assert!(what != "src" || !attribute.value().contains(':'), "{}", attribute.value());
        }
    }
}

/// The value of a readonly field.
fn field(document: &roxmltree::Document<'_>, id: &str) -> Option<String> {
    let node = document.descendants().find(|node| node.attribute("id") == Some(id))?;
    assert!(node.has_attribute("readonly"));
    let named = document.descendants().any(|label| label.attribute("for") == Some(id));
    assert!(named, "no label for {id}");
    Some(node.attribute("value").or_else(|| node.text()).unwrap_or_default().to_owned())
}

fn href(document: &roxmltree::Document<'_>) -> Option<String> {
    document.descendants().find_map(|node| node.attribute("href").map(str::to_owned))
}

#[tokio::test]
async fn the_links_of_every_ticker_lead_somewhere() {
    let shop = Shop::open().await;
    for ticker in Ticker::KNOWN.iter().filter(|ticker| **ticker != Ticker::XNO) {
        let (amount, created) = shop.create(*ticker).await;
        let text = |name: &str| created[name].as_str().map(str::to_owned);
        let id = text("txId").unwrap();
        let page_url = format!("{}/pay/{id}", shop.url);
        assert_eq!(text("QRUrl"), Some(format!("{page_url}/qr.svg")), "{ticker}");
        let link = text("paymentLink").unwrap();

        let page = shop.get(&page_url).await;
        assert_eq!(page.status, 200, "{ticker}");
        assert_harmless(&page);
        let document = parsed(&page.body);
        let (shown, opened) = (field(&document, "address"), href(&document));
        assert_eq!(shown, text("address"), "{ticker}");
        assert_eq!(field(&document, "memo"), text("memo"), "{ticker}");
        if shown.is_some() {
            assert_eq!(field(&document, "amount"), Some(amount.clone()), "{ticker}");
        } else {
            assert!(page.body.contains(&format!("pay {amount} ")), "{ticker}: {amount}\n{}", page.body);
        }
        let ours = link == page_url;
        match (&shown, ours) {
            // A coin without a link: the address is all there is.
            (Some(_), true) => assert_eq!(opened, None, "{ticker}"),
            (None, true) => assert!(opened.as_ref().unwrap().starts_with("http"), "{ticker}"),
            (_, false) => assert_eq!(opened.as_ref(), Some(&link), "{ticker}"),
        }
        assert!(page.body.contains("http-equiv=\"refresh\""), "{ticker}");

        let qr = shop.get(&text("QRUrl").unwrap()).await;
        assert_eq!(qr.status, 200, "{ticker}");
        assert_eq!(qr.headers["content-type"], "image/svg+xml");
        assert_eq!(qr.headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
        let payload = match (opened, shown) {
            (Some(link), _) if *ticker == Ticker::BTC_LN => link.to_uppercase(),
            (Some(link), _) => link,
            (None, address) => address.unwrap(),
        };
        assert_eq!(scan::scanned(&qr.body), payload, "{ticker}");

        for path in [page_url, format!("/pay/{id}/qr.svg")] {
            let head = shop.send("HEAD", &path, false, String::new()).await;
            assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""), "{ticker}");
            let post = shop.send("POST", &path, false, String::new()).await;
            assert_eq!(post.status, 405, "{ticker}");
            assert_eq!(post.headers["allow"], "GET,HEAD");
        }
    }
    shop.close().await;
}

#[tokio::test]
async fn a_page_follows_its_payment() {
    let shop = Shop::open().await;
    for (ticker, provider) in [(Ticker::BTC, "btcpay"), (Ticker::USDC, "daimo"), (Ticker::EUR, "stripe")] {
        let (_, created) = shop.create(ticker).await;
        let id = created["txId"].as_str().unwrap();
        let reference = created["address"].as_str().unwrap_or(id);
        shop.control(&format!("/{provider}/pay"), json!({"ref": reference, "stage": "confirmed"})).await;
        shop.wait_for(ticker.as_str(), id, "Completed").await;
        let page = shop.get(&format!("/pay/{id}")).await;
        assert_harmless(&page);
        assert!(page.body.contains("<h1 class=\"good\">Payment completed</h1>"), "{}", page.body);
        for invitation in ["<a ", "<img ", "readonly", "http-equiv=\"refresh\""] {
            assert!(!page.body.contains(invitation), "{invitation} in\n{}", page.body);
        }
        // An image that somebody embedded does not break.
        assert_eq!(shop.get(&format!("/pay/{id}/qr.svg")).await.status, 200);
    }
    // Paid in part: the page, its link and its code ask for the rest.
    let (amount, created) = shop.create(Ticker::BTC).await;
    let id = created["txId"].as_str().unwrap();
    shop.control("/btcpay/scenario", json!({"ref": id, "name": "partial"})).await;
    let state = shop.wait_for("BTC", id, "Pending").await;
    let minor = |text: &str| text.parse::<NumberText>().unwrap().decimal().to_minor(8).unwrap();
    let rest = plain_decimal(minor(&amount) - minor(&state["paidAmountCrypto"].to_string()), 8);
    let page = shop.get(&format!("/pay/{id}")).await;
    let document = parsed(&page.body);
    assert_eq!(field(&document, "amount"), Some(rest.clone()));
    let link = format!("bitcoin:{}?amount={rest}", created["address"].as_str().unwrap());
    assert_eq!(href(&document), Some(link.clone()));
    assert_eq!(scan::scanned(&shop.get(&format!("/pay/{id}/qr.svg")).await.body), link);
    shop.close().await;
}

#[tokio::test]
async fn a_payment_to_the_standing_address_has_a_page() {
    let shop = Shop::open().await;
    let balance = shop.api("POST", "/api/check-balance", String::new()).await;
    let address = balance["nanoDepositAddress"].as_str().unwrap().to_owned();
    let order = json!({"ref": address, "stage": "confirmed", "amount": "1.5", "ticker": "XNO"});
    let paid = shop.control("/nano/pay", order).await;
    let state = shop.wait_for("XNO", paid["payment"].as_str().unwrap(), "Completed").await;
    let id = state["txId"].as_str().unwrap();
    let page = shop.get(&format!("/pay/{id}")).await;
    assert_eq!(page.status, 200);
    assert_harmless(&page);
    assert!(page.body.contains("<dd>1.5 XNO</dd>") && page.body.contains(&address), "{}", page.body);
    let qr = shop.get(&format!("/pay/{id}/qr.svg")).await;
    assert_eq!(scan::scanned(&qr.body), format!("nano:{address}"));
    // Its block's hash is known to everybody, and is no key to the page.
    assert_eq!(shop.get(&format!("/pay/{}", paid["payment"].as_str().unwrap())).await.status, 404);
    shop.close().await;
}

#[tokio::test]
async fn what_is_not_known_is_a_page_too() {
    let shop = Shop::open().await;
    let (_, created) = shop.create(Ticker::USDC).await;
    let (id, payment) = (created["txId"].as_str().unwrap(), created["paymentId"].as_str().unwrap());
    let long = "a".repeat(3000);
    let swapped: String = id
        .chars()
        .map(|c| if c.is_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() })
        .collect();
    for unknown in [
        "x",
        "Jq4vT9mZxK2cRw7LbYd3Hp",
        "..%2f..%2fetc%2fpasswd%2f",
        "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "%ff%fe%00%0d%0aSet-Cookie:x",
        "'%20OR%20''='",
        payment,
        &swapped,
        &long,
    ] {
        for path in [format!("/pay/{unknown}"), format!("/pay/{unknown}/qr.svg")] {
            let reply = shop.get(&path).await;
            assert_eq!(reply.status, 404, "{path}");
            assert_harmless(&reply);
            assert!(reply.body.contains("<h1>Payment not found</h1>"), "{}", reply.body);
            assert!(!reply.headers.contains_key("set-cookie"));
        }
    }
    // No such page: the API's own 404.
    for path in ["/pay", "/pay/", &format!("/pay/{id}/qr.png"), &format!("/pay/{id}/")] {
        let reply = shop.get(path).await;
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(reply.headers["content-type"], "application/json");
    }
    shop.close().await;
}
