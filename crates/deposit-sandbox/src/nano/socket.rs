//! The websocket: topic `confirmation`, with the account filter.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::broadcast;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::codec;
use super::codec::Id;
use super::notice::{Notice, millis};
use super::state::Nano;
use crate::emulator::Context;
use crate::faults::WebhookMode;
use crate::json::Json;

/// The handshake; what follows runs in a task of its own until either side has enough.
pub(super) async fn connect(State(node): State<Arc<Nano>>, mut request: Request) -> Response {
    let asked = |name: header::HeaderName, word: &str| {
        let value = request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let (Some(accept), true, true) =
        (key, asked(header::UPGRADE, "websocket"), asked(header::CONNECTION, "upgrade"))
    else {
        return (StatusCode::UPGRADE_REQUIRED, "WebSocket only").into_response();
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let (notices, context) = (node.notices.subscribe(), node.context.clone());
    tokio::spawn(async move {
        if let Ok(connection) = upgrade.await {
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(connection), Role::Server, None).await;
            serve(socket, notices, context).await;
        }
    });
    let headers = [
        (header::CONNECTION, "Upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
}

/// What a client asked for.
#[derive(Debug, Default)]
struct Subscription {
    on: bool,
    /// `None`: everything.
    accounts: Option<BTreeSet<Id>>,
}

impl Subscription {
    fn wants(&self, about: &[Id; 2]) -> bool {
        self.on && self.accounts.as_ref().is_none_or(|accounts| about.iter().any(|id| accounts.contains(id)))
    }

    /// Answers what is sent back.
    fn handle(&mut self, frame: &Json, now: i64) -> Option<Json> {
        let action = frame.get("action").and_then(Json::as_text)?;
        let confirmation = frame.get("topic").and_then(Json::as_text) == Some("confirmation");
        let options = frame.get("options");
        match action {
            "ping" => return Some(Json::object([("ack", "pong".into()), ("time", Json::text(millis(now)))])),
            "subscribe" if confirmation => {
                self.on = true;
                // Options that select nothing select nothing.
                self.accounts = options.map(|options| keys(options, "accounts"));
            }
            "update" if confirmation => {
                if let (Some(accounts), Some(options)) = (&mut self.accounts, options) {
                    accounts.extend(keys(options, "accounts_add"));
                    for key in keys(options, "accounts_del") {
                        accounts.remove(&key);
                    }
                }
            }
            "unsubscribe" if confirmation => *self = Self::default(),
            _ => return None,
        }
        let wanted = matches!(frame.get("ack"), Some(Json::Bool(true)))
            || frame.get("ack").and_then(Json::as_text) == Some("true");
        let mut ack = vec![("ack", Json::text(action)), ("time", Json::text(millis(now)))];
        ack.extend(frame.get("id").map(|id| ("id", id.clone())));
        wanted.then(|| Json::object(ack))
    }
}

fn keys(options: &Json, name: &str) -> BTreeSet<Id> {
    let items = options.get(name).map(Json::items).unwrap_or_default();
    items.iter().filter_map(|item| codec::key_of(item.as_text()?)).collect()
}

async fn serve(
    mut socket: WebSocketStream<TokioIo<Upgraded>>,
    mut notices: broadcast::Receiver<Notice>,
    context: Arc<Context>,
) {
    let mut subscription = Subscription::default();
    let mut look = tokio::time::interval(Duration::from_millis(100));
    loop {
        let out = tokio::select! {
            frame = socket.next() => {
                let Some(Ok(frame)) = frame else { return };
                if frame.is_close() {
                    return;
                }
                let read = frame.to_text().ok().and_then(|text| Json::parse(text.as_bytes()).ok());
                read.and_then(|frame| subscription.handle(&frame, context.clock.now()))
                    .map(|answer| answer.compact())
                    .into_iter()
                    .collect::<Vec<_>>()
            }
            notice = notices.recv() => match notice {
                Ok(Notice::Confirmed { about, text }) if subscription.wants(&about) => {
                    match context.faults.get().webhooks {
                        WebhookMode::Lost => vec![],
                        WebhookMode::Duplicated => vec![text.to_string(); 2],
                        WebhookMode::Normal | WebhookMode::Reordered => vec![text.to_string()],
                    }
                }
                Ok(Notice::Confirmed { .. }) | Err(broadcast::error::RecvError::Lagged(_)) => vec![],
                Ok(Notice::Cut) | Err(broadcast::error::RecvError::Closed) => return,
            },
            // A node that is down has no connections.
            _ = look.tick() => {
                if context.faults.get().down {
                    return;
                }
                vec![]
            }
        };
        for text in out {
            if socket.send(Message::text(text)).await.is_err() {
                return;
            }
        }
    }
}
