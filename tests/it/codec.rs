//! The codecs: what is read is written again without loss, in JSON and XML, and bad input is
//! refused with its place.
//!
//! Spec: <https://hl7.org/fhir/R4/json.html>, <https://hl7.org/fhir/R4/xml.html>.

mod arbitrary;
mod bad_xml;
mod examples;
mod fixtures;
mod property;

use std::sync::LazyLock;

use vesta::conformance::registry::Registry;
use vesta::fhir::json::{self, Limits};
use vesta::fhir::resource::{Node, Object, Resource};
use vesta::fhir::shape::Shapes;
use vesta::fhir::xml::{self, XmlError, XmlLimits};

const JSON_LIMITS: Limits = Limits { depth_max: 64 };
const XML_LIMITS: XmlLimits = XmlLimits {
    depth_max: 64,
    attributes_max: 32,
};

fn shapes() -> &'static Shapes {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::load().unwrap());
    REGISTRY.shapes()
}

fn from_json(bytes: &[u8]) -> Resource {
    json::parse_resource(bytes, JSON_LIMITS).unwrap()
}

fn from_xml(bytes: &[u8]) -> Result<Resource, XmlError> {
    xml::parse_resource(bytes, shapes(), XML_LIMITS)
}

fn to_json(object: &Object) -> Vec<u8> {
    json::to_vec(&Node::Object(object.clone()))
}

fn to_xml(object: &Object) -> Result<Vec<u8>, XmlError> {
    xml::to_vec(object, shapes())
}

/// The document as another codec sees it: members in any order are the same document.
fn document(json: &[u8]) -> serde_json::Value {
    serde_json::from_slice(json).unwrap()
}
