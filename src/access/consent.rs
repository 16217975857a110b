//! What a patient's Consent forbids somebody, as a condition on resources. Pure.
//!
//! A consent has a base (`policyRule`: opt-out forbids, everything else permits) and a tree of
//! provisions, each an exception to the one around it; where several say something else, the denial
//! wins. What depends on who asks, why and when is decided here once; what depends on the resource
//! is left as a [`Matter`]. What a denial says in words that are not understood counts as met, what
//! a permit says in such words does not.
//! Spec: <https://hl7.org/fhir/R4/consent.html>.

use std::collections::BTreeSet;

use crate::access::consent::matter::{Coding, Matter};
use crate::fhir::reference::Reference;
use crate::fhir::resource::{Node, Object, Resource};
use crate::search::param::date::interval;
use crate::search::param::{DataType, Found};

pub(super) mod matter;

/// Provisions within provisions.
const DEPTH_MAX: usize = 16;

/// What forbidding is about here; a provision on nothing but `collect` or `correct` is not.
const ACTIONS: [&str; 3] = ["access", "disclose", "use"];

/// Purposes of whoever breaks the glass.
const EMERGENCY_PURPOSES: [&str; 2] = ["BTG", "ETREAT"];

/// Labels of confidentiality, from the lowest on.
const CONFIDENTIALITY: [&str; 6] = ["U", "L", "M", "N", "R", "V"];
const CONFIDENTIALITY_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const RESOURCE_TYPES: &str = "http://hl7.org/fhir/resource-types";

/// Who asks, why and when.
#[derive(Debug)]
pub(super) struct Asker<'a> {
    /// How references name them: as practitioner, by roles, by organisations, by care teams.
    pub(super) names: &'a BTreeSet<String>,
    /// Whether they broke the glass: then only what names such a purpose is denied.
    pub(super) is_emergency: bool,
    /// Whether only what names them is denied, as it is for those who act for the patient.
    pub(super) must_be_named: bool,
    pub(super) now_ms: i64,
    pub(super) base_url: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ruling {
    Permit,
    Deny,
}

/// The patient whom an active consent on privacy is about.
pub(super) fn patient<'c>(consent: &'c Resource, base_url: &str) -> Option<&'c str> {
    let object = consent.object();
    let is_on_privacy = has_code(object.get("scope"), &["patient-privacy"]);
    let is_active = object.get_str("status") == Some("active");
    let text = object.get("patient")?.get("reference")?.as_str()?;
    match Reference::parse(text, Some(base_url)) {
        Reference::Local {
            resource_type, id, ..
        } if is_on_privacy && is_active && resource_type.name() == "Patient" => Some(id),
        _ => None,
    }
}

/// Which resources of the patient a consent forbids.
pub(super) fn forbidden(consent: &Resource, asker: &Asker<'_>) -> Matter {
    let object = consent.object();
    let is_opted_out = has_code(object.get("policyRule"), &["OPTOUT", "OPTOUTE"]);
    let base = if is_opted_out {
        Ruling::Deny
    } else {
        Ruling::Permit
    };
    let root = object.get("provision").and_then(Node::as_object);
    let empty = Object::new();
    let provision = root.unwrap_or(&empty);
    let stated = ruling(provision);
    let own = stated.unwrap_or(base);
    let applies = asker.conditions(provision, own);
    let within = Matter::all(vec![applies.clone(), asker.denied(provision, own, 0)]);
    // An exception to opting out leaves everything else forbidden.
    let is_exception = base == Ruling::Deny && stated == Some(Ruling::Permit);
    if !is_exception || asker.is_emergency || asker.must_be_named {
        return within;
    }
    Matter::any(vec![within, Matter::not(applies)])
}

fn ruling(provision: &Object) -> Option<Ruling> {
    match provision.get_str("type")? {
        "permit" => Some(Ruling::Permit),
        _ => Some(Ruling::Deny),
    }
}

impl Asker<'_> {
    /// What of that to which a provision applies is denied.
    fn denied(&self, provision: &Object, own: Ruling, depth: usize) -> Matter {
        if depth > DEPTH_MAX {
            return Matter::Always;
        }
        let (mut denied, mut permitted) = (Vec::new(), Vec::new());
        let children = provision.items("provision").iter();
        for child in children.filter_map(Node::as_object) {
            // A provision that does not say which denies.
            let ruling = ruling(child).unwrap_or(Ruling::Deny);
            let applies = self.conditions(child, ruling);
            let inner = self.denied(child, ruling, depth + 1);
            permitted.push(Matter::all(vec![
                applies.clone(),
                Matter::not(inner.clone()),
            ]));
            denied.push(Matter::all(vec![applies, inner]));
        }
        if own == Ruling::Deny && self.is_meant(provision) {
            denied.push(Matter::not(Matter::any(permitted)));
        }
        Matter::any(denied)
    }

    /// To what a provision applies.
    fn conditions(&self, provision: &Object, ruling: Ruling) -> Matter {
        if !self.is_asking(provision, ruling) {
            return Matter::Never;
        }
        Matter::all(vec![
            labels(provision.items("securityLabel"), ruling),
            classes(provision.items("class"), ruling),
            codes(provision.items("code")),
            dates(provision.get("dataPeriod")),
            self.instances(provision.items("data"), ruling),
        ])
    }

    /// Whether a provision applies to who asks, why and when.
    fn is_asking(&self, provision: &Object, ruling: Ruling) -> bool {
        let is_deny = ruling == Ruling::Deny;
        let period = provision.get("period");
        let period = period.and_then(|one| interval(&Found::new(one, DataType::Period)));
        let is_now = period.is_none_or(|one| (one.low_ms..one.high_ms).contains(&self.now_ms));
        let actions = provision.items("action");
        let is_access = actions.is_empty()
            || actions
                .iter()
                .any(|action| has_code(Some(action), &ACTIONS));
        let actors = provision.items("actor");
        let is_named = actors.iter().any(|actor| self.is_actor(actor, is_deny));
        let is_of_anybody = actors.is_empty() && !(is_deny && self.must_be_named);
        is_now && is_access && (is_named || is_of_anybody) && self.has_purpose(provision)
    }

    fn is_actor(&self, actor: &Node, is_deny: bool) -> bool {
        let text = actor.get("reference").and_then(|one| one.get("reference"));
        match text.and_then(Node::as_str) {
            Some(text) => match Reference::parse(text, Some(self.base_url)) {
                Reference::Local {
                    resource_type, id, ..
                } => self.names.contains(&format!("{resource_type}/{id}")),
                _ => false,
            },
            // Whom an identifier means cannot be told.
            None => is_deny && !self.must_be_named,
        }
    }

    /// Whether a denial counts by itself: in an emergency only where it names such a purpose.
    fn is_meant(&self, provision: &Object) -> bool {
        let purposes = provision.items("purpose");
        let mut codes = purposes.iter().filter_map(|one| one.get("code"));
        !self.is_emergency
            || codes.any(|code| {
                let code = code.as_str();
                code.is_some_and(|code| EMERGENCY_PURPOSES.contains(&code))
            })
    }

    fn has_purpose(&self, provision: &Object) -> bool {
        let purposes = provision.items("purpose");
        let mut codes = purposes.iter().filter_map(|one| one.get("code"));
        let mut is_any = |known: &[&str]| {
            codes.any(|code| code.as_str().is_some_and(|code| known.contains(&code)))
        };
        let own: &[&str] = if self.is_emergency {
            &EMERGENCY_PURPOSES
        } else {
            &["TREAT"]
        };
        purposes.is_empty() || is_any(own)
    }

    fn instances(&self, data: &[Node], ruling: Ruling) -> Matter {
        if data.is_empty() {
            return Matter::Always;
        }
        let mut named = BTreeSet::new();
        for one in data {
            let text = one.get("reference").and_then(|one| one.get("reference"));
            let text = text.and_then(Node::as_str).unwrap_or_default();
            match Reference::parse(text, Some(self.base_url)) {
                Reference::Local {
                    resource_type, id, ..
                } if one.get("meaning").and_then(Node::as_str) == Some("instance") => {
                    named.insert((resource_type, id.to_owned()));
                }
                // What depends on it or is related to it is not known: all may be.
                _ if ruling == Ruling::Deny => return Matter::Always,
                _ => {}
            }
        }
        Matter::Instances(named)
    }
}

fn labels(labels: &[Node], ruling: Ruling) -> Matter {
    if labels.is_empty() {
        return Matter::Always;
    }
    let mut all = BTreeSet::new();
    for label in labels.iter().filter_map(Coding::read) {
        let is_level = label.system.as_deref() == Some(CONFIDENTIALITY_SYSTEM);
        let level = CONFIDENTIALITY.iter().position(|one| *one == label.code);
        match level.filter(|_| is_level) {
            // A water mark: who denies a level denies those above it, who permits one those below.
            Some(level) => {
                let levels = CONFIDENTIALITY.iter().enumerate();
                let is_meant = |place: usize| match ruling {
                    Ruling::Deny => place >= level,
                    Ruling::Permit => place <= level,
                };
                let meant = levels.filter(|(place, _)| is_meant(*place));
                all.extend(meant.map(|(_, code)| Coding {
                    system: label.system.clone(),
                    code: (*code).to_owned(),
                }));
            }
            None => {
                all.insert(label);
            }
        }
    }
    Matter::Labels(all)
}

fn classes(classes: &[Node], ruling: Ruling) -> Matter {
    if classes.is_empty() {
        return Matter::Always;
    }
    let mut types = BTreeSet::new();
    for class in classes {
        let system = class.get("system").and_then(Node::as_str);
        let code = class.get("code").and_then(Node::as_str).unwrap_or_default();
        match code.parse() {
            Ok(resource_type) if system.is_none_or(|one| one == RESOURCE_TYPES) => {
                types.insert(resource_type);
            }
            _ if ruling == Ruling::Deny => return Matter::Always,
            _ => {}
        }
    }
    Matter::Types(types)
}

fn codes(concepts: &[Node]) -> Matter {
    if concepts.is_empty() {
        return Matter::Always;
    }
    let codings = concepts.iter().filter_map(Node::as_object);
    let codings = codings.flat_map(|concept| concept.items("coding"));
    Matter::Codes(codings.filter_map(Coding::read).collect())
}

fn dates(period: Option<&Node>) -> Matter {
    let Some(period) = period else {
        return Matter::Always;
    };
    match interval(&Found::new(period, DataType::Period)) {
        Some(one) => Matter::Dates(one.low_ms, one.high_ms),
        None => Matter::Always,
    }
}

/// Whether a concept has one of these codes.
fn has_code(concept: Option<&Node>, codes: &[&str]) -> bool {
    let codings = concept.and_then(|one| one.get("coding")).map(Node::items);
    let mut codings = codings.unwrap_or_default().iter();
    codings.any(|coding| {
        let code = coding.get("code").and_then(Node::as_str);
        code.is_some_and(|code| codes.contains(&code))
    })
}
