//! `deposit config check`.

use std::process::ExitCode;

use deposit_core::Ticker;
use deposit_engine::{ProviderCheck, check_providers};
use deposit_facade::RouteError;
use serde_json::json;

use super::{Global, load, online, print};

pub(super) async fn run(global: &Global, online: bool, json: bool) -> anyhow::Result<ExitCode> {
    let built = load(global, None).and_then(|loaded| Ok(loaded.build()?));
    let built = match built {
        Ok(built) => built,
        Err(error) => {
            if json {
                print::line(json!({ "ok": false, "error": format!("{error:#}") }))?;
            } else {
                print::error(format_args!("deposit: {error:#}"));
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    let providers: Vec<String> = built.registry.providers().map(|p| p.id().to_string()).collect();
    let tickers: Vec<String> = built.registry.tickers().map(|t| t.to_string()).collect();
    let off: Vec<String> = Ticker::KNOWN
        .iter()
        .filter(|t| matches!(built.registry.route(t), Err(RouteError::Unavailable { .. })))
        .map(Ticker::to_string)
        .collect();
    let sources: Vec<&str> = built.rates.source_names().collect();
    let found = if online {
        let context = online::context(&built.server.public_url, built.server.listen);
        Some(check_providers(&built.registry, &context).await)
    } else {
        None
    };
    let wrong = found.iter().flatten().any(ProviderCheck::is_wrong);
    if json {
        let mut line = json!({
            "ok": !wrong, "listen": built.server.listen.to_string(), "store": store_kind(&built.store_url),
            "providers": providers, "tickers": tickers, "off": off, "rateSources": sources,
        });
        if let (Some(found), Some(line)) = (&found, line.as_object_mut()) {
            line.insert("online".to_owned(), online::object(found).into());
        }
        print::line(line)?;
    } else {
        print::line(format_args!("listen        {}", built.server.listen))?;
        print::line(format_args!("store         {}", store_kind(&built.store_url)))?;
        print::line(format_args!("providers     {}", listed(&providers)))?;
        print::line(format_args!("tickers       {}", listed(&tickers)))?;
        print::line(format_args!("switched off  {}", listed(&off)))?;
        print::line(format_args!("rate sources  {}", sources.join(", ")))?;
        if let Some(found) = &found {
            online::show(found)?;
        }
        if !wrong {
            print::line("nothing is wrong")?;
        }
    }
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A database URL may hold a password: only its kind and path are shown.
fn store_kind(url: &str) -> String {
    match url.split_once("://") {
        Some(("sqlite", path)) => format!("sqlite {path}"),
        Some((kind, _)) => kind.to_owned(),
        None => "?".to_owned(),
    }
}

fn listed(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}
