//! The steps of a compiled path and the walk along them.
//!
//! A walk allocates nothing: it recurses over the steps and hands each end to a callback.

use std::ops::ControlFlow;

use compact_str::CompactString;

use crate::fhir::resource::{Node, Object};
use crate::fhir::shape::{Shapes, TypeId};
use crate::fhirpath::program::Context;
use crate::fhirpath::program::condition::Condition;

/// Where a walk stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Spot<'a> {
    /// The resource or context it began at, or an object in it.
    Object(&'a Object),
    /// An element below.
    Node(&'a Node),
}

impl<'a> Spot<'a> {
    pub(super) fn object(self) -> Option<&'a Object> {
        match self {
            Self::Object(object) => Some(object),
            Self::Node(node) => node.as_object(),
        }
    }
}

/// What the walk knows besides its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct State<'a> {
    pub(super) this: Spot<'a>,
    pub(super) context: Context<'a>,
    pub(super) root: &'a Object,
}

/// What a path starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// `$this`
    This,
    /// `%context`
    Context,
    /// `%resource`
    Root,
}

/// A path of which every step is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    pub(super) base: Base,
    pub(super) steps: Vec<Step>,
    /// The type at its end; where the last step is a choice, that step knows better.
    pub(super) type_id: TypeId,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// The values of one JSON member.
    Member {
        name: CompactString,
        type_id: TypeId,
        /// The choice element it is one form of.
        choice: Option<CompactString>,
    },
    /// The values of whichever form of a choice is there; made at the end of paths only.
    Choice {
        prefix: CompactString,
        forms: Vec<(CompactString, TypeId)>,
    },
    /// Items that meet a condition.
    Where(Condition),
    /// The item at a place in all that the inner steps find.
    Nth { inner: Vec<Step>, place: usize },
    /// Nested resources of one type.
    OfResource { name: CompactString },
}

/// What is called with each end of a path.
pub(super) type Sink<'s, 'a> = &'s mut dyn FnMut(Spot<'a>, TypeId) -> ControlFlow<()>;

impl Path {
    /// Walks the path and gives `sink` each of its ends.
    pub(super) fn visit<'a>(&self, state: &State<'a>, sink: Sink<'_, 'a>) -> ControlFlow<()> {
        let spot = match self.base {
            Base::This => state.this,
            Base::Context => Spot::Object(state.context.object),
            Base::Root => Spot::Object(state.root),
        };
        walk(&self.steps, spot, self.type_id, state, sink)
    }

    /// Adds the required bindings of the elements at its ends.
    pub(super) fn code_sets(&self, start: TypeId, shapes: &Shapes, sets: &mut Vec<u16>) {
        let mut end = BoundEnd {
            type_id: start,
            codes: None,
        };
        end.follow(&self.steps, shapes);
        sets.extend(end.codes);
    }

    /// Adds the types its ends can have.
    pub(super) fn result_types(&self, types: &mut Vec<TypeId>) {
        match self.steps.last() {
            Some(Step::Choice { forms, .. }) => {
                types.extend(forms.iter().map(|(_, type_id)| *type_id));
            }
            _ => types.push(self.type_id),
        }
    }
}

/// The element at the end of some steps, as the definitions know it.
struct BoundEnd {
    type_id: TypeId,
    codes: Option<u16>,
}

impl BoundEnd {
    fn follow(&mut self, steps: &[Step], shapes: &Shapes) {
        for step in steps {
            match step {
                Step::Member { name, type_id, .. } => self.enter(name, *type_id, shapes),
                Step::Choice { forms, .. } => {
                    if let Some((name, type_id)) = forms.first() {
                        self.enter(name, *type_id, shapes);
                    }
                }
                Step::Where(_) => {}
                Step::Nth { inner, .. } => self.follow(inner, shapes),
                Step::OfResource { name } => {
                    self.type_id = shapes.type_id(name).unwrap_or(self.type_id);
                }
            }
        }
    }

    fn enter(&mut self, name: &str, type_id: TypeId, shapes: &Shapes) {
        let found = shapes.find(self.type_id, name);
        self.codes = found.and_then(|found| found.element.required_codes);
        self.type_id = type_id;
    }
}

fn walk<'a>(
    steps: &[Step],
    spot: Spot<'a>,
    type_id: TypeId,
    state: &State<'a>,
    sink: Sink<'_, 'a>,
) -> ControlFlow<()> {
    let Some((step, rest)) = steps.split_first() else {
        return sink(spot, type_id);
    };
    match step {
        Step::Member { name, .. } => {
            let Some(node) = spot.object().and_then(|object| object.get(name)) else {
                return ControlFlow::Continue(());
            };
            walk_items(rest, node, type_id, state, sink)
        }
        Step::Choice { prefix, forms } => {
            let Some((node, found)) = spot.object().and_then(|o| form(o, prefix, forms)) else {
                return ControlFlow::Continue(());
            };
            walk_items(rest, node, found, state, sink)
        }
        Step::Where(condition) => {
            let at = State {
                this: spot,
                ..*state
            };
            match condition.holds(&at) {
                Some(true) => walk(rest, spot, type_id, state, sink),
                _ => ControlFlow::Continue(()),
            }
        }
        Step::Nth { inner, place } => {
            let mut before = *place;
            let mut chosen = None;
            let flow = walk(inner, spot, type_id, state, &mut |spot, type_id| {
                if before == 0 {
                    chosen = Some((spot, type_id));
                    return ControlFlow::Break(());
                }
                before -= 1;
                ControlFlow::Continue(())
            });
            match chosen {
                Some((spot, type_id)) if flow.is_break() => walk(rest, spot, type_id, state, sink),
                _ => ControlFlow::Continue(()),
            }
        }
        Step::OfResource { name } => {
            let actual = spot
                .object()
                .and_then(|object| object.get_str("resourceType"));
            if actual == Some(name) {
                walk(rest, spot, type_id, state, sink)
            } else {
                ControlFlow::Continue(())
            }
        }
    }
}

fn walk_items<'a>(
    steps: &[Step],
    node: &'a Node,
    type_id: TypeId,
    state: &State<'a>,
    sink: Sink<'_, 'a>,
) -> ControlFlow<()> {
    for item in node.items() {
        // A null only holds the place of a value that has extensions.
        if *item != Node::Null {
            walk(steps, Spot::Node(item), type_id, state, sink)?;
        }
    }
    ControlFlow::Continue(())
}

/// The form of a choice that an object has.
fn form<'a>(
    object: &'a Object,
    prefix: &str,
    forms: &[(CompactString, TypeId)],
) -> Option<(&'a Node, TypeId)> {
    object.iter().find_map(|(name, node)| {
        if !name.starts_with(prefix) {
            return None;
        }
        let (_, type_id) = forms.iter().find(|(form, _)| form == name)?;
        Some((node, *type_id))
    })
}
