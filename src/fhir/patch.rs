//! JSON Patch on the resource tree, without touching the text of numbers.
//!
//! All or nothing. What FHIR does not allow to remain is taken out when the last operation is done:
//! an array whose last item was removed goes with its member, an emptied object likewise; between
//! the operations they stand as RFC 6902 says. That `resourceType` and `id` stay as they are is for
//! the caller. Spec: <https://hl7.org/fhir/R4/http.html#patch>, RFC 6902.

mod equal;
mod pointer;

use std::fmt;

use crate::fhir::json;
use crate::fhir::patch::pointer::Pointer;
use crate::fhir::resource::{Node, Object};

/// Bounds on what a patch may do.
#[derive(Debug, Clone, Copy)]
pub struct PatchLimits {
    /// How many operations it may have.
    pub operations_max: usize,
    /// How deep the patched resource may nest, in arrays and objects.
    pub depth_max: usize,
    /// How much `copy` operations may add up to, about as in JSON.
    pub copied_bytes_max: usize,
}

/// What a caller can tell the client apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchFailure {
    /// The document is no JSON Patch.
    Malformed,
    /// The operation does not fit the resource as it is.
    NotApplicable,
    /// A `test` found something else.
    TestFailed,
    /// A limit was reached.
    TooLarge,
}

/// Why a patch was not applied; nothing was changed. Never shows content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PatchError {
    /// What kind of failure it is.
    pub failure: PatchFailure,
    /// The operation, from 0; `None` when it is about the document.
    pub operation: Option<usize>,
    /// What is wrong and what would be right.
    pub reason: &'static str,
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operation {
            Some(index) => write!(f, "Operation {index} of the patch: {}", self.reason),
            None => f.write_str(self.reason),
        }
    }
}

/// A failure before it is known which operation it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refusal(PatchFailure, &'static str);

/// Reads a JSON Patch.
pub fn read(bytes: &[u8], limits: json::Limits) -> Result<Node, json::JsonError> {
    json::parse(bytes, limits)
}

/// Applies the JSON Patch `patch` to a copy of `target`.
pub fn apply(target: &Object, patch: &Node, limits: PatchLimits) -> Result<Object, PatchError> {
    let Node::Array(operations) = patch else {
        return Err(of_document(
            PatchFailure::Malformed,
            "A JSON Patch must be an array of operations.",
        ));
    };
    if operations.len() > limits.operations_max {
        return Err(of_document(
            PatchFailure::TooLarge,
            "The patch has more operations than this server applies.",
        ));
    }
    let mut patched = Patched {
        root: Node::Object(target.clone()),
        depth_max: limits.depth_max,
        copy_bytes_left: limits.copied_bytes_max,
    };
    for (index, operation) in operations.iter().enumerate() {
        let applied = patched.operation(operation);
        applied.map_err(|Refusal(failure, reason)| PatchError {
            failure,
            operation: Some(index),
            reason,
        })?;
    }
    match patched.root {
        Node::Object(mut object) => {
            prune_object(&mut object);
            Ok(object)
        }
        _ => Err(of_document(
            PatchFailure::NotApplicable,
            "A resource must remain: a JSON object.",
        )),
    }
}

struct Patched {
    root: Node,
    depth_max: usize,
    copy_bytes_left: usize,
}

impl Patched {
    fn operation(&mut self, operation: &Node) -> Result<(), Refusal> {
        let Node::Object(operation) = operation else {
            return Err(malformed("An operation must be an object."));
        };
        let Some(name) = operation.get_str("op") else {
            return Err(malformed("op is missing."));
        };
        let path = pointer_member(operation, "path", "path must be a JSON Pointer.")?;
        match name {
            "add" => self.add(&path, value(operation)?.clone()),
            "remove" => self.remove(&path).map(drop),
            "replace" => self.replace(&path, value(operation)?.clone()),
            "move" => {
                let from = pointer_member(operation, "from", "from must be a JSON Pointer.")?;
                if from.is_above(&path) {
                    return Err(malformed("A value cannot be moved into itself."));
                }
                let moved = self.remove(&from)?;
                self.add(&path, moved)
            }
            "copy" => {
                let from = pointer_member(operation, "from", "from must be a JSON Pointer.")?;
                let copied = self.copied(&from)?;
                self.add(&path, copied)
            }
            "test" => {
                let expected = value(operation)?;
                let found = from_root(&self.root, &path)?;
                if equal::nodes(found, expected) {
                    Ok(())
                } else {
                    let reason = "The test failed: another value stands at path.";
                    Err(Refusal(PatchFailure::TestFailed, reason))
                }
            }
            _ => Err(malformed(
                "op must be one of add, remove, replace, move, copy and test.",
            )),
        }
    }

    fn add(&mut self, path: &Pointer, added: Node) -> Result<(), Refusal> {
        self.check_depth(path, &added)?;
        let Some((parent, last)) = path.split_last() else {
            self.root = added;
            return Ok(());
        };
        match from_root_mut(&mut self.root, parent)? {
            Node::Object(object) => object.set(last.as_str(), added),
            Node::Array(items) => {
                let index = match last.as_str() {
                    "-" => items.len(),
                    _ => last.index().ok_or(NO_INDEX)?,
                };
                if index > items.len() {
                    return Err(NOTHING_THERE);
                }
                items.insert(index, added);
            }
            _ => return Err(NO_CONTAINER),
        }
        Ok(())
    }

    fn remove(&mut self, path: &Pointer) -> Result<Node, Refusal> {
        let Some((parent, last)) = path.split_last() else {
            return Err(Refusal(
                PatchFailure::NotApplicable,
                "The resource itself cannot be removed by a patch.",
            ));
        };
        match from_root_mut(&mut self.root, parent)? {
            Node::Object(object) => object.remove(last.as_str()).ok_or(NOTHING_THERE),
            Node::Array(items) => {
                let index = last.index().ok_or(NO_INDEX)?;
                if index >= items.len() {
                    return Err(NOTHING_THERE);
                }
                Ok(items.remove(index))
            }
            _ => Err(NO_CONTAINER),
        }
    }

    fn replace(&mut self, path: &Pointer, replacement: Node) -> Result<(), Refusal> {
        self.check_depth(path, &replacement)?;
        *from_root_mut(&mut self.root, path.tokens())? = replacement;
        Ok(())
    }

    fn copied(&mut self, from: &Pointer) -> Result<Node, Refusal> {
        let source = from_root(&self.root, from)?;
        let left = self.copy_bytes_left.checked_sub(size_bytes(source));
        self.copy_bytes_left = left.ok_or(Refusal(
            PatchFailure::TooLarge,
            "The patch copies more than this server allows.",
        ))?;
        Ok(source.clone())
    }

    fn check_depth(&self, path: &Pointer, value: &Node) -> Result<(), Refusal> {
        if path.tokens().len() + depth(value) > self.depth_max {
            return Err(Refusal(
                PatchFailure::TooLarge,
                "The patch nests the resource deeper than this server allows.",
            ));
        }
        Ok(())
    }
}

const NOTHING_THERE: Refusal = Refusal(
    PatchFailure::NotApplicable,
    "There is nothing at this path in the resource.",
);
const NO_CONTAINER: Refusal = Refusal(
    PatchFailure::NotApplicable,
    "The path leads into a value that is neither array nor object.",
);
const NO_INDEX: Refusal = Refusal(
    PatchFailure::NotApplicable,
    "An item of an array must be named by its index, from 0.",
);

fn malformed(reason: &'static str) -> Refusal {
    Refusal(PatchFailure::Malformed, reason)
}

fn of_document(failure: PatchFailure, reason: &'static str) -> PatchError {
    PatchError {
        failure,
        operation: None,
        reason,
    }
}

fn pointer_member(
    operation: &Object,
    member: &str,
    reason: &'static str,
) -> Result<Pointer, Refusal> {
    let text = operation.get_str(member).ok_or(malformed(reason))?;
    Pointer::parse(text).ok_or(malformed(reason))
}

fn value(operation: &Object) -> Result<&Node, Refusal> {
    operation.get("value").ok_or(malformed("value is missing."))
}

fn from_root<'n>(root: &'n Node, path: &Pointer) -> Result<&'n Node, Refusal> {
    path.tokens()
        .iter()
        .try_fold(root, |node, token| match node {
            Node::Object(object) => object.get(token.as_str()).ok_or(NOTHING_THERE),
            Node::Array(items) => {
                let index = token.index().ok_or(NO_INDEX)?;
                items.get(index).ok_or(NOTHING_THERE)
            }
            _ => Err(NO_CONTAINER),
        })
}

fn from_root_mut<'n>(
    root: &'n mut Node,
    tokens: &[pointer::Token],
) -> Result<&'n mut Node, Refusal> {
    tokens.iter().try_fold(root, |node, token| match node {
        Node::Object(object) => object.get_mut(token.as_str()).ok_or(NOTHING_THERE),
        Node::Array(items) => {
            let index = token.index().ok_or(NO_INDEX)?;
            items.get_mut(index).ok_or(NOTHING_THERE)
        }
        _ => Err(NO_CONTAINER),
    })
}

/// How deep arrays and objects nest in `node`.
fn depth(node: &Node) -> usize {
    match node {
        Node::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Node::Object(object) => {
            let deepest = object.iter().map(|(_, value)| depth(value)).max();
            1 + deepest.unwrap_or(0)
        }
        _ => 0,
    }
}

/// About as many bytes as the JSON of `node` takes, with something for each node.
fn size_bytes(node: &Node) -> usize {
    const NODE_BYTES: usize = 8;
    NODE_BYTES
        + match node {
            Node::Null | Node::Bool(_) => 0,
            Node::Number(text) | Node::String(text) => text.len(),
            Node::Array(items) => items.iter().map(size_bytes).sum(),
            Node::Object(object) => object
                .iter()
                .map(|(name, value)| name.len() + size_bytes(value))
                .sum(),
        }
}

/// Takes members out that the patch has emptied.
fn prune_object(object: &mut Object) {
    let mut emptied = Vec::new();
    for (name, value) in object.iter_mut() {
        if is_empty_when_pruned(value, name.starts_with('_')) {
            emptied.push(name.to_owned());
        }
    }
    for name in emptied {
        object.remove(&name);
    }
}

/// Prunes a value; whether nothing is left of it. Items of an array beside (`_given`) keep their
/// places, because they stand for those of the array itself.
fn is_empty_when_pruned(node: &mut Node, is_beside: bool) -> bool {
    match node {
        Node::Object(object) => {
            prune_object(object);
            object.is_empty()
        }
        Node::Array(items) if is_beside => {
            for item in items.iter_mut() {
                if is_empty_when_pruned(item, true) {
                    *item = Node::Null;
                }
            }
            items.iter().all(|item| *item == Node::Null)
        }
        Node::Array(items) => {
            items.retain_mut(|item| !is_empty_when_pruned(item, false));
            items.is_empty()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{PatchFailure, PatchLimits, apply};
    use crate::fhir::json::{Limits, parse, to_vec};
    use crate::fhir::resource::Node;

    const LIMITS: PatchLimits = PatchLimits {
        operations_max: 10,
        depth_max: 16,
        copied_bytes_max: 1000,
    };

    fn patched(target: &str, patch: &str) -> Result<String, PatchFailure> {
        let limits = Limits { depth_max: 64 };
        let target = parse(target.as_bytes(), limits).unwrap();
        let patch = parse(patch.as_bytes(), limits).unwrap();
        let done = apply(target.as_object().unwrap(), &patch, LIMITS);
        done.map(|object| String::from_utf8(to_vec(&Node::Object(object))).unwrap())
            .map_err(|error| error.failure)
    }

    #[test]
    fn the_six_operations() {
        let target = r#"{"a":{"b":[1.50,2]},"c":"x"}"#;
        for (operation, expected) in [
            (
                r#"{"op":"add","path":"/a/b/1","value":7}"#,
                r#"{"a":{"b":[1.50,7,2]},"c":"x"}"#,
            ),
            (
                r#"{"op":"add","path":"/a/b/-","value":7}"#,
                r#"{"a":{"b":[1.50,2,7]},"c":"x"}"#,
            ),
            (
                r#"{"op":"add","path":"/c","value":null}"#,
                r#"{"a":{"b":[1.50,2]},"c":null}"#,
            ),
            (
                r#"{"op":"remove","path":"/a/b/0"}"#,
                r#"{"a":{"b":[2]},"c":"x"}"#,
            ),
            (
                r#"{"op":"replace","path":"/a/b","value":"y"}"#,
                r#"{"a":{"b":"y"},"c":"x"}"#,
            ),
            (
                r#"{"op":"replace","path":"","value":{"z":1}}"#,
                r#"{"z":1}"#,
            ),
            (
                r#"{"op":"move","from":"/c","path":"/a/b/0"}"#,
                r#"{"a":{"b":["x",1.50,2]}}"#,
            ),
            (
                r#"{"op":"copy","from":"/a/b","path":"/d"}"#,
                r#"{"a":{"b":[1.50,2]},"c":"x","d":[1.50,2]}"#,
            ),
            (r#"{"op":"test","path":"/a/b","value":[1.5,2.0]}"#, target),
        ] {
            assert_eq!(
                patched(target, &format!("[{operation}]")).unwrap(),
                expected,
                "{operation}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        use PatchFailure::{Malformed, NotApplicable, TestFailed, TooLarge};
        let target = r#"{"a":{"b":[1,2]},"c":"x"}"#;
        let eleven = [r#"{"op":"test","path":"/c","value":"x"}"#; 11].join(",");
        for (patch, failure) in [
            (r#"{"op":"remove","path":"/c"}"#, Malformed),
            (r#"["remove"]"#, Malformed),
            (r#"[{"path":"/c"}]"#, Malformed),
            (r#"[{"op":"delete","path":"/c"}]"#, Malformed),
            (r#"[{"op":"remove"}]"#, Malformed),
            (r#"[{"op":"remove","path":"c"}]"#, Malformed),
            (r#"[{"op":"add","path":"/c"}]"#, Malformed),
            (r#"[{"op":"copy","path":"/c"}]"#, Malformed),
            (r#"[{"op":"move","from":"/a","path":"/a/b/0"}]"#, Malformed),
            (r#"[{"op":"remove","path":"/d"}]"#, NotApplicable),
            (r#"[{"op":"remove","path":""}]"#, NotApplicable),
            (r#"[{"op":"replace","path":"/d","value":1}]"#, NotApplicable),
            (r#"[{"op":"replace","path":"","value":1}]"#, NotApplicable),
            (r#"[{"op":"add","path":"/a/b/3","value":1}]"#, NotApplicable),
            (r#"[{"op":"add","path":"/a/b/x","value":1}]"#, NotApplicable),
            (r#"[{"op":"remove","path":"/a/b/-"}]"#, NotApplicable),
            (r#"[{"op":"add","path":"/c/d","value":1}]"#, NotApplicable),
            (r#"[{"op":"add","path":"/d/e","value":1}]"#, NotApplicable),
            (r#"[{"op":"test","path":"/c","value":"y"}]"#, TestFailed),
            (&format!("[{eleven}]"), TooLarge),
        ] {
            assert_eq!(patched(target, patch), Err(failure), "{patch}");
        }
    }

    #[test]
    fn a_failure_names_its_operation() {
        let limits = Limits { depth_max: 64 };
        let target = parse(br#"{"c":"x"}"#, limits).unwrap();
        let patch = br#"[{"op":"add","path":"/d","value":1},{"op":"remove","path":"/e"}]"#;
        let patch = parse(patch, limits).unwrap();
        let error = apply(target.as_object().unwrap(), &patch, LIMITS).unwrap_err();
        assert_eq!(error.operation, Some(1));
        assert!(
            error
                .to_string()
                .starts_with("Operation 1 of the patch: There is nothing")
        );
    }

    #[test]
    fn what_becomes_empty_goes_when_all_is_done() {
        let target = r#"{"n":[{"f":"x"}],"g":["a","b"],"_g":[null,{"id":"i"}]}"#;
        let remove = r#"[{"op":"remove","path":"/n/0/f"}]"#;
        assert_eq!(
            patched(target, remove).unwrap(),
            r#"{"g":["a","b"],"_g":[null,{"id":"i"}]}"#
        );
        let again =
            r#"[{"op":"remove","path":"/n/0"},{"op":"add","path":"/n/-","value":{"f":"y"}}]"#;
        assert!(
            patched(target, again)
                .unwrap()
                .contains(r#""n":[{"f":"y"}]"#)
        );
        let beside = r#"[{"op":"remove","path":"/_g/1/id"}]"#;
        assert_eq!(
            patched(target, beside).unwrap(),
            r#"{"n":[{"f":"x"}],"g":["a","b"]}"#
        );
        let kept = r#"{"g":["a","b"],"_g":[{"id":"h"},{"id":"i"}]}"#;
        let beside = r#"[{"op":"remove","path":"/_g/0/id"}]"#;
        assert_eq!(
            patched(kept, beside).unwrap(),
            r#"{"g":["a","b"],"_g":[null,{"id":"i"}]}"#
        );
    }

    #[test]
    fn copies_cannot_grow_without_end() {
        let double = r#"{"op":"copy","from":"/a","path":"/a/-"}"#;
        let target = format!(r#"{{"a":["{}"]}}"#, "x".repeat(200));
        let patch = format!("[{}]", [double; 3].join(","));
        assert_eq!(patched(&target, &patch), Err(PatchFailure::TooLarge));
        assert!(patched(r#"{"a":[1]}"#, &patch).is_ok());
        let deep = format!(
            r#"[{{"op":"add","path":"/a/0","value":{}1{}}}]"#,
            "[".repeat(15),
            "]".repeat(15)
        );
        assert_eq!(patched(r#"{"a":[1]}"#, &deep), Err(PatchFailure::TooLarge));
    }
}
