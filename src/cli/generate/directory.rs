//! The organisations, places and practitioners that all synthetic patients share.
//!
//! The same for every seed, so that files of several runs fit into one server. Each is created
//! once by its identifier, and the patients' bundles name them by conditional references.
//! Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

mod place;
mod staff;

use vesta_model::r4::Resource;
use vesta_model::r4::types::Reference;

use super::name::{Culture, FullName, Sex};
use super::random::Random;
use super::record::Record;
use super::term::{Term, reference, snomed};
use place::{PAYERS, SITES};

/// The system of National Provider Identifiers. Those here begin with 9, as no real one does.
pub(super) const NPI: &str = "http://hl7.org/fhir/sid/us-npi";

/// The system of our other identifiers.
pub(super) const SHARED: &str = "https://synthetic.example/fhir/sid/directory";

/// The stream of numbers behind the directory, whatever the seed.
const DIRECTORY_SEED: u64 = 0x0076_6573_7461;

/// A hospital or clinic.
#[derive(Debug)]
pub(super) struct Site {
    /// Its identifier.
    pub(super) npi: &'static str,
    /// Its name.
    pub(super) name: &'static str,
    /// Whether it has beds and an emergency department.
    pub(super) is_hospital: bool,
    /// Street and number.
    pub(super) line: &'static str,
    /// Its town.
    pub(super) town: Town,
    /// Where it stands, in ten-thousandths of a degree: north, east.
    pub(super) position: (i64, i64),
}

/// A town.
#[derive(Debug, Clone, Copy)]
pub(super) struct Town {
    /// Its name.
    pub(super) city: &'static str,
    /// Its county.
    pub(super) district: &'static str,
    /// Its state.
    pub(super) state: &'static str,
    /// One of its postal codes.
    pub(super) postal_code: &'static str,
}

/// Who pays for care.
#[derive(Debug)]
pub(super) struct Payer {
    /// Its identifier.
    pub(super) code: &'static str,
    /// Its name.
    pub(super) name: &'static str,
    /// Whether it is public insurance for old age.
    pub(super) is_public: bool,
}

/// What a practitioner does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Specialty {
    /// Sees adults.
    Family,
    /// Sees children.
    Paediatrics,
    /// Sees patients in the emergency department and on the wards.
    Hospital,
}

impl Specialty {
    const fn term(self) -> Term {
        match self {
            Self::Family => snomed("419772000", "Family practice"),
            Self::Paediatrics => snomed("394537008", "Pediatric specialty"),
            Self::Hospital => snomed("773568002", "Emergency medicine"),
        }
    }
}

/// A practitioner with the place where they work.
#[derive(Debug)]
pub(super) struct Practitioner {
    npi: String,
    name: FullName,
    sex: Sex,
    specialty: Specialty,
    /// Where they work.
    pub(super) site: &'static Site,
}

/// All that is shared.
#[derive(Debug)]
pub(super) struct Directory {
    practitioners: Vec<Practitioner>,
}

const STAFF: [Specialty; 5] = [
    Specialty::Family,
    Specialty::Family,
    Specialty::Family,
    Specialty::Paediatrics,
    Specialty::Paediatrics,
];

const HOSPITAL_STAFF: [Specialty; 3] = [Specialty::Hospital; 3];

impl Directory {
    /// Fills all posts with people of these cultures.
    pub(super) fn new(cultures: &[Culture]) -> Self {
        let mut random = Random::new(DIRECTORY_SEED, 0);
        let mut practitioners = Vec::new();
        for site in SITES {
            let hospital: &[Specialty] = if site.is_hospital {
                &HOSPITAL_STAFF
            } else {
                &[]
            };
            for specialty in STAFF.iter().chain(hospital) {
                let sex = if random.chance(520) {
                    Sex::Female
                } else {
                    Sex::Male
                };
                if let Some(name) = FullName::draw(cultures, sex, &mut random) {
                    practitioners.push(Practitioner {
                        npi: format!("99999{:05}", 10 * practitioners.len() + 7),
                        name,
                        sex,
                        specialty: *specialty,
                        site,
                    });
                }
            }
        }
        Self { practitioners }
    }

    /// Somebody who does this.
    pub(super) fn practitioner(
        &self,
        specialty: Specialty,
        random: &mut Random,
    ) -> Option<&Practitioner> {
        let able = |who: &Practitioner| i64::from(who.specialty == specialty);
        random.weighted(&self.practitioners, able)
    }

    /// The bundle of organisations and places.
    pub(super) fn hospitals() -> Resource {
        let mut record = Record::new(DIRECTORY_SEED, 1);
        place::add(&mut record);
        record.into_transaction()
    }

    /// The bundle of practitioners, their roles and schedules.
    pub(super) fn staff(&self) -> Resource {
        let mut record = Record::new(DIRECTORY_SEED, 2);
        for practitioner in &self.practitioners {
            staff::add(&mut record, practitioner);
        }
        record.into_transaction()
    }
}

impl Site {
    /// A conditional reference to the organisation.
    pub(super) fn organization(&self) -> Reference {
        let target = format!("Organization?identifier={NPI}|{}", self.npi);
        reference(&target, self.name)
    }

    /// A conditional reference to the place.
    pub(super) fn location(&self) -> Reference {
        let target = format!("Location?identifier={SHARED}|location-{}", self.npi);
        reference(&target, self.name)
    }
}

impl Payer {
    /// The insurer for somebody of this age.
    pub(super) fn draw(age_years: i64, random: &mut Random) -> Option<&'static Self> {
        random.weighted(PAYERS, |payer| {
            i64::from(payer.is_public == (age_years >= 65))
        })
    }

    /// A conditional reference to the organisation.
    pub(super) fn organization(&self) -> Reference {
        let target = format!("Organization?identifier={SHARED}|{}", self.code);
        reference(&target, self.name)
    }
}

impl Practitioner {
    /// How they are addressed.
    pub(super) fn title(&self) -> String {
        format!("Dr. {}", self.name.text())
    }

    /// A conditional reference to the practitioner.
    pub(super) fn reference(&self) -> Reference {
        let target = format!("Practitioner?identifier={NPI}|{}", self.npi);
        reference(&target, &self.title())
    }

    /// A conditional reference to their schedule.
    pub(super) fn schedule(&self) -> Reference {
        let target = format!("Schedule?identifier={SHARED}|schedule-{}", self.npi);
        reference(&target, &self.title())
    }
}

/// A town to live in.
pub(super) fn town(random: &mut Random) -> Option<Town> {
    random.pick(SITES).map(|site| site.town)
}
