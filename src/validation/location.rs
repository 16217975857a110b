//! Where the validator stands, as a linked list of stack frames.
//!
//! Going down costs no allocation; text is made only when there is a problem to report. A choice
//! is shown under its JSON name (`Observation.valueQuantity.unit`): that is the word a client
//! finds in the document it sent, and no type can be mistaken.
//! Spec: `expression` in <https://hl7.org/fhir/R4/operationoutcome-definitions.html>.

use std::fmt;

/// An element on the way from the root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Location<'p> {
    parent: Option<&'p Self>,
    name: &'p str,
    index: Option<usize>,
    depth: usize,
}

impl<'p> Location<'p> {
    /// The resource itself, under its type's name.
    pub(super) fn root(name: &'p str) -> Self {
        Self {
            parent: None,
            name,
            index: None,
            depth: 0,
        }
    }

    /// The member `name` below this.
    pub(super) fn member(&'p self, name: &'p str) -> Self {
        Self {
            parent: Some(self),
            name,
            index: None,
            depth: self.depth + 1,
        }
    }

    /// The same element, as the item at `index` of its array.
    #[must_use]
    pub(super) fn item(self, index: usize) -> Self {
        Self {
            index: Some(index),
            ..self
        }
    }

    /// How many elements stand above.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// The place in the array that holds it.
    pub(super) fn index(&self) -> Option<usize> {
        self.index
    }

    /// The name of the element above.
    pub(super) fn parent_name(&self) -> Option<&'p str> {
        self.parent.map(|parent| parent.name)
    }

    /// The name of the element.
    pub(super) fn name(&self) -> &'p str {
        self.name
    }
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Frames are linked upwards and written downwards; their number is bounded by the depth
        // limit of the walk.
        let mut frames = Vec::with_capacity(self.depth + 1);
        let mut frame = Some(self);
        while let Some(this) = frame {
            frames.push(this);
            frame = this.parent;
        }
        for (position, frame) in frames.iter().rev().enumerate() {
            if position > 0 {
                f.write_str(".")?;
            }
            f.write_str(frame.name)?;
            if let Some(index) = frame.index {
                write!(f, "[{index}]")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Location;

    #[test]
    fn it_reads_as_a_fhirpath() {
        let root = Location::root("Patient");
        let name = root.member("name").item(1);
        let given = name.member("given").item(0);
        assert_eq!(given.to_string(), "Patient.name[1].given[0]");
        assert_eq!((given.depth(), given.name()), (2, "given"));
        assert_eq!(root.to_string(), "Patient");
    }
}
