//! The problems found so far, bounded.
//!
//! Everything here is off the happy path.

use crate::outcome::{Issue, Severity};
use crate::validation::location::Location;

/// Collects issues up to a limit.
#[derive(Debug)]
pub(super) struct Report {
    issues: Vec<Issue>,
    issues_max: usize,
    is_cut: bool,
}

impl Report {
    /// An empty report that holds `issues_max` issues at most, at least one.
    pub(super) fn new(issues_max: usize) -> Self {
        Self {
            issues: Vec::new(),
            issues_max: issues_max.max(1),
            is_cut: false,
        }
    }

    /// Whether an issue was left out, so that looking on is of no use.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Adds an error.
    #[cold]
    pub(super) fn error(&mut self, code: &'static str, at: &Location<'_>, diagnostics: String) {
        if self.issues.len() >= self.issues_max {
            // A warning never keeps an error out: without an error the resource would pass.
            let warning = |issue: &Issue| issue.severity != Severity::Error;
            let Some(place) = self.issues.iter().rposition(warning) else {
                self.is_cut = true;
                return;
            };
            self.issues.remove(place);
        }
        self.issues
            .push(Issue::error(code, diagnostics).at(at.to_string()));
    }

    /// Adds a warning, while there is room.
    #[cold]
    pub(super) fn warning(&mut self, code: &'static str, at: &Location<'_>, diagnostics: String) {
        if self.issues.len() < self.issues_max {
            self.issues
                .push(Issue::warning(code, diagnostics).at(at.to_string()));
        }
    }

    /// The issues; when some were left out, the last one says so.
    pub(super) fn into_issues(mut self) -> Vec<Issue> {
        if self.is_cut {
            let count = self.issues.len();
            self.issues.push(Issue::information(
                "informational",
                format!("There are more problems than these {count}. Mend them and send it again."),
            ));
        }
        self.issues
    }
}

#[cfg(test)]
mod tests {
    use super::{Location, Report};

    fn texts(report: Report) -> Vec<String> {
        let issues = report.into_issues().into_iter();
        issues.map(|issue| issue.diagnostics).collect()
    }

    #[test]
    fn what_is_over_the_limit_is_one_more_issue() {
        let root = Location::root("Patient");
        let mut report = Report::new(2);
        for text in ["a", "b"] {
            report.error("value", &root, text.to_owned());
        }
        assert!(!report.is_cut());
        report.error("value", &root, "c".to_owned());
        assert!(report.is_cut());
        let texts = texts(report);
        assert_eq!(texts.len(), 3);
        assert!(texts.last().unwrap().contains("more problems than these 2"));
    }

    #[test]
    fn an_error_takes_the_place_of_a_warning() {
        let root = Location::root("Patient");
        let mut report = Report::new(1);
        report.warning("value", &root, "w".to_owned());
        report.warning("value", &root, "x".to_owned());
        report.error("value", &root, "e".to_owned());
        assert_eq!(texts(report), ["e"]);
    }
}
