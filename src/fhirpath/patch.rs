//! FHIRPath Patch: a `Parameters` resource whose operations change another resource.
//!
//! All of them happen or none: the changed resource is a new one. Whether it is still valid is for
//! the validation to say. Spec: <https://hl7.org/fhir/R4/fhirpatch.html>.

mod edit;
mod operation;
mod value;

use crate::fhir::resource::{Object, Resource};
use crate::fhir::shape::{Shapes, TypeId};
use crate::fhirpath::ast::Expr;
use crate::fhirpath::location::{Location, Segment};
use crate::fhirpath::parser::parse;
use crate::fhirpath::patch::operation::{Change, Operation, operations};
use crate::fhirpath::patch::value::{NewValue, Slot};
use crate::fhirpath::program::{Program, ProgramError};

/// Why a patch changes nothing. Operations are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch is not one: the client must write it differently.
    #[error("parameter[{operation}] is not a patch operation: {reason}")]
    Malformed {
        /// Which operation.
        operation: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The patch does not fit the resource as it is now.
    #[error("the patch operation parameter[{operation}] does not fit the resource: {reason}")]
    NotApplicable {
        /// Which operation.
        operation: usize,
        /// What does not fit.
        reason: String,
    },
    /// There are more operations than a patch may have.
    #[error("a patch has at most {max} operations")]
    TooMany {
        /// How many it may have.
        max: usize,
    },
}

/// The resource that `target` becomes by a patch of at most `operations_max` operations.
pub fn apply(
    target: &Resource,
    patch: &Object,
    shapes: &Shapes,
    operations_max: usize,
) -> Result<Resource, PatchError> {
    let root = shapes
        .resource(target.resource_type())
        .ok_or_else(|| PatchError::Malformed {
            operation: 0,
            reason: "the definitions of this resource type are not loaded".to_owned(),
        })?;
    let mut changed = target.clone();
    for (place, operation) in operations(patch, operations_max)?.iter().enumerate() {
        let mut patcher = Patcher {
            resource: changed.object_mut(),
            root,
            shapes,
        };
        patcher.apply(operation).map_err(|refusal| match refusal {
            Refusal::Malformed(reason) => PatchError::Malformed {
                operation: place,
                reason,
            },
            Refusal::NotApplicable(reason) => PatchError::NotApplicable {
                operation: place,
                reason,
            },
        })?;
    }
    Ok(changed)
}

/// Why one operation is refused.
#[derive(Debug)]
enum Refusal {
    Malformed(String),
    NotApplicable(String),
}

impl From<ProgramError> for Refusal {
    fn from(error: ProgramError) -> Self {
        Self::Malformed(format!("path: {error}"))
    }
}

struct Patcher<'a> {
    resource: &'a mut Object,
    root: TypeId,
    shapes: &'a Shapes,
}

impl Patcher<'_> {
    fn apply(&mut self, operation: &Operation<'_>) -> Result<(), Refusal> {
        let path = parse(operation.path).map_err(ProgramError::from)?;
        match &operation.change {
            Change::Add { name, value } => self.add(&path, name, value),
            Change::Insert { index, value } => self.insert(&path, *index, value),
            Change::Delete => self.delete(&path),
            Change::Replace { value } => self.replace(&path, value),
            Change::Move {
                source,
                destination,
            } => self.shift(&path, *source, *destination),
        }
    }

    fn add(&mut self, path: &Expr, name: &str, value: &Object) -> Result<(), Refusal> {
        let parent = self.only(path)?;
        if !self.is_object(&parent) {
            return self.add_beside(parent, name, value);
        }
        let slot = self.slot(&parent, name)?;
        let shapes = self.shapes;
        let new = NewValue::read(value, &slot, shapes).map_err(Refusal::Malformed)?;
        let holder = self.object_at(&parent)?;
        if !slot.is_array() && slot.is_filled(holder, shapes) {
            return Err(Refusal::NotApplicable(format!(
                "'{name}' has a value already and does not repeat; replace it instead"
            )));
        }
        edit::add(holder, new, slot.is_array());
        Ok(())
    }

    /// Adds an `extension` or `id` to a primitive, which keeps them in the member `_name`.
    fn add_beside(&mut self, at: Location, name: &str, value: &Object) -> Result<(), Refusal> {
        let element = self.shapes.type_id("Element");
        let slot = element.and_then(|element| Slot::find(element, name, self.shapes));
        let slot =
            slot.ok_or_else(|| Refusal::Malformed(format!("a primitive has no element '{name}'")))?;
        let new = NewValue::read(value, &slot, self.shapes).map_err(Refusal::Malformed)?;
        let (parent, last) = at.split_last().ok_or_else(gone)?;
        let holder = self.object_at(&parent)?;
        edit::change_beside(holder, &last, |beside| {
            edit::add(beside, new, slot.is_array());
        });
        Ok(())
    }

    fn insert(&mut self, path: &Expr, index: usize, value: &Object) -> Result<(), Refusal> {
        let (parent, slot) = self.list(path)?;
        let new = NewValue::read(value, &slot, self.shapes).map_err(Refusal::Malformed)?;
        let holder = self.object_at(&parent)?;
        edit::change_list(holder, &slot.member, |list| {
            if index > list.len() {
                return Err(out_of_range("index", index, list.len()));
            }
            list.insert(index, new.pair());
            Ok(())
        })
    }

    fn shift(&mut self, path: &Expr, source: usize, destination: usize) -> Result<(), Refusal> {
        let (parent, slot) = self.list(path)?;
        let holder = self.object_at(&parent)?;
        edit::change_list(holder, &slot.member, |list| {
            for (name, index) in [("source", source), ("destination", destination)] {
                if index >= list.len() {
                    return Err(out_of_range(name, index, list.len()));
                }
            }
            let item = list.remove(source);
            list.insert(destination, item);
            Ok(())
        })
    }

    fn delete(&mut self, path: &Expr) -> Result<(), Refusal> {
        let mut found = self.locations(path)?;
        if found.len() > 1 {
            return Err(Refusal::NotApplicable(format!(
                "the path selects {} elements, and a delete takes one",
                found.len()
            )));
        }
        // Nothing to delete is what the client wants.
        let Some(location) = found.pop() else {
            return Ok(());
        };
        if location.0.is_empty() {
            return Err(Refusal::Malformed(
                "a patch cannot delete the resource".to_owned(),
            ));
        }
        edit::remove(self.resource, location);
        Ok(())
    }

    fn replace(&mut self, path: &Expr, value: &Object) -> Result<(), Refusal> {
        let location = self.only(path)?;
        let Some((parent, last)) = location.split_last() else {
            return Err(Refusal::Malformed(
                "a patch cannot replace the resource".to_owned(),
            ));
        };
        let mut slot = self.slot(&parent, &last.name)?;
        slot.widen_to_choice();
        let new = NewValue::read(value, &slot, self.shapes).map_err(Refusal::Malformed)?;
        let holder = self.object_at(&parent)?;
        edit::replace(holder, &last, new);
        Ok(())
    }

    /// The list a path names: what holds it, and the element it is.
    fn list(&self, path: &Expr) -> Result<(Location, Slot), Refusal> {
        let Expr::Member { on, name } = path else {
            return Err(Refusal::Malformed(
                "the path must end in the name of a repeating element".to_owned(),
            ));
        };
        let parent = self.only(on)?;
        let slot = self.slot(&parent, name)?;
        if !slot.is_array() {
            return Err(Refusal::Malformed(format!("'{name}' does not repeat")));
        }
        Ok((parent, slot))
    }

    fn slot(&self, parent: &Location, name: &str) -> Result<Slot, Refusal> {
        let holder = parent
            .type_in(self.resource, self.root, self.shapes)
            .ok_or_else(gone)?;
        Slot::find(holder, name, self.shapes).ok_or_else(|| {
            Refusal::Malformed(format!(
                "{} has no element '{name}'",
                self.shapes.name(holder)
            ))
        })
    }

    fn only(&self, path: &Expr) -> Result<Location, Refusal> {
        let mut found = self.locations(path)?;
        match (found.pop(), found.len()) {
            (Some(location), 0) => Ok(location),
            (None, _) => Err(Refusal::NotApplicable(
                "the path selects nothing".to_owned(),
            )),
            (Some(_), before) => Err(Refusal::NotApplicable(format!(
                "the path selects {} elements and must select one",
                before + 1
            ))),
        }
    }

    fn locations(&self, path: &Expr) -> Result<Vec<Location>, Refusal> {
        let program = Program::compile_parsed(path, &[self.root], self.root, self.shapes)?;
        let mut found = program.locations(self.resource, self.shapes);
        // A primitive that has only extensions has no value that a program could select.
        if found.is_empty()
            && let Expr::Member { on, name } = path
            && let Ok(Location(mut way)) = self.only(on)
        {
            let holder = Location(way.clone());
            let beside = format!("_{name}");
            let is_there = holder
                .object_in(self.resource)
                .and_then(|object| object.get(&beside))
                .is_some_and(|node| node.as_object().is_some());
            if is_there {
                way.push(Segment {
                    name: name.clone(),
                    index: None,
                });
                found.push(Location(way));
            }
        }
        Ok(found)
    }

    fn is_object(&self, location: &Location) -> bool {
        location.object_in(self.resource).is_some()
    }

    fn object_at(&mut self, location: &Location) -> Result<&mut Object, Refusal> {
        location.object_in_mut(self.resource).ok_or_else(gone)
    }
}

fn gone() -> Refusal {
    Refusal::NotApplicable("the path leads to nothing that can be changed".to_owned())
}

fn out_of_range(name: &str, index: usize, length: usize) -> Refusal {
    Refusal::NotApplicable(format!(
        "{name} is {index}, and the list has {length} items"
    ))
}

#[cfg(test)]
mod tests;
