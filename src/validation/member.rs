//! What to say about members that are unknown, missing or exclude each other.
//!
//! All of it is off the happy path: [`super::structure`] has found the problem already.
//! Spec: <https://hl7.org/fhir/R4/formats.html#choice>.

use std::borrow::Cow;

use crate::fhir::resource::Object;
use crate::fhir::shape::{ElementShape, Found, TypeId, TypeShape, choice_member, element_bit};
use crate::validation::location::Location;
use crate::validation::shown::{is_plain, nearest, shown};
use crate::validation::structure::Validator;

/// Member names that a message lists at most.
const NAMES_LISTED_MAX: usize = 12;

impl Validator<'_> {
    #[cold]
    pub(super) fn check_choice_is_single(
        &mut self,
        object: &Object,
        value_name: &str,
        (type_id, found): (TypeId, &Found<'_>),
        at: &Location<'_>,
    ) {
        let other = object
            .iter()
            .map(|(name, _)| name.strip_prefix('_').unwrap_or(name))
            .take_while(|name| *name != value_name)
            .find(|name| {
                let other = self.shapes.find(type_id, name);
                other.is_some_and(|other| other.position == found.position)
            });
        if let Some(other) = other {
            let text =
                format!("`{other}` and `{value_name}` exclude each other: give one of them.");
            self.report.error("structure", &at.member(value_name), text);
        }
    }

    #[cold]
    pub(super) fn missing_elements(&mut self, missing: u128, shape: &TypeShape, at: &Location<'_>) {
        for (position, element) in shape.elements.iter().enumerate() {
            let bit = element_bit(u16::try_from(position).unwrap_or(u16::MAX));
            if missing & bit == 0 {
                continue;
            }
            let (name, owner) = (&element.name, &shape.name);
            let text = if element.is_choice {
                let choices = self.choice_names(element);
                format!("`{name}` is required in {owner}: give {choices}.")
            } else {
                format!("`{name}` is required in {owner}.")
            };
            self.report.error("required", &at.member(name), text);
        }
    }

    #[cold]
    pub(super) fn unknown_member(&mut self, name: &str, shape: &TypeShape, at: &Location<'_>) {
        let owner = &shape.name;
        let hint = self.hint(name.strip_prefix('_').unwrap_or(name), shape);
        let text = format!("The member {} is no element of {owner}.{hint}", shown(name));
        if is_plain(name) {
            self.report.error("structure", &at.member(name), text);
        } else {
            self.report.error("structure", at, text);
        }
    }

    /// What the client may have meant.
    fn hint(&self, name: &str, shape: &TypeShape) -> String {
        match name {
            "resourceType" => return " Only resources have it.".to_owned(),
            "modifierExtension" => {
                return " Use `extension`: only resources and backbone elements can be modified."
                    .to_owned();
            }
            _ => {}
        }
        let choice = shape
            .elements
            .iter()
            .filter(|element| element.is_choice)
            .find_map(|element| Some((element, name.strip_prefix(element.name.as_str())?)));
        if let Some((element, type_name)) = choice
            && (type_name.is_empty() || self.is_type(type_name))
        {
            return format!(" Give {}.", self.choice_names(element));
        }
        match nearest(name, self.member_names(shape)) {
            Some(near) => format!(" Did you mean `{near}`?"),
            None => String::new(),
        }
    }

    /// Whether the end of a choice's name is a type, as `DateTime` in `valueDateTime`.
    fn is_type(&self, type_name: &str) -> bool {
        let types = self.shapes.types().iter();
        types
            .map(|shape| choice_member("", &shape.name))
            .any(|known| known == type_name)
    }

    fn member_names<'s>(&'s self, shape: &'s TypeShape) -> impl Iterator<Item = Cow<'s, str>> {
        shape.elements.iter().flat_map(|element| {
            let count = if element.is_choice {
                element.types.len()
            } else {
                1
            };
            element.types.iter().take(count).map(|&type_id| {
                if element.is_choice {
                    let name = choice_member(&element.name, self.shapes.name(type_id));
                    Cow::Owned(name.into_string())
                } else {
                    Cow::Borrowed(element.name.as_str())
                }
            })
        })
    }

    /// The JSON names of a choice, for a message: `a, b or c`.
    fn choice_names(&self, element: &ElementShape) -> String {
        let names = element.types.iter().map(|&type_id| {
            format!(
                "`{}`",
                choice_member(&element.name, self.shapes.name(type_id))
            )
        });
        let mut listed: Vec<_> = names.take(NAMES_LISTED_MAX).collect();
        if element.types.len() > NAMES_LISTED_MAX {
            return format!(
                "`{}` with one of its types, e.g. {}",
                element.name,
                listed.join(", ")
            );
        }
        match listed.pop() {
            Some(last) if !listed.is_empty() => format!("{} or {last}", listed.join(", ")),
            Some(only) => only,
            None => String::new(),
        }
    }
}
