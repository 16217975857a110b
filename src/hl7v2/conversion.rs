//! A message as a transaction Bundle, with what could not be carried over.
//!
//! Resources find their like by identifier: what the message is about is updated, what it only
//! mentions is created when it is not there. Each comes with the segment that it is made of, and a
//! Provenance names message and segments.
//! Spec: <https://build.fhir.org/ig/HL7/v2-to-fhir/>; ADR 0171.

use std::cell::RefCell;

use crate::fhir::instant::Instant;
use crate::fhir::resource::{Node, Object, Resource};
use crate::hl7v2::ack::{Problem, code};
use crate::hl7v2::datatype::cx;
use crate::hl7v2::draft::{Draft, How, Identity};
use crate::hl7v2::element::{Element, reference, text};
use crate::hl7v2::feed::Feed;
use crate::hl7v2::message::Message;
use crate::hl7v2::part::Part;
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::pid;
use crate::hl7v2::structure;
use crate::hl7v2::tables::Tables;

/// Warnings kept of one message.
const WARNINGS_MAX: usize = 200;

/// Resources that one message may come to.
pub const RESOURCES_MAX: usize = 20_000;

/// What a message came to.
#[derive(Debug, Clone)]
pub struct Converted {
    /// A transaction.
    pub bundle: Resource,
    /// What was lost or guessed.
    pub warnings: Vec<Warning>,
    /// For each entry of the Bundle the members that are to be forgotten.
    pub cleared: Vec<Vec<&'static str>>,
}

/// Something that was lost or guessed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Warning {
    /// Where: `PID-3.4`.
    pub place: String,
    /// What; says nothing of a patient.
    pub text: String,
}

/// What a message is carried over with.
#[derive(Debug)]
pub(super) struct Conversion<'a> {
    pub(super) message: &'a Message,
    pub(super) feed: &'a Feed,
    pub(super) tables: &'a Tables,
    pub(super) received_ms: i64,
    seed: blake3::Hash,
    warnings: RefCell<Vec<Warning>>,
    drafts: RefCell<Vec<Draft>>,
}

/// Carries a message over.
///
/// # Errors
/// What is wrong with it, when nothing can be made of it.
pub fn convert(
    message: &Message,
    feed: &Feed,
    tables: &Tables,
    received_ms: i64,
) -> Result<Converted, Problem> {
    let conversion = Conversion::new((message, feed, tables), received_ms);
    let readings: Vec<Reading<'_>> = message.segments().map(Reading::new).collect();
    structure::carry_over(&conversion, &readings)?;
    for warning in message.warnings() {
        conversion.warn_of("MSH", warning);
    }
    for lost in readings.iter().flat_map(Reading::lost) {
        conversion.warn(lost, "is not carried over");
    }
    conversion.finish()
}

/// The patient of a message as it describes them, with or without an identifier.
pub fn described_patient(message: &Message, feed: &Feed, tables: &Tables) -> Option<Resource> {
    let conversion = Conversion::new((message, feed, tables), 0);
    let pid = Reading::new(message.segment("PID")?);
    let mut patient = pid::described(&conversion, &pid).into_object();
    patient.insert(0, "resourceType", text("Patient"));
    Resource::from_object(patient).ok()
}

/// What a message's patients are known by: messages that share one of these are taken in order.
pub fn patients(message: &Message, feed: &Feed, tables: &Tables) -> Vec<String> {
    let conversion = Conversion::new((message, feed, tables), 0);
    let fields = message
        .segments()
        .filter_map(|segment| match segment.name() {
            "PID" => Some(segment.field(3)),
            "MRG" => Some(segment.field(1)),
            _ => None,
        });
    let mut known: Vec<String> = fields
        .flat_map(Part::repetitions)
        .filter_map(|part| cx::identity(&conversion, part))
        .map(|identity| format!("{}|{}", identity.system, identity.value))
        .collect();
    known.sort_unstable();
    known.dedup();
    known
}

impl<'a> Conversion<'a> {
    fn new((message, feed, tables): (&'a Message, &'a Feed, &'a Tables), received_ms: i64) -> Self {
        Self {
            message,
            feed,
            tables,
            received_ms,
            seed: blake3::hash(message.text().as_bytes()),
            warnings: RefCell::default(),
            drafts: RefCell::default(),
        }
    }

    /// Tells of something at a place.
    pub(super) fn warn(&self, at: Part<'_>, what: &str) {
        let place = self.message.location(at.at());
        let place = place.map_or_else(|| "MSH".to_owned(), |place| place.to_string());
        self.warn_of(&place, what);
    }

    /// Tells of something at a place that has a name.
    pub(super) fn warn_of(&self, place: &str, what: &str) {
        let mut warnings = self.warnings.borrow_mut();
        let warning = Warning {
            place: place.to_owned(),
            text: what.to_owned(),
        };
        if warnings.len() < WARNINGS_MAX && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// Adds a resource and gives back what it is referred to by. One that has the identity of
    /// another in this message adds to that.
    pub(super) fn add(
        &self,
        resource_type: &'static str,
        from: &Reading<'_>,
        how: How,
        element: Element,
    ) -> Node {
        self.add_cleared(resource_type, from, (how, element), Vec::new())
    }

    /// As [`Self::add`], with members that are to be forgotten.
    pub(super) fn add_cleared(
        &self,
        resource_type: &'static str,
        from: &Reading<'_>,
        (how, element): (How, Element),
        cleared: Vec<&'static str>,
    ) -> Node {
        let mut drafts = self.drafts.borrow_mut();
        let same = drafts
            .iter_mut()
            .find(|draft| draft.resource_type == resource_type && same_identity(&draft.how, &how));
        if let Some(same) = same {
            if matches!(how, How::Update(_)) {
                same.how = how;
                for (name, value) in element.into_object() {
                    same.element.set(&name, Some(value));
                }
            }
            return reference(&same.full_url);
        }
        let full_url = self.full_url(drafts.len());
        let to = reference(&full_url);
        drafts.push(Draft {
            resource_type,
            full_url,
            source: from.label(),
            how,
            element,
            cleared,
        });
        to
    }

    /// Whether a resource with this identity was added before.
    pub(super) fn has(&self, resource_type: &str, identity: &Identity) -> bool {
        let drafts = self.drafts.borrow();
        let mut same = drafts
            .iter()
            .filter(|draft| draft.resource_type == resource_type);
        same.any(|draft| match &draft.how {
            How::Update(known) | How::CreateUnless(known) => known.contains(identity),
            How::Create => false,
        })
    }

    /// Changes a resource that was added before.
    pub(super) fn change(&self, to: &Node, change: impl FnOnce(&mut Element)) {
        let url = to
            .get("reference")
            .and_then(Node::as_str)
            .unwrap_or_default();
        let mut drafts = self.drafts.borrow_mut();
        if let Some(draft) = drafts.iter_mut().find(|draft| draft.full_url == url) {
            change(&mut draft.element);
        }
    }

    /// What the visit of the message is known by, when it has a number.
    pub(super) fn visit_key(&self) -> Option<String> {
        let number = self.message.segment("PV1")?.field(19);
        let identity = cx::identity(self, number)?;
        Some(format!("{}|{}", identity.system, identity.value))
    }

    /// A code of a table as FHIR has it; told of when the table has no such code.
    pub(super) fn code(&self, table: &str, system: &str, part: Part<'_>) -> Option<&'static str> {
        let code = part.value()?;
        let found = self.tables.code(table, system, &code);
        if found.is_none() {
            let name = system.rsplit('/').next().unwrap_or(system);
            self.warn(
                part,
                &format!("has a code of table {table} that {name} does not have"),
            );
        }
        found
    }

    fn full_url(&self, number: usize) -> String {
        let mut hasher = blake3::Hasher::new_keyed(self.seed.as_bytes());
        hasher.update(&number.to_le_bytes());
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .urn()
            .to_string()
    }

    fn finish(self) -> Result<Converted, Problem> {
        let provenance = self.provenance();
        let mut drafts = self.drafts.into_inner();
        if drafts.len() > RESOURCES_MAX {
            let text = format!("A message may come to {RESOURCES_MAX} resources: split it.");
            return Err(Problem::of_message(code::DATA_TYPE, text));
        }
        drafts.push(provenance);
        let cleared = drafts.iter().map(|draft| draft.cleared.clone()).collect();
        let entries = drafts.into_iter().map(Draft::entry).collect();
        let mut bundle = Object::new();
        bundle.set("resourceType", text("Bundle"));
        bundle.set("type", text("transaction"));
        bundle.set("entry", Node::Array(entries));
        let bundle = Resource::from_object(bundle);
        Ok(Converted {
            bundle: bundle.map_err(|_object| Problem::of_message(code::INTERNAL, "No Bundle."))?,
            warnings: self.warnings.into_inner(),
            cleared,
        })
    }

    /// Who sent it, and which segment each resource comes from.
    fn provenance(&self) -> Draft {
        let drafts = self.drafts.borrow();
        let targets = drafts.iter().map(|draft| {
            let extension = Element::new()
                .with_code("url", "urn:vesta:hl7v2:segment")
                .with_code("valueString", &draft.source);
            let target = Element::new()
                .with_all("extension", extension.node())
                .with_code("reference", &draft.full_url);
            Node::Object(target.into_object())
        });
        let sender = [3, 4].map(|number| self.message.head(number).component(1).text());
        let sender: Vec<&str> = sender
            .iter()
            .map(|part| &**part)
            .filter(|part| !part.is_empty())
            .collect();
        let sender = if sender.is_empty() {
            "unknown sender".to_owned()
        } else {
            sender.join(" ")
        };
        let control_id = self.message.head(10).text();
        let what = Identity {
            system: "urn:vesta:hl7v2:message".to_owned(),
            value: if control_id.is_empty() {
                "none".to_owned()
            } else {
                control_id.into_owned()
            },
        };
        let event = self.message.head(9);
        let event = [1, 2].map(|number| event.component(number).text().into_owned());
        let what = Element::new()
            .with("identifier", Some(what.identifier()))
            .with_code("display", event.join("^").trim_end_matches('^'));
        let entity = Element::new()
            .with_code("role", "source")
            .with("what", what.node());
        let who = Element::new().with_code("display", &sender);
        let agent = Element::new().with("who", who.node());
        let element = Element::new()
            .with_all("target", targets)
            .with_code(
                "recorded",
                &Instant::from_millis(self.received_ms).to_string(),
            )
            .with_all("agent", agent.node())
            .with_all("entity", entity.node());
        Draft {
            resource_type: "Provenance",
            full_url: self.full_url(usize::MAX),
            source: "MSH".to_owned(),
            how: How::Create,
            element,
            cleared: Vec::new(),
        }
    }
}

fn same_identity(one: &How, other: &How) -> bool {
    match (one, other) {
        (How::Create, _) | (_, How::Create) => false,
        (
            How::Update(one) | How::CreateUnless(one),
            How::Update(other) | How::CreateUnless(other),
        ) => one.iter().any(|identity| other.contains(identity)),
    }
}
