//! `is`, `as`, `ofType()` and `type()`.
//!
//! A name without a namespace is one of FHIR's types, else one of FHIRPath's own. Published
//! invariants also write `Boolean` for `boolean`, which is therefore understood.

use compact_str::CompactString;

use crate::fhir::shape::TypeId;
use crate::fhirpath::ast::{Expr, TypeName, TypeTest};
use crate::fhirpath::evaluate::item::{Element, Item, System};
use crate::fhirpath::evaluate::{Answer, EvaluateError, Evaluator, Frame, single};
use crate::fhirpath::function::Function;
use crate::fhirpath::pointer::target_type;

/// FHIRPath's own types.
const SYSTEM_TYPES: [&str; 8] = [
    "Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity",
];

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn typed(
        &self,
        on: &Expr,
        test: TypeTest,
        name: &TypeName,
        frame: Frame<'_, 'a>,
    ) -> Answer<'a> {
        let wanted = self.wanted(name)?;
        if let (
            TypeTest::Is,
            Expr::Call {
                on,
                function: Function::Resolve,
                ..
            },
        ) = (test, on)
        {
            let references = self.eval(on, frame)?;
            return Ok(match single(&references)? {
                Some(reference) => vec![Item::boolean(self.points_to(reference, &wanted))],
                None => Vec::new(),
            });
        }
        let items = self.eval(on, frame)?;
        match test {
            TypeTest::Is => {
                let answer = single(&items)?.map(|item| self.is(item, &wanted));
                Ok(answer.map(Item::boolean).into_iter().collect())
            }
            TypeTest::As => Ok(items
                .into_iter()
                .filter(|item| self.is(item, &wanted))
                .collect()),
        }
    }

    pub(super) fn type_info(&self, item: &Item<'a>) -> Item<'a> {
        Item::System(match item {
            Item::System(system) => System::Type {
                namespace: "System",
                name: system.type_name().into(),
            },
            Item::Element(element) => System::Type {
                namespace: "FHIR",
                name: self.work.shapes.name(element.type_id).into(),
            },
        })
    }

    fn is(&self, item: &Item<'a>, wanted: &Wanted) -> bool {
        match item {
            Item::Element(element) => wanted
                .fhir
                .is_some_and(|fhir| self.work.shapes.is_a(element.type_id, fhir)),
            Item::System(system) => wanted.system == Some(system.type_name()),
        }
    }

    /// What cannot be looked at has the type that the reference itself tells.
    fn points_to(&self, reference: &Item<'a>, wanted: &Wanted) -> bool {
        if let Some(target) = self.resolved(reference) {
            return self.is(&Item::Element(target), wanted);
        }
        let object = match reference {
            Item::Element(element) => element.as_object(),
            Item::System(_) => None,
        };
        let (text, stated) = match object {
            Some(object) => (object.get_str("reference"), object.get_str("type")),
            None => (reference.text(self.work.shapes), None),
        };
        let root: Element<'a> = self.environment.root_resource;
        let told = root
            .as_object()
            .and_then(|root| target_type(text, stated, root))
            .and_then(|name| self.work.shapes.type_id(name));
        match (told, wanted.fhir) {
            (Some(told), Some(wanted)) => self.work.shapes.is_a(told, wanted),
            _ => false,
        }
    }

    fn wanted(&self, name: &TypeName) -> Result<Wanted, EvaluateError> {
        let namespace = name.namespace.as_deref();
        let unknown = || EvaluateError::UnknownType(name.name.to_string());
        if !matches!(namespace, None | Some("FHIR" | "System")) {
            return Err(unknown());
        }
        let fhir = match namespace {
            Some("System") => None,
            _ => self.fhir_type(&name.name),
        };
        let system = match namespace {
            Some("FHIR") => None,
            _ => SYSTEM_TYPES.into_iter().find(|known| *known == name.name),
        };
        // Nothing has a type that FHIRPath itself does not have.
        if fhir.is_none() && system.is_none() && namespace != Some("System") {
            return Err(unknown());
        }
        Ok(Wanted { fhir, system })
    }

    fn fhir_type(&self, name: &str) -> Option<TypeId> {
        let shapes = self.work.shapes;
        shapes.type_id(name).or_else(|| {
            let mut letters = name.chars();
            let first = letters.next()?.to_ascii_lowercase();
            let primitive: CompactString = std::iter::once(first).chain(letters).collect();
            shapes.type_id(&primitive)
        })
    }
}

/// A type by name: FHIR's, FHIRPath's own, or both where both have one.
struct Wanted {
    fhir: Option<TypeId>,
    system: Option<&'static str>,
}
