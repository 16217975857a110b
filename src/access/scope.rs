//! SMART scopes on resources, as text and as values: `patient/Observation.rs?category=laboratory`.
//!
//! Pure: what a scope lets through is decided in [`crate::access::policy`]. Scopes that are about
//! the launch or the user (`openid`, `launch/patient`) are the authorization server's.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>.

use std::fmt::{self, Write};
use std::str::FromStr;

use crate::fhir::query;
use crate::fhir::resource_type::ResourceType;

/// Parameters that restrict one scope, at most.
const RESTRICTIONS_MAX: usize = 8;

/// Characters of one scope, at most.
const SCOPE_CHARS_MAX: usize = 1_000;

/// On whose behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Context {
    /// About the one patient of the launch.
    Patient,
    /// As far as the user who signed in may see.
    User,
    /// By the client itself.
    System,
}

/// What may be done: a set of create, read, update, delete and search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions(u8);

/// The letters in the order in which a scope has them.
const LETTERS: [(char, Permissions); 5] = [
    ('c', Permissions::CREATE),
    ('r', Permissions::READ),
    ('u', Permissions::UPDATE),
    ('d', Permissions::DELETE),
    ('s', Permissions::SEARCH),
];

impl Permissions {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// create
    pub const CREATE: Self = Self(1);
    /// read, vread and the history of an instance
    pub const READ: Self = Self(2);
    /// update and patch
    pub const UPDATE: Self = Self(4);
    /// delete
    pub const DELETE: Self = Self(8);
    /// search
    pub const SEARCH: Self = Self(16);
    /// Everything.
    pub const ALL: Self = Self(31);
    /// What `.read` of the first version stands for.
    const VERSION_1_READ: Self = Self::READ.or(Self::SEARCH);
    /// What `.write` of the first version stands for.
    const VERSION_1_WRITE: Self = Self::CREATE.or(Self::UPDATE).or(Self::DELETE);

    /// Either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is one.
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }

    /// Whether all of the others are among these.
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    fn from_letters(text: &str) -> Option<Self> {
        let mut found = Self::NONE;
        let mut letters = LETTERS.iter();
        for letter in text.chars() {
            // Each letter once and in order: the iterator never goes back.
            let (_, permission) = letters.find(|(known, _)| *known == letter)?;
            found = found.or(*permission);
        }
        found.is_some().then_some(found)
    }
}

/// A scope on resources.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// On whose behalf.
    pub context: Context,
    /// The type; `None` for all.
    pub resource_type: Option<ResourceType>,
    /// What may be done.
    pub permissions: Permissions,
    /// Search parameters that a resource has to meet; empty for none.
    pub restrictions: Vec<(String, String)>,
    /// Whether it was written in the words of the first version.
    pub is_version_1: bool,
}

/// Why a text is no scope on resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// It does not look like one at all.
    #[error("a scope on resources reads like patient/Observation.rs or system/*.read")]
    Form,
    /// The type does not exist.
    #[error("a scope names a resource type of R4, or *")]
    Type,
    /// The letters are none or in another order.
    #[error("what a scope permits is some of the letters cruds in this order, or read, write, *")]
    Permissions,
    /// What restricts it cannot be read.
    #[error("behind the question mark of a scope stand search parameters, 8 at most")]
    Restriction,
}

impl Context {
    /// The word before the slash.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::User => "user",
            Self::System => "system",
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > SCOPE_CHARS_MAX {
            return Err(ScopeError::Form);
        }
        let (context, rest) = text.split_once('/').ok_or(ScopeError::Form)?;
        let contexts = [Context::Patient, Context::User, Context::System];
        let context = contexts.into_iter().find(|one| one.name() == context);
        let context = context.ok_or(ScopeError::Form)?;
        let (name, query) = match rest.split_once('?') {
            Some((name, query)) => (name, Some(query)),
            None => (rest, None),
        };
        let (name, letters) = name.split_once('.').ok_or(ScopeError::Form)?;
        let resource_type = match name {
            "*" => None,
            name => Some(name.parse().map_err(|_unknown| ScopeError::Type)?),
        };
        let version_1 = match letters {
            "read" => Some(Permissions::VERSION_1_READ),
            "write" => Some(Permissions::VERSION_1_WRITE),
            "*" => Some(Permissions::ALL),
            _ => None,
        };
        let permissions = version_1.or_else(|| Permissions::from_letters(letters));
        let restrictions = match query {
            // The first version knows no restrictions.
            Some(_) if version_1.is_some() => return Err(ScopeError::Restriction),
            Some(query) => read_restrictions(query)?,
            None => Vec::new(),
        };
        Ok(Self {
            context,
            resource_type,
            permissions: permissions.ok_or(ScopeError::Permissions)?,
            restrictions,
            is_version_1: version_1.is_some(),
        })
    }
}

fn read_restrictions(text: &str) -> Result<Vec<(String, String)>, ScopeError> {
    query::check(text).map_err(|_undecodable| ScopeError::Restriction)?;
    let pairs = query::pairs(text);
    let is_usable = !pairs.is_empty()
        && pairs.len() <= RESTRICTIONS_MAX
        && pairs
            .iter()
            .all(|(name, value)| !name.is_empty() && !value.is_empty());
    is_usable.then_some(pairs).ok_or(ScopeError::Restriction)
}

impl Scope {
    /// What both this scope and another one permit; `None` where that is nothing.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let permissions = self.permissions.and(other.permissions);
        let resource_type = match (self.resource_type, other.resource_type) {
            (Some(one), Some(another)) if one != another => return None,
            (one, another) => one.or(another),
        };
        if self.context != other.context || !permissions.is_some() {
            return None;
        }
        let mut restrictions = self.restrictions.clone();
        for restriction in &other.restrictions {
            if !restrictions.contains(restriction) {
                restrictions.push(restriction.clone());
            }
        }
        Some(Self {
            context: self.context,
            resource_type,
            permissions,
            restrictions,
            is_version_1: self.is_version_1,
        })
    }

    /// Whether it permits all that another one does.
    pub fn covers(&self, other: &Self) -> bool {
        self.context == other.context
            && self
                .resource_type
                .is_none_or(|own| other.resource_type == Some(own))
            && self.permissions.has(other.permissions)
            && self
                .restrictions
                .iter()
                .all(|own| other.restrictions.contains(own))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.resource_type.map_or("*", ResourceType::name);
        write!(f, "{}/{name}.", self.context.name())?;
        let version_1 = match self.permissions {
            Permissions::VERSION_1_READ => Some("read"),
            Permissions::VERSION_1_WRITE => Some("write"),
            Permissions::ALL => Some("*"),
            _ => None,
        };
        let version_1 = version_1.filter(|_| self.is_version_1 && self.restrictions.is_empty());
        if let Some(word) = version_1 {
            return f.write_str(word);
        }
        for (letter, permission) in LETTERS {
            if self.permissions.has(permission) {
                write!(f, "{letter}")?;
            }
        }
        if !self.restrictions.is_empty() {
            write!(f, "?{}", encode(&self.restrictions))?;
        }
        Ok(())
    }
}

/// Restrictions as a query without blanks, which would end the scope; what needs no escape for
/// that stays readable.
fn encode(pairs: &[(String, String)]) -> String {
    let mut out = String::new();
    for (place, (name, value)) in pairs.iter().enumerate() {
        if place > 0 {
            out.push('&');
        }
        escape(name, &mut out);
        out.push('=');
        escape(value, &mut out);
    }
    out
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"%&+=#\"\\".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            write!(out, "%{byte:02X}").unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Context, Permissions, Scope, ScopeError};
    use crate::fhir::resource_type::ResourceType;

    fn scope(text: &str) -> Scope {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn both_versions_are_read_and_written_as_they_came() {
        for text in [
            "patient/Observation.rs",
            "user/*.cruds",
            "system/Patient.read",
            "system/*.write",
            "patient/*.*",
            "system/*.c",
            "patient/Observation.rs?category=http://x|laboratory",
            "patient/Observation.s?category=a&code=b,c",
        ] {
            assert_eq!(scope(text).to_string(), text);
        }
        assert_eq!(
            scope("system/Patient.read").permissions,
            scope("system/Patient.rs").permissions
        );
        assert_eq!(
            scope("user/*.write").permissions,
            scope("user/*.cud").permissions
        );
        assert_eq!(scope("user/*.*").permissions, Permissions::ALL);
        assert_eq!(scope("user/Patient.r").context, Context::User);
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for (text, error) in [
            ("openid", ScopeError::Form),
            ("launch/patient", ScopeError::Form),
            ("patients/Patient.r", ScopeError::Form),
            ("Patient/Patient.r", ScopeError::Form),
            ("patient/Patient", ScopeError::Form),
            ("patient/Nobody.r", ScopeError::Type),
            ("patient/patient.r", ScopeError::Type),
            ("patient/Patient.", ScopeError::Permissions),
            ("patient/Patient.sr", ScopeError::Permissions),
            ("patient/Patient.rr", ScopeError::Permissions),
            ("patient/Patient.dus", ScopeError::Permissions),
            ("patient/Patient.Read", ScopeError::Permissions),
            ("patient/Patient.rx", ScopeError::Permissions),
            ("patient/Patient.rs?", ScopeError::Restriction),
            ("patient/Patient.rs?a", ScopeError::Restriction),
            ("patient/Patient.rs?=a", ScopeError::Restriction),
            ("patient/Patient.rs?a=%zz", ScopeError::Restriction),
            ("patient/Patient.read?a=b", ScopeError::Restriction),
        ] {
            assert_eq!(text.parse::<Scope>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_intersection_is_covered_by_both() {
        let both = |one: &str, other: &str| {
            scope(one)
                .intersection(&scope(other))
                .map(|both| both.to_string())
        };
        assert_eq!(
            both("system/*.rs", "system/Patient.r").as_deref(),
            Some("system/Patient.r")
        );
        assert_eq!(both("system/*.cud", "system/Patient.read"), None);
        assert_eq!(both("system/Patient.r", "user/Patient.r"), None);
        assert_eq!(both("system/Patient.r", "system/Group.r"), None);
        assert_eq!(
            both("system/*.rs?_tag=a", "system/Patient.rs?name=b").as_deref(),
            Some("system/Patient.rs?_tag=a&name=b")
        );
    }

    fn any_scope() -> impl Strategy<Value = Scope> {
        let types: Vec<ResourceType> = ResourceType::all().collect();
        let contexts = prop::sample::select(vec![Context::Patient, Context::User, Context::System]);
        let restriction = ("[a-z-]{1,8}", "[ -~é]{1,12}");
        let restrictions = prop::collection::vec(restriction, 0..3);
        let resource_type = prop::option::of(prop::sample::select(types));
        (contexts, resource_type, 1_u8..32, restrictions).prop_map(
            |(context, resource_type, bits, restrictions)| Scope {
                context,
                resource_type,
                permissions: Permissions(bits),
                restrictions,
                is_version_1: false,
            },
        )
    }

    proptest! {
        #[test]
        fn a_scope_comes_back(one in any_scope()) {
            let text = one.to_string();
            prop_assert!(!text.contains(' '), "{}", text);
            prop_assert_eq!(text.parse::<Scope>(), Ok(one));
        }

        #[test]
        fn what_two_scopes_share_is_in_both(one in any_scope(), other in any_scope()) {
            if let Some(both) = one.intersection(&other) {
                prop_assert!(one.covers(&both) && other.covers(&both));
            }
        }

        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,40}") {
            if let Ok(scope) = text.parse::<Scope>() {
                let again = scope.to_string().parse::<Scope>();
                prop_assert_eq!(again.map(|one| one.permissions), Ok(scope.permissions));
            }
        }
    }
}
