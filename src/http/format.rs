//! Which representation the client wants, and which one it sent.
//!
//! `_format` counts before `Accept`. Spec: <https://hl7.org/fhir/R4/http.html#mime-type>.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

use crate::fhir::query;
use crate::fhir::subset::Subset;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// The two formats of FHIR that this server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/fhir+json`
    Json,
    /// `application/fhir+xml`
    Xml,
}

impl Format {
    /// The content type of answers in this format.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/fhir+json; fhirVersion=4.0; charset=utf-8",
            Self::Xml => "application/fhir+xml; fhirVersion=4.0; charset=utf-8",
        }
    }

    fn of_mime(mime: &str) -> Option<Self> {
        match mime {
            "application/fhir+json"
            | "application/json"
            | "text/json"
            | "json"
            | "application/json+fhir"
            | "application/fhir json"
            | "application/*"
            | "*/*"
            | "text/html"
            | "application/xhtml+xml" => Some(Self::Json),
            "application/fhir+xml"
            | "application/xml"
            | "text/xml"
            | "xml"
            | "application/xml+fhir"
            | "application/fhir xml" => Some(Self::Xml),
            _ => None,
        }
    }
}

/// How the client wants to see the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The format.
    pub format: Format,
    /// Whether it is laid out for reading.
    pub is_pretty: bool,
    /// Which part of resources it shows.
    pub subset: Subset,
}

impl View {
    /// The view of answers to requests that cannot be understood.
    pub const fn plain() -> Self {
        Self {
            format: Format::Json,
            is_pretty: false,
            subset: Subset::Whole,
        }
    }

    /// Reads `_format`, `_pretty`, `_summary`, `_elements` and `Accept`.
    pub fn negotiate(headers: &HeaderMap, query_text: &str) -> Result<Self, Outcome> {
        query::check(query_text)
            .map_err(|error| Outcome::new(Kind::Malformed, error.to_string()))?;
        let pairs = query::pairs(query_text);
        let format = match query::first(&pairs, "_format") {
            Some(wanted) => from_parameter(wanted)?,
            None => from_accept(headers)?,
        };
        let is_pretty = match query::first(&pairs, "_pretty") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                return Err(Outcome::new(
                    Kind::Malformed,
                    "_pretty must be true or false.",
                ));
            }
        };
        let summary = query::first(&pairs, "_summary");
        let subset = Subset::from_parameters(summary, query::first(&pairs, "_elements"))
            .map_err(|reason| Outcome::new(Kind::Malformed, reason))?;
        Ok(Self {
            format,
            is_pretty,
            subset,
        })
    }
}

fn from_parameter(wanted: &str) -> Result<Format, Outcome> {
    let media = Media::parse(wanted);
    media
        .filter(Media::is_r4)
        .and_then(|media| Format::of_mime(&media.mime))
        .ok_or_else(|| {
            Outcome::new(
                Kind::NotAcceptable,
                "_format must be json, xml, application/fhir+json or application/fhir+xml.",
            )
        })
}

fn from_accept(headers: &HeaderMap) -> Result<Format, Outcome> {
    let mut best: Option<(f32, Format)> = None;
    let mut asked = false;
    for value in headers.get_all(ACCEPT) {
        let text = value.to_str().unwrap_or_default();
        for media in text.split(',').filter_map(Media::parse) {
            asked = true;
            let Some(format) = Format::of_mime(&media.mime).filter(|_| media.is_r4()) else {
                continue;
            };
            if media.quality > 0.0 && best.is_none_or(|(quality, _)| media.quality > quality) {
                best = Some((media.quality, format));
            }
        }
    }
    match (best, asked) {
        (Some((_, format)), _) => Ok(format),
        (None, false) => Ok(Format::Json),
        (None, true) => Err(Outcome::new(
            Kind::NotAcceptable,
            "Accept must allow application/fhir+json or application/fhir+xml, fhirVersion 4.0.",
        )),
    }
}

/// The format of a request body.
pub fn of_content(headers: &HeaderMap) -> Result<Format, Outcome> {
    let media = content_media(headers)?;
    match media.mime.as_str() {
        "application/*" | "*/*" | "text/html" | "application/xhtml+xml" => None,
        mime => Format::of_mime(mime).filter(|_| media.is_r4()),
    }
    .ok_or_else(|| {
        Outcome::new(
            Kind::UnsupportedMediaType,
            "Content-Type must be application/fhir+json or application/fhir+xml, fhirVersion 4.0.",
        )
    })
}

/// The bare media type of a request body, in lower case.
pub fn content_mime(headers: &HeaderMap) -> Result<String, Outcome> {
    content_media(headers).map(|media| media.mime)
}

fn content_media(headers: &HeaderMap) -> Result<Media, Outcome> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let text = values.next().and_then(|value| value.to_str().ok());
    if values.next().is_some() {
        return Err(Outcome::new(
            Kind::Invalid,
            "The header Content-Type stands here twice: the body could be either.",
        ));
    }
    text.and_then(Media::parse).ok_or_else(|| {
        Outcome::new(
            Kind::UnsupportedMediaType,
            "Content-Type is missing: say what the body is.",
        )
    })
}

/// A media range with the parameters that matter.
pub(super) struct Media {
    pub(super) mime: String,
    pub(super) quality: f32,
    fhir_version: Option<String>,
}

impl Media {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let mime = parts
            .next()
            .filter(|mime| !mime.is_empty())?
            .to_ascii_lowercase();
        let mut media = Self {
            mime,
            quality: 1.0,
            fhir_version: None,
        };
        for part in parts {
            let Some((name, value)) = part.split_once('=') else {
                continue;
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => media.quality = value.trim().parse().unwrap_or(0.0),
                "fhirversion" => {
                    media.fhir_version = Some(value.trim().trim_matches('"').to_owned());
                }
                _ => {}
            }
        }
        Some(media)
    }

    fn is_r4(&self) -> bool {
        self.fhir_version
            .as_deref()
            .is_none_or(|v| v == "4.0" || v == "4.0.1")
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, CONTENT_TYPE};
    use http::{HeaderMap, HeaderValue};

    use super::{Format, View, of_content};
    use crate::outcome::kind::Kind;

    fn accepted(accept: &'static str) -> Result<Format, Kind> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        View::negotiate(&headers, "")
            .map(|view| view.format)
            .map_err(|outcome| outcome.kind)
    }

    #[test]
    fn the_best_acceptable_format_wins() {
        assert_eq!(accepted("application/fhir+xml"), Ok(Format::Xml));
        assert_eq!(
            accepted("application/fhir+xml;q=0.5, application/json"),
            Ok(Format::Json)
        );
        assert_eq!(
            accepted("text/html,application/xhtml+xml,*/*;q=0.8"),
            Ok(Format::Json)
        );
        assert_eq!(
            accepted("application/fhir+json; fhirVersion=4.0"),
            Ok(Format::Json)
        );
        assert_eq!(
            accepted("application/fhir+json; fhirVersion=3.0"),
            Err(Kind::NotAcceptable)
        );
        assert_eq!(accepted("text/turtle"), Err(Kind::NotAcceptable));
        assert_eq!(
            View::negotiate(&HeaderMap::new(), "").unwrap().format,
            Format::Json
        );
    }

    #[test]
    fn the_parameter_counts_before_the_header() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/turtle"));
        let view = View::negotiate(&headers, "_format=application%2Ffhir%2Bxml&_pretty=true");
        let view = view.unwrap();
        assert_eq!((view.format, view.is_pretty), (Format::Xml, true));
        assert!(View::negotiate(&headers, "_format=ttl").is_err());
        assert!(View::negotiate(&HeaderMap::new(), "_pretty=yes").is_err());
    }

    #[test]
    fn a_body_must_say_what_it_is() {
        let mut headers = HeaderMap::new();
        assert_eq!(
            of_content(&headers).unwrap_err().kind,
            Kind::UnsupportedMediaType
        );
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        assert_eq!(
            of_content(&headers).unwrap_err().kind,
            Kind::UnsupportedMediaType
        );
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json;charset=UTF-8"),
        );
        assert_eq!(of_content(&headers).unwrap(), Format::Json);
    }
}
