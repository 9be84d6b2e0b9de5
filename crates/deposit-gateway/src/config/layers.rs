//! The layers: file, emulators' sections, environment; `_file` values are read where they stand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::locate::{Origin, Sources};
use super::{Config, InvalidConfig, Loaded};

const PREFIX: &str = "DEPOSIT__";
const DEFAULT_FILE: &str = "deposit.toml";

/// Tables whose keys are tickers: upper case, and a hyphen where an environment name has an underscore.
const TICKER_TABLES: &[&[&str]] =
    &[&["limits"], &["rates", "static"], &["bonus"], &["providers", "btcpay", "method_ids"]];

/// Environment variables of this program.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of the process.
    #[must_use]
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .filter(|(name, _)| name.starts_with(PREFIX))
                .collect(),
        )
    }

    /// Given ones, for a test.
    pub fn of(variables: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

pub(super) fn read(
    file: Option<&Path>,
    sandbox: Option<&str>,
    environment: &Environment,
) -> Result<Loaded, InvalidConfig> {
    let path = file.map(Path::to_path_buf).or_else(|| {
        let default = PathBuf::from(DEFAULT_FILE);
        default.is_file().then_some(default)
    });
    let mut sources = Sources::default();
    let mut table = match path {
        Some(path) => {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| whole(Some(path.clone()), None, format!("cannot be read: {error}")))?;
            sources.file(path, text)?
        }
        None => Table::new(),
    };
    if let Some(sandbox) = sandbox {
        let over: Table = sandbox
            .parse()
            .map_err(|error| whole(None, None, format!("the emulators' configuration: {error}")))?;
        for (key, value) in over {
            // Whole sections: a half-real, half-emulated provider would be neither.
            table.insert(key, value);
        }
    }
    for (name, value) in &environment.0 {
        let path = key_path(name);
        put(&mut table, &path, Value::String(value.clone())).map_err(|rule| InvalidConfig {
            file: None,
            line: None,
            variable: Some(name.clone()),
            key: Some(path.join(".")),
            rule,
        })?;
        sources.variable(path.join("."), name.clone());
    }
    read_file_values(&mut table, &mut Vec::new(), &mut sources)?;
    let config = typed(table, &sources)?;
    Ok(Loaded { config, sources })
}

fn whole(file: Option<PathBuf>, line: Option<usize>, rule: String) -> InvalidConfig {
    InvalidConfig { file, line, variable: None, key: None, rule }
}

/// `DEPOSIT__PROVIDERS__BTCPAY__API_KEY` is `providers.btcpay.api_key`.
fn key_path(name: &str) -> Vec<String> {
    let parts: Vec<&str> = name.strip_prefix(PREFIX).unwrap_or(name).split("__").collect();
    let lower: Vec<String> = parts.iter().map(|part| part.to_lowercase()).collect();
    let is_ticker = |depth: usize| {
        TICKER_TABLES.iter().any(|table| {
            table.len() == depth
                && lower.get(..depth).is_some_and(|head| head.iter().zip(*table).all(|(a, b)| a == b))
        })
    };
    lower
        .iter()
        .enumerate()
        .map(|(depth, part)| {
            if is_ticker(depth) && part != "default" {
                part.to_uppercase().replace('_', "-")
            } else {
                part.clone()
            }
        })
        .collect()
}

fn put(table: &mut Table, path: &[String], value: Value) -> Result<(), String> {
    match path {
        [] => Err("names no key".to_owned()),
        [key] if key.is_empty() => Err("names no key".to_owned()),
        [key] => {
            table.insert(key.clone(), value);
            Ok(())
        }
        [key, rest @ ..] => match table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => put(inner, rest, value),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => Err(format!("`{key}` is a value and has no keys of its own")),
        },
    }
}

/// `api_key_file = "/run/secrets/x"` stands for `api_key`, for every key.
fn read_file_values(
    table: &mut Table,
    path: &mut Vec<String>,
    sources: &mut Sources,
) -> Result<(), InvalidConfig> {
    let keys: Vec<String> = table.keys().cloned().collect();
    for key in keys {
        path.push(key.clone());
        if let Some(Value::Table(inner)) = table.get_mut(&key) {
            read_file_values(inner, path, sources)?;
        } else if let (Some(plain), Some(Value::String(file))) = (key.strip_suffix("_file"), table.get(&key))
        {
            let here = path.join(".");
            if table.contains_key(plain) {
                return Err(sources.error_at(&here, format!("`{plain}` and `{key}` must not both be given")));
            }
            let text = std::fs::read_to_string(file)
                .map_err(|error| sources.error_at(&here, format!("the file cannot be read: {error}")))?;
            let plain = plain.to_owned();
            table.remove(&key);
            // The newline that every editor leaves at the end belongs to no value, nor does the byte order mark that some put in front. What else
            // belongs to no secret, `Secret` itself knows, wherever it comes from.
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text).trim_end_matches(['\r', '\n']);
            table.insert(plain.clone(), Value::String(text.to_owned()));
            let mut target = path.clone();
            target.pop();
            target.push(plain);
            sources.moved(target.join("."), here);
        }
        path.pop();
    }
    Ok(())
}

/// Reads the table into its types. An environment variable is text; where a number, truth value or list is wanted, it is read as TOML.
fn typed(mut table: Table, sources: &Sources) -> Result<Config, InvalidConfig> {
    let mut converted = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize::<_, Config>(table.clone()) {
            Ok(config) => return Ok(config),
            Err(error) => error,
        };
        let key = error.path().to_string();
        let from_environment = matches!(sources.origin(&key), Some(Origin::Variable(_)));
        if from_environment && !converted.contains(&key) {
            let path: Vec<String> = key.split('.').map(str::to_owned).collect();
            if let Some(value) = text_at(&table, &path).and_then(|text| as_toml(&text)) {
                converted.push(key.clone());
                if put(&mut table, &path, value).is_ok() {
                    continue;
                }
            }
        }
        return Err(sources.wrong(&key, error.inner().message()));
    }
}

fn text_at(table: &Table, path: &[String]) -> Option<String> {
    match path {
        [] => None,
        [key] => table.get(key)?.as_str().map(str::to_owned),
        [key, rest @ ..] => text_at(table.get(key)?.as_table()?, rest),
    }
}

fn as_toml(text: &str) -> Option<Value> {
    let table: Table = format!("v = {text}").parse().ok()?;
    table.get("v").cloned()
}
