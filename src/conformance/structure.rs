//! Reads the shapes of types: a line per type, below it its own elements, below these invariants.
//!
//! What a type inherits is not in the table: its base stands above it and is copied here.
//! Spec: <https://hl7.org/fhir/R4/elementdefinition.html>.

use std::collections::HashMap;

use crate::conformance::code_set::CodeSets;
use crate::conformance::registry::RegistryError;
use crate::conformance::table::{Line, Table, items};
use crate::fhir::shape::{ElementShape, Invariant, Shapes, TypeId, TypeKind, TypeShape};

type FastMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Reads `r4-structures.tsv`.
pub(super) fn read(table: Table, codes: CodeSets) -> Result<Shapes, RegistryError> {
    let mut reader = Reader {
        ids: type_ids(table)?,
        code_sets: codes.places,
        types: Vec::new(),
        element: None,
        invariants: Vec::new(),
        invariant_places: FastMap::default(),
    };
    for line in table.lines() {
        match line.depth {
            0 => reader.read_type(line)?,
            1 => reader.read_element(line)?,
            _ => reader.read_invariant(line)?,
        }
    }
    Ok(Shapes::new(reader.types, codes.sets, reader.invariants))
}

fn type_ids(table: Table) -> Result<FastMap<&'static str, TypeId>, RegistryError> {
    let mut ids = FastMap::default();
    for line in table.lines().filter(|line| line.depth == 0) {
        let [_, name] = line.columns();
        let id = u16::try_from(ids.len())
            .map_err(|_overflow| line.error("more types than there are numbers"))?;
        if ids.insert(name, TypeId(id)).is_some() {
            return Err(line.error("a type that was there before"));
        }
    }
    Ok(ids)
}

struct Reader {
    ids: FastMap<&'static str, TypeId>,
    code_sets: FastMap<&'static str, u16>,
    types: Vec<TypeShape>,
    /// The place of the element that was read last within the type that was read last.
    element: Option<usize>,
    invariants: Vec<Invariant>,
    invariant_places: FastMap<(&'static str, &'static str), u16>,
}

impl Reader {
    fn read_type(&mut self, line: Line) -> Result<(), RegistryError> {
        let [kind, name, base, is_abstract] = line.columns();
        let kind = match kind {
            "primitive" => TypeKind::Primitive,
            "complex" => TypeKind::Complex,
            "backbone" => TypeKind::Backbone,
            "resource" => TypeKind::Resource,
            _ => return Err(line.error("a kind of type that does not exist")),
        };
        let base_id = (!base.is_empty())
            .then(|| self.type_id(line, base))
            .transpose()?;
        let mut shape = TypeShape::new(name, kind, base_id, is_abstract == "abstract");
        if let Some(id) = base_id {
            let base = self
                .types
                .get(usize::from(id.0))
                .ok_or_else(|| line.error("a type above its base"))?;
            shape.elements.clone_from(&base.elements);
            shape.invariants.clone_from(&base.invariants);
        }
        self.types.push(shape);
        self.element = None;
        Ok(())
    }

    fn read_element(&mut self, line: Line) -> Result<(), RegistryError> {
        let [name, cardinality, types, flags, targets, value_set] = line.columns();
        let (min, max) = cardinality
            .split_once("..")
            .ok_or_else(|| line.error("a cardinality that is not min..max"))?;
        let number = |text: &str| {
            text.parse::<u32>()
                .map_err(|_not_a_number| line.error("a cardinality that is not a number"))
        };
        let choice = name.strip_suffix("[x]");
        let element = ElementShape {
            name: choice.unwrap_or(name).into(),
            min: number(min)?,
            max: (max != "*").then(|| number(max)).transpose()?,
            is_choice: choice.is_some(),
            types: items(types)
                .map(|name| self.type_id(line, name))
                .collect::<Result<_, _>>()?,
            targets: items(targets).map(Into::into).collect(),
            required_codes: (!value_set.is_empty())
                .then(|| self.code_set(line, value_set))
                .transpose()?,
            is_summary: flags.contains('S'),
            is_modifier: flags.contains('M'),
            is_xml_attribute: flags.contains('@'),
            invariants: Vec::new(),
        };
        let elements = &mut self
            .types
            .last_mut()
            .ok_or_else(|| line.error("an element before the first type"))?
            .elements;
        let inherited = elements
            .iter_mut()
            .enumerate()
            .find(|(_, known)| known.name == element.name);
        if let Some((place, known)) = inherited {
            *known = element;
            self.element = Some(place);
        } else {
            self.element = Some(elements.len());
            elements.push(element);
        }
        Ok(())
    }

    fn read_invariant(&mut self, line: Line) -> Result<(), RegistryError> {
        let [key, severity, expression] = line.columns();
        let next = u16::try_from(self.invariants.len())
            .map_err(|_overflow| line.error("more invariants than there are numbers"))?;
        let place = *self
            .invariant_places
            .entry((key, expression))
            .or_insert(next);
        if place == next {
            self.invariants.push(Invariant {
                key: key.into(),
                is_error: severity == "error",
                expression: expression.into(),
            });
        }
        let owner = self
            .types
            .last_mut()
            .ok_or_else(|| line.error("an invariant before the first type"))?;
        match self.element {
            None => owner.invariants.push(place),
            Some(element) => {
                if let Some(element) = owner.elements.get_mut(element) {
                    element.invariants.push(place);
                }
            }
        }
        Ok(())
    }

    fn type_id(&self, line: Line, name: &str) -> Result<TypeId, RegistryError> {
        let id = self.ids.get(name).copied();
        id.ok_or_else(|| line.error("a type that is not in the table"))
    }

    fn code_set(&self, line: Line, url: &str) -> Result<u16, RegistryError> {
        let place = self.code_sets.get(url).copied();
        place.ok_or_else(|| line.error("a value set that is not in the table of codes"))
    }
}
