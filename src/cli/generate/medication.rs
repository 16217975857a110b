//! Prescriptions: what is taken for what, how, and the `MedicationRequest` of it.
//!
//! Long-term medicines are prescribed anew each year, short courses once.
//! Spec: <https://hl7.org/fhir/R4/medicationrequest.html>.

use vesta_model::r4::Resource;
use vesta_model::r4::resources::{
    MedicationRequest, MedicationRequestDispenseRequest, MedicationRequestMedication,
};
use vesta_model::r4::types::{
    Dosage, DosageAsNeeded, DosageDoseAndRate, DosageDoseAndRateDose, Period, Quantity, Timing,
    TimingRepeat,
};

use super::chart::{Chart, Visit};
use super::record::EntryId;
use super::term::{Term, rxnorm, snomed, term};

/// A medicine as it is prescribed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Medication {
    term: Term,
    form: Form,
    /// Doses a day; none when taken as needed.
    daily: u32,
    /// Days of a course; none when taken for good.
    course_days: i64,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Tablet,
    Capsule,
    Puff,
}

const ORAL: Term = snomed("26643006", "Oral route");
const INHALED: Term = snomed("447694001", "Respiratory tract route");

const DRUG_FORM: &str = "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/medicationrequest-category";
const COMMUNITY: Term = term(CATEGORY, "community", "Community");

/// For how many days a long-term prescription holds.
const VALID_DAYS: i64 = 365;

/// After how many days it is renewed at the next visit.
const RENEWAL_DAYS: i64 = 330;

macro_rules! medications {
    ($(
        $name:ident = $code:literal $display:literal
        $form:ident $daily:literal $days:literal;
    )*) => {
        $(
            pub(super) const $name: Medication = Medication {
                term: rxnorm($code, $display),
                form: Form::$form,
                daily: $daily,
                course_days: $days,
            };
        )*
    };
}

// Code, text, form, doses a day (0: as needed), days of the course (0: for good).
medications! {
    METFORMIN = "860975"
        "24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet" Tablet 1 0;
    LISINOPRIL = "314076" "lisinopril 10 MG Oral Tablet" Tablet 1 0;
    AMLODIPINE = "197361" "Amlodipine 5 MG Oral Tablet" Tablet 1 0;
    SIMVASTATIN = "312961" "Simvastatin 20 MG Oral Tablet" Tablet 1 0;
    ATORVASTATIN = "259255" "Atorvastatin 80 MG Oral Tablet" Tablet 1 0;
    ASPIRIN = "243670" "Aspirin 81 MG Oral Tablet" Tablet 1 0;
    CLOPIDOGREL = "309362" "Clopidogrel 75 MG Oral Tablet" Tablet 1 0;
    WARFARIN = "855332" "Warfarin Sodium 5 MG Oral Tablet" Tablet 1 0;
    CARVEDILOL = "200033" "carvedilol 25 MG Oral Tablet" Tablet 2 0;
    FUROSEMIDE = "313988" "Furosemide 40 MG Oral Tablet" Tablet 1 0;
    LEVOTHYROXINE = "966222" "Levothyroxine Sodium 0.075 MG Oral Tablet" Tablet 1 0;
    OMEPRAZOLE = "198051" "omeprazole 20 MG Delayed Release Oral Capsule" Capsule 1 0;
    FLUOXETINE = "310385" "FLUoxetine 20 MG Oral Capsule" Capsule 1 0;
    ALBUTEROL = "2123111"
        "NDA020503 200 ACTUAT Albuterol 0.09 MG/ACTUAT Metered Dose Inhaler" Puff 0 0;
    FLUTICASONE = "895994"
        "120 ACTUAT Fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler" Puff 2 0;
    SALMETEROL = "896209"
        "60 ACTUAT Fluticasone propionate 0.25 MG/ACTUAT / salmeterol 0.05 MG/ACTUAT Dry Powder Inhaler"
        Puff 2 0;
    ALENDRONATE = "904419" "Alendronic acid 10 MG Oral Tablet" Tablet 1 0;
    GALANTAMINE = "310436" "Galantamine 4 MG Oral Tablet" Tablet 2 0;
    ALLOPURINOL = "197319" "Allopurinol 100 MG Oral Tablet" Tablet 1 0;
    FERROUS_SULFATE = "310325" "ferrous sulfate 325 MG Oral Tablet" Tablet 1 0;
    LORATADINE = "665078" "Loratadine 5 MG Chewable Tablet" Tablet 1 0;
    NAPROXEN = "849574" "Naproxen sodium 220 MG Oral Tablet" Tablet 0 0;
    ACETAMINOPHEN = "313782" "Acetaminophen 325 MG Oral Tablet" Tablet 0 10;
    ACETAMINOPHEN_CHILD = "313820" "Acetaminophen 160 MG Chewable Tablet" Tablet 0 7;
    IBUPROFEN = "310965" "Ibuprofen 200 MG Oral Tablet" Tablet 0 10;
    AMOXICILLIN = "308182" "Amoxicillin 250 MG Oral Capsule" Capsule 3 10;
    AMOXICILLIN_CLAVULANATE = "562251"
        "Amoxicillin 250 MG / Clavulanate 125 MG Oral Tablet" Tablet 3 10;
    PENICILLIN_V = "834061" "Penicillin V Potassium 250 MG Oral Tablet" Tablet 4 10;
    NITROFURANTOIN = "311995" "NITROFURANTOIN, MACROCRYSTALS 50 MG Oral Capsule" Capsule 4 7;
    OXYCODONE = "1049221"
        "Acetaminophen 325 MG / oxyCODONE Hydrochloride 5 MG Oral Tablet" Tablet 0 7;
}

impl Medication {
    fn dosage(&self) -> Dosage {
        let (unit, code, route, doses) = match self.form {
            Form::Tablet => ("tablet", "TAB", ORAL, 1),
            Form::Capsule => ("capsule", "CAP", ORAL, 1),
            Form::Puff => ("puff", "PUFF", INHALED, 2),
        };
        let plural = if doses == 1 { "" } else { "s" };
        let (how_often, frequency) = match self.daily {
            0 => ("up to every six hours as needed".to_owned(), None),
            1 => ("once a day".to_owned(), Some(1)),
            times => (format!("{times} times a day"), Some(times)),
        };
        let timing = TimingRepeat {
            frequency: Some(frequency.unwrap_or(1).into()),
            period: Some(if frequency.is_some() { "1" } else { "6" }.into()),
            period_unit: Some(if frequency.is_some() { "d" } else { "h" }.into()),
            ..TimingRepeat::default()
        };
        let dose = Quantity {
            value: Some(doses.to_string().into()),
            unit: Some(unit.into()),
            system: Some(DRUG_FORM.into()),
            code: Some(code.into()),
            ..Quantity::default()
        };
        Dosage {
            sequence: Some(1.into()),
            text: Some(format!("{doses} {unit}{plural} {how_often}").into()),
            timing: Some(Box::new(Timing {
                repeat: Some(timing),
                ..Timing::default()
            })),
            as_needed: Some(DosageAsNeeded::Boolean((self.daily == 0).into())),
            route: Some(Box::new(route.concept())),
            dose_and_rate: vec![DosageDoseAndRate {
                dose: Some(DosageDoseAndRateDose::Quantity(Box::new(dose))),
                ..DosageDoseAndRate::default()
            }],
            ..Dosage::default()
        }
    }
}

/// Renews what is taken for good and due.
pub(super) fn renew(chart: &mut Chart<'_>, visit: &Visit<'_>) {
    let day = visit.start.day();
    let mut due = Vec::new();
    for problem in &chart.problems {
        let Some(condition) = problem.condition.as_ref() else {
            continue;
        };
        for medication in problem.disease.medications {
            let code = medication.term.code;
            let is_taken = |known: &(&str, _)| known.0 == code;
            let listed = due
                .iter()
                .any(|(m, _): &(Medication, EntryId)| m.term.code == code);
            let last = chart.prescribed.iter().rev().find(|known| is_taken(known));
            let is_due = last.is_none_or(|known| day.0 - known.1.0 >= RENEWAL_DAYS);
            if is_due && !listed {
                due.push((*medication, condition.clone()));
            }
        }
    }
    for (medication, condition) in due {
        chart.prescribed.push((medication.term.code, day));
        prescribe(chart, visit, &medication, &condition);
    }
}

/// Prescribes something for a condition.
pub(super) fn prescribe(
    chart: &mut Chart<'_>,
    visit: &Visit<'_>,
    medication: &Medication,
    condition: &EntryId,
) {
    let start = visit.start.day();
    let days = match medication.course_days {
        0 => VALID_DAYS,
        days => days,
    };
    let is_over = chart.person.death.is_some() || start.plus_days(days) < chart.person.last;
    let refills: u32 = if medication.course_days == 0 { 3 } else { 0 };
    let id = chart.record.next_id();
    let request = MedicationRequest {
        id: Some(id.id().into()),
        status: if is_over { "completed" } else { "active" }.into(),
        intent: "order".into(),
        category: vec![COMMUNITY.concept()],
        medication: MedicationRequestMedication::CodeableConcept(Box::new(
            medication.term.concept(),
        )),
        subject: Box::new(chart.patient.reference()),
        encounter: Some(visit.id.boxed()),
        authored_on: Some(visit.start.text().into()),
        requester: Some(Box::new(visit.doctor.reference())),
        reason_reference: vec![condition.reference()],
        dosage_instruction: vec![medication.dosage()],
        dispense_request: Some(MedicationRequestDispenseRequest {
            validity_period: Some(Box::new(Period {
                start: Some(start.text().into()),
                end: Some(start.plus_days(days).text().into()),
                ..Period::default()
            })),
            number_of_repeats_allowed: Some(refills.into()),
            ..MedicationRequestDispenseRequest::default()
        }),
        ..MedicationRequest::default()
    };
    let request = Resource::MedicationRequest(Box::new(request));
    chart.record.put("MedicationRequest", &id, request);
}
