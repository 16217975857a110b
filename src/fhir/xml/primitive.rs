//! Values of primitives: the text of a `value` attribute and the JSON scalar of its type.
//!
//! Whether a text is right for its type is left to validation; here only the JSON form is chosen.
//! Spec: <https://hl7.org/fhir/R4/json.html#primitive>.

use compact_str::CompactString;

use crate::fhir::resource::Node;

/// The scalar for a value of the primitive type `type_name`. Numbers keep their text; a text that
/// is no number or boolean where the type wants one stays a string.
pub(super) fn node(type_name: &str, text: CompactString) -> Node {
    match type_name {
        "boolean" if text == "true" => Node::Bool(true),
        "boolean" if text == "false" => Node::Bool(false),
        "integer" | "positiveInt" | "unsignedInt" | "decimal" if is_json_number(&text) => {
            Node::Number(text)
        }
        _ => Node::String(text),
    }
}

/// The text of a scalar; `None` when another kind of node stands here, or when reading the text
/// back as `type_name` would give another node.
pub(super) fn text<'a>(type_name: &str, node: &'a Node) -> Option<&'a str> {
    let is_numeric = matches!(
        type_name,
        "integer" | "positiveInt" | "unsignedInt" | "decimal"
    );
    match node {
        Node::Bool(true) if type_name == "boolean" => Some("true"),
        Node::Bool(false) if type_name == "boolean" => Some("false"),
        Node::Number(text) if is_numeric => Some(text),
        Node::String(text) if is_numeric && is_json_number(text) => None,
        Node::String(text) if type_name == "boolean" && (text == "true" || text == "false") => None,
        Node::String(text) => Some(text),
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
    use crate::fhir::resource::Node;

    #[test]
    fn the_type_decides_the_scalar() {
        assert_eq!(node("boolean", "true".into()), Node::Bool(true));
        assert_eq!(node("string", "true".into()), Node::from("true"));
        assert_eq!(node("decimal", "1.50".into()), Node::Number("1.50".into()));
        assert_eq!(node("code", "1".into()), Node::from("1"));
    }

    #[test]
    fn what_is_no_number_stays_a_string() {
        for bad in [
            "", "+1", "01", "1.", ".5", "1e", "1e+", "-", " 1", "NaN", "--1", "1e1.5",
        ] {
            assert_eq!(node("decimal", bad.into()), Node::from(bad), "{bad}");
        }
        for good in ["0", "-0", "0.0", "1E-10", "1e+3", "12345678901234567890.10"] {
            assert_eq!(
                node("decimal", good.into()),
                Node::Number(good.into()),
                "{good}"
            );
        }
    }

    #[test]
    fn only_what_comes_back_the_same_is_written() {
        assert_eq!(text("decimal", &Node::from("1")), None);
        assert_eq!(text("boolean", &Node::from("true")), None);
        assert_eq!(text("string", &Node::Number("1".into())), None);
        assert_eq!(text("string", &Node::Bool(true)), None);
        assert_eq!(text("decimal", &Node::from("x")), Some("x"));
        assert_eq!(text("boolean", &Node::Bool(false)), Some("false"));
    }
}
