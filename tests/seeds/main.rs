//! What the fuzz targets check, with the inputs that are kept in `fuzz/seeds`: beginnings for fuzzing, and what it once found. So neither targets
//! nor seeds can rot where nobody fuzzes.

#![expect(unreachable_pub, reason = "the simulation's disk is public among its tests")]
#![expect(clippy::unwrap_used, reason = "a disk of the simulation that fails says where")]

use std::{collections::BTreeSet, fs, path::Path};

#[path = "../../fuzz/checks/body.rs"]
mod body;
#[path = "../../fuzz/checks/compare.rs"]
mod compare;
#[path = "../../fuzz/checks/draft.rs"]
mod draft;
#[path = "../../fuzz/checks/filter.rs"]
mod filter;
#[path = "../../fuzz/checks/http_head.rs"]
mod http_head;
#[path = "../../fuzz/checks/import.rs"]
mod import;
#[path = "../../fuzz/checks/journal.rs"]
mod journal;
#[path = "../../fuzz/checks/provider_table.rs"]
mod provider_table;
#[path = "../../fuzz/checks/verify.rs"]
mod verify;
#[path = "../../fuzz/checks/wire.rs"]
mod wire;
#[path = "../../fuzz/checks/xml.rs"]
mod xml;

/// Panics when something is not as it should be.
type Check = fn(&[u8]);

/// Every target, by its name.
const TARGETS: [(&str, Check); 11] = [
    ("body", body::check),
    ("compare", compare::check),
    ("draft", draft::check),
    ("filter", filter::check),
    ("http_head", http_head::check),
    ("import", import::check),
    ("journal", journal::check),
    ("provider_table", provider_table::check),
    ("verify", verify::check),
    ("wire", wire::check),
    ("xml", xml::check),
];

/// Names in a directory of the fuzz crate, without what follows the first point.
fn names_in(directory: &str) -> BTreeSet<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(directory);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let names =
        entries.map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned());
    names.map(|name| name.split('.').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_seed_passes_its_target() {
    for (name, check) in TARGETS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name);
        for seed in fs::read_dir(&directory).expect("every target has seeds") {
            let path = seed.expect("it can be listed").path();
            println!("{}", path.display());
            check(&fs::read(&path).expect("it can be read"));
        }
    }
}

#[test]
fn every_target_is_tried_here_and_has_seeds() {
    let known: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for directory in ["fuzz_targets", "checks", "seeds"] {
        assert_eq!(names_in(directory), known, "fuzz/{directory}");
    }
    let manifest = include_str!("../../fuzz/Cargo.toml");
    for name in known {
        assert!(
            manifest.contains(&format!("[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n")),
            "{name}"
        );
    }
}
