//! The narrative's `div`, copied as it is written.
//!
//! Only its form is looked at: well-formed, in the XHTML namespace, no entities. A declaration that
//! stands further out in the document is brought along. Which tags it may use is for validation.
//! Spec: <https://hl7.org/fhir/R4/narrative.html#xhtml>.

use std::borrow::Cow;

use compact_str::CompactString;
use quick_xml::events::Event;
use smallvec::SmallVec;

use crate::fhir::xml::markup::{Markup, Namespace, TRUNCATED, Tag, Token, split_name};
use crate::fhir::xml::{XHTML_NAMESPACE, XmlError, attribute};

/// How deep elements of the narrative may nest.
const DEPTH_MAX: usize = 256;

/// How many attributes a tag of the narrative may have when it was read from JSON.
const ATTRIBUTES_MAX: usize = 256;

/// Reads the narrative whose opening tag is `tag`, up to its closing tag.
pub(super) fn read<'a>(markup: &mut Markup<'a>, tag: &Tag<'a>) -> Result<CompactString, XmlError> {
    let start = markup.start();
    let mut scan = Scan {
        depth: markup.depth(),
        outer: SmallVec::new(),
    };
    scan.tag(markup, tag)?;
    loop {
        let event = markup.event()?;
        scan.event(markup, &event)?;
        if markup.depth() < scan.depth {
            return Ok(with_declarations(
                markup.since(start),
                tag.name,
                &scan.outer,
            ));
        }
    }
}

/// Checks a narrative that comes from JSON; drops white space around it, and declares the namespace
/// where that is missing.
pub(super) fn complete(div: &str) -> Result<Cow<'_, str>, XmlError> {
    let mut markup = super::open(div.as_bytes(), ATTRIBUTES_MAX)?;
    markup.assume(Namespace::Xhtml);
    let opened = markup.next()?;
    let trimmed = div.trim_matches(attribute::is_space);
    let Token::Open(tag) = opened else {
        return Err(markup.fail(ONE_DIV));
    };
    if tag.local != "div" || tag.namespace != Namespace::Xhtml {
        return Err(markup.fail(ONE_DIV));
    }
    let start = markup.start();
    let text = read(&mut markup, &tag)?;
    if markup.since(start) != trimmed {
        return Err(markup.fail(ONE_DIV));
    }
    Ok(if text == trimmed {
        Cow::Borrowed(trimmed)
    } else {
        Cow::Owned(text.into())
    })
}

const ONE_DIV: &str = "The narrative must be one div element in the XHTML namespace.";

struct Scan<'a> {
    /// The depth at which the `div` itself stands.
    depth: usize,
    /// Prefixes in use that are declared outside the `div`.
    outer: SmallVec<[&'a str; 2]>,
}

impl<'a> Scan<'a> {
    fn event(&mut self, markup: &mut Markup<'a>, event: &Event<'a>) -> Result<(), XmlError> {
        match event {
            Event::Start(_) => {
                let tag = markup.open()?;
                self.tag(markup, &tag)
            }
            Event::End(_) => {
                markup.close();
                Ok(())
            }
            Event::Text(text) if text.contains("]]>") => {
                Err(markup.fail("The characters ]]> must not stand in text."))
            }
            Event::GeneralRef(name) => match attribute::reference(name) {
                Ok(_character) => Ok(()),
                Err(reason) => Err(markup.fail(reason)),
            },
            Event::Text(_) | Event::CData(_) | Event::Comment(_) | Event::PI(_) => Ok(()),
            Event::Eof => Err(markup.fail(TRUNCATED)),
            Event::Decl(_) | Event::DocType(_) | Event::Empty(_) => {
                Err(markup.fail("This markup is not allowed in the narrative."))
            }
        }
    }

    fn tag(&mut self, markup: &Markup<'a>, tag: &Tag<'a>) -> Result<(), XmlError> {
        if markup.depth() - self.depth >= DEPTH_MAX {
            return Err(markup.fail("The narrative is nested deeper than this server reads."));
        }
        if tag.namespace != Namespace::Xhtml {
            return Err(markup.fail("An element of the narrative is not in the XHTML namespace."));
        }
        for attribute in &tag.attributes {
            let (prefix, _) = split_name(attribute.name);
            if !prefix.is_empty() && prefix != "xml" {
                return Err(markup.fail("An attribute of the narrative has a foreign prefix."));
            }
            if let Err(reason) = attribute::value(attribute.raw) {
                return Err(markup.fail(reason));
            }
        }
        let (prefix, _) = split_name(tag.name);
        if markup.bound(prefix)?.depth < self.depth && !self.outer.contains(&prefix) {
            self.outer.push(prefix);
        }
        Ok(())
    }
}

/// The `div` with declarations of `prefixes` added to its opening tag, which names it `name`.
fn with_declarations(div: &str, name: &str, prefixes: &[&str]) -> CompactString {
    let mut text = CompactString::with_capacity(div.len());
    let Some((head, rest)) = div.split_at_checked(1 + name.len()) else {
        return text;
    };
    text.push_str(head);
    for prefix in prefixes {
        text.push_str(" xmlns");
        if !prefix.is_empty() {
            text.push(':');
            text.push_str(prefix);
        }
        text.push_str("=\"");
        text.push_str(XHTML_NAMESPACE);
        text.push('"');
    }
    text.push_str(rest);
    text
}
