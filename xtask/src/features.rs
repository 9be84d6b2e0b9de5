//! `cargo xtask features`: the combinations that a user may pick, and what each of them compiles.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};

use crate::run::{cargo, output, run, step};
use crate::workspace::{self, Package};
use crate::{layers, test};

const FACADE: &str = "deposit-facade";
const GATEWAY: &str = "deposit-gateway";

/// What may not be compiled for a user who turned no adapter on: HTTP, TLS, a runtime, a database.
const HEAVY: &[&str] =
    &["deposit-transport", "reqwest", "hyper", "axum", "rustls", "ring", "sqlx", "sqlx-core", "tokio"];

/// Checks all combinations.
pub(crate) fn all() -> Result<()> {
    let packages = workspace::packages()?;
    step("layers", || layers::check(&packages))?;

    let facade = packages.get(FACADE).context("no package deposit-facade")?;
    let adapters = adapters(facade)?;
    step("features: declared", || declared(facade, &adapters))?;
    step("features: none", || {
        run(cargo(["check", "-p", FACADE, "--no-default-features"]))?;
        let tree = tree(FACADE, None)?;
        refuse(&tree, HEAVY.iter().copied(), "without any feature")?;
        refuse(&tree, facade.optional.iter().map(String::as_str), "without any feature")
    })?;
    for (feature, package) in &adapters {
        step(&format!("features: {feature}"), || {
            run(cargo(["check", "-p", FACADE, "--no-default-features", "--features", feature]))?;
            let tree = tree(FACADE, Some(feature))?;
            ensure!(tree.contains(package), "feature `{feature}` does not compile {package}");
            let others = facade.optional.iter().filter(|other| *other != package);
            refuse(&tree, others.map(String::as_str), &format!("with `{feature}` alone"))
        })?;
    }
    step("features: full", || {
        run(cargo(["check", "-p", FACADE, "--no-default-features", "--features", "full"]))
    })?;

    let gateway = packages.get(GATEWAY).context("no package deposit-gateway")?;
    step("features: gateway", || {
        ensure!(
            !gateway.closure("default").contains(test::CRASH_FEATURE),
            "`{}` must not be a default feature: it would reach a release build",
            test::CRASH_FEATURE
        );
        run(cargo(["check", "-p", GATEWAY, "--no-default-features"]))?;
        refuse(&tree(GATEWAY, None)?, ["deposit-sandbox"], "without the feature `sandbox`")
    })
}

/// Feature and package of each adapter: the features that turn one optional package of ours on.
fn adapters(facade: &Package) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for (feature, enables) in &facade.features {
        if let Some(package) = enables.iter().find_map(|enabled| enabled.strip_prefix("dep:")) {
            ensure!(package == format!("deposit-{feature}"), "feature `{feature}` turns on `{package}`");
            found.push((feature.clone(), package.to_owned()));
        }
    }
    if found.is_empty() {
        bail!("{FACADE} has no adapter feature");
    }
    Ok(found)
}

/// Nothing is on by default, `full` is all adapters, and every optional dependency has its feature.
fn declared(facade: &Package, adapters: &[(String, String)]) -> Result<()> {
    let default = facade.closure("default");
    ensure!(default.len() == 1, "{FACADE} turns something on by default: {default:?}");
    let full = facade.closure("full");
    let mut without: BTreeSet<&str> = facade.optional.iter().map(String::as_str).collect();
    for (feature, package) in adapters {
        ensure!(full.contains(feature), "`full` lacks `{feature}`");
        without.remove(package.as_str());
    }
    ensure!(without.is_empty(), "optional dependencies without a feature of their own: {without:?}");
    Ok(())
}

/// Names of all packages that are compiled for `package` with that feature alone.
fn tree(package: &str, feature: Option<&str>) -> Result<BTreeSet<String>> {
    let mut args = vec!["tree", "-p", package, "--no-default-features", "-e", "normal"];
    args.extend(["--prefix", "none", "--no-dedupe", "--format", "{p}"]);
    if let Some(feature) = feature {
        args.extend(["--features", feature]);
    }
    let text = output(cargo(args))?;
    Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

fn refuse<'a>(tree: &BTreeSet<String>, names: impl IntoIterator<Item = &'a str>, when: &str) -> Result<()> {
    let found: Vec<&str> = names.into_iter().filter(|name| tree.contains(*name)).collect();
    ensure!(found.is_empty(), "compiled {when}, but should not be: {}", found.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{adapters, declared, refuse};
    use crate::workspace::Package;

    fn facade(features: &[(&str, &[&str])], optional: &[&str]) -> Package {
        Package {
            features: features
                .iter()
                .map(|(name, enables)| {
                    ((*name).to_owned(), enables.iter().map(|e| (*e).to_owned()).collect())
                })
                .collect(),
            optional: optional.iter().map(|name| (*name).to_owned()).collect(),
            ours: BTreeSet::new(),
        }
    }

    #[test]
    fn declarations_are_checked() {
        let good: &[(&str, &[&str])] =
            &[("default", &[]), ("a", &["dep:deposit-a"]), ("b", &["dep:deposit-b"]), ("full", &["a", "b"])];
        let package = facade(good, &["deposit-a", "deposit-b"]);
        declared(&package, &adapters(&package).unwrap()).unwrap();

        let on_by_default: &[(&str, &[&str])] =
            &[("default", &["a"]), ("a", &["dep:deposit-a"]), ("full", &["a"])];
        let package = facade(on_by_default, &["deposit-a"]);
        assert!(declared(&package, &adapters(&package).unwrap()).is_err());

        let not_full: &[(&str, &[&str])] =
            &[("default", &[]), ("a", &["dep:deposit-a"]), ("b", &["dep:deposit-b"]), ("full", &["a"])];
        let package = facade(not_full, &["deposit-a", "deposit-b"]);
        assert!(declared(&package, &adapters(&package).unwrap()).is_err());

        let package = facade(&[("default", &[]), ("a", &["dep:deposit-b"])], &["deposit-b"]);
        assert!(adapters(&package).is_err());
    }

    #[test]
    fn a_forbidden_package_is_named() {
        let tree = BTreeSet::from(["serde".to_owned(), "reqwest".to_owned()]);
        let error = refuse(&tree, ["reqwest", "hyper"], "here").unwrap_err().to_string();
        assert!(error.contains("reqwest") && !error.contains("hyper"), "{error}");
        refuse(&tree, ["hyper"], "here").unwrap();
    }
}
