//! The order of matches: by the values of one or several parameters, those without a value last.
//!
//! Of several values of one parameter the smallest counts ascending and the largest descending.
//! Texts are compared in their normalised form, quantities by their number alone.
//! Spec: <https://hl7.org/fhir/R4/search.html#sort>.

use std::cmp::Ordering;

use compact_str::CompactString;

use crate::conformance::search_parameter::ParameterKind;
use crate::fhir::resource::{Node, Object, Resource};
use crate::search::decimal::Decimal;
use crate::search::index::Indexer;
use crate::search::param::{DataType, Found, date, special};
use crate::search::text::normalise;

/// One of the keys that matches are sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    /// The parameter.
    pub code: CompactString,
    /// Whether the largest comes first.
    pub is_descending: bool,
}

/// What a resource is sorted by under one key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortValue {
    /// A time, in ms.
    Time(i64),
    /// A number.
    Number(Decimal),
    /// A text, comparable.
    Text(String),
}

/// Whether values of a kind have an order.
pub fn is_sortable(kind: ParameterKind) -> bool {
    !matches!(kind, ParameterKind::Composite | ParameterKind::Special)
}

/// Whether the order can be told without the resource itself.
pub fn needs_body(keys: &[SortKey]) -> bool {
    let mut codes = keys.iter().map(|key| key.code.as_str());
    codes.any(|code| ![special::ID, special::LAST_UPDATED].contains(&code))
}

/// What a resource is sorted by, for each key; `resource` may be missing unless [`needs_body`].
pub fn values(
    keys: &[SortKey],
    (id, last_updated_ms): (&str, i64),
    resource: Option<&Resource>,
    indexer: &Indexer,
) -> Vec<Option<SortValue>> {
    let value = |key: &SortKey| match key.code.as_str() {
        special::ID => Some(SortValue::Text(id.to_owned())),
        special::LAST_UPDATED => Some(SortValue::Time(last_updated_ms)),
        _ => of_parameter(key, resource?, indexer),
    };
    keys.iter().map(value).collect()
}

/// How two resources stand to each other; those that are equal keep the order they came in.
pub fn compare(
    keys: &[SortKey],
    one: &[Option<SortValue>],
    other: &[Option<SortValue>],
) -> Ordering {
    let pairs = keys.iter().zip(one.iter().zip(other));
    let mut orders = pairs.map(|(key, pair)| match pair {
        (Some(one), Some(other)) if key.is_descending => other.cmp(one),
        (Some(one), Some(other)) => one.cmp(other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    });
    orders
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn of_parameter(key: &SortKey, resource: &Resource, indexer: &Indexer) -> Option<SortValue> {
    let registry = indexer.registry();
    let parameter = registry.search_parameter(resource.resource_type(), &key.code)?;
    let mut best: Option<SortValue> = None;
    indexer.each_value(parameter, resource, &mut |found| {
        let value = of_value(parameter.kind, found, key.is_descending);
        let is_better = match (&value, &best) {
            (Some(value), Some(best)) if key.is_descending => value > best,
            (Some(value), Some(best)) => value < best,
            (value, None) => value.is_some(),
            (None, Some(_)) => false,
        };
        if is_better {
            best = value;
        }
    });
    best
}

fn of_value(kind: ParameterKind, found: &Found<'_>, is_descending: bool) -> Option<SortValue> {
    match kind {
        ParameterKind::Date => {
            let interval = date::interval(found)?;
            Some(SortValue::Time(if is_descending {
                interval.high_ms
            } else {
                interval.low_ms
            }))
        }
        ParameterKind::Number | ParameterKind::Quantity => number(found).map(SortValue::Number),
        ParameterKind::String => text(found).map(|text| SortValue::Text(normalise(&text))),
        ParameterKind::Token => token(found).map(|text| SortValue::Text(text.to_owned())),
        ParameterKind::Reference | ParameterKind::Uri => {
            let text = found.text();
            let text = text.or_else(|| found.object()?.get_str("reference"))?;
            Some(SortValue::Text(text.to_owned()))
        }
        ParameterKind::Composite | ParameterKind::Special => None,
    }
}

fn number(found: &Found<'_>) -> Option<Decimal> {
    let of_node = |node: &Node| match node {
        Node::Number(text) => Decimal::parse(text),
        _ => None,
    };
    let Some(object) = found.object() else {
        return of_node(found.node);
    };
    let direct = object.get("value");
    let value = direct.or_else(|| object.get("low")?.get("value"));
    value
        .or_else(|| object.get("high")?.get("value"))
        .and_then(of_node)
}

fn text(found: &Found<'_>) -> Option<String> {
    if let Some(text) = found.text() {
        return Some(text.to_owned());
    }
    let object = found.object()?;
    let members: &[&str] = match found.data_type {
        DataType::HumanName => &["family", "given", "text"],
        DataType::Address => &[
            "country",
            "state",
            "city",
            "district",
            "postalCode",
            "line",
            "text",
        ],
        _ => &["text", "display"],
    };
    let mut parts = Vec::new();
    for member in members {
        parts.extend(object.get_str(member));
        parts.extend(object.items(member).iter().filter_map(Node::as_str));
    }
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The code of a token; without one its text.
fn token<'a>(found: &Found<'a>) -> Option<&'a str> {
    match found.node {
        Node::Bool(true) => Some("true"),
        Node::Bool(false) => Some("false"),
        Node::Object(object) => of_object(object),
        node => node.as_str(),
    }
}

fn of_object(object: &Object) -> Option<&str> {
    let codings = object.items("coding").iter();
    let mut codes = codings.filter_map(|coding| coding.as_object()?.get_str("code"));
    let own = ["code", "value", "text", "display"];
    codes
        .next()
        .or_else(|| own.iter().find_map(|member| object.get_str(member)))
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::{SortKey, SortValue, compare};

    fn key(is_descending: bool) -> SortKey {
        SortKey {
            code: "x".into(),
            is_descending,
        }
    }

    #[test]
    fn what_has_no_value_is_last_either_way() {
        let some = [Some(SortValue::Time(1))];
        for is_descending in [false, true] {
            let keys = [key(is_descending)];
            assert_eq!(compare(&keys, &some, &[None]), Ordering::Less);
            assert_eq!(compare(&keys, &[None], &some), Ordering::Greater);
            assert_eq!(compare(&keys, &some, &some), Ordering::Equal);
        }
    }

    #[test]
    fn the_second_key_parts_what_the_first_leaves() {
        let keys = [key(false), key(true)];
        let of = |first, second| [Some(SortValue::Time(first)), Some(SortValue::Time(second))];
        assert_eq!(compare(&keys, &of(1, 1), &of(2, 2)), Ordering::Less);
        assert_eq!(compare(&keys, &of(1, 1), &of(1, 2)), Ordering::Greater);
    }
}
