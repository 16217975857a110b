//! The FHIR interactions, one file each; no HTTP types.
//!
//! Each reads `name(ctx, grant, request) -> Result<response, Outcome>`. Writes are staged, so that
//! a transaction is made of the same parts as a single interaction and commits once.
//! Spec: <https://hl7.org/fhir/R4/http.html>.

pub mod batch;
pub mod bundle;
pub mod capabilities;
pub mod conditional;
pub mod create;
pub mod delete;
pub mod entity_tag;
pub mod fetch;
pub mod fill;
pub mod history;
mod marks;
pub mod operations;
pub mod patch;
pub mod read;
pub mod search;
pub mod stage;
pub mod transaction;
pub mod update;
pub mod vread;

use std::sync::Arc;

use crate::access::reach::keeper::Reaches;
use crate::access::records::Records;
use crate::clock::Clock;
use crate::config::AccessMode;
use crate::config::limits::Limits;
use crate::config::rest::RestConfig;
use crate::conformance::custom::{self, Definition};
use crate::conformance::registry::Registry;
use crate::fhir::resource::Resource;
use crate::interaction::operations::Operations;
use crate::outcome::kind::Kind;
use crate::outcome::{Outcome, Severity};
use crate::validation::{ValidationLimits, validate};

/// What every interaction works with.
#[derive(Clone)]
pub struct Context {
    /// The only way to stored resources.
    pub records: Arc<Records>,
    /// How far people reach.
    pub reaches: Arc<Reaches>,
    /// What R4 defines.
    pub registry: Arc<Registry>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What was configured.
    pub settings: Arc<Settings>,
    /// What a GET entry of a Bundle may call.
    pub operations: Arc<dyn Operations>,
}

/// The settings that interactions look at.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The FHIR base URL, without a slash at the end.
    pub base_url: String,
    /// Bounds on work.
    pub limits: Limits,
    /// Choices that FHIR leaves to the server.
    pub rest: RestConfig,
    /// How access is decided.
    pub access: AccessMode,
    /// The endpoints of the authorization server: what clients call them, and their URLs.
    pub oauth_endpoints: Vec<(&'static str, String)>,
}

impl Context {
    /// What validation is bounded by.
    pub fn validation_limits(&self) -> ValidationLimits {
        let limits = &self.settings.limits;
        ValidationLimits {
            depth_max: limits.depth_max,
            issues_max: limits.issues_max,
            string_chars_max: limits.string_chars_max,
            ..ValidationLimits::default()
        }
    }

    /// Refuses a resource that breaks the R4 definitions; the outcome lists every problem. A
    /// transaction has resolved its conditional references by then: one that is left is refused.
    pub fn check_valid(&self, resource: &Resource) -> Result<(), Outcome> {
        marks::check(resource)?;
        let limits = self.validation_limits();
        let issues = validate(resource, self.registry.shapes(), &limits);
        if issues.iter().any(|issue| issue.severity == Severity::Error) {
            return Err(Outcome::with_issues(Kind::Unprocessable, issues));
        }
        self.check_search_parameter(resource)?;
        if !transaction::rewrite::conditional_references(resource, &self.settings.base_url)
            .is_empty()
        {
            return Err(Outcome::new(
                Kind::Unprocessable,
                "Conditional references (Type?criteria) are resolved in the resources of a \
                 transaction only: post it as a transaction, or name the resource by its id.",
            ));
        }
        Ok(())
    }

    /// Refuses a `SearchParameter` that nothing can be indexed by.
    fn check_search_parameter(&self, resource: &Resource) -> Result<(), Outcome> {
        if resource.resource_type().name() != "SearchParameter" {
            return Ok(());
        }
        let refused = |issues| Outcome::with_issues(Kind::Unprocessable, issues);
        match custom::read(resource.object(), &self.registry).map_err(refused)? {
            Definition::Custom(custom) => custom
                .check_clashes(self.records.indexer().registry())
                .map_err(refused),
            Definition::Inactive | Definition::Known => Ok(()),
        }
    }
}
