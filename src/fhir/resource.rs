//! A resource in memory: a lossless tree of ordered members.
//!
//! Numbers keep their text, primitive extensions (`_birthDate`) stay beside their values, and
//! nothing is interpreted here. Reading and writing is in [`super::json`] and `super::xml`.
//! Spec: <https://hl7.org/fhir/R4/json.html>.

use compact_str::CompactString;

use crate::fhir::instant::Instant;
use crate::fhir::resource_type::ResourceType;

/// Any value that can stand in a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// `null`; legal only as a place holder in arrays of primitives.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, with its text as it was written.
    Number(CompactString),
    /// A string, unescaped.
    String(CompactString),
    /// An array; never empty when it was validated.
    Array(Vec<Node>),
    /// An object; never empty when it was validated.
    Object(Object),
}

/// The members of a JSON object in the order they were written; no name occurs twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object(Vec<(CompactString, Node)>);

impl Node {
    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The members of an object, to change.
    pub fn as_object_mut(&mut self) -> Option<&mut Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The items of an array; a value that is not an array is its own single item.
    pub fn items(&self) -> &[Node] {
        match self {
            Self::Array(items) => items,
            other => std::slice::from_ref(other),
        }
    }

    /// The member `name` of an object.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.as_object()?.get(name)
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl Object {
    /// An object without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of the member `name`.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// The value of the member `name`, to change.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.0
            .iter_mut()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// The text of the member `name`, when it is a string.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// The items of the member `name`: none when it is absent, one when it is not an array.
    pub fn items(&self, name: &str) -> &[Node] {
        self.get(name).map_or(&[], Node::items)
    }

    /// Whether there is a member `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets the member `name`, in its place when it was there, else at the end.
    pub fn set(&mut self, name: &str, value: Node) {
        match self.get_mut(name) {
            Some(place) => *place = value,
            None => self.0.push((name.into(), value)),
        }
    }

    /// Puts a member at `index` without looking for an older one of the same name.
    pub fn insert(&mut self, index: usize, name: &str, value: Node) {
        let index = index.min(self.0.len());
        self.0.insert(index, (name.into(), value));
    }

    /// Appends a member without looking for an older one of the same name.
    pub fn push(&mut self, name: CompactString, value: Node) {
        self.0.push((name, value));
    }

    /// Takes the member `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Node> {
        let index = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(index).1)
    }

    /// The members in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Node)> + DoubleEndedIterator {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The members in order, values to change.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut Node)> {
        self.0.iter_mut().map(|(key, value)| (key.as_str(), value))
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Object {
    type Item = (CompactString, Node);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// A resource: an object whose `resourceType` is an R4 type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    resource_type: ResourceType,
    object: Object,
}

impl Resource {
    /// Makes a resource of an object; gives the object back when its `resourceType` is missing or
    /// not a type of R4.
    pub fn from_object(object: Object) -> Result<Self, Object> {
        match object
            .get_str("resourceType")
            .and_then(|name| name.parse().ok())
        {
            Some(resource_type) => Ok(Self {
                resource_type,
                object,
            }),
            None => Err(object),
        }
    }

    /// The type.
    pub fn resource_type(&self) -> ResourceType {
        self.resource_type
    }

    /// The logical id, when it has one.
    pub fn id(&self) -> Option<&str> {
        self.object.get_str("id")
    }

    /// All members, `resourceType` among them.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// All members, to change. `resourceType` must stay as it is.
    pub fn object_mut(&mut self) -> &mut Object {
        &mut self.object
    }

    /// The object back.
    pub fn into_object(self) -> Object {
        self.object
    }

    /// Sets the logical id, right behind `resourceType`.
    pub fn set_id(&mut self, id: &str) {
        self.object.remove("id");
        let place = self.place_after(&["resourceType"]);
        self.object.insert(place, "id", Node::from(id));
    }

    /// Sets `meta.versionId` and `meta.lastUpdated` and leaves the rest of `meta` alone.
    pub fn set_version(&mut self, version_id: i64, last_updated: Instant) {
        let mut meta = match self.object.remove("meta") {
            Some(Node::Object(meta)) => meta,
            _ => Object::new(),
        };
        meta.remove("versionId");
        meta.remove("lastUpdated");
        meta.insert(0, "versionId", Node::String(version_id.to_string().into()));
        meta.insert(
            1,
            "lastUpdated",
            Node::String(last_updated.to_string().into()),
        );
        let place = self.place_after(&["resourceType", "id"]);
        self.object.insert(place, "meta", Node::Object(meta));
    }

    /// Whether the two say the same, apart from `meta.versionId` and `meta.lastUpdated`.
    pub fn same_content(&self, other: &Self) -> bool {
        self.without_version() == other.without_version()
    }

    fn without_version(&self) -> Object {
        let mut object = self.object.clone();
        if let Some(meta) = object.get_mut("meta").and_then(Node::as_object_mut) {
            meta.remove("versionId");
            meta.remove("lastUpdated");
            if meta.is_empty() {
                object.remove("meta");
            }
        }
        object.0.sort_by(|a, b| a.0.cmp(&b.0));
        object
    }

    fn place_after(&self, names: &[&str]) -> usize {
        let last = self
            .object
            .iter()
            .rposition(|(name, _)| names.contains(&name));
        last.map_or(0, |index| index + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Node, Object, Resource};
    use crate::fhir::instant::Instant;

    fn patient() -> Resource {
        let mut object = Object::new();
        object.set("resourceType", Node::from("Patient"));
        object.set("active", Node::Bool(true));
        Resource::from_object(object).unwrap()
    }

    #[test]
    fn id_and_meta_stand_in_front() {
        let mut patient = patient();
        patient.set_version(3, Instant::from_millis(0));
        patient.set_id("x");
        let names: Vec<_> = patient
            .object()
            .iter()
            .map(|(name, _)| name.to_owned())
            .collect();
        assert_eq!(names, ["resourceType", "id", "meta", "active"]);
    }

    #[test]
    fn content_is_compared_without_the_version() {
        let mut other = patient();
        other.set_version(3, Instant::from_millis(0));
        assert!(patient().same_content(&other));
        other.object_mut().set("active", Node::Bool(false));
        assert!(!patient().same_content(&other));
    }

    #[test]
    fn a_resource_needs_a_type_of_r4() {
        assert!(Resource::from_object(Object::new()).is_err());
    }
}
