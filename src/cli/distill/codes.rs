//! The table of codes: what each required binding allows, where that can be listed.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::{Concept, Definitions, Include};
use super::line;

const NOTE: &str = "\
# Codes of the value sets that R4 binds as required. Written by `vesta distill`.
# value set
#\tcode system\tits codes ...
# A value set without code systems cannot be listed.
";

/// Value sets of systems that the package does not define, taken from its expansions: the others
/// there (UCUM) are only samples of what is allowed.
const EXPANDED: [&str; 1] = ["http://hl7.org/fhir/ValueSet/currencies"];

type Codes<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Makes the table for the given value sets.
pub(super) fn table(definitions: &Definitions, value_sets: &BTreeSet<String>) -> String {
    let mut text = NOTE.to_owned();
    for url in value_sets {
        text.push_str(&line(0, &[url]));
        let codes = expand(definitions, url).unwrap_or_default();
        for (system, codes) in codes {
            let columns: Vec<_> = std::iter::once(system).chain(codes).collect();
            text.push_str(&line(1, &columns));
        }
    }
    text
}

/// All codes of a value set by system; `None` when they cannot be listed.
fn expand<'a>(definitions: &'a Definitions, url: &str) -> Option<Codes<'a>> {
    let mut codes = Codes::new();
    if EXPANDED.contains(&url) {
        let expansion = &definitions.expansions.get(url)?.expansion;
        for contained in &expansion.contains {
            let system = contained.system.as_deref()?;
            codes
                .entry(system)
                .or_default()
                .insert(contained.code.as_deref()?);
        }
        return Some(codes);
    }
    let compose = &definitions.value_sets.get(url)?.compose;
    for include in &compose.include {
        let (system, included) = listed(definitions, include)?;
        codes.entry(system).or_default().extend(included);
    }
    for exclude in &compose.exclude {
        let (system, excluded) = listed(definitions, exclude)?;
        if let Some(known) = codes.get_mut(system) {
            known.retain(|code| !excluded.contains(code));
        }
    }
    Some(codes)
}

fn listed<'a>(
    definitions: &'a Definitions,
    include: &'a Include,
) -> Option<(&'a str, BTreeSet<&'a str>)> {
    if !include.filter.is_empty() || !include.value_set.is_empty() {
        return None;
    }
    let system = include.system.as_deref()?;
    let mut codes = BTreeSet::new();
    if include.concept.is_empty() {
        let defined = definitions.code_systems.get(system)?;
        if defined.content != "complete" {
            return None;
        }
        collect(&defined.concept, &mut codes);
    } else {
        collect(&include.concept, &mut codes);
    }
    Some((system, codes))
}

fn collect<'a>(concepts: &'a [Concept], codes: &mut BTreeSet<&'a str>) {
    for concept in concepts {
        if concept.is_selectable() {
            codes.insert(&concept.code);
        }
        collect(&concept.children, codes);
    }
}
