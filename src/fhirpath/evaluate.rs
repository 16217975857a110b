//! Evaluates any expression over a resource, item by item.
//!
//! Where search runs [`crate::fhirpath::program`], everything else runs this: invariants, and the
//! few search parameters that are more than paths. Work is bounded, elements are borrowed, and an
//! unknown element name is an empty collection. Spec: <http://hl7.org/fhirpath/N1/>.

mod call;
mod collection;
mod convert;
mod equality;
mod html;
pub mod item;
mod lambda;
mod navigate;
mod number;
mod operate;
mod text;
mod typing;
mod work;

use crate::fhir::resource::{Node, Object};
use crate::fhir::shape::{Shapes, TypeId};
use crate::fhirpath::ast::{Expr, Literal};
use crate::fhirpath::evaluate::item::{Element, Item, Scalar, System, UCUM};
use crate::fhirpath::evaluate::work::Work;
use crate::fhirpath::temporal::Temporal;

/// How many steps an evaluation may take when nothing else is said; some 50 ms.
pub const STEPS_MAX: u64 = 1_000_000;

/// Finds the resource that the text of a reference points to.
pub type Resolver<'e, 'a> = dyn Fn(&str) -> Option<Element<'a>> + 'e;

/// What an expression knows besides the element it is evaluated on.
#[derive(Clone, Copy)]
pub struct Environment<'e, 'a> {
    /// The types.
    pub shapes: &'e Shapes,
    /// `%resource`: the resource that holds the element.
    pub resource: Element<'a>,
    /// `%rootResource`: the same, or what contains it.
    pub root_resource: Element<'a>,
    /// `now()`; where it is missing, expressions that ask for it fail.
    pub now: Option<Temporal>,
    /// Finds what a reference points to outside of the resource.
    pub resolve: Option<&'e Resolver<'e, 'a>>,
    /// How many steps the evaluation may take.
    pub steps_max: u64,
}

/// Why an expression has no value. Nothing here shows what the data is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// It took more steps than it may.
    #[error("the expression takes too much work on this resource")]
    TooMuchWork,
    /// There are several items where one is meant.
    #[error("there are several items where the expression needs one")]
    NotSingle,
    /// An item has another type than an operation needs.
    #[error("the expression needs {0} here")]
    WrongType(&'static str),
    /// A name that is no type.
    #[error("there is no type '{0}'")]
    UnknownType(String),
    /// A constant that is not known here.
    #[error("there is no constant '%{0}'")]
    UnknownConstant(String),
    /// It asks for the time, and none was given.
    #[error("the time is not known to this expression")]
    NoTime,
}

/// What evaluating gives.
pub type Answer<'a> = Result<Vec<Item<'a>>, EvaluateError>;

impl<'e, 'a> Environment<'e, 'a> {
    /// The surroundings of elements of a resource of this type.
    pub fn new(shapes: &'e Shapes, resource: &'a Object, type_id: TypeId) -> Self {
        let resource = Element::object(resource, type_id);
        Self {
            shapes,
            resource,
            root_resource: resource,
            now: None,
            resolve: None,
            steps_max: STEPS_MAX,
        }
    }
}

/// The items that an expression gives for an element.
pub fn evaluate<'a>(
    expr: &Expr,
    focus: Element<'a>,
    environment: &Environment<'_, 'a>,
) -> Answer<'a> {
    let evaluator = Evaluator {
        environment,
        work: Work::new(environment.shapes, environment.steps_max),
        context: focus,
    };
    let this = [Item::Element(focus)];
    evaluator.eval(expr, Frame::of(&this))
}

/// Whether an invariant holds for an element: whether its expression does not give false. What is
/// empty says nothing: `reference.startsWith('#').not()` on a reference that has only a display.
pub fn holds<'a>(
    expr: &Expr,
    focus: Element<'a>,
    environment: &Environment<'_, 'a>,
) -> Result<bool, EvaluateError> {
    let items = evaluate(expr, focus, environment)?;
    Ok(truth(&items)? != Some(false))
}

struct Evaluator<'e, 'a> {
    environment: &'e Environment<'e, 'a>,
    work: Work<'e>,
    context: Element<'a>,
}

/// The variables where an expression stands.
#[derive(Clone, Copy)]
struct Frame<'f, 'a> {
    this: &'f [Item<'a>],
    index: usize,
    total: &'f [Item<'a>],
}

impl<'f, 'a> Frame<'f, 'a> {
    fn of(this: &'f [Item<'a>]) -> Self {
        Self {
            this,
            index: 0,
            total: &[],
        }
    }

    fn at(self, item: &'f Item<'a>, index: usize) -> Self {
        Self {
            this: std::slice::from_ref(item),
            index,
            total: self.total,
        }
    }
}

impl<'a> Evaluator<'_, 'a> {
    fn eval(&self, expr: &Expr, frame: Frame<'_, 'a>) -> Answer<'a> {
        self.work.charge(1)?;
        match expr {
            Expr::Empty => Ok(Vec::new()),
            Expr::Literal(literal) => Ok(vec![Item::System(system(literal))]),
            Expr::Pattern(pattern) => Ok(vec![Item::string(pattern.as_str())]),
            Expr::This => Ok(frame.this.to_vec()),
            Expr::Index => Ok(vec![Item::count(frame.index)]),
            Expr::Total => Ok(frame.total.to_vec()),
            Expr::Constant(name) => self.constant(name),
            Expr::Member { on, name } => self.member(on, name, frame),
            Expr::Call {
                on,
                function,
                arguments,
            } => self.call(on, *function, arguments, frame),
            Expr::At { on, index } => {
                let on = self.eval(on, frame)?;
                let index = self.eval(index, frame)?;
                let place = self.integer(&index)?.map(usize::try_from);
                Ok(match place {
                    Some(Ok(place)) => on.into_iter().nth(place).into_iter().collect(),
                    _ => Vec::new(),
                })
            }
            Expr::Typed { on, test, name } => self.typed(on, *test, name, frame),
            Expr::Negated(inner) => operate::negated(&self.eval(inner, frame)?, &self.work),
            Expr::Binary {
                operator,
                left,
                right,
            } => self.binary(*operator, left, right, frame),
        }
    }

    fn member(&self, on: &Expr, name: &str, frame: Frame<'_, 'a>) -> Answer<'a> {
        let mut found = Vec::new();
        if *on == Expr::This {
            if let Some(beginning) = self.beginning(name, frame) {
                return Ok(beginning);
            }
            for item in frame.this {
                navigate::member(item, name, self.work.shapes, &mut found);
            }
        } else {
            for item in &self.eval(on, frame)? {
                self.work.charge(1)?;
                navigate::member(item, name, self.work.shapes, &mut found);
            }
        }
        self.work.charge(found.len())?;
        Ok(found)
    }

    /// A path may begin with the name of the type that it starts from.
    fn beginning(&self, name: &str, frame: Frame<'_, 'a>) -> Option<Vec<Item<'a>>> {
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
            return None;
        }
        let named = self.work.shapes.type_id(name)?;
        let is_named = |item: &&Item<'a>| match item {
            Item::Element(element) => self.work.shapes.is_a(element.type_id, named),
            Item::System(_) => false,
        };
        Some(frame.this.iter().filter(is_named).cloned().collect())
    }

    fn constant(&self, name: &str) -> Answer<'a> {
        let item = match name {
            "resource" => Item::Element(self.environment.resource),
            "rootResource" => Item::Element(self.environment.root_resource),
            "context" => Item::Element(self.context),
            "ucum" => Item::string(UCUM),
            "sct" => Item::string("http://snomed.info/sct"),
            "loinc" => Item::string("http://loinc.org"),
            _ => {
                if let Some(id) = name.strip_prefix("vs-") {
                    Item::string(format!("http://hl7.org/fhir/ValueSet/{id}"))
                } else if let Some(id) = name.strip_prefix("ext-") {
                    Item::string(format!("http://hl7.org/fhir/StructureDefinition/{id}"))
                } else {
                    return Err(EvaluateError::UnknownConstant(name.to_owned()));
                }
            }
        };
        Ok(vec![item])
    }

    /// The integer of a collection that has at most one item.
    fn integer(&self, items: &[Item<'a>]) -> Result<Option<i64>, EvaluateError> {
        let Some(item) = single(items)? else {
            return Ok(None);
        };
        match item.scalar(self.work.shapes) {
            Some(Scalar::Integer(integer)) => Ok(Some(integer)),
            _ => Err(EvaluateError::WrongType("an integer")),
        }
    }
}

/// The only item, when there is one.
fn single<'i, 'a>(items: &'i [Item<'a>]) -> Result<Option<&'i Item<'a>>, EvaluateError> {
    match items {
        [] => Ok(None),
        [item] => Ok(Some(item)),
        _ => Err(EvaluateError::NotSingle),
    }
}

/// A collection as a truth: a single item that is no boolean counts as true.
fn truth(items: &[Item<'_>]) -> Result<Option<bool>, EvaluateError> {
    Ok(single(items)?.map(|item| match item {
        Item::System(System::Boolean(truth)) => *truth,
        Item::Element(element) => !matches!(element.as_node(), Some(Node::Bool(false))),
        Item::System(_) => true,
    }))
}

fn system(literal: &Literal) -> System {
    match literal {
        Literal::Boolean(truth) => System::Boolean(*truth),
        Literal::String(text) => System::String(text.clone()),
        Literal::Integer(integer) => System::Integer(*integer),
        Literal::Decimal(decimal) => System::Decimal(*decimal),
        Literal::Temporal(temporal) => System::Temporal(*temporal),
        Literal::Quantity {
            value,
            unit,
            is_calendar,
        } => System::Quantity {
            value: *value,
            unit: unit.clone(),
            is_calendar: *is_calendar,
        },
    }
}

#[cfg(test)]
mod tests;
