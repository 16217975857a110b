//! The document as a run of opening and closing tags with their namespaces.
//!
//! quick-xml finds the tags; here stands what it leaves to its caller: a DOCTYPE, text between
//! elements, a foreign encoding and malformed tags are refused. The inside of the narrative is read
//! by [`super::narrative`]. Spec: <https://www.w3.org/TR/xml-names/>.

use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::events::{BytesDecl, Event};
use smallvec::SmallVec;

use crate::fhir::xml::attribute::{self, Attribute, Attributes};
use crate::fhir::xml::{FHIR_NAMESPACE, XHTML_NAMESPACE, XmlError, fail};

const XSI_NAMESPACE: &str = "http://www.w3.org/2001/XMLSchema-instance";

pub(super) const TRUNCATED: &str = "The document ends before it is complete.";

/// What a prefix, or no prefix, stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    /// FHIR's own.
    Fhir,
    /// The narrative's.
    Xhtml,
    /// That of `xsi:schemaLocation`.
    Xsi,
    /// Any other, or none.
    Other,
}

/// An opening tag.
#[derive(Debug)]
pub(super) struct Tag<'a> {
    /// The namespace of the element.
    pub(super) namespace: Namespace,
    /// The name as it stands there.
    pub(super) name: &'a str,
    /// The name without its prefix.
    pub(super) local: &'a str,
    /// The attributes that declare no namespace.
    pub(super) attributes: SmallVec<[Attribute<'a>; 4]>,
}

/// The next piece of a document.
#[derive(Debug)]
pub(super) enum Token<'a> {
    /// An opening tag; an empty element is one that is closed at once.
    Open(Tag<'a>),
    /// The tag that closes the innermost open element.
    Close,
    /// The end of the document.
    End,
}

/// Prefixes declared in the open elements: a lookup goes through all of them.
const PREFIXES_AT_ONCE_MAX: usize = 64;

/// A declared prefix, in the element it was declared in and those inside.
#[derive(Debug, Clone, Copy)]
struct Binding<'a> {
    prefix: &'a str,
    namespace: Namespace,
    depth: usize,
}

/// A prefix that was looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// What it stands for.
    pub(super) namespace: Namespace,
    /// How many elements were open where it was declared, that one included; 0 outside all.
    pub(super) depth: usize,
}

/// The reader of a document.
pub(super) struct Markup<'a> {
    reader: Reader<&'a [u8]>,
    text: &'a str,
    start: usize,
    depth: usize,
    bindings: Vec<Binding<'a>>,
    attributes_max: usize,
}

impl<'a> Markup<'a> {
    /// A reader of `text`.
    pub(super) fn new(text: &'a str, attributes_max: usize) -> Self {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_comments = true;
        Self {
            reader,
            text,
            start: 0,
            depth: 0,
            bindings: Vec::new(),
            attributes_max,
        }
    }

    /// Declares what elements without a prefix are before any declaration.
    pub(super) fn assume(&mut self, namespace: Namespace) {
        self.bindings.push(Binding {
            prefix: "",
            namespace,
            depth: 0,
        });
    }

    /// The next tag; comments and processing instructions are skipped.
    pub(super) fn next(&mut self) -> Result<Token<'a>, XmlError> {
        loop {
            match self.event()? {
                Event::Start(_) => return self.open().map(Token::Open),
                Event::End(_) => {
                    self.close();
                    return Ok(Token::Close);
                }
                Event::Eof => return Ok(Token::End),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if text.chars().all(attribute::is_space) => {}
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                    return Err(self.fail(
                        "Text must not stand here: values stand in the attribute value, and only \
                         the narrative has text.",
                    ));
                }
                Event::Decl(declaration) => self.declaration(&declaration)?,
                Event::DocType(_) => return Err(self.fail(DOCTYPE_REFUSED)),
                Event::Empty(_) => return Err(self.fail(NOT_UNDERSTOOD)),
            }
        }
    }

    /// The next event as quick-xml sees it.
    pub(super) fn event(&mut self) -> Result<Event<'a>, XmlError> {
        self.start = self.position();
        let event = self.reader.read_event();
        event.map_err(|error| {
            let at = usize::try_from(self.reader.error_position()).unwrap_or(self.start);
            fail(at, syntax_reason(&error))
        })
    }

    /// Takes in the opening tag just read: its scope, its name and its attributes.
    pub(super) fn open(&mut self) -> Result<Tag<'a>, XmlError> {
        self.depth += 1;
        let inner = self.since(self.start);
        let inner = inner
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'))
            .unwrap_or_default();
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let name_end = inner.find(attribute::is_space).unwrap_or(inner.len());
        let (name, rest) = inner.split_at_checked(name_end).unwrap_or((inner, ""));
        if !attribute::is_name(name) {
            return Err(self.fail("This is not the name of an element."));
        }
        let attributes = self.attributes(rest)?;
        let (prefix, local) = split_name(name);
        let bound = self.bound(prefix)?;
        Ok(Tag {
            namespace: bound.namespace,
            name,
            local,
            attributes,
        })
    }

    /// Ends the scope of the innermost open element.
    pub(super) fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        while self.bindings.last().is_some_and(|b| b.depth > self.depth) {
            self.bindings.pop();
        }
    }

    /// What `prefix` stands for here; the empty prefix is that of names without one.
    pub(super) fn bound(&self, prefix: &str) -> Result<Bound, XmlError> {
        let found = self.bindings.iter().rev().find(|b| b.prefix == prefix);
        match found {
            Some(binding) => Ok(Bound {
                namespace: binding.namespace,
                depth: binding.depth,
            }),
            None if prefix.is_empty() => Ok(Bound {
                namespace: Namespace::Other,
                depth: 0,
            }),
            None => Err(self.fail("This prefix is not declared: xmlns must say what it means.")),
        }
    }

    /// How many elements are open.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Where the event just read begins.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// The document from `start` up to the end of the event just read.
    pub(super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.position()).unwrap_or_default()
    }

    /// An error at the event just read.
    pub(super) fn fail(&self, reason: impl Into<std::borrow::Cow<'static, str>>) -> XmlError {
        fail(self.start, reason)
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// Reads the attributes; what declares a namespace goes into the scope.
    fn attributes(&mut self, rest: &'a str) -> Result<SmallVec<[Attribute<'a>; 4]>, XmlError> {
        let mut attributes: SmallVec<[Attribute<'a>; 4]> = SmallVec::new();
        let mut declared: SmallVec<[&str; 4]> = SmallVec::new();
        for read in Attributes::new(rest) {
            let read = read.map_err(|reason| self.fail(reason))?;
            if attributes.len() + declared.len() >= self.attributes_max {
                return Err(self.fail("The tag has more attributes than this server reads."));
            }
            let is_second = |known: &str| known == read.name;
            if attributes.iter().any(|a| is_second(a.name)) || declared.iter().any(|d| is_second(d))
            {
                return Err(self.fail("An attribute stands in this tag twice."));
            }
            let prefix = match split_name(read.name) {
                ("", "xmlns") => "",
                ("xmlns", prefix) => prefix,
                _ => {
                    attributes.push(read);
                    continue;
                }
            };
            self.declare(prefix, read)?;
            declared.push(read.name);
        }
        Ok(attributes)
    }

    fn declare(&mut self, prefix: &'a str, declaration: Attribute<'a>) -> Result<(), XmlError> {
        let uri = attribute::value(declaration.raw).map_err(|reason| self.fail(reason))?;
        if prefix == "xml" || prefix == "xmlns" || (uri.is_empty() && !prefix.is_empty()) {
            return Err(self.fail("A prefix is declared in a way that XML does not allow."));
        }
        let namespace = match uri.as_str() {
            FHIR_NAMESPACE => Namespace::Fhir,
            XHTML_NAMESPACE => Namespace::Xhtml,
            XSI_NAMESPACE => Namespace::Xsi,
            _ => Namespace::Other,
        };
        let is_prefixed = |binding: &&Binding<'_>| !binding.prefix.is_empty();
        if !prefix.is_empty()
            && self.bindings.iter().filter(is_prefixed).count() >= PREFIXES_AT_ONCE_MAX
        {
            return Err(self.fail("More prefixes are declared here than this server reads."));
        }
        self.bindings.push(Binding {
            prefix,
            namespace,
            depth: self.depth,
        });
        Ok(())
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), XmlError> {
        if self.start != 0 {
            return Err(self.fail("The XML declaration must stand at the very beginning."));
        }
        match declaration.version() {
            Ok(version) if version == "1.0" => {}
            _ => return Err(self.fail("The XML declaration must name version 1.0.")),
        }
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(name)) if name.eq_ignore_ascii_case("UTF-8") => Ok(()),
            Some(_) => Err(self.fail("UTF-8 is the only encoding that is read.")),
        }
    }
}

const DOCTYPE_REFUSED: &str = "A DOCTYPE is not allowed, and no entities with it.";
const NOT_UNDERSTOOD: &str = "This markup is not understood.";

fn syntax_reason(error: &Error) -> &'static str {
    match error {
        Error::Syntax(_) => TRUNCATED,
        Error::IllFormed(IllFormedError::MismatchedEndTag { .. }) => {
            "This closing tag does not match the element that is open."
        }
        Error::IllFormed(IllFormedError::UnmatchedEndTag(_)) => {
            "There is something behind the end of the document."
        }
        Error::IllFormed(IllFormedError::DoubleHyphenInComment) => {
            "A comment must not contain two hyphens in a row."
        }
        Error::IllFormed(IllFormedError::UnclosedReference) => {
            "The character & must be written as &amp;."
        }
        _ => NOT_UNDERSTOOD,
    }
}

/// Prefix and local name; the prefix is empty when there is none.
pub(super) fn split_name(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or(("", name))
}
