//! From the tree of an expression to steps, with the types of R4 at hand.
//!
//! A choice becomes one path for each of its forms, which casts then thin out; what is left of a
//! choice at the end is put together again.

use crate::fhir::shape::{Shapes, TypeId, TypeKind, choice_member};
use crate::fhirpath::ast::{Expr, Literal, Operator, TypeName, TypeTest};
use crate::fhirpath::function::Function;
use crate::fhirpath::program::claim::states_truth;
use crate::fhirpath::program::condition::{Comparand, Condition};
use crate::fhirpath::program::fallback::is_extractable;
use crate::fhirpath::program::join::join_choices;
use crate::fhirpath::program::step::{Base, Path, Step};
use crate::fhirpath::program::{Part, ProgramError};
use compact_str::CompactString;

/// Compiles for one type of resource and one type of context in it.
pub(super) struct Compiler<'s> {
    pub(super) shapes: &'s Shapes,
    root: TypeId,
    context: TypeId,
}

impl<'s> Compiler<'s> {
    pub(super) fn new(shapes: &'s Shapes, root: TypeId, context: TypeId) -> Self {
        Self {
            shapes,
            root,
            context,
        }
    }

    /// Compiles the operands of the outermost union, leaving out those about other resources.
    pub(super) fn parts(&self, expr: &Expr) -> Result<Box<[Part]>, ProgramError> {
        let mut operands = Vec::new();
        union_operands(expr, &mut operands);
        let mut parts = Vec::new();
        let mut paths = Vec::new();
        for operand in operands {
            if self.is_about_others(operand) {
                continue;
            }
            let compiled = if states_truth(operand) {
                self.condition(operand, self.context)
                    .map(|condition| parts.push(Part::Truth(condition)))
            } else {
                self.paths(operand, self.context)
                    .map(|found| paths.extend(found))
            };
            match compiled {
                Err(ProgramError::NotExtractable) if is_extractable(operand) => {
                    parts.push(Part::Other(operand.clone()));
                }
                compiled => compiled?,
            }
        }
        parts.extend(join_choices(paths).into_iter().map(Part::Path));
        Ok(parts.into_boxed_slice())
    }

    /// The paths of an expression whose `$this` has the type `this`.
    pub(super) fn paths(&self, expr: &Expr, this: TypeId) -> Result<Vec<Path>, ProgramError> {
        match expr {
            Expr::Empty => Ok(Vec::new()),
            Expr::This => Ok(vec![start(Base::This, this)]),
            Expr::Constant(name) => match name.as_str() {
                "resource" | "rootResource" => Ok(vec![start(Base::Root, self.root)]),
                "context" => Ok(vec![start(Base::Context, self.context)]),
                _ => Err(ProgramError::NotExtractable),
            },
            Expr::Member { on, name } => self.member(on, name, this),
            Expr::Typed {
                on,
                test: TypeTest::As,
                name,
            } => {
                let wanted = self.type_named(name)?;
                let paths = self.paths(on, this)?.into_iter();
                Ok(paths.filter_map(|path| self.cast(path, wanted)).collect())
            }
            Expr::At { on, index } => match **index {
                Expr::Literal(Literal::Integer(place)) => {
                    let place = usize::try_from(place);
                    let place = place.map_err(|_negative| ProgramError::NotExtractable)?;
                    nth(self.paths(on, this)?, place)
                }
                _ => Err(ProgramError::NotExtractable),
            },
            Expr::Binary {
                operator: Operator::Union,
                left,
                right,
            } => {
                let mut paths = self.paths(left, this)?;
                paths.extend(self.paths(right, this)?);
                Ok(paths)
            }
            Expr::Call {
                on,
                function,
                arguments,
            } => self.call(on, *function, arguments, this),
            _ => Err(ProgramError::NotExtractable),
        }
    }

    fn call(
        &self,
        on: &Expr,
        function: Function,
        arguments: &[Expr],
        this: TypeId,
    ) -> Result<Vec<Path>, ProgramError> {
        let on = self.paths(on, this)?;
        match (function, arguments) {
            (Function::Where, [criteria]) => self.filtered(on, criteria),
            (Function::Extension, [Expr::Literal(Literal::String(url))]) => {
                let mut found = Vec::new();
                for path in on {
                    found.extend(self.extension(path, url)?);
                }
                Ok(found)
            }
            (Function::First, []) => nth(on, 0),
            // What repeats among index values is one index value.
            (Function::Distinct, []) => Ok(on),
            (Function::Select, [projection]) => {
                let mut found = Vec::new();
                for path in on {
                    for tail in self.paths(projection, path.type_id)? {
                        found.push(joined(&path, tail)?);
                    }
                }
                Ok(found)
            }
            _ => Err(ProgramError::NotExtractable),
        }
    }

    pub(super) fn filtered(
        &self,
        on: Vec<Path>,
        criteria: &Expr,
    ) -> Result<Vec<Path>, ProgramError> {
        let mut found = Vec::with_capacity(on.len());
        for mut path in on {
            let condition = self.condition(criteria, path.type_id)?;
            path.steps.push(Step::Where(condition));
            found.push(path);
        }
        Ok(found)
    }

    fn extension(&self, path: Path, url: &str) -> Result<Vec<Path>, ProgramError> {
        let mut found = self.below(path, "extension")?;
        for path in &mut found {
            let this = self.below(start(Base::This, path.type_id), "url")?;
            path.steps.push(Step::Where(Condition::Equal {
                paths: this,
                literal: Comparand::Text(url.into()),
            }));
        }
        Ok(found)
    }

    /// `on.name`, where `name` may be the type that a path begins with.
    fn member(&self, on: &Expr, name: &str, this: TypeId) -> Result<Vec<Path>, ProgramError> {
        if *on == Expr::This
            && let Some(paths) = self.beginning(name, this)?
        {
            return Ok(paths);
        }
        let on = self.paths(on, this)?;
        let mut found = Vec::new();
        let mut refusal = None;
        for path in on {
            match self.below(path, name) {
                Ok(paths) => found.extend(paths),
                Err(error) => refusal = Some(error),
            }
        }
        // Among the forms of a choice, one that has the element is enough.
        match refusal {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    /// The start of a path that begins with a type's name, when it does.
    fn beginning(&self, name: &str, this: TypeId) -> Result<Option<Vec<Path>>, ProgramError> {
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
            return Ok(None);
        }
        let named = self
            .shapes
            .type_id(name)
            .ok_or_else(|| ProgramError::UnknownType(name.to_owned()))?;
        Ok(Some(if self.shapes.is_a(this, named) {
            vec![start(Base::This, this)]
        } else if self.shapes.is_a(self.root, named) {
            vec![start(Base::Root, self.root)]
        } else {
            Vec::new()
        }))
    }

    /// The element `name` below a path; several paths where it is a choice.
    fn below(&self, mut path: Path, name: &str) -> Result<Vec<Path>, ProgramError> {
        let shapes = self.shapes;
        if shapes.kind(path.type_id) == Some(TypeKind::Primitive)
            && matches!(name, "extension" | "id")
        {
            return self.beside_primitive(path, name);
        }
        if let Some(found) = shapes.find(path.type_id, name) {
            path.push(name.into(), found.value_type, None);
            return Ok(vec![path]);
        }
        let shape = shapes.shape(path.type_id);
        let choice = shape.and_then(|shape| {
            let mut elements = shape.elements.iter();
            elements.find(|element| element.is_choice && element.name == name)
        });
        if let Some(choice) = choice {
            let forms = choice.types.iter().map(|&form| {
                let mut path = path.clone();
                let member = choice_member(name, shapes.name(form));
                path.push(member, form, Some(name.into()));
                path
            });
            return Ok(forms.collect());
        }
        if shape.is_some_and(|shape| shape.is_abstract) {
            return Err(ProgramError::NotExtractable);
        }
        Err(ProgramError::UnknownElement {
            type_name: shapes.name(path.type_id).to_owned(),
            name: name.to_owned(),
        })
    }

    /// What a primitive carries stands in the member `_name` beside it.
    fn beside_primitive(&self, mut path: Path, name: &str) -> Result<Vec<Path>, ProgramError> {
        let element = self
            .shapes
            .type_id("Element")
            .ok_or_else(|| ProgramError::UnknownType("Element".to_owned()))?;
        match path.steps.pop() {
            Some(Step::Member { name: member, .. }) => {
                let mut beside = CompactString::const_new("_");
                beside.push_str(&member);
                path.push(beside, element, None);
                self.below(path, name)
            }
            _ => Err(ProgramError::NotExtractable),
        }
    }

    /// The path when its end can have the type `wanted`.
    fn cast(&self, mut path: Path, wanted: TypeId) -> Option<Path> {
        if self.shapes.is_a(path.type_id, wanted) {
            return Some(path);
        }
        let is_any_resource = self.shapes.kind(wanted) == Some(TypeKind::Resource)
            && self.shapes.is_a(wanted, path.type_id);
        if !is_any_resource {
            return None;
        }
        path.steps.push(Step::OfResource {
            name: self.shapes.name(wanted).into(),
        });
        path.type_id = wanted;
        Some(path)
    }

    /// The type a cast names; published expressions also write `DateTime` and `System.String`.
    pub(super) fn type_named(&self, name: &TypeName) -> Result<TypeId, ProgramError> {
        let mut letters = name.name.chars();
        let first = letters.next().map(|c| c.to_ascii_lowercase());
        let uncapitalised: CompactString = first.into_iter().chain(letters).collect();
        self.shapes
            .type_id(&name.name)
            .or_else(|| self.shapes.type_id(&uncapitalised))
            .ok_or_else(|| ProgramError::UnknownType(name.name.to_string()))
    }

    /// Whether a path in it begins with a resource type that is not the one compiled for.
    fn is_about_others(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Member { on, name } if **on == Expr::This => {
                self.shapes.type_id(name).is_some_and(|named| {
                    self.shapes.kind(named) == Some(TypeKind::Resource)
                        && !self.shapes.is_a(self.root, named)
                })
            }
            Expr::Member { on, .. }
            | Expr::Call { on, .. }
            | Expr::At { on, .. }
            | Expr::Typed { on, .. } => self.is_about_others(on),
            Expr::Negated(inner) => self.is_about_others(inner),
            Expr::Binary { left, right, .. } => {
                self.is_about_others(left) || self.is_about_others(right)
            }
            _ => false,
        }
    }
}

impl Path {
    fn push(&mut self, name: CompactString, type_id: TypeId, choice: Option<CompactString>) {
        self.steps.push(Step::Member {
            name,
            type_id,
            choice,
        });
        self.type_id = type_id;
    }
}

fn start(base: Base, type_id: TypeId) -> Path {
    Path {
        base,
        steps: Vec::new(),
        type_id,
    }
}

fn union_operands<'e>(expr: &'e Expr, operands: &mut Vec<&'e Expr>) {
    match expr {
        Expr::Binary {
            operator: Operator::Union,
            left,
            right,
        } => {
            union_operands(left, operands);
            union_operands(right, operands);
        }
        other => operands.push(other),
    }
}

/// The item at `place` of one path; counting across several is left to the evaluator.
fn nth(paths: Vec<Path>, place: usize) -> Result<Vec<Path>, ProgramError> {
    if paths.len() > 1 {
        return Err(ProgramError::NotExtractable);
    }
    let paths = paths.into_iter().map(|mut path| {
        let inner = std::mem::take(&mut path.steps);
        path.steps.push(Step::Nth { inner, place });
        path
    });
    Ok(paths.collect())
}

/// `tail` at the end of `head`.
fn joined(head: &Path, tail: Path) -> Result<Path, ProgramError> {
    if tail.base != Base::This {
        return Err(ProgramError::NotExtractable);
    }
    let mut path = head.clone();
    path.steps.extend(tail.steps);
    path.type_id = tail.type_id;
    Ok(path)
}
