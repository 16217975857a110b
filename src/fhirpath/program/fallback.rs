//! What is too much for steps runs in the evaluator, inside the same program.
//!
//! Only what selects elements or states a truth is let in: there is no place for computed values in
//! a resource that they could be borrowed from.

use crate::fhir::shape::TypeId;
use crate::fhirpath::ast::{Expr, Operator, TypeTest};
use crate::fhirpath::evaluate::item::{Element, Item, System};
use crate::fhirpath::evaluate::{Environment, evaluate};
use crate::fhirpath::function::Function;
use crate::fhirpath::program::step::Spot;
use crate::fhirpath::program::{Context, FALSE, TRUE};

/// Whether all that an expression can give are elements, true and false.
pub(super) fn is_extractable(expr: &Expr) -> bool {
    match expr {
        Expr::Empty | Expr::This | Expr::Member { .. } => true,
        Expr::Constant(name) => matches!(name.as_str(), "resource" | "rootResource" | "context"),
        Expr::At { on, .. } => is_extractable(on),
        Expr::Typed { on, test, .. } => *test == TypeTest::Is || is_extractable(on),
        Expr::Binary {
            operator,
            left,
            right,
        } => match operator {
            Operator::Union => is_extractable(left) && is_extractable(right),
            operator => !is_arithmetic(*operator),
        },
        Expr::Call {
            on,
            function,
            arguments,
        } => match function {
            Function::Select | Function::Repeat => arguments.iter().all(is_extractable),
            Function::Iif => arguments.iter().skip(1).all(is_extractable),
            Function::Union | Function::Combine => {
                is_extractable(on) && arguments.iter().all(is_extractable)
            }
            function if selects(*function) => is_extractable(on),
            function => states_truth(*function),
        },
        Expr::Literal(_) | Expr::Pattern(_) | Expr::Index | Expr::Total | Expr::Negated(_) => false,
    }
}

/// Gives `each` what the evaluator finds; an expression that fails on this data finds nothing.
pub(super) fn visit<'a>(
    expr: &Expr,
    context: Context<'a>,
    environment: &Environment<'_, 'a>,
    boolean: TypeId,
    each: &mut dyn FnMut(Spot<'a>, TypeId),
) {
    let focus = Element::object(context.object, context.type_id);
    for item in evaluate(expr, focus, environment).unwrap_or_default() {
        match item {
            Item::Element(element) => match (element.as_node(), element.as_object()) {
                (Some(node), _) => each(Spot::Node(node), element.type_id),
                (None, Some(object)) => each(Spot::Object(object), element.type_id),
                (None, None) => {}
            },
            Item::System(System::Boolean(true)) => each(Spot::Node(&TRUE), boolean),
            Item::System(System::Boolean(false)) => each(Spot::Node(&FALSE), boolean),
            Item::System(_) => {}
        }
    }
}

fn is_arithmetic(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Div
            | Operator::Mod
            | Operator::Concatenate
    )
}

fn selects(function: Function) -> bool {
    matches!(
        function,
        Function::Where
            | Function::First
            | Function::Last
            | Function::Tail
            | Function::Skip
            | Function::Take
            | Function::Single
            | Function::Distinct
            | Function::Intersect
            | Function::Exclude
            | Function::Trace
            | Function::Extension
            | Function::Resolve
            | Function::Children
            | Function::Descendants
    )
}

fn states_truth(function: Function) -> bool {
    matches!(
        function,
        Function::Empty
            | Function::Exists
            | Function::Not
            | Function::All
            | Function::AllTrue
            | Function::AllFalse
            | Function::AnyTrue
            | Function::AnyFalse
            | Function::SubsetOf
            | Function::SupersetOf
            | Function::IsDistinct
            | Function::HasValue
            | Function::StartsWith
            | Function::EndsWith
            | Function::Contains
            | Function::Matches
            | Function::HtmlChecks
    )
}
