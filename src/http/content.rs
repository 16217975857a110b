//! The raw content of a `Binary`: who wants it instead of the resource, and how it goes out.
//!
//! Whoever names a FHIR format gets the resource, everybody else what it holds, in its own type.
//! Content is somebody's file on our origin: it is to be saved, and never runs as a page of ours.
//! Spec: <https://hl7.org/fhir/R4/binary.html#rest>.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::header::{
    ACCEPT, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, VARY,
};
use http::{HeaderMap, HeaderValue, Method};

use crate::fhir::query;
use crate::fhir::resource::{Node, Object, Resource};
use crate::http::format::Media;
use crate::http::payload::Payload;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// The header that says whose content it is: `Binary.securityContext`.
pub const X_SECURITY_CONTEXT: HeaderName = HeaderName::from_static("x-security-context");

/// What content is when nothing usable says it.
const UNKNOWN_CONTENT: &str = "application/octet-stream";

/// Nothing of stored content is ever run: no script, no form, no origin.
const SANDBOX: &str = "default-src 'none'; sandbox";

/// Parameters that speak of a resource's representation.
const OF_RESOURCES: [&str; 4] = ["_format", "_pretty", "_summary", "_elements"];

/// Names of JSON and XML that do not say whether FHIR's is meant.
const GENERIC: [&str; 4] = [
    "application/json",
    "text/json",
    "application/xml",
    "text/xml",
];

/// Padding and the bits behind the last byte as validation lets them pass.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Whether a request may be answered by the content of a `Binary`, in a type that is not FHIR's.
pub fn may_be_read(request: &Request) -> bool {
    let reads = request.method() == Method::GET || request.method() == Method::HEAD;
    reads && request.uri().path().starts_with("/fhir/Binary/")
}

/// Whether a reader wants the content of a `Binary` instead of the resource.
pub fn is_wanted(headers: &HeaderMap, query_text: &str, content_type: &str) -> bool {
    let pairs = query::pairs(query_text);
    let speaks_of_it = |name: &&str| query::first(&pairs, name).is_some();
    if OF_RESOURCES.iter().any(speaks_of_it) {
        return false;
    }
    let values = headers.get_all(ACCEPT).iter();
    let asked: Vec<Media> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(',').filter_map(Media::parse))
        .filter(|media| media.quality > 0.0)
        .collect();
    let own = Media::parse(content_type).map_or_else(String::new, |media| media.mime);
    let best = |is_meant: &dyn Fn(&str) -> bool| {
        let meant = asked.iter().filter(|media| is_meant(&media.mime));
        meant.map(|media| media.quality).reduce(f32::max)
    };
    if let Some(fhir) = best(&is_fhir) {
        return best(&|mime| mime == own).is_some_and(|quality| quality > fhir);
    }
    let is_acceptable = best(&|mime| covers(mime, &own)).is_some();
    is_acceptable || best(&|mime| GENERIC.contains(&mime)).is_none()
}

fn is_fhir(mime: &str) -> bool {
    mime.starts_with("application/fhir")
        || mime == "application/json+fhir"
        || mime == "application/xml+fhir"
}

/// Whether a media range covers a media type.
fn covers(range: &str, mime: &str) -> bool {
    if range == "*/*" || range == mime {
        return true;
    }
    let family = range.strip_suffix('*').filter(|rest| rest.ends_with('/'));
    family.is_some_and(|family| mime.starts_with(family))
}

/// What a `Binary` says its content is.
pub fn type_of(binary: &Resource) -> &str {
    let stated = binary.object().get_str("contentType");
    stated
        .filter(|text| is_media_type(text))
        .unwrap_or(UNKNOWN_CONTENT)
}

/// The content of a `Binary` as an answer; `payload` has the headers of its version.
pub fn answer(binary: &Resource, payload: Payload) -> Result<Response, Outcome> {
    let mut response = Response::new(Body::from(decode(binary)?));
    let headers = response.headers_mut();
    for (name, value) in payload.headers {
        headers.insert(name, value);
    }
    let stated = HeaderValue::from_str(type_of(binary));
    let unknown = HeaderValue::from_static(UNKNOWN_CONTENT);
    headers.insert(CONTENT_TYPE, stated.unwrap_or(unknown));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    let context = binary.object().get("securityContext");
    let reference = context.and_then(|context| context.get("reference")?.as_str());
    if let Some(Ok(value)) = reference.map(HeaderValue::from_str) {
        headers.insert(X_SECURITY_CONTEXT, value);
    }
    Ok(response)
}

fn decode(binary: &Resource) -> Result<Bytes, Outcome> {
    let text = binary.object().get_str("data").unwrap_or_default();
    let is_spaced = text.bytes().any(|byte| byte.is_ascii_whitespace());
    let decoded = if is_spaced {
        let dense: Vec<u8> = text
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        BASE64.decode(dense)
    } else {
        BASE64.decode(text)
    };
    decoded
        .map(Bytes::from)
        .map_err(|error| Outcome::internal(format!("stored content is not base64: {error}")))
}

/// The `Binary` that holds content of this type.
pub fn wrap(id: Option<&str>, content_type: &str, content: &[u8]) -> Result<Resource, Outcome> {
    let mut object = Object::new();
    object.push("resourceType".into(), "Binary".into());
    if let Some(id) = id {
        object.push("id".into(), id.into());
    }
    object.push("contentType".into(), content_type.into());
    object.push("data".into(), Node::String(BASE64.encode(content).into()));
    Resource::from_object(object)
        .map_err(|_object| Outcome::internal("a Binary was not taken for one"))
}

/// The type of content, as it will be stored: the whole header, parameters too.
pub fn type_of_sent(headers: &HeaderMap) -> Result<String, Outcome> {
    let value = headers.get(CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok());
    let words: Vec<&str> = text.unwrap_or_default().split_ascii_whitespace().collect();
    let text = words.join(" ");
    if is_media_type(&text) {
        return Ok(text);
    }
    Err(Outcome::new(
        Kind::UnsupportedMediaType,
        "Content-Type must be the media type of the content, as in application/pdf.",
    ))
}

/// `type/subtype`, with or without parameters.
fn is_media_type(text: &str) -> bool {
    let mime = text.split(';').next().unwrap_or_default().trim_end();
    let is_token = |part: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
        !part.is_empty() && part.bytes().all(is_allowed)
    };
    mime.split_once('/')
        .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// Puts `X-Security-Context` into a `Binary`; one that says something else itself is refused.
pub fn set_security_context(headers: &HeaderMap, binary: &mut Resource) -> Result<(), Outcome> {
    let mut values = headers.get_all(X_SECURITY_CONTEXT).iter();
    let Some(value) = values.next() else {
        return Ok(());
    };
    let refused = |text: &str| Err(Outcome::new(Kind::Invalid, text));
    let Some(reference) = value.to_str().ok().filter(|_| values.next().is_none()) else {
        return refused("X-Security-Context must be one reference, as in Patient/123.");
    };
    let object = binary.object_mut();
    match object.get("securityContext") {
        None => {
            let mut context = Object::new();
            context.push("reference".into(), reference.into());
            object.set("securityContext", Node::Object(context));
            Ok(())
        }
        Some(stated) if stated.get("reference").and_then(Node::as_str) == Some(reference) => Ok(()),
        Some(_) => refused(
            "X-Security-Context and Binary.securityContext say different things: one is enough.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::{ACCEPT, CONTENT_TYPE};
    use proptest::prelude::*;

    use super::{decode, is_wanted, set_security_context, type_of_sent, wrap};
    use crate::fhir::resource::Node;

    fn wanted(accept: &str, query: &str, content_type: &str) -> bool {
        let mut headers = HeaderMap::new();
        if !accept.is_empty() {
            headers.insert(ACCEPT, accept.parse().unwrap());
        }
        is_wanted(&headers, query, content_type)
    }

    #[test]
    fn who_names_no_fhir_format_wants_the_content() {
        let pdf = "application/pdf";
        for accept in [
            "",
            "*/*",
            pdf,
            "application/*",
            "image/avif,image/webp,*/*;q=0.8",
            "application/json, text/plain, */*",
            "text/plain",
            "application/fhir+json;q=0.5, application/pdf",
        ] {
            assert!(wanted(accept, "", pdf), "{accept}");
        }
        assert!(wanted("application/json", "", "application/json"));
        assert!(wanted("text/*", "", "text/html; charset=utf-8"));
        for accept in [
            "application/fhir+json",
            "application/fhir+xml, */*",
            "application/fhir+turtle",
            "application/json",
            "text/xml;q=0.3, image/*",
            "application/pdf, application/fhir+json",
        ] {
            assert!(!wanted(accept, "", pdf), "{accept}");
        }
        assert!(!wanted("", "_format=json", pdf));
        assert!(!wanted("", "_summary=true", pdf));
        assert!(!wanted(
            "application/fhir+json",
            "",
            "application/fhir+json"
        ));
    }

    #[test]
    fn content_says_what_it_is() {
        let stated = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, text.parse().unwrap());
            type_of_sent(&headers).ok()
        };
        let plain = stated("text/plain;  charset=utf-8");
        assert_eq!(plain.as_deref(), Some("text/plain; charset=utf-8"));
        for bad in ["", "pdf", "*/*", "application/*", "a/b c", "/", "a/"] {
            assert_eq!(stated(bad), None, "{bad}");
        }
        assert!(type_of_sent(&HeaderMap::new()).is_err());
    }

    #[test]
    fn spaces_and_loose_bits_in_base64_are_read() {
        let mut binary = wrap(None, "text/plain", b"").unwrap();
        binary.object_mut().set("data", "QU \nJ\tD".into());
        assert_eq!(&*decode(&binary).unwrap(), b"ABC");
        binary.object_mut().set("data", "QR==".into());
        assert_eq!(&*decode(&binary).unwrap(), b"A");
    }

    #[test]
    fn a_security_context_is_said_once() {
        let mut headers = HeaderMap::new();
        let mut binary = wrap(None, "text/plain", b"x").unwrap();
        set_security_context(&headers, &mut binary).unwrap();
        assert!(!binary.object().contains("securityContext"));
        headers.insert("x-security-context", "Patient/1".parse().unwrap());
        set_security_context(&headers, &mut binary).unwrap();
        set_security_context(&headers, &mut binary).unwrap();
        let context = binary.object().get("securityContext").unwrap();
        assert_eq!(
            context.get("reference").and_then(Node::as_str),
            Some("Patient/1")
        );
        headers.insert("x-security-context", "Patient/2".parse().unwrap());
        assert!(set_security_context(&headers, &mut binary).is_err());
        headers.append("x-security-context", "Patient/1".parse().unwrap());
        assert!(set_security_context(&headers, &mut binary).is_err());
    }

    proptest! {
        #[test]
        fn content_comes_back(content in prop::collection::vec(any::<u8>(), 1..200)) {
            let binary = wrap(None, "application/x", &content).unwrap();
            prop_assert_eq!(decode(&binary).unwrap(), content);
        }
    }
}
