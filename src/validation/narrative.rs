//! The XHTML of `Narrative.div`: well formed, in its namespace, formatting only, nothing active.
//!
//! A browser may be shown it as HTML, so what XML and HTML read differently (CDATA, processing
//! instructions, odd comments) is refused as well. It is never changed here.
//! Spec: <https://hl7.org/fhir/R4/narrative.html#xhtml>.

use quick_xml::escape::unescape;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use crate::validation::shown::shown;

/// The namespace of XHTML.
const NAMESPACE: &str = "http://www.w3.org/1999/xhtml";

const NOT_WELL_FORMED: &str = "is not well-formed XML: every tag must be closed in its order, \
    attributes quoted, and < and & in texts escaped";
const NOT_ONE_DIV: &str =
    "must be one <div xmlns=\"http://www.w3.org/1999/xhtml\"> with nothing around it";

/// Checks the text of a `Narrative.div`: whether it shows anything, some text or an image. The
/// error says what is wrong, to stand behind the element's name.
pub(super) fn check(text: &str, depth_max: usize) -> Result<bool, String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut walk = Walk {
        depth: 0,
        depth_max,
        is_done: false,
        shows_anything: false,
    };
    loop {
        match reader.read_event() {
            Ok(Event::Eof) => return walk.finish(),
            Ok(event) => walk.event(&event)?,
            Err(_) => return Err(NOT_WELL_FORMED.to_owned()),
        }
    }
}

struct Walk {
    depth: usize,
    depth_max: usize,
    is_done: bool,
    shows_anything: bool,
}

impl Walk {
    fn event(&mut self, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(start) => {
                self.element(start)?;
                self.depth += 1;
                if self.depth > self.depth_max {
                    return Err(format!("is nested deeper than {} elements", self.depth_max));
                }
            }
            Event::Empty(start) => {
                self.element(start)?;
                self.is_done |= self.depth == 0;
            }
            Event::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                self.is_done |= self.depth == 0;
            }
            Event::Text(text) => self.text(text)?,
            Event::GeneralRef(reference) => self.reference(reference)?,
            Event::Comment(comment) if comment.contains(['<', '>']) => {
                return Err("must not hold comments with < or > inside".to_owned());
            }
            Event::CData(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) => {
                return Err(
                    "must not hold CDATA sections, processing instructions or a DOCTYPE".to_owned(),
                );
            }
            Event::Comment(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn finish(&self) -> Result<bool, String> {
        if self.depth > 0 {
            return Err(NOT_WELL_FORMED.to_owned());
        }
        if !self.is_done {
            return Err(NOT_ONE_DIV.to_owned());
        }
        Ok(self.shows_anything)
    }

    fn element(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        let name = start.name().0;
        if self.depth == 0 {
            self.root(name, start)?;
        }
        if ELEMENTS.binary_search(&name).is_err() {
            return Err(format!(
                "must not hold the element {}: only text formatting, lists, tables, links and \
                 images are allowed",
                shown(name)
            ));
        }
        self.shows_anything |= name == "img";
        if !attributes_are_apart(start) {
            return Err(NOT_WELL_FORMED.to_owned());
        }
        for attribute in start.attributes() {
            let Ok(attribute) = attribute else {
                return Err(NOT_WELL_FORMED.to_owned());
            };
            check_attribute(name, &attribute)?;
        }
        Ok(())
    }

    fn root(&self, name: &str, start: &BytesStart<'_>) -> Result<(), String> {
        // Looking for duplicates takes a time that is quadratic in their number, so only known
        // attributes get that far.
        let has_namespace = start
            .attributes()
            .with_checks(false)
            .flatten()
            .any(|attribute| attribute.key.0 == "xmlns");
        if self.is_done || name != "div" || !has_namespace {
            return Err(NOT_ONE_DIV.to_owned());
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        if text.bytes().all(|byte| byte.is_ascii_whitespace()) {
            return Ok(());
        }
        if self.depth == 0 {
            return Err(NOT_ONE_DIV.to_owned());
        }
        if text.contains("]]>") {
            return Err(NOT_WELL_FORMED.to_owned());
        }
        self.shows_anything = true;
        Ok(())
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), String> {
        if self.depth == 0 {
            return Err(NOT_ONE_DIV.to_owned());
        }
        let is_predefined = matches!(&**reference, "amp" | "lt" | "gt" | "quot" | "apos");
        let is_character = match reference.resolve_char_ref() {
            Ok(character) => character.is_some_and(is_xml_character),
            Err(_) => false,
        };
        if !is_predefined && !is_character {
            return Err(
                "must not hold HTML entities such as &nbsp;: write the character itself".to_owned(),
            );
        }
        self.shows_anything = true;
        Ok(())
    }
}

/// Whether white space stands before every attribute, which the parser does not ask for.
fn attributes_are_apart(tag: &str) -> bool {
    let mut open_quote = None;
    let mut was_closed = false;
    for letter in tag.chars() {
        if was_closed && !letter.is_ascii_whitespace() {
            return false;
        }
        was_closed = open_quote == Some(letter);
        open_quote = match open_quote {
            None if matches!(letter, '"' | '\'') => Some(letter),
            Some(quote) if quote == letter => None,
            other => other,
        };
    }
    true
}

fn is_xml_character(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}'
        | '\u{fffe}' | '\u{ffff}')
}

fn check_attribute(element: &str, attribute: &Attribute<'_>) -> Result<(), String> {
    let name = attribute.key.0;
    if name == "xmlns" {
        if attribute.value == NAMESPACE {
            return Ok(());
        }
        return Err(format!("must be in the namespace {NAMESPACE}"));
    }
    let is_own = || {
        ATTRIBUTES
            .binary_search_by(|(owner, _)| owner.cmp(&element))
            .ok()
            .and_then(|place| ATTRIBUTES.get(place))
            .is_some_and(|(_, names)| names.contains(&name))
    };
    if !COMMON_ATTRIBUTES.contains(&name) && !is_own() {
        return Err(format!(
            "must not hold the attribute {} on {element}: only attributes of text formatting are \
             allowed",
            shown(name)
        ));
    }
    let Ok(value) = unescape(&attribute.value) else {
        return Err(NOT_WELL_FORMED.to_owned());
    };
    if attribute.value.contains('<') {
        return Err(NOT_WELL_FORMED.to_owned());
    }
    match name {
        "style" if !is_plain_style(&value) => Err(
            "must not hold a style that loads or runs anything: no url(), expression(), @import, \
             behavior, and no backslash"
                .to_owned(),
        ),
        "href" | "src" | "cite" | "longdesc" | "usemap"
            if !is_plain_link(&value, name == "src") =>
        {
            Err("must not hold a link that runs script: use http, https or mailto".to_owned())
        }
        _ => Ok(()),
    }
}

fn is_plain_style(style: &str) -> bool {
    let style = style.to_ascii_lowercase();
    let active = [
        "url(",
        "expression(",
        "@import",
        "behavior",
        "-moz-binding",
        "javascript:",
        "image-set(",
        "\\",
    ];
    !active.iter().any(|word| style.contains(word))
}

/// Whether following the link or showing the image runs nothing. Browsers skip white space and
/// control characters within a scheme, and so does this.
fn is_plain_link(link: &str, is_image: bool) -> bool {
    let solid = |c: &char| !c.is_control() && !c.is_whitespace();
    let Some((scheme, rest)) = link.split_once(':') else {
        return true;
    };
    if scheme.contains(['/', '?', '#']) {
        return true;
    }
    let scheme: String = scheme.chars().filter(solid).collect();
    match scheme.to_ascii_lowercase().as_str() {
        "javascript" | "vbscript" | "livescript" | "mocha" | "blob" | "filesystem" => false,
        "data" => {
            let head: String = rest.chars().filter(solid).take(6).collect();
            is_image && head.eq_ignore_ascii_case("image/")
        }
        _ => true,
    }
}

/// The formatting elements of chapters 7 to 11 (without 9.4) and 15 of HTML 4.0, with links and
/// images; sorted.
#[rustfmt::skip]
const ELEMENTS: &[&str] = &[
    "a", "abbr", "acronym", "address", "area", "b", "bdo", "big", "blockquote", "br", "caption",
    "cite", "code", "col", "colgroup", "dd", "dfn", "div", "dl", "dt", "em", "h1", "h2", "h3",
    "h4", "h5", "h6", "hr", "i", "img", "kbd", "li", "map", "ol", "p", "pre", "q", "samp", "small",
    "span", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt",
    "ul", "var",
];

/// Attributes that any element may carry; those of cells, rows and columns among them.
#[rustfmt::skip]
const COMMON_ATTRIBUTES: &[&str] = &[
    "class", "style", "id", "title", "lang", "xml:lang", "dir", "accesskey", "tabindex",
    "colspan", "rowspan", "align", "valign", "width", "span", "scope", "headers", "abbr", "axis",
    "char", "charoff", "xml:id", "xml:space",
];

/// Attributes of single elements, by element; sorted.
#[rustfmt::skip]
const ATTRIBUTES: &[(&str, &[&str])] = &[
    ("a", &["charset", "coords", "href", "hreflang", "name", "rel", "rev", "shape", "type"]),
    ("area", &["alt", "coords", "href", "nohref", "shape"]),
    ("blockquote", &["cite"]),
    ("hr", &["noshade", "size"]),
    ("img", &["alt", "border", "height", "ismap", "longdesc", "src", "usemap"]),
    ("li", &["type", "value"]),
    ("map", &["name"]),
    ("ol", &["compact", "start", "type"]),
    ("pre", &["space"]),
    ("q", &["cite"]),
    ("table", &["border", "cellpadding", "cellspacing", "frame", "rules", "summary"]),
    ("td", &["height", "nowrap"]),
    ("th", &["height", "nowrap"]),
    ("ul", &["compact", "type"]),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ATTRIBUTES, ELEMENTS, check};

    fn inside(content: &str) -> Result<bool, String> {
        check(
            &format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{content}</div>"),
            64,
        )
    }

    #[test]
    fn formatting_is_allowed() {
        for good in [
            "text",
            "&amp;&#160;&#xe4;",
            "<p class=\"x\" style=\"color: #a00; margin: 0\">a<br/>b</p>",
            "<table border='1'><tr><td colspan=\"2\">x</td></tr></table>",
            "<a href=\"http://a.b/c?d=1&amp;e=2\">x</a>",
            "<a href=\"Patient/1:2\">x</a><a name=\"here\"/>",
            "<img src=\"data:image/png;base64,QQ==\" alt=\"x\"/>",
            "<img src=\"#part\"/>",
            "<!-- plain -->x",
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>",
            "<ul ><li >x</li ></ul >",
        ] {
            assert_eq!(inside(good), Ok(true), "{good}");
        }
        assert_eq!(
            check(" <div xmlns='http://www.w3.org/1999/xhtml'>x</div>\n", 64),
            Ok(true)
        );
    }

    #[test]
    fn silence_is_noticed() {
        for silent in ["", " ", "<p> </p>", "<!-- x -->", "<br/>"] {
            assert_eq!(inside(silent), Ok(false), "{silent}");
        }
    }

    #[test]
    fn anything_active_is_refused() {
        for bad in [
            "<script>1</script>",
            "<SCRIPT>1</SCRIPT>",
            "<iframe src=\"http://a\"/>",
            "<object/>",
            "<form>x</form>",
            "<input/>",
            "<svg>x</svg>",
            "<style>p {}</style>",
            "<link href=\"a\"/>",
            "<ins>x</ins>",
            "<p onclick=\"x()\">x</p>",
            "<p ONCLICK=\"x()\">x</p>",
            "<a href=\"javascript:x()\">x</a>",
            "<a href=\" java\tscript:x()\">x</a>",
            "<a href=\"&#106;avascript:x()\">x</a>",
            "<a href=\"JaVaScRiPt&#58;x()\">x</a>",
            "<a href=\"data:text/html,x\">x</a>",
            "<img src=\"data:text/html,x\"/>",
            "<p style=\"background: url(http://a)\">x</p>",
            "<p style=\"background: UR&#76;(http://a)\">x</p>",
            "<p style=\"background: u\\72l(http://a)\">x</p>",
            "<p style=\"width: expression(x)\">x</p>",
            "<!--><script>1</script>-->x",
            "<![CDATA[ > ]]>x",
            "<?php x ?>x",
            "<x:p xmlns:x=\"http://www.w3.org/1999/xhtml\">x</x:p>",
            "<p xmlns=\"http://www.w3.org/2000/svg\">x</p>",
        ] {
            assert!(inside(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn it_is_well_formed_and_has_one_root() {
        for bad in [
            "<p>x",
            "<p>x</b>",
            "x</p>",
            "a & b",
            "&nbsp;",
            "&#0;",
            "&#xfffe;",
            "<p class=x>x</p>",
            "<p class=\"a\" class=\"b\">x</p>",
            "<p title=\"a<b\">x</p>",
            "<p title=\"&nbsp;\">x</p>",
            "a < b",
            "a ]]> b",
            "<p class=\"a\"title=\"b\">x</p>",
            "<img src='a'alt=\"b\"/>",
        ] {
            assert!(inside(bad).is_err(), "{bad}");
        }
        assert!(inside("<p class=\"it's\" title='\"'\n>x ]] ></p>").is_ok());
        for bad in [
            "",
            "text",
            "<div>x</div>",
            "<p xmlns=\"http://www.w3.org/1999/xhtml\">x</p>",
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div><p/>",
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>y",
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">x",
            "<div xmlns=\"\">x</div>",
            "<?xml version=\"1.0\"?><div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>",
            "<!DOCTYPE div><div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>",
            "&amp;<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>",
        ] {
            assert!(check(bad, 64).is_err(), "{bad}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |count: usize| format!("{}x{}", "<b>".repeat(count), "</b>".repeat(count));
        assert_eq!(inside(&deep(63)), Ok(true));
        assert!(inside(&deep(64)).unwrap_err().contains("64"));
        assert!(inside(&deep(100_000)).is_err());
    }

    #[test]
    fn the_tables_are_sorted() {
        assert!(ELEMENTS.is_sorted());
        assert!(ATTRIBUTES.is_sorted_by_key(|(element, _)| *element));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(<|>|/|&|;|div|script|!|-|\\[|\"|=| |x){0,40}") {
            let whole = check(&text, 8);
            let part = inside(&text);
            prop_assert!(whole.is_err() || !text.contains("script"));
            prop_assert!(part.is_err() || !text.contains("<script"));
        }
    }
}
