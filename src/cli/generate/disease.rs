//! Which diseases there are, who gets them, and what follows from them.
//!
//! Two flat tables: diseases that stay, and episodes that pass. Shares and ages are rough figures
//! meant to look alive, not to be epidemiology. Laboratory effects are in the analyte's own scale.

pub(super) mod table;

use super::care::Plan;
use super::chart::Problem;
use super::laboratory::Panel;
use super::medication::Medication;
use super::name::Sex;
use super::person::{Person, SmokingStatus};
use super::random::Random;
use super::term::Term;

use table::DISEASES;

/// A disease that stays.
#[derive(Debug)]
pub(super) struct Disease {
    /// Its SNOMED term.
    pub(super) term: Term,
    /// Youngest and oldest age at which it begins, in years.
    pub(super) onset_years: (i64, i64),
    /// How many of a thousand women and men get it, if they live to the oldest age.
    pub(super) per_mille: (i64, i64),
    /// Diseases (by code) that add to the chance, and by how many of a thousand.
    pub(super) risks: &'static [(&'static str, i64)],
    /// Months between two visits for it; none when it needs no visits of its own.
    pub(super) follow_up_months: Option<i64>,
    /// Years after which it passes by itself.
    pub(super) lasts_years: Option<i64>,
    /// What is taken for it.
    pub(super) medications: &'static [Medication],
    /// What the laboratory looks at.
    pub(super) panels: &'static [Panel],
    /// What it does to laboratory values, by LOINC code.
    pub(super) effects: &'static [(&'static str, i64)],
    /// What is done about once a year.
    pub(super) procedures: &'static [Term],
    /// How it is cared for.
    pub(super) plan: Option<&'static Plan>,
}

/// Something that passes.
#[derive(Debug)]
pub(super) struct Episode {
    /// Its SNOMED term.
    pub(super) term: Term,
    /// Youngest and oldest age, in years.
    pub(super) ages: (i64, i64),
    /// How frequent it is among the others.
    pub(super) weight: i64,
    /// How many days it lasts.
    pub(super) days: i64,
    /// Where people go with it.
    pub(super) setting: Setting,
    /// Whether it comes with fever.
    pub(super) has_fever: bool,
    /// What is taken for it.
    pub(super) medications: &'static [Medication],
    /// What the laboratory looks at.
    pub(super) panels: &'static [Panel],
    /// What is done.
    pub(super) procedures: &'static [Term],
}

/// Where an episode is cared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// The family doctor's.
    Office,
    /// A video call.
    Virtual,
    /// The emergency department.
    Emergency,
    /// A ward, for so many days.
    Ward(i64),
}

impl Setting {
    /// How long a stay is.
    pub(super) const fn minutes(self) -> i64 {
        match self {
            Self::Office => 20,
            Self::Virtual => 15,
            Self::Emergency => 180,
            Self::Ward(days) => days * 24 * 60,
        }
    }

    /// How many whole days a stay reaches beyond the day it begins, at most.
    pub(super) const fn days(self) -> i64 {
        match self {
            Self::Office | Self::Virtual => 0,
            Self::Emergency => 1,
            Self::Ward(days) => days + 1,
        }
    }
}

/// What smoking adds to the chance of some diseases, of a thousand.
const SMOKING: [(&str, i64); 3] = [("13645005", 300), ("53741008", 150), ("87433001", 100)];

/// Draws the diseases of a life, in the order of the table: what is a risk comes before what it
/// leads to.
pub(super) fn draw(person: &Person<'_>, random: &mut Random) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for disease in DISEASES {
        let (youngest, oldest) = disease.onset_years;
        let months = random.between(youngest * 12, oldest * 12 + 11);
        let onset = person
            .birth
            .plus_months(months)
            .plus_days(random.between(0, 27));
        let known = |code: &str| {
            problems
                .iter()
                .any(|problem| problem.disease.term.code == code)
        };
        let risks = disease
            .risks
            .iter()
            .filter(|risk| known(risk.0))
            .map(|risk| risk.1);
        let (female, male) = disease.per_mille;
        let base = match person.sex {
            Sex::Female => female,
            Sex::Male => male,
        };
        let tobacco = SMOKING.iter().filter(|risk| {
            risk.0 == disease.term.code && person.smoking(onset) != SmokingStatus::Never
        });
        let chance = base + risks.sum::<i64>() + tobacco.map(|risk| risk.1).sum::<i64>();
        if random.chance(chance) && onset < person.last.plus_days(-1) {
            let end = disease
                .lasts_years
                .map(|years| onset.plus_months(years * 12));
            problems.push(Problem {
                disease,
                onset,
                abatement: end.filter(|end| *end < person.last),
                condition: None,
                noted: None,
            });
        }
    }
    problems
}
