//! The evaluator, case by case.

use std::sync::LazyLock;

use compact_str::ToCompactString;
use proptest::prelude::*;

use super::item::{Element, Item, System};
use super::{Environment, EvaluateError, evaluate, holds};
use crate::fhir::json::{to_vec, write_object};
use crate::fhir::shape::Shapes;
use crate::fhirpath::fixture::{object, shapes};
use crate::fhirpath::parser::parse;
use crate::fhirpath::temporal::Temporal;

static SHAPES: LazyLock<Shapes> = LazyLock::new(shapes);

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p","active":true,
"contained":[{"resourceType":"Practitioner","id":"c","name":[{"family":"C"}]}],
"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},
"name":[{"use":"official","family":"Chalmers","given":["Peter","James"]},
{"use":"usual","given":[null,"Jim"],"_given":[{"id":"x"},null]}],
"telecom":[{"system":"phone","value":"1","rank":1},{"system":"email","value":"2","rank":2}],
"gender":"male","birthDate":"1974-12-25","_gender":{"extension":[{"url":"u","valueCode":"c"}]},
"generalPractitioner":[{"reference":"#c"},{"reference":"Organization/2"}],
"deceasedBoolean":false,
"contact":[{"gender":"female"},{"name":{"family":"K"}}]}"##;

const OBSERVATION: &str = r#"{"resourceType":"Observation","status":"final",
"code":{"coding":[{"system":"s","code":"a"},{"system":"s","code":"b"}]},
"effectiveDateTime":"2026-11-22T10:00:00Z","note":["c","a","b","a"],
"valueQuantity":{"value":1.50,"unit":"g","system":"http://unitsofmeasure.org","code":"g"},
"component":[{"code":{"coding":[{"system":"s","code":"a"}]},"valueString":"s"},
{"code":{"text":"t"},"valueQuantity":{"value":2}}]}"#;

fn attempt(shapes: &Shapes, expression: &str, json: &str) -> Result<Vec<String>, EvaluateError> {
    let resource = object(json);
    let type_id = shapes
        .type_id(resource.get_str("resourceType").unwrap())
        .unwrap();
    let mut environment = Environment::new(shapes, &resource, type_id);
    environment.steps_max = 200_000;
    environment.now = Temporal::parse_literal("2026-11-22T10:00:00.000Z");
    let expr = parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    let items = evaluate(&expr, environment.resource, &environment)?;
    Ok(items.iter().map(shown).collect())
}

fn shown(item: &Item<'_>) -> String {
    match item {
        Item::Element(element) => match (element.as_node(), element.as_object()) {
            (Some(node), _) => String::from_utf8(to_vec(node)).unwrap(),
            (None, Some(object)) => {
                let mut json = Vec::new();
                write_object(&mut json, object);
                String::from_utf8(json).unwrap()
            }
            (None, None) => "-".to_owned(),
        },
        Item::System(system) => match system {
            System::Boolean(truth) => truth.to_string(),
            System::String(text) => format!("'{text}'"),
            System::Integer(integer) => integer.to_string(),
            System::Decimal(decimal) => format!("{decimal}"),
            System::Temporal(temporal) => format!("@{temporal}"),
            System::Quantity { value, unit, .. } => format!("{value} {unit}"),
            System::Type { namespace, name } => format!("{namespace}.{name}"),
        },
    }
}

/// Checks lines of `expression => items`.
fn check(resource: &str, cases: &str) {
    let shapes = shapes();
    for case in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (expression, expected) = case.split_once(" => ").unwrap();
        let found = match attempt(&shapes, expression.trim(), resource) {
            Ok(items) => format!("[{}]", items.join(", ")),
            Err(error) => format!("!{error:?}"),
        };
        assert_eq!(found, expected.trim(), "{expression}");
    }
}

#[test]
fn paths_and_choices() {
    check(
        PATIENT,
        r#"
        Patient.name.given.count() => [4]
        name.given => ["Peter", "James", -, "Jim"]
        name[0].given[1] => ["James"]
        name[7].given => []
        deceased => [false]
        Patient.deceased is boolean => [true]
        Observation.status => []
        nothing.at.all => []
        gender.extension('u').value => ["c"]
        gender.extension.url => ["u"]
        name[1].given[0].id => ["x"]
        name.where(use = 'official').family => ["Chalmers"]
        name.where($index = 1).use => ["usual"]
        name.select(family | use) => ["Chalmers", "official", "usual"]
        contained.name.family => ["C"]
        contained is Practitioner => [true]
        contained.ofType(Observation) => []
        text.`div`.exists() => [true]
        children().count() > 10 => [true]
        descendants().where($this is HumanName).count() => [4]
        descendants().given => ["Peter", "James", -, "Jim"]
        %resource.id => ["p"]
        %context.id => ["p"]
        %rootResource.id => ["p"]
        %`vs-x` => ['http://hl7.org/fhir/ValueSet/x']
        %nope => !UnknownConstant("nope")
        "#,
    );
}

#[test]
fn existence_and_subsets() {
    check(
        PATIENT,
        r#"
        name.exists() => [true]
        name.exists(use = 'old') => [false]
        photo.empty() => [true]
        {}.empty() => [true]
        telecom.all(rank > 0) => [true]
        (true | false).allTrue() => [false]
        (true | false).anyTrue() => [true]
        (false | {}).allFalse() => [true]
        {}.anyFalse() => [false]
        (true | 'a').allTrue() => !WrongType("booleans")
        (1 | 2).subsetOf(1 | 2 | 3) => [true]
        (1 | 2).supersetOf(1 | 3) => [false]
        (1 | 2 | 1).count() => [2]
        (1 | 2).combine(2 | 1).count() => [4]
        (1 | 2).combine(2 | 1).isDistinct() => [false]
        (1 | 2).combine(2 | 3).distinct() => [1, 2, 3]
        (1 | 2 | 3).intersect(3 | 2) => [2, 3]
        (1 | 2 | 3).exclude(2) => [1, 3]
        (1 | 2 | 3).first() => [1]
        (1 | 2 | 3).last() => [3]
        (1 | 2 | 3).tail() => [2, 3]
        (1 | 2 | 3).skip(2) => [3]
        (1 | 2 | 3).take(2) => [1, 2]
        (1 | 2 | 3).take(0 - 1) => []
        (1 | 2).single() => !NotSingle
        {}.single() => []
        (1 | 2 | 3).aggregate($this + $total, 0) => [6]
        (1 | 2 | 3).aggregate(iif($total.empty(), $this, iif($this < $total, $this, $total))) => [1]
        contact.select(iif(gender.exists(), 1, 2)) => [1, 2]
        name.iif(empty(), 'none', count()) => [2]
        iif(false, 1) => []
        contact.repeat(name).family => ["K"]
        gender.hasValue() => [true]
        name.first().hasValue() => [false]
        gender.getValue() => ['male']
        "#,
    );
}

#[test]
fn equality_and_equivalence() {
    check(
        OBSERVATION,
        r"
        1 = 1.0 => [true]
        1 != 2 => [true]
        'a' = 'A' => [false]
        'a b' ~ 'A   B' => [true]
        1.51 ~ 1.5 => [true]
        {} = 1 => []
        {} ~ {} => [true]
        1 ~ {} => [false]
        (1 | 2) = (2 | 1) => [false]
        (1 | 2) ~ (2 | 1) => [true]
        (1 | 2) = (1 | 2 | 3) => [false]
        code.coding[0] = component[0].code.coding[0] => [true]
        code.coding[0] ~ code.coding[1] => [false]
        code.coding.intersect(component.code.coding).count() => [1]
        @2026 = @2026-11 => []
        @2026-11-22T10:00:00Z = @2026-11-22T11:00:00.0+01:00 => [true]
        effective = @2026-11-22T10:00:00.000Z => [true]
        effective = '2026-11-22T10:00:00Z' => [true]
        @2026-11 ~ @2026 => [false]
        value = 1.5 'g' => [true]
        value = 1.5 'mg' => []
        1 year = 1 year => [true]
        1 year = 1 'a' => []
        @2026 != @T10:00 => [true]
        @2026-11-22T10:00:00Z = @2026-11-22T10:00:00 => []
        1 second = 1 's' => [true]
        'a' in note => [true]
        note contains 'z' => [false]
        {} in note => []
        status != 'draft' => [true]
        ",
    );
}

#[test]
fn comparison_and_arithmetic() {
    check(
        OBSERVATION,
        r#"
        1 < 2.5 => [true]
        'a' >= 'b' => [false]
        @2026 < @2027-01 => [true]
        @2026 <= @2026-11 => []
        effective > @2025 => [true]
        value.value <= 1.5 => [true]
        value < 2 'g' => [true]
        value < 2 'mg' => []
        1 < 'a' => !WrongType("two values that can be compared")
        1 + 2 * 3 - 4 => [3]
        7 / 2 => [3.5]
        7 div 2 => [3]
        7 mod 2 => [1]
        -7.5 div 2 => [-3]
        1 / 0 => []
        5 mod 0 => []
        9223372036854775807 + 1 => []
        'a' + 'b' => ['ab']
        'a' + {} => []
        'a' & {} & 'b' => ['ab']
        1.50 + 1 => [2.50]
        -value.value => [-1.50]
        @2026-01-31 + 1 month => [@2026-02-28]
        @2026-03-01 - 1 day => [@2026-02-28]
        @T10:30 + 45 minutes => [@11:15]
        @2026 + 1 'a' => !WrongType("a duration")
        @2026-12-25 - 1 'month' => [@2026-11-25]
        7 days = 1 'wk' => [true]
        6 days < 1 week => [true]
        1 year = 12 months => [true]
        1 month < 31 days => []
        16.log(2) => [4]
        2 'g' + 3 'g' => [5 g]
        2 'g' + 3 'mg' => []
        2 'g' * 3 => [6 g]
        (1 | 2) + 1 => !NotSingle
        'a' * 2 => !WrongType("two values that it can calculate with")
        "#,
    );
}

#[test]
fn logic_has_three_values() {
    check(
        PATIENT,
        r"
        true and {} => []
        false and {} => [false]
        {} and false => [false]
        true or {} => [true]
        {} or false => []
        true xor {} => []
        true xor false => [true]
        false implies {} => [true]
        {} implies true => [true]
        true implies false => [false]
        {} implies false => []
        true.not() => [false]
        {}.not() => []
        name.first() and true => [true]
        name and true => !NotSingle
        ",
    );
}

#[test]
fn texts() {
    check(
        PATIENT,
        r#"
        'abcdef'.indexOf('cd') => [2]
        'abc'.indexOf('x') => [-1]
        'äbc'.substring(1) => ['bc']
        'abc'.substring(1, 1) => ['b']
        'abc'.substring(3) => []
        'abc'.substring(-1) => []
        'abc'.startsWith('ab') => [true]
        'abc'.endsWith('') => [true]
        'abc'.contains('d') => [false]
        'aBc'.upper() => ['ABC']
        'aBc'.lower() => ['abc']
        'aba'.replace('a', 'x') => ['xbx']
        'ab'.replace('', '-') => ['-a-b-']
        'ab12'.matches('\\d+') => [true]
        'ab12'.matches('^\\d+$') => [false]
        'ab12'.matches('^' + '[a-z]+\\d+$') => [true]
        'ab12'.replaceMatches('\\d', '#') => ['ab##']
        'abc'.replaceMatches('', 'x') => ['abc']
        'a'.matches('(' + 'b') => !WrongType("a regular expression")
        'äb'.length() => [2]
        'ab'.toChars() => ['a', 'b']
        ' a '.trim() => ['a']
        'a,b'.split(',') => ['a', 'b']
        ('a' | 'b').join('-') => ['a-b']
        {}.length() => []
        1.length() => !WrongType("a text")
        birthDate.substring(0, 4) => ['1974']
        name.given.first().length() => [5]
        "#,
    );
}

#[test]
fn numbers() {
    check(
        PATIENT,
        r"
        (-5).abs() => [5]
        (-5.5).abs() => [5.5]
        (-5.5 'mg').abs() => [5.5 mg]
        1.1.ceiling() => [2]
        (-1.1).floor() => [-2]
        1.9.truncate() => [1]
        1.455.round(2) => [1.46]
        1.5.round() => [2]
        2.power(3) => [8]
        2.power(-1) => [0.5]
        2.power(100) => []
        (-1).power(0.5) => []
        4.sqrt() => [2]
        (-4).sqrt() => []
        0.exp() => [1]
        1.ln() => [0]
        100.log(10).round(5) => [2]
        0.ln() => []
        telecom.rank.first().power(2) => [1]
        ",
    );
}

#[test]
fn conversions() {
    check(
        OBSERVATION,
        r"
        'yes'.toBoolean() => [true]
        2.toBoolean() => []
        '+7'.toInteger() => [7]
        '7.0'.toInteger() => []
        true.toInteger() => [1]
        '7.50'.toDecimal() => [7.50]
        '7.'.convertsToDecimal() => [false]
        '2026-11'.toDate() => [@2026-11]
        '2026-11-22T10:00'.toDate() => [@2026-11-22]
        '2026-11-22'.toDateTime() => [@2026-11-22]
        '10:00'.toTime() => [@10:00]
        '25:00'.convertsToTime() => [false]
        '4 days'.toQuantity() => [4 day]
        '4.5 \'mg\''.toQuantity() => [4.5 mg]
        '4.5 mg'.convertsToQuantity() => [false]
        4.toQuantity() => [4 1]
        value.value.toString() => ['1.50']
        5 'mg'.toString() => ['5 'mg'']
        @2026-11.toString() => ['2026-11']
        {}.toString() => []
        {}.convertsToString() => []
        code.convertsToString() => [false]
        now() => [@2026-11-22T10:00:00.000Z]
        today() => [@2026-11-22]
        timeOfDay() => [@10:00:00.000]
        ",
    );
}

#[test]
fn types_and_references() {
    check(
        PATIENT,
        r#"
        active is boolean => [true]
        active is Boolean => [true]
        active is System.Boolean => [false]
        active is FHIR.boolean => [true]
        1 is Integer => [true]
        1 is Decimal => [false]
        1 is System.Integer => [true]
        gender is string => [true]
        gender is code => [true]
        id is code => [false]
        $this is DomainResource => [true]
        name is HumanName => !NotSingle
        name.as(HumanName).count() => [2]
        name.ofType(Period) => []
        active is System.Unheard => [false]
        active is Unheard => !UnknownType("Unheard")
        active.type() => [FHIR.boolean]
        active.type().name => ['boolean']
        'a'.type() => [System.String]
        @2026.type().name => ['Date']
        generalPractitioner.resolve().name.family => ["C"]
        generalPractitioner[0].resolve() is Practitioner => [true]
        generalPractitioner[1].resolve() is Organization => [true]
        generalPractitioner[1].resolve() is Practitioner => [false]
        generalPractitioner.where(resolve() is Organization).reference => ["Organization/2"]
        text.`div`.htmlChecks() => [true]
        text.trace('t').status => ["generated"]
        "#,
    );
}

#[test]
fn references_outside_are_looked_up_by_the_caller() {
    let shapes = shapes();
    let patient = object(PATIENT);
    let target = object(r#"{"resourceType":"Organization","name":"O"}"#);
    let type_of = |name| shapes.type_id(name).unwrap();
    let found = Element::object(&target, type_of("Organization"));
    let resolve = |text: &str| (text == "Organization/2").then_some(found);
    let mut environment = Environment::new(&shapes, &patient, type_of("Patient"));
    environment.resolve = Some(&resolve);
    let expr = parse("generalPractitioner[1].resolve().name = 'O'").unwrap();
    assert_eq!(holds(&expr, environment.resource, &environment), Ok(true));
}

#[test]
fn narratives_may_not_do_anything() {
    let says = |div: &str| {
        let json = serde_json::json!({"resourceType": "Patient", "text": {"div": div}});
        let found = attempt(&shapes(), "text.`div`.htmlChecks()", &json.to_string());
        found.unwrap() == ["true"]
    };
    assert!(says("<div><p style=\"x\">a</p><img src=\"#a\"/></div>"));
    for bad in [
        "<div> </div>",
        "<div>a<script>b</script></div>",
        "<div onclick=\"x\">a</div>",
        "<div><a href=\" JavaScript:x\">a</a></div>",
        "<p>a</p>",
        "<div>a",
        "<div><iframe/>a</div>",
    ] {
        assert!(!says(bad), "{bad}");
    }
}

#[test]
fn no_expression_runs_away() {
    let shapes = shapes();
    let bomb = (0..40).fold("'aaaaaaaa'".to_owned(), |inner, _| {
        format!("({inner}).replace('a', 'aaaaaaaa')")
    });
    let doubled = "(1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9).select($this | ($this + 10))\
        .select(%resource.descendants()).select(%resource.descendants())\
        .select(%resource.descendants())";
    for expression in [&bomb, doubled, "0.repeat($this + 1)"] {
        let found = attempt(&shapes, expression, PATIENT);
        assert_eq!(found, Err(EvaluateError::TooMuchWork), "{expression}");
    }
}

proptest! {
    #[test]
    fn no_expression_panics(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "name", "given", ".", ".", "first()", "count()", "where(", "use", "=", "'a'",
                ")", "|", "1", "+", "@2026", "[0]", "is", "string", "and", "substring(",
                "-", "*", "rank", "telecom", "descendants()", "toString()", "power(", "4 days",
                "birthDate", "div", "mod", "/", "0.5", "round(", "in", "~", "&", "active",
            ]),
            1..12,
        )
    ) {
        let patient = object(PATIENT);
        let type_id = SHAPES.type_id("Patient").unwrap();
        let mut environment = Environment::new(&SHAPES, &patient, type_id);
        environment.steps_max = 10_000;
        if let Ok(expr) = parse(&words.join(" ")) {
            let found = evaluate(&expr, environment.resource, &environment);
            prop_assert!(found.map_or(true, |items| items.len() <= 10_000));
        }
    }

    #[test]
    fn integers_calculate_as_they_should(a in -1000_i64..1000, b in 1_i64..1000) {
        let quotient = attempt(&SHAPES, &format!("({a}) div {b}"), PATIENT).unwrap();
        prop_assert_eq!(&quotient, &[(a / b).to_compact_string()]);
        let sum = attempt(&SHAPES, &format!("({a}) + {b} - {b}"), PATIENT).unwrap();
        prop_assert_eq!(&sum, &[a.to_compact_string()]);
    }
}
