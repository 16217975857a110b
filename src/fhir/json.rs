//! JSON in and out, lossless.
//!
//! A reader of our own: it keeps the text of numbers, refuses duplicate names and nesting without
//! end, and says where. Empty arrays and objects are left to validation, which names them with all
//! other problems. What members mean is not known here.
//! Spec: <https://hl7.org/fhir/R4/json.html>, RFC 8259; why not serde: ADR 0002.

mod pass;
mod read;
mod write;

pub use read::{JsonError, Limits, parse, parse_members, parse_resource};
pub use write::{pretty, to_vec, write_node, write_object, write_string};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Limits, parse, pretty, to_vec};
    use crate::fhir::resource::{Node, Object};

    const LIMITS: Limits = Limits { depth_max: 64 };

    fn round(text: &str) -> String {
        let node = parse(text.as_bytes(), LIMITS).unwrap();
        String::from_utf8(to_vec(&node)).unwrap()
    }

    fn reason(text: &str) -> String {
        parse(text.as_bytes(), LIMITS).unwrap_err().to_string()
    }

    #[test]
    fn numbers_keep_their_text() {
        for text in [
            r#"{"a":1.50}"#,
            r#"{"a":1.0E-10}"#,
            r#"{"a":-0}"#,
            r#"{"a":1e+3}"#,
        ] {
            assert_eq!(round(text), text);
        }
    }

    #[test]
    fn escapes_are_read_and_written() {
        assert_eq!(
            round(r#"{"a":"\u00e4\ud83d\ude00\n\"\\\/"}"#),
            "{\"a\":\"ä😀\\n\\\"\\\\/\"}"
        );
        assert_eq!(round(r#"{"a":"\u0001\t"}"#), r#"{"a":"\u0001\t"}"#);
    }

    #[test]
    fn what_fhir_refuses_is_named_with_its_place() {
        assert!(reason(r#"{"a":[{"b":1},{"b":1,"b":2}]}"#).contains("a[1].b"));
        let typed = r#"{"resourceType":"Patient","name":[{"given":[01]}]}"#;
        assert!(reason(typed).contains("at Patient.name[0].given[0]"));
        assert!(reason(&format!("{{\"a\":{}", "[".repeat(99))).len() < 200);
        assert!(reason(r#"{"a":01}"#).contains("line 1, column"));
        assert!(reason(r#"{"a":1} x"#).contains("behind the end"));
        assert!(reason(r#"{"a":"\ud800"}"#).contains("surrogate"));
        assert!(reason("{\"a\":\"\u{1}\"}").contains("control character"));
        assert!(reason(&"[".repeat(10_000)).contains("nested"));
        assert!(
            parse(b"{\"a\":\"\xff\"}", LIMITS)
                .unwrap_err()
                .to_string()
                .contains("UTF-8")
        );
    }

    #[test]
    fn pretty_is_the_same_document() {
        let node = parse(br#"{"a":[1,{"b":"c"}],"d":true}"#, LIMITS).unwrap();
        assert_eq!(parse(&pretty(&to_vec(&node)), LIMITS).unwrap(), node);
    }

    fn any_node() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Node::Bool),
            any::<i64>().prop_map(|n| Node::Number(n.to_string().into())),
            ".*".prop_map(|text| Node::String(text.into())),
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Node::Array),
                prop::collection::btree_map("[a-z]{1,6}", inner, 0..5).prop_map(|members| {
                    let mut object = Object::new();
                    for (name, value) in members {
                        object.push(name.into(), value);
                    }
                    Node::Object(object)
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(node in any_node()) {
            let bytes = to_vec(&node);
            prop_assert_eq!(parse(&bytes, LIMITS).unwrap(), node);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
        }

        #[test]
        fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let accepted = parse(&bytes, LIMITS).is_ok();
            prop_assert!(!accepted || serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
        }
    }
}
