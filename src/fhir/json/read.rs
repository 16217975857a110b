//! The JSON reader: recursive descent over bytes known to be UTF-8.
//!
//! The path of a problem is put together while the error travels up, so that input without
//! problems pays nothing for it.

use std::fmt;

use compact_str::CompactString;

use crate::fhir::resource::{Node, Object, Resource};
use crate::fhir::resource_type::ResourceType;

/// Bounds on what is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How deep arrays and objects may nest.
    pub depth_max: usize,
}

/// Where and why a document cannot be read. Never shows its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct JsonError {
    /// What is wrong and what would be right.
    pub reason: &'static str,
    /// The path to it, as `entry[3].resource.name`; empty at the root.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    offset: usize,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (line {}, column {}",
            self.reason, self.line, self.column
        )?;
        if !self.path.is_empty() {
            write!(f, ", at {}", self.path)?;
        }
        f.write_str(")")
    }
}

/// From this many members on, duplicates are looked for in a set instead of one by one.
const LINEAR_MEMBERS_MAX: usize = 24;

/// Reads one JSON document.
pub fn parse(bytes: &[u8], limits: Limits) -> Result<Node, JsonError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(located(
            bytes,
            fail(error.valid_up_to(), "The body is not valid UTF-8."),
        ));
    }
    let mut reader = Reader {
        bytes,
        at: 0,
        depth_left: limits.depth_max,
        level: 0,
        wanted: None,
    };
    reader.document().map_err(|error| located(bytes, error))
}

/// Reads one resource: an object with a `resourceType` of R4.
pub fn parse_resource(bytes: &[u8], limits: Limits) -> Result<Resource, JsonError> {
    let Node::Object(object) = parse(bytes, limits)? else {
        return Err(located(bytes, fail(0, "A resource must be a JSON object.")));
    };
    Resource::from_object(object).map_err(|object| {
        let reason = match object.get("resourceType") {
            None => "resourceType is missing: it must name the resource's type, e.g. Patient.",
            Some(_) => "resourceType must be the name of an R4 resource type, e.g. Patient.",
        };
        let mut error = located(bytes, fail(0, reason));
        "resourceType".clone_into(&mut error.path);
        error
    })
}

/// As [`parse_resource`], of the members with these names only, and `resourceType` and `id`. The
/// rest is passed over: for documents that were read as a whole before.
pub fn parse_members(bytes: &[u8], names: &[CompactString]) -> Result<Resource, JsonError> {
    if let Err(error) = std::str::from_utf8(bytes) {
        let error = fail(error.valid_up_to(), "The body is not valid UTF-8.");
        return Err(located(bytes, error));
    }
    let mut reader = Reader {
        bytes,
        at: 0,
        depth_left: usize::MAX,
        level: 0,
        wanted: Some(names),
    };
    match reader.document() {
        Ok(Node::Object(object)) => Resource::from_object(object)
            .map_err(|_object| located(bytes, fail(0, "resourceType is missing."))),
        Ok(_) => Err(located(bytes, fail(0, "A resource must be a JSON object."))),
        Err(error) => Err(located(bytes, error)),
    }
}

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    depth_left: usize,
    pub(super) level: usize,
    /// The only members of the outermost object that are read; all when there are none.
    pub(super) wanted: Option<&'a [CompactString]>,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Node, JsonError> {
        self.skip_space();
        let node = self.value()?;
        self.skip_space();
        if self.at < self.bytes.len() {
            return Err(self.fail("There is something behind the end of the document."));
        }
        Ok(node)
    }

    fn value(&mut self) -> Result<Node, JsonError> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Node::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Node::Number),
            Some(b't') => self.word(b"true", Node::Bool(true)),
            Some(b'f') => self.word(b"false", Node::Bool(false)),
            Some(b'n') => self.word(b"null", Node::Null),
            Some(_) => Err(self.fail("A JSON value must stand here.")),
            None => Err(self.fail("The document ends before it is complete.")),
        }
    }

    fn nested(
        &mut self,
        read: fn(&mut Self) -> Result<Node, JsonError>,
    ) -> Result<Node, JsonError> {
        if self.depth_left == 0 {
            return Err(self.fail("The document is nested deeper than this server reads."));
        }
        self.depth_left -= 1;
        self.level += 1;
        self.at += 1;
        self.skip_space();
        let node = read(self);
        self.level -= 1;
        self.depth_left += 1;
        node
    }

    fn object(&mut self) -> Result<Node, JsonError> {
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Node::Object(Object::new()));
        }
        let mut object = Object::new();
        loop {
            let start = self.at;
            let name = self.member_name()?;
            if self.wanted.is_some() && self.is_passed_over(&name) {
                self.pass_over()?;
                if self.goes_on(b'}')? {
                    continue;
                }
                break;
            }
            if is_duplicate(&object, &name) {
                let error = fail(start, "This member stands here twice.");
                return Err(inside_member(error, &name));
            }
            let value = self
                .value()
                .map_err(|error| self.inside_root(inside_member(error, &name), &object))?;
            object.push(name, value);
            if !self.goes_on(b'}')? {
                break;
            }
        }
        if object.len() > LINEAR_MEMBERS_MAX
            && let Some(name) = find_duplicate(&object)
        {
            return Err(inside_member(
                self.fail("This member stands here twice."),
                name,
            ));
        }
        Ok(Node::Object(object))
    }

    /// Puts the type in front of a path that is complete but for it.
    fn inside_root(&self, mut error: JsonError, object: &Object) -> JsonError {
        if let Some(name) = object.get_str("resourceType").filter(|_| self.level == 1)
            && name.parse::<ResourceType>().is_ok()
        {
            error.path = format!("{name}.{}", error.path);
        }
        error
    }

    fn member_name(&mut self) -> Result<CompactString, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.fail("A member name in double quotes must stand here."));
        }
        let name = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.fail("A colon must follow the member name."));
        }
        self.at += 1;
        self.skip_space();
        Ok(name)
    }

    fn array(&mut self) -> Result<Node, JsonError> {
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Node::Array(Vec::new()));
        }
        let mut items = Vec::new();
        loop {
            let index = items.len();
            items.push(self.value().map_err(|error| inside_item(error, index))?);
            if !self.goes_on(b']')? {
                return Ok(Node::Array(items));
            }
        }
    }

    /// Reads a comma or the closing byte; whether there is more.
    fn goes_on(&mut self, close: u8) -> Result<bool, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.skip_space();
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) => Err(self.fail("A comma or a closing bracket must stand here.")),
            None => Err(self.fail("The document ends before it is complete.")),
        }
    }

    fn word(&mut self, word: &[u8], node: Node) -> Result<Node, JsonError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(self.fail("A JSON value must stand here."));
        }
        self.at += word.len();
        Ok(node)
    }

    fn number(&mut self) -> Result<CompactString, JsonError> {
        let start = self.at;
        self.skip_if(b"-");
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.fail("A digit must stand here.")),
        }
        if self.skip_if(b".") {
            self.digits()?;
        }
        if self.skip_if(b"eE") {
            self.skip_if(b"+-");
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.fail("A number must not begin with a superfluous zero."));
        }
        Ok(self.text(start, self.at).into())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.fail("A digit must stand here."))
        } else {
            Ok(())
        }
    }

    fn string(&mut self) -> Result<CompactString, JsonError> {
        self.at += 1;
        let start = self.at;
        self.skip_plain();
        if self.peek() == Some(b'"') {
            let text = CompactString::from(self.text(start, self.at));
            self.at += 1;
            return Ok(text);
        }
        let mut text = String::from(self.text(start, self.at));
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text.into());
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => {
                    return Err(self.fail("A control character must be escaped."));
                }
                None => return Err(self.fail("The document ends within a string.")),
            }
            let plain = self.at;
            self.skip_plain();
            text.push_str(self.text(plain, self.at));
        }
    }

    /// Moves to the next byte that ends a run of plain characters.
    pub(super) fn skip_plain(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let plain = rest
            .iter()
            .position(|&b| b == b'"' || b == b'\\' || b < 0x20);
        self.at += plain.unwrap_or(rest.len());
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        self.at += 1;
        let escaped = self.peek();
        self.at += 1;
        Ok(match escaped {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => {
                self.at -= 1;
                return Err(self.fail("There is no such escape in JSON."));
            }
        })
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        const REASON: &str = "A surrogate escape must be half of a pair.";
        let first = self.hex()?;
        if let Some(plain) = char::from_u32(first) {
            return Ok(plain);
        }
        if first >= 0xdc00 || !(self.skip_if(b"\\") && self.skip_if(b"u")) {
            return Err(self.fail(REASON));
        }
        let second = self.hex()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(self.fail(REASON));
        }
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        char::from_u32(code).ok_or_else(|| self.fail(REASON))
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.at..self.at + 4).unwrap_or_default();
        let text = std::str::from_utf8(digits).unwrap_or_default();
        let all_hex = text.len() == 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
        match u32::from_str_radix(text, 16) {
            Ok(code) if all_hex => {
                self.at += 4;
                Ok(code)
            }
            _ => Err(self.fail("Four hexadecimal digits must follow \\u.")),
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_if(&mut self, any_of: &[u8]) -> bool {
        let there = self.peek().is_some_and(|byte| any_of.contains(&byte));
        self.at += usize::from(there);
        there
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn text(&self, start: usize, end: usize) -> &str {
        let bytes = self.bytes.get(start..end).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    pub(super) fn fail(&self, reason: &'static str) -> JsonError {
        fail(self.at, reason)
    }
}

fn fail(offset: usize, reason: &'static str) -> JsonError {
    JsonError {
        reason,
        path: String::new(),
        line: 0,
        column: 0,
        offset,
    }
}

/// Small objects are searched member by member; large ones once, when they are complete.
fn is_duplicate(object: &Object, name: &str) -> bool {
    object.len() <= LINEAR_MEMBERS_MAX && object.contains(name)
}

fn find_duplicate(object: &Object) -> Option<&str> {
    let mut seen = std::collections::HashSet::with_capacity(object.len());
    object
        .iter()
        .map(|(name, _)| name)
        .find(|name| !seen.insert(*name))
}

/// Names shown in an error are cut: a name is the client's text and may be of any length.
const NAME_CHARS_MAX: usize = 64;

fn inside_member(mut error: JsonError, name: &str) -> JsonError {
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    let dot = if error.path.is_empty() || error.path.starts_with('[') {
        ""
    } else {
        "."
    };
    error.path = format!("{name}{dot}{}", error.path);
    error
}

fn inside_item(mut error: JsonError, index: usize) -> JsonError {
    let dot = if error.path.is_empty() || error.path.starts_with('[') {
        ""
    } else {
        "."
    };
    error.path = format!("[{index}]{dot}{}", error.path);
    error
}

/// A path of a thousand brackets helps nobody: what stands behind this many parts is left out.
const PATH_PARTS_MAX: usize = 16;

fn located(bytes: &[u8], mut error: JsonError) -> JsonError {
    let mut parts = error.path.match_indices(['.', '[']);
    if let Some((cut, _)) = parts.nth(PATH_PARTS_MAX) {
        error.path.truncate(cut);
    }
    let before = bytes
        .get(..error.offset.min(bytes.len()))
        .unwrap_or_default();
    error.line = 1 + before.iter().filter(|&&b| b == b'\n').count();
    let line_start = before
        .iter()
        .rposition(|&b| b == b'\n')
        .map_or(0, |at| at + 1);
    error.column = 1 + before.len() - line_start;
    error
}
