//! What `cargo xtask fixtures` recorded of one provider.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The fixtures of one provider.
#[derive(Debug, Clone, Copy)]
pub struct Recorded(pub &'static str);

/// A request and its answer, or a delivery. Text in, text out: no figure passes through a `Value`.
#[derive(Debug, Deserialize)]
pub struct Exchange {
    /// The request, or the delivery, as it was recorded.
    #[serde(default)]
    pub request: Option<Box<RawValue>>,
    /// What was answered; a delivery has none.
    pub response: Option<Answer>,
}

/// The answer of an [`Exchange`].
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body as it came.
    pub body: Box<RawValue>,
}

impl Recorded {
    fn folder(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(self.0)
    }

    fn file(self, name: &str) -> PathBuf {
        self.folder().join(format!("{name}.json"))
    }

    /// Whether there is one of this name.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        self.file(name).exists()
    }

    /// One file, by its name without `.json`.
    #[must_use]
    pub fn exchange(self, name: &str) -> Exchange {
        let text = std::fs::read_to_string(self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The request, or the delivery, in the shape that this adapter's requests have.
    #[must_use]
    pub fn request<T: DeserializeOwned>(self, name: &str) -> T {
        let request = self.exchange(name).request.unwrap_or_else(|| panic!("{name}: no request"));
        serde_json::from_str(request.get()).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The answer, whatever its status.
    #[must_use]
    pub fn answer(self, name: &str) -> Answer {
        self.exchange(name).response.unwrap_or_else(|| panic!("{name}: no answer"))
    }

    /// The body of an answer of 200.
    #[must_use]
    pub fn body(self, name: &str) -> String {
        let answer = self.answer(name);
        assert_eq!(answer.status, 200, "{name}");
        answer.body.get().to_owned()
    }

    /// The same, read.
    #[must_use]
    pub fn parsed<T: DeserializeOwned>(self, name: &str) -> T {
        serde_json::from_str(&self.body(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names that begin like this, in order.
    #[must_use]
    pub fn names(self, prefix: &str) -> Vec<String> {
        let mut names = self.all();
        names.retain(|name| name.starts_with(prefix));
        names
    }

    /// All names, in order.
    #[must_use]
    pub fn all(self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder()).expect("a folder of fixtures");
        let name = |file: std::io::Result<std::fs::DirEntry>| {
            Some(file.expect("a file").file_name().to_str()?.strip_suffix(".json")?.to_owned())
        };
        let mut names: Vec<_> = files.filter_map(name).collect();
        names.sort();
        names
    }
}
