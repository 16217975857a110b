//! The scopes of a request or grant: words about the launch and the user, and scopes on resources.
//!
//! Pure. What cannot be read is left out and never widened.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>.

use std::fmt;
use std::str::FromStr;

use crate::access::scope::{Context, Scope};

/// Scopes of one request, at most.
pub const SCOPES_MAX: usize = 200;

/// A scope that is about no resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// An identity token.
    Openid,
    /// Which resource describes the user.
    FhirUser,
    /// The same in the words of OpenID Connect.
    Profile,
    /// The context that an EHR launched with.
    Launch,
    /// A patient, chosen by the user where the launch names none.
    LaunchPatient,
    /// An encounter, where the launch names one.
    LaunchEncounter,
    /// Refresh tokens that outlast the user's session.
    OfflineAccess,
    /// Refresh tokens for as long as the user's session.
    OnlineAccess,
    /// Making launch contexts, as an EHR does.
    OrchestrateLaunch,
}

impl Word {
    /// Every word.
    pub const ALL: [Self; 9] = [
        Self::Openid,
        Self::FhirUser,
        Self::Profile,
        Self::Launch,
        Self::LaunchPatient,
        Self::LaunchEncounter,
        Self::OfflineAccess,
        Self::OnlineAccess,
        Self::OrchestrateLaunch,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Openid => "openid",
            Self::FhirUser => "fhirUser",
            Self::Profile => "profile",
            Self::Launch => "launch",
            Self::LaunchPatient => "launch/patient",
            Self::LaunchEncounter => "launch/encounter",
            Self::OfflineAccess => "offline_access",
            Self::OnlineAccess => "online_access",
            Self::OrchestrateLaunch => "smart/orchestrate_launch",
        }
    }

    fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.name() == text)
    }

    /// Whether a client asks for it by itself rather than for a user.
    pub const fn is_for_clients(self) -> bool {
        matches!(self, Self::OrchestrateLaunch)
    }
}

/// One scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// About the launch or the user.
    Word(Word),
    /// On resources.
    Resources(Scope),
}

impl FromStr for Asked {
    type Err = crate::access::scope::ScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Word::named(text) {
            Some(word) => Ok(Self::Word(word)),
            None => text.parse().map(Self::Resources),
        }
    }
}

/// Scopes, each once, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeSet {
    /// Those about the launch and the user.
    pub words: Vec<Word>,
    /// Those on resources.
    pub resources: Vec<Scope>,
}

impl ScopeSet {
    /// Reads scopes; what is none is left out.
    pub fn read<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut set = Self::default();
        for text in texts.take(SCOPES_MAX) {
            match text.parse() {
                Ok(Asked::Word(word)) => set.push_word(word),
                Ok(Asked::Resources(scope)) => set.push(scope),
                Err(_unknown) => {}
            }
        }
        set
    }

    /// As documents keep it.
    pub fn to_texts(&self) -> Vec<String> {
        let words = self.words.iter().map(|word| word.name().to_owned());
        words
            .chain(self.resources.iter().map(ToString::to_string))
            .collect()
    }

    /// Reads what a document keeps.
    pub fn of_texts(texts: &[String]) -> Self {
        Self::read(texts.iter().map(String::as_str))
    }

    /// Whether a word is among them.
    pub fn has(&self, word: Word) -> bool {
        self.words.contains(&word)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.resources.is_empty()
    }

    /// Adds a word.
    pub fn push_word(&mut self, word: Word) {
        if !self.has(word) {
            self.words.push(word);
        }
    }

    /// Adds a scope on resources.
    pub fn push(&mut self, scope: Scope) {
        if !self.resources.contains(&scope) {
            self.resources.push(scope);
        }
    }

    /// What of these scopes others allow: words that both have, scopes as far as they overlap.
    #[must_use]
    pub fn within(&self, allowed: &Self) -> Self {
        let words = self.words.iter().copied();
        let mut narrowed = Self {
            words: words.filter(|word| allowed.has(*word)).collect(),
            resources: Vec::new(),
        };
        for scope in &self.resources {
            for part in narrow(scope, &allowed.resources) {
                narrowed.push(part);
            }
        }
        narrowed
    }

    /// Whether scopes on the record of one patient are among them.
    pub fn is_about_patient(&self) -> bool {
        let mut all = self.resources.iter();
        all.any(|scope| scope.context == Context::Patient)
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_texts().join(" "))
    }
}

/// What of a scope others allow.
pub fn narrow(scope: &Scope, allowed: &[Scope]) -> Vec<Scope> {
    if allowed.iter().any(|one| one.covers(scope)) {
        return vec![scope.clone()];
    }
    let parts = allowed.iter().filter_map(|one| scope.intersection(one));
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::{ScopeSet, Word};

    fn set(text: &str) -> ScopeSet {
        ScopeSet::read(text.split(' '))
    }

    #[test]
    fn scopes_are_read_and_written() {
        let text = "openid fhirUser launch/patient offline_access patient/Patient.rs user/*.read";
        assert_eq!(set(text).to_string(), text);
        assert_eq!(
            set("openid openid nonsense patient/None.r").to_string(),
            "openid"
        );
        for word in Word::ALL {
            assert_eq!(set(word.name()).words, [word]);
        }
    }

    #[test]
    fn what_is_not_allowed_is_left_out() {
        let allowed = set("openid launch/patient patient/*.rs user/Patient.r");
        for (asked, given) in [
            ("openid offline_access", "openid"),
            ("patient/Patient.cruds", "patient/Patient.rs"),
            ("patient/Patient.read", "patient/Patient.read"),
            ("user/*.rs", "user/Patient.r"),
            ("system/*.rs", ""),
        ] {
            assert_eq!(set(asked).within(&allowed).to_string(), given, "{asked}");
        }
    }
}
