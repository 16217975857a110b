//! Uri parameters: equal character by character, or by whole segments of their paths.
//!
//! Keys: parameter, hash of the uri. A canonical has one key with and one without its version, so
//! that it is found by either.
//! Spec: <https://hl7.org/fhir/R4/search.html#uri>.

use crate::seal::blind::Domain;
use crate::search::escape;
use crate::search::hasher::Hasher;
use crate::search::key::{Key, ParameterNumber};
use crate::search::modifier::Modifier;
use crate::search::param::{DataType, Found, KeyWriter};
use crate::search::plan::Predicate;

/// What a uri value asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UriCondition {
    /// This very uri.
    Same(String),
    /// The uri or one that it lies below.
    Above(String),
    /// The uri or one that lies below it.
    Below(String),
}

/// Writes the keys of a value.
pub fn index(value: &Found<'_>, writer: &mut KeyWriter<'_, '_>) {
    each_uri(value, &mut |uri| {
        writer.keys.push(key(writer.parameter, uri, writer.hasher));
    });
}

/// Reads a uri.
pub fn parse(text: &str, modifier: Option<Modifier>) -> Result<UriCondition, String> {
    if text.is_empty() {
        return Err("a uri is missing".into());
    }
    let uri = escape::unescape(text).into_owned();
    let is_path = uri.contains("://");
    match modifier {
        Some(Modifier::Above | Modifier::Below) if !is_path => {
            Err("only URLs with a path lie above or below others, not URNs".into())
        }
        Some(Modifier::Above) => Ok(UriCondition::Above(uri)),
        Some(Modifier::Below) => Ok(UriCondition::Below(uri)),
        _ => Ok(UriCondition::Same(uri)),
    }
}

impl UriCondition {
    /// The condition on keys.
    pub fn lower(&self, parameter: ParameterNumber, hasher: &mut Hasher<'_>) -> Predicate {
        match self {
            Self::Same(uri) => Predicate::Key(key(parameter, uri, hasher)),
            Self::Above(uri) => {
                let any = lineage(uri).map(|one| Predicate::Key(key(parameter, one, hasher)));
                Predicate::Or(any.collect())
            }
            Self::Below(_) => Predicate::present(parameter),
        }
    }

    /// Whether the keys alone decide it.
    pub fn is_exact(&self) -> bool {
        !self.is_walk()
    }

    /// Whether its keys are all that the parameter has.
    pub fn is_walk(&self) -> bool {
        matches!(self, Self::Below(_))
    }

    /// Whether a value meets it.
    pub fn matches(&self, value: &Found<'_>) -> bool {
        let mut is_met = false;
        each_uri(value, &mut |stored| {
            is_met |= match self {
                Self::Same(uri) => uri == stored,
                Self::Above(uri) => lineage(uri).any(|one| one == stored),
                Self::Below(uri) => lineage(stored).any(|one| one == uri),
            }
        });
        is_met
    }
}

/// A URL and what it lies below, each with and without a slash at its end.
fn lineage(url: &str) -> impl Iterator<Item = &str> {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let slashes = url.match_indices('/').map(|(at, _)| at);
    let ends = slashes
        .filter(move |at| *at >= authority)
        .flat_map(|at| [at, at + 1]);
    let cuts = ends.filter(move |at| *at < url.len());
    cuts.filter_map(|at| Some(url.split_at_checked(at)?.0))
        .chain(std::iter::once(url))
}

fn key(parameter: ParameterNumber, uri: &str, hasher: &mut Hasher<'_>) -> Key {
    Key::new(parameter).with(&hasher.hash8(Domain::Uri, uri))
}

fn each_uri(value: &Found<'_>, each: &mut dyn FnMut(&str)) {
    let Some(text) = value.text() else { return };
    each(text);
    if value.data_type != DataType::Canonical {
        return;
    }
    // A place in a resource is of that resource.
    let whole = text.split_once('#').map_or(text, |(before, _)| before);
    if whole.len() < text.len() && !whole.is_empty() {
        each(whole);
    }
    if let Some((uri, _version)) = whole.split_once('|') {
        each(uri);
    }
}
