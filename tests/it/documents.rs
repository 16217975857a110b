//! The documents against the program: what can rot is held to what the code says.
//!
//! The CapabilityStatement, the settings, the commands, the links and the sizes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vesta::cli;
use vesta::config::Config;
use vesta::config::rest::RestConfig;
use vesta::conformance::registry::Registry;
use vesta::fhir::json as fhir_json;
use vesta::interaction::capabilities::{StatementParts, statement};
use vesta::validation::{ValidationLimits, validate};

const README_LINES_MAX: usize = 200;
const ARCHITECTURE_LINES_MAX: usize = 250;

/// A name that no setting has.
const NO_SETTING: &str = "no such setting";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below the given ones whose names end so.
fn files(below: &[&str], extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting: Vec<_> = below.iter().map(|path| root().join(path)).collect();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(path).unwrap();
            waiting.extend(entries.map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn documents() -> Vec<PathBuf> {
    let top = fs::read_dir(root()).unwrap();
    let mut found: Vec<_> = top
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == "md"))
        .collect();
    found.extend(files(&["docs"], "md"));
    assert!(found.len() > 5, "there are no documents");
    found
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

fn own_statement(registry: &Registry) -> Vec<u8> {
    let parts = StatementParts {
        registry,
        base_url: None,
        rest: &RestConfig::default(),
        has_words: false,
        access: Config::default().access,
        oauth_endpoints: &[],
    };
    statement(parts).unwrap()
}

#[test]
fn the_capability_statement_in_the_repository_is_the_programs_own() {
    let registry = Registry::load().unwrap();
    let made = fhir_json::pretty(&own_statement(&registry));
    let made = String::from_utf8(made).unwrap() + "\n";
    assert!(
        made == read("capability-statement.json"),
        "capability-statement.json is not what the program says of itself; make it anew with\n    \
         cargo run -- capability-statement > capability-statement.json"
    );
}

#[test]
fn the_capability_statement_is_valid() {
    let registry = Registry::load().unwrap();
    let limits = fhir_json::Limits { depth_max: 64 };
    let resource = fhir_json::parse_resource(&own_statement(&registry), limits).unwrap();
    let issues = validate(&resource, registry.shapes(), &ValidationLimits::default());
    assert!(issues.is_empty(), "{issues:#?}");
}

/// The settings directly in a section; `None` when the path names a setting, no section.
fn settings_in(path: &[String]) -> Option<Vec<String>> {
    let mut probe = json!({ NO_SETTING: 0 });
    for name in path.iter().rev() {
        probe = json!({ name.as_str(): probe });
    }
    // The refusal of an unknown setting lists those that there are, optional ones as well.
    let refusal = serde_json::from_value::<Config>(probe).unwrap_err();
    let refusal = refusal.to_string();
    if !refusal.contains("unknown field") {
        return None;
    }
    let (_, expected) = refusal.split_once("expected").unwrap();
    Some(
        expected
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect(),
    )
}

/// Every setting with its default as the reference writes it.
fn settings() -> BTreeMap<String, String> {
    let defaults = serde_json::to_value(Config::default()).unwrap();
    let mut all = BTreeMap::new();
    let mut waiting = vec![Vec::new()];
    while let Some(path) = waiting.pop() {
        if let Some(names) = settings_in(&path) {
            waiting.extend(names.into_iter().map(|name| {
                let mut inner = path.clone();
                inner.push(name);
                inner
            }));
            continue;
        }
        let default = defaults.pointer(&format!("/{}", path.join("/")));
        let default = default.map_or_else(|| "none".to_owned(), Value::to_string);
        all.insert(path.join("."), default);
    }
    assert!(all.len() > 20, "the settings were not found: {all:?}");
    all
}

/// The rows `| setting | default | ...` of the reference.
fn documented_settings() -> BTreeMap<String, String> {
    let text = read("docs/configuration.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let mut cells = row.split(" | ");
        let mut cell = || {
            cells
                .next()
                .unwrap_or_default()
                .trim_matches('`')
                .to_owned()
        };
        (cell(), cell())
    })
    .collect()
}

#[test]
fn the_configuration_reference_lists_every_setting_with_its_default() {
    let (are, documented) = (settings(), documented_settings());
    let mut problems = Vec::new();
    for (name, default) in &are {
        match documented.get(name) {
            None => problems.push(format!("{name} = {default} is not in the reference")),
            Some(other) if other != default => {
                problems.push(format!("{name} is {default}, the reference says {other}"));
            }
            Some(_) => {}
        }
    }
    for name in documented.keys().filter(|name| !are.contains_key(*name)) {
        problems.push(format!("{name} is in the reference and no setting"));
    }
    report(&problems);
}

/// The command lines of this program in the code blocks of a document.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut in_block = false;
    let mut found = Vec::new();
    for line in text.replace("\\\n", " ").lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        }
        let line = line.split(" #").next().unwrap_or_default().trim();
        let rest = ["vesta ", "cargo run --release -- ", "cargo run -- "]
            .iter()
            .find_map(|start| line.strip_prefix(start));
        if let Some(rest) = rest.filter(|_| in_block) {
            let words = rest.split_whitespace().take_while(|word| *word != ">");
            let words = words.map(|word| word.trim_matches(['\'', '"']).to_owned());
            found.push(["vesta".to_owned()].into_iter().chain(words).collect());
        }
    }
    found
}

#[test]
fn the_command_line_takes_every_command_that_a_document_shows() {
    let mut problems = Vec::new();
    let mut count = 0;
    for path in documents() {
        for command in commands(&read(&path)) {
            count += 1;
            if let Err(error) = cli::definition().try_get_matches_from(&command) {
                let path = path.strip_prefix(root()).unwrap().display();
                problems.push(format!("{path}: {}\n{error}", command.join(" ")));
            }
        }
    }
    assert!(count > 5, "the documents show {count} commands");
    report(&problems);
}

#[test]
fn the_readme_sets_up_with_two_commands() {
    let text = read("README.md");
    for command in ["cargo run --release -- demo", "cargo test"] {
        assert!(text.lines().any(|line| line == command), "{command}");
    }
}

/// The targets of links in a document.
fn links(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.contains("://") && !link.starts_with('#'))
        .map(|link| link.split('#').next().unwrap_or_default())
        .collect()
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut problems = Vec::new();
    for path in documents() {
        for link in links(&read(&path)) {
            if !path.parent().unwrap().join(link).exists() {
                problems.push(format!("{}: {link} is not there", path.display()));
            }
        }
    }
    report(&problems);
}

/// Paths in backticks that begin in a folder of the repository and are no patterns.
fn paths_named(text: &str) -> Vec<&str> {
    const FOLDERS: [&str; 6] = ["docs/", "src/", "tests/", "profiles/", "model/", ".ci/"];
    let quoted = text
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted
        .filter(|path| FOLDERS.iter().any(|folder| path.starts_with(folder)))
        .filter(|path| !path.contains(['{', '*', '<', ' ']) && !path.contains("NNNN"))
        .collect()
}

#[test]
fn every_file_that_documents_and_sources_name_is_there() {
    let mut problems = Vec::new();
    let sources = files(&["src", "tests", "model"], "rs");
    for path in documents().into_iter().chain(sources) {
        for named in paths_named(&read(&path)) {
            if !root().join(named).exists() {
                problems.push(format!("{}: {named} is not there", path.display()));
            }
        }
    }
    report(&problems);
}

#[test]
fn the_overviews_stay_short() {
    let lines = |name| read(name).lines().count();
    assert!(lines("README.md") <= README_LINES_MAX);
    assert!(lines("ARCHITECTURE.md") <= ARCHITECTURE_LINES_MAX);
}
