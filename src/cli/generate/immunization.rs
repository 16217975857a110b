//! Immunizations by a schedule of ages.
//!
//! Doses that are due are given at check-ups; a course missed in infancy is caught up on.
//! Spec: <https://hl7.org/fhir/R4/immunization.html>.

use vesta_model::r4::Resource;
use vesta_model::r4::resources::{
    Immunization, ImmunizationOccurrence, ImmunizationPerformer, ImmunizationProtocolApplied,
    ImmunizationProtocolAppliedDoseNumber,
};

use super::calendar::Day;
use super::chart::{Chart, Visit};
use super::term::{Term, cvx, quantity, snomed, term};

/// A vaccine with the ages its doses are due at.
struct Vaccine {
    term: Term,
    due_months: &'static [i64],
    /// The age in months after which it is no longer begun or continued.
    until_months: i64,
}

const fn vaccine(term: Term, due_months: &'static [i64], until_months: i64) -> Vaccine {
    Vaccine {
        term,
        due_months,
        until_months,
    }
}

const SCHEDULE: &[Vaccine] = &[
    vaccine(cvx("08", "Hep B, adolescent or pediatric"), &[0, 1, 6], 24),
    vaccine(ROTAVIRUS, &[2, 4], 8),
    vaccine(cvx("20", "DTaP"), &[2, 4, 6, 15, 48], 84),
    vaccine(cvx("49", "Hib (PRP-OMP)"), &[2, 4, 12], 60),
    vaccine(
        cvx("133", "Pneumococcal conjugate PCV 13"),
        &[2, 4, 6, 12],
        60,
    ),
    vaccine(cvx("10", "IPV"), &[2, 4, 6, 48], 84),
    vaccine(cvx("03", "MMR"), &[12, 48], 84),
    vaccine(cvx("21", "varicella"), &[12, 48], 84),
    vaccine(cvx("83", "Hep A, ped/adol, 2 dose"), &[12, 18], 48),
    vaccine(cvx("115", "Tdap"), &[132], 192),
    vaccine(cvx("165", "HPV9"), &[132, 138], 200),
    vaccine(cvx("114", "meningococcal MCV4P"), &[132, 192], 216),
    vaccine(cvx("187", "zoster recombinant"), &[600, 602], 900),
    vaccine(cvx("33", "pneumococcal polysaccharide PPV23"), &[780], 1200),
];

const ROTAVIRUS: Term = cvx("119", "rotavirus, monovalent");
const INFLUENZA: Term = cvx("140", "Influenza, seasonal, injectable, preservative free");
const COVID: Term = cvx("208", "COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose");
const TETANUS: Term = cvx(
    "113",
    "Td (adult), 5 Lf tetanus toxoid, preservative free, adsorbed",
);

/// The fewest days between two doses of one vaccine.
const GAP_DAYS: i64 = 26;

/// When the first doses against COVID-19 were given to all adults.
const COVID_START: Day = Day::of(2021, 4, 1);
const COVID_END: Day = Day::of(2022, 4, 1);

const ARM: Term = snomed("368208006", "Left upper arm structure");
const ROUTE: &str = "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration";
const MUSCLE: Term = term(ROUTE, "IM", "Injection, intramuscular");
const MOUTH: Term = term(ROUTE, "PO", "Swallow, oral");

/// Gives what is due at a check-up.
pub(super) fn record(chart: &mut Chart<'_>, visit: &Visit<'_>) {
    let day = visit.start.day();
    let (years, months) = (chart.person.years(day), chart.person.months(day));
    for vaccine in SCHEDULE {
        let (given, last) = history(chart, vaccine.term.code);
        let due = vaccine
            .due_months
            .get(usize::try_from(given).unwrap_or(usize::MAX));
        let has_gap = last.is_none_or(|last| day.0 - last.0 >= GAP_DAYS);
        let is_due = due.is_some_and(|due| *due <= months) && months <= vaccine.until_months;
        if is_due && has_gap {
            give(chart, visit, vaccine.term);
        }
    }
    let (_, month, _) = day.civil();
    let flu_chance = if (18..65).contains(&years) { 450 } else { 700 };
    if months >= 6 && (month >= 9 || month <= 3) && chart.random.chance(flu_chance) {
        give(chart, visit, INFLUENZA);
    }
    let is_covid_time = COVID_START <= day && day < COVID_END;
    if years >= 16 && is_covid_time && history(chart, COVID.code).0 < 2 {
        give(chart, visit, COVID);
    }
    let (_, last) = history(chart, TETANUS.code);
    let is_booster_due = last.is_none_or(|last| day.years_since(last) >= 10);
    if years >= 21 && is_booster_due && chart.random.chance(300) {
        give(chart, visit, TETANUS);
    }
}

/// How many doses were given, and when the last.
fn history(chart: &Chart<'_>, code: &str) -> (u32, Option<Day>) {
    let known = chart.vaccinated.iter().find(|known| known.0 == code);
    known.map_or((0, None), |(_, doses, last)| (*doses, Some(*last)))
}

fn give(chart: &mut Chart<'_>, visit: &Visit<'_>, vaccine: Term) {
    let day = visit.start.day();
    let dose = history(chart, vaccine.code).0 + 1;
    match chart
        .vaccinated
        .iter_mut()
        .find(|known| known.0 == vaccine.code)
    {
        Some(known) => *known = (vaccine.code, dose, day),
        None => chart.vaccinated.push((vaccine.code, dose, day)),
    }
    let is_oral = vaccine.code == ROTAVIRUS.code;
    let lot = chart.random.between(10_000, 99_999);
    let id = chart.record.next_id();
    let resource = Immunization {
        id: Some(id.id().into()),
        status: "completed".into(),
        vaccine_code: Box::new(vaccine.concept()),
        patient: Box::new(chart.patient.reference()),
        encounter: Some(visit.id.boxed()),
        occurrence: ImmunizationOccurrence::DateTime(visit.start.text().into()),
        primary_source: Some(true.into()),
        location: Some(Box::new(visit.doctor.site.location())),
        lot_number: Some(format!("L{lot}").into()),
        site: (!is_oral).then(|| Box::new(ARM.concept())),
        route: Some(Box::new(if is_oral { MOUTH } else { MUSCLE }.concept())),
        dose_quantity: Some(Box::new(quantity(5, 1, "mL", "mL"))),
        performer: vec![ImmunizationPerformer {
            actor: Box::new(visit.doctor.reference()),
            ..ImmunizationPerformer::default()
        }],
        protocol_applied: vec![ImmunizationProtocolApplied {
            dose_number: ImmunizationProtocolAppliedDoseNumber::PositiveInt(dose.into()),
            ..ImmunizationProtocolApplied::default()
        }],
        ..Immunization::default()
    };
    let resource = Resource::Immunization(Box::new(resource));
    chart.record.put("Immunization", &id, resource);
}
