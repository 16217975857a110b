//! String parameters: texts that begin with the searched one, whatever its case and accents.
//!
//! Keys: parameter, hash of the first 1 to 12 characters of the comparable form; and a marked one
//! of the whole, and of every three characters in a row. A longer search, `:exact` and `:contains`
//! are verified on the resource. A name or an address is found by each of its parts, and by each
//! word of them.
//! Spec: <https://hl7.org/fhir/R4/search.html#string>.

use crate::fhir::resource::{Node, Object};
use crate::seal::blind::Domain;
use crate::search::escape;
use crate::search::hasher::Hasher;
use crate::search::key::{Key, ParameterNumber};
use crate::search::modifier::Modifier;
use crate::search::param::{DataType, Found, KeyWriter};
use crate::search::plan::Predicate;
use crate::search::text::normalise;

/// Characters of the longest prefix that has a key.
pub const PREFIX_CHARACTERS_MAX: usize = 12;

/// Marks the key of a whole text.
const WHOLE_MARKER: u8 = 2;

/// Marks the key of three characters in a row.
const PIECE_MARKER: u8 = 5;

/// Characters of a piece: what `:contains` looks for has to have them.
const PIECE_CHARACTERS: usize = 3;

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
pub enum StringCondition {
    /// The comparable form begins with this one.
    Begins(String),
    /// The text itself is this one.
    Exact(String),
    /// The comparable form has this one in it.
    Contains(String),
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
            if writer.is_full() {
                return;
            }
            prefix_keys(beginning, writer);
        }
        for piece in pieces(&whole) {
            if writer.is_full() {
                return;
            }
            let key = piece_key(writer.parameter, piece, writer.hasher);
            writer.keys.push(key);
        }
    });
}

/// Reads a text: the beginning of one, or what the modifier says.
pub fn parse(text: &str, modifier: Option<Modifier>) -> Result<StringCondition, String> {
    let text = escape::unescape(text);
    let comparable = normalise(&text);
    if comparable.is_empty() {
        return Err("a text is missing".into());
    }
    Ok(match modifier {
        Some(Modifier::Exact) => StringCondition::Exact(text.into_owned()),
        Some(Modifier::Contains) => StringCondition::Contains(comparable),
        _ => StringCondition::Begins(comparable),
    })
}

impl StringCondition {
    /// The condition on keys.
    pub fn lower(&self, parameter: ParameterNumber, hasher: &mut Hasher<'_>) -> Predicate {
        match self {
            Self::Begins(beginning) => {
                let (prefix, _) = cut(beginning, PREFIX_CHARACTERS_MAX);
                Predicate::Key(prefix_key(parameter, prefix, hasher))
            }
            Self::Exact(text) => Predicate::Key(whole_key(parameter, &normalise(text), hasher)),
            Self::Contains(part) => {
                let keys =
                    pieces(part).map(|one| Predicate::Key(piece_key(parameter, one, hasher)));
                let mut all: Vec<_> = keys.collect();
                match all.pop() {
                    None => Predicate::present(parameter),
                    Some(only) if all.is_empty() => only,
                    // The middle of a text tells more than its ends do, and the last piece more
                    // than the first.
                    Some(last) => {
                        all.insert(0, last);
                        Predicate::And(all)
                    }
                }
            }
        }
    }

    /// Whether its keys are all that the parameter has.
    pub fn is_walk(&self) -> bool {
        matches!(self, Self::Contains(part) if pieces(part).next().is_none())
    }

    /// Whether the keys alone decide it.
    pub fn is_exact(&self) -> bool {
        let is_short = |text| cut(text, PREFIX_CHARACTERS_MAX).1.is_empty();
        matches!(self, Self::Begins(beginning) if is_short(beginning))
    }

    /// Whether a value meets it.
    pub fn matches(&self, value: &Found<'_>) -> bool {
        let mut is_met = false;
        each_text(value, &mut |text, has_words| {
            is_met |= match self {
                Self::Exact(wanted) => text == wanted,
                Self::Contains(part) => normalise(text).contains(part),
                Self::Begins(beginning) => begins(text, has_words, beginning),
            };
        });
        is_met
    }
}

/// Whether a text, or one of its words, begins with a comparable form.
pub fn begins(text: &str, has_words: bool, beginning: &str) -> bool {
    let whole = normalise(text);
    beginnings(&whole, has_words).any(|one| one.starts_with(beginning))
}

/// Every stretch of a text that is as long as a piece.
fn pieces(whole: &str) -> impl Iterator<Item = &str> {
    let starts = whole.char_indices().map(|(at, _)| at);
    let ends = whole
        .char_indices()
        .map(|(at, letter)| at + letter.len_utf8());
    starts
        .zip(ends.skip(PIECE_CHARACTERS - 1))
        .filter_map(|(start, end)| whole.get(start..end))
}

fn piece_key(parameter: ParameterNumber, piece: &str, hasher: &Hasher<'_>) -> Key {
    let [a, b, c, d, ..] = hasher.hash8_once(Domain::StringValue, piece);
    Key::marked(parameter, PIECE_MARKER).with(&[a, b, c, d])
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
