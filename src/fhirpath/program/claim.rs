//! Compiles what an expression states: comparisons, existence, where a reference points.

use rust_decimal::Decimal;

use crate::fhir::shape::{TypeId, TypeKind};
use crate::fhirpath::ast::{Expr, Literal, Operator, TypeName, TypeTest};
use crate::fhirpath::function::Function;
use crate::fhirpath::program::ProgramError;
use crate::fhirpath::program::compile::Compiler;
use crate::fhirpath::program::condition::{Comparand, Condition};

/// Whether an expression can only be true, false or empty.
pub(super) fn states_truth(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(Literal::Boolean(_))
        | Expr::Typed {
            test: TypeTest::Is, ..
        } => true,
        Expr::Binary { operator, .. } => matches!(
            operator,
            Operator::And | Operator::Or | Operator::Implies | Operator::Equal | Operator::NotEqual
        ),
        Expr::Call { function, .. } => {
            matches!(function, Function::Exists | Function::Empty | Function::Not)
        }
        _ => false,
    }
}

impl Compiler<'_> {
    /// The condition that an expression states about a `$this` of the type `this`.
    pub(super) fn condition(&self, expr: &Expr, this: TypeId) -> Result<Condition, ProgramError> {
        match expr {
            Expr::Literal(Literal::Boolean(truth)) => Ok(Condition::Constant(*truth)),
            Expr::Binary {
                operator,
                left,
                right,
            } => self.binary(*operator, left, right, this),
            Expr::Typed {
                on,
                test: TypeTest::Is,
                name,
            } => self.points_to(on, name, this),
            Expr::Call {
                on,
                function,
                arguments,
            } => match (function, arguments.as_slice()) {
                (Function::Exists, []) => Ok(Condition::Exists(self.paths(on, this)?)),
                (Function::Exists, [criteria]) => {
                    let on = self.paths(on, this)?;
                    Ok(Condition::Exists(self.filtered(on, criteria)?))
                }
                (Function::Empty, []) => {
                    let exists = Condition::Exists(self.paths(on, this)?);
                    Ok(Condition::Not(Box::new(exists)))
                }
                (Function::Not, []) => Ok(Condition::Not(Box::new(self.condition(on, this)?))),
                _ => Err(ProgramError::NotExtractable),
            },
            _ => self.is_true(expr, this),
        }
    }

    fn binary(
        &self,
        operator: Operator,
        left: &Expr,
        right: &Expr,
        this: TypeId,
    ) -> Result<Condition, ProgramError> {
        let both = || {
            let left = Box::new(self.condition(left, this)?);
            let right = Box::new(self.condition(right, this)?);
            Ok::<_, ProgramError>((left, right))
        };
        let equal = || {
            let ((path, Expr::Literal(literal)) | (Expr::Literal(literal), path)) = (left, right)
            else {
                return Err(ProgramError::NotExtractable);
            };
            let paths = self.paths(path, this)?;
            let literal = match literal {
                Literal::String(text) => Comparand::Text(text.clone()),
                Literal::Boolean(truth) => Comparand::Boolean(*truth),
                Literal::Integer(number) => Comparand::Number(Decimal::from(*number)),
                Literal::Decimal(number) => Comparand::Number(*number),
                Literal::Temporal(_) | Literal::Quantity { .. } => {
                    return Err(ProgramError::NotExtractable);
                }
            };
            Ok(Condition::Equal { paths, literal })
        };
        match operator {
            Operator::And => both().map(|(left, right)| Condition::And(left, right)),
            Operator::Or => both().map(|(left, right)| Condition::Or(left, right)),
            Operator::Implies => {
                both().map(|(left, right)| Condition::Or(Box::new(Condition::Not(left)), right))
            }
            Operator::Equal => equal(),
            Operator::NotEqual => equal().map(|equal| Condition::Not(Box::new(equal))),
            _ => Err(ProgramError::NotExtractable),
        }
    }

    /// `on.resolve() is Name`
    fn points_to(
        &self,
        on: &Expr,
        name: &TypeName,
        this: TypeId,
    ) -> Result<Condition, ProgramError> {
        let wanted = self.type_named(name)?;
        let shape = self.shapes.shape(wanted);
        let is_concrete =
            shape.is_some_and(|shape| shape.kind == TypeKind::Resource && !shape.is_abstract);
        match on {
            Expr::Call {
                on,
                function: Function::Resolve,
                ..
            } if is_concrete => Ok(Condition::PointsTo {
                paths: self.paths(on, this)?,
                type_name: self.shapes.name(wanted).into(),
            }),
            _ => Err(ProgramError::NotExtractable),
        }
    }

    /// A path to booleans, taken as the truth that they are.
    fn is_true(&self, expr: &Expr, this: TypeId) -> Result<Condition, ProgramError> {
        let paths = self.paths(expr, this)?;
        if !paths
            .iter()
            .all(|p| self.shapes.name(p.type_id) == "boolean")
        {
            return Err(ProgramError::NotExtractable);
        }
        Ok(Condition::Equal {
            paths,
            literal: Comparand::Boolean(true),
        })
    }
}
