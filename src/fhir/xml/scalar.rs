//! Values of primitives: the text of a `value` attribute and the JSON scalar of its type.
//!
//! Whether a text is right for its type is left to validation; here only the JSON form is chosen.
//! Spec: <https://hl7.org/fhir/R4/json.html#primitive>.

use compact_str::CompactString;

use crate::fhir::primitive::{JsonKind, Primitive};
use crate::fhir::resource::Node;

/// The scalar for a value of `primitive`. Numbers keep their text; a text that is no number or
/// boolean where the type wants one stays a string.
pub(super) fn node(primitive: Primitive, text: CompactString) -> Node {
    match primitive.json_kind() {
        JsonKind::Boolean if text == "true" => Node::Bool(true),
        JsonKind::Boolean if text == "false" => Node::Bool(false),
        JsonKind::Number if is_json_number(&text) => Node::Number(text),
        _ => Node::String(text),
    }
}

/// The text of a scalar; `None` when another kind of node stands here, or when reading the text
/// back as `primitive` would give another node.
pub(super) fn text(primitive: Primitive, node: &Node) -> Option<&str> {
    match (primitive.json_kind(), node) {
        (JsonKind::Boolean, Node::Bool(true)) => Some("true"),
        (JsonKind::Boolean, Node::Bool(false)) => Some("false"),
        (JsonKind::Boolean, Node::String(text)) if text == "true" || text == "false" => None,
        (JsonKind::Number, Node::String(text)) if is_json_number(text) => None,
        (JsonKind::Number, Node::Number(text)) | (_, Node::String(text)) => Some(text),
        _ => None,
    }
}

/// Whether the text is a number by the grammar of JSON, which is also that of `decimal`.
fn is_json_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let unsigned = |exponent: &str| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        is_digits(digits)
    };
    is_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(is_digits)
        && exponent.is_none_or(unsigned)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{node, text};
    use crate::fhir::primitive::Primitive;
    use crate::fhir::resource::Node;

    #[test]
    fn the_type_decides_the_scalar() {
        assert_eq!(node(Primitive::Boolean, "true".into()), Node::Bool(true));
        assert_eq!(node(Primitive::String, "true".into()), Node::from("true"));
        assert_eq!(
            node(Primitive::Decimal, "1.50".into()),
            Node::Number("1.50".into())
        );
        assert_eq!(node(Primitive::Code, "1".into()), Node::from("1"));
    }

    #[test]
    fn what_is_no_number_stays_a_string() {
        for bad in [
            "", "+1", "01", "1.", ".5", "1e", "1e+", "-", " 1", "NaN", "--1", "1e1.5",
        ] {
            assert_eq!(
                node(Primitive::Decimal, bad.into()),
                Node::from(bad),
                "{bad}"
            );
        }
        for good in ["0", "-0", "0.0", "1E-10", "1e+3", "12345678901234567890.10"] {
            assert_eq!(
                node(Primitive::Decimal, good.into()),
                Node::Number(good.into()),
                "{good}"
            );
        }
    }

    #[test]
    fn only_what_comes_back_the_same_is_written() {
        assert_eq!(text(Primitive::Decimal, &Node::from("1")), None);
        assert_eq!(text(Primitive::Boolean, &Node::from("true")), None);
        assert_eq!(text(Primitive::String, &Node::Number("1".into())), None);
        assert_eq!(text(Primitive::String, &Node::Bool(true)), None);
        assert_eq!(text(Primitive::Decimal, &Node::from("x")), Some("x"));
        assert_eq!(text(Primitive::Boolean, &Node::Bool(false)), Some("false"));
    }
}
