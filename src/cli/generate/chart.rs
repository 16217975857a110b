//! What is known of a patient while their record is written, and one visit of it.
//!
//! State only: what is made of it is in the modules by clinical area.

use super::allergy::Allergy;
use super::calendar::{Day, Moment};
use super::directory::Practitioner;
use super::disease::{Disease, Episode};
use super::person::Person;
use super::random::Random;
use super::record::{EntryId, Record};

/// A patient's record in the making.
#[derive(Debug)]
pub(super) struct Chart<'d> {
    /// Who it is about.
    pub(super) person: Person<'d>,
    /// The id of the Patient.
    pub(super) patient: EntryId,
    /// The patient's stream of numbers.
    pub(super) random: Random,
    /// A number of the patient's own, the same at every visit.
    pub(super) nature: u64,
    /// The resources so far.
    pub(super) record: Record,
    /// Diseases that stay.
    pub(super) problems: Vec<Problem>,
    /// Allergies.
    pub(super) allergies: Vec<Sensitivity>,
    /// Long-term medicines by code, with the days they were prescribed.
    pub(super) prescribed: Vec<(&'static str, Day)>,
    /// Vaccines by code, with the number of doses given and the day of the last.
    pub(super) vaccinated: Vec<(&'static str, u32, Day)>,
    /// How many visits there have been, and the moment the last ended.
    pub(super) visits: usize,
    /// When the last visit ended.
    pub(super) last_visit_end: Option<Moment>,
}

/// A disease somebody has.
#[derive(Debug)]
pub(super) struct Problem {
    /// Which.
    pub(super) disease: &'static Disease,
    /// Since when.
    pub(super) onset: Day,
    /// Until when, if it has passed.
    pub(super) abatement: Option<Day>,
    /// Its Condition, once it is noted.
    pub(super) condition: Option<EntryId>,
    /// The visit it was noted at.
    pub(super) noted: Option<Moment>,
}

/// An allergy somebody has.
#[derive(Debug)]
pub(super) struct Sensitivity {
    /// To what.
    pub(super) allergy: &'static Allergy,
    /// Since when.
    pub(super) onset: Day,
    /// Whether it is in the record.
    pub(super) is_noted: bool,
}

/// What brings somebody in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reason {
    /// A child's check-up.
    WellChild,
    /// An adult's check-up.
    Checkup,
    /// A look after a chronic disease.
    FollowUp,
    /// Something that passes.
    Acute(&'static Episode),
}

/// One visit.
#[derive(Debug)]
pub(super) struct Visit<'d> {
    /// The Encounter.
    pub(super) id: EntryId,
    /// What for.
    pub(super) reason: Reason,
    /// When it began.
    pub(super) start: Moment,
    /// When it ended.
    pub(super) end: Moment,
    /// Who saw the patient.
    pub(super) doctor: &'d Practitioner,
}

impl Chart<'_> {
    /// Whether somebody has a disease on a day, by its SNOMED code.
    pub(super) fn has(&self, code: &str, day: Day) -> bool {
        self.active(day)
            .any(|problem| problem.disease.term.code == code)
    }

    /// The diseases of a day.
    pub(super) fn active(&self, day: Day) -> impl Iterator<Item = &Problem> {
        self.problems
            .iter()
            .filter(move |problem| problem.is_active(day))
    }
}

impl Problem {
    /// Whether it is there on a day.
    pub(super) fn is_active(&self, day: Day) -> bool {
        self.onset <= day && self.abatement.is_none_or(|end| day < end)
    }
}

impl Visit<'_> {
    /// The length in minutes of an ordinary visit for this.
    pub(super) const fn usual_minutes(reason: Reason) -> i64 {
        match reason {
            Reason::WellChild | Reason::Checkup => 30,
            Reason::FollowUp => 20,
            Reason::Acute(episode) => episode.setting.minutes(),
        }
    }
}
