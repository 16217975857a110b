//! Token parameters: codes, identifiers, booleans and other values that are equal or not.
//!
//! Keys: parameter, hash of the code, hash of the system; another one for codes with capitals,
//! without their case; and for codes of a stated system a key of the system alone. Whether case
//! counts is in [`case`].
//! Spec: <https://hl7.org/fhir/R4/search.html#token>.

pub mod case;

use crate::fhir::resource::{Node, Object};
use crate::fhir::shape::CodeSet;
use crate::seal::blind::Domain;
use crate::search::escape;
use crate::search::hasher::Hasher;
use crate::search::key::{Key, ParameterNumber};
use crate::search::param::token::case::{LetterCase, fold, has_cases, is_folded};
use crate::search::param::{DataType, Found, KeyWriter, string};
use crate::search::plan::{KeyRange, Predicate};
use crate::search::text::normalise;

/// Marks the key of a system alone.
const SYSTEM_MARKER: u8 = 1;

/// What a token value asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenCondition {
    /// `code`: whatever the system.
    Code {
        /// The code.
        code: String,
        /// Whether case counts.
        case: LetterCase,
    },
    /// `system|code`, or with an empty system `|code`: one without a system.
    CodeInSystem {
        /// The system.
        system: String,
        /// The code.
        code: String,
        /// Whether case counts.
        case: LetterCase,
    },
    /// `system|`: any code of the system.
    System {
        /// The system.
        system: String,
        /// The codes that an element bound to the system can have without stating it.
        bound_codes: Vec<String>,
    },
    /// `:text`: what people read of a concept begins with this, or one of its words does.
    Text(String),
    /// `:of-type`: an identifier of a type.
    OfType {
        /// The system of the type.
        system: String,
        /// The code of the type.
        code: String,
        /// The value of the identifier.
        value: String,
    },
}

/// Nothing is known of the systems.
pub const STATED: Systems<'static> = Systems {
    are_stated: true,
    bindings: &[],
    case: LetterCase::Exact,
};

/// What is known of the systems of a parameter's values.
#[derive(Debug, Clone, Copy)]
pub struct Systems<'a> {
    /// Whether a value may state its system, as a `Coding` does.
    pub are_stated: bool,
    /// The required bindings of values that do not, as a `code` does not.
    pub bindings: &'a [&'a CodeSet],
    /// Whether case counts in codes.
    pub case: LetterCase,
}

/// The system that a code without one has by its binding.
pub fn bound_system<'a>(bindings: &[&'a CodeSet], code: &str) -> Option<&'a str> {
    let mut systems = bindings.iter().flat_map(|set| &set.systems);
    let known = systems.find(|known| {
        let found = known.codes.binary_search_by(|one| one.as_str().cmp(code));
        found.is_ok()
    })?;
    Some(&known.system)
}

/// Whether values of a type may state their system.
pub fn states_system(data_type: DataType) -> bool {
    matches!(
        data_type,
        DataType::Coding
            | DataType::CodeableConcept
            | DataType::Identifier
            | DataType::Quantity
            | DataType::Other
    )
}

/// Writes the keys of a value.
pub fn index(value: &Found<'_>, writer: &mut KeyWriter<'_, '_>) {
    each_token(value, &mut |system, code| {
        if let Some(code) = code {
            let system = system.unwrap_or_default();
            let key = code_key(writer.parameter, system, code, writer.hasher);
            writer.keys.push(key);
            let folded = fold(code);
            if folded != code && is_folded(value) {
                let key = folded_key(writer.parameter, system, &folded, writer.hasher);
                writer.keys.push(key);
            }
        }
        if let Some(system) = system.filter(|_| value.data_type != DataType::Code) {
            writer
                .keys
                .push(system_key(writer.parameter, system, writer.hasher));
        }
    });
}

/// Reads `code`, `system|code`, `|code` or `system|`.
pub fn parse(text: &str, systems: &Systems<'_>) -> Result<TokenCondition, String> {
    let plain = |part| escape::unescape(part).into_owned();
    let Some((system, code)) = escape::split_once(text, '|') else {
        return match text {
            "" => Err("a token needs a code, system|code, |code or system|".into()),
            code => Ok(of_code(plain(code), systems)),
        };
    };
    if escape::split_once(code, '|').is_some() {
        return Err("a token has one '|'; others are written '\\|'".into());
    }
    match (system, code) {
        ("", "") => Err("a token needs a system or a code".into()),
        (system, "") => Ok(of_system(plain(system), systems.bindings)),
        (system, code) => Ok(of_pair(plain(system), plain(code), systems.case)),
    }
}

/// A code of a system, which may say that case counts.
pub fn of_pair(system: String, code: String, case: LetterCase) -> TokenCondition {
    let case = case.within(&system);
    TokenCondition::CodeInSystem { system, code, case }
}

/// Reads the beginning of what people read.
pub fn parse_text(text: &str) -> Result<TokenCondition, String> {
    let beginning = normalise(&escape::unescape(text));
    if beginning.is_empty() {
        return Err("a text is missing".into());
    }
    Ok(TokenCondition::Text(beginning))
}

/// Reads `system|code|value`.
pub fn parse_of_type(text: &str) -> Result<TokenCondition, String> {
    let plain = |part| escape::unescape(part).into_owned();
    match escape::split(text, '|').as_slice() {
        [system, code, value] if !code.is_empty() && !value.is_empty() => {
            Ok(TokenCondition::OfType {
                system: plain(system),
                code: plain(code),
                value: plain(value),
            })
        }
        _ => Err("an identifier of a type is system|code|value".into()),
    }
}

/// Where the system of every value is known, so is the one key that values with the code have.
fn of_code(code: String, systems: &Systems<'_>) -> TokenCondition {
    if systems.are_stated {
        let case = systems.case;
        return TokenCondition::Code { code, case };
    }
    let system = bound_system(systems.bindings, &code).unwrap_or_default();
    of_pair(system.to_owned(), code, systems.case)
}

/// A whole system, of which elements bound to it may have these codes without stating it.
pub fn of_known_system(system: &str, bound: &[(String, Vec<String>)]) -> TokenCondition {
    let of_system = bound.iter().filter(|(known, _)| known == system);
    TokenCondition::System {
        system: system.to_owned(),
        bound_codes: of_system.flat_map(|(_, codes)| codes.clone()).collect(),
    }
}

fn of_system(system: String, codes: &[&CodeSet]) -> TokenCondition {
    let of_sets = codes.iter().flat_map(|set| &set.systems);
    let bound_codes = of_sets
        .filter(|known| known.system == system)
        .flat_map(|known| known.codes.iter().map(ToString::to_string))
        .collect();
    TokenCondition::System {
        system,
        bound_codes,
    }
}

impl TokenCondition {
    /// The condition on keys.
    pub fn lower(&self, parameter: ParameterNumber, hasher: &mut Hasher<'_>) -> Predicate {
        match self {
            Self::Code { code, case } => {
                let ways = hashes_of(code, *case, hasher).into_iter();
                let of = |hash: [u8; 8]| KeyRange::prefix(Key::new(parameter).with(&hash));
                one_of(ways.map(|hash| Predicate::Range(of(hash))))
            }
            Self::CodeInSystem { system, code, case } => {
                let tail = hasher.hash4(Domain::System, system);
                let ways = hashes_of(code, *case, hasher).into_iter();
                let of = |hash: [u8; 8]| Key::new(parameter).with(&hash).with(&tail);
                one_of(ways.map(|hash| Predicate::Key(of(hash))))
            }
            Self::System {
                system,
                bound_codes,
            } => {
                let stated = Predicate::Key(system_key(parameter, system, hasher));
                let bound = bound_codes
                    .iter()
                    .map(|code| Predicate::Key(code_key(parameter, system, code, hasher)));
                let mut any: Vec<_> = bound.collect();
                if any.is_empty() {
                    return stated;
                }
                any.push(stated);
                Predicate::Or(any)
            }
            Self::OfType { value, .. } => Predicate::Range(KeyRange::prefix(
                Key::new(parameter).with(&hasher.hash8(Domain::Code, value)),
            )),
            Self::Text(_) => Predicate::present(parameter),
        }
    }

    /// Whether it asks for one code, not for all of a system.
    pub fn is_one_code(&self) -> bool {
        self.code().is_some() || matches!(self, Self::OfType { .. })
    }

    /// The code that it asks for, where that is one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Code { code, .. } | Self::CodeInSystem { code, .. } => Some(code),
            Self::System { .. } | Self::Text(_) | Self::OfType { .. } => None,
        }
    }

    /// Whether the keys alone decide it.
    pub fn is_exact(&self) -> bool {
        match self {
            // Where case counts in some of the values only, keys do not tell which.
            Self::Code { code, case } | Self::CodeInSystem { code, case, .. } => {
                *case != LetterCase::Mixed || !has_cases(code)
            }
            Self::System { .. } => true,
            Self::Text(_) | Self::OfType { .. } => false,
        }
    }

    /// Whether its keys are all that the parameter has.
    pub fn is_walk(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Whether a value meets it.
    pub fn matches(&self, value: &Found<'_>) -> bool {
        let mut is_met = false;
        match self {
            Self::Text(beginning) => each_text(value, &mut |text| {
                is_met |= string::begins(text, true, beginning);
            }),
            Self::OfType {
                system,
                code,
                value: wanted,
            } => is_met = is_of_type(value, system, code, wanted),
            _ => each_token(value, &mut |system, code| {
                is_met |= self.meets(value, system, code);
            }),
        }
        is_met
    }

    /// Whether one code of a value, with its system, meets it.
    pub fn meets(&self, value: &Found<'_>, system: Option<&str>, code: Option<&str>) -> bool {
        let is_same =
            |case: LetterCase, wanted| code.is_some_and(|code| case.is_same(value, code, wanted));
        match self {
            Self::Code { code, case } => is_same(*case, code),
            Self::CodeInSystem {
                system: wanted_system,
                code,
                case,
            } => system.unwrap_or_default() == wanted_system && is_same(*case, code),
            Self::System { system: wanted, .. } => system == Some(wanted),
            Self::Text(_) | Self::OfType { .. } => false,
        }
    }
}

fn is_of_type(value: &Found<'_>, system: &str, code: &str, wanted: &str) -> bool {
    let is_identifier = value.data_type == DataType::Identifier;
    let Some(identifier) = value.object().filter(|_| is_identifier) else {
        return false;
    };
    let codings = identifier.get("type").and_then(Node::as_object);
    let mut codings = codings.map_or(&[][..], |one| one.items("coding")).iter();
    identifier.get_str("value") == Some(wanted)
        && codings.any(|coding| {
            let of = |name| coding.get(name).and_then(Node::as_str);
            of("system").unwrap_or_default() == system && of("code") == Some(code)
        })
}

/// Gives every text by which people read a value.
fn each_text(value: &Found<'_>, each: &mut dyn FnMut(&str)) {
    let Some(object) = value.object() else { return };
    let mut give = |object: &Object, name| {
        if let Some(text) = object.get_str(name) {
            each(text);
        }
    };
    match value.data_type {
        DataType::Coding => give(object, "display"),
        DataType::CodeableConcept => {
            give(object, "text");
            let codings = object.items("coding").iter().filter_map(Node::as_object);
            codings.for_each(|coding| give(coding, "display"));
        }
        DataType::Identifier => {
            if let Some(of_type) = object.get("type").and_then(Node::as_object) {
                give(of_type, "text");
            }
        }
        _ => {}
    }
}

fn code_key(parameter: ParameterNumber, system: &str, code: &str, hasher: &mut Hasher<'_>) -> Key {
    Key::new(parameter)
        .with(&hasher.hash8(Domain::Code, code))
        .with(&hasher.hash4(Domain::System, system))
}

/// The key of a code with capital letters, without their case.
fn folded_key(
    parameter: ParameterNumber,
    system: &str,
    folded: &str,
    hasher: &mut Hasher<'_>,
) -> Key {
    Key::new(parameter)
        .with(&hasher.hash8(Domain::FoldedCode, folded))
        .with(&hasher.hash4(Domain::System, system))
}

/// The hashes of all that a wanted code may be stored as.
fn hashes_of(code: &str, case: LetterCase, hasher: &mut Hasher<'_>) -> Vec<[u8; 8]> {
    let exact = hasher.hash8(Domain::Code, code);
    if case == LetterCase::Exact || !has_cases(code) {
        return vec![exact];
    }
    let folded = fold(code);
    let mut ways = vec![
        hasher.hash8(Domain::Code, &folded),
        hasher.hash8(Domain::FoldedCode, &folded),
    ];
    if case == LetterCase::Mixed && folded != code {
        ways.push(exact);
    }
    ways
}

/// One of these.
fn one_of(any: impl Iterator<Item = Predicate>) -> Predicate {
    let mut any: Vec<_> = any.collect();
    match (any.pop(), any.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            any.extend(last);
            Predicate::Or(any)
        }
    }
}

fn system_key(parameter: ParameterNumber, system: &str, hasher: &mut Hasher<'_>) -> Key {
    Key::marked(parameter, SYSTEM_MARKER).with(&hasher.hash8(Domain::System, system))
}

/// Gives every (system, code) that a value stands for.
pub fn each_token(value: &Found<'_>, each: &mut dyn FnMut(Option<&str>, Option<&str>)) {
    match value.data_type {
        DataType::Coding => coding(value.node, each),
        DataType::CodeableConcept => {
            let codings = value.object().map_or(&[][..], |o| o.items("coding"));
            for one in codings {
                coding(one, each);
            }
        }
        DataType::Identifier => pair(value.object(), "value", each),
        DataType::ContactPoint => {
            if let Some(text) = value.object().and_then(|o| o.get_str("value")) {
                each(None, Some(text));
            }
        }
        DataType::Code => {
            if let Some(code) = value.text() {
                let bound = value.codes.and_then(|codes| bound_system(&[codes], code));
                each(bound, Some(code));
            }
        }
        DataType::Quantity => pair(value.object(), "code", each),
        _ => primitive(value.node, each),
    }
}

fn coding(node: &Node, each: &mut dyn FnMut(Option<&str>, Option<&str>)) {
    pair(node.as_object(), "code", each);
}

fn pair(
    object: Option<&Object>,
    code_member: &str,
    each: &mut dyn FnMut(Option<&str>, Option<&str>),
) {
    let Some(object) = object else { return };
    let (system, code) = (object.get_str("system"), object.get_str(code_member));
    if system.is_some() || code.is_some() {
        each(system, code);
    }
}

fn primitive(node: &Node, each: &mut dyn FnMut(Option<&str>, Option<&str>)) {
    match node {
        Node::Bool(true) => each(None, Some("true")),
        Node::Bool(false) => each(None, Some("false")),
        Node::String(text) | Node::Number(text) => each(None, Some(text)),
        Node::Null | Node::Array(_) | Node::Object(_) => {}
    }
}
