//! Criteria on other resources: chains, reverse chains, lists.
//!
//! They cannot be decided on one resource. Whoever runs the query answers them with searches of
//! their own and puts a condition on references or ids in their place, before it is lowered.
//! Spec: <https://hl7.org/fhir/R4/search.html#chaining>, <https://hl7.org/fhir/R4/search.html#has>.

use compact_str::CompactString;

use crate::fhir::resource_type::ResourceType;
use crate::search::query::Criterion;

/// A criterion on resources that the searched one is related to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// `subject:Patient.name=x`: what the reference points to meets one of these.
    Chain {
        /// The reference parameter.
        code: CompactString,
        /// What a target has to meet, for each type that it may be of.
        targets: Vec<(ResourceType, Criterion)>,
    },
    /// `_has:Observation:patient:code=x`: something that meets this points here.
    Has {
        /// The type of what points here.
        source: ResourceType,
        /// The reference parameter by which it does.
        code: CompactString,
        /// What it has to meet.
        criterion: Box<Criterion>,
    },
    /// `location:below=Location/42`: the reference leads to one of these or to what lies below.
    Hierarchy {
        /// The reference parameter.
        code: CompactString,
        /// What is named, as references name it.
        named: Vec<String>,
        /// Types with a hierarchy, and the parameter of each that leads upwards.
        hierarchies: Vec<(ResourceType, CompactString)>,
        /// Whether what lies above is meant.
        is_above: bool,
    },
    /// `_list=42`: the List with one of these ids names it.
    Lists(Vec<String>),
}
