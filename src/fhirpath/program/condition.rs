//! Compiled conditions: what `where()` asks and what a parameter such as `deceased` states.
//!
//! Truth has three values, as in FHIRPath: `None` is the empty collection.

use std::ops::ControlFlow;

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::fhir::resource::{Node, Object};
use crate::fhirpath::pointer::target_type;
use crate::fhirpath::program::step::{Path, Spot, State};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Constant(bool),
    Exists(Vec<Path>),
    Equal {
        paths: Vec<Path>,
        literal: Comparand,
    },
    /// References whose text or `type` says that they point to this type.
    PointsTo {
        paths: Vec<Path>,
        type_name: CompactString,
    },
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

/// A literal that an element is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Comparand {
    Text(CompactString),
    Boolean(bool),
    Number(Decimal),
}

impl Condition {
    pub(super) fn holds(&self, state: &State<'_>) -> Option<bool> {
        match self {
            Self::Constant(truth) => Some(*truth),
            Self::Exists(paths) => Some(first(paths, state).is_some()),
            Self::Equal { paths, literal } => match only(paths, state) {
                Count::None => None,
                Count::One(spot) => Some(literal.equals(spot)),
                Count::More => Some(false),
            },
            Self::PointsTo { paths, type_name } => match only(paths, state) {
                Count::None => None,
                Count::One(spot) => Some(points_to(spot, type_name, state.root)),
                Count::More => Some(false),
            },
            Self::Not(inner) => inner.holds(state).map(|truth| !truth),
            Self::And(left, right) => match (left.holds(state), right.holds(state)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.holds(state), right.holds(state)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }
}

impl Comparand {
    fn equals(&self, spot: Spot<'_>) -> bool {
        let Spot::Node(node) = spot else {
            return false;
        };
        match (self, node) {
            (Self::Text(wanted), Node::String(text)) => wanted == text,
            (Self::Boolean(wanted), Node::Bool(truth)) => wanted == truth,
            (Self::Number(wanted), Node::Number(digits)) => digits
                .parse::<Decimal>()
                .is_ok_and(|value| value == *wanted),
            _ => false,
        }
    }
}

enum Count<'a> {
    None,
    One(Spot<'a>),
    More,
}

fn first<'a>(paths: &[Path], state: &State<'a>) -> Option<Spot<'a>> {
    let mut found = None;
    for path in paths {
        let flow = path.visit(state, &mut |spot, _| {
            found = Some(spot);
            ControlFlow::Break(())
        });
        if flow.is_break() {
            break;
        }
    }
    found
}

fn only<'a>(paths: &[Path], state: &State<'a>) -> Count<'a> {
    let mut count = Count::None;
    for path in paths {
        let flow = path.visit(state, &mut |spot, _| {
            count = match count {
                Count::None => Count::One(spot),
                Count::One(_) | Count::More => Count::More,
            };
            match count {
                Count::More => ControlFlow::Break(()),
                Count::None | Count::One(_) => ControlFlow::Continue(()),
            }
        });
        if flow.is_break() {
            break;
        }
    }
    count
}

/// Whether a Reference, or the text of a uri, points to a resource of the type.
fn points_to(spot: Spot<'_>, type_name: &str, root: &Object) -> bool {
    let (text, stated) = match spot {
        Spot::Node(Node::String(text)) => (Some(text.as_str()), None),
        other => match other.object() {
            Some(reference) => (reference.get_str("reference"), reference.get_str("type")),
            None => return false,
        },
    };
    target_type(text, stated, root) == Some(type_name)
}
