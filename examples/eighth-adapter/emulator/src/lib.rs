//! AcornPay over real HTTP, in the process of a test: orders, payments, signed webhooks, and what can go wrong.
//!
//! Knows nothing of `deposit-*`: it is written from AcornPay's (invented) documents, so that it can prove an adapter wrong.
#![forbid(unsafe_code)]

mod book;
mod server;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use book::Book;
pub use book::{Order, Payment, PaymentStatus};

/// The merchant's key.
pub const API_KEY: &str = "ak_sample_oak_0001";
/// The merchant.
pub const MERCHANT: &str = "m_squirrel";
/// Signs webhooks.
pub const WEBHOOK_SECRET: &str = "whsec_sample_oak_0001";

/// What goes wrong, for every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed and no work is done.
    Down,
    /// 500, and no work is done.
    ServerError,
    /// A proxy's 502 with an HTML body, and no work is done.
    HtmlError,
    /// The work is done and the connection closed.
    LostAnswer,
    /// The work is done and answered after five seconds.
    Slow,
    /// 401.
    RejectKey,
    /// 429 with `Retry-After: 1`.
    RateLimited,
    /// The answer is followed by 16 MiB of white space.
    HugeBody,
    /// Strings of the answer are numbers.
    WrongTypes,
    /// Payments have a status that no document lists.
    UnknownPaymentWord,
    /// Orders have one.
    UnknownOrderWord,
}

/// A webhook on its way.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    pub(crate) order: String,
    pub(crate) body: String,
}

#[derive(Debug)]
pub(crate) struct World {
    book: Mutex<Book>,
    hooks: mpsc::UnboundedSender<Hook>,
    sent: tokio::sync::watch::Receiver<usize>,
}

impl World {
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the book and sends the events of it.
    pub(crate) fn change<T>(&self, work: impl FnOnce(&mut Book) -> T) -> T {
        let mut book = self.book();
        let done = work(&mut book);
        for hook in book.take_events() {
            // Nobody listens only while the emulator ends.
            _ = self.hooks.send(hook);
        }
        done
    }
}

/// A running AcornPay. Ends when it is dropped.
#[derive(Debug)]
pub struct Emulator {
    url: String,
    world: Arc<World>,
    tasks: Vec<JoinHandle<()>>,
}

impl Emulator {
    /// Listens at a free port of the loopback address; webhooks go to `webhook_url`, if there is one.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn start(webhook_url: Option<String>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (hooks, queue) = mpsc::unbounded_channel();
        let (count, sent) = tokio::sync::watch::channel(0);
        let world = Arc::new(World { book: Mutex::default(), hooks, sent });
        let tasks = vec![
            tokio::spawn(server::accept(listener, world.clone())),
            tokio::spawn(server::deliver(queue, webhook_url, count)),
        ];
        Ok(Self { url, world, tasks })
    }

    /// `http://ADDR`
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its time, Unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.world.book().now()
    }

    /// Moves its time.
    pub fn advance(&self, seconds: u32) {
        self.world.change(|book| book.advance(seconds));
    }

    /// From now on this fault alone.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.world.book().fault = fault;
    }

    /// Every order.
    #[must_use]
    pub fn orders(&self) -> Vec<Order> {
        self.world.book().orders.clone()
    }

    /// The order of this id or address.
    #[must_use]
    pub fn order(&self, reference: &str) -> Option<Order> {
        self.orders().into_iter().find(|order| order.id == reference || order.address == reference)
    }

    /// The payer sends so many nuts to the order of this id or address; `None`: what is due, or the order's amount where nothing
    /// is. Answers the payment's id; `None` where there is no such order.
    pub fn pay(&self, reference: &str, nuts: Option<u128>, status: PaymentStatus) -> Option<String> {
        self.world.change(|book| book.pay(reference, nuts, status))
    }

    /// What has become of a payment; `false` where there is none.
    pub fn set_payment(&self, payment: &str, status: PaymentStatus) -> bool {
        self.world.change(|book| book.set_payment(payment, status))
    }

    /// The time to pay is over; `false` where there is no such order.
    pub fn expire(&self, reference: &str) -> bool {
        self.world.change(|book| book.expire(reference))
    }

    /// AcornPay gives the order up; `false` where there is no such order.
    pub fn cancel(&self, reference: &str) -> bool {
        self.world.change(|book| book.cancel(reference))
    }

    /// Sends every webhook of an order again, with the same bytes.
    pub fn redeliver(&self, reference: &str) {
        self.world.change(|book| book.redeliver(reference));
    }

    /// Returns when every webhook was sent.
    pub async fn webhooks_idle(&self) {
        let wanted = self.world.book().published;
        let mut sent = self.world.sent.clone();
        // An error says that the task has ended: nothing is on its way then.
        _ = sent.wait_for(|sent| *sent >= wanted).await;
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// The signature of a webhook: HMAC-SHA256 of the body in hexadecimal.
#[must_use]
pub fn sign(body: &[u8], secret: &str) -> String {
    // Any length of key is fine for HMAC.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}
