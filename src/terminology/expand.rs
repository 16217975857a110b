//! Which codes a value set has: included and excluded concepts, whole systems, filters by
//! hierarchy, imported value sets, and expansions that are stored with it.
//!
//! Filters by other properties are refused.
//! Spec: <https://hl7.org/fhir/R4/valueset.html#compositions>.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::fhir::resource::{Node, Resource};
use crate::terminology::hierarchy::Hierarchy;

/// Value sets that import each other may do so this deep.
const DEPTH_MAX: usize = 16;

/// What value sets refer to, by URL.
#[derive(Debug, Default)]
pub struct Sources {
    /// ValueSet resources.
    pub value_sets: HashMap<String, Resource>,
    /// CodeSystem resources.
    pub code_systems: HashMap<String, Resource>,
    /// Value sets whose codes are known without a resource.
    pub known: HashMap<String, Expansion>,
}

/// The codes of one system in an expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Codes {
    /// Every code of the system.
    All,
    /// These.
    Some(BTreeSet<String>),
}

/// The codes of a value set, by system.
pub type Expansion = BTreeMap<String, Codes>;

/// Why a value set cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A value set is not among the sources.
    #[error("the value set {0} is not stored here")]
    ValueSet(String),
    /// A code system is not among the sources.
    #[error("the code system {0} is not stored here with all of its codes")]
    CodeSystem(String),
    /// Something that is not understood.
    #[error("{0}")]
    Unsupported(String),
}

/// The codes of the value set with this URL.
pub fn expand(url: &str, sources: &Sources) -> Result<Expansion, ExpandError> {
    Expander { sources }.value_set(url, 0)
}

/// The codes of a system as a tree.
pub fn hierarchy<'a>(url: &str, sources: &'a Sources) -> Result<Hierarchy<'a>, ExpandError> {
    let stored = sources.code_systems.get(url);
    let read = stored.and_then(Hierarchy::read);
    read.ok_or_else(|| ExpandError::CodeSystem(url.to_owned()))
}

struct Expander<'a> {
    sources: &'a Sources,
}

impl Expander<'_> {
    fn value_set(&self, url: &str, depth: usize) -> Result<Expansion, ExpandError> {
        if depth > DEPTH_MAX {
            let reason = format!("value sets import each other more than {DEPTH_MAX} deep");
            return Err(ExpandError::Unsupported(reason));
        }
        if let Some(known) = self.sources.known.get(url) {
            return Ok(known.clone());
        }
        let stored = self.sources.value_sets.get(url);
        let stored = stored.ok_or_else(|| ExpandError::ValueSet(url.to_owned()))?;
        let Some(compose) = stored.object().get("compose") else {
            let mut expansion = Expansion::new();
            if let Some(stored) = stored.object().get("expansion") {
                listed(stored.get("contains"), &mut expansion, 0);
            }
            return Ok(expansion);
        };
        let mut expansion = Expansion::new();
        for include in compose.get("include").map_or(&[][..], Node::items) {
            for (system, codes) in self.component(include, depth)? {
                add(&mut expansion, system, codes);
            }
        }
        for exclude in compose.get("exclude").map_or(&[][..], Node::items) {
            for (system, codes) in self.component(exclude, depth)? {
                self.subtract(&mut expansion, &system, codes)?;
            }
        }
        Ok(expansion)
    }

    /// What one `include` or `exclude` stands for: its system's codes that are in all its imports.
    fn component(&self, component: &Node, depth: usize) -> Result<Expansion, ExpandError> {
        let system = component.get("system").and_then(Node::as_str);
        let mut found = match system {
            Some(system) => Some(Expansion::from([(
                system.to_owned(),
                self.of_system(system, component)?,
            )])),
            None => None,
        };
        for import in component.get("valueSet").map_or(&[][..], Node::items) {
            let url = import.as_str().unwrap_or_default();
            let imported = self.value_set(url, depth + 1)?;
            found = Some(match found {
                Some(found) => intersection(found, &imported),
                None => imported,
            });
        }
        Ok(found.unwrap_or_default())
    }

    fn of_system(&self, system: &str, component: &Node) -> Result<Codes, ExpandError> {
        let concepts = component.get("concept").map_or(&[][..], Node::items);
        let filters = component.get("filter").map_or(&[][..], Node::items);
        if !concepts.is_empty() {
            let codes = concepts.iter().filter_map(|one| one.get("code")?.as_str());
            return Ok(Codes::Some(codes.map(str::to_owned).collect()));
        }
        if filters.is_empty() {
            return Ok(Codes::All);
        }
        let hierarchy = hierarchy(system, self.sources)?;
        let mut codes: BTreeSet<String> =
            hierarchy.codes().iter().map(ToString::to_string).collect();
        for filter in filters {
            let of = |name| filter.get(name).and_then(Node::as_str).unwrap_or_default();
            let (property, operator, value) = (of("property"), of("op"), of("value"));
            let mut below = hierarchy.below(value);
            match (property, operator) {
                ("concept" | "code", "is-a") => codes = &codes & &below,
                ("concept" | "code", "descendent-of") => {
                    below.remove(value);
                    codes = &codes & &below;
                }
                ("concept" | "code", "is-not-a") => codes = &codes - &below,
                ("concept" | "code", "in") => {
                    codes.retain(|code| value.split(',').any(|one| one.trim() == code));
                }
                ("concept" | "code", "not-in") => {
                    codes.retain(|code| value.split(',').all(|one| one.trim() != code));
                }
                _ => {
                    return Err(ExpandError::Unsupported(format!(
                        "it filters by '{property}' with '{operator}', which is not supported"
                    )));
                }
            }
        }
        Ok(Codes::Some(codes))
    }

    fn subtract(
        &self,
        expansion: &mut Expansion,
        system: &str,
        codes: Codes,
    ) -> Result<(), ExpandError> {
        let (Some(has), Codes::Some(without)) = (expansion.get_mut(system), codes) else {
            // Without the whole system nothing of it is left.
            expansion.remove(system);
            return Ok(());
        };
        if *has == Codes::All {
            let hierarchy = hierarchy(system, self.sources)?;
            *has = Codes::Some(hierarchy.codes().iter().map(ToString::to_string).collect());
        }
        if let Codes::Some(has) = has {
            has.retain(|code| !without.contains(code));
        }
        Ok(())
    }
}

fn add(expansion: &mut Expansion, system: String, codes: Codes) {
    let has = expansion
        .entry(system)
        .or_insert_with(|| Codes::Some(BTreeSet::new()));
    match (&mut *has, codes) {
        (Codes::Some(has), Codes::Some(more)) => has.extend(more),
        (has, Codes::All) => *has = Codes::All,
        (Codes::All, _) => {}
    }
}

fn intersection(found: Expansion, other: &Expansion) -> Expansion {
    let both = found.into_iter().filter_map(|(system, codes)| {
        let codes = match (codes, other.get(&system)?) {
            (Codes::All, codes) => codes.clone(),
            (codes, Codes::All) => codes,
            (Codes::Some(one), Codes::Some(two)) => Codes::Some(&one & two),
        };
        Some((system, codes))
    });
    both.collect()
}

/// The codes of a stored expansion.
fn listed(contains: Option<&Node>, expansion: &mut Expansion, depth: usize) {
    for one in contains.map_or(&[][..], Node::items) {
        let of = |name| one.get(name).and_then(Node::as_str);
        let is_abstract = matches!(one.get("abstract"), Some(Node::Bool(true)));
        if let (Some(system), Some(code), false) = (of("system"), of("code"), is_abstract) {
            let codes = BTreeSet::from([code.to_owned()]);
            add(expansion, system.to_owned(), Codes::Some(codes));
        }
        if depth < DEPTH_MAX {
            listed(one.get("contains"), expansion, depth + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Codes, ExpandError, Sources, expand, hierarchy};
    use crate::fhir::json::{Limits, parse_resource};
    use crate::fhir::resource::Resource;

    fn resource(json: &str) -> Resource {
        parse_resource(json.as_bytes(), Limits { depth_max: 32 }).unwrap()
    }

    fn sources(compose: &str) -> Sources {
        let animals = r#"{"resourceType":"CodeSystem","status":"active","content":"complete",
            "concept":[{"code":"animal","concept":[{"code":"cat"},
                {"code":"dog","concept":[{"code":"poodle"}]}]},
                {"code":"plant"},
                {"code":"rose","property":[{"code":"parent","valueCode":"plant"}]}]}"#;
        let set = |compose: &str| {
            resource(&format!(
                r#"{{"resourceType":"ValueSet","status":"active","compose":{compose}}}"#
            ))
        };
        let mut sources = Sources::default();
        sources
            .code_systems
            .insert("http://a".to_owned(), resource(animals));
        sources
            .value_sets
            .insert("http://v".to_owned(), set(compose));
        let pets =
            r#"{"include":[{"system":"http://a","concept":[{"code":"cat"},{"code":"dog"}]}]}"#;
        sources
            .value_sets
            .insert("http://pets".to_owned(), set(pets));
        sources
    }

    /// The codes of `http://a` in a value set, parted by spaces.
    fn codes(compose: &str) -> Result<String, ExpandError> {
        let expansion = expand("http://v", &sources(compose))?;
        Ok(match expansion.get("http://a") {
            Some(Codes::All) => "*".to_owned(),
            Some(Codes::Some(codes)) => codes.iter().cloned().collect::<Vec<_>>().join(" "),
            None => String::new(),
        })
    }

    #[test]
    fn includes_are_joined_and_excludes_taken_away() {
        let filter = |op: &str, value: &str| {
            format!(
                r#"{{"system":"http://a","filter":[
                    {{"property":"concept","op":"{op}","value":"{value}"}}]}}"#
            )
        };
        let whole = r#"{"system":"http://a"}"#;
        let pets = r#"{"valueSet":["http://pets"]}"#;
        let rose = r#"{"system":"http://a","concept":[{"code":"rose"}]}"#;
        for (include, exclude, expected) in [
            (whole.to_owned(), String::new(), "*"),
            (rose.to_owned(), String::new(), "rose"),
            (filter("is-a", "dog"), String::new(), "dog poodle"),
            (
                filter("descendent-of", "animal"),
                String::new(),
                "cat dog poodle",
            ),
            (filter("is-a", "plant"), String::new(), "plant rose"),
            (filter("is-not-a", "animal"), String::new(), "plant rose"),
            (filter("in", "cat,rose"), String::new(), "cat rose"),
            (format!("{pets},{rose}"), String::new(), "cat dog rose"),
            (whole.to_owned(), filter("is-a", "animal"), "plant rose"),
            (pets.to_owned(), filter("is-a", "dog"), "cat"),
            (whole.to_owned(), whole.to_owned(), ""),
        ] {
            let compose = if exclude.is_empty() {
                format!(r#"{{"include":[{include}]}}"#)
            } else {
                format!(r#"{{"include":[{include}],"exclude":[{exclude}]}}"#)
            };
            assert_eq!(codes(&compose).unwrap(), expected, "{compose}");
        }
        let both = r#"{"include":[{"system":"http://a","valueSet":["http://pets"],
            "filter":[{"property":"concept","op":"is-a","value":"dog"}]}]}"#;
        assert_eq!(codes(both).unwrap(), "dog");
    }

    #[test]
    fn what_is_not_given_is_named() {
        let other = r#"{"include":[{"valueSet":["http://other"]}]}"#;
        assert_eq!(
            codes(other),
            Err(ExpandError::ValueSet("http://other".into()))
        );
        let external = r#"{"include":[{"system":"http://b","filter":[
            {"property":"concept","op":"is-a","value":"x"}]}]}"#;
        assert_eq!(
            codes(external),
            Err(ExpandError::CodeSystem("http://b".into()))
        );
        let by_property = r#"{"include":[{"system":"http://a","filter":[
            {"property":"color","op":"=","value":"x"}]}]}"#;
        assert!(
            codes(by_property)
                .unwrap_err()
                .to_string()
                .contains("color")
        );
        let itself = r#"{"include":[{"valueSet":["http://v"]}]}"#;
        assert!(matches!(codes(itself), Err(ExpandError::Unsupported(_))));
    }

    #[test]
    fn codes_lie_above_and_below_each_other() {
        let sources = sources(r#"{"include":[{"system":"http://a"}]}"#);
        let animals = hierarchy("http://a", &sources).unwrap();
        let above: Vec<_> = animals.above("poodle").into_iter().collect();
        assert_eq!(above, ["animal", "dog", "poodle"]);
        assert!(animals.below("unknown").is_empty());
    }
}
