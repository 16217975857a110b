//! The operations of a patch, read from the parameters and not yet applied.

use crate::fhir::resource::{Node, Object};
use crate::fhirpath::patch::PatchError;

/// One operation.
pub(super) struct Operation<'a> {
    pub(super) path: &'a str,
    pub(super) change: Change<'a>,
}

/// What an operation does at its path.
pub(super) enum Change<'a> {
    Add { name: &'a str, value: &'a Object },
    Insert { index: usize, value: &'a Object },
    Delete,
    Replace { value: &'a Object },
    Move { source: usize, destination: usize },
}

/// Reads all operations of a patch.
pub(super) fn operations(
    patch: &Object,
    operations_max: usize,
) -> Result<Vec<Operation<'_>>, PatchError> {
    let parameters = patch.items("parameter");
    if parameters.len() > operations_max {
        return Err(PatchError::TooMany {
            max: operations_max,
        });
    }
    if patch.get_str("resourceType") != Some("Parameters") {
        return Err(PatchError::Malformed {
            operation: 0,
            reason: "a patch is a Parameters resource".to_owned(),
        });
    }
    let read = |(operation, parameter)| {
        read_operation(parameter).map_err(|reason| PatchError::Malformed { operation, reason })
    };
    parameters.iter().enumerate().map(read).collect()
}

fn read_operation(parameter: &Node) -> Result<Operation<'_>, String> {
    if parameter.get("name").and_then(Node::as_str) != Some("operation") {
        return Err("its name must be 'operation'".to_owned());
    }
    let parts = Parts(parameter.get("part").map_or(&[], Node::items));
    let change = match parts.text("type")? {
        "add" => Change::Add {
            name: parts.text("name")?,
            value: parts.part("value")?,
        },
        "insert" => Change::Insert {
            index: parts.index("index")?,
            value: parts.part("value")?,
        },
        "delete" => Change::Delete,
        "replace" => Change::Replace {
            value: parts.part("value")?,
        },
        "move" => Change::Move {
            source: parts.index("source")?,
            destination: parts.index("destination")?,
        },
        _ => return Err("its type must be add, insert, delete, replace or move".to_owned()),
    };
    Ok(Operation {
        path: parts.text("path")?,
        change,
    })
}

struct Parts<'a>(&'a [Node]);

impl<'a> Parts<'a> {
    fn part(&self, name: &str) -> Result<&'a Object, String> {
        let mut found = self
            .0
            .iter()
            .filter_map(Node::as_object)
            .filter(|part| part.get_str("name") == Some(name));
        match (found.next(), found.next()) {
            (Some(part), None) => Ok(part),
            (None, _) => Err(format!("the part '{name}' is missing")),
            (Some(_), Some(_)) => Err(format!("the part '{name}' occurs twice")),
        }
    }

    fn text(&self, name: &str) -> Result<&'a str, String> {
        let part = self.part(name)?;
        ["valueString", "valueCode"]
            .iter()
            .find_map(|member| part.get_str(member))
            .ok_or_else(|| format!("the part '{name}' must have a valueString or valueCode"))
    }

    fn index(&self, name: &str) -> Result<usize, String> {
        let part = self.part(name)?;
        ["valueInteger", "valueUnsignedInt", "valuePositiveInt"]
            .iter()
            .find_map(|member| match part.get(member)? {
                Node::Number(digits) => digits.parse().ok(),
                _ => None,
            })
            .ok_or_else(|| format!("the part '{name}' must have a valueInteger of 0 or more"))
    }
}
