//! `$meta`, `$meta-add`, `$meta-delete`: profiles, tags and security labels, of one resource or of
//! all that are in use.
//!
//! Adding and removing makes no version, as the specification has it: the current version is
//! sealed anew in its place. Superseded versions stay what they were.
//! Spec: <https://hl7.org/fhir/R4/resource-operation-meta.html>,
//! <https://hl7.org/fhir/R4/resource-operation-meta-add.html>.

use crate::access::Grant;
use crate::access::records::{CommitError, Stored};
use crate::fhir::json;
use crate::fhir::resource::{Node, Object, Resource};
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::read::{ReadRequest, ReadResponse, gone, not_found, read};
use crate::interaction::stage::Retry;
use crate::interaction::update::Precondition;
use crate::interaction::vread::{VreadRequest, vread};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::key::{Key, ParameterNumber};
use crate::search::plan::{KeyRange, Order, Plan, Predicate, Window};
use crate::store::Address;

/// The members of `meta` that these operations are about.
const LISTS: [&str; 3] = ["profile", "security", "tag"];

/// The search parameters whose index entries tell which resources have any of them.
const PARAMETERS: [&str; 3] = ["_profile", "_security", "_tag"];

/// Resources read at once while collecting.
const STEP: usize = 500;

/// What to do with the elements of a `meta`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaChange {
    /// Put in what is not there yet.
    Add,
    /// Take out what is there.
    Delete,
}

/// A change of a resource's `meta`.
#[derive(Debug, Clone)]
pub struct MetaRequest {
    /// The resource.
    pub address: Address,
    /// The version that the URL names, when it names one.
    pub version_id: Option<String>,
    /// What to do.
    pub change: MetaChange,
    /// The `Parameters` that the client sent.
    pub parameters: Resource,
    /// What must hold of the current version.
    pub condition: Precondition,
}

/// The `meta` of a resource's current version, or of the version that is named.
pub async fn of_instance(
    ctx: &Context,
    grant: &Grant,
    address: Address,
    version_id: Option<String>,
) -> Result<Vec<u8>, Outcome> {
    let stored = if let Some(version_id) = version_id {
        let request = VreadRequest {
            address,
            version_id,
        };
        vread(ctx, grant, request).await?
    } else {
        let request = ReadRequest {
            address,
            if_none_match: None,
            if_modified_since: None,
        };
        match read(ctx, grant, request).await? {
            ReadResponse::Found(stored) | ReadResponse::NotModified(stored) => stored,
        }
    };
    Ok(answer(meta_of(&stored.resource()?)))
}

/// Every profile, tag and security label that current resources of these types have.
pub async fn in_use(
    ctx: &Context,
    grant: &Grant,
    resource_types: impl Iterator<Item = ResourceType>,
) -> Result<Vec<u8>, Outcome> {
    let mut meta = Object::new();
    let mut budget = ctx.settings.limits.examined_max;
    for resource_type in resource_types.filter(|one| grant.finds(*one)) {
        collect(ctx, grant, resource_type, (&mut meta, &mut budget)).await?;
    }
    for list in LISTS {
        if let Some(Node::Array(items)) = meta.get_mut(list) {
            items.sort_by_key(json::to_vec);
        }
    }
    Ok(answer(meta))
}

/// Changes the profiles, tags and security labels of a resource.
pub async fn change(
    ctx: &Context,
    grant: &Grant,
    request: MetaRequest,
) -> Result<(Stored, Vec<u8>), Outcome> {
    ctx.check_valid(&request.parameters)?;
    let given = given_meta(&request.parameters)?;
    let mut retry = Retry::new(ctx);
    loop {
        let current = ctx.records.get(grant, &request.address).await?;
        let current = current.ok_or_else(|| not_found(&request.address))?;
        if current.is_deleted() {
            return Err(gone(&current));
        }
        request.condition.check(Some(&current))?;
        refuse_superseded(ctx, grant, &request, &current).await?;
        let mut resource = current.resource()?;
        let mut meta = meta_of(&resource);
        let is_changed = match request.change {
            MetaChange::Add => add(&mut meta, given),
            MetaChange::Delete => remove(&mut meta, given),
        };
        if !is_changed {
            return Ok((current, answer(meta)));
        }
        resource.object_mut().set("meta", Node::Object(meta));
        ctx.check_valid(&resource)?;
        match ctx.records.rewrite(grant, &current, resource).await {
            Ok(stored) => {
                let meta = meta_of(&stored.resource()?);
                return Ok((stored, answer(meta)));
            }
            Err(CommitError::Conflict { .. }) => retry.again(ctx).await?,
            Err(CommitError::Failed(outcome)) => return Err(outcome),
        }
    }
}

/// A version in the URL must be the current one.
async fn refuse_superseded(
    ctx: &Context,
    grant: &Grant,
    request: &MetaRequest,
    current: &Stored,
) -> Result<(), Outcome> {
    let Some(version_id) = &request.version_id else {
        return Ok(());
    };
    if *version_id == current.version.version_id.to_string() {
        return Ok(());
    }
    let named = VreadRequest {
        address: request.address.clone(),
        version_id: version_id.clone(),
    };
    vread(ctx, grant, named).await?;
    let text = format!(
        "Superseded versions are not changed, their meta neither: name the current version, which \
         is {}, or none.",
        current.version.version_id
    );
    Err(Outcome::new(Kind::NotImplemented, text))
}

/// The one `meta` among the parameters.
fn given_meta(parameters: &Resource) -> Result<&Object, Outcome> {
    let wrong = |text| Outcome::new(Kind::Invalid, text).at("Parameters.parameter");
    if parameters.resource_type().name() != "Parameters" {
        let text = "Send a Parameters resource with one parameter 'meta' of type Meta.";
        return Err(Outcome::new(Kind::Invalid, text));
    }
    let [parameter] = parameters.object().items("parameter") else {
        return Err(wrong(
            "There must be one parameter, 'meta', with a valueMeta.",
        ));
    };
    let is_meta = parameter.get("name").and_then(Node::as_str) == Some("meta");
    let value = parameter.get("valueMeta").and_then(Node::as_object);
    value
        .filter(|_| is_meta)
        .ok_or_else(|| wrong("The parameter must be called 'meta' and have a valueMeta."))
}

fn meta_of(resource: &Resource) -> Object {
    match resource.object().get("meta") {
        Some(Node::Object(meta)) => meta.clone(),
        _ => Object::new(),
    }
}

/// Adds what is not there; whether that is anything.
fn add(meta: &mut Object, given: &Object) -> bool {
    let mut is_changed = false;
    for list in LISTS {
        let mut items = meta.items(list).to_vec();
        let before = items.len();
        for item in given.items(list) {
            if !items.iter().any(|known| is_same(known, item)) {
                items.push(item.clone());
            }
        }
        if items.len() > before {
            meta.set(list, Node::Array(items));
            is_changed = true;
        }
    }
    is_changed
}

/// Takes out what is there; whether that was anything.
fn remove(meta: &mut Object, given: &Object) -> bool {
    let mut is_changed = false;
    for list in LISTS {
        let mut items = meta.items(list).to_vec();
        let before = items.len();
        items.retain(|known| !given.items(list).iter().any(|item| is_same(known, item)));
        if items.len() == before {
            continue;
        }
        is_changed = true;
        // What stands beside profiles, such as their extensions, counts by place and is gone too.
        if list == "profile" {
            meta.remove("_profile");
        }
        if items.is_empty() {
            meta.remove(list);
        } else {
            meta.set(list, Node::Array(items));
        }
    }
    is_changed
}

/// Profiles are the same by their URL, tags and labels by system and code.
fn is_same(one: &Node, other: &Node) -> bool {
    match (one, other) {
        (Node::Object(one), Node::Object(other)) => ["system", "code"]
            .iter()
            .all(|name| one.get_str(name) == other.get_str(name)),
        (one, other) => one == other,
    }
}

async fn collect(
    ctx: &Context,
    grant: &Grant,
    resource_type: ResourceType,
    (meta, budget): (&mut Object, &mut usize),
) -> Result<(), Outcome> {
    let indexer = ctx.records.indexer();
    let numbers = PARAMETERS
        .iter()
        .filter_map(|code| indexer.registry().search_parameter(resource_type, code))
        .map(|parameter| Key::new(ParameterNumber(parameter.number)));
    let ranges = numbers.map(|prefix| Predicate::Range(KeyRange::prefix(prefix)));
    let plan = Plan {
        driver: Predicate::Or(ranges.collect()),
        residual: Predicate::All,
        type_key: Some(Key::of_type(resource_type)),
    };
    let mut window = Window {
        order: Order::NewestFirst,
        after: None,
        high_water: None,
        limit: STEP,
        examined_max: *budget,
        bytes_max: ctx.settings.limits.page_bytes_max,
    };
    loop {
        let page = ctx.records.find(grant, &plan, &window).await?;
        for stored in &page.matches {
            add(meta, &meta_of(&stored.resource()?));
        }
        *budget = budget.saturating_sub(page.found);
        if page.is_last {
            return Ok(());
        }
        if page.stopped_at.is_some() || *budget == 0 {
            let text = format!(
                "More than {} resources have profiles, tags or security labels: ask type by type, \
                 or search with _tag, _profile and _security.",
                ctx.settings.limits.examined_max
            );
            return Err(Outcome::new(Kind::TooCostly, text));
        }
        window.after = page.last;
        window.examined_max = *budget;
    }
}

/// The `Parameters` with a `meta`; without one when it says nothing.
fn answer(meta: Object) -> Vec<u8> {
    let mut parameters = Object::new();
    parameters.set("resourceType", Node::from("Parameters"));
    if !meta.is_empty() {
        let mut parameter = Object::new();
        parameter.set("name", Node::from("return"));
        parameter.set("valueMeta", Node::Object(meta));
        parameters.set("parameter", Node::Array(vec![Node::Object(parameter)]));
    }
    json::to_vec(&Node::Object(parameters))
}

#[cfg(test)]
mod tests {
    use super::{add, remove};
    use crate::fhir::json::{Limits, parse, to_vec};
    use crate::fhir::resource::{Node, Object};

    fn meta(json: &str) -> Object {
        match parse(json.as_bytes(), Limits { depth_max: 8 }).unwrap() {
            Node::Object(object) => object,
            other => panic!("{other:?}"),
        }
    }

    fn text(meta: Object) -> String {
        String::from_utf8(to_vec(&Node::Object(meta))).unwrap()
    }

    #[test]
    fn tags_are_the_same_by_system_and_code() {
        let mut one = meta(r#"{"tag":[{"system":"s","code":"a","display":"A"}]}"#);
        let known = meta(r#"{"tag":[{"system":"s","code":"a","display":"other"}]}"#);
        assert!(!add(&mut one, &known));
        assert!(add(&mut one, &meta(r#"{"tag":[{"code":"a"}]}"#)));
        assert!(remove(&mut one, &known));
        assert_eq!(text(one), r#"{"tag":[{"code":"a"}]}"#);
    }

    #[test]
    fn the_last_item_takes_its_list_with_it() {
        let mut one = meta(r#"{"versionId":"3","profile":["u"],"security":[{"code":"R"}]}"#);
        let given = meta(r#"{"profile":["u","v"],"versionId":"9"}"#);
        assert!(remove(&mut one, &given));
        assert!(!remove(&mut one, &given));
        assert_eq!(text(one), r#"{"versionId":"3","security":[{"code":"R"}]}"#);
    }
}
