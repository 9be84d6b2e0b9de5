//! The node's websocket: confirmations by push. It may drop any of them, so it only makes things faster.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use url::Url;

use crate::api::Frame;
use crate::book::Shared;
use crate::map;

/// Longest wait for a connection, and for the acknowledgement of a subscription.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the node is asked whether it is still there, and how long silence is borne.
const PING: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_secs(50);
/// Wait before the next try; doubled each time, up to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// How often is looked whether a push is still ahead of the node's answers.
const REMIND: Duration = Duration::from_millis(250);
/// Addresses in one frame.
const AT_ONCE: usize = 1_000;
const LARGEST_FRAME: usize = 1 << 20;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why a session ended; for the log.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("no connection: {0}")]
    Connect(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    #[error("the connection broke: {0}")]
    Broken(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    #[error("the connection was closed")]
    Closed,
    #[error("the node is silent")]
    Silent,
    #[error("the listener panicked")]
    Panicked,
}

/// Listens until the task is aborted.
pub(crate) async fn run(url: Url, shared: Arc<Shared>) {
    let mut wait = BACKOFF.0;
    loop {
        let mut subscribed = false;
        // A panic must not end the listening for good, silently.
        let session = AssertUnwindSafe(session(&url, &shared, &mut subscribed)).catch_unwind();
        let ended = session.await.unwrap_or(Err(Ended::Panicked));
        if subscribed {
            wait = BACKOFF.0;
        }
        if matches!(ended, Err(Ended::Panicked)) {
            tracing::error!("listening to the Nano node's websocket panicked: it begins anew");
        } else if let Err(ended) = ended {
            tracing::debug!(%ended, ?wait, "the Nano node's websocket is away");
        }
        sleep(wait).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
}

async fn say(socket: &mut Socket, frame: &serde_json::Value) -> Result<(), Ended> {
    let sent = timeout(PATIENCE, socket.send(Message::text(frame.to_string()))).await;
    sent.map_err(|_| Ended::Silent)?.map_err(|e| Ended::Broken(Box::new(e)))
}

async fn session(url: &Url, shared: &Shared, subscribed: &mut bool) -> Result<(), Ended> {
    let mut config = WebSocketConfig::default();
    (config.max_message_size, config.max_frame_size) = (Some(LARGEST_FRAME), Some(LARGEST_FRAME));
    let connected = timeout(PATIENCE, connect_async_with_config(url.as_str(), Some(config), true)).await;
    let (mut socket, _) = connected.map_err(|_| Ended::Silent)?.map_err(|e| Ended::Connect(Box::new(e)))?;

    let mut growth = shared.growth();
    growth.mark_unchanged();
    let all: Vec<String> = shared.addresses_after(0).iter().map(ToString::to_string).collect();
    let mut told = all.len();
    let mut parts = all.chunks(AT_ONCE);
    let options = json!({ "accounts": parts.next().unwrap_or_default() });
    let subscribe = json!({ "action": "subscribe", "topic": "confirmation", "ack": true, "id": "deposit", "options": options });
    say(&mut socket, &subscribe).await?;
    for part in parts {
        add(&mut socket, part).await?;
    }
    timeout(PATIENCE, acknowledged(&mut socket)).await.map_err(|_| Ended::Silent)??;
    *subscribed = true;
    // What came while nobody listened.
    shared.hint();

    let mut ping = interval(PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reminder = interval(REMIND);
    reminder.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            frame = timeout(SILENCE, socket.next()) => {
                let frame = frame.map_err(|_| Ended::Silent)?.ok_or(Ended::Closed)?;
                heard(shared, &frame.map_err(|e| Ended::Broken(Box::new(e)))?);
            }
            _ = ping.tick() => say(&mut socket, &json!({ "action": "ping" })).await?,
            _ = reminder.tick() => shared.remind(),
            // The sender lives as long as `shared`.
            _ = growth.changed() => {
                let new: Vec<String> = shared.addresses_after(told).iter().map(ToString::to_string).collect();
                told += new.len();
                for part in new.chunks(AT_ONCE) {
                    add(&mut socket, part).await?;
                }
            }
        }
    }
}

async fn add(socket: &mut Socket, accounts: &[String]) -> Result<(), Ended> {
    let update =
        json!({ "action": "update", "topic": "confirmation", "options": { "accounts_add": accounts } });
    say(socket, &update).await
}

async fn acknowledged(socket: &mut Socket) -> Result<(), Ended> {
    loop {
        let frame = socket.next().await.ok_or(Ended::Closed)?.map_err(|e| Ended::Broken(Box::new(e)))?;
        let ack = read(&frame).and_then(|frame| frame.ack);
        if ack.as_deref() == Some("subscribe") {
            return Ok(());
        }
    }
}

fn read(frame: &Message) -> Option<Frame> {
    frame.to_text().ok().and_then(|text| serde_json::from_str(text).ok())
}

/// A hint, if it is about a send to an address of ours.
fn heard(shared: &Shared, frame: &Message) {
    let Some(frame) = read(frame).filter(|frame| frame.topic.as_deref() == Some("confirmation")) else {
        return;
    };
    let Some(notice) = frame.message else { return };
    let to = map::notice_destination(&notice).ok().flatten();
    let Some(to) = to.filter(|to| shared.watches(to)) else { return };
    shared.hint_at_send(notice.hash, to);
}
