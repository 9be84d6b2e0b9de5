//! The RPC: one JSON object with an `action`, in the words of either implementation.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use super::args::{Args, Refusal};
use super::blocks::Dialect;
use super::codec::Id;
use super::ledger::{Block, Given, Kind, LEDGER_THRESHOLD};
use super::state::{Nano, State};
use super::{answers, codec};
use crate::control_error::json_response;
use crate::emulator::Emulator as _;
use crate::json::Json;

type Answer = Result<Json, Refusal>;

/// `POST /nano`
pub(super) async fn node(
    Extract(node): Extract<Arc<Nano>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !node.lets_in(&headers) {
        return node.unauthorized();
    }
    let mut state = node.state();
    let dialect = state.dialect;
    let answer = read(&method, &body).and_then(|body| {
        let args = Args { body: &body, dialect };
        let action = args.text("action")?.unwrap_or_default();
        act(&node, &mut state, &action, &args)
    });
    answer.map_or_else(|refusal| refusal.response(dialect), |body| json_response(StatusCode::OK, &body))
}

/// `POST /nano/work`: a work server needs no permission.
pub(super) async fn work_server(method: Method, body: Bytes) -> Response {
    let answer = read(&method, &body).and_then(|body| {
        let args = Args { body: &body, dialect: Dialect::Cpp };
        match args.text("action")?.as_deref() {
            Some("work_generate") => work_generate(&args, Dialect::Cpp),
            _ => Err(Refusal::unprocessable("Unknown command")),
        }
    });
    answer.map_or_else(|refusal| refusal.response(Dialect::Cpp), |body| json_response(StatusCode::OK, &body))
}

fn read(method: &Method, body: &[u8]) -> Result<Json, Refusal> {
    if method != Method::POST {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(Refusal::Request { error: "Can only POST requests", status });
    }
    match Json::parse(body) {
        Ok(json @ Json::Object(_)) => Ok(json),
        Ok(_) | Err(_) => {
            let status = StatusCode::BAD_REQUEST;
            Err(Refusal::Request { error: "Unable to parse JSON", status })
        }
    }
}

fn act(node: &Nano, state: &mut State, action: &str, args: &Args<'_>) -> Answer {
    let faults = node.context.faults.get();
    let behind = faults.not_synchronized;
    let dialect = state.dialect;
    match action {
        forbidden if state.forbidden.iter().any(|other| other == forbidden) => {
            Err(Refusal::unprocessable("Unknown command"))
        }
        "version" => Ok(answers::version(dialect)),
        "block_count" => Ok(answers::block_count(&state.ledger, behind)),
        "receivable" => answers::receivable(&state.ledger, args, dialect, behind),
        "accounts_receivable" => answers::accounts_receivable(&state.ledger, args, dialect, behind),
        "account_info" => answers::account_info(&state.ledger, args),
        "account_balance" => {
            let account = args.account("account")?;
            answers::balance(&state.ledger, &account, args).map(Json::object)
        }
        "accounts_balances" => answers::accounts_balances(&state.ledger, args, dialect),
        "accounts_frontiers" => Ok(answers::accounts_frontiers(&state.ledger, args, dialect)),
        "account_history" => answers::account_history(&state.ledger, args, dialect),
        "block_info" => {
            let hash = args.hash("hash", "Invalid block hash")?;
            let block = known(state, &hash, behind).ok_or(Refusal::Error("Block not found"))?;
            answers::block_info(block, args, dialect, faults.unknown_words)
        }
        "blocks_info" => {
            answers::blocks_info(|hash| known(state, hash, behind), args, dialect, faults.unknown_words)
        }
        "process" => process(node, state, args),
        "work_generate" if !state.control => Err(Refusal::Error("RPC control is disabled")),
        "work_generate" => work_generate(args, dialect),
        "block_confirm" => {
            let hash = args.hash("hash", "Invalid block hash")?;
            let block = known(state, &hash, behind).ok_or(Refusal::Error("Block not found"))?;
            if block.confirmed {
                node.tell(state, &hash);
            }
            Ok(Json::object([("started", "1".into())]))
        }
        "confirmation_quorum" => Ok(answers::quorum(behind)),
        _ => Err(Refusal::unprocessable("Unknown command")),
    }
}

/// A node that is behind does not know what was paid lately.
fn known<'a>(state: &'a State, hash: &Id, behind: bool) -> Option<&'a Block> {
    let block = state.ledger.block(hash)?;
    (!behind || !state.payments.iter().any(|p| p.hash == *hash)).then_some(block)
}

fn process(node: &Nano, state: &mut State, args: &Args<'_>) -> Answer {
    let inline = args.flag("json_block", false)?;
    let invalid = || Refusal::Error("Block is invalid");
    let block = match args.body.get("block") {
        Some(block @ Json::Object(_)) if inline => block.clone(),
        Some(Json::Text(text)) if !inline => Json::parse(text.as_bytes()).map_err(|_| invalid())?,
        _ => return Err(invalid()),
    };
    let given = given(&block).ok_or_else(invalid)?;
    if let Some(subtype) = args.text("subtype")? {
        state.ledger.check_subtype(&given, &subtype).map_err(Refusal::Error)?;
    }
    let hash = state.ledger.process(given, node.now()).map_err(Refusal::Error)?;
    if let Some(sent) = state.ledger.block(&hash).filter(|b| b.kind == Kind::Send) {
        let payment =
            super::state::Payment { to: sent.given.link, hash, raw: sent.amount, seen_at: node.now() };
        state.payments.push(payment);
    }
    if state.ledger.stands(&hash) {
        node.cement(state, &hash);
    }
    if args.flag("async", false)? {
        return Ok(Json::object([("started", "1".into())]));
    }
    Ok(Json::object([("hash", Json::text(codec::upper(&hash)))]))
}

fn given(block: &Json) -> Option<Given> {
    let text = |name: &str| block.get(name).and_then(Json::as_text);
    if text("type")? != "state" {
        return None;
    }
    let mut signature = [0; 64];
    hex::decode_to_slice(text("signature")?, &mut signature).ok()?;
    let link = match text("link") {
        Some(link) => codec::id_of(link).or_else(|| codec::key_of(link))?,
        None => codec::key_of(text("link_as_account")?)?,
    };
    let work = text("work").filter(|w| w.len() <= 16)?;
    Some(Given {
        account: codec::key_of(text("account")?)?,
        previous: codec::id_of(text("previous")?)?,
        representative: codec::key_of(text("representative")?)?,
        balance: text("balance")?.parse().ok()?,
        link,
        signature,
        work: u64::from_str_radix(work, 16).ok()?,
    })
}

fn work_generate(args: &Args<'_>, dialect: Dialect) -> Answer {
    let root = args.hash("hash", "Bad block hash")?;
    let asked = args.text("difficulty")?;
    if asked.is_some() && dialect == Dialect::RsNano {
        return Err(Refusal::unprocessable("unknown field `difficulty`"));
    }
    let threshold = match asked {
        Some(text) => u64::from_str_radix(&text, 16).map_err(|_| Refusal::Error("Bad difficulty"))?,
        None => LEDGER_THRESHOLD,
    };
    // More than a thousandth of a second's work belongs to no emulator.
    if threshold > 0xfff0_0000_0000_0000 {
        return Err(Refusal::Error("Difficulty out of range"));
    }
    let work = codec::find_work(&root, threshold);
    let value = codec::work_value(work, &root);
    let (work, difficulty) = match dialect {
        Dialect::Cpp => (format!("{work:016x}"), format!("{value:016x}")),
        Dialect::RsNano => (format!("{work:016X}"), value.to_string()),
    };
    Ok(Json::object([
        ("work", Json::text(work)),
        ("difficulty", Json::text(difficulty)),
        ("multiplier", "1".into()),
        ("hash", Json::text(codec::upper(&root))),
    ]))
}
