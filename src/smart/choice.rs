//! What a person may leave out of what an app asks for, and what comes of their choice.
//!
//! Each scope can be refused; the whole record can be narrowed to kinds of data, and conditions and
//! observations to categories. Nothing that is chosen is more than what was asked for.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>.

use crate::access::scope::{Context, Scope};
use crate::smart::asked::ScopeSet;
use crate::smart::words::{self, CATEGORIES, CATEGORY, KINDS};

/// One scope that a person decides about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its place among the scopes that are asked for.
    pub place: usize,
    /// What it is about.
    pub subject: String,
    /// What the app could do.
    pub doing: String,
    /// Whether the app could do more than look.
    pub is_writing: bool,
    /// What it can be narrowed to.
    pub parts: Vec<Part>,
}

/// A part of what a scope is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What the form calls it.
    pub value: String,
    /// What is in it.
    pub words: &'static str,
}

/// What a person decides about.
pub fn choices(scopes: &ScopeSet) -> Vec<Choice> {
    let places = scopes.resources.iter().enumerate();
    places
        .map(|(place, scope)| Choice {
            place,
            subject: words::subject(scope),
            doing: words::doing(scope),
            is_writing: words::is_writing(scope),
            parts: parts(scope),
        })
        .collect()
}

/// The scopes on resources that a person leaves in. `kept` says whether one is left in at all,
/// `only` to which parts it is narrowed; to none where it is not narrowed.
pub fn chosen(
    scopes: &ScopeSet,
    kept: &dyn Fn(usize) -> bool,
    only: &dyn Fn(usize) -> Vec<String>,
) -> Vec<Scope> {
    let mut chosen = Vec::new();
    for (place, scope) in scopes.resources.iter().enumerate() {
        if !kept(place) {
            continue;
        }
        let wanted = only(place);
        let narrowed = parts(scope);
        let narrowed = narrowed.iter().filter(|part| wanted.contains(&part.value));
        let narrowed: Vec<_> = narrowed.filter_map(|part| narrow(scope, part)).collect();
        // Whoever named parts that there are not shares nothing rather than everything.
        if wanted.is_empty() {
            chosen.push(scope.clone());
        } else {
            chosen.extend(narrowed);
        }
    }
    chosen
}

fn parts(scope: &Scope) -> Vec<Part> {
    if !scope.restrictions.is_empty() {
        return Vec::new();
    }
    let Some(resource_type) = scope.resource_type else {
        let kinds = KINDS.iter().filter(|_| scope.context == Context::Patient);
        let kinds = kinds.map(|(name, words)| Part {
            value: (*name).to_owned(),
            words,
        });
        return kinds.collect();
    };
    let categories = CATEGORIES.iter();
    let own = categories.filter(|(of, ..)| *of == resource_type.name());
    own.map(|(_, system, code, words)| Part {
        value: format!("{system}|{code}"),
        words,
    })
    .collect()
}

fn narrow(scope: &Scope, part: &Part) -> Option<Scope> {
    let mut narrowed = scope.clone();
    if scope.resource_type.is_none() {
        narrowed.resource_type = Some(part.value.parse().ok()?);
    } else {
        narrowed.restrictions = vec![(CATEGORY.to_owned(), part.value.clone())];
        // The first version knows no restrictions.
        narrowed.is_version_1 = false;
    }
    Some(narrowed)
}

#[cfg(test)]
mod tests {
    use super::{choices, chosen};
    use crate::smart::asked::ScopeSet;

    fn set(text: &str) -> ScopeSet {
        ScopeSet::read(text.split(' '))
    }

    fn texts(asked: &ScopeSet, kept: &[usize], only: &[(usize, &str)]) -> Vec<String> {
        let only = |place: usize| {
            let own = only.iter().filter(|(of, _)| *of == place);
            own.map(|(_, value)| (*value).to_owned()).collect()
        };
        let scopes = chosen(asked, &|place| kept.contains(&place), &only);
        scopes.iter().map(ToString::to_string).collect()
    }

    const LABORATORY: &str =
        "http://terminology.hl7.org/CodeSystem/observation-category|laboratory";

    #[test]
    fn what_is_left_out_is_not_given() {
        let asked = set("openid patient/Patient.rs patient/Observation.read patient/*.rs");
        assert_eq!(choices(&asked).len(), 3);
        assert_eq!(texts(&asked, &[], &[]), Vec::<String>::new());
        assert_eq!(
            texts(&asked, &[0, 1], &[]),
            ["patient/Patient.rs", "patient/Observation.read"]
        );
        assert_eq!(
            texts(&asked, &[1], &[(1, LABORATORY), (0, LABORATORY)]),
            [format!("patient/Observation.rs?category={LABORATORY}")]
        );
        assert_eq!(
            texts(&asked, &[2], &[(2, "Immunization"), (2, "Patient")]),
            ["patient/Patient.rs", "patient/Immunization.rs"]
        );
    }

    #[test]
    fn parts_that_there_are_not_give_nothing() {
        let asked = set("patient/Patient.rs user/*.rs patient/Observation.rs?category=exam");
        for place in 0..3 {
            assert!(choices(&asked)[place].parts.is_empty());
            assert!(texts(&asked, &[place], &[(place, LABORATORY)]).is_empty());
        }
    }
}
