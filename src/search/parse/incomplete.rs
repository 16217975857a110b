//! What is still being indexed of what a query asks: by a new parameter, or after an upgrade.

use crate::fhir::resource_type::ResourceType;
use crate::outcome::{Issue, Severity};
use crate::search::index::Indexer;
use crate::search::query::{Criterion, Query};
use crate::search::relation::Relation;

/// What a query has been read to ask for, as far as it is not indexed to the end.
struct Asked<'a> {
    indexer: &'a Indexer,
    issues: Vec<Issue>,
}

/// Warnings that the result of a query may be incomplete; none when it is not.
pub(super) fn warnings(query: &Query, indexer: &Indexer) -> Vec<Issue> {
    let mut asked = Asked {
        indexer,
        issues: Vec::new(),
    };
    for criterion in &query.criteria {
        asked.look_at(query.resource_type, criterion);
    }
    for include in query.result.includes.iter().filter(|one| one.is_reverse) {
        if let (Some(source), Some(code)) = (include.source, &include.code) {
            asked.parameter(source, code);
        }
    }
    asked.issues
}

impl Asked<'_> {
    fn look_at(&mut self, resource_type: ResourceType, criterion: &Criterion) {
        match criterion {
            Criterion::Parameter { code, .. } | Criterion::Missing { code, .. } => {
                self.parameter(resource_type, code);
            }
            Criterion::Not(inner) => self.look_at(resource_type, inner),
            Criterion::All(parts) | Criterion::Any(parts) => {
                for part in parts {
                    self.look_at(resource_type, part);
                }
            }
            Criterion::Related(Relation::Chain { code, targets }) => {
                self.parameter(resource_type, code);
                for (target, inner) in targets {
                    self.look_at(*target, inner);
                }
            }
            Criterion::Related(Relation::Has {
                source,
                code,
                criterion,
            }) => {
                self.parameter(*source, code);
                self.look_at(*source, criterion);
            }
            Criterion::Related(Relation::Hierarchy {
                code, hierarchies, ..
            }) => {
                self.parameter(resource_type, code);
                for (of, upwards) in hierarchies {
                    self.parameter(*of, upwards);
                }
            }
            Criterion::Words(_) => self.entries(resource_type),
            // Of columns and of bodies, and what comes of answering a chain only.
            Criterion::Ids(_)
            | Criterion::LastUpdated(_)
            | Criterion::Inside(_)
            | Criterion::Referred(_)
            | Criterion::Related(Relation::Lists(_)) => {}
        }
    }

    fn parameter(&mut self, resource_type: ResourceType, code: &str) {
        self.entries(resource_type);
        let registry = self.indexer.registry();
        let parameter = registry.search_parameter(resource_type, code);
        if parameter.is_some_and(|one| !one.is_complete) {
            self.say(format!(
                "{code} is new: resources are still being indexed by it, the result may be \
                 incomplete"
            ));
        }
    }

    fn entries(&mut self, resource_type: ResourceType) {
        if self.indexer.is_outdated(resource_type) {
            self.say(format!(
                "{resource_type}: resources are being indexed anew after an upgrade, the result \
                 may be incomplete"
            ));
        }
    }

    fn say(&mut self, text: String) {
        let issue = Issue {
            severity: Severity::Warning,
            ..Issue::error("incomplete", text)
        };
        if !self.issues.contains(&issue) {
            self.issues.push(issue);
        }
    }
}
