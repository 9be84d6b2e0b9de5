//! Requests, and what a refusal means.

use std::time::Duration;

use deposit_core::{ConfigError, ErrorKind, Operation, ProviderError, Secret};
use deposit_transport::{HttpClient, HttpConfig, Method, Request, Safety, StatusCode};
use serde_json::value::RawValue;
use url::Url;

use crate::api::{self, ApiError, FieldError};
use crate::config::Checked;
use crate::error::{ID, error};

/// Invoices of a page of those with one of our ids; without `take` the whole store would come.
const LOOK_UP_TAKE: &str = "50";
/// More pages than this for one of our ids there cannot be.
const LOOK_UP_PAGES: usize = 20;

/// Invoices of a page of a batch: more than a batch has orders, so that one page is nearly always all. (200 took a real server 68 ms.)
pub(crate) const LIST_TAKE: usize = 150;

#[derive(Debug)]
pub(crate) struct Client {
    http: HttpClient,
    base_url: Url,
    api_key: Secret,
    store_id: String,
}

impl Client {
    pub(crate) fn new(config: &Checked, http: HttpConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            http: HttpClient::new(ID, http)?,
            base_url: config.base_url.clone(),
            api_key: config.api_key.clone(),
            store_id: config.store_id.clone(),
        })
    }

    /// The store-scoped paths: they work on every version, and name the store that a refusal is about.
    fn request(&self, operation: Operation, safety: Safety, method: Method, path: &[&str]) -> Request<'_> {
        let mut url = self.base_url.clone();
        // Cannot fail: the base is http or https.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1", "stores", &self.store_id]).extend(path);
        }
        self.http
            .request(operation, safety, method, url)
            .secret_header("authorization", "token ", &self.api_key)
            .header("accept", "application/json")
    }

    fn get(&self, operation: Operation, path: &[&str]) -> Request<'_> {
        self.request(operation, Safety::Idempotent, Method::GET, path).refine(refusal_of_read)
    }

    /// A read of a check, by its path from `api/v1` on. A right that is missing is no refused key.
    pub(crate) fn look(&self, path: &[&str]) -> Request<'_> {
        let mut url = self.base_url.clone();
        // Cannot fail: the base is http or https.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        self.http
            .request(Operation::Check, Safety::Idempotent, Method::GET, url)
            .refine(refusal_of_look)
            .secret_header("authorization", "token ", &self.api_key)
            .header("accept", "application/json")
    }

    pub(crate) fn store_id(&self) -> &str {
        &self.store_id
    }

    /// Time for all of a create or a look-up. What follows a create has half of it per request, so that a call of `open` and a
    /// look-up before it end within a caller's lease of twice this and a margin.
    pub(crate) fn patience(&self) -> Duration {
        self.http.config().timeout
    }

    pub(crate) async fn create(&self, body: &api::CreateInvoice<'_>) -> Result<api::Invoice, ProviderError> {
        self.request(Operation::Open, Safety::Once, Method::POST, &["invoices"])
            .refine(refusal_of_create)
            .deadline(self.patience())
            .json(body)
            .send()
            .await?
            .json()
    }

    pub(crate) async fn invoice(
        &self,
        operation: Operation,
        id: &str,
    ) -> Result<api::Invoice, ProviderError> {
        self.get(operation, &["invoices", id]).send().await?.json()
    }

    /// With the payments that turned invalid: without the parameter they are hidden.
    pub(crate) async fn payment_methods(
        &self,
        operation: Operation,
        id: &str,
    ) -> Result<Vec<api::PaymentMethod>, ProviderError> {
        let request =
            self.get(operation, &["invoices", id, "payment-methods"]).query("onlyAccountedPayments", "false");
        let request =
            if operation == Operation::Open { request.deadline(self.patience() / 2) } else { request };
        request.send().await?.json()
    }

    /// All invoices with this order id, newest first. Asked on until nothing more comes: what a cut answer leaves out would be opened once more.
    pub(crate) async fn by_order_id(&self, order_id: &str) -> Result<Vec<api::Invoice>, ProviderError> {
        let mut all: Vec<api::Invoice> = Vec::new();
        for _ in 0..LOOK_UP_PAGES {
            let request = self
                .get(Operation::LookUp, &["invoices"])
                .query("orderId", order_id)
                .query("includeArchived", "true")
                .query("take", LOOK_UP_TAKE);
            let request =
                if all.is_empty() { request } else { request.query("skip", &all.len().to_string()) };
            let page: Vec<api::Invoice> = request.send().await?.json()?;
            // Nothing new: the end, or a server that knows no `skip`.
            let known = all.len();
            for invoice in page {
                if !all.iter().any(|other| other.id == invoice.id) {
                    all.push(invoice);
                }
            }
            if all.len() == known {
                return Ok(all);
            }
        }
        Err(error(Operation::LookUp, ErrorKind::Protocol))
    }

    /// A page of all invoices of the store, newest first, archived ones and their payments too, each as its own text.
    pub(crate) async fn page_of_all(
        &self,
        skip: usize,
        take: usize,
    ) -> Result<Vec<Box<RawValue>>, ProviderError> {
        self.get(Operation::Scan, &["invoices"])
            .query("includeArchived", "true")
            .query("includePaymentMethods", "true")
            .query("skip", &skip.to_string())
            .query("take", &take.to_string())
            .send()
            .await?
            .json()
    }

    /// A page of the invoices of these order ids, archived ones too, each with its payment methods and their payments, and each as its own
    /// text: one that cannot be read spoils no other. Payments that turned invalid are not listed.
    pub(crate) async fn listed(
        &self,
        order_ids: &[&str],
        skip: usize,
    ) -> Result<Vec<Box<RawValue>>, ProviderError> {
        let request = self
            .get(Operation::Read, &["invoices"])
            .query("includeArchived", "true")
            .query("includePaymentMethods", "true")
            .query("skip", &skip.to_string())
            .query("take", &LIST_TAKE.to_string());
        order_ids.iter().fold(request, |request, id| request.query("orderId", id)).send().await?.json()
    }

    /// The unspent outputs of a method's wallet, each as its own text.
    pub(crate) async fn outputs(
        &self,
        operation: Operation,
        method: &str,
    ) -> Result<Vec<Box<RawValue>>, ProviderError> {
        self.wallet(operation, &["payment-methods", method, "wallet", "utxos"]).send().await?.json()
    }

    /// One transaction of a method's wallet.
    pub(crate) async fn transaction(
        &self,
        operation: Operation,
        method: &str,
        hash: &str,
    ) -> Result<api::Transaction, ProviderError> {
        let path = ["payment-methods", method, "wallet", "transactions", hash];
        self.wallet(operation, &path).send().await?.json()
    }

    fn wallet(&self, operation: Operation, path: &[&str]) -> Request<'_> {
        self.request(operation, Safety::Idempotent, Method::GET, path).refine(refusal_of_wallet)
    }

    /// Closes an invoice that cannot be paid. Best effort: it expires anyway, and nobody was shown it.
    pub(crate) async fn mark_invalid(&self, operation: Operation, id: &str) {
        let marked = self
            .request(operation, Safety::Idempotent, Method::POST, &["invoices", id, "status"])
            .deadline(self.patience() / 2)
            .json(&api::Mark { status: "Invalid" })
            .send()
            .await;
        if let Err(error) = marked {
            tracing::warn!(%error, "an invoice without a usable payment method could not be marked invalid");
        }
    }

    pub(crate) async fn rates(&self, pairs: &[String]) -> Result<Vec<api::Rate>, ProviderError> {
        let request = self.get(Operation::Rates, &["rates"]);
        pairs.iter().fold(request, |request, pair| request.query("currencyPair", pair)).send().await?.json()
    }
}

/// A 404 with the API's own code is an unknown invoice; any other is a wrong path: the base URL, or a proxy's idea.
fn refusal_of_read(status: StatusCode, body: &[u8]) -> Option<ErrorKind> {
    let known =
        || serde_json::from_slice::<ApiError>(body).is_ok_and(|error| error.code.ends_with("-not-found"));
    (status == StatusCode::NOT_FOUND && !known()).then_some(ErrorKind::Configuration)
}

/// The right is optional, and not every method has a wallet.
fn refusal_of_wallet(status: StatusCode, _: &[u8]) -> Option<ErrorKind> {
    match status {
        StatusCode::FORBIDDEN => Some(ErrorKind::Rejected("no_right")),
        StatusCode::NOT_FOUND => Some(ErrorKind::Rejected("no_wallet")),
        _ => None,
    }
}

fn refusal_of_look(status: StatusCode, body: &[u8]) -> Option<ErrorKind> {
    match status {
        StatusCode::FORBIDDEN => Some(ErrorKind::Rejected("no_right")),
        _ => refusal_of_read(status, body),
    }
}

/// Dossier, section 2. The message of a 400 is log text and is not read.
fn refusal_of_create(status: StatusCode, body: &[u8]) -> Option<ErrorKind> {
    match status {
        // No payment method was left: no wallet, no node, or under the dust limit.
        StatusCode::BAD_REQUEST => Some(ErrorKind::Rejected("method_missing")),
        StatusCode::UNPROCESSABLE_ENTITY => {
            let errors: Vec<FieldError> = serde_json::from_slice(body).ok()?;
            let path = errors.first()?.path.to_ascii_lowercase();
            Some(match path.as_str() {
                path if path.starts_with("checkout.paymentmethods") => ErrorKind::Rejected("method_unknown"),
                path if path.starts_with("amount") => ErrorKind::Rejected("amount_refused"),
                _ => ErrorKind::Rejected("invalid_request"),
            })
        }
        StatusCode::NOT_FOUND => Some(ErrorKind::Configuration),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_a_create() {
        let refuse =
            |status, body: &str| refusal_of_create(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        let log = r#"{"code":"generic-error","message":"Error retrieving a matching payment method or rate.\n..."}"#;
        assert_eq!(refuse(400, log), Some(ErrorKind::Rejected("method_missing")));
        let field = |path: &str| format!(r#"[{{"path":"{path}","message":"Invalid PaymentMethodId"}}]"#);
        for (path, word) in [
            ("Checkout.PaymentMethods[0]", "method_unknown"),
            ("checkout.paymentMethods[0]", "method_unknown"),
            ("Amount", "amount_refused"),
            ("checkout.expirationMinutes", "invalid_request"),
        ] {
            assert_eq!(refuse(422, &field(path)), Some(ErrorKind::Rejected(word)), "{path}");
        }
        assert_eq!(refuse(422, "<html>"), None);
        assert_eq!(refuse(422, "[]"), None);
        assert_eq!(refuse(404, ""), Some(ErrorKind::Configuration));
        assert_eq!(refuse(403, ""), None);
    }

    #[test]
    fn only_the_api_itself_says_that_an_invoice_is_unknown() {
        let refuse =
            |status, body: &str| refusal_of_read(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        assert_eq!(
            refuse(404, r#"{"code":"invoice-not-found","message":"The invoice was not found"}"#),
            None
        );
        assert_eq!(refuse(404, "<html>not found</html>"), Some(ErrorKind::Configuration));
        assert_eq!(refuse(404, ""), Some(ErrorKind::Configuration));
        assert_eq!(refuse(403, ""), None);
    }
}
