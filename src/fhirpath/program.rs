//! Expressions compiled for one resource type: what search runs over every resource written.
//!
//! Paths, choices, unions, casts, filters and claims become steps whose types are known before
//! any data is seen. A program yields elements of the resource, or true and false.
//! Spec: <https://hl7.org/fhir/R4/searchparameter.html>.

mod claim;
mod compile;
mod condition;
mod fallback;
mod join;
mod members;
mod single;
mod step;

use std::ops::ControlFlow;

use crate::fhir::resource::{Node, Object};
use crate::fhir::shape::{Shapes, TypeId};
use crate::fhirpath::ast::Expr;
use crate::fhirpath::evaluate::Environment;
use crate::fhirpath::lexer::SyntaxError;
use crate::fhirpath::location::Location;
use crate::fhirpath::parser::parse;
use crate::fhirpath::program::compile::Compiler;
use crate::fhirpath::program::condition::Condition;
use crate::fhirpath::program::step::{Base, Path, Spot, State};

static TRUE: Node = Node::Bool(true);
static FALSE: Node = Node::Bool(false);

/// An element that an expression selects, or a truth it states.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    /// The element; never an array or null.
    pub node: &'a Node,
    /// Its type: for `Observation.valueQuantity` it is `Quantity`.
    pub type_id: TypeId,
}

/// An element with members, or the resource itself, on which relative programs run.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Its members.
    pub object: &'a Object,
    /// Its type.
    pub type_id: TypeId,
}

/// Why an expression cannot be compiled for a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// It is not FHIRPath.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// It names a type that R4 does not have.
    #[error("R4 has no type '{0}'")]
    UnknownType(String),
    /// It names an element that a type does not have.
    #[error("{type_name} has no element '{name}'")]
    UnknownElement {
        /// The type.
        type_name: String,
        /// The name that it does not have.
        name: String,
    },
    /// It does something that is not possible in a search parameter.
    #[error("a search parameter selects elements or states a truth; this one does neither")]
    NotExtractable,
}

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Program {
    /// One list of parts for each type of context it may run on.
    contexts: Box<[(TypeId, Box<[Part]>)]>,
    root: TypeId,
    boolean: TypeId,
    resource: TypeId,
}

/// One operand of the outermost union.
#[derive(Debug, Clone)]
enum Part {
    Path(Path),
    Truth(Condition),
    /// What is neither, for the evaluator.
    Other(Expr),
}

impl Program {
    /// Compiles an expression for resources of the type `root`; what it says about other types of
    /// resources is left out.
    pub fn compile(expression: &str, root: TypeId, shapes: &Shapes) -> Result<Self, ProgramError> {
        Self::compile_relative(expression, &[root], root, shapes)
    }

    /// Compiles an expression that starts at elements of the types `contexts` in resources of the
    /// type `root`, such as those of a composite search parameter's components.
    pub fn compile_relative(
        expression: &str,
        contexts: &[TypeId],
        root: TypeId,
        shapes: &Shapes,
    ) -> Result<Self, ProgramError> {
        Self::compile_parsed(&parse(expression)?, contexts, root, shapes)
    }

    /// Like [`Self::compile_relative`], for an expression that is parsed already.
    pub fn compile_parsed(
        expr: &Expr,
        contexts: &[TypeId],
        root: TypeId,
        shapes: &Shapes,
    ) -> Result<Self, ProgramError> {
        let type_called = |name: &str| {
            shapes
                .type_id(name)
                .ok_or_else(|| ProgramError::UnknownType(name.to_owned()))
        };
        let compiled: Result<Box<[_]>, ProgramError> = contexts
            .iter()
            .map(|&context| {
                let parts = Compiler::new(shapes, root, context).parts(expr)?;
                Ok((context, parts))
            })
            .collect();
        Ok(Self {
            contexts: compiled?,
            root,
            boolean: type_called("boolean")?,
            resource: type_called("Resource")?,
        })
    }

    /// Gives `each` the values that the expression has for a resource.
    pub fn run<'a>(&self, resource: &'a Object, shapes: &Shapes, each: &mut dyn FnMut(Value<'a>)) {
        let context = Context {
            object: resource,
            type_id: self.root,
        };
        self.run_relative(context, resource, shapes, each);
    }

    /// Gives `each` the values that the expression has for an element of a resource.
    pub fn run_relative<'a>(
        &self,
        context: Context<'a>,
        resource: &'a Object,
        shapes: &Shapes,
        each: &mut dyn FnMut(Value<'a>),
    ) {
        self.visit(context, resource, shapes, &mut |spot, type_id| {
            if let Spot::Node(node) = spot {
                let type_id = self.actual_type(node, type_id, shapes);
                each(Value { node, type_id });
            }
        });
    }

    /// Gives `each` the elements with members that the expression has for a resource, and the
    /// resource itself where the expression names it.
    pub fn contexts<'a>(
        &self,
        resource: &'a Object,
        shapes: &Shapes,
        each: &mut dyn FnMut(Context<'a>),
    ) {
        let context = Context {
            object: resource,
            type_id: self.root,
        };
        self.visit(context, resource, shapes, &mut |spot, type_id| {
            if let Some(object) = spot.object() {
                let type_id = match spot {
                    Spot::Node(node) => self.actual_type(node, type_id, shapes),
                    Spot::Object(_) => type_id,
                };
                each(Context { object, type_id });
            }
        });
    }

    /// Where the elements stand that the expression selects, the resource itself among them.
    pub fn locations(&self, resource: &Object, shapes: &Shapes) -> Vec<Location> {
        let context = Context {
            object: resource,
            type_id: self.root,
        };
        let mut found = Vec::new();
        self.visit(context, resource, shapes, &mut |spot, _| {
            found.extend(match spot {
                Spot::Node(node) => Location::of_node(resource, node),
                Spot::Object(object) => Location::of_object(resource, object),
            });
        });
        found
    }

    /// The types its values can have, as far as they are known without data: what falls back to
    /// the evaluator is not.
    pub fn value_types(&self) -> Vec<TypeId> {
        let mut found = Vec::new();
        for part in self.contexts.iter().flat_map(|(_, parts)| parts) {
            match part {
                Part::Path(path) => path.result_types(&mut found),
                Part::Truth(_) => found.push(self.boolean),
                Part::Other(_) => {}
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether part of it is left to the evaluator, so that [`Self::value_types`] is not all.
    pub fn is_open(&self) -> bool {
        let mut parts = self.contexts.iter().flat_map(|(_, parts)| parts);
        parts.any(|part| matches!(part, Part::Other(_)))
    }

    /// The required bindings of the elements that its values come from, places for
    /// [`Shapes::code_set`].
    pub fn code_sets(&self, shapes: &Shapes) -> Vec<u16> {
        let mut sets = Vec::new();
        for (context, parts) in &self.contexts {
            for part in parts {
                if let Part::Path(path) = part {
                    let start = match path.base {
                        Base::Root => self.root,
                        Base::This | Base::Context => *context,
                    };
                    path.code_sets(start, shapes, &mut sets);
                }
            }
        }
        sets.sort_unstable();
        sets.dedup();
        sets
    }

    fn visit<'a>(
        &self,
        context: Context<'a>,
        resource: &'a Object,
        shapes: &Shapes,
        each: &mut dyn FnMut(Spot<'a>, TypeId),
    ) {
        let known = |(type_id, _): &&(TypeId, _)| *type_id == context.type_id;
        let Some((_, parts)) = self.contexts.iter().find(known) else {
            return;
        };
        let state = State {
            this: Spot::Object(context.object),
            context,
            root: resource,
        };
        for part in parts {
            match part {
                Part::Other(expr) => {
                    let environment = Environment::new(shapes, resource, self.root);
                    fallback::visit(expr, context, &environment, self.boolean, each);
                }
                part => part.visit(&state, self.boolean, each),
            }
        }
    }

    /// The type a nested resource says it has, where the definition allows any.
    fn actual_type(&self, node: &Node, type_id: TypeId, shapes: &Shapes) -> TypeId {
        if type_id != self.resource {
            return type_id;
        }
        node.get("resourceType")
            .and_then(Node::as_str)
            .and_then(|name| shapes.type_id(name))
            .unwrap_or(type_id)
    }
}

impl Part {
    fn visit<'a>(
        &self,
        state: &State<'a>,
        boolean: TypeId,
        each: &mut dyn FnMut(Spot<'a>, TypeId),
    ) {
        match self {
            Self::Path(path) => {
                let flow = path.visit(state, &mut |spot, type_id| {
                    each(spot, type_id);
                    ControlFlow::Continue(())
                });
                debug_assert!(flow.is_continue(), "nothing stops this walk");
            }
            Self::Truth(condition) => match condition.holds(state) {
                Some(true) => each(Spot::Node(&TRUE), boolean),
                Some(false) => each(Spot::Node(&FALSE), boolean),
                None => {}
            },
            Self::Other(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
