//! The walk over a resource: which members there may be, how often, and of which JSON type.
//!
//! What a value means is left to the neighbours: [`super::primitive`], [`super::binding`],
//! [`super::reference`], [`super::extension`], [`super::contained`], [`super::companion`].
//! Spec: <https://hl7.org/fhir/R4/json.html>, <https://hl7.org/fhir/R4/element.html>.

use crate::fhir::primitive::{JsonKind, Primitive};
use crate::fhir::resource::{Node, Object, Resource};
use crate::fhir::resource_type::ResourceType;
use crate::fhir::shape::{ElementShape, Found, Shapes, TypeId, TypeKind, TypeShape, element_bit};
use crate::outcome::Issue;
use crate::validation::ValidationLimits;
use crate::validation::companion::companion_of;
use crate::validation::contained::Scope;
use crate::validation::location::Location;
use crate::validation::narrative;
use crate::validation::primitive::{Fault, check, expected};
use crate::validation::report::Report;

/// One validation on its way through a resource.
pub(super) struct Validator<'a> {
    pub(super) shapes: &'a Shapes,
    pub(super) limits: &'a ValidationLimits,
    pub(super) report: Report,
    pub(super) scope: Scope<'a>,
}

impl<'a> Validator<'a> {
    pub(super) fn new(shapes: &'a Shapes, limits: &'a ValidationLimits) -> Self {
        Self {
            shapes,
            limits,
            report: Report::new(limits.issues_max),
            scope: Scope::default(),
        }
    }

    pub(super) fn run(mut self, resource: &'a Resource) -> Vec<Issue> {
        let root = Location::root(resource.resource_type().name());
        self.resource(resource.object(), &root);
        self.report.into_issues()
    }

    /// Checks a resource that is not contained: one with references of its own.
    pub(super) fn resource(&mut self, object: &'a Object, at: &Location<'_>) {
        let Some(type_id) = self.resource_type(object, at) else {
            return;
        };
        let outer = std::mem::replace(&mut self.scope, Scope::of(object));
        self.members(object, type_id, at);
        self.check_contained_are_used(at);
        self.scope = outer;
    }

    /// The type that `resourceType` names.
    pub(super) fn resource_type(&mut self, object: &Object, at: &Location<'_>) -> Option<TypeId> {
        let resource_type = object
            .get_str("resourceType")
            .and_then(|name| name.parse::<ResourceType>().ok());
        let type_id = resource_type.and_then(|known| self.shapes.resource(known));
        if type_id.is_none() {
            let text = "`resourceType` must name a resource type of R4, e.g. Patient.";
            self.report.error("structure", at, text.to_owned());
        }
        type_id
    }

    /// Checks the members of an object of a type.
    pub(super) fn members(&mut self, object: &'a Object, type_id: TypeId, at: &Location<'_>) {
        let Some(shape) = self.shapes.shape(type_id) else {
            return;
        };
        let mut seen = 0;
        for (name, node) in object.iter() {
            if self.report.is_cut() {
                return;
            }
            let value_name = name.strip_prefix('_').unwrap_or(name);
            let Some(found) = self.shapes.find(type_id, value_name) else {
                if name != "resourceType" || shape.kind != TypeKind::Resource {
                    self.unknown_member(name, shape, at);
                }
                continue;
            };
            let bit = element_bit(found.position);
            if found.element.is_choice && seen & bit != 0 {
                self.check_choice_is_single(object, value_name, (type_id, &found), at);
            }
            seen |= bit;
            if value_name.len() == name.len() {
                self.member(object, name, node, &found, at);
            } else {
                self.companion(object, value_name, node, &found, at);
            }
        }
        let missing = shape.required_elements() & !seen;
        if missing != 0 {
            self.missing_elements(missing, shape, at);
        }
    }

    fn member(
        &mut self,
        object: &'a Object,
        name: &'a str,
        node: &'a Node,
        found: &Found<'a>,
        at: &Location<'_>,
    ) {
        let here = at.member(name);
        let is_array = matches!(node, Node::Array(_));
        if !is_array && !found.element.is_array() {
            self.value(node, found, &here);
            return;
        }
        if is_array != found.element.is_array() {
            self.wrong_repetition(name, is_array, &here);
        }
        self.check_count(node.items().len(), found.element, &here);
        let has_null = is_array && node.items().contains(&Node::Null);
        let companion = if has_null {
            companion_of(object, name)
        } else {
            None
        };
        for (index, item) in node.items().iter().enumerate() {
            if self.report.is_cut() {
                return;
            }
            let here = if is_array { here.item(index) } else { here };
            if *item == Node::Null && is_array {
                self.check_null(companion.and_then(|nodes| nodes.get(index)), found, &here);
            } else {
                self.value(item, found, &here);
            }
        }
    }

    fn value(&mut self, node: &'a Node, found: &Found<'a>, here: &Location<'_>) {
        let Some(shape) = self.shapes.shape(found.value_type) else {
            return;
        };
        match shape.kind {
            TypeKind::Primitive => {
                self.primitive(
                    node,
                    shape.primitive.unwrap_or(Primitive::String),
                    found,
                    here,
                );
            }
            TypeKind::Complex | TypeKind::Backbone => self.complex(node, shape, found, here),
            TypeKind::Resource => self.inner_resource(node, found.element, here),
        }
    }

    fn primitive(
        &mut self,
        node: &'a Node,
        primitive: Primitive,
        found: &Found<'a>,
        here: &Location<'_>,
    ) {
        if let Err(fault) = check(primitive, node, self.limits.string_chars_max) {
            self.wrong_primitive(node, primitive, fault, here);
            return;
        }
        let Node::String(text) = node else {
            return;
        };
        if let Some(codes) = found.element.required_codes {
            self.check_code(text, codes, here);
        }
        match primitive {
            Primitive::Uri | Primitive::Canonical | Primitive::Url => self.scope.note_uri(text),
            Primitive::Xhtml => self.narrative(text, here),
            _ => {}
        }
    }

    fn narrative(&mut self, text: &str, here: &Location<'_>) {
        match narrative::check(text, self.limits.narrative_depth_max) {
            Ok(true) => {}
            // Published examples break this rule, so it is not held against anyone.
            Ok(false) => {
                let text = "`div` should show some text or an image (txt-2).";
                self.report.warning("invariant", here, text.to_owned());
            }
            Err(reason) => {
                let text = format!("`{}` {reason}.", here.name());
                self.report.error("value", here, text);
            }
        }
    }

    fn complex(
        &mut self,
        node: &'a Node,
        shape: &'a TypeShape,
        found: &Found<'a>,
        here: &Location<'_>,
    ) {
        let Some(object) = self.object(node, here) else {
            return;
        };
        let id = object.get("id");
        if object.len() == usize::from(id.is_some()) {
            let text = format!("`{}` must have a value or children (ele-1).", here.name());
            self.report.error("invariant", here, text);
            return;
        }
        if let Some(Node::String(id)) = id {
            self.check_element_id(id, here);
        }
        self.members(object, found.value_type, here);
        if shape.kind == TypeKind::Complex {
            match shape.name.as_str() {
                "Reference" => self.check_reference(object, found.element, here),
                "Extension" => self.check_extension(object, here),
                _ => {}
            }
            if let Some(codes) = found.element.required_codes {
                self.check_coded(object, shape, codes, here);
            }
        }
    }

    fn inner_resource(&mut self, node: &'a Node, element: &ElementShape, here: &Location<'_>) {
        let Some(object) = self.object(node, here) else {
            return;
        };
        if element.name == "contained" {
            self.contained_resource(object, here);
        } else {
            self.resource(object, here);
        }
    }

    /// The object that must stand here, not deeper than allowed.
    pub(super) fn object(&mut self, node: &'a Node, here: &Location<'_>) -> Option<&'a Object> {
        let Node::Object(object) = node else {
            let text = format!(
                "`{}` must be an object, not {}.",
                here.name(),
                json_name(node)
            );
            self.report.error("structure", here, text);
            return None;
        };
        if here.depth() > self.limits.depth_max {
            let text = format!(
                "`{}` is nested deeper than {} elements.",
                here.name(),
                self.limits.depth_max
            );
            self.report.error("structure", here, text);
            return None;
        }
        Some(object)
    }

    /// Element ids are for links within the resource and hold no white space.
    pub(super) fn check_element_id(&mut self, id: &str, at: &Location<'_>) {
        if id.contains(char::is_whitespace) {
            let text = "`id` of an element must not hold white space.";
            self.report
                .error("value", &at.member("id"), text.to_owned());
        }
    }

    fn check_count(&mut self, count: usize, element: &ElementShape, here: &Location<'_>) {
        if count == 0 {
            let text = format!("`{}` is an empty array: leave it out.", here.name());
            self.report.error("structure", here, text);
        }
        let (min, max) = (element.min as usize, element.max.map(|max| max as usize));
        if count < min && count > 0 {
            let text = format!("`{}` must have at least {min} items.", here.name());
            self.report.error("required", here, text);
        }
        if let Some(max) = max.filter(|&max| max > 1 && count > max) {
            let text = format!("`{}` must have at most {max} items.", here.name());
            self.report.error("structure", here, text);
        }
    }

    #[cold]
    fn wrong_repetition(&mut self, name: &str, is_array: bool, here: &Location<'_>) {
        let text = if is_array {
            format!("`{name}` must not be an array: it occurs once at most.")
        } else {
            format!("`{name}` must be an array: it can repeat.")
        };
        self.report.error("structure", here, text);
    }

    #[cold]
    fn wrong_primitive(
        &mut self,
        node: &Node,
        primitive: Primitive,
        fault: Fault,
        here: &Location<'_>,
    ) {
        let name = here.name();
        let expected = expected(primitive);
        let text = match fault {
            Fault::JsonType => {
                let kind = match primitive.json_kind() {
                    JsonKind::Boolean => "true or false",
                    JsonKind::Number => expected,
                    JsonKind::String => "a string",
                };
                let text = format!("`{name}` must be {kind}, not {}.", json_name(node));
                self.report.error("structure", here, text);
                return;
            }
            Fault::Blank => {
                let text = format!("`{name}` holds nothing but white space.");
                self.report.warning("value", here, text);
                return;
            }
            Fault::TooLong => {
                let max = self.limits.string_chars_max;
                let text = format!("`{name}` must not be longer than {max} characters.");
                self.report.error("too-long", here, text);
                return;
            }
            Fault::Empty => format!("`{name}` is an empty string: leave it out."),
            Fault::Character => format!(
                "`{name}` holds a control character; only tab, carriage return and line feed are \
                 allowed."
            ),
            Fault::Format => format!("`{name}` must be {expected}."),
        };
        self.report.error("value", here, text);
    }
}

/// What a node is, for a message.
pub(super) fn json_name(node: &Node) -> &'static str {
    match node {
        Node::Null => "null",
        Node::Bool(_) => "true or false",
        Node::Number(_) => "a number",
        Node::String(_) => "a string",
        Node::Array(_) => "an array",
        Node::Object(_) => "an object",
    }
}
