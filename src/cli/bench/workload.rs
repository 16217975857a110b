//! The workloads by name, each with its unit.

use clap::ValueEnum;

/// What a run measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Workload {
    /// Transaction bundles of 500 entries over HTTP.
    Bundles,
    /// `vesta import` of the same bundles into an empty store.
    Import,
    /// Reads by id.
    Read,
    /// Single durable creates.
    Create,
    /// Single durable updates, each with a version for the history.
    Update,
    /// Observations of a patient with a code.
    PatientCode,
    /// Observations of a patient in a category.
    PatientCategory,
    /// Observations with a code and a value in a range.
    CodeValue,
    /// Patients whose family name begins with.
    FamilyPrefix,
    /// Patients by birth date and gender.
    BirthdateGender,
    /// How many observations have a code.
    Count,
    /// From the start of the process to its first answer, on the loaded store.
    Start,
}

impl Workload {
    /// All of them, in the order in which they run.
    pub(super) const ALL: [Self; 12] = [
        Self::Bundles,
        Self::Import,
        Self::Read,
        Self::Create,
        Self::Update,
        Self::PatientCode,
        Self::PatientCategory,
        Self::CodeValue,
        Self::FamilyPrefix,
        Self::BirthdateGender,
        Self::Count,
        Self::Start,
    ];

    /// Its name in the report and on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What its rate counts.
    pub(super) const fn unit(self) -> &'static str {
        match self {
            Self::Bundles | Self::Import => "resources",
            Self::Start => "starts",
            _ => "requests",
        }
    }
}
