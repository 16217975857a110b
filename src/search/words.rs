//! Words of a resource: what `_text` finds in its narrative and `_content` in all of it.
//!
//! Keys: the number of `_content`, four bytes of the hash of a word. Both parameters are lowered to
//! them and verified on the resource, which also decides phrases. A word is what stands between
//! white space and signs, as [`crate::search::text`] folds it.
//! Spec: <https://hl7.org/fhir/R4/search.html#content>.

pub mod expression;

use crate::fhir::resource::{Node, Object, Resource};
use crate::seal::blind::Domain;
use crate::search::hasher::Hasher;
use crate::search::key::{Key, ParameterNumber};
use crate::search::plan::Predicate;
use crate::search::text::normalise;
use crate::search::words::expression::Expression;

/// The code of the parameter on the narrative.
pub const TEXT: &str = "_text";

/// The code of the parameter on all of a resource.
pub const CONTENT: &str = "_content";

/// The setting that both need.
pub const SETTING: &str = "search.words";

/// Members whose texts nobody reads: names of things elsewhere, and bytes.
const UNREAD: [&str; 10] = [
    "contentType",
    "data",
    "div",
    "id",
    "profile",
    "reference",
    "system",
    "url",
    "versionId",
    "lastUpdated",
];

/// What `_text` or `_content` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordsCondition {
    /// Whether only the narrative counts.
    pub is_narrative: bool,
    /// The words.
    pub expression: Expression,
}

impl WordsCondition {
    /// Reads words joined by `and`, `or`, `not`, parentheses and quotes.
    pub fn parse(is_narrative: bool, text: &str) -> Result<Self, String> {
        Expression::parse(text).map(|expression| Self {
            is_narrative,
            expression,
        })
    }

    /// What index keys say of it: holds for every resource that matches, and for others.
    pub fn lower(&self, content: ParameterNumber, hasher: &Hasher<'_>) -> Predicate {
        self.expression
            .lower(&|word| Predicate::Key(key(content, word, hasher)))
    }

    /// Whether a resource meets it.
    pub fn matches(&self, resource: &Resource) -> bool {
        let mut texts = Vec::new();
        narrative(resource.object(), &mut |text| texts.push(words(text)));
        if !self.is_narrative {
            each_text(resource.object(), &mut |text| texts.push(words(text)));
        }
        self.expression.matches(&texts)
    }
}

/// Writes the keys of all words of a resource.
pub fn index(
    resource: &Resource,
    content: ParameterNumber,
    hasher: &Hasher<'_>,
    keys: &mut Vec<Key>,
) {
    let mut all = Vec::new();
    narrative(resource.object(), &mut |text| all.extend(words(text)));
    each_text(resource.object(), &mut |text| all.extend(words(text)));
    all.sort_unstable();
    all.dedup();
    keys.extend(all.iter().map(|word| key(content, word, hasher)));
}

fn key(content: ParameterNumber, word: &str, hasher: &Hasher<'_>) -> Key {
    let [a, b, c, d, ..] = hasher.hash8_once(Domain::Word, word);
    Key::new(content).with(&[a, b, c, d])
}

/// The words of a text, folded, in their order.
fn words(text: &str) -> Vec<String> {
    let parts = text.split(|letter: char| !is_of_word(letter));
    parts
        .map(normalise)
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .collect()
}

/// Marks and apostrophes stand inside of words.
fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric()
        || matches!(letter, '\'' | '\u{2019}')
        || unicode_normalization::char::is_combining_mark(letter)
}

/// Gives the text of the narrative, without its tags.
fn narrative(resource: &Object, each: &mut dyn FnMut(&str)) {
    let text = resource.get("text").and_then(Node::as_object);
    let Some(div) = text.and_then(|text| text.get_str("div")) else {
        return;
    };
    // Tags part words, so that the cells of a table do not become one.
    let mut plain = String::with_capacity(div.len());
    let mut rest = div;
    while let Some((before, tag)) = rest.split_once('<') {
        push_unescaped(before, &mut plain);
        plain.push(' ');
        rest = tag.split_once('>').map_or("", |(_, behind)| behind);
    }
    push_unescaped(rest, &mut plain);
    each(&plain);
}

/// Appends text with its character references resolved; those that are no letters part words.
fn push_unescaped(text: &str, plain: &mut String) {
    let mut rest = text;
    while let Some((before, reference)) = rest.split_once('&') {
        plain.push_str(before);
        let (name, behind) = reference.split_once(';').unwrap_or((reference, ""));
        plain.push(character(name).unwrap_or(' '));
        rest = behind;
    }
    plain.push_str(rest);
}

fn character(name: &str) -> Option<char> {
    if name == "apos" {
        return Some('\'');
    }
    let number = name.strip_prefix('#')?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code)
}

/// Gives every text that people read, but for the narrative.
fn each_text(object: &Object, each: &mut dyn FnMut(&str)) {
    for (name, node) in object.iter() {
        if !UNREAD.contains(&name) && name != "resourceType" {
            each_text_of(node, each);
        }
    }
}

fn each_text_of(node: &Node, each: &mut dyn FnMut(&str)) {
    match node {
        Node::String(text) if !text.contains("://") && !text.starts_with("urn:") => each(text),
        Node::Array(items) => items.iter().for_each(|item| each_text_of(item, each)),
        Node::Object(object) => each_text(object, each),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{WordsCondition, words};
    use crate::fhir::json::{Limits, parse_resource};

    fn finds(is_narrative: bool, query: &str) -> bool {
        let json = r#"{"resourceType":"Condition","id":"c1","text":{"status":"generated",
            "div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><b>Bone</b><i>scan</i>\nM&#252;ller&apos;s <td>metastases</td><td>found</td></div>"},
            "code":{"text":"Secondary neoplasm","coding":[{"system":"http://secret","code":"94222008"}]},
            "subject":{"reference":"Patient/p77","display":"Jos\u00e9 O'Brien"}}"#;
        let resource = parse_resource(json.as_bytes(), Limits { depth_max: 32 }).unwrap();
        WordsCondition::parse(is_narrative, query)
            .unwrap()
            .matches(&resource)
    }

    #[test]
    fn narrative_and_content_are_told_apart() {
        for (query, in_narrative, in_content) in [
            ("bone", true, true),
            ("(bone OR liver) and metastases", true, true),
            ("(lung OR liver) and metastases", false, false),
            ("m\u{fc}llers", true, true),
            ("bonescan", false, false),
            ("\"metastases found\"", true, true),
            ("\"found metastases\"", false, false),
            ("bone not liver", true, true),
            ("bone and not metastases", false, false),
            ("neoplasm", false, true),
            ("NEOPLASM jose", false, true),
            ("o'brien", false, true),
            ("94222008", false, true),
            ("div", false, false),
            ("secret", false, false),
            ("p77", false, false),
        ] {
            assert_eq!(finds(true, query), in_narrative, "_text={query}");
            assert_eq!(finds(false, query), in_content, "_content={query}");
        }
    }

    #[test]
    fn words_stand_between_white_space_and_signs() {
        assert_eq!(
            words(" It's a  low-grade, (Größe 3.5)"),
            ["its", "a", "low", "grade", "grosse", "3", "5"]
        );
        assert!(words(" ' - ").is_empty());
    }
}
