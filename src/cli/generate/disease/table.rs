//! The diseases and episodes themselves: a flat table of equals.

use super::super::care::{ASTHMA_PLAN, DIABETES_PLAN, HEART_PLAN, HYPERTENSION_PLAN, LUNG_PLAN};
use super::super::laboratory::Panel::{Blood, Glycated, Lipids, Metabolic, Thyroid, UrineAlbumin};
use super::super::medication;
use super::super::term::{Term, snomed};
use super::Setting::{Emergency, Office, Virtual, Ward};
use super::{Disease, Episode};

const ECG: Term = snomed("29303009", "Electrocardiographic procedure");
const ECHOCARDIOGRAPHY: Term = snomed("40701008", "Echocardiography");
const SPIROMETRY: Term = snomed("127783003", "Spirometry");
const CHEST_X_RAY: Term = snomed("399208008", "Plain chest X-ray");
const THROAT_CULTURE: Term = snomed("117015009", "Throat culture");
const URINE_CULTURE: Term = snomed("117010004", "Urine culture");
const SUTURE: Term = snomed("288086009", "Suture open wound");
const IMMOBILIZATION: Term = snomed("274474001", "Bone immobilization");
const BONE_DENSITY: Term = snomed("312681000", "Bone density scan");
const RETINA_SCREENING: Term = snomed("134395001", "Diabetic retinopathy screening");
const FOOT_EXAMINATION: Term = snomed("401191002", "Diabetic foot examination");
const APPENDECTOMY: Term = snomed("80146002", "Appendectomy");
const CORONARY_INTERVENTION: Term = snomed("415070008", "Percutaneous coronary intervention");
const OXYGEN: Term = snomed("371908008", "Oxygen administration by mask");
const THERAPY: Term = snomed("228557008", "Cognitive and behavioral therapy");

const DIABETES: &str = "44054006";
const HYPERTENSION: &str = "59621000";
const HYPERLIPIDEMIA: &str = "55822004";
const CORONARY: &str = "53741008";

/// What all lines begin with.
const NOTHING: Disease = Disease {
    term: snomed("", ""),
    onset_years: (0, 0),
    per_mille: (0, 0),
    risks: &[],
    follow_up_months: None,
    lasts_years: None,
    medications: &[],
    panels: &[],
    effects: &[],
    procedures: &[],
    plan: None,
};

/// Noted when it is measured, not drawn.
pub(in super::super) static OBESITY: Disease = Disease {
    term: snomed("414916001", "Obesity"),
    ..NOTHING
};

/// Diseases that stay; a risk stands above what it leads to.
pub(in super::super) const DISEASES: &[Disease] = &[
    Disease {
        term: snomed("24079001", "Atopic dermatitis"),
        onset_years: (0, 5),
        per_mille: (110, 110),
        lasts_years: Some(6),
        ..NOTHING
    },
    Disease {
        term: snomed("367498001", "Seasonal allergic rhinitis"),
        onset_years: (4, 30),
        per_mille: (150, 150),
        risks: &[("24079001", 200)],
        medications: &[medication::LORATADINE],
        ..NOTHING
    },
    Disease {
        term: snomed("195967001", "Asthma"),
        onset_years: (3, 40),
        per_mille: (90, 80),
        risks: &[("24079001", 150), ("367498001", 80)],
        follow_up_months: Some(9),
        medications: &[medication::ALBUTEROL, medication::FLUTICASONE],
        procedures: &[SPIROMETRY],
        plan: Some(&ASTHMA_PLAN),
        ..NOTHING
    },
    Disease {
        term: snomed("406506008", "Attention deficit hyperactivity disorder"),
        onset_years: (6, 12),
        per_mille: (40, 90),
        follow_up_months: Some(12),
        lasts_years: Some(15),
        ..NOTHING
    },
    Disease {
        term: snomed("370143000", "Major depressive disorder"),
        onset_years: (15, 70),
        per_mille: (210, 130),
        follow_up_months: Some(6),
        lasts_years: Some(8),
        medications: &[medication::FLUOXETINE],
        procedures: &[THERAPY],
        ..NOTHING
    },
    Disease {
        term: snomed(
            "124171000119105",
            "Chronic intractable migraine without aura",
        ),
        onset_years: (12, 45),
        per_mille: (110, 40),
        medications: &[medication::NAPROXEN],
        ..NOTHING
    },
    Disease {
        term: snomed("235595009", "Gastroesophageal reflux disease"),
        onset_years: (25, 75),
        per_mille: (190, 190),
        medications: &[medication::OMEPRAZOLE],
        ..NOTHING
    },
    Disease {
        term: snomed("40930008", "Hypothyroidism"),
        onset_years: (25, 75),
        per_mille: (130, 40),
        follow_up_months: Some(12),
        medications: &[medication::LEVOTHYROXINE],
        panels: &[Thyroid],
        effects: &[("3016-3", 180)],
        ..NOTHING
    },
    Disease {
        term: snomed("271737000", "Anemia"),
        onset_years: (16, 80),
        per_mille: (130, 50),
        lasts_years: Some(4),
        follow_up_months: Some(12),
        medications: &[medication::FERROUS_SULFATE],
        panels: &[Blood],
        effects: &[("718-7", -34), ("787-2", -85)],
        ..NOTHING
    },
    Disease {
        term: snomed("15777000", "Prediabetes"),
        onset_years: (25, 65),
        per_mille: (280, 300),
        follow_up_months: Some(12),
        panels: &[Glycated],
        effects: &[("4548-4", 7), ("2345-7", 17)],
        ..NOTHING
    },
    Disease {
        term: snomed(DIABETES, "Diabetes mellitus type 2"),
        onset_years: (35, 82),
        per_mille: (140, 160),
        risks: &[("15777000", 300)],
        follow_up_months: Some(6),
        medications: &[medication::METFORMIN],
        panels: &[Glycated, Metabolic, UrineAlbumin],
        effects: &[
            ("4548-4", 19),
            ("2345-7", 52),
            ("2571-8", 35),
            ("14959-1", 120),
        ],
        procedures: &[RETINA_SCREENING, FOOT_EXAMINATION],
        plan: Some(&DIABETES_PLAN),
        ..NOTHING
    },
    Disease {
        term: snomed(HYPERTENSION, "Essential hypertension"),
        onset_years: (28, 82),
        per_mille: (620, 680),
        risks: &[(DIABETES, 200)],
        follow_up_months: Some(6),
        medications: &[medication::LISINOPRIL, medication::AMLODIPINE],
        panels: &[Metabolic],
        plan: Some(&HYPERTENSION_PLAN),
        ..NOTHING
    },
    Disease {
        term: snomed(HYPERLIPIDEMIA, "Hyperlipidemia"),
        onset_years: (28, 80),
        per_mille: (430, 480),
        risks: &[(DIABETES, 200)],
        follow_up_months: Some(12),
        medications: &[medication::SIMVASTATIN],
        panels: &[Lipids],
        effects: &[("18262-6", 32), ("2571-8", 30)],
        ..NOTHING
    },
    Disease {
        term: snomed(CORONARY, "Coronary arteriosclerosis"),
        onset_years: (50, 88),
        per_mille: (50, 100),
        risks: &[(DIABETES, 80), (HYPERTENSION, 40), (HYPERLIPIDEMIA, 60)],
        follow_up_months: Some(6),
        medications: &[
            medication::ASPIRIN,
            medication::ATORVASTATIN,
            medication::CLOPIDOGREL,
        ],
        panels: &[Lipids],
        procedures: &[ECG],
        ..NOTHING
    },
    Disease {
        term: snomed("49436004", "Atrial fibrillation"),
        onset_years: (55, 92),
        per_mille: (130, 170),
        risks: &[(HYPERTENSION, 40)],
        follow_up_months: Some(6),
        medications: &[medication::WARFARIN],
        procedures: &[ECG],
        ..NOTHING
    },
    Disease {
        term: snomed("84114007", "Heart failure"),
        onset_years: (60, 92),
        per_mille: (60, 80),
        risks: &[(CORONARY, 200), (HYPERTENSION, 40)],
        follow_up_months: Some(4),
        medications: &[medication::CARVEDILOL, medication::FUROSEMIDE],
        panels: &[Metabolic],
        effects: &[("3094-0", 6)],
        procedures: &[ECHOCARDIOGRAPHY],
        plan: Some(&HEART_PLAN),
        ..NOTHING
    },
    Disease {
        term: snomed("433144002", "Chronic kidney disease stage 3"),
        onset_years: (52, 88),
        per_mille: (70, 70),
        risks: &[(DIABETES, 200), (HYPERTENSION, 60)],
        follow_up_months: Some(6),
        panels: &[Metabolic, UrineAlbumin],
        effects: &[
            ("3094-0", 15),
            ("2160-0", 62),
            ("14959-1", 520),
            ("2823-3", 4),
        ],
        ..NOTHING
    },
    Disease {
        term: snomed("13645005", "Chronic obstructive lung disease"),
        onset_years: (50, 82),
        per_mille: (30, 30),
        follow_up_months: Some(6),
        medications: &[medication::SALMETEROL, medication::ALBUTEROL],
        procedures: &[SPIROMETRY],
        plan: Some(&LUNG_PLAN),
        ..NOTHING
    },
    Disease {
        term: snomed("90560007", "Gout"),
        onset_years: (38, 75),
        per_mille: (20, 70),
        medications: &[medication::ALLOPURINOL],
        ..NOTHING
    },
    Disease {
        term: snomed("239873007", "Osteoarthritis of knee"),
        onset_years: (45, 82),
        per_mille: (330, 250),
        medications: &[medication::NAPROXEN],
        ..NOTHING
    },
    Disease {
        term: snomed("64859006", "Osteoporosis"),
        onset_years: (55, 88),
        per_mille: (300, 60),
        medications: &[medication::ALENDRONATE],
        procedures: &[BONE_DENSITY],
        ..NOTHING
    },
    Disease {
        term: snomed("26929004", "Alzheimer's disease"),
        onset_years: (70, 94),
        per_mille: (240, 180),
        follow_up_months: Some(6),
        medications: &[medication::GALANTAMINE],
        ..NOTHING
    },
];

const PASSING: Episode = Episode {
    term: snomed("", ""),
    ages: (0, 120),
    weight: 0,
    days: 7,
    setting: Office,
    has_fever: false,
    medications: &[],
    panels: &[],
    procedures: &[],
};

/// Episodes that pass.
pub(in super::super) const EPISODES: &[Episode] = &[
    Episode {
        term: snomed("444814009", "Viral sinusitis"),
        ages: (4, 120),
        weight: 180,
        days: 14,
        ..PASSING
    },
    Episode {
        term: snomed("195662009", "Acute viral pharyngitis"),
        weight: 130,
        days: 9,
        has_fever: true,
        ..PASSING
    },
    Episode {
        term: snomed("43878008", "Streptococcal sore throat"),
        ages: (3, 35),
        weight: 70,
        days: 8,
        has_fever: true,
        medications: &[medication::PENICILLIN_V],
        procedures: &[THROAT_CULTURE],
        ..PASSING
    },
    Episode {
        term: snomed("65363002", "Otitis media"),
        ages: (0, 9),
        weight: 260,
        days: 12,
        has_fever: true,
        medications: &[medication::AMOXICILLIN, medication::ACETAMINOPHEN_CHILD],
        ..PASSING
    },
    Episode {
        term: snomed("10509002", "Acute bronchitis"),
        ages: (5, 120),
        weight: 110,
        days: 14,
        has_fever: true,
        medications: &[medication::ACETAMINOPHEN],
        procedures: &[CHEST_X_RAY],
        ..PASSING
    },
    Episode {
        term: snomed("6142004", "Influenza"),
        weight: 70,
        days: 10,
        has_fever: true,
        setting: Virtual,
        ..PASSING
    },
    Episode {
        term: snomed("36971009", "Sinusitis"),
        ages: (12, 120),
        weight: 40,
        days: 16,
        medications: &[medication::AMOXICILLIN_CLAVULANATE],
        ..PASSING
    },
    Episode {
        term: snomed("38822007", "Cystitis"),
        ages: (16, 120),
        weight: 70,
        days: 7,
        medications: &[medication::NITROFURANTOIN],
        procedures: &[URINE_CULTURE],
        ..PASSING
    },
    Episode {
        term: snomed("44465007", "Sprain of ankle"),
        ages: (6, 75),
        weight: 70,
        days: 24,
        setting: Emergency,
        medications: &[medication::IBUPROFEN],
        ..PASSING
    },
    Episode {
        term: snomed("70704007", "Sprain of wrist"),
        ages: (6, 80),
        weight: 40,
        days: 21,
        medications: &[medication::IBUPROFEN],
        ..PASSING
    },
    Episode {
        term: snomed("279039007", "Low back pain"),
        ages: (20, 90),
        weight: 120,
        days: 40,
        medications: &[medication::IBUPROFEN],
        ..PASSING
    },
    Episode {
        term: snomed("283371005", "Laceration of forearm"),
        ages: (3, 90),
        weight: 40,
        days: 20,
        setting: Emergency,
        medications: &[medication::ACETAMINOPHEN],
        procedures: &[SUTURE],
        ..PASSING
    },
    Episode {
        term: snomed("62106007", "Concussion with no loss of consciousness"),
        ages: (3, 90),
        weight: 30,
        days: 30,
        setting: Emergency,
        ..PASSING
    },
    Episode {
        term: snomed("65966004", "Fracture of forearm"),
        ages: (5, 90),
        weight: 30,
        days: 60,
        setting: Emergency,
        medications: &[medication::OXYCODONE],
        procedures: &[IMMOBILIZATION],
        ..PASSING
    },
    Episode {
        term: snomed("74400008", "Appendicitis"),
        ages: (8, 60),
        weight: 14,
        days: 12,
        setting: Ward(3),
        has_fever: true,
        medications: &[medication::ACETAMINOPHEN],
        panels: &[Blood, Metabolic],
        procedures: &[APPENDECTOMY],
    },
    Episode {
        term: snomed("233604007", "Pneumonia"),
        ages: (1, 120),
        weight: 20,
        days: 28,
        setting: Ward(4),
        has_fever: true,
        medications: &[medication::AMOXICILLIN_CLAVULANATE],
        panels: &[Blood, Metabolic],
        procedures: &[CHEST_X_RAY, OXYGEN],
    },
    Episode {
        term: snomed("22298006", "Myocardial infarction"),
        ages: (52, 92),
        weight: 9,
        days: 30,
        setting: Ward(5),
        panels: &[Blood, Metabolic, Lipids],
        procedures: &[ECG, CORONARY_INTERVENTION],
        ..PASSING
    },
    Episode {
        term: snomed("359817006", "Closed fracture of hip"),
        ages: (68, 110),
        weight: 18,
        days: 100,
        setting: Ward(6),
        medications: &[medication::OXYCODONE],
        panels: &[Blood],
        ..PASSING
    },
];
