//! Where a key stands, so that a mistake is named by key and line, or by variable.

use std::collections::BTreeMap;
use std::path::PathBuf;

use deposit_core::ConfigError;
use toml::Table;
use toml_edit::{Document, Item};

use super::InvalidConfig;

/// What a key's value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The environment variable of this name.
    Variable(String),
    /// Another key (`api_key_file` for `api_key`).
    Key(String),
}

#[derive(Debug, Default)]
pub(super) struct Sources {
    file: Option<(PathBuf, String)>,
    origins: BTreeMap<String, Origin>,
}

impl Sources {
    /// Takes a file in and parses it.
    pub(super) fn file(&mut self, path: PathBuf, text: String) -> Result<Table, InvalidConfig> {
        let parsed = text.parse::<Table>();
        let table = parsed.map_err(|error| InvalidConfig {
            line: error.span().map(|span| line_of(&text, span.start)),
            file: Some(path.clone()),
            variable: None,
            key: None,
            rule: error.message().to_owned(),
        })?;
        self.file = Some((path, text));
        Ok(table)
    }

    pub(super) fn variable(&mut self, key: String, name: String) {
        self.origins.insert(key, Origin::Variable(name));
    }

    pub(super) fn moved(&mut self, key: String, from: String) {
        self.origins.insert(key, Origin::Key(from));
    }

    pub(super) fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }

    /// What serde says of a key. An unknown field is reported at its table: the field itself is what a person looks for.
    pub(super) fn wrong(&self, key: &str, message: &str) -> InvalidConfig {
        let message = message.trim();
        let unknown = ["unknown field `", "missing field `"]
            .iter()
            .find_map(|what| message.strip_prefix(what)?.split('`').next());
        let at_root = key == "." || key.is_empty();
        let key = match unknown {
            Some(field) if at_root => field.to_owned(),
            Some(field) if !key.ends_with(&format!(".{field}")) && key != field => format!("{key}.{field}"),
            Some(_) | None => key.to_owned(),
        };
        self.error_at(&key, message.to_owned())
    }

    pub(super) fn explain(&self, error: ConfigError) -> InvalidConfig {
        self.error_at(&error.key, error.rule)
    }

    pub(super) fn error_at(&self, key: &str, rule: String) -> InvalidConfig {
        let mut stands_at = key;
        while let Some(origin) = self.origins.get(stands_at) {
            match origin {
                Origin::Variable(name) => {
                    let (variable, key) = (Some(name.clone()), Some(key.to_owned()));
                    return InvalidConfig { file: None, line: None, variable, key, rule };
                }
                Origin::Key(other) => stands_at = other,
            }
        }
        let (file, line) = match &self.file {
            Some((path, text)) => (Some(path.clone()), line_of_key(text, stands_at)),
            None => (None, None),
        };
        // A key that is in no file is one that is missing from all: the file is still where to look.
        InvalidConfig { file, line, variable: None, key: Some(key.to_owned()), rule }
    }
}

/// The line of the key, or of the nearest table around it.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let document = Document::parse(text).ok()?;
    let mut item: &Item = document.as_item();
    let mut line = None;
    for part in key.split('.') {
        let Some((found, inner)) = item.as_table_like().and_then(|table| table.get_key_value(part)) else {
            break;
        };
        if let Some(span) = found.span().or_else(|| inner.span()) {
            line = Some(line_of(text, span.start));
        }
        item = inner;
    }
    line
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
