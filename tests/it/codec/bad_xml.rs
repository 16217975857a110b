//! Documents that must be refused, with the reason and the place, and without showing content.

use super::{XML_LIMITS, from_xml, shapes, to_xml};
use vesta::fhir::json;
use vesta::fhir::xml::{self, XmlError, XmlLimits};

fn refused(document: &str) -> XmlError {
    from_xml(document.as_bytes()).unwrap_err()
}

/// A patient with `inner` as children.
fn patient(inner: &str) -> String {
    format!(r#"<Patient xmlns="http://hl7.org/fhir">{inner}</Patient>"#)
}

#[track_caller]
fn assert_refused(document: &str, reason: &str, path: &str) {
    let error = refused(document);
    assert!(error.reason.contains(reason), "{error}");
    assert_eq!(error.path, path, "{error}");
    assert!(error.line > 0 && error.column > 0, "{error}");
}

#[test]
fn an_external_entity() {
    let document = r#"<!DOCTYPE Patient [<!ENTITY x SYSTEM "file:///etc/passwd">]>
        <Patient xmlns="http://hl7.org/fhir"><gender value="&x;"/></Patient>"#;
    assert_refused(document, "DOCTYPE", "");
}

#[test]
fn a_billion_laughs() {
    let mut document = String::from("<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY a \"lol\">");
    for (outer, inner) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d")] {
        let ten = format!("&{inner};").repeat(10);
        document = format!("{document}<!ENTITY {outer} \"{ten}\">");
    }
    document = format!("{document}]>{}", patient("<language value='&e;'/>"));
    assert_refused(&document, "DOCTYPE", "");
}

#[test]
fn an_entity_without_a_doctype() {
    assert_refused(
        &patient("<language value='&e;'/>"),
        "Entities are not allowed",
        "Patient.language.value",
    );
    let div = "<div xmlns='http://www.w3.org/1999/xhtml'>a&nbsp;b</div>";
    let text = format!("<text><status value='generated'/>{div}</text>");
    assert_refused(
        &patient(&text),
        "Entities are not allowed",
        "Patient.text.div",
    );
}

#[test]
fn ten_thousand_levels() {
    let open = "<extension url='u'>".repeat(10_000);
    let close = "</extension>".repeat(10_000);
    let error = refused(&patient(&format!("{open}{close}")));
    assert!(error.reason.contains("nested deeper"), "{error}");
    assert!(error.path.starts_with("Patient.extension[0].extension[0]."));
    let error = refused(&patient(&open));
    assert!(error.reason.contains("nested deeper"), "{error}");
    let div = format!(
        "<text><div xmlns='http://www.w3.org/1999/xhtml'>{}",
        "<b>".repeat(10_000)
    );
    assert_refused(&patient(&div), "nested deeper", "Patient.text.div");
}

#[test]
fn what_nests_too_deep_for_json_nests_too_deep_for_xml() {
    for levels in 1..40 {
        let open = "<extension url='u'>".repeat(levels);
        let close = "</extension>".repeat(levels);
        let document = patient(&format!("{open}<valueBoolean value='true'/>{close}"));
        let Ok(read) = from_xml(document.as_bytes()) else {
            assert_eq!(levels, 32);
            return;
        };
        let written = super::to_json(read.object());
        assert!(
            json::parse(&written, super::JSON_LIMITS).is_ok(),
            "{levels} levels"
        );
    }
    panic!("no limit was reached");
}

#[test]
fn invalid_utf8() {
    let mut bytes = patient("<language value='de'/>").into_bytes();
    let at = bytes.len() - 14;
    bytes[at] = 0xff;
    let error = from_xml(&bytes).unwrap_err();
    assert!(error.reason.contains("UTF-8"), "{error}");
    assert_eq!((error.line, error.column), (1, at + 1));
}

#[test]
fn another_encoding() {
    let document = format!("<?xml version='1.0' encoding='ISO-8859-1'?>{}", patient(""));
    assert_refused(&document, "UTF-8 is the only encoding", "");
    let utf16: Vec<u8> = patient("")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert!(from_xml(&[b"\xff\xfe", utf16.as_slice()].concat()).is_err());
}

#[test]
fn every_truncation() {
    let whole = patient(
        "<text><div xmlns='http://www.w3.org/1999/xhtml'>a<!-- b --> &amp; <b>c</b></div></text>\
         <active value='true'/>",
    );
    assert!(from_xml(whole.as_bytes()).is_ok());
    for length in 0..whole.len() {
        let error = refused(whole.get(..length).unwrap());
        let is_told = error.reason.contains("ends before") || error.reason.contains("no root");
        let in_reference = error.reason.contains("&amp;");
        assert!(is_told || in_reference, "{length}: {error}");
    }
}

#[test]
fn something_behind_the_end() {
    for behind in [
        "<Patient xmlns='http://hl7.org/fhir'/>",
        "x",
        "</Patient>",
        "&amp;",
    ] {
        let error = refused(&format!("{}{behind}", patient("")));
        assert!(error.column > patient("").len(), "{error}");
    }
    assert!(from_xml(format!("{}<!-- x --><?x y?>\n", patient("")).as_bytes()).is_ok());
}

#[test]
fn an_unknown_element() {
    assert_refused(
        &patient("<name><family value='x'/></name><name><id value='y'/></name>"),
        "not defined",
        "Patient.name[1].id",
    );
    assert_refused(
        "<Foo xmlns='http://hl7.org/fhir'/>",
        "R4 resource type",
        "Foo",
    );
    assert_refused(
        "<DomainResource xmlns='http://hl7.org/fhir'/>",
        "R4 resource type",
        "DomainResource",
    );
}

#[test]
fn an_unknown_attribute() {
    assert_refused(
        &patient("<active value='true' x='1'/>"),
        "attribute",
        "Patient.active.x",
    );
    assert_refused(
        &patient("<name use='usual'/>"),
        "attribute",
        "Patient.name[0].use",
    );
    let root = "<Patient xmlns='http://hl7.org/fhir' id='x'/>";
    assert_refused(root, "attribute", "Patient.id");
    let foreign = "<active xmlns:v='urn:v' v:value='true'/>";
    assert_refused(&patient(foreign), "attribute", "Patient.active.v:value");
    let location = "<Patient xmlns='http://hl7.org/fhir' xsi:schemaLocation='a b' \
                    xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'/>";
    assert!(from_xml(location.as_bytes()).is_ok());
}

#[test]
fn a_wrong_namespace() {
    assert_refused("<Patient/>", "namespace", "Patient");
    assert_refused("<Patient xmlns='urn:hl7-org:v3'/>", "namespace", "Patient");
    assert_refused("<f:Patient/>", "prefix", "");
    let foreign = "<x:active xmlns:x='urn:x' value='true'/>";
    assert_refused(&patient(foreign), "namespace", "Patient.active");
    let narrative = "<text><status value='empty'/><div>x</div></text>";
    assert_refused(&patient(narrative), "XHTML", "Patient.text.div");
    let inside = "<text><div xmlns='http://www.w3.org/1999/xhtml'>\
                  <svg xmlns='http://www.w3.org/2000/svg'/></div></text>";
    assert_refused(&patient(inside), "XHTML", "Patient.text.div");
}

#[test]
fn prefixes_without_end() {
    let level = |from: usize| {
        let declared: Vec<_> = (from..from + 20)
            .map(|number| format!("xmlns:p{number}='urn:p'"))
            .collect();
        format!("<div {}>", declared.join(" "))
    };
    let nested = |levels: usize| {
        let open: String = (0..levels).map(|at| level(at * 20)).collect();
        let close = "</div>".repeat(levels);
        patient(&format!(
            "<text><status value='generated'/><div xmlns='http://www.w3.org/1999/xhtml'>\
             {open}x{close}</div></text>"
        ))
    };
    assert!(from_xml(nested(3).as_bytes()).is_ok());
    assert_refused(&nested(4), "More prefixes", "Patient.text.div");
}

#[test]
fn a_wrong_order() {
    assert_refused(
        &patient("<birthDate value='1970'/><active value='true'/>"),
        "active must stand before birthDate",
        "Patient.active",
    );
    assert_refused(
        &patient("<name><family value='x'/></name><active value='true'/>"),
        "active must stand before name",
        "Patient.active",
    );
}

#[test]
fn what_may_stand_only_once() {
    let twice = "<gender value='male'/><gender value='female'/>";
    assert_refused(&patient(twice), "only once", "Patient.gender");
    let choice = "<deceasedBoolean value='true'/><deceasedDateTime value='2020'/>";
    assert_refused(&patient(choice), "Only one of", "Patient.deceasedDateTime");
    let two = "<contained><Basic/><Basic/></contained>";
    assert_refused(&patient(two), "Only one resource", "Patient.contained[0]");
    let attribute = "<active value='true' value='true'/>";
    assert_refused(&patient(attribute), "twice", "Patient");
}

#[test]
fn text_between_elements() {
    assert_refused(
        &patient("<active>true</active>"),
        "Text must not stand",
        "Patient.active",
    );
    assert_refused(&patient("<![CDATA[ ]]>"), "Text must not stand", "Patient");
    assert_refused(&patient("&#32;"), "Text must not stand", "Patient");
}

#[test]
fn empty_elements() {
    assert_refused(&patient("<active/>"), "value or children", "Patient.active");
    assert_refused(
        &patient("<name></name>"),
        "value or children",
        "Patient.name[0]",
    );
    assert_refused(
        &patient("<contained/>"),
        "A resource must stand",
        "Patient.contained[0]",
    );
}

#[test]
fn too_many_attributes() {
    let declarations = 0..XML_LIMITS.attributes_max;
    let many: Vec<_> = declarations
        .map(|n| format!(" xmlns:p{n}='urn:{n}'"))
        .collect();
    let many = many.concat();
    assert!(from_xml(patient(&format!("<active{many}/>")).as_bytes()).is_err());
    let error = refused(&patient(&format!("<active{many} value='true'/>")));
    assert!(error.reason.contains("more attributes"), "{error}");
}

#[test]
fn malformed_markup() {
    for bad in [
        "<active value='true'></gender>",
        "<active value=true/>",
        "<active value='<'/>",
        "<active value='true'id='x'/>",
        "<active value='&'/>",
        "<active value='&#0;'/>",
        "<!-- a -- b -->",
        "<?xml version='1.0'?>",
        "<xmlns:a value='1'/>",
        "<active value='\u{1}'/>",
        "< active value='true'/>",
        "<!x>",
    ] {
        assert!(from_xml(patient(bad).as_bytes()).is_err(), "{bad}");
    }
    for bad in [
        "",
        " ",
        "x",
        "{}",
        "<",
        "<?xml version='1.1'?><Patient xmlns='http://hl7.org/fhir'/>",
    ] {
        assert!(from_xml(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn the_place_is_told() {
    let error = refused(&patient(
        "\n  <active value='true'/>\n  <resourceType value='secret'/>",
    ));
    assert_eq!((error.line, error.column), (3, 3));
    assert_eq!(
        error.to_string(),
        "This element is not defined here. (line 3, column 3, at Patient.resourceType)"
    );
}

#[test]
fn wrong_values_are_left_to_validation() {
    let read = from_xml(patient("<active value='yes'/>").as_bytes()).unwrap();
    assert_eq!(read.object().get_str("active"), Some("yes"));
}

#[test]
fn unknown_elements_are_left_to_validation() {
    let read = from_xml(patient("<nick value='y'><x/></nick><active value='true'/>").as_bytes());
    let read = read.unwrap();
    assert!(read.object().contains("nick") && read.object().contains("active"));
    let many = "<nick/>".repeat(40);
    assert_refused(&patient(&many), "not defined", "Patient.nick");
}

#[test]
fn a_narrative_that_is_none() {
    for bad in [
        "",
        "text",
        "<p>x</p>",
        "<div>",
        "<div>x</div>y",
        "<div>x</div><div/>",
        "<div>&nbsp;</div>",
        "<div><br></div>",
        "<div a=b/>",
        "<!DOCTYPE div><div/>",
        "<div xmlns='http://hl7.org/fhir'/>",
        "<div>]]></div>",
        "<div>\u{1}</div>",
    ] {
        assert!(xml::check_narrative(bad).is_err(), "{bad}");
    }
    let good = "<div xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang='de'>\
                <!-- c --><p class='a'>&lt;&#160;<![CDATA[<]]></p></div>";
    assert!(xml::check_narrative(good).is_ok());
}

/// What JSON can say and XML cannot is refused when it is written.
#[test]
fn trees_that_xml_cannot_hold() {
    for (document, path) in [
        (r#"{"resourceType":"Patient","nick":"x"}"#, "Patient.nick"),
        (
            r#"{"resourceType":"Patient","_nick":{"id":"x"}}"#,
            "Patient._nick",
        ),
        (r#"{"resourceType":"Patient","value":"x"}"#, "Patient.value"),
        (
            r#"{"resourceType":"Patient","active":"true"}"#,
            "Patient.active",
        ),
        (
            r#"{"resourceType":"Patient","active":{"id":"x"}}"#,
            "Patient.active",
        ),
        (
            r#"{"resourceType":"Patient","active":[true]}"#,
            "Patient.active",
        ),
        (
            r#"{"resourceType":"Patient","name":{"family":"x"}}"#,
            "Patient.name",
        ),
        (
            r#"{"resourceType":"Patient","name":["x"]}"#,
            "Patient.name[0]",
        ),
        (
            r#"{"resourceType":"Patient","name":[{"given":["a",null]}]}"#,
            "Patient.name[0].given[1]",
        ),
        (
            r#"{"resourceType":"Patient","_name":[{"id":"x"}]}"#,
            "Patient.name[0]",
        ),
        (r#"{"resourceType":"Patient","gender":1}"#, "Patient.gender"),
        (
            r#"{"resourceType":"Patient","gender":"\u0001"}"#,
            "Patient.gender",
        ),
        (
            r#"{"resourceType":"Patient","contained":[{"id":"x"}]}"#,
            "Patient.contained[0]",
        ),
        (
            r#"{"resourceType":"Patient","text":{"div":"<p/>"}}"#,
            "Patient.text.div",
        ),
        (
            r#"{"resourceType":"Patient","extension":[{"_url":{"id":"x"}}]}"#,
            "Patient.extension[0].url",
        ),
    ] {
        let tree = json::parse(document.as_bytes(), super::JSON_LIMITS).unwrap();
        let error = to_xml(tree.as_object().unwrap()).unwrap_err();
        assert_eq!(error.path, path, "{error}");
        assert_eq!(error.line, 0);
    }
}

#[test]
fn limits_are_the_callers() {
    let limits = XmlLimits {
        depth_max: 2,
        attributes_max: 2,
    };
    let read = |inner| xml::parse_resource(patient(inner).as_bytes(), shapes(), limits);
    assert!(read("<active value='true'/>").is_ok());
    assert!(read("<active id='x' value='true'/>").is_ok());
    assert!(read("<name><family value='x'/></name>").is_err());
}
