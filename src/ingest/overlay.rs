//! What a message says, laid over what is stored: what it leaves out stays, what it says is to be
//! forgotten goes.
//!
//! HL7 v2 tells of changes: an empty field means that nothing is known of one. Identifiers are
//! gathered; every other member that a message has replaces the stored one.
//! Spec: HL7 v2.5.1 section 2.5.3.

use crate::access::Grant;
use crate::access::records::Stored;
use crate::fhir::resource::{Node, Object, Resource};
use crate::interaction::Context;
use crate::interaction::bundle::{EntryRequest, Verb};
use crate::interaction::conditional::{Criteria, find};
use crate::interaction::stage::Stage;
use crate::interaction::update::{Precondition, Target};
use crate::outcome::Outcome;

/// Types that messages tell of piece by piece; results are told of as a whole.
const PIECEMEAL_TYPES: [&str; 8] = [
    "Account",
    "Appointment",
    "Coverage",
    "Encounter",
    "MedicationRequest",
    "Patient",
    "RelatedPerson",
    "ServiceRequest",
];

/// Elements of several types: a new one replaces the old one, whatever its type is.
const CHOICES: [&str; 4] = ["deceased", "multipleBirth", "occurrence", "medication"];

/// Objects whose members are told of one by one.
const PIECEMEAL_MEMBERS: [&str; 2] = ["period", "hospitalization"];

/// Lays the updates of a transaction over what is stored; `cleared` has for each entry the members
/// that are to be forgotten. Whether there was anything: then the transaction depends on versions.
pub(super) async fn lay(
    ctx: &Context,
    grant: &Grant,
    entries: &mut [EntryRequest],
    cleared: &[Vec<&'static str>],
) -> Result<bool, Outcome> {
    let mut has_laid = false;
    for (entry, cleared) in entries.iter_mut().zip(cleared) {
        let Verb::Put {
            resource,
            target,
            condition,
        } = &mut entry.verb
        else {
            continue;
        };
        let Target::Criteria(query) = &*target else {
            continue;
        };
        let resource_type = resource.resource_type();
        if !PIECEMEAL_TYPES.contains(&resource_type.name()) {
            continue;
        }
        let criteria = Criteria {
            resource_type,
            query,
        };
        let grant = grant.within(crate::access::Intent::Search(Some(resource_type)))?;
        let found = find(ctx, &grant, &mut Stage::default(), &criteria, 2).await?;
        // None is created, several are refused, both by the transaction.
        let [stored] = found.as_slice() else {
            continue;
        };
        *resource = laid(stored, resource, cleared)?;
        *target = Target::Id(stored.version.address.id.clone());
        *condition = Precondition {
            if_match: vec![stored.version.version_id],
            ..Precondition::default()
        };
        has_laid = true;
    }
    Ok(has_laid)
}

fn laid(
    stored: &Stored,
    message: &Resource,
    cleared: &[&'static str],
) -> Result<Resource, Outcome> {
    let mut result = stored.resource()?;
    let object = result.object_mut();
    for name in cleared {
        object.remove(name);
        object.remove(&format!("_{name}"));
    }
    for (name, value) in message.object().iter() {
        if name == "resourceType" {
            continue;
        }
        forget_others(object, message.object(), name);
        let value = match (object.get(name), value) {
            (Some(old), new) if name == "identifier" => gathered(old, new, same_identifier),
            (Some(old), new) if name == "extension" => gathered(old, new, same_url),
            (Some(Node::Object(old)), Node::Object(new)) if PIECEMEAL_MEMBERS.contains(&name) => {
                let mut both = old.clone();
                for (name, value) in new.iter() {
                    both.set(name, value.clone());
                }
                Node::Object(both)
            }
            (_, new) => new.clone(),
        };
        object.set(name, value);
    }
    Ok(result)
}

/// Takes out what a new member makes untrue: the same choice of another type, extensions of the
/// old value.
fn forget_others(stored: &mut Object, message: &Object, name: &str) {
    if let Some(choice) = CHOICES.iter().find(|choice| name.starts_with(*choice)) {
        let others = stored.iter().map(|(other, _)| other.to_owned());
        let others: Vec<_> = others.filter(|other| other.starts_with(choice)).collect();
        for other in others {
            stored.remove(&other);
        }
    }
    let companion = format!("_{name}");
    if !message.contains(&companion) {
        stored.remove(&companion);
    }
}

/// The new items, and of the old ones those that no new one is the same as.
fn gathered(old: &Node, new: &Node, is_same: fn(&Node, &Node) -> bool) -> Node {
    let kept = old.items().iter().filter(|old| {
        let mut items = new.items().iter();
        !items.any(|new| is_same(old, new))
    });
    let mut all: Vec<Node> = new.items().to_vec();
    all.extend(kept.cloned());
    Node::Array(all)
}

fn same_identifier(one: &Node, other: &Node) -> bool {
    ["system", "value"]
        .iter()
        .all(|name| one.get(name) == other.get(name))
}

fn same_url(one: &Node, other: &Node) -> bool {
    one.get("url") == other.get("url")
}

#[cfg(test)]
mod tests {
    use super::{forget_others, gathered, same_identifier};
    use crate::fhir::json::{Limits, parse};
    use crate::fhir::resource::Node;

    fn node(text: &str) -> Node {
        parse(text.as_bytes(), Limits { depth_max: 9 }).unwrap()
    }

    #[test]
    fn identifiers_are_gathered() {
        let old = node(r#"[{"system":"a","value":"1"},{"system":"b","value":"2"}]"#);
        let new = node(r#"[{"system":"b","value":"2","use":"old"},{"system":"c","value":"3"}]"#);
        let all = gathered(&old, &new, same_identifier);
        let values: Vec<_> = all
            .items()
            .iter()
            .map(|one| one.get("value").cloned())
            .collect();
        assert_eq!(values, ["2", "3", "1"].map(|value| Some(Node::from(value))));
    }

    #[test]
    fn a_choice_of_another_type_goes() {
        let mut stored =
            node(r#"{"deceasedBoolean":true,"birthDate":"2000","_birthDate":{"id":"x"}}"#);
        let message = node(r#"{"deceasedDateTime":"2026","birthDate":"2001"}"#);
        let message = message.as_object().unwrap();
        let stored = stored.as_object_mut().unwrap();
        forget_others(stored, message, "deceasedDateTime");
        forget_others(stored, message, "birthDate");
        let names: Vec<_> = stored.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["birthDate"]);
    }
}
