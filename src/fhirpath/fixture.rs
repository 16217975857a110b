//! A handful of R4 types, written down for the unit tests of this module.
//!
//! The whole of R4 is tested from outside, with the definitions that the server loads.

use crate::fhir::json::{Limits, parse};
use crate::fhir::resource::{Node, Object};
use crate::fhir::shape::{ElementShape, Shapes, TypeId, TypeKind, TypeShape};

/// `kind Name Base: element[*|x] type,type; ...`; elements of the base are repeated by the reader.
const TYPES: &str = "
abstract Element: id string; extension* Extension
abstract BackboneElement Element: modifierExtension* Extension
primitive boolean Element
primitive decimal Element
primitive integer Element
primitive positiveInt integer
primitive string Element
primitive code string
primitive id string
primitive markdown string
primitive uri Element
primitive canonical uri
primitive date Element
primitive dateTime Element
primitive instant Element
primitive time Element
primitive xhtml Element
complex Extension Element: url uri; valuex boolean,string,code,dateTime,Quantity,Reference
complex Coding Element: system uri; version string; code code; display string; userSelected boolean
complex CodeableConcept Element: coding* Coding; text string
complex Quantity Element: value decimal; comparator code; unit string; system uri; code code
complex Age Quantity
complex Period Element: start dateTime; end dateTime
complex Identifier Element: use code; system uri; value string; period Period
complex Reference Element: reference string; type uri; identifier Identifier; display string
complex HumanName Element: use code; text string; family string; given* string; period Period
complex ContactPoint Element: system code; value string; use code; rank positiveInt
complex Narrative Element: status code; div xhtml
complex Meta Element: versionId id; lastUpdated instant; profile* canonical; tag* Coding
resource Resource: id id; meta Meta; language code
resource DomainResource Resource: text Narrative; contained* Resource; extension* Extension
backbone Patient.contact BackboneElement: relationship* CodeableConcept; name HumanName; \
telecom* ContactPoint; gender code
backbone Patient.link BackboneElement: other Reference; type code
resource Patient DomainResource: identifier* Identifier; active boolean; name* HumanName; \
telecom* ContactPoint; gender code; birthDate date; deceasedx boolean,dateTime; \
maritalStatus CodeableConcept; multipleBirthx boolean,integer; contact* Patient.contact; \
generalPractitioner* Reference; link* Patient.link
resource Practitioner DomainResource: name* HumanName
resource Organization DomainResource: name string
backbone Observation.component BackboneElement: code CodeableConcept; \
valuex Quantity,CodeableConcept,string,dateTime,Period
resource Observation DomainResource: status code; category* CodeableConcept; \
code CodeableConcept; subject Reference; performer* Reference; effectivex dateTime,Period; \
valuex Quantity,CodeableConcept,string,dateTime,Period; note* string; \
component* Observation.component
resource Condition DomainResource: code CodeableConcept; subject Reference; \
onsetx dateTime,Age,Period,string
backbone Bundle.entry BackboneElement: fullUrl uri; resource Resource
resource Bundle Resource: type code; timestamp instant; entry* Bundle.entry
backbone Parameters.parameter BackboneElement: name string; \
valuex boolean,string,code,dateTime,Quantity,Reference,HumanName,CodeableConcept,ContactPoint,Extension; \
resource Resource; part* Parameters.parameter
resource Parameters Resource: parameter* Parameters.parameter
";

/// The types above.
pub(crate) fn shapes() -> Shapes {
    let lines: Vec<&str> = TYPES.lines().filter(|line| !line.is_empty()).collect();
    let head = |line: &str| -> Vec<String> {
        let head = line.split_once(": ").map_or(line, |(head, _)| head);
        head.split(' ').map(str::to_owned).collect()
    };
    let names: Vec<String> = lines.iter().map(|line| head(line)[1].clone()).collect();
    let id = |name: &str| {
        let place = names.iter().position(|known| known == name);
        let place = place.unwrap_or_else(|| panic!("no type {name}"));
        TypeId(u16::try_from(place).unwrap())
    };
    let mut types: Vec<TypeShape> = Vec::new();
    for line in &lines {
        let head = head(line);
        let kind = match head[0].as_str() {
            "primitive" => TypeKind::Primitive,
            "resource" => TypeKind::Resource,
            "backbone" => TypeKind::Backbone,
            _ => TypeKind::Complex,
        };
        let is_abstract = head[0] == "abstract" || head[1].ends_with("Resource");
        let base = head.get(2).map(|name| id(name));
        let mut shape = TypeShape::new(&head[1], kind, base, is_abstract);
        if let Some(base) = base {
            shape.elements = types[usize::from(base.0)].elements.clone();
        }
        let elements = line.split_once(": ").map_or("", |(_, elements)| elements);
        for element in elements.split("; ").filter(|text| !text.is_empty()) {
            let (name, types) = element.split_once(' ').unwrap();
            let is_choice = name.ends_with('x') && types.contains(',');
            let max = if name.ends_with('*') { None } else { Some(1) };
            let name = name.trim_end_matches('*');
            let name = name.strip_suffix('x').filter(|_| is_choice).unwrap_or(name);
            shape.elements.push(ElementShape {
                name: name.into(),
                min: 0,
                max,
                is_choice,
                types: types.split(',').map(id).collect(),
                targets: Vec::new(),
                required_codes: None,
                is_summary: false,
                is_modifier: false,
                is_xml_attribute: false,
                invariants: Vec::new(),
            });
        }
        types.push(shape);
    }
    Shapes::new(types, Vec::new(), Vec::new())
}

/// An object written as JSON.
pub(crate) fn object(json: &str) -> Object {
    match parse(json.as_bytes(), Limits { depth_max: 64 }).unwrap() {
        Node::Object(object) => object,
        other => panic!("{other:?}"),
    }
}
