//! Height, weight and head circumference by age and sex.
//!
//! Medians follow the public growth charts of WHO and CDC at their corners; between them lines.
//! A person keeps to their own percentile, so that a child's curve is smooth.

use super::calendar::Day;
use super::name::Sex;
use super::person::Person;
use super::random::{Random, curve};

/// Age in months, median height in millimetres.
const HEIGHT_MALE: [(i64, i64); 27] = [
    (0, 499),
    (1, 547),
    (2, 584),
    (4, 639),
    (6, 676),
    (9, 720),
    (12, 757),
    (18, 823),
    (24, 871),
    (30, 919),
    (36, 961),
    (48, 1033),
    (60, 1100),
    (72, 1160),
    (84, 1217),
    (96, 1273),
    (108, 1326),
    (120, 1378),
    (132, 1431),
    (144, 1491),
    (156, 1562),
    (168, 1638),
    (180, 1701),
    (192, 1734),
    (216, 1761),
    (720, 1761),
    (1000, 1730),
];

const HEIGHT_FEMALE: [(i64, i64); 26] = [
    (0, 491),
    (1, 537),
    (2, 571),
    (4, 621),
    (6, 657),
    (9, 701),
    (12, 740),
    (18, 807),
    (24, 864),
    (30, 907),
    (36, 951),
    (48, 1027),
    (60, 1094),
    (72, 1151),
    (84, 1208),
    (96, 1266),
    (108, 1325),
    (120, 1386),
    (132, 1450),
    (144, 1512),
    (156, 1564),
    (168, 1598),
    (180, 1617),
    (204, 1631),
    (720, 1631),
    (1000, 1595),
];

/// Age in months, median body mass index in hundredths.
const BODY_MASS_INDEX: [(i64, i64); 21] = [
    (0, 1330),
    (1, 1480),
    (2, 1620),
    (4, 1710),
    (6, 1730),
    (9, 1700),
    (12, 1670),
    (18, 1610),
    (24, 1590),
    (48, 1550),
    (72, 1530),
    (96, 1590),
    (120, 1660),
    (144, 1780),
    (168, 1910),
    (192, 2040),
    (216, 2150),
    (300, 2480),
    (480, 2780),
    (720, 2860),
    (1000, 2560),
];

/// Age in months, standard deviation of the body mass index in thousandths of it.
const BODY_MASS_SPREAD: [(i64, i64); 4] = [(0, 75), (60, 85), (144, 140), (240, 170)];

/// Age in months, median head circumference in millimetres.
const HEAD: [(i64, i64); 10] = [
    (0, 345),
    (1, 370),
    (2, 388),
    (4, 413),
    (6, 429),
    (9, 447),
    (12, 458),
    (18, 471),
    (24, 480),
    (36, 492),
];

/// A body's measures on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Body {
    /// Height in millimetres.
    pub(super) height_mm: i64,
    /// Weight in hundreds of grams.
    pub(super) weight_hg: i64,
    /// Body mass index in tenths, of the two above.
    pub(super) bmi_tenths: i64,
    /// Head circumference in millimetres.
    pub(super) head_mm: i64,
}

/// Measures somebody; the weight differs a little from day to day.
pub(super) fn measure(person: &Person<'_>, day: Day, random: &mut Random) -> Body {
    let months = person.months(day);
    let median = match person.sex {
        Sex::Male => curve(&HEIGHT_MALE, months),
        Sex::Female => curve(&HEIGHT_FEMALE, months),
    };
    let height_mm = median + median * 40 * person.stature / 1_000_000;
    let index = curve(&BODY_MASS_INDEX, months);
    // Weights are skewed: there is more room above the median than below.
    let skew = if person.build > 0 { 13 } else { 8 };
    let spread = curve(&BODY_MASS_SPREAD, months) * skew / 10;
    let index = index + index * spread * person.build / 1_000_000;
    let index = random.around(index, index * 8 / 1000);
    let square = height_mm * height_mm;
    let weight_hg = index * square / 10_000_000;
    let head = curve(&HEAD, months);
    Body {
        height_mm,
        weight_hg,
        bmi_tenths: (weight_hg * 1_000_000 + square / 2) / square.max(1),
        head_mm: head + head * 27 * person.stature / 1_000_000,
    }
}
