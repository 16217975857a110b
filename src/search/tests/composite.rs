//! Composite parameters: values of one element.

use super::{finds, indexer, resource};
use crate::conformance::search_parameter::ParameterKind;
use crate::fhir::resource_type::ResourceType;

const PRESSURE: &str = r#"{"resourceType":"Observation","id":"o","status":"final",
    "code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},
    "component":[
        {"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},
         "valueQuantity":{"value":150,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
        {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},
         "valueQuantity":{"value":80,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
        {"code":{"coding":[{"system":"http://loinc.org","code":"8478-0"}]}}]}"#;

fn check(name: &str, json: &str, cases: &[(&str, bool)]) {
    let resource = resource(json);
    for (query, expected) in cases {
        assert_eq!(finds(name, query, &resource), *expected, "{query}");
    }
}

#[test]
fn values_of_one_component_belong_together() {
    check(
        "Observation",
        PRESSURE,
        &[
            ("component-code-value-quantity=8480-6$150", true),
            ("component-code-value-quantity=8480-6$80", false),
            ("component-code-value-quantity=8462-4$80", true),
            (
                "component-code-value-quantity=http://loinc.org|8480-6$gt140",
                true,
            ),
            (
                "component-code-value-quantity=http://other|8480-6$gt140",
                false,
            ),
            ("component-code-value-quantity=8480-6$lt140", false),
            (
                "component-code-value-quantity=8480-6$lt140,8462-4$lt90",
                true,
            ),
            ("component-code-value-quantity=http://loinc.org|$80", true),
            ("component-code-value-quantity=http://loinc.org|$81", false),
            (
                "component-code-value-quantity=8480-6$15|http://unitsofmeasure.org|cm[Hg]",
                true,
            ),
            (
                "component-code-value-quantity=8480-6$150|http://unitsofmeasure.org|mm[Hg]",
                true,
            ),
            (
                "component-code-value-quantity=8480-6$150|http://unitsofmeasure.org|kg",
                false,
            ),
            ("component-code-value-quantity=8480-6$150||mm[Hg]", true),
            ("component-code-value-quantity=8480-6$150||kg", false),
            ("component-code-value-quantity=8478-0$150", false),
            ("combo-code-value-quantity=8480-6$ap148", true),
            ("combo-code-value-quantity=85354-9$150", false),
            ("code-value-quantity=85354-9$150", false),
            ("code-value-quantity:missing=true", true),
            ("component-code-value-quantity:missing=false", true),
        ],
    );
}

#[test]
fn second_parts_are_of_every_kind() {
    let observation = |value: &str| {
        format!(
            r#"{{"resourceType":"Observation","id":"o","status":"final",
            "code":{{"coding":[{{"system":"http://l","code":"c"}}]}},{value}}}"#
        )
    };
    let date = observation(r#""valuePeriod":{"start":"2020-01-01","end":"2020-03-01"}"#);
    check(
        "Observation",
        &date,
        &[
            ("code-value-date=c$2020", true),
            ("code-value-date=c$gt2020-02", true),
            ("code-value-date=c$sa2019", true),
            ("code-value-date=c$lt2020", false),
            ("code-value-date=d$2020", false),
        ],
    );
    let concept = observation(
        r#""valueCodeableConcept":{"coding":[{"system":"http://a","code":"x"},{"code":"y"}]}"#,
    );
    check(
        "Observation",
        &concept,
        &[
            ("code-value-concept=c$x", true),
            ("code-value-concept=c$http://a|x", true),
            ("code-value-concept=c$http://b|x", false),
            ("code-value-concept=c$|y", true),
            ("code-value-concept=c$http://a|", true),
            ("code-value-concept=http://l|c$y", true),
            ("code-value-concept=d$x", false),
        ],
    );
    let string = observation(r#""valueString":"Straw, pale""#);
    check(
        "Observation",
        &string,
        &[
            ("code-value-string=c$straw", true),
            ("code-value-string=c$pale", false),
            ("code-value-string=d$straw", false),
        ],
    );
    check(
        "Group",
        r#"{"resourceType":"Group","id":"g","type":"person","actual":true,"characteristic":[
            {"code":{"coding":[{"code":"gender"}]},
             "valueCodeableConcept":{"coding":[{"code":"f"}]}},
            {"code":{"coding":[{"code":"age"}]},"valueBoolean":true,"exclude":false}]}"#,
        &[
            ("characteristic-value=gender$f", true),
            ("characteristic-value=age$true", true),
            ("characteristic-value=gender$true", false),
        ],
    );
}

#[test]
fn parts_are_references_and_numbers_too() {
    check(
        "DocumentReference",
        r#"{"resourceType":"DocumentReference","id":"d","status":"current",
            "relatesTo":[{"code":"replaces","target":{"reference":"DocumentReference/1"}},
                {"code":"appends","target":{"reference":"DocumentReference/2"}}]}"#,
        &[
            ("relationship=DocumentReference/1$replaces", true),
            ("relationship=1$replaces", true),
            (
                "relationship=1$http://hl7.org/fhir/document-relationship-type|replaces",
                true,
            ),
            ("relationship=DocumentReference/1$appends", false),
            ("relationship=2$appends", true),
        ],
    );
    check(
        "MolecularSequence",
        r#"{"resourceType":"MolecularSequence","id":"m","coordinateSystem":0,"referenceSeq":{
            "chromosome":{"coding":[{"code":"1"}]},"windowStart":10,"windowEnd":20},
            "variant":[{"start":5,"end":6},{"start":12,"end":15}]}"#,
        &[
            ("chromosome-window-coordinate=1$10$20", true),
            ("chromosome-window-coordinate=1$lt11$gt19", true),
            ("chromosome-window-coordinate=1$10$21", false),
            ("chromosome-variant-coordinate=1$5$6", true),
            ("chromosome-variant-coordinate=1$5$15", false),
            ("chromosome-variant-coordinate=2$5$6", false),
        ],
    );
}

#[test]
fn every_composite_of_r4_can_be_searched_by() {
    let mut count = 0;
    for resource_type in ResourceType::all() {
        for parameter in indexer().registry().search_parameters(resource_type) {
            if parameter.kind != ParameterKind::Composite {
                continue;
            }
            let values = parameter.components.iter().map(|part| match part.kind {
                ParameterKind::Number | ParameterKind::Quantity => "1",
                ParameterKind::Date => "2020",
                _ => "a",
            });
            let value = values.collect::<Vec<_>>().join("$");
            let query = format!("{}={value}", parameter.code);
            let parsed = super::parse_query(resource_type.name(), &query);
            assert!(parsed.is_ok(), "{resource_type}?{query}: {parsed:?}");
            count += 1;
        }
    }
    assert!(count >= 46, "{count}");
}
