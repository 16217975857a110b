//! Whose a resource is: by compartments, and where none holds it, as far as it says so itself.
//!
//! A `Binary` names what it belongs to, and a document is about the subject of its composition.
//! What other references mean is not known without a look at their targets.
//! Spec: <https://hl7.org/fhir/R4/binary.html>, <https://hl7.org/fhir/R4/documents.html>.

use crate::conformance::compartment::CompartmentKind;
use crate::fhir::id;
use crate::fhir::reference::Reference;
use crate::fhir::resource::{Node, Object, Resource};
use crate::search::index::{Indexer, own_patient_id};
use crate::search::param::{DataType, Found, reference};

impl Indexer {
    /// Gives the id of every patient in whose compartment a resource is; an id may come twice.
    pub fn each_patient<'a>(&'a self, resource: &'a Resource, each: &mut dyn FnMut(&'a str)) {
        let resource_type = resource.resource_type();
        if let Some(id) = own_patient_id(resource) {
            each(id);
        }
        let registry = &self.registry;
        for code in registry.compartment(CompartmentKind::Patient, resource_type) {
            let parameter = registry.search_parameter(resource_type, code);
            let Some(program) = parameter.and_then(|one| one.expression.as_ref()) else {
                continue;
            };
            program.run(resource.object(), registry.shapes(), &mut |value| {
                let found = Found::new(value.node, DataType::Reference);
                if let Some(id) = reference::patient_id(&found, &self.base_url) {
                    each(id);
                }
            });
        }
    }
}

/// Whether it is an `AuditEvent` that was made of this server's journal.
pub(super) fn is_own_event(resource: &Resource) -> bool {
    resource.resource_type().name() == "AuditEvent" && resource.id().is_some_and(id::is_of_journal)
}

/// The id of the patient of this server whose content or document it is.
pub(super) fn stated<'a>(resource: &'a Resource, base_url: &str) -> Option<&'a str> {
    let object = resource.object();
    match resource.resource_type().name() {
        "Binary" => patient(object.get("securityContext")?, base_url),
        "Bundle" if object.get_str("type") == Some("document") => document(object, base_url),
        _ => None,
    }
}

/// The subject of the composition that a document begins with.
fn document<'a>(bundle: &'a Object, base_url: &str) -> Option<&'a str> {
    let first = bundle.items("entry").first()?;
    let composition = first.get("resource")?;
    let is_composition = composition.get("resourceType")?.as_str() == Some("Composition");
    let full_url = first.get("fullUrl").and_then(Node::as_str);
    let is_elsewhere = full_url.is_some_and(|url| {
        let is_ours = url
            .strip_prefix(base_url)
            .is_some_and(|rest| rest.starts_with('/'));
        !is_ours && !url.starts_with("urn:")
    });
    let subject = composition.get("subject").filter(|_| is_composition)?;
    let text = subject.get("reference")?.as_str()?;
    // What a composition of another server refers to by Type/id is on that server.
    let is_relative = !text.contains(':');
    if is_elsewhere && is_relative {
        return None;
    }
    patient(subject, base_url)
}

fn patient<'a>(reference: &'a Node, base_url: &str) -> Option<&'a str> {
    match Reference::parse(reference.get("reference")?.as_str()?, Some(base_url)) {
        Reference::Local {
            resource_type, id, ..
        } if resource_type.name() == "Patient" => Some(id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::stated;
    use crate::fhir::json;

    fn owner(text: &str) -> Option<String> {
        let resource = json::parse_resource(text.as_bytes(), json::Limits { depth_max: 64 });
        stated(&resource.unwrap(), "http://own/fhir").map(str::to_owned)
    }

    fn binary(reference: &str) -> Option<String> {
        owner(&format!(
            r#"{{"resourceType":"Binary","securityContext":{{"reference":"{reference}"}}}}"#
        ))
    }

    fn document(kind: &str, full_url: &str, subject: &str) -> Option<String> {
        owner(&format!(
            r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{{"fullUrl":"{full_url}",
            "resource":{{"resourceType":"Composition","subject":{{"reference":"{subject}"}}}}}}]}}"#
        ))
    }

    #[test]
    fn content_is_whose_its_security_context_says() {
        assert_eq!(binary("Patient/a").as_deref(), Some("a"));
        assert_eq!(binary("http://own/fhir/Patient/a").as_deref(), Some("a"));
        for other in ["Observation/a", "http://other/fhir/Patient/a", "urn:uuid:1"] {
            assert_eq!(binary(other), None, "{other}");
        }
        assert_eq!(owner(r#"{"resourceType":"Binary"}"#), None);
    }

    #[test]
    fn a_document_is_whose_its_composition_is() {
        let urn = "urn:uuid:1";
        assert_eq!(document("document", urn, "Patient/a").as_deref(), Some("a"));
        let own = "http://own/fhir/Composition/c";
        assert_eq!(document("document", own, "Patient/a").as_deref(), Some("a"));
        let other = "http://other/fhir/Composition/c";
        assert_eq!(document("document", other, "Patient/a"), None);
        let absolute = "http://own/fhir/Patient/a";
        assert_eq!(document("document", other, absolute).as_deref(), Some("a"));
        assert_eq!(document("document", urn, "urn:uuid:2"), None);
        assert_eq!(document("collection", urn, "Patient/a"), None);
        assert_eq!(
            owner(r#"{"resourceType":"Bundle","type":"document"}"#),
            None
        );
    }
}
