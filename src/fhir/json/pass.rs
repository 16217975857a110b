//! Passing over members that nobody wants, without making anything of them.

use crate::fhir::json::read::{JsonError, Reader};

/// Members of a resource that are always read.
const ALWAYS: [&str; 2] = ["resourceType", "id"];

impl Reader<'_> {
    /// Whether a member that begins here is not wanted.
    pub(super) fn is_passed_over(&self, name: &str) -> bool {
        let Some(wanted) = self.wanted.filter(|_| self.level == 1) else {
            return false;
        };
        // What extends a primitive stands beside it.
        let name = name.strip_prefix('_').unwrap_or(name);
        !ALWAYS.contains(&name) && !wanted.iter().any(|one| one == name)
    }

    /// Moves behind the value that stands here.
    pub(super) fn pass_over(&mut self) -> Result<(), JsonError> {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                Some(b'"') => self.pass_over_string()?,
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                Some(b'}' | b']') if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(b'}' | b']' | b',') if depth == 0 => return Ok(()),
                Some(_) => {
                    self.at += 1;
                    continue;
                }
                None => return Err(self.fail("The document ends before it is complete.")),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn pass_over_string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            self.skip_plain();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(self.fail("The document ends within a string.")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use compact_str::CompactString;

    use crate::fhir::json::{Limits, parse_members, parse_resource, to_vec};
    use crate::fhir::resource::Node;

    const WHOLE: &str = r#"{"resourceType":"Patient","id":"1","text":{"div":"a \"}{][\\"},
        "name":[{"family":"A\u00e4","given":["b",null]}],"active":true , "multipleBirthInteger":-1.50e3,
        "birthDate":"2000","_birthDate":{"extension":[{"url":"x"}]},"x":[[],{}],"last":null}"#;

    #[test]
    fn what_is_wanted_is_read_as_ever() {
        let limits = Limits { depth_max: 64 };
        let whole = parse_resource(WHOLE.as_bytes(), limits).unwrap();
        for names in [
            "",
            "name",
            "birthDate",
            "active,last",
            "text,x",
            "multipleBirthInteger",
        ] {
            let wanted: Vec<_> = names.split(',').map(CompactString::from).collect();
            let part = parse_members(WHOLE.as_bytes(), &wanted).unwrap();
            let mut expected = whole.clone();
            let all: Vec<_> = whole
                .object()
                .iter()
                .map(|(name, _)| name.to_owned())
                .collect();
            for name in all {
                let plain = name.trim_start_matches('_');
                if !["resourceType", "id"].contains(&plain) && !wanted.iter().any(|w| w == plain) {
                    expected.object_mut().remove(&name);
                }
            }
            let text =
                |object: &crate::fhir::resource::Object| to_vec(&Node::Object(object.clone()));
            assert_eq!(text(part.object()), text(expected.object()), "{names}");
        }
    }

    #[test]
    fn what_ends_too_early_is_an_error() {
        for end in 1..WHOLE.len() - 1 {
            let part = WHOLE.as_bytes().get(..end).unwrap();
            assert!(parse_members(part, &[]).is_err(), "{end}");
        }
    }
}
