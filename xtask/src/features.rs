//! `cargo xtask features`: the combinations that a user may pick, and what each of them compiles.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

use crate::run::{cargo, output, run, step};
use crate::workspace::{self, Package};
use crate::{layers, test};

const FACADE: &str = "deposit-facade";
const GATEWAY: &str = "deposit-gateway";

/// What may not be compiled for a user who turned no adapter on: HTTP, TLS, a runtime, a database.
const HEAVY: &[&str] =
    &["deposit-transport", "reqwest", "hyper", "axum", "rustls", "ring", "sqlx", "sqlx-core", "tokio"];

/// Of the libraries, these alone are built with none of [`HEAVY`]: the vocabulary and what computes with it.
const LIGHT: &[&str] = &["deposit-core", "deposit-lifecycle", "deposit-rates", FACADE];

/// One TLS stack, and only below the adapters.
const TLS: &[&str] = &["rustls", "ring", "reqwest", "hyper-rustls", "tokio-rustls"];

/// In no build at all: a second TLS stack or crypto provider.
const OTHER_TLS: &[&str] =
    &["native-tls", "openssl", "openssl-sys", "aws-lc-rs", "aws-lc-sys", "tokio-native-tls"];

/// Features of tokio that are a program's choice, never a library's.
const OF_PROGRAMS: &[&str] = &["full", "rt-multi-thread", "process", "signal", "test-util"];

/// What brings TLS to an adapter.
const TRANSPORT: &str = "deposit-transport";

/// Checks all combinations.
pub(crate) fn all() -> Result<()> {
    let packages = workspace::packages()?;
    step("layers", || layers::check(&packages))?;

    let facade = packages.get(FACADE).context("no package deposit-facade")?;
    let adapters = adapters(facade)?;
    step("features: declared", || declared(facade, &adapters))?;
    step("features: what is compiled", || {
        adapters_alone(facade, &adapters)?;
        light_libraries(&packages)
    })?;
    let names: Vec<&str> = adapters.iter().map(|(feature, _)| feature.as_str()).collect();
    for set in combinations(&names) {
        let features = set.join(",");
        let shown = if set.is_empty() { "none" } else { features.as_str() };
        step(&format!("features: {shown}"), || {
            run(cargo(["check", "-p", FACADE, "--no-default-features", "--features", &features]))?;
            // Each pair is built; none, each alone and all together are tested too.
            if set.len() == 2 && names.len() > 2 { Ok(()) } else { tests(&features) }
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
        refuse(&tree(GATEWAY, "")?, ["deposit-sandbox"], "without the feature `sandbox`")
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

/// None, each alone, each pair, and all together.
fn combinations<'a>(names: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut sets = vec![Vec::new()];
    sets.extend(names.iter().map(|name| vec![*name]));
    for (n, first) in names.iter().enumerate() {
        sets.extend(names.iter().skip(n + 1).map(|second| vec![*first, *second]));
    }
    if names.len() > 2 {
        sets.push(names.to_vec());
    }
    sets
}

/// The facade's unit and integration tests with these features.
fn tests(features: &str) -> Result<()> {
    let mut command = if test::nextest() { cargo(["nextest", "run"]) } else { cargo(["test", "--tests"]) };
    command.args(["-p", FACADE, "--no-default-features", "--features", features]);
    run(command)
}

/// Nothing of an adapter is compiled that was not asked for.
fn adapters_alone(facade: &Package, adapters: &[(String, String)]) -> Result<()> {
    let none = tree(FACADE, "")?;
    refuse(&none, HEAVY.iter().copied(), "without any feature")?;
    refuse(&none, facade.optional.iter().map(String::as_str), "without any feature")?;
    for (feature, package) in adapters {
        let tree = tree(FACADE, feature)?;
        ensure!(tree.contains_key(package), "feature `{feature}` does not compile {package}");
        let when = format!("with `{feature}` alone");
        let others = facade.optional.iter().filter(|other| *other != package);
        refuse(&tree, others.map(String::as_str), &when)?;
        // What another adapter alone brings along (a signature scheme, a websocket) stays away as well.
        let needed = self::tree(package, "")?;
        let beside: Vec<&str> = tree
            .keys()
            .filter(|p| !needed.contains_key(*p) && !none.contains_key(*p))
            .map(String::as_str)
            .collect();
        ensure!(
            beside.is_empty(),
            "compiled {when}, but neither the facade nor {package} needs it: {}",
            beside.join(", ")
        );
    }
    Ok(())
}

/// No library chooses a runtime for its user, none brings a second TLS stack, and only adapters bring the one there is.
fn light_libraries(packages: &BTreeMap<String, Package>) -> Result<()> {
    for (name, package) in packages {
        if name == GATEWAY || !name.starts_with("deposit-") {
            continue;
        }
        let tree = tree(name, "")?;
        let when = format!("for {name}");
        if LIGHT.contains(&name.as_str()) {
            refuse(&tree, HEAVY.iter().copied(), &when)?;
        }
        let speaks_tls = name == TRANSPORT || package.ours.contains(TRANSPORT);
        if !speaks_tls || LIGHT.contains(&name.as_str()) {
            refuse(&tree, TLS.iter().copied(), &when)?;
        }
        refuse(&tree, OTHER_TLS.iter().copied(), &when)?;
        let tokio = tree.get("tokio").cloned().unwrap_or_default();
        let found: Vec<&str> =
            OF_PROGRAMS.iter().copied().filter(|feature| tokio.contains(*feature)).collect();
        ensure!(
            found.is_empty(),
            "features of tokio {when} that are a program's choice: {}",
            found.join(", ")
        );
    }
    Ok(())
}

/// All packages that are compiled for `package` with these features alone, each with its own features.
fn tree(package: &str, features: &str) -> Result<Tree> {
    let mut args = vec!["tree", "-p", package, "--no-default-features", "-e", "normal"];
    args.extend(["--prefix", "none", "--no-dedupe", "--format", "{p}|{f}", "--features", features]);
    Ok(parse_tree(&output(cargo(args))?))
}

/// Package -> its features.
type Tree = BTreeMap<String, BTreeSet<String>>;

fn parse_tree(text: &str) -> Tree {
    let mut tree = Tree::new();
    for (package, features) in text.lines().filter_map(|line| line.rsplit_once('|')) {
        let Some(name) = package.split_whitespace().next() else { continue };
        let features = features.split(',').map(|f| f.trim_end_matches(" (*)").to_owned());
        tree.entry(name.to_owned()).or_default().extend(features.filter(|feature| !feature.is_empty()));
    }
    tree
}

fn refuse<'a>(tree: &Tree, names: impl IntoIterator<Item = &'a str>, when: &str) -> Result<()> {
    let found: Vec<&str> = names.into_iter().filter(|name| tree.contains_key(*name)).collect();
    ensure!(found.is_empty(), "compiled {when}, but should not be: {}", found.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{adapters, adapters_alone, combinations, declared, light_libraries, parse_tree, refuse};
    use crate::workspace::{self, Package};

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
        let tree = parse_tree("facade v0.1.0 (/f)|a,b\nserde v1.0.0|\nreqwest v0.1.0|x (*)\n");
        assert_eq!(tree["facade"].iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(tree["reqwest"].contains("x") && tree["serde"].is_empty());
        let error = refuse(&tree, ["reqwest", "hyper"], "here").unwrap_err().to_string();
        assert!(error.contains("reqwest") && !error.contains("hyper"), "{error}");
        refuse(&tree, ["hyper"], "here").unwrap();
    }

    #[test]
    fn alone_in_pairs_and_all_together() {
        assert_eq!(combinations(&["a"]), [vec![], vec!["a"]]);
        assert_eq!(combinations(&["a", "b"]), [vec![], vec!["a"], vec!["b"], vec!["a", "b"]]);
        let seven = combinations(&["a", "b", "c", "d", "e", "f", "g"]);
        assert_eq!(seven.iter().filter(|set| set.len() == 2).count(), 21);
        assert_eq!((seven.len(), seven.last().unwrap().len()), (1 + 7 + 21 + 1, 7));
    }

    #[test]
    fn nothing_is_compiled_that_was_not_asked_for() {
        let packages = workspace::packages().unwrap();
        let facade = &packages["deposit-facade"];
        adapters_alone(facade, &adapters(facade).unwrap()).unwrap();
    }

    #[test]
    fn libraries_choose_no_runtime_and_no_second_tls_stack() {
        light_libraries(&workspace::packages().unwrap()).unwrap();
    }
}
