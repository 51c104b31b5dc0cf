//! The arrows between the crates, held against `cargo metadata`.
//!
//! A crate may use only those of ours that stand in its row of `ALLOWED`, and a pure crate may not
//! reach a socket, a TLS stack or a runtime through any chain of dependencies. It checks manifests,
//! not code: an unused dependency is as wrong here as a used one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, PackageId};

/// Which crates of ours each crate may depend on, for the product, its build and its tests alike.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("nearway-admin", &["nearway-route", "nearway-telemetry"]),
    ("nearway-route", &[]),
    ("nearway-wire", &[]),
    ("nearway-affinity", &["nearway-route", "nearway-wire"]),
    ("nearway-sim", &["nearway-wire"]),
    ("nearway-telemetry", &[]),
    ("nearway-config", &["nearway-route", "nearway-wire"]),
    ("nearway-upstream", &["nearway-wire", "nearway-telemetry"]),
    ("nearway-probe", &["nearway-route", "nearway-wire", "nearway-upstream", "nearway-telemetry"]),
    (
        "nearway-proxy",
        &[
            "nearway-affinity",
            "nearway-route",
            "nearway-wire",
            "nearway-upstream",
            "nearway-telemetry",
        ],
    ),
];

/// The binary and the end-to-end tests put everything together.
const ASSEMBLERS: [&str; 2] = ["nearway", "nearway-tests"];

/// No socket, no runtime, no TLS: these are numbers, bytes and text.
const PURE: [&str; 5] =
    ["nearway-affinity", "nearway-route", "nearway-wire", "nearway-telemetry", "nearway-config"];

/// What a pure crate must not reach.
const IMPURE: [&str; 9] = [
    "hyper",
    "hyper-util",
    "mio",
    "native-tls",
    "rustls",
    "smol",
    "socket2",
    "tokio",
    "tokio-rustls",
];

#[test]
fn every_member_has_a_row() {
    let metadata = metadata();
    let members: BTreeSet<&str> =
        metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let rows: BTreeSet<&str> =
        ALLOWED.iter().map(|(name, _)| *name).chain(ASSEMBLERS.iter().copied()).collect();
    assert_eq!(members, rows, "left: the workspace, right: the rows of this test");
}

#[test]
fn the_arrows_are_those_of_the_design() {
    let metadata = metadata();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(row) = allowed.get(package.name.as_str()) else { continue };
        for dependency in &package.dependencies {
            let ours = dependency.path.is_some();
            if ours && !row.contains(&dependency.name.as_str()) {
                wrong.push(format!("{} -> {}", package.name, dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "not in the crate table: {wrong:?}");
}

#[test]
fn the_pure_crates_reach_no_runtime() {
    let metadata = metadata();
    for name in PURE {
        let reached = reached_by(&metadata, name);
        // the walk works at all: every crate of ours has at least one dependency
        assert!(!reached.is_empty(), "{name} seems to have no dependency");
        let impure: Vec<&str> = IMPURE.into_iter().filter(|name| reached.contains(name)).collect();
        assert!(impure.is_empty(), "{name} is pure, yet reaches {impure:?}");
    }
}

/// Names of all that `name` reaches through dependencies of the product, whatever the features
/// that the workspace turns on. Development and build dependencies are left out.
fn reached_by<'m>(metadata: &'m Metadata, name: &str) -> BTreeSet<&'m str> {
    let names: BTreeMap<&PackageId, &str> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let edges: BTreeMap<&PackageId, Vec<&PackageId>> = metadata
        .resolve
        .as_ref()
        .expect("cargo metadata resolves the graph")
        .nodes
        .iter()
        .map(|node| {
            let normal = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
            (&node.id, normal.map(|dep| &dep.pkg).collect())
        })
        .collect();
    let members = metadata.workspace_packages();
    let start = members.iter().find(|package| package.name == name).expect("a workspace member");
    let mut reached = BTreeSet::new();
    let mut open = vec![&start.id];
    while let Some(id) = open.pop() {
        for next in edges.get(id).into_iter().flatten() {
            if reached.insert(*next) {
                open.push(next);
            }
        }
    }
    reached.into_iter().filter_map(|id| names.get(id).copied()).collect()
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .other_options(vec!["--locked".to_owned()])
        .exec()
        .expect("cargo metadata")
}
