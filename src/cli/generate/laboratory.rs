//! Laboratory results and the reports that group them.
//!
//! A value is the analyte's mean, moved by the person's nature, by their diseases and by chance;
//! what follows from other values is computed from them. Integers in the analyte's own scale.
//! Spec: <https://hl7.org/fhir/R4/diagnosticreport.html>.

mod analyte;

use vesta_model::r4::Resource;
use vesta_model::r4::resources::{
    DiagnosticReport, DiagnosticReportEffective, Observation, ObservationReferenceRange,
};
use vesta_model::r4::types::Reference;

use super::chart::{Chart, Reason, Visit};
use super::finding::{self, LABORATORY};
use super::name::Sex;
use super::random::Random;
use super::term::{Term, loinc, quantity, term};
use analyte::{ANALYTES, Analyte, derived};

/// A group of results that is ordered together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Panel {
    /// Blood cells.
    Blood,
    /// Minerals, kidney and liver.
    Metabolic,
    /// Fats.
    Lipids,
    /// Long-term blood sugar.
    Glycated,
    /// Kidney damage.
    UrineAlbumin,
    /// Thyroid.
    Thyroid,
}

impl Panel {
    const fn term(self) -> Term {
        match self {
            Self::Blood => loinc("58410-2", "CBC panel - Blood by Automated count"),
            Self::Metabolic => loinc(
                "24323-8",
                "Comprehensive metabolic 2000 panel - Serum or Plasma",
            ),
            Self::Lipids => loinc("57698-3", "Lipid panel with direct LDL - Serum or Plasma"),
            Self::Glycated => loinc("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"),
            Self::UrineAlbumin => loinc("14959-1", "Microalbumin/Creatinine [Mass Ratio] in Urine"),
            Self::Thyroid => loinc("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma"),
        }
    }
}

const SECTION: Term = term(
    "http://terminology.hl7.org/CodeSystem/v2-0074",
    "LAB",
    "Laboratory",
);

const INTERPRETATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
const HIGH: Term = term(INTERPRETATION, "H", "High");
const LOW: Term = term(INTERPRETATION, "L", "Low");
const NORMAL: Term = term(INTERPRETATION, "N", "Normal");

/// How long after the visit results are there, in minutes.
const TURNAROUND_MINUTES: i64 = 6 * 60;

/// Records what is ordered at such a visit.
pub(super) fn record(chart: &mut Chart<'_>, visit: &Visit<'_>) {
    for panel in ordered(chart, visit) {
        report(chart, visit, panel);
    }
}

fn ordered(chart: &mut Chart<'_>, visit: &Visit<'_>) -> Vec<Panel> {
    let day = visit.start.day();
    let years = chart.person.years(day);
    let mut panels: Vec<Panel> = match visit.reason {
        Reason::Acute(episode) => episode.panels.to_vec(),
        Reason::WellChild => Vec::new(),
        Reason::FollowUp => {
            let panels = chart.active(day).flat_map(|problem| problem.disease.panels);
            let mut panels: Vec<Panel> = panels.copied().collect();
            // Large panels are not repeated each time.
            panels.retain(|panel| *panel == Panel::Glycated || chart.random.chance(550));
            panels
        }
        Reason::Checkup => {
            let mut panels = Vec::new();
            let chances = [
                (Panel::Lipids, if years < 40 { 300 } else { 600 }),
                (Panel::Metabolic, if years < 40 { 200 } else { 550 }),
                (Panel::Blood, 400),
                (Panel::Glycated, if years < 45 { 50 } else { 350 }),
            ];
            for (panel, chance) in chances {
                if chart.random.chance(chance) {
                    panels.push(panel);
                }
            }
            panels
        }
    };
    panels.sort_unstable();
    panels.dedup();
    panels
}

fn report(chart: &mut Chart<'_>, visit: &Visit<'_>, panel: Panel) {
    let mut values: Vec<(&'static str, i64)> = Vec::new();
    let mut results: Vec<Reference> = Vec::new();
    for analyte in ANALYTES.iter().filter(|analyte| analyte.panel == panel) {
        let years = chart.person.years(visit.start.day());
        let value = derived(analyte.term.code, &values, chart.person.sex, years)
            .unwrap_or_else(|| drawn(chart, visit, analyte));
        values.push((analyte.term.code, value));
        results.push(result(chart, visit, analyte, value));
    }
    let id = chart.record.next_id();
    let report = DiagnosticReport {
        id: Some(id.id().into()),
        status: "final".into(),
        category: vec![SECTION.coded()],
        code: Box::new(panel.term().concept()),
        subject: Some(chart.patient.boxed()),
        encounter: Some(visit.id.boxed()),
        effective: Some(DiagnosticReportEffective::DateTime(
            visit.start.text().into(),
        )),
        issued: Some(visit.start.plus_minutes(TURNAROUND_MINUTES).text().into()),
        performer: vec![visit.doctor.site.organization()],
        results_interpreter: vec![visit.doctor.reference()],
        result: results,
        ..DiagnosticReport::default()
    };
    let report = Resource::DiagnosticReport(Box::new(report));
    chart.record.put("DiagnosticReport", &id, report);
}

fn drawn(chart: &mut Chart<'_>, visit: &Visit<'_>, analyte: &Analyte) -> i64 {
    let day = visit.start.day();
    let shift = |effects: &[(&str, i64)]| -> i64 {
        let of = |effect: &&(&str, i64)| effect.0 == analyte.term.code;
        effects.iter().filter(of).map(|effect| effect.1).sum()
    };
    // A disease that leads to another has done its part: the strongest effect counts, not the sum.
    let disease = chart.active(day).map(|problem| {
        let severity = nature(chart, problem.disease.term.code).around(1000, 450);
        shift(problem.disease.effects) * severity.clamp(350, 2400) / 1000
    });
    let disease = disease.max_by_key(|shift| shift.abs()).unwrap_or(0);
    let infection = match visit.reason {
        Reason::Acute(episode) if episode.has_fever => shift(&[("6690-2", 55)]),
        _ => 0,
    };
    let mean = analyte.mean + analyte.shift(chart.person.sex) + disease + infection;
    let between = nature(chart, analyte.term.code).around(0, analyte.deviation * 8 / 10);
    let value = chart
        .random
        .around(mean + between, analyte.deviation * 6 / 10);
    value.clamp(analyte.least, analyte.most)
}

/// The person's own numbers about something, the same at every visit.
fn nature(chart: &Chart<'_>, code: &str) -> Random {
    let mix = |nature: u64, byte: u8| nature.rotate_left(7) ^ u64::from(byte);
    Random::new(code.bytes().fold(chart.nature, mix), 1)
}

fn result(chart: &mut Chart<'_>, visit: &Visit<'_>, analyte: &Analyte, value: i64) -> Reference {
    let (unit, code) = analyte.unit;
    let of = |value| quantity(value, analyte.decimals, unit, code);
    let (low, high) = analyte.range(chart.person.sex);
    let interpretation = match (low, high) {
        (Some(low), _) if value < low => LOW,
        (_, Some(high)) if value > high => HIGH,
        _ => NORMAL,
    };
    let observation = Observation {
        issued: Some(visit.start.plus_minutes(TURNAROUND_MINUTES).text().into()),
        value: Some(finding::measured(of(value))),
        interpretation: vec![interpretation.coded()],
        reference_range: vec![ObservationReferenceRange {
            low: low.map(|low| Box::new(of(low))),
            high: high.map(|high| Box::new(of(high))),
            ..ObservationReferenceRange::default()
        }],
        performer: vec![visit.doctor.site.organization()],
        ..finding::observed(chart, visit, LABORATORY, analyte.term)
    };
    finding::put(chart, observation).reference()
}

impl Analyte {
    fn shift(&self, sex: Sex) -> i64 {
        match sex {
            Sex::Female => self.female,
            Sex::Male => 0,
        }
    }

    fn range(&self, sex: Sex) -> (Option<i64>, Option<i64>) {
        let shift = self.shift(sex);
        (
            self.low.map(|low| low + shift),
            self.high.map(|high| high + shift),
        )
    }
}
