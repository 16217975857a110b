//! What the laboratory measures: one line an analyte, in the order in which a panel reports.
//!
//! Means, deviations and reference ranges of adults, in the last decimal given; what is computed
//! from other values of the panel stands behind them.

use super::super::name::Sex;
use super::super::random::curve;
use super::super::term::{Term, loinc};
use super::Panel::{self, Blood, Glycated, Lipids, Metabolic, Thyroid, UrineAlbumin};

/// Something that is measured.
#[derive(Debug)]
pub(super) struct Analyte {
    /// Where it is reported.
    pub(super) panel: Panel,
    /// Its LOINC term.
    pub(super) term: Term,
    /// Its unit as shown and as UCUM code.
    pub(super) unit: (&'static str, &'static str),
    /// How many decimals its values have.
    pub(super) decimals: u32,
    /// Usual value of a healthy man.
    pub(super) mean: i64,
    /// Spread among the healthy.
    pub(super) deviation: i64,
    /// What women have more of it.
    pub(super) female: i64,
    /// Lower end of the reference range.
    pub(super) low: Option<i64>,
    /// Upper end of the reference range.
    pub(super) high: Option<i64>,
    /// What is never gone below.
    pub(super) least: i64,
    /// What is never exceeded.
    pub(super) most: i64,
}

/// Mean, deviation, more in women; reference range; bounds.
type Figures = ((i64, i64, i64), (Option<i64>, Option<i64>), (i64, i64));

const fn analyte(
    panel: Panel,
    term: Term,
    unit: (&'static str, &'static str),
    decimals: u32,
    figures: Figures,
) -> Analyte {
    let ((mean, deviation, female), (low, high), (least, most)) = figures;
    Analyte {
        panel,
        term,
        unit,
        decimals,
        mean,
        deviation,
        female,
        low,
        high,
        least,
        most,
    }
}

const MG_DL: (&str, &str) = ("mg/dL", "mg/dL");
const G_DL: (&str, &str) = ("g/dL", "g/dL");
const MMOL_L: (&str, &str) = ("mmol/L", "mmol/L");
const UNITS_L: (&str, &str) = ("U/L", "U/L");
const PERCENT: (&str, &str) = ("%", "%");
const FEMTOLITRE: (&str, &str) = ("fL", "fL");
const THOUSANDS: (&str, &str) = ("10*3/uL", "10*3/uL");
const MILLIONS: (&str, &str) = ("10*6/uL", "10*6/uL");
const FILTRATION: (&str, &str) = ("mL/min/{1.73_m2}", "mL/min/{1.73_m2}");
const MILLIGRAMS_PER_GRAM: (&str, &str) = ("mg/g", "mg/g");
const MILLIUNITS: (&str, &str) = ("m[IU]/L", "m[IU]/L");

const fn within(low: i64, high: i64) -> (Option<i64>, Option<i64>) {
    (Some(low), Some(high))
}

const fn below(high: i64) -> (Option<i64>, Option<i64>) {
    (None, Some(high))
}

const fn above(low: i64) -> (Option<i64>, Option<i64>) {
    (Some(low), None)
}

/// All analytes.
#[rustfmt::skip]
pub(super) const ANALYTES: &[Analyte] = &[
    analyte(Blood, loinc("6690-2", "Leukocytes [#/volume] in Blood by Automated count"),
        THOUSANDS, 1, ((70, 15, 0), within(45, 110), (25, 250))),
    analyte(Blood, loinc("718-7", "Hemoglobin [Mass/volume] in Blood"),
        G_DL, 1, ((150, 8, -14), within(132, 172), (70, 185))),
    analyte(Blood, loinc("787-2", "MCV [Entitic volume] by Automated count"),
        FEMTOLITRE, 1, ((895, 35, 0), within(800, 1000), (650, 1150))),
    analyte(Blood, loinc("4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count"),
        PERCENT, 1, ((450, 0, -42), within(395, 515), (200, 560))),
    analyte(Blood, loinc("789-8", "Erythrocytes [#/volume] in Blood by Automated count"),
        MILLIONS, 2, ((500, 0, -50), within(430, 575), (200, 700))),
    analyte(Blood, loinc("777-3", "Platelets [#/volume] in Blood by Automated count"),
        THOUSANDS, 0, ((250, 45, 0), within(150, 400), (60, 600))),
    analyte(Metabolic, loinc("2345-7", "Glucose [Mass/volume] in Serum or Plasma"),
        MG_DL, 0, ((90, 8, 0), within(70, 99), (62, 420))),
    analyte(Metabolic, loinc("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma"),
        MG_DL, 0, ((14, 3, 0), within(7, 20), (5, 90))),
    analyte(Metabolic, loinc("2160-0", "Creatinine [Mass/volume] in Serum or Plasma"),
        MG_DL, 2, ((96, 12, -20), within(72, 128), (45, 900))),
    analyte(Metabolic, loinc("98979-8", "Glomerular filtration rate/1.73 sq M.predicted \
        [Volume Rate/Area] in Serum, Plasma or Blood by Creatinine-based formula (CKD-EPI 2021)"),
        FILTRATION, 0, ((95, 0, 0), above(60), (5, 140))),
    analyte(Metabolic, loinc("17861-6", "Calcium [Mass/volume] in Serum or Plasma"),
        MG_DL, 1, ((95, 4, 0), within(85, 105), (75, 120))),
    analyte(Metabolic, loinc("2951-2", "Sodium [Moles/volume] in Serum or Plasma"),
        MMOL_L, 0, ((140, 2, 0), within(135, 145), (125, 155))),
    analyte(Metabolic, loinc("2823-3", "Potassium [Moles/volume] in Serum or Plasma"),
        MMOL_L, 1, ((42, 3, 0), within(35, 51), (28, 62))),
    analyte(Metabolic, loinc("2075-0", "Chloride [Moles/volume] in Serum or Plasma"),
        MMOL_L, 0, ((102, 2, 0), within(98, 107), (90, 115))),
    analyte(Metabolic, loinc("2028-9", "Carbon dioxide, total [Moles/volume] in Serum or Plasma"),
        MMOL_L, 0, ((25, 2, 0), within(22, 29), (15, 36))),
    analyte(Metabolic, loinc("2885-2", "Protein [Mass/volume] in Serum or Plasma"),
        G_DL, 1, ((71, 4, 0), within(60, 83), (45, 95))),
    analyte(Metabolic, loinc("1751-7", "Albumin [Mass/volume] in Serum or Plasma"),
        G_DL, 1, ((43, 3, 0), within(35, 52), (20, 56))),
    analyte(Metabolic, loinc("1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma"),
        MG_DL, 1, ((6, 2, 0), within(1, 12), (1, 30))),
    analyte(Metabolic, loinc("6768-6", "Alkaline phosphatase [Enzymatic activity/volume] in \
        Serum or Plasma"),
        UNITS_L, 0, ((75, 18, 0), within(40, 129), (25, 300))),
    analyte(Metabolic, loinc("1742-6", "Alanine aminotransferase [Enzymatic activity/volume] in \
        Serum or Plasma"),
        UNITS_L, 0, ((27, 9, -4), within(7, 56), (6, 250))),
    analyte(Metabolic, loinc("1920-8", "Aspartate aminotransferase [Enzymatic activity/volume] in \
        Serum or Plasma"),
        UNITS_L, 0, ((24, 6, -2), within(10, 40), (8, 250))),
    analyte(Lipids, loinc("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma"),
        MG_DL, 0, ((118, 38, -8), below(149), (40, 600))),
    analyte(Lipids, loinc("18262-6", "Cholesterol in LDL [Mass/volume] in Serum or Plasma by \
        Direct assay"),
        MG_DL, 0, ((106, 24, 0), below(129), (35, 280))),
    analyte(Lipids, loinc("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma"),
        MG_DL, 0, ((50, 9, 8), above(40), (22, 105))),
    analyte(Lipids, loinc("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma"),
        MG_DL, 0, ((180, 0, 0), below(199), (80, 450))),
    analyte(Glycated, loinc("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"),
        PERCENT, 1, ((52, 2, 0), within(40, 56), (40, 140))),
    analyte(UrineAlbumin, loinc("14959-1", "Microalbumin/Creatinine [Mass Ratio] in Urine"),
        MILLIGRAMS_PER_GRAM, 1, ((90, 45, 0), below(299), (15, 4000))),
    analyte(Thyroid, loinc("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma"),
        MILLIUNITS, 2, ((190, 65, 0), within(40, 450), (20, 2000))),
];

/// A creatinine in thousandths of what is normal, and the filtration left, in thousandths.
const FILTRATION_BY_CREATININE: [(i64, i64); 9] = [
    (500, 1233),
    (700, 1114),
    (900, 1032),
    (1000, 1000),
    (1200, 803),
    (1500, 615),
    (2000, 435),
    (3000, 268),
    (5000, 145),
];

/// Age in years, filtration in thousandths of that of a newborn's formula.
const FILTRATION_BY_AGE: [(i64, i64); 6] = [
    (0, 1000),
    (20, 883),
    (40, 780),
    (60, 689),
    (80, 608),
    (100, 537),
];

/// A value that follows from others of the panel; `None` when it is measured itself.
pub(super) fn derived(
    code: &str,
    values: &[(&'static str, i64)],
    sex: Sex,
    years: i64,
) -> Option<i64> {
    let value = |code: &str| {
        values
            .iter()
            .find(|value| value.0 == code)
            .map(|value| value.1)
    };
    match code {
        // Hematocrit is three times the haemoglobin, and the cells are as many as fill it.
        "4544-3" => Some(value("718-7")? * 3),
        "789-8" => Some(value("4544-3")? * 1000 / value("787-2")?.max(1)),
        "2093-3" => Some(value("18262-6")? + value("2085-9")? + value("2571-8")? / 5),
        "98979-8" => {
            let (normal, factor) = match sex {
                Sex::Female => (70, 1012),
                Sex::Male => (90, 1000),
            };
            let share = curve(&FILTRATION_BY_CREATININE, value("2160-0")? * 1000 / normal);
            let rate = 142 * share * curve(&FILTRATION_BY_AGE, years) / 1_000_000;
            Some((rate * factor / 1000).clamp(5, 140))
        }
        _ => None,
    }
}
