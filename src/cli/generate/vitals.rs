//! Vital signs and smoking status.
//!
//! They keep the vital signs profiles of the core specification:
//! <https://hl7.org/fhir/R4/observation-vitalsigns.html>.

use vesta_model::r4::resources::{
    Observation, ObservationComponent, ObservationComponentValue, ObservationValue,
};

use super::chart::Problem;
use super::chart::{Chart, Reason, Visit};
use super::disease::table::OBESITY;
use super::finding::{self, SOCIAL_HISTORY, VITAL_SIGNS};
use super::growth::{self, Body};
use super::person::SmokingStatus;
use super::random::curve;
use super::term::{Term, loinc, quantity, snomed};

/// A vital sign with one value.
struct Sign {
    code: Term,
    profile: &'static str,
    unit: (&'static str, &'static str),
    decimals: u32,
}

const fn sign(
    code: Term,
    profile: &'static str,
    unit: (&'static str, &'static str),
    decimals: u32,
) -> Sign {
    Sign {
        code,
        profile,
        unit,
        decimals,
    }
}

const CENTIMETRE: (&str, &str) = ("cm", "cm");
const PER_MINUTE: (&str, &str) = ("beats/minute", "/min");
const BREATHS: (&str, &str) = ("breaths/minute", "/min");

const HEIGHT: Sign = sign(loinc("8302-2", "Body height"), "bodyheight", CENTIMETRE, 1);
const WEIGHT: Sign = sign(
    loinc("29463-7", "Body weight"),
    "bodyweight",
    ("kg", "kg"),
    1,
);
const BODY_MASS_INDEX: Sign = sign(
    loinc("39156-5", "Body mass index (BMI) [Ratio]"),
    "bmi",
    ("kg/m2", "kg/m2"),
    1,
);
const HEAD: Sign = sign(
    loinc("9843-4", "Head Occipital-frontal circumference"),
    "headcircum",
    CENTIMETRE,
    1,
);
const HEART_RATE: Sign = sign(loinc("8867-4", "Heart rate"), "heartrate", PER_MINUTE, 0);
const RESPIRATORY_RATE: Sign = sign(loinc("9279-1", "Respiratory rate"), "resprate", BREATHS, 0);
const TEMPERATURE: Sign = sign(
    loinc("8310-5", "Body temperature"),
    "bodytemp",
    ("degrees C", "Cel"),
    1,
);
const SATURATION: Sign = sign(
    loinc("2708-6", "Oxygen saturation in Arterial blood"),
    "oxygensat",
    ("%", "%"),
    0,
);
const PULSE_OXIMETRY: Term = loinc(
    "59408-5",
    "Oxygen saturation in Arterial blood by Pulse oximetry",
);

const PRESSURE: Term = loinc("85354-9", "Blood pressure panel with all children optional");
const SYSTOLIC: Term = loinc("8480-6", "Systolic blood pressure");
const DIASTOLIC: Term = loinc("8462-4", "Diastolic blood pressure");

const SMOKING: Term = loinc("72166-2", "Tobacco smoking status");

/// Age in years, usual heart beats a minute.
const HEART: [(i64, i64); 6] = [(0, 138), (1, 118), (5, 98), (10, 84), (18, 73), (90, 71)];

/// Age in years, usual breaths a minute.
const BREATH: [(i64, i64); 5] = [(0, 40), (1, 29), (5, 22), (10, 19), (18, 15)];

/// Age in years, usual pressures.
const SYSTOLIC_BY_AGE: [(i64, i64); 6] =
    [(0, 82), (3, 92), (10, 102), (18, 115), (50, 121), (90, 134)];
const DIASTOLIC_BY_AGE: [(i64, i64); 6] =
    [(0, 48), (3, 54), (10, 62), (18, 71), (50, 77), (90, 71)];

/// From which age on blood pressure is measured, in years.
const PRESSURE_YEARS_MIN: i64 = 3;

const HYPERTENSION: &str = "59621000";
const LUNG_DISEASES: [&str; 2] = ["13645005", "84114007"];

/// Records what is measured at such a visit.
pub(super) fn record(chart: &mut Chart<'_>, visit: &Visit<'_>) -> Body {
    let day = visit.start.day();
    let (years, months) = (chart.person.years(day), chart.person.months(day));
    let body = growth::measure(&chart.person, day, &mut chart.random);
    let fever = match visit.reason {
        Reason::Acute(episode) => episode.has_fever,
        _ => false,
    };
    let is_checkup = matches!(visit.reason, Reason::WellChild | Reason::Checkup);
    if is_checkup {
        put(chart, visit, &HEIGHT, body.height_mm);
    }
    if is_checkup || matches!(visit.reason, Reason::FollowUp) {
        put(chart, visit, &WEIGHT, body.weight_hg);
    }
    if is_checkup && months >= 24 {
        put(chart, visit, &BODY_MASS_INDEX, body.bmi_tenths);
    }
    if is_checkup && months < 36 {
        put(chart, visit, &HEAD, body.head_mm);
    }
    if years >= PRESSURE_YEARS_MIN {
        put_pressure(chart, visit, &body);
    }
    let faster = if fever { 14 } else { 0 };
    let heart = chart.random.around(curve(&HEART, years) + faster, 7);
    put(chart, visit, &HEART_RATE, heart.clamp(45, 190));
    if !matches!(visit.reason, Reason::FollowUp) {
        let breath = chart.random.around(curve(&BREATH, years) + faster / 5, 2);
        put(chart, visit, &RESPIRATORY_RATE, breath.clamp(10, 60));
    }
    if matches!(visit.reason, Reason::Acute(_)) {
        let temperature = if fever { 384 } else { 368 };
        let temperature = chart.random.around(temperature, 4).clamp(358, 405);
        put(chart, visit, &TEMPERATURE, temperature);
        put_saturation(chart, visit);
    }
    if matches!(visit.reason, Reason::Checkup) {
        put_smoking(chart, visit);
        note_obesity(chart, visit, &body);
    }
    body
}

fn put(chart: &mut Chart<'_>, visit: &Visit<'_>, sign: &Sign, value: i64) {
    let (unit, code) = sign.unit;
    let observation = Observation {
        meta: Some(finding::profile(sign.profile)),
        value: Some(finding::measured(quantity(
            value,
            sign.decimals,
            unit,
            code,
        ))),
        performer: vec![visit.doctor.reference()],
        ..finding::observed(chart, visit, VITAL_SIGNS, sign.code)
    };
    finding::put(chart, observation);
}

fn put_saturation(chart: &mut Chart<'_>, visit: &Visit<'_>) {
    let day = visit.start.day();
    let is_ill = LUNG_DISEASES.iter().any(|code| chart.has(code, day));
    let saturation = chart.random.around(if is_ill { 93 } else { 98 }, 1);
    let mut code = SATURATION.code.concept();
    code.coding.push(PULSE_OXIMETRY.coding());
    let (unit, unit_code) = SATURATION.unit;
    let observation = Observation {
        meta: Some(finding::profile(SATURATION.profile)),
        code: Box::new(code),
        value: Some(finding::measured(quantity(
            saturation.clamp(86, 100),
            0,
            unit,
            unit_code,
        ))),
        performer: vec![visit.doctor.reference()],
        ..finding::observed(chart, visit, VITAL_SIGNS, SATURATION.code)
    };
    finding::put(chart, observation);
}

fn put_pressure(chart: &mut Chart<'_>, visit: &Visit<'_>, body: &Body) {
    let day = visit.start.day();
    let years = chart.person.years(day);
    let tendency = chart.person.pressure * 7 / 1000;
    let weight = (body.bmi_tenths - 250).clamp(-50, 150) / 30;
    // Treatment takes most of what the disease adds, but not at once.
    let disease = match chart
        .problems
        .iter()
        .find(|p| p.disease.term.code == HYPERTENSION)
    {
        Some(problem) if problem.onset <= day => {
            let months = problem
                .noted
                .map_or(0, |noted| day.months_since(noted.day()));
            curve(&[(0, 26), (6, 15), (24, 9)], months)
        }
        _ => 0,
    };
    let mean = curve(&SYSTOLIC_BY_AGE, years) + tendency + weight + disease;
    let systolic = chart.random.around(mean, 6).clamp(75, 210);
    let mean = curve(&DIASTOLIC_BY_AGE, years) + tendency / 2 + weight / 2 + disease / 2;
    let diastolic = chart
        .random
        .around(mean, 4)
        .clamp(40, 120)
        .min(systolic - 20);
    let component = |code: Term, value| ObservationComponent {
        code: Box::new(code.concept()),
        value: Some(ObservationComponentValue::Quantity(Box::new(quantity(
            value, 0, "mmHg", "mm[Hg]",
        )))),
        ..ObservationComponent::default()
    };
    let observation = Observation {
        meta: Some(finding::profile("bp")),
        component: vec![
            component(SYSTOLIC, systolic),
            component(DIASTOLIC, diastolic),
        ],
        performer: vec![visit.doctor.reference()],
        ..finding::observed(chart, visit, VITAL_SIGNS, PRESSURE)
    };
    finding::put(chart, observation);
}

fn put_smoking(chart: &mut Chart<'_>, visit: &Visit<'_>) {
    let status = match chart.person.smoking(visit.start.day()) {
        SmokingStatus::Never => snomed("266919005", "Never smoked tobacco"),
        SmokingStatus::Current => snomed("449868002", "Smokes tobacco daily"),
        SmokingStatus::Former => snomed("8517006", "Ex-smoker"),
    };
    let observation = Observation {
        value: Some(ObservationValue::CodeableConcept(Box::new(
            status.concept(),
        ))),
        performer: vec![visit.doctor.reference()],
        ..finding::observed(chart, visit, SOCIAL_HISTORY, SMOKING)
    };
    finding::put(chart, observation);
}

/// An index of 30 or more makes a problem of it, once.
fn note_obesity(chart: &mut Chart<'_>, visit: &Visit<'_>, body: &Body) {
    let is_known = chart
        .problems
        .iter()
        .any(|p| p.disease.term == OBESITY.term);
    if body.bmi_tenths < 300 || is_known {
        return;
    }
    chart.problems.push(Problem {
        disease: &OBESITY,
        onset: visit.start.day(),
        abatement: None,
        condition: None,
        noted: None,
    });
}
