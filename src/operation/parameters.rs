//! The parameters of an operation as names and texts, whether they came in a URL or a body.
//!
//! Only parameters that could stand in a URL are read; parts and resources are refused.
//! Spec: <https://hl7.org/fhir/R4/operations.html#request>.

use crate::fhir::resource::{Node, Object, Resource};
use crate::interaction::Context;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// The names and values in a `Parameters` resource.
pub fn pairs(ctx: &Context, parameters: &Resource) -> Result<Vec<(String, String)>, Outcome> {
    if parameters.resource_type().name() != "Parameters" {
        let text = "This operation takes a Parameters resource.";
        return Err(Outcome::new(Kind::Invalid, text));
    }
    ctx.check_valid(parameters)?;
    let items = parameters.object().items("parameter").iter();
    let objects = items.filter_map(Node::as_object).enumerate();
    objects
        .map(|(place, parameter)| {
            pair(parameter).ok_or_else(|| {
                let text = "A parameter of this operation has a name, and a value that is \
                            primitive, a Coding, an Identifier or a Reference.";
                let place = format!("Parameters.parameter[{place}]");
                Outcome::new(Kind::Invalid, text).at(place)
            })
        })
        .collect()
}

fn pair(parameter: &Object) -> Option<(String, String)> {
    let name = parameter.get_str("name")?;
    let mut values = parameter
        .iter()
        .filter(|(name, _)| name.starts_with("value"));
    let (member, value) = values.next()?;
    Some((name.to_owned(), text(member, value)?))
}

fn text(member: &str, value: &Node) -> Option<String> {
    match (member, value) {
        (_, Node::String(text) | Node::Number(text)) => Some(text.to_string()),
        (_, Node::Bool(value)) => Some(value.to_string()),
        ("valueReference", Node::Object(one)) => one.get_str("reference").map(str::to_owned),
        ("valueCoding", Node::Object(one)) => token(one, "code"),
        ("valueIdentifier", Node::Object(one)) => token(one, "value"),
        _ => None,
    }
}

/// The value as it is written in a search: its system, a bar, its code.
fn token(object: &Object, member: &str) -> Option<String> {
    let escaped = |text: &str| {
        let text = text.replace('\\', "\\\\").replace('|', "\\|");
        text.replace(',', "\\,").replace('$', "\\$")
    };
    let code = escaped(object.get_str(member)?);
    Some(match object.get_str("system") {
        Some(system) => format!("{}|{code}", escaped(system)),
        None => code,
    })
}

#[cfg(test)]
mod tests {
    use super::pair;
    use crate::fhir::json::{Limits, parse};
    use crate::fhir::resource::Node;

    fn read(json: &str) -> Option<(String, String)> {
        match parse(json.as_bytes(), Limits { depth_max: 8 }).unwrap() {
            Node::Object(object) => pair(&object),
            other => panic!("{other:?}"),
        }
    }

    fn value(json: &str) -> Option<String> {
        read(&format!(r#"{{"name":"n",{json}}}"#)).map(|(_, value)| value)
    }

    #[test]
    fn values_become_what_a_url_would_say() {
        assert_eq!(value(r#""valueDate":"2020-01""#).unwrap(), "2020-01");
        assert_eq!(value(r#""valueInteger":7"#).unwrap(), "7");
        let coding = r#""valueCoding":{"system":"http://s","code":"a,b"}"#;
        assert_eq!(value(coding).unwrap(), "http://s|a\\,b");
        let reference = r#""valueReference":{"reference":"Patient/1"}"#;
        assert_eq!(value(reference).unwrap(), "Patient/1");
    }

    #[test]
    fn what_cannot_stand_in_a_url_is_none() {
        assert_eq!(value(r#""part":[{"name":"x"}]"#), None);
        assert_eq!(value(r#""valuePeriod":{"start":"2020"}"#), None);
        assert_eq!(read(r#"{"valueDate":"2020"}"#), None);
    }
}
