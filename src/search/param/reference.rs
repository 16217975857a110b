//! Reference parameters: which resource or canonical something points to.
//!
//! Keys: parameter, hash of `Type/id` for resources of this server, of the whole URL for others; of
//! a canonical with and without its version. A search for one version of a resource is verified.
//! An `identifier` has a marked key of its value; references to contained resources have no key.
//! Spec: <https://hl7.org/fhir/R4/search.html#reference>.

use crate::fhir::id;
use crate::fhir::reference::Reference;
use crate::fhir::resource::Object;
use crate::fhir::resource_type::ResourceType;
use crate::seal::blind::Domain;
use crate::search::escape;
use crate::search::hasher::Hasher;
use crate::search::key::{Key, ParameterNumber};
use crate::search::param::token::TokenCondition;
use crate::search::param::{DataType, Found, KeyWriter, ParseContext};
use crate::search::plan::Predicate;

/// Marks the key of the identifier of what is referred to.
const LOGICAL_MARKER: u8 = 4;

/// What a reference value asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceCondition {
    /// The targets as they are hashed: `Type/id` or a URL; one of them has to be met.
    pub targets: Vec<String>,
    /// The version that the reference has to name.
    pub version_id: Option<String>,
    /// Whether targets are resources with a canonical URL, `url|version` where they have a
    /// version: what refers to them without a version means them, with another one it does not.
    pub are_canonical: bool,
}

/// Writes the keys of a value.
pub fn index(value: &Found<'_>, writer: &mut KeyWriter<'_, '_>) {
    each_target(value, writer.base_url, &mut |target, _version| {
        writer
            .keys
            .push(key(writer.parameter, target, writer.hasher));
    });
    if let Some(value) = identifier(value).and_then(|one| one.get_str("value")) {
        let key = logical_key(writer.parameter, value, writer.hasher);
        writer.keys.push(key);
    }
}

/// Reads `id`, `Type/id`, a URL, or a canonical with or without version.
pub fn parse(text: &str, context: &ParseContext<'_>) -> Result<ReferenceCondition, String> {
    let text = escape::unescape(text);
    if id::is_valid(&text) {
        return Ok(of_id(&text, context.targets));
    }
    match Reference::parse(&text, Some(context.base_url)) {
        Reference::Local {
            resource_type,
            id,
            version_id,
        } => Ok(ReferenceCondition {
            targets: vec![format!("{resource_type}/{id}")],
            version_id: version_id.map(str::to_owned),
            are_canonical: false,
        }),
        Reference::Urn(url) | Reference::Absolute(url) => {
            let (url, version_id) = split_history(url);
            Ok(ReferenceCondition {
                targets: vec![url.to_owned()],
                version_id: version_id.map(str::to_owned),
                are_canonical: false,
            })
        }
        Reference::Contained(_) | Reference::Conditional { .. } | Reference::Malformed => {
            Err("a reference is an id, Type/id or an absolute URL".into())
        }
    }
}

/// The condition of a bare id: on each of the types that it may be of.
fn of_id(id: &str, types: &[ResourceType]) -> ReferenceCondition {
    let targets = if types.is_empty() {
        ResourceType::all()
            .map(|one| format!("{one}/{id}"))
            .collect()
    } else {
        types.iter().map(|one| format!("{one}/{id}")).collect()
    };
    ReferenceCondition {
        targets,
        version_id: None,
        are_canonical: false,
    }
}

impl ReferenceCondition {
    /// The condition on keys.
    pub fn lower(&self, parameter: ParameterNumber, hasher: &mut Hasher<'_>) -> Predicate {
        let own = self.targets.iter().map(String::as_str);
        // A reference that names a version has a key without it too; one of type uri has not.
        let urls = self.targets.iter().filter(|_| self.are_canonical);
        let urls = urls.filter_map(|target| Some(target.split_once('|')?.0));
        let all: Vec<_> = own.chain(urls).collect();
        let mut keys = all
            .into_iter()
            .map(|target| Predicate::Key(key(parameter, target, hasher)));
        match (keys.next(), keys.len()) {
            (Some(only), 0) => only,
            (Some(first), _) => Predicate::Or(std::iter::once(first).chain(keys).collect()),
            (None, _) => Predicate::Nothing,
        }
    }

    /// Whether the keys alone decide it.
    pub fn is_exact(&self) -> bool {
        self.version_id.is_none() && !self.are_canonical
    }

    /// Whether what refers to the target is hardly more than one patient's chart.
    pub fn is_of_one_chart(&self) -> bool {
        let mut targets = self.targets.iter();
        targets.any(|target| target.starts_with("Patient/") || target.starts_with("Encounter/"))
    }

    /// Whether a value meets it.
    pub fn matches(&self, value: &Found<'_>, base_url: &str) -> bool {
        let mut targets = self.targets.iter();
        if self.are_canonical
            && let Some(text) = canonical(value)
        {
            let url = |one: &String| one.split_once('|').map_or(one.len(), |(url, _)| url.len());
            let is_met = if text.contains('|') {
                targets.any(|one| one == text)
            } else {
                targets.any(|one| one.starts_with(text) && url(one) == text.len())
            };
            if is_met {
                return true;
            }
        }
        let mut is_met = false;
        each_target(value, base_url, &mut |target, version| {
            let is_version = self.version_id.is_none() || self.version_id.as_deref() == version;
            // URLs are compared above; what is left are resources of this server by their address.
            let is_open = !self.are_canonical || !target.contains(':');
            is_met |= is_open && is_version && self.targets.iter().any(|one| one == target);
        });
        is_met
    }
}

/// A canonical URL with what version it names, without the place in the resource.
fn canonical<'a>(value: &Found<'a>) -> Option<&'a str> {
    let is_canonical = matches!(value.data_type, DataType::Canonical | DataType::Uri);
    let text = value.text().filter(|_| is_canonical)?;
    // What has no scheme is `Type/id`.
    let text = text.split_once('#').map_or(text, |(before, _)| before);
    text.contains(':').then_some(text)
}

/// The condition on keys of a search by the identifier of what is referred to.
pub fn lower_logical(
    wanted: &TokenCondition,
    parameter: ParameterNumber,
    hasher: &mut Hasher<'_>,
) -> Predicate {
    match wanted.code() {
        Some(code) => Predicate::Key(logical_key(parameter, code, hasher)),
        None => Predicate::present(parameter),
    }
}

/// Whether the identifier of what a value refers to is the wanted one.
pub fn matches_logical(wanted: &TokenCondition, value: &Found<'_>) -> bool {
    let Some(identifier) = identifier(value) else {
        return false;
    };
    let (system, code) = (identifier.get_str("system"), identifier.get_str("value"));
    wanted.meets(value, system, code)
}

fn identifier<'a>(value: &Found<'a>) -> Option<&'a Object> {
    let is_reference = value.data_type == DataType::Reference;
    let object = value.object().filter(|_| is_reference)?;
    object.get("identifier")?.as_object()
}

fn logical_key(parameter: ParameterNumber, value: &str, hasher: &mut Hasher<'_>) -> Key {
    Key::marked(parameter, LOGICAL_MARKER).with(&hasher.hash8(Domain::Code, value))
}

/// The id of the patient of this server that a value points to.
pub fn patient_id<'a>(value: &Found<'a>, base_url: &str) -> Option<&'a str> {
    let text = value.object()?.get_str("reference")?;
    match Reference::parse(text, Some(base_url)) {
        Reference::Local {
            resource_type, id, ..
        } if resource_type.name() == "Patient" => Some(id),
        _ => None,
    }
}

fn key(parameter: ParameterNumber, target: &str, hasher: &mut Hasher<'_>) -> Key {
    Key::new(parameter).with(&hasher.hash8(Domain::Reference, target))
}

/// Gives every target that a value stands for as it is hashed, with the version it names.
pub fn each_target(value: &Found<'_>, base_url: &str, each: &mut dyn FnMut(&str, Option<&str>)) {
    match value.data_type {
        DataType::Reference => {
            if let Some(text) = value.object().and_then(|o| o.get_str("reference")) {
                of_reference(text, base_url, each);
            }
        }
        DataType::Resource => {
            if let Some(name) = value.object().and_then(address) {
                each(&name, None);
            }
        }
        DataType::Canonical => {
            if let Some(text) = value.text() {
                of_reference(text, base_url, each);
                // A place in a resource is of that resource.
                let whole = text.split_once('#').map_or(text, |(before, _)| before);
                if whole.len() < text.len() {
                    of_reference(whole, base_url, each);
                }
                if let Some((url, _version)) = whole.split_once('|') {
                    of_reference(url, base_url, each);
                }
            }
        }
        _ => {
            if let Some(text) = value.text() {
                of_reference(text, base_url, each);
            }
        }
    }
}

fn of_reference(text: &str, base_url: &str, each: &mut dyn FnMut(&str, Option<&str>)) {
    match Reference::parse(text, Some(base_url)) {
        Reference::Local {
            resource_type,
            id,
            version_id,
        } => {
            let mut target = compact_str::CompactString::new(resource_type.name());
            target.push('/');
            target.push_str(id);
            each(&target, version_id);
        }
        Reference::Urn(url) | Reference::Absolute(url) => {
            let (url, version_id) = split_history(url);
            each(url, version_id);
        }
        Reference::Contained(_) | Reference::Conditional { .. } | Reference::Malformed => {}
    }
}

/// Splits `http://x/Patient/1/_history/2` into the resource and its version.
fn split_history(url: &str) -> (&str, Option<&str>) {
    match url.split_once("/_history/") {
        Some((resource, version)) => (resource, Some(version)),
        None => (url, None),
    }
}

fn address(resource: &Object) -> Option<String> {
    let (name, id) = (resource.get_str("resourceType")?, resource.get_str("id")?);
    Some(format!("{name}/{id}"))
}
