//! The floors of the house: who may need whom.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

/// What each crate may need of ours, as the architecture page has it.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("twinhouse-core", &[]),
    ("twinhouse-auth", &["core"]),
    ("twinhouse-warehouse-api", &["core"]),
    ("twinhouse-databricks", &["warehouse-api", "auth", "core"]),
    ("twinhouse-redshift", &["warehouse-api", "auth", "core"]),
    ("twinhouse-delta", &["warehouse-api", "core"]),
    ("twinhouse-testkit", &["warehouse-api", "core"]),
    ("twinhouse-sandbox", &["warehouse-api", "core"]),
    ("twinhouse", &["core", "auth", "warehouse-api", "databricks", "redshift", "delta", "sandbox"]),
    // The program speaks of nothing but the facade, which re-exports what it needs.
    ("twinhouse-cli", &[""]),
];

/// What tests may need beside that: the test kit, for the crates that stand on the contract.
const ALSO_IN_TESTS: [(&str, &[&str]); 5] = [
    ("twinhouse-databricks", &["testkit"]),
    ("twinhouse-redshift", &["testkit"]),
    ("twinhouse-delta", &["testkit"]),
    ("twinhouse-sandbox", &["testkit"]),
    ("twinhouse", &["testkit", "sandbox"]),
];

/// These see everything.
const ABOVE: [&str; 2] = ["twinhouse-tests", "twinhouse-examples"];

fn packages() -> Vec<Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo answers JSON");
    metadata["packages"].as_array().cloned().unwrap_or_default()
}

fn full(short: &str) -> String {
    if short.is_empty() { "twinhouse".to_owned() } else { format!("twinhouse-{short}") }
}

fn look_up(table: &[(&str, &[&str])], package: &str) -> Option<Vec<String>> {
    table.iter().find(|(name, _)| *name == package).map(|(_, needs)| needs.iter().map(|n| full(n)).collect())
}

/// Each package with what it needs of ours: in the library, and in its tests only.
fn arrows() -> BTreeMap<String, Vec<(String, bool)>> {
    let mut arrows = BTreeMap::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap_or_default().to_owned();
        let needs = package["dependencies"].as_array().into_iter().flatten().filter_map(|dependency| {
            let needed = dependency["name"].as_str()?;
            let ours = needed == "twinhouse" || needed.starts_with("twinhouse-");
            ours.then(|| (needed.to_owned(), dependency["kind"] == "dev"))
        });
        arrows.insert(name, needs.collect());
    }
    arrows
}

#[test]
fn every_arrow_points_down() {
    let mut wrong = Vec::new();
    for (package, needs) in arrows() {
        if ABOVE.contains(&package.as_str()) {
            continue;
        }
        let allowed = look_up(&ALLOWED, &package).unwrap_or_else(|| panic!("{package} has no floor in this test"));
        let in_tests = look_up(&ALSO_IN_TESTS, &package).unwrap_or_default();
        for (needed, dev) in needs {
            if !(allowed.contains(&needed) || dev && in_tests.contains(&needed)) {
                wrong.push(format!("{package} -> {needed}{}", if dev { " (tests)" } else { "" }));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that the architecture does not have: {wrong:?}");
}

#[test]
fn the_sandbox_shares_nothing_with_the_clients() {
    let arrows = arrows();
    let needs = |package: &str| arrows.get(package).cloned().unwrap_or_default();
    assert!(!needs("twinhouse-sandbox").is_empty(), "the sandbox is gone");
    for client in ["twinhouse-databricks", "twinhouse-redshift", "twinhouse-auth"] {
        assert!(needs("twinhouse-sandbox").iter().all(|(needed, _)| needed != client), "the sandbox needs {client}");
        assert!(needs(client).iter().all(|(needed, _)| needed != "twinhouse-sandbox"), "{client} needs the sandbox");
    }
}

#[test]
fn one_version_of_arrow() {
    let lock = include_str!("../../Cargo.lock");
    let versions = lock.split("[[package]]").filter(|package| package.contains("name = \"arrow\"\n"));
    assert_eq!(versions.count(), 1, "batches of two Arrow versions do not fit together");
}
