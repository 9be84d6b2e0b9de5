//! What the operator's commands share: the store beside a running gateway, an engine on it that runs nothing in the background, and the
//! forms in which rows are printed.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use comfy_table::Table;
use deposit_core::{ProviderId, Timestamp};
use deposit_engine::{Clock as _, Engine, SystemClock};
use deposit_store::{SqliteStore, Store};

use super::{Global, load};

/// The store that the configuration names.
pub(super) async fn store(global: &Global) -> anyhow::Result<Arc<SqliteStore>> {
    let config = load(global, None)?.config;
    Ok(Arc::new(SqliteStore::open(&config.store.url).await?))
}

/// The store, and an engine with the configured providers. Nothing runs by itself, and no provider is asked unless a command asks it.
pub(super) async fn engine(global: &Global) -> anyhow::Result<(Arc<SqliteStore>, Engine)> {
    let built = load(global, None)?.build()?;
    let store = Arc::new(SqliteStore::open(&built.store_url).await?);
    let shared: Arc<dyn Store> = store.clone();
    let engine =
        Engine::new(shared, built.registry, Arc::new(built.rates), built.engine, Arc::new(SystemClock));
    Ok((store, engine))
}

/// Closes the store whatever came of the command, so that nothing is left to another process to finish.
pub(super) async fn closing(
    store: &SqliteStore,
    result: anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    store.close().await;
    result
}

pub(super) fn now() -> Timestamp {
    SystemClock.now()
}

/// An empty table with a header.
pub(super) fn table<'a>(header: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(super::TABLE).set_header(header);
    table
}

/// What is not there, in a table.
pub(super) fn dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

/// A provider that has to be configured.
pub(super) fn configured(engine: &Engine, wanted: ProviderId) -> anyhow::Result<()> {
    if engine.registry().provider(&wanted).is_some() {
        return Ok(());
    }
    let all: Vec<String> = engine.registry().providers().map(|p| p.id().to_string()).collect();
    let all = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
    bail!("no provider {wanted} is configured (configured: {all}); `deposit config check` says what is")
}

/// Who uses this program: as named, else as the system calls them.
pub(super) fn operator(named: Option<String>) -> String {
    named
        .or_else(|| ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok()))
        .filter(|name| !name.trim().is_empty())
        .unwrap_or_else(|| "operator".to_owned())
}

/// A point in time: `2026-03-04T09:30:00Z`, `2026-03-04` (UTC), or so long ago: `90m`, `24h`, `7d`, `2w`.
pub(super) fn since(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)];
    let ago = units.iter().find_map(|(unit, secs)| {
        let count: u32 = text.strip_suffix(*unit)?.parse().ok()?;
        i64::from(count).checked_mul(*secs)
    });
    if let Some(secs) = ago {
        return Ok(now.plus_secs(secs.saturating_neg()));
    }
    let whole = if text.len() == "2026-03-04".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let at: jiff::Timestamp = whole
        .parse()
        .map_err(|_| "no point in time: say 2026-03-04T09:30:00Z, 2026-03-04, 24h or 7d".to_owned())?;
    Ok(Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_are_read() {
        let now = Timestamp::from_secs(1_772_616_600);
        let at = |text: &str| since(text, now).map(Timestamp::secs).ok();
        assert_eq!(at("2026-03-04T09:30:00Z"), Some(1_772_616_600));
        assert_eq!(at("2026-03-04T10:30:00+01:00"), Some(1_772_616_600));
        assert_eq!(at("2026-03-04"), Some(1_772_582_400));
        assert_eq!(at("24h"), Some(1_772_616_600 - 86_400));
        assert_eq!(at("7d"), Some(1_772_616_600 - 7 * 86_400));
        assert_eq!(at("90m"), Some(1_772_616_600 - 5_400));
        for bad in ["", "d", "-1d", "yesterday", "7 d", "2026-13-01", "99999999999999999999d"] {
            assert!(at(bad).is_none(), "{bad}");
        }
    }
}
