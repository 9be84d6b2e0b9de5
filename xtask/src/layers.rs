//! Who may depend on whom within the workspace: arrows point downward only.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use crate::workspace::Package;

const CORE: &str = "deposit-core";
const TRANSPORT: &str = "deposit-transport";
const LIFECYCLE: &str = "deposit-lifecycle";
const RATES: &str = "deposit-rates";
const FACADE: &str = "deposit-facade";
const STORE: &str = "deposit-store";
const ENGINE: &str = "deposit-engine";
const SANDBOX: &str = "deposit-sandbox";
const CONFORMANCE: &str = "deposit-conformance";

/// What a crate may depend on (normal dependencies; tests may use more). A crate not named here is an adapter: it sees
/// the core and the transport alone, never another adapter, the store or the gateway.
fn allowed(name: &str, adapters: &BTreeSet<&str>) -> Option<BTreeSet<String>> {
    let own: &[&str] = match name {
        "deposit-core" => &[],
        "deposit-lifecycle" | "deposit-transport" | "deposit-sandbox" | "deposit-conformance" => &[CORE],
        "deposit-rates" => &[CORE, TRANSPORT],
        "deposit-facade" => &[CORE, LIFECYCLE, RATES],
        "deposit-store" => &[CORE, LIFECYCLE],
        "deposit-engine" => &[CORE, LIFECYCLE, RATES, FACADE, STORE],
        "deposit-gateway" => &[CORE, LIFECYCLE, RATES, FACADE, STORE, ENGINE, SANDBOX, TRANSPORT],
        "deposit-testkit" => &[CORE, TRANSPORT, SANDBOX, CONFORMANCE],
        "xtask" => &[SANDBOX, FACADE, CORE, LIFECYCLE, STORE],
        adapter if adapters.contains(adapter) => &[CORE, TRANSPORT],
        _ => return None,
    };
    let mut allowed: BTreeSet<String> = own.iter().map(|name| (*name).to_owned()).collect();
    if name == FACADE {
        allowed.extend(adapters.iter().map(|adapter| (*adapter).to_owned()));
    }
    Some(allowed)
}

/// Fails on the first crate that depends on one it may not know.
pub(crate) fn check(packages: &BTreeMap<String, Package>) -> Result<()> {
    let adapters: BTreeSet<&str> =
        packages.get(FACADE).into_iter().flat_map(|facade| &facade.optional).map(String::as_str).collect();
    for (name, package) in packages {
        let Some(allowed) = allowed(name, &adapters) else {
            bail!(
                "{name} is neither an adapter (an optional dependency of {FACADE}) nor listed in xtask/src/layers.rs"
            );
        };
        if let Some(on) = package.ours.iter().find(|on| !allowed.contains(*on)) {
            bail!("{name} must not depend on {on}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::check;
    use crate::workspace::Package;

    fn workspace(crates: &[(&str, &[&str])]) -> BTreeMap<String, Package> {
        crates
            .iter()
            .map(|(name, on)| {
                let ours = on.iter().map(|on| (*on).to_owned()).collect();
                let optional = if *name == "deposit-facade" {
                    ["deposit-btcpay".to_owned()].into()
                } else {
                    Default::default()
                };
                ((*name).to_owned(), Package { ours, optional, ..Package::default() })
            })
            .collect()
    }

    #[test]
    fn arrows_point_downward() {
        check(&workspace(&[
            ("deposit-core", &[]),
            ("deposit-btcpay", &["deposit-core", "deposit-transport"]),
            ("deposit-facade", &["deposit-core", "deposit-btcpay"]),
        ]))
        .unwrap();
        for (name, on) in [
            ("deposit-core", "deposit-lifecycle"),
            ("deposit-btcpay", "deposit-store"),
            ("deposit-store", "deposit-engine"),
            ("deposit-unknown", "deposit-core"),
        ] {
            let error =
                check(&workspace(&[("deposit-facade", &["deposit-core"]), (name, &[on])])).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
