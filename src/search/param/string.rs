//! String parameters: texts that begin with the searched one, whatever its case and accents.
//!
//! Keys: parameter, hash of the first 1 to 12 characters of the comparable form; and a marked one
//! of the whole. A longer search is verified on the resource. A name or an address is found by each
//! of its parts and by each word of them.
//! Spec: <https://hl7.org/fhir/R4/search.html#string>.

use crate::fhir::resource::{Node, Object};
use crate::seal::blind::Domain;
use crate::search::escape;
use crate::search::hasher::Hasher;
use crate::search::key::{Key, ParameterNumber};
use crate::search::param::{DataType, Found, KeyWriter};
use crate::search::plan::Predicate;
use crate::search::text::normalise;

/// Characters of the longest prefix that has a key.
pub const PREFIX_CHARACTERS_MAX: usize = 12;

/// Marks the key of a whole text.
const WHOLE_MARKER: u8 = 2;

const NAME_PARTS: [&str; 5] = ["family", "given", "prefix", "suffix", "text"];

const ADDRESS_PARTS: [&str; 7] = [
    "line",
    "city",
    "district",
    "state",
    "postalCode",
    "country",
    "text",
];

/// What a string value asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringCondition {
    /// The comparable form of the beginning.
    pub beginning: String,
}

/// Writes the keys of a value.
pub fn index(value: &Found<'_>, writer: &mut KeyWriter<'_, '_>) {
    each_text(value, &mut |text, has_words| {
        let whole = normalise(text);
        if whole.is_empty() {
            return;
        }
        writer
            .keys
            .push(whole_key(writer.parameter, &whole, writer.hasher));
        for beginning in beginnings(&whole, has_words) {
            prefix_keys(beginning, writer);
        }
    });
}

/// Reads the beginning of a text.
pub fn parse(text: &str) -> Result<StringCondition, String> {
    let beginning = normalise(&escape::unescape(text));
    if beginning.is_empty() {
        return Err("a text is missing".into());
    }
    Ok(StringCondition { beginning })
}

impl StringCondition {
    /// The condition on keys.
    pub fn lower(&self, parameter: ParameterNumber, hasher: &mut Hasher<'_>) -> Predicate {
        let (prefix, _) = cut(&self.beginning, PREFIX_CHARACTERS_MAX);
        Predicate::Key(prefix_key(parameter, prefix, hasher))
    }

    /// Whether the keys alone decide it.
    pub fn is_exact(&self) -> bool {
        let (_, rest) = cut(&self.beginning, PREFIX_CHARACTERS_MAX);
        rest.is_empty()
    }

    /// Whether a value meets it.
    pub fn matches(&self, value: &Found<'_>) -> bool {
        let mut is_met = false;
        each_text(value, &mut |text, has_words| {
            let whole = normalise(text);
            is_met |= beginnings(&whole, has_words).any(|one| one.starts_with(&self.beginning));
        });
        is_met
    }
}

/// The places of a text that a search may begin at.
fn beginnings(whole: &str, has_words: bool) -> impl Iterator<Item = &str> {
    let words = has_words
        .then(|| whole.match_indices(' '))
        .into_iter()
        .flatten();
    let tails = words.filter_map(|(at, _)| Some(whole.split_at_checked(at + 1)?.1));
    std::iter::once(whole).chain(tails)
}

fn prefix_keys(beginning: &str, writer: &mut KeyWriter<'_, '_>) {
    let ends = beginning
        .char_indices()
        .map(|(at, letter)| at + letter.len_utf8());
    for end in ends.take(PREFIX_CHARACTERS_MAX) {
        if let Some((prefix, _)) = beginning.split_at_checked(end) {
            writer
                .keys
                .push(prefix_key(writer.parameter, prefix, writer.hasher));
        }
    }
}

/// Splits a text behind its first characters.
fn cut(text: &str, characters: usize) -> (&str, &str) {
    let end = text.char_indices().nth(characters).map(|(at, _)| at);
    end.and_then(|end| text.split_at_checked(end))
        .unwrap_or((text, ""))
}

fn prefix_key(parameter: ParameterNumber, prefix: &str, hasher: &Hasher<'_>) -> Key {
    Key::new(parameter).with(&hasher.hash8_once(Domain::StringPrefix, prefix))
}

fn whole_key(parameter: ParameterNumber, whole: &str, hasher: &Hasher<'_>) -> Key {
    Key::marked(parameter, WHOLE_MARKER).with(&hasher.hash8_once(Domain::StringValue, whole))
}

/// Gives every text of a value, and whether its words count for themselves.
fn each_text(value: &Found<'_>, each: &mut dyn FnMut(&str, bool)) {
    match (value.data_type, value.node) {
        (DataType::HumanName, Node::Object(name)) => parts(name, &NAME_PARTS, each),
        (DataType::Address, Node::Object(address)) => parts(address, &ADDRESS_PARTS, each),
        (DataType::CodeableConcept, Node::Object(concept)) => {
            parts(concept, &["text"], &mut |text, _| each(text, false));
        }
        (_, Node::String(text)) => each(text, false),
        _ => {}
    }
}

fn parts(object: &Object, names: &[&str], each: &mut dyn FnMut(&str, bool)) {
    for name in names {
        let texts = object.items(name).iter().filter_map(Node::as_str);
        texts.for_each(|text| each(text, true));
    }
}
