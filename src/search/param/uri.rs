//! Uri parameters: equal character by character.
//!
//! Keys: parameter, hash of the uri. A canonical has one key with and one without its version, so
//! that it is found by either.
//! Spec: <https://hl7.org/fhir/R4/search.html#uri>.

use crate::seal::blind::Domain;
use crate::search::escape;
use crate::search::hasher::Hasher;
use crate::search::key::{Key, ParameterNumber};
use crate::search::param::{DataType, Found, KeyWriter};
use crate::search::plan::Predicate;

/// What a uri value asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UriCondition {
    /// The uri.
    pub uri: String,
}

/// Writes the keys of a value.
pub fn index(value: &Found<'_>, writer: &mut KeyWriter<'_, '_>) {
    each_uri(value, &mut |uri| {
        writer.keys.push(key(writer.parameter, uri, writer.hasher));
    });
}

/// Reads a uri.
pub fn parse(text: &str) -> Result<UriCondition, String> {
    if text.is_empty() {
        return Err("a uri is missing".into());
    }
    Ok(UriCondition {
        uri: escape::unescape(text).into_owned(),
    })
}

impl UriCondition {
    /// The condition on keys; it is exact.
    pub fn lower(&self, parameter: ParameterNumber, hasher: &mut Hasher<'_>) -> Predicate {
        Predicate::Key(key(parameter, &self.uri, hasher))
    }

    /// Whether a value meets it.
    pub fn matches(&self, value: &Found<'_>) -> bool {
        let mut is_met = false;
        each_uri(value, &mut |uri| is_met |= uri == self.uri);
        is_met
    }
}

fn key(parameter: ParameterNumber, uri: &str, hasher: &mut Hasher<'_>) -> Key {
    Key::new(parameter).with(&hasher.hash8(Domain::Uri, uri))
}

fn each_uri(value: &Found<'_>, each: &mut dyn FnMut(&str)) {
    let Some(text) = value.text() else { return };
    each(text);
    if value.data_type == DataType::Canonical
        && let Some((uri, _version)) = text.split_once('|')
    {
        each(uri);
    }
}
