//! Round trips of random resources, and random damage to good documents.

use proptest::prelude::*;

use super::arbitrary::Maker;
use super::{JSON_LIMITS, XML_LIMITS, from_xml, shapes, to_json, to_xml};
use vesta::fhir::json;
use vesta::fhir::resource::Node;
use vesta::fhir::xml::{self, XmlLimits};

fn tape() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..600)
}

/// How deep arrays and objects nest.
fn depth(node: &Node) -> usize {
    match node {
        Node::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Node::Object(object) => {
            1 + object
                .iter()
                .map(|(_, value)| depth(value))
                .max()
                .unwrap_or(0)
        }
        _ => 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_tree_comes_back_from_xml(tape in tape()) {
        let object = Maker::new(shapes(), &tape).resource(0);
        let written = to_xml(&object).unwrap();
        let read = from_xml(&written).unwrap();
        prop_assert_eq!(read.object(), &object);
        let pretty = xml::to_vec_pretty(&object, shapes()).unwrap();
        prop_assert_eq!(from_xml(&pretty).unwrap(), read);
    }

    #[test]
    fn a_tree_comes_back_from_json(tape in tape()) {
        let object = Maker::new(shapes(), &tape).resource(0);
        let read = json::parse_resource(&to_json(&object), JSON_LIMITS).unwrap();
        prop_assert_eq!(read.object(), &object);
    }

    #[test]
    fn members_in_any_order_give_the_same_xml(tape in tape()) {
        let object = Maker::new(shapes(), &tape).resource(0);
        let mut turned = vesta::fhir::resource::Object::new();
        for (name, value) in object.iter().rev() {
            turned.push(name.into(), value.clone());
        }
        prop_assert_eq!(to_xml(&turned).unwrap(), to_xml(&object).unwrap());
    }

    #[test]
    fn both_codecs_count_the_same_depth(tape in tape()) {
        let object = Maker::new(shapes(), &tape).resource(0);
        let written = to_xml(&object).unwrap();
        let depth = depth(&Node::Object(object));
        let read = |depth_max| {
            let limits = XmlLimits { depth_max, ..XML_LIMITS };
            xml::parse_resource(&written, shapes(), limits)
        };
        prop_assert!(read(depth).is_ok());
        prop_assert!(read(depth - 1).is_err());
    }

    #[test]
    fn damage_is_an_error_or_another_resource(
        tape in tape(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut written = to_xml(&Maker::new(shapes(), &tape).resource(0)).unwrap();
        for (place, byte) in damage {
            let at = place.index(written.len());
            written[at] = byte;
        }
        // An unknown element is read, so that validation names it with what else is wrong.
        if let Ok(read) = from_xml(&written)
            && let Ok(again) = to_xml(read.object())
        {
            prop_assert_eq!(from_xml(&again).unwrap(), read);
        }
    }

    #[test]
    fn a_narrative_that_passes_can_be_written(pieces in prop::collection::vec(0..16_usize, 0..12)) {
        const PIECES: [&str; 16] = [
            "<b>", "</b>", "<br/>", "text", "&lt;", "&", "<!--", "-->", "<![CDATA[", "]]>", " ",
            "<?x ?>", "<p a='1'>", "</p>", "<x:y/>", "<div>",
        ];
        let inner: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>");
        if xml::check_narrative(&div).is_ok() {
            let text = serde_json::json!({"status": "generated", "div": div});
            let patient = serde_json::json!({"resourceType": "Patient", "text": text});
            let resource = super::from_json(patient.to_string().as_bytes());
            let written = to_xml(resource.object()).unwrap();
            prop_assert_eq!(from_xml(&written).unwrap(), resource);
        }
    }
}
