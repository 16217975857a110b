//! Search parameters by their type: one file each that indexes, parses, lowers and matches it.
//!
//! Here is what they share: the values they get and the context they work in.
//! What a parameter's values are is decided by its expression, not here.
//! Spec: <https://hl7.org/fhir/R4/search.html#ptypes>.

pub mod composite;
pub mod date;
pub mod near;
pub mod number;
pub mod quantity;
pub mod reference;
pub mod special;
pub mod string;
pub mod token;
pub mod uri;
pub mod vocabulary;

use crate::conformance::search_parameter::ParameterKind;
use crate::fhir::resource::{Node, Object};
use crate::fhir::resource_type::ResourceType;
use crate::fhir::shape::CodeSet;
use crate::search::hasher::Hasher;
use crate::search::key::{ENTRIES_MAX, Key, ParameterNumber};
use crate::search::modifier::Modifier;
use crate::search::plan::Predicate;

/// The data type of a value, as far as search tells types apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataType {
    /// `boolean`
    Boolean,
    /// `code`
    Code,
    /// `string`, `markdown`, `id` and other texts.
    Text,
    /// `uri`, `url`, `oid`, `uuid`
    Uri,
    /// `canonical`
    Canonical,
    /// `decimal` and the integers.
    Number,
    /// `date`, `dateTime`, `instant`
    Date,
    /// `Coding`
    Coding,
    /// `CodeableConcept`
    CodeableConcept,
    /// `Identifier`
    Identifier,
    /// `ContactPoint`
    ContactPoint,
    /// `HumanName`
    HumanName,
    /// `Address`
    Address,
    /// `Reference`
    Reference,
    /// `Period`
    Period,
    /// `Timing`
    Timing,
    /// `Range`
    Range,
    /// `Quantity` and its specialisations.
    Quantity,
    /// `Money`
    Money,
    /// `SampledData`
    SampledData,
    /// A resource inside another one.
    Resource,
    /// What no parameter type can index.
    Other,
}

impl DataType {
    /// The type with R4's name.
    pub fn from_name(name: &str) -> Self {
        match name {
            "boolean" => Self::Boolean,
            "code" => Self::Code,
            "string" | "markdown" | "id" | "base64Binary" | "time" | "xhtml" => Self::Text,
            "uri" | "url" | "oid" | "uuid" => Self::Uri,
            "canonical" => Self::Canonical,
            "decimal" | "integer" | "positiveInt" | "unsignedInt" => Self::Number,
            "date" | "dateTime" | "instant" => Self::Date,
            "Coding" => Self::Coding,
            "CodeableConcept" => Self::CodeableConcept,
            "Identifier" => Self::Identifier,
            "ContactPoint" => Self::ContactPoint,
            "HumanName" => Self::HumanName,
            "Address" => Self::Address,
            "Reference" => Self::Reference,
            "Period" => Self::Period,
            "Timing" => Self::Timing,
            "Range" => Self::Range,
            "Quantity" | "SimpleQuantity" | "MoneyQuantity" | "Age" | "Count" | "Distance"
            | "Duration" => Self::Quantity,
            "Money" => Self::Money,
            "SampledData" => Self::SampledData,
            name if name.parse::<ResourceType>().is_ok() => Self::Resource,
            "Resource" | "DomainResource" => Self::Resource,
            _ => Self::Other,
        }
    }
}

/// A value that a parameter's expression found in a resource.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The value.
    pub node: &'a Node,
    /// Its type.
    pub data_type: DataType,
    /// The required binding of the element, where that is known.
    pub codes: Option<&'a CodeSet>,
}

impl<'a> Found<'a> {
    /// A value of a type, without a binding.
    pub fn new(node: &'a Node, data_type: DataType) -> Self {
        Self {
            node,
            data_type,
            codes: None,
        }
    }

    /// The text of a primitive.
    pub fn text(&self) -> Option<&'a str> {
        self.node.as_str()
    }

    /// The members of a complex value.
    pub fn object(&self) -> Option<&'a Object> {
        self.node.as_object()
    }
}

/// Where the keys of a parameter's values are written to.
#[derive(Debug)]
pub struct KeyWriter<'a, 'h> {
    /// The parameter.
    pub parameter: ParameterNumber,
    /// Makes the blind hashes.
    pub hasher: &'a mut Hasher<'h>,
    /// This server's FHIR base, whose absolute references are local ones.
    pub base_url: &'a str,
    /// The keys so far.
    pub keys: &'a mut Vec<Key>,
}

impl KeyWriter<'_, '_> {
    /// Whether there are more keys than a resource may have: it will be refused, and more of them
    /// are work for nothing.
    pub fn is_full(&self) -> bool {
        self.keys.len() > ENTRIES_MAX
    }
}

/// What the value of a query parameter is read with.
#[derive(Debug, Clone, Copy)]
pub struct ParseContext<'a> {
    /// The types that references of the parameter may point to; empty means any.
    pub targets: &'a [ResourceType],
    /// What is known of the systems of the parameter's tokens.
    pub systems: token::Systems<'a>,
    /// What stands behind the colon of the parameter's name.
    pub modifier: Option<Modifier>,
    /// This server's FHIR base.
    pub base_url: &'a str,
    /// The present, in ms since the epoch: `ap` on dates is relative to it.
    pub now_ms: i64,
}

/// One value of a query parameter, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// On dates.
    Date(date::DateCondition),
    /// On numbers.
    Number(number::NumberCondition),
    /// On quantities.
    Quantity(quantity::QuantityCondition),
    /// On references.
    Reference(reference::ReferenceCondition),
    /// On the identifiers by which references name what they point to.
    Logical(token::TokenCondition),
    /// On strings.
    String(string::StringCondition),
    /// On tokens.
    Token(token::TokenCondition),
    /// On uris.
    Uri(uri::UriCondition),
    /// On tokens, by value sets and hierarchies.
    Vocabulary(vocabulary::VocabularyCondition),
    /// On positions.
    Near(near::NearCondition),
    /// On several values of one element.
    Composite(composite::CompositeCondition),
}

/// Writes the keys of one value of a parameter of a kind.
pub fn index(kind: ParameterKind, value: &Found<'_>, writer: &mut KeyWriter<'_, '_>) {
    match kind {
        ParameterKind::Date => date::index(value, writer),
        ParameterKind::Number => number::index(value, writer),
        ParameterKind::Quantity => quantity::index(value, writer),
        ParameterKind::Reference => reference::index(value, writer),
        ParameterKind::String => string::index(value, writer),
        ParameterKind::Token => token::index(value, writer),
        ParameterKind::Uri => uri::index(value, writer),
        // The only special parameter with an expression.
        ParameterKind::Special => near::index(value, writer),
        ParameterKind::Composite => {}
    }
}

/// Reads one value of a query parameter, escapes still in it. The error says what would be right.
pub fn parse(
    kind: ParameterKind,
    text: &str,
    context: &ParseContext<'_>,
) -> Result<Condition, String> {
    match kind {
        ParameterKind::Date => date::parse(text, context.now_ms).map(Condition::Date),
        ParameterKind::Number => number::parse(text).map(Condition::Number),
        ParameterKind::Quantity => quantity::parse(text).map(Condition::Quantity),
        ParameterKind::Reference if context.modifier == Some(Modifier::Identifier) => {
            token::parse(text, &token::STATED).map(Condition::Logical)
        }
        ParameterKind::Reference => reference::parse(text, context).map(Condition::Reference),
        ParameterKind::String => string::parse(text, context.modifier).map(Condition::String),
        ParameterKind::Token => token_condition(text, context),
        ParameterKind::Uri => uri::parse(text, context.modifier).map(Condition::Uri),
        ParameterKind::Special => near::parse(text).map(Condition::Near),
        ParameterKind::Composite => Err("searching by it is not supported yet".into()),
    }
}

fn token_condition(text: &str, context: &ParseContext<'_>) -> Result<Condition, String> {
    match context.modifier {
        Some(Modifier::Text) => token::parse_text(text).map(Condition::Token),
        Some(Modifier::OfType) => token::parse_of_type(text).map(Condition::Token),
        Some(modifier @ (Modifier::In | Modifier::NotIn | Modifier::Above | Modifier::Below)) => {
            vocabulary::parse(text, modifier, &context.systems).map(Condition::Vocabulary)
        }
        _ => token::parse(text, &context.systems).map(Condition::Token),
    }
}

impl Condition {
    /// What index keys can say of it: holds for every resource that matches, and for others too
    /// unless [`Condition::is_exact`].
    pub fn lower(&self, parameter: ParameterNumber, hasher: &mut Hasher<'_>) -> Predicate {
        match self {
            Self::Date(date) => date.lower(parameter),
            Self::Number(number) => number.lower(parameter),
            Self::Quantity(quantity) => quantity.lower(parameter, hasher),
            Self::Reference(reference) => reference.lower(parameter, hasher),
            Self::Logical(identifier) => reference::lower_logical(identifier, parameter, hasher),
            Self::String(string) => string.lower(parameter, hasher),
            Self::Token(token) => token.lower(parameter, hasher),
            Self::Uri(uri) => uri.lower(parameter, hasher),
            Self::Vocabulary(vocabulary) => vocabulary.lower(parameter, hasher),
            Self::Near(near) => near.lower(parameter, hasher),
            Self::Composite(composite) => composite.lower(parameter, hasher),
        }
    }

    /// Whether keys alone decide it.
    pub fn is_exact(&self) -> bool {
        match self {
            Self::Number(number) => number.is_exact(),
            Self::Quantity(quantity) => quantity.is_exact(),
            Self::Reference(reference) => reference.is_exact(),
            Self::String(string) => string.is_exact(),
            Self::Token(token) => token.is_exact(),
            Self::Uri(uri) => uri.is_exact(),
            Self::Logical(_) | Self::Composite(_) | Self::Near(_) => false,
            Self::Vocabulary(vocabulary) => vocabulary.is_exact(),
            Self::Date(_) => true,
        }
    }

    /// Whether its keys are all that the parameter has.
    pub fn is_walk(&self) -> bool {
        match self {
            Self::String(string) => string.is_walk(),
            Self::Token(token) | Self::Logical(token) => token.is_walk(),
            Self::Uri(uri) => uri.is_walk(),
            Self::Near(near) => near.is_walk(),
            Self::Composite(composite) => composite.is_walk(),
            _ => false,
        }
    }

    /// Whether a value meets it; several values of an element are in
    /// [`composite::CompositeCondition::matches`].
    pub fn matches(&self, value: &Found<'_>, base_url: &str) -> bool {
        match self {
            Self::Date(date) => date.matches(value),
            Self::Number(number) => number.matches(value),
            Self::Quantity(quantity) => quantity.matches(value),
            Self::Reference(reference) => reference.matches(value, base_url),
            Self::Logical(identifier) => reference::matches_logical(identifier, value),
            Self::String(string) => string.matches(value),
            Self::Token(token) => token.matches(value),
            Self::Uri(uri) => uri.matches(value),
            Self::Vocabulary(vocabulary) => vocabulary.matches(value),
            Self::Near(near) => near.matches(value),
            Self::Composite(_) => false,
        }
    }
}

#[cfg(test)]
mod tests;
