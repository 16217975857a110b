//! NK1: somebody close to the patient.

use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cwe, cx, ts, xad, xpn, xtn};
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::{Element, text};
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::pid::Patient;

const GENDER: &str = "http://hl7.org/fhir/administrative-gender";
const ROLE: [&str; 2] = [
    "http://terminology.hl7.org/CodeSystem/v3-RoleCode",
    "http://terminology.hl7.org/CodeSystem/v2-0131",
];

/// Adds a `RelatedPerson`.
pub(in crate::hl7v2) fn related_person(
    conversion: &Conversion<'_>,
    nk1: &Reading<'_>,
    patient: &Patient,
) {
    // NK1-33
    let own = nk1.each(33).find_map(|cx| cx::identity(conversion, cx));
    let (name, relationship) = (nk1.field(2), nk1.field(3));
    let said = [name, nk1.field(13)].map(|field| field.text().into_owned());
    if own.is_none() && said.iter().all(String::is_empty) {
        return;
    }
    let identity = own.clone().unwrap_or_else(|| {
        let code = relationship.component(1).text();
        Identity::made_of("related-person", &[&patient.key(), &code, &said.join("|")])
    });
    let identifier = match own {
        Some(_) => nk1
            .each(33)
            .filter_map(|cx| cx::identifier(conversion, cx))
            .collect(),
        None => vec![identity.identifier()],
    };
    // NK1-8, NK1-9
    let period = Element::new()
        .with("start", ts::date_time(conversion, nk1.field(8)))
        .with("end", ts::date_time(conversion, nk1.field(9)));
    let gender = conversion.code("0001", GENDER, nk1.field(15).component(1));
    let mut element = Element::new()
        .with_all("identifier", identifier)
        .with("patient", Some(patient.reference.clone()))
        .with_all(
            "relationship",
            cwe::mapped(conversion, relationship, ("0063", &ROLE)),
        )
        // NK1-7
        .with_all(
            "relationship",
            cwe::concept(conversion, nk1.field(7), Some("0131")),
        )
        .with_all(
            "name",
            nk1.each(2).filter_map(|xpn| xpn::name(conversion, xpn)),
        )
        .with("gender", gender.map(text))
        .with("birthDate", ts::date(conversion, nk1.field(16)))
        .with_all(
            "address",
            nk1.each(4).filter_map(|xad| xad::address(conversion, xad)),
        )
        .with("period", period.node());
    for number in [5, 6] {
        element.add(
            "telecom",
            nk1.each(number)
                .filter_map(|xtn| xtn::contact_point(conversion, xtn)),
        );
    }
    nk1.pass(&[1]);
    conversion.add("RelatedPerson", nk1, How::Update(vec![identity]), element);
}
