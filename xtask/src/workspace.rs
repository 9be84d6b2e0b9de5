//! Where the workspace is and what cargo says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run;

/// The folder of the root manifest.
pub(crate) fn root() -> PathBuf {
    // Set by `cargo run`; the value of build time serves a binary that is started by hand.
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map_or_else(|| here.clone(), Path::to_path_buf)
}

/// Where cargo builds for this workspace, whatever decides that.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let text = run::output(run::cargo(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&text).context("reading `cargo metadata`")?;
    let folder = metadata.get("target_directory").and_then(Value::as_str).context("no `target_directory`")?;
    Ok(PathBuf::from(folder))
}

/// A package of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Package {
    /// Feature -> what it turns on.
    pub(crate) features: BTreeMap<String, BTreeSet<String>>,
    /// Normal (not development, not build) dependencies that are packages of this workspace.
    pub(crate) ours: BTreeSet<String>,
    /// Names of optional normal dependencies.
    pub(crate) optional: BTreeSet<String>,
}

/// The workspace's packages by name.
pub(crate) fn packages() -> Result<BTreeMap<String, Package>> {
    let text = run::output(run::cargo(["metadata", "--format-version", "1", "--no-deps"]))?;
    parse(&text).context("reading `cargo metadata`")
}

fn parse(text: &str) -> Result<BTreeMap<String, Package>> {
    let metadata: Value = serde_json::from_str(text)?;
    let list = metadata.get("packages").and_then(Value::as_array).context("no `packages`")?;
    let mut packages = BTreeMap::new();
    for entry in list {
        let name = entry.get("name").and_then(Value::as_str).context("a package without `name`")?;
        let mut package = Package::default();
        for (feature, enables) in entry.get("features").and_then(Value::as_object).context("no `features`")? {
            let enables = enables.as_array().into_iter().flatten().filter_map(Value::as_str);
            package.features.insert(feature.clone(), enables.map(str::to_owned).collect());
        }
        for dependency in entry.get("dependencies").and_then(Value::as_array).context("no `dependencies`")? {
            if dependency.get("kind").is_some_and(|kind| !kind.is_null()) {
                continue;
            }
            let Some(on) = dependency.get("name").and_then(Value::as_str) else { continue };
            if dependency.get("path").is_some() {
                package.ours.insert(on.to_owned());
            }
            if dependency.get("optional").and_then(Value::as_bool).unwrap_or(false) {
                package.optional.insert(on.to_owned());
            }
        }
        packages.insert(name.to_owned(), package);
    }
    Ok(packages)
}

impl Package {
    /// Everything that a feature turns on, transitively, within this package.
    pub(crate) fn closure(&self, feature: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![feature.to_owned()];
        while let Some(name) = open.pop() {
            if let Some(enables) = self.features.get(&name) {
                open.extend(enables.iter().filter(|enabled| !found.contains(*enabled)).cloned());
            }
            found.insert(name);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_what_cargo_writes() {
        let packages = parse(
            r#"{"packages":[{"name":"a","features":{"default":["x"],"x":["dep:b"],"full":["default"]},"dependencies":[
                {"name":"b","kind":null,"optional":true,"path":"/b"},
                {"name":"c","kind":"dev","optional":false,"path":"/c"},
                {"name":"serde","kind":null,"optional":false}]}]}"#,
        )
        .unwrap();
        let a = &packages["a"];
        assert_eq!(a.ours.iter().collect::<Vec<_>>(), ["b"]);
        assert_eq!(a.optional.iter().collect::<Vec<_>>(), ["b"]);
        assert_eq!(a.closure("full").into_iter().collect::<Vec<_>>(), ["default", "dep:b", "full", "x"]);
    }
}
