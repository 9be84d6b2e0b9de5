//! `cargo xtask new-adapter NAME`: everything that a further adapter of this workspace needs, as files that compile and as lines in the files
//! that list adapters. Where the author has to write something, the adapter answers `Unsupported`, and says where.

mod edit;
mod trial;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::run::run;
use crate::workspace;

pub(crate) use trial::trial;

/// Files that list adapters.
const ROOT: &str = "Cargo.toml";
const FACADE: &str = "crates/deposit-facade/Cargo.toml";
const TABLE: &str = "crates/deposit-facade/src/adapters.rs";
const SANDBOX: &str = "crates/deposit-sandbox/src/lib.rs";
const EMULATORS: &str = "crates/deposit-sandbox/src/emulators.rs";

/// Where each template goes; `@name@` and its like are replaced in path and text.
const TEMPLATES: &[(&str, &str)] = &[
    ("crates/deposit-@name@/Cargo.toml", include_str!("../templates/adapter/Cargo.toml")),
    ("crates/deposit-@name@/README.md", include_str!("../templates/adapter/README.md")),
    ("crates/deposit-@name@/src/lib.rs", include_str!("../templates/adapter/src/lib.rs")),
    ("crates/deposit-@name@/src/config.rs", include_str!("../templates/adapter/src/config.rs")),
    ("crates/deposit-@name@/src/api.rs", include_str!("../templates/adapter/src/api.rs")),
    ("crates/deposit-@name@/src/client.rs", include_str!("../templates/adapter/src/client.rs")),
    ("crates/deposit-@name@/src/map.rs", include_str!("../templates/adapter/src/map.rs")),
    ("crates/deposit-@name@/src/provider.rs", include_str!("../templates/adapter/src/provider.rs")),
    ("crates/deposit-@name@/src/error.rs", include_str!("../templates/adapter/src/error.rs")),
    ("crates/deposit-@name@/src/webhook.rs", include_str!("../templates/adapter/src/webhook.rs")),
    ("crates/deposit-@name@/tests/conformance.rs", include_str!("../templates/adapter/tests/conformance.rs")),
    ("crates/deposit-sandbox/src/@name@/mod.rs", include_str!("../templates/adapter/emulator.rs")),
    ("fixtures/@name@/README.md", include_str!("../templates/adapter/fixtures.md")),
];

/// A name that can be a crate, a module, a feature, a configuration section and a `ProviderId`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name<'a>(&'a str);

impl<'a> Name<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Self> {
        let fine = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            && (2..=16).contains(&text.len());
        ensure!(fine, "`{text}` is no adapter name: 2-16 of a-z and 0-9, a letter first");
        // Reserved words that the rule above lets through, and features that mean something else.
        let reserved = [
            "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
            "default", "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "full", "gen",
            "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv",
            "pub", "ref", "return", "self", "static", "struct", "super", "test", "trait", "true", "try",
            "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
        ];
        ensure!(!reserved.contains(&text), "`{text}` means something else already");
        Ok(Self(text))
    }

    fn text(self) -> &'a str {
        self.0
    }

    /// The type's name.
    fn kind(self) -> String {
        let mut chars = self.0.chars();
        chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
    }

    fn fill(self, template: &str) -> String {
        template
            .replace("@name@", self.0)
            .replace("@Name@", &self.kind())
            .replace("@TICKER@", &self.0.to_ascii_uppercase())
    }
}

/// What is to be written: (path from the root, text).
pub(crate) type Files = Vec<(String, String)>;

/// All files of a new adapter, new ones and edited ones. `read` gives the text of a file that is there. Nothing is written.
fn plan(name: Name<'_>, read: impl Fn(&str) -> Result<Option<String>>) -> Result<(Files, Files)> {
    let taken = |path: String| Ok::<_, anyhow::Error>((read(&path)?.is_some(), path));
    let n = name.text();
    // A crate of another sort (`deposit-core`) counts, and a module of the sandbox (`clock`).
    for path in [
        format!("crates/deposit-{n}/Cargo.toml"),
        format!("crates/deposit-sandbox/src/{n}.rs"),
        format!("crates/deposit-sandbox/src/{n}/mod.rs"),
    ] {
        if let (true, path) = taken(path)? {
            bail!("`{n}` exists already: {path}");
        }
    }
    let there = |path: &str| read(path)?.with_context(|| format!("{path} is missing"));
    let edited = |path: &str, edit: fn(&str, Name<'_>) -> Result<String>| {
        let text = edit(&there(path)?, name).with_context(|| path.to_owned())?;
        Ok::<_, anyhow::Error>((path.to_owned(), text))
    };
    let edits = vec![
        edited(ROOT, edit::root)?,
        edited(FACADE, edit::facade)?,
        edited(TABLE, edit::table)?,
        edited(SANDBOX, edit::sandbox)?,
        edited(EMULATORS, edit::emulators)?,
    ];
    let new = TEMPLATES.iter().map(|(path, text)| (name.fill(path), name.fill(text))).collect();
    Ok((new, edits))
}

/// Writes all of it under `root`, formatted.
fn write(root: &Path, name: Name<'_>) -> Result<(Files, Files)> {
    let read = |path: &str| {
        let file = root.join(path);
        if file.is_file() {
            fs::read_to_string(&file).map(Some).with_context(|| path.to_owned())
        } else {
            Ok(None)
        }
    };
    let (new, edits) = plan(name, read)?;
    for (path, text) in new.iter().chain(&edits) {
        let file = root.join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        }
        fs::write(&file, text).with_context(|| format!("writing {path}"))?;
    }
    // The names make lines longer or shorter than the templates' are.
    let mut rustfmt = std::process::Command::new("rustfmt");
    rustfmt.args(["--edition", "2024"]).current_dir(root);
    // A file names the modules below it, which are formatted along.
    rustfmt.args(new.iter().chain(&edits).map(|(path, _)| path).filter(|path| path.ends_with(".rs")));
    run(rustfmt)?;
    Ok((new, edits))
}

/// Writes a new adapter into the workspace and says what is next.
pub(crate) fn new_adapter(name: &str) -> Result<()> {
    let name = Name::new(name)?;
    let (new, edits) = write(&workspace::root(), name)?;
    for (path, _) in &new {
        println!("new      {path}");
    }
    for (path, _) in &edits {
        println!("changed  {path}");
    }
    println!("{}", name.fill(NEXT));
    Ok(())
}

const NEXT: &str = "\nIt compiles, and its behaviour suite fails with what is to be written:
  cargo check -p deposit-@name@ -p deposit-sandbox -p deposit-facade --features deposit-facade/@name@
  cargo test -p deposit-@name@
Next:
  1. the emulator, from the provider's documents: crates/deposit-sandbox/src/@name@/
  2. wire types and requests: api.rs and client.rs; then words and amounts: map.rs; then the signature: webhook.rs
  3. capabilities and tickers as they are: provider.rs; what the provider cannot have: `cannot` in tests/conformance.rs
  4. a script that records fixtures: xtask/src/bin/fixtures/@name@.rs, and snapshot tests over fixtures/@name@/
  5. decisions and losses that no code can see: README.md of the crate; the tables in the root's README.md and ARCHITECTURE.md
  6. cargo xtask features; cargo xtask ci";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Name, plan};
    use crate::workspace;

    fn read(path: &str) -> anyhow::Result<Option<String>> {
        Ok(fs::read_to_string(workspace::root().join(path)).ok())
    }

    #[test]
    fn names_are_checked() {
        for good in ["acorn", "pay2", "ab", "abcdefghijklmnop"] {
            Name::new(good).unwrap();
        }
        for bad in [
            "",
            "a",
            "Acorn",
            "a-b",
            "a_b",
            "2pay",
            "../x",
            "abcdefghijklmnopq",
            "full",
            "default",
            "match",
            "é",
            "a b",
        ] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
        assert_eq!(Name::new("acorn").unwrap().kind(), "Acorn");
    }

    #[test]
    fn what_exists_is_refused() {
        for there in ["btcpay", "core", "sandbox", "clock", "faults"] {
            let error = plan(Name::new(there).unwrap(), read).unwrap_err().to_string();
            assert!(error.contains("exists already"), "{error}");
        }
    }

    /// Against the files of today: an edit whose place has moved away fails here and not in an author's hands.
    #[test]
    fn every_list_gets_its_lines() {
        let (new, edits) = plan(Name::new("zzacorn").unwrap(), read).unwrap();
        for (path, text) in new.iter().chain(&edits) {
            for mark in ["@name@", "@Name@", "@TICKER@"] {
                assert!(!path.contains(mark) && !text.contains(mark), "{path}");
            }
            for word in ["todo!", "unimplemented!", "TODO", "FIXME", "#[ignore"] {
                assert!(!text.contains(word), "{path}: {word}");
            }
        }
        let edited = |path: &str| &edits.iter().find(|(p, _)| p == path).unwrap().1;
        let has = |path: &str, line: &str| {
            assert!(edited(path).lines().any(|l| l.trim() == line), "{path}: {line}\n{}", edited(path));
        };
        has("Cargo.toml", r#"deposit-zzacorn = { path = "crates/deposit-zzacorn" }"#);
        let facade = "crates/deposit-facade/Cargo.toml";
        has(facade, "deposit-zzacorn = { workspace = true, optional = true }");
        has(facade, r#"zzacorn = ["dep:deposit-zzacorn"]"#);
        let full = edited(facade).split_once("full = [").unwrap().1.split_once(']').unwrap().0.to_owned();
        assert!(full.contains("\"btcpay\"") && full.contains("\"zzacorn\""), "{full}");
        has("crates/deposit-facade/src/adapters.rs", r#"zzacorn = "zzacorn" => deposit_zzacorn;"#);
        has("crates/deposit-sandbox/src/lib.rs", "pub mod zzacorn;");
        has("crates/deposit-sandbox/src/emulators.rs", r#"zzacorn: Zzacorn, "Zzacorn.";"#);
        // And nothing is lost: the list `full` is the one line that changed.
        for (path, text) in &edits {
            for line in read(path).unwrap().unwrap().lines().filter(|line| !line.starts_with("full = ")) {
                assert!(text.lines().any(|kept| kept == line), "{path} lost {line}");
            }
        }
    }
}
