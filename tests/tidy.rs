//! The house rules that a compiler does not know: layers, sizes, headers, names.
//!
//! `CONTRIBUTING.md` explains them; an exception stands here by name, with its reason.

#![cfg(test)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules from bottom to top: a module uses lower layers only, never its own layer's siblings.
const LAYERS: [&[&str]; 13] = [
    &["clock", "config", "outcome"],
    &["fetch", "fhir", "seal"],
    &["fhirpath", "hl7v2"],
    &["conformance"],
    &["terminology"],
    &["validation", "search"],
    &["store"],
    &["access", "audit", "job"],
    &["interaction"],
    &["operation", "smart", "account", "ingest", "link", "notify"],
    &["http"],
    &["api", "portal", "mllp"],
    &["server", "cli"],
];

/// `cli` starts servers: the one step between siblings.
const STEPS_BETWEEN_SIBLINGS: [(&str, &str); 1] = [("cli", "server")];

const FILE_LINES_MAX: usize = 500;
const TEST_FILE_LINES_MAX: usize = 800;
const LINE_CHARS_MAX: usize = 100;

/// Files longer than the limit, each a flat table of equals.
const LONG_FILES: [&str; 0] = [];

/// Words that say nothing about what a file holds.
const EMPTY_NAMES: [&str; 8] = [
    "util", "utils", "helper", "helpers", "common", "manager", "misc", "types",
];

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Whether all of it is tests: under `tests/`, or a module `tests` of its own.
    fn is_test(&self) -> bool {
        self.path
            .iter()
            .any(|part| part == "tests" || part == "tests.rs" || part == "fixture.rs")
    }

    /// The lines before the unit tests.
    fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines
            .take_while(|(_, line)| *line != "#[cfg(test)]")
            .map(|(at, line)| (at + 1, line))
    }

    /// `src/search/plan.rs` and `src/search.rs` belong to `search`.
    fn module(&self) -> Option<String> {
        let inside = self.path.strip_prefix("src").ok()?;
        let first = inside.iter().next()?.to_str()?;
        Some(first.trim_end_matches(".rs").to_owned())
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join(directory)];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root()).unwrap().to_path_buf();
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no sources in {directory}");
    found
}

fn all_sources() -> Vec<Source> {
    ["src", "tests", "model"]
        .into_iter()
        .flat_map(sources)
        .collect()
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Modules that a line names by `crate::module`.
fn modules_named(line: &str) -> Vec<&str> {
    line.split("crate::")
        .skip(1)
        .filter_map(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
        })
        .collect()
}

#[test]
fn a_module_uses_lower_layers_only() {
    let mut problems = Vec::new();
    for source in sources("src") {
        let Some(module) = source
            .module()
            .filter(|name| name != "lib" && name != "main")
        else {
            continue;
        };
        let Some(layer) = layer_of(&module) else {
            problems.push(format!("{}: {module} has no layer", source.name()));
            continue;
        };
        for (at, line) in source.production() {
            for used in modules_named(line)
                .into_iter()
                .filter(|used| *used != module)
            {
                let is_lower = layer_of(used).is_some_and(|below| below < layer);
                let is_step = STEPS_BETWEEN_SIBLINGS.contains(&(module.as_str(), used));
                if !is_lower && !is_step {
                    problems.push(format!(
                        "{}:{at}: {module} must not use {used}",
                        source.name()
                    ));
                }
            }
        }
    }
    report(&problems);
}

#[test]
fn pure_modules_do_not_wait_and_do_not_store() {
    let pure = [
        "fhir",
        "fhirpath",
        "hl7v2",
        "terminology",
        "validation",
        "search",
        "seal",
    ];
    let mut problems = Vec::new();
    for source in sources("src") {
        if !source
            .module()
            .is_some_and(|module| pure.contains(&module.as_str()))
        {
            continue;
        }
        for (at, line) in source.production() {
            if line.contains("async fn") || line.contains(".await") || line.contains("tokio::") {
                problems.push(format!(
                    "{}:{at}: a pure module is not async",
                    source.name()
                ));
            }
        }
    }
    report(&problems);
}

#[test]
fn only_config_reads_the_environment_and_only_the_clock_the_time() {
    let mut problems = Vec::new();
    for source in sources("src") {
        let module = source.module().unwrap_or_default();
        for (at, line) in source.production() {
            let reads_environment = line.contains("env::var") && module != "config";
            let reads_time = (line.contains("SystemTime::now") || line.contains("::now_utc("))
                && module != "clock";
            if reads_environment || reads_time {
                problems.push(format!("{}:{at}: {}", source.name(), line.trim()));
            }
        }
    }
    report(&problems);
}

#[test]
fn files_are_short_enough_to_read() {
    let mut problems = Vec::new();
    for source in all_sources() {
        let is_test = source.is_test();
        let lines = if is_test {
            source.text.lines().count()
        } else {
            source.production().count()
        };
        let max = if is_test {
            TEST_FILE_LINES_MAX
        } else {
            FILE_LINES_MAX
        };
        if lines > max && !LONG_FILES.contains(&source.name().as_str()) {
            problems.push(format!(
                "{}: {lines} lines, {max} are allowed",
                source.name()
            ));
        }
    }
    report(&problems);
}

#[test]
fn lines_are_short_enough_to_read() {
    let mut problems = Vec::new();
    for source in all_sources() {
        for (at, line) in source.text.lines().enumerate() {
            // Documents, messages and the arguments of macros: rustfmt leaves them alone too.
            let is_literal =
                line.trim_start().starts_with(['"', 'r', '<', '{']) || line.contains("r#");
            let is_macro_argument = source.is_test() || line.contains(" in prop_oneof![");
            if line.chars().count() > LINE_CHARS_MAX && !is_literal && !is_macro_argument {
                problems.push(format!(
                    "{}:{}: over {LINE_CHARS_MAX}",
                    source.name(),
                    at + 1
                ));
            }
        }
    }
    report(&problems);
}

#[test]
fn every_file_opens_with_what_it_holds() {
    let mut problems = Vec::new();
    for source in all_sources() {
        if !source.text.starts_with("//! ") {
            problems.push(format!("{}: has no //! header", source.name()));
        }
    }
    report(&problems);
}

#[test]
fn names_say_what_a_file_holds() {
    let mut problems = Vec::new();
    for source in all_sources() {
        let stem = source
            .path
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        if EMPTY_NAMES.contains(&stem.as_str()) || stem == "mod" {
            problems.push(format!("{}: the name says nothing", source.name()));
        }
    }
    report(&problems);
}

#[test]
fn nothing_is_left_for_later() {
    let unfinished = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("#[ign", "ore"),
        concat!("#[al", "low("),
    ];
    let mut problems = Vec::new();
    for source in all_sources() {
        for (at, line) in source.text.lines().enumerate() {
            if let Some(word) = unfinished.iter().find(|word| line.contains(**word)) {
                problems.push(format!("{}:{}: {word}", source.name(), at + 1));
            }
        }
    }
    report(&problems);
}

#[test]
fn glob_imports_hide_where_names_come_from() {
    let mut problems = Vec::new();
    for source in sources("src")
        .into_iter()
        .filter(|source| !source.is_test())
    {
        for (at, line) in source.production() {
            if line.trim_start().starts_with("use ") && line.contains("::*") {
                problems.push(format!("{}:{at}: {}", source.name(), line.trim()));
            }
        }
    }
    report(&problems);
}

#[test]
fn every_decision_record_has_its_four_parts() {
    let mut problems = Vec::new();
    let mut numbers: BTreeMap<String, String> = BTreeMap::new();
    for entry in fs::read_dir(root().join("docs/adr")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        for part in ["## Context", "## Options", "## Decision", "## Consequences"] {
            if !text.contains(part) {
                problems.push(format!("docs/adr/{name}: has no {part}"));
            }
        }
        let number: String = name.chars().take(4).collect();
        if let Some(other) = numbers.insert(number, name.clone()) {
            problems.push(format!("docs/adr/{name} and {other} have the same number"));
        }
    }
    assert!(!numbers.is_empty(), "there are no decision records");
    report(&problems);
}
