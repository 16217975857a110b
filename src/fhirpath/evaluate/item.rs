//! What expressions work on: elements of a resource, and values computed from them.

use std::borrow::Cow;

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::fhir::primitive::Primitive;
use crate::fhir::resource::{Node, Object};
use crate::fhir::shape::{Shapes, TypeId};
use crate::fhirpath::temporal::{Temporal, TemporalKind};

/// The code system of units, which makes a FHIR Quantity one that FHIRPath can calculate with.
pub(super) const UCUM: &str = "http://unitsofmeasure.org";

/// One item of a collection.
#[derive(Debug, Clone)]
pub enum Item<'a> {
    /// A part of a resource, or a resource.
    Element(Element<'a>),
    /// A computed value, or one written in the expression.
    System(System),
}

/// A part of a resource, or a resource.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// Its type.
    pub type_id: TypeId,
    pub(super) place: Place<'a>,
    /// What a primitive carries: its `id` and extensions.
    pub(super) beside: Option<&'a Object>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    Object(&'a Object),
    Node(&'a Node),
    /// A primitive that has only extensions.
    Absent,
}

/// A value of one of FHIRPath's own types.
#[derive(Debug, Clone, PartialEq)]
pub enum System {
    /// `Boolean`
    Boolean(bool),
    /// `String`
    String(CompactString),
    /// `Integer`
    Integer(i64),
    /// `Decimal`
    Decimal(Decimal),
    /// `Date`, `DateTime` and `Time`
    Temporal(Temporal),
    /// `Quantity`
    Quantity {
        /// The number.
        value: Decimal,
        /// A UCUM code, or a calendar duration in the singular.
        unit: CompactString,
        /// Whether `unit` is a calendar duration.
        is_calendar: bool,
    },
    /// What `type()` says.
    Type {
        /// `System` or `FHIR`.
        namespace: &'static str,
        /// The type's name.
        name: CompactString,
    },
}

/// A value to calculate and compare with, borrowed from an item.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar<'v> {
    Boolean(bool),
    Text(&'v str),
    Integer(i64),
    Decimal(Decimal),
    Temporal(Temporal),
    Quantity {
        value: Decimal,
        unit: Cow<'v, str>,
        is_calendar: bool,
    },
}

impl<'a> Element<'a> {
    /// A resource or an element with members.
    pub fn object(object: &'a Object, type_id: TypeId) -> Self {
        Self {
            type_id,
            place: Place::Object(object),
            beside: None,
        }
    }

    /// An element, of which what stands beside a primitive is not known.
    pub fn node(node: &'a Node, type_id: TypeId) -> Self {
        Self {
            type_id,
            place: Place::Node(node),
            beside: None,
        }
    }

    /// The node it is, unless it is a resource as a whole or has no value.
    pub fn as_node(&self) -> Option<&'a Node> {
        match self.place {
            Place::Node(node) => Some(node),
            Place::Object(_) | Place::Absent => None,
        }
    }

    /// Its members, when it has some.
    pub fn as_object(&self) -> Option<&'a Object> {
        match self.place {
            Place::Object(object) => Some(object),
            Place::Node(node) => node.as_object(),
            Place::Absent => None,
        }
    }

    /// Whether both are the same place in memory.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self.place, other.place) {
            (Place::Object(a), Place::Object(b)) => std::ptr::eq(a, b),
            (Place::Node(a), Place::Node(b)) => std::ptr::eq(a, b),
            _ => false,
        }
    }

    fn scalar(&self, shapes: &Shapes) -> Option<Scalar<'a>> {
        let shape = shapes.shape(self.type_id)?;
        let Some(primitive) = shape.primitive else {
            return self.quantity(shapes);
        };
        match self.as_node()? {
            Node::Bool(truth) => Some(Scalar::Boolean(*truth)),
            Node::Number(digits) if primitive == Primitive::Decimal => {
                decimal(digits).map(Scalar::Decimal)
            }
            Node::Number(digits) => match digits.parse() {
                Ok(integer) => Some(Scalar::Integer(integer)),
                Err(_) => decimal(digits).map(Scalar::Decimal),
            },
            Node::String(text) => Some(text_scalar(text, primitive)),
            Node::Null | Node::Array(_) | Node::Object(_) => None,
        }
    }

    /// A FHIR Quantity, or one of its kinds, that stands for one exact number of one unit.
    fn quantity(&self, shapes: &Shapes) -> Option<Scalar<'a>> {
        let quantity = shapes.type_id("Quantity")?;
        if !shapes.is_a(self.type_id, quantity) {
            return None;
        }
        let object = self.as_object()?;
        let Some(Node::Number(digits)) = object.get("value") else {
            return None;
        };
        if object.contains("comparator") {
            return None;
        }
        let unit = match (object.get_str("system"), object.get_str("code")) {
            (Some(UCUM), Some(code)) => code,
            _ => object.get_str("unit").unwrap_or("1"),
        };
        Some(Scalar::Quantity {
            value: decimal(digits)?,
            unit: Cow::Borrowed(unit),
            is_calendar: false,
        })
    }
}

impl Item<'_> {
    /// The value, for what has one.
    pub(super) fn scalar<'s>(&'s self, shapes: &Shapes) -> Option<Scalar<'s>> {
        match self {
            Self::Element(element) => element.scalar(shapes),
            Self::System(system) => system.scalar(),
        }
    }

    /// The text of a string, or of any primitive that JSON writes as one.
    pub(super) fn text(&self, shapes: &Shapes) -> Option<&str> {
        match self {
            Self::System(System::String(text)) => Some(text),
            Self::System(_) => None,
            Self::Element(element) => {
                shapes.shape(element.type_id)?.primitive?;
                element.as_node()?.as_str()
            }
        }
    }

    pub(super) fn boolean(truth: bool) -> Self {
        Self::System(System::Boolean(truth))
    }

    pub(super) fn string(text: impl Into<CompactString>) -> Self {
        Self::System(System::String(text.into()))
    }

    pub(super) fn count(count: usize) -> Self {
        Self::System(System::Integer(i64::try_from(count).unwrap_or(i64::MAX)))
    }
}

impl System {
    /// The name of its type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "Boolean",
            Self::String(_) => "String",
            Self::Integer(_) => "Integer",
            Self::Decimal(_) => "Decimal",
            Self::Quantity { .. } => "Quantity",
            Self::Type { .. } => "TypeInfo",
            Self::Temporal(temporal) => match temporal.kind {
                TemporalKind::Date => "Date",
                TemporalKind::DateTime => "DateTime",
                TemporalKind::Time => "Time",
            },
        }
    }

    fn scalar(&self) -> Option<Scalar<'_>> {
        Some(match self {
            Self::Boolean(truth) => Scalar::Boolean(*truth),
            Self::String(text) => Scalar::Text(text),
            Self::Integer(integer) => Scalar::Integer(*integer),
            Self::Decimal(decimal) => Scalar::Decimal(*decimal),
            Self::Temporal(temporal) => Scalar::Temporal(*temporal),
            Self::Quantity {
                value,
                unit,
                is_calendar,
            } => Scalar::Quantity {
                value: *value,
                unit: Cow::Borrowed(unit),
                is_calendar: *is_calendar,
            },
            Self::Type { .. } => return None,
        })
    }
}

impl Scalar<'_> {
    /// The number, for integers and decimals.
    pub(super) fn number(&self) -> Option<Decimal> {
        match self {
            Self::Integer(integer) => Some(Decimal::from(*integer)),
            Self::Decimal(decimal) => Some(*decimal),
            _ => None,
        }
    }

    /// The same value as one that owns what it holds.
    pub(super) fn to_system(&self) -> System {
        match self {
            Self::Boolean(truth) => System::Boolean(*truth),
            Self::Text(text) => System::String((*text).into()),
            Self::Integer(integer) => System::Integer(*integer),
            Self::Decimal(decimal) => System::Decimal(*decimal),
            Self::Temporal(temporal) => System::Temporal(*temporal),
            Self::Quantity {
                value,
                unit,
                is_calendar,
            } => System::Quantity {
                value: *value,
                unit: unit.as_ref().into(),
                is_calendar: *is_calendar,
            },
        }
    }
}

/// A decimal from the text JSON writes, exponents included.
pub(super) fn decimal(digits: &str) -> Option<Decimal> {
    if digits.contains(['e', 'E']) {
        return Decimal::from_scientific(digits).ok();
    }
    digits.parse().ok()
}

/// Dates compare as dates, everything else that is text as text.
fn text_scalar(text: &str, primitive: Primitive) -> Scalar<'_> {
    let temporal = match primitive {
        Primitive::Date => Temporal::parse_date(text),
        Primitive::DateTime | Primitive::Instant => Temporal::parse_date_time(text),
        Primitive::Time => Temporal::parse_time(text),
        _ => None,
    };
    temporal.map_or(Scalar::Text(text), Scalar::Temporal)
}
