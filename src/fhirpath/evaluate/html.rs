//! `htmlChecks()`: whether a narrative keeps to the tags and attributes that FHIR allows and says
//! something.
//!
//! Spec: <https://hl7.org/fhir/R4/narrative.html#xhtml>.

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

const TAGS: [&str; 63] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "b",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "map",
    "area",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "center",
    "font",
    "dir",
    "menu",
];

/// Whether the text of a `div` is acceptable.
pub(super) fn is_acceptable(text: &str) -> bool {
    let mut reader = Reader::from_str(text);
    let mut depth = 0_usize;
    let mut says_something = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) if is_allowed(&tag, depth) => {
                says_something |= tag.local_name().as_ref() == "img";
                depth += 1;
            }
            Ok(Event::Empty(tag)) if is_allowed(&tag, depth) => {
                says_something |= tag.local_name().as_ref() == "img";
            }
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Text(words)) => {
                says_something |= !words.trim().is_empty();
            }
            Ok(Event::CData(_) | Event::GeneralRef(_)) => says_something = true,
            Ok(Event::Comment(_)) => {}
            Ok(Event::Eof) => return depth == 0 && says_something,
            _ => return false,
        }
    }
}

fn is_allowed(tag: &BytesStart<'_>, depth: usize) -> bool {
    let name = tag.local_name();
    let name: &str = name.as_ref();
    (depth > 0 || name == "div")
        && TAGS.contains(&name)
        && tag.attributes().all(|attribute| {
            attribute.is_ok_and(|attribute| is_harmless(attribute.key.as_ref(), &attribute.value))
        })
}

/// No scripts, neither as an event nor behind a link.
fn is_harmless(key: &str, value: &str) -> bool {
    let is_script = value
        .trim_start()
        .split_at_checked("javascript:".len())
        .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("javascript:"));
    !is_script && !key.starts_with("on")
}
