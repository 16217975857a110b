//! Who a synthetic patient is, drawn before anything happens to them.
//!
//! Demographics, build and habits; the resources made of them are in `demographics`.
//! Shares of ages, births and deaths are rough figures of a North American population.

use super::calendar::Day;
use super::directory::{Directory, Practitioner, Specialty};
use super::name::{Culture, FullName, Sex};
use super::random::Random;

/// Somebody.
#[derive(Debug)]
pub(super) struct Person<'d> {
    /// Their name.
    pub(super) name: FullName,
    /// Their sex.
    pub(super) sex: Sex,
    /// Day of birth.
    pub(super) birth: Day,
    /// Day of death.
    pub(super) death: Option<Day>,
    /// The day the record ends: death, or the day up to which the world is made. Nothing that has
    /// happened lies on it or behind it.
    pub(super) last: Day,
    /// Which of several children of one birth they are.
    pub(super) birth_order: Option<i64>,
    /// How tall for age and sex, in thousandths of a standard deviation.
    pub(super) stature: i64,
    /// How heavy for age, sex and stature, in thousandths of a standard deviation.
    pub(super) build: i64,
    /// How high their blood pressure tends to be, in thousandths of a standard deviation.
    pub(super) pressure: i64,
    smoking: Smoking,
    /// Who cares for them.
    pub(super) doctor: &'d Practitioner,
    /// Who sees them in hospital.
    pub(super) hospital_doctor: &'d Practitioner,
}

/// A life's use of tobacco.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Smoking {
    Never,
    Since { start: Day, end: Option<Day> },
}

/// Use of tobacco on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SmokingStatus {
    /// Has never smoked.
    Never,
    /// Smokes.
    Current,
    /// Smoked before.
    Former,
}

/// Lowest age, highest age, share.
const AGES: [(i64, i64, i64); 5] = [
    (0, 5, 80),
    (6, 17, 140),
    (18, 44, 340),
    (45, 64, 260),
    (65, 94, 180),
];

/// How many years back those died who are dead.
const DEATHS_YEARS: i64 = 5;

/// Age in years, dead of a thousand.
const DEATH: [(i64, i64); 5] = [(0, 4), (40, 15), (60, 90), (75, 240), (94, 550)];

impl<'d> Person<'d> {
    /// Draws somebody; `None` only when there are no names or practitioners to draw from.
    pub(super) fn draw(
        directory: &'d Directory,
        cultures: &[Culture],
        until: Day,
        random: &mut Random,
    ) -> Option<Self> {
        let sex = if random.chance(510) {
            Sex::Female
        } else {
            Sex::Male
        };
        let name = FullName::draw(cultures, sex, random)?;
        let (youngest, oldest, _) = *random.weighted(&AGES, |ages| ages.2)?;
        let age_days = random.between(youngest * 365 + 30, oldest * 365 + 364);
        let birth = until.plus_days(-age_days);
        let death = random
            .chance(super::random::curve(&DEATH, age_days / 365))
            .then(|| until.plus_days(-random.between(1, DEATHS_YEARS * 365)))
            .filter(|death| death.months_since(birth) >= 6);
        let last = death.unwrap_or(until);
        let specialty = if last.years_since(birth) < 18 {
            Specialty::Paediatrics
        } else {
            Specialty::Family
        };
        Some(Self {
            name,
            sex,
            birth,
            death,
            last,
            birth_order: random.chance(30).then(|| random.between(1, 2)),
            stature: random.deviate().clamp(-2500, 2500),
            build: random.deviate().clamp(-2000, 2600),
            pressure: random.deviate().clamp(-2500, 2500),
            smoking: Smoking::draw(birth, last, random),
            doctor: directory.practitioner(specialty, random)?,
            hospital_doctor: directory.practitioner(Specialty::Hospital, random)?,
        })
    }

    /// Whole years of age on a day.
    pub(super) fn years(&self, day: Day) -> i64 {
        day.years_since(self.birth)
    }

    /// Whole months of age on a day.
    pub(super) fn months(&self, day: Day) -> i64 {
        day.months_since(self.birth)
    }

    /// Whether they had ever smoked by a day, and whether they still did.
    pub(super) fn smoking(&self, day: Day) -> SmokingStatus {
        match self.smoking {
            Smoking::Since { start, end } if start <= day => match end {
                Some(end) if end <= day => SmokingStatus::Former,
                _ => SmokingStatus::Current,
            },
            _ => SmokingStatus::Never,
        }
    }
}

impl Smoking {
    fn draw(birth: Day, last: Day, random: &mut Random) -> Self {
        let start = birth.plus_months(random.between(15 * 12, 24 * 12));
        if start >= last || !random.chance(340) {
            return Self::Never;
        }
        let years = random.between(3, 35);
        let end = Some(start.plus_months(years * 12)).filter(|end| *end < last);
        Self::Since { start, end }
    }
}
