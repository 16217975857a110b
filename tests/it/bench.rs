//! `vesta bench`: every workload is measured, and nothing is left behind. No figure is judged.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const WORKLOADS: [&str; 12] = [
    "bundles",
    "import",
    "read",
    "patient-code",
    "patient-category",
    "code-value",
    "family-prefix",
    "birthdate-gender",
    "count",
    "create",
    "update",
    "start",
];

#[test]
fn every_workload_has_figures() {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report.json");
    let store = format!("embedded:{}", directory.path().display());
    let output = Command::new(env!("CARGO_BIN_EXE_vesta"))
        .args([
            "bench",
            "--patients",
            "2",
            "--seconds",
            "0.2",
            "--connections",
            "4",
        ])
        .args(["--store", &store, "--json"])
        .arg(&report)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let table = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let rows = report["workloads"].as_array().unwrap();
    let names: Vec<_> = rows
        .iter()
        .filter_map(|row| row["workload"].as_str())
        .collect();
    assert_eq!(names, WORKLOADS);
    for row in rows {
        assert!(table.contains(row["workload"].as_str().unwrap()), "{table}");
        for figure in ["per_second", "p50_ms", "p99_ms"] {
            assert!(row[figure].as_f64().unwrap() > 0.0, "{figure} of {row}");
        }
        let ceilings = row["ceilings"].as_array().unwrap();
        let has_none = ["import", "start"].contains(&row["workload"].as_str().unwrap());
        assert_eq!(ceilings.is_empty(), has_none, "{row}");
        for ceiling in ceilings {
            assert!(ceiling["per_second"].as_f64().unwrap() > 0.0, "{row}");
            assert!(ceiling["ratio"].as_f64().unwrap() > 0.0, "{row}");
        }
    }
    for moment in report["memory"].as_array().unwrap() {
        assert!(moment["resident_mib"].as_f64().unwrap() > 0.0, "{moment}");
    }
    assert_eq!(left_behind(directory.path()), 0);
}

/// How many directories of stores are still there.
fn left_behind(directory: &Path) -> usize {
    let names = fs::read_dir(directory).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with("vesta-bench-"))
        .count()
}
