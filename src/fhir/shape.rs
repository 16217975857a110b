//! What R4 says about the shape of resources and data types, as tables to look things up in.
//!
//! Pure data: `conformance` fills it from `profiles/`; codecs, FHIRPath and validation read it.
//! Spec: <https://hl7.org/fhir/R4/elementdefinition.html>.

use std::collections::HashMap;

use compact_str::CompactString;

use crate::fhir::primitive::Primitive;
use crate::fhir::resource_type::ResourceType;

type FastMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// The place of a type in [`Shapes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u16);

/// What kind of thing a type is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeKind {
    /// A primitive such as `date`: a JSON scalar with optional `id` and `extension`.
    Primitive,
    /// A data type such as `HumanName`.
    Complex,
    /// An element with children of its own inside a type, such as `Patient.contact`.
    Backbone,
    /// A resource, abstract ones (`Resource`, `DomainResource`) included.
    Resource,
}

/// A type: a primitive, a data type, a nested element or a resource.
#[derive(Debug, Clone)]
pub struct TypeShape {
    /// `Patient`, `HumanName`, `code`, `Patient.contact`.
    pub name: CompactString,
    /// What kind of thing it is.
    pub kind: TypeKind,
    /// The type it specialises, e.g. `DomainResource` for `Patient`, `string` for `code`.
    pub base: Option<TypeId>,
    /// Whether only its specialisations can occur.
    pub is_abstract: bool,
    /// All its elements, inherited ones included, in the order of the definition (which XML uses).
    pub elements: Vec<ElementShape>,
    /// What every value of it must keep, inherited rules included; indexes for
    /// [`Shapes::invariant`].
    pub invariants: Vec<u16>,
    /// Which primitive it is, when it is one.
    pub primitive: Option<Primitive>,
    required: u128,
    by_member: FastMap<CompactString, Member>,
}

/// One element of a type.
#[derive(Debug, Clone)]
pub struct ElementShape {
    /// `name`, or `value` for the choice `value[x]`.
    pub name: CompactString,
    /// How often it must occur at least.
    pub min: u32,
    /// How often it may occur; `None` is `*`. An element with `max` other than 1 is a JSON array.
    pub max: Option<u32>,
    /// Whether it is a choice of types (`value[x]`).
    pub is_choice: bool,
    /// The types it may have; one unless it is a choice. A `contentReference` names the type of
    /// the element it refers to (`Observation.referenceRange`).
    pub types: Vec<TypeId>,
    /// Resource types that a `Reference` or `canonical` may point to; empty means any.
    pub targets: Vec<CompactString>,
    /// The required binding, an index for [`Shapes::code_set`]; weaker bindings are not kept.
    pub required_codes: Option<u16>,
    /// Whether it belongs to `_summary=true`.
    pub is_summary: bool,
    /// Whether it modifies the meaning of what holds it.
    pub is_modifier: bool,
    /// Whether XML writes it as an attribute (`Element.id`, `Extension.url`).
    pub is_xml_attribute: bool,
    /// Rules for this element beside those of its type; indexes for [`Shapes::invariant`].
    pub invariants: Vec<u16>,
}

impl ElementShape {
    /// Whether JSON shows it as an array.
    pub fn is_array(&self) -> bool {
        self.max != Some(1)
    }
}

#[derive(Debug, Clone, Copy)]
struct Member {
    element: u16,
    value_type: TypeId,
}

/// The codes of a required binding.
#[derive(Debug, Clone, Default)]
pub struct CodeSet {
    /// The canonical URL of the value set.
    pub value_set: CompactString,
    /// Systems with their codes; empty when the value set cannot be listed (mime types, UCUM).
    pub systems: Vec<CodeSystemCodes>,
}

/// The codes one system contributes to a [`CodeSet`].
#[derive(Debug, Clone)]
pub struct CodeSystemCodes {
    /// The system's URL.
    pub system: CompactString,
    /// The codes, sorted.
    pub codes: Vec<CompactString>,
}

impl CodeSet {
    /// Whether the codes are known at all.
    pub fn is_enumerable(&self) -> bool {
        !self.systems.is_empty()
    }

    /// Whether `code` is in the set; `system` is `None` where the element is a bare `code`.
    pub fn contains(&self, system: Option<&str>, code: &str) -> bool {
        self.systems.iter().any(|known| {
            system.is_none_or(|wanted| wanted == known.system)
                && known
                    .codes
                    .binary_search_by(|probe| probe.as_str().cmp(code))
                    .is_ok()
        })
    }
}

/// A rule that a type or element must keep.
#[derive(Debug, Clone)]
pub struct Invariant {
    /// `pat-1`.
    pub key: CompactString,
    /// Whether breaking it is an error; else it is a warning.
    pub is_error: bool,
    /// The FHIRPath expression that must hold.
    pub expression: CompactString,
}

/// An element as it is found under a JSON member name.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The element's definition.
    pub element: &'a ElementShape,
    /// Its place among the elements of its type: the order that XML wants.
    pub position: u16,
    /// The type of its value: for `valueQuantity` it is `Quantity`.
    pub value_type: TypeId,
}

/// All types, code sets and invariants.
#[derive(Debug, Default)]
pub struct Shapes {
    types: Vec<TypeShape>,
    by_name: FastMap<CompactString, TypeId>,
    code_sets: Vec<CodeSet>,
    invariants: Vec<Invariant>,
}

impl Shapes {
    /// Makes the tables of types whose `TypeId`s are their places in `types`.
    pub fn new(types: Vec<TypeShape>, code_sets: Vec<CodeSet>, invariants: Vec<Invariant>) -> Self {
        let mut shapes = Self {
            types,
            by_name: FastMap::default(),
            code_sets,
            invariants,
        };
        let names: Vec<_> = shapes
            .types
            .iter()
            .map(|shape| shape.name.clone())
            .collect();
        for (index, name) in names.iter().enumerate() {
            shapes.by_name.insert(
                name.clone(),
                TypeId(u16::try_from(index).unwrap_or(u16::MAX)),
            );
        }
        for shape in &mut shapes.types {
            shape.index_members(&names);
        }
        shapes
    }

    /// The type called `name`.
    pub fn type_id(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    /// The type of a resource.
    pub fn resource(&self, resource_type: ResourceType) -> Option<TypeId> {
        self.type_id(resource_type.name())
    }

    /// The shape of a type.
    pub fn shape(&self, id: TypeId) -> Option<&TypeShape> {
        self.types.get(usize::from(id.0))
    }

    /// The name of a type.
    pub fn name(&self, id: TypeId) -> &str {
        self.shape(id).map_or("", |shape| shape.name.as_str())
    }

    /// The kind of a type.
    pub fn kind(&self, id: TypeId) -> Option<TypeKind> {
        self.shape(id).map(|shape| shape.kind)
    }

    /// The element that the JSON member `name` of type `id` is, `_name` not included.
    pub fn find(&self, id: TypeId, name: &str) -> Option<Found<'_>> {
        let shape = self.shape(id)?;
        let member = shape.by_member.get(name)?;
        let element = shape.elements.get(usize::from(member.element))?;
        Some(Found {
            element,
            position: member.element,
            value_type: member.value_type,
        })
    }

    /// Whether `id` is `ancestor` or specialises it.
    pub fn is_a(&self, id: TypeId, ancestor: TypeId) -> bool {
        let mut current = Some(id);
        while let Some(this) = current {
            if this == ancestor {
                return true;
            }
            current = self.shape(this).and_then(|shape| shape.base);
        }
        false
    }

    /// A code set by its index.
    pub fn code_set(&self, index: u16) -> Option<&CodeSet> {
        self.code_sets.get(usize::from(index))
    }

    /// An invariant by its index.
    pub fn invariant(&self, index: u16) -> Option<&Invariant> {
        self.invariants.get(usize::from(index))
    }

    /// All types.
    pub fn types(&self) -> &[TypeShape] {
        &self.types
    }
}

impl TypeShape {
    /// A type with its elements.
    pub fn new(name: &str, kind: TypeKind, base: Option<TypeId>, is_abstract: bool) -> Self {
        Self {
            name: name.into(),
            kind,
            base,
            is_abstract,
            elements: Vec::new(),
            invariants: Vec::new(),
            primitive: match kind {
                TypeKind::Primitive => Primitive::from_name(name),
                _ => None,
            },
            required: 0,
            by_member: FastMap::default(),
        }
    }

    /// The elements that must occur: bit `n` stands for the element at position `n`.
    pub fn required_elements(&self) -> u128 {
        self.required
    }

    fn index_members(&mut self, names: &[CompactString]) {
        for (position, element) in self.elements.iter().enumerate() {
            let place = u16::try_from(position).unwrap_or(u16::MAX);
            if element.min > 0 {
                self.required |= element_bit(place);
            }
            for &value_type in &element.types {
                let type_name = names
                    .get(usize::from(value_type.0))
                    .map_or("", |n| n.as_str());
                let member = if element.is_choice {
                    choice_member(&element.name, type_name)
                } else {
                    element.name.clone()
                };
                self.by_member.insert(
                    member,
                    Member {
                        element: place,
                        value_type,
                    },
                );
            }
        }
    }
}

/// The bit that stands for the element at `position` in sets of elements; no type of R4 has more
/// than 128, and what stands behind them has no bit.
pub fn element_bit(position: u16) -> u128 {
    1_u128.checked_shl(u32::from(position)).unwrap_or(0)
}

/// The JSON member name of a choice: `value` and `dateTime` give `valueDateTime`.
pub fn choice_member(element: &str, type_name: &str) -> CompactString {
    let mut member = CompactString::new(element);
    let mut letters = type_name.chars();
    if let Some(first) = letters.next() {
        member.push(first.to_ascii_uppercase());
        member.push_str(letters.as_str());
    }
    member
}

#[cfg(test)]
mod tests {
    use super::{ElementShape, Shapes, TypeId, TypeKind, TypeShape};

    #[test]
    fn a_choice_is_found_under_each_of_its_members() {
        let mut observation = TypeShape::new("Observation", TypeKind::Resource, None, false);
        observation.elements.push(ElementShape {
            name: "value".into(),
            min: 0,
            max: Some(1),
            is_choice: true,
            types: vec![TypeId(1), TypeId(2)],
            targets: Vec::new(),
            required_codes: None,
            is_summary: true,
            is_modifier: false,
            is_xml_attribute: false,
            invariants: Vec::new(),
        });
        let types = vec![
            observation,
            TypeShape::new("Quantity", TypeKind::Complex, None, false),
            TypeShape::new("dateTime", TypeKind::Primitive, None, false),
        ];
        let shapes = Shapes::new(types, Vec::new(), Vec::new());
        let found = shapes.find(TypeId(0), "valueDateTime").unwrap();
        assert_eq!(found.value_type, TypeId(2));
        assert!(shapes.find(TypeId(0), "value").is_none());
    }
}
