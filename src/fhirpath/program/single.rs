//! Whether an expression can find more than one value in a resource, as the definitions know it.

use compact_str::CompactString;

use crate::fhir::shape::{Shapes, TypeId};
use crate::fhirpath::program::step::{Base, Step};
use crate::fhirpath::program::{Part, Program};

impl Program {
    /// Whether it finds one value at most: all its paths lead to one place by elements that occur
    /// once. What needs data to tell counts as several.
    pub fn is_single(&self, shapes: &Shapes) -> bool {
        let [(context, parts)] = &*self.contexts else {
            return false;
        };
        let mut places = parts.iter().map(|part| match part {
            Part::Path(path) if path.base == Base::Root => place(&path.steps, self.root, shapes),
            Part::Path(path) => place(&path.steps, *context, shapes),
            Part::Truth(_) | Part::Other(_) => None,
        });
        match places.next() {
            Some(Some(first)) => places.all(|other| other.as_ref() == Some(&first)),
            _ => false,
        }
    }
}

/// The elements on the way, a choice by its own name; `None` where one of them may be repeated.
fn place(steps: &[Step], mut type_id: TypeId, shapes: &Shapes) -> Option<Vec<CompactString>> {
    let mut names = Vec::with_capacity(steps.len());
    for step in steps {
        let (member, next) = match step {
            Step::Member { name, type_id, .. } => (name, *type_id),
            Step::Choice { forms, .. } => {
                let (name, form_type) = forms.first()?;
                (name, *form_type)
            }
            Step::Where(_) | Step::Nth { .. } | Step::OfResource { .. } => return None,
        };
        let element = shapes.find(type_id, member)?.element;
        if element.is_array() {
            return None;
        }
        names.push(element.name.clone());
        type_id = next;
    }
    Some(names)
}
