//! `near` on Location: positions within a distance of a point, measured along a great circle.
//!
//! Keys: the blind hash of the cell that a position is in, one for each of several sizes of cells,
//! so that no key tells where it is. A search looks for the few cells that its circle touches, of
//! the size that suits its radius; the distance itself is decided on the resource.
//! Spec: <https://hl7.org/fhir/R4/location.html#search>.

use std::f64::consts::FRAC_PI_2;

use crate::fhir::resource::{Node, Object};
use crate::seal::blind::Domain;
use crate::search::decimal::Decimal;
use crate::search::escape;
use crate::search::hasher::Hasher;
use crate::search::key::{Key, ParameterNumber};
use crate::search::param::{Found, KeyWriter};
use crate::search::plan::Predicate;
use crate::search::unit::metres;

/// The code of the parameter.
pub const NEAR: &str = "near";

/// How far is near where the query does not say it.
pub const DISTANCE_DEFAULT_M: f64 = 50_000.0;

/// The mean radius of the Earth.
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Sizes of cells: 2 to this power bands of latitude, from 5,000 km high to 300 m.
const LEVELS: [u32; 8] = [2, 4, 6, 8, 10, 12, 14, 16];

/// What the arithmetic of a circle's edge may be off by, in degrees: a tenth of a millimetre.
const SLACK_DEGREES: f64 = 1e-9;

/// What a distance may be off by and still be the same.
const SLACK_M: f64 = 1e-6;

/// A point and how far from it is near.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearCondition {
    centre: Position,
    distance_m: f64,
}

impl Eq for NearCondition {}

/// A point on the globe, in degrees: latitude within 90, longitude within 180 either way.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Position {
    latitude: f64,
    longitude: f64,
}

/// Writes the keys of a position.
pub fn index(value: &Found<'_>, writer: &mut KeyWriter<'_, '_>) {
    let Some(position) = position_of(value) else {
        return;
    };
    for level in LEVELS {
        let (band, bands) = position.band(level);
        let columns = columns_of(band, bands);
        let column = place(position.longitude + 180.0, 360.0, columns);
        let key = cell(writer.parameter, (level, band, column), writer.hasher);
        writer.keys.push(key);
    }
}

/// Reads `latitude|longitude`, `latitude|longitude|distance` or with units behind it.
pub fn parse(text: &str) -> Result<NearCondition, String> {
    let parts = escape::split(text, '|');
    let (latitude, longitude, distance, unit) = match parts.as_slice() {
        [latitude, longitude] => (latitude, longitude, "", ""),
        [latitude, longitude, distance] => (latitude, longitude, *distance, ""),
        [latitude, longitude, distance, unit] => (latitude, longitude, *distance, *unit),
        _ => return Err("is latitude|longitude|distance|units, the last two optional".into()),
    };
    let degrees = |text: &str, most: f64, name: &str| {
        let read = number(text).filter(|degrees| degrees.abs() <= most);
        read.ok_or_else(|| format!("its {name} is a number of degrees from -{most} to {most}"))
    };
    let centre = Position {
        latitude: degrees(latitude, 90.0, "latitude")?,
        longitude: degrees(longitude, 180.0, "longitude")?,
    };
    let unit_m = match escape::unescape(unit).as_ref() {
        "" => 1_000.0,
        code => metres(code).ok_or(
            "its units are a UCUM code for a length, as km, m or [mi_us]; without them they are km",
        )?,
    };
    let distance_m = match distance {
        "" => DISTANCE_DEFAULT_M,
        text => {
            let read = number(text).filter(|distance| *distance >= 0.0);
            read.ok_or("its distance is a number that is not negative")? * unit_m
        }
    };
    Ok(NearCondition { centre, distance_m })
}

impl NearCondition {
    /// The condition on keys.
    pub fn lower(&self, parameter: ParameterNumber, hasher: &Hasher<'_>) -> Predicate {
        let Some(level) = self.level() else {
            return Predicate::present(parameter);
        };
        let keys = self
            .cells(level)
            .into_iter()
            .map(|(band, column)| Predicate::Key(cell(parameter, (level, band, column), hasher)));
        Predicate::Or(keys.collect())
    }

    /// What it asks, written out.
    pub fn form(&self) -> String {
        let Position {
            latitude,
            longitude,
        } = self.centre;
        format!("near({latitude}|{longitude}|{}m)", self.distance_m)
    }

    /// Whether its keys are all that the parameter has.
    pub fn is_walk(&self) -> bool {
        self.level().is_none()
    }

    /// Whether a value meets it.
    pub fn matches(&self, value: &Found<'_>) -> bool {
        position_of(value)
            .is_some_and(|position| self.centre.metres_to(position) <= self.distance_m + SLACK_M)
    }

    /// The radius as an angle.
    fn radius(&self) -> f64 {
        (self.distance_m / EARTH_RADIUS_M).to_degrees() + SLACK_DEGREES
    }

    /// The smallest cells that are as high as the radius; none where the circle is a large part of
    /// the globe.
    fn level(&self) -> Option<u32> {
        let radius = self.radius();
        let mut fitting = LEVELS.iter().rev();
        fitting
            .find(|level| 180.0 / f64::from(1_u32 << **level) >= radius)
            .copied()
    }

    /// The cells that the circle may touch, as band and column.
    fn cells(&self, level: u32) -> Vec<(u32, u32)> {
        let (centre, radius) = (self.centre, self.radius());
        let (low, high) = (centre.latitude - radius, centre.latitude + radius);
        let bands = 1_u32 << level;
        let band_at = |latitude: f64| place(latitude + 90.0, 180.0, bands);
        // Where a pole is within the circle, so are all longitudes.
        let reach = if low <= -90.0 || high >= 90.0 {
            180.0
        } else {
            let ratio = radius.to_radians().sin() / centre.latitude.to_radians().cos();
            let angle = if ratio < 1.0 { ratio.asin() } else { FRAC_PI_2 };
            angle.to_degrees() + SLACK_DEGREES
        };
        let mut cells = Vec::new();
        for band in band_at(low)..=band_at(high) {
            let columns = columns_of(band, bands);
            let width = 360.0 / f64::from(columns);
            let (from, to) = (centre.longitude - reach, centre.longitude + reach);
            if to - from + 2.0 * width >= 360.0 {
                cells.extend((0..columns).map(|column| (band, column)));
                continue;
            }
            // Behind the antimeridian the columns begin anew.
            let column_at = |longitude: f64| place(around(longitude) + 180.0, 360.0, columns);
            let (mut column, last) = (column_at(from), column_at(to));
            cells.push((band, column));
            while column != last {
                column = (column + 1) % columns;
                cells.push((band, column));
            }
        }
        cells
    }
}

impl Position {
    /// The band of latitude it is in, and how many there are.
    fn band(self, level: u32) -> (u32, u32) {
        let bands = 1_u32 << level;
        (place(self.latitude + 90.0, 180.0, bands), bands)
    }

    /// The distance along a great circle.
    fn metres_to(self, other: Self) -> f64 {
        let half = |one: f64, other: f64| ((other - one).to_radians() / 2.0).sin().powi(2);
        let cosines = self.latitude.to_radians().cos() * other.latitude.to_radians().cos();
        let haversine =
            half(self.latitude, other.latitude) + cosines * half(self.longitude, other.longitude);
        2.0 * EARTH_RADIUS_M * haversine.clamp(0.0, 1.0).sqrt().asin()
    }
}

/// How many cells a band has: fewer towards the poles, so that none is much wider than high.
fn columns_of(band: u32, bands: u32) -> u32 {
    4 * (band.min(bands - 1 - band) + 1)
}

/// Which of `count` equal parts of `whole` a value is in; both ends belong to a part.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float is cut to what an integer holds, and to the last part"
)]
fn place(value: f64, whole: f64, count: u32) -> u32 {
    ((value / whole * f64::from(count)) as u32).min(count - 1)
}

/// A longitude within 180 degrees either way.
fn around(longitude: f64) -> f64 {
    (longitude + 180.0).rem_euclid(360.0) - 180.0
}

fn cell(
    parameter: ParameterNumber,
    (level, band, column): (u32, u32, u32),
    hasher: &Hasher<'_>,
) -> Key {
    let text = format!("{level}/{band}/{column}");
    Key::new(parameter).with(&hasher.hash8_once(Domain::Cell, &text))
}

/// The position of a value, when it is one on the globe.
fn position_of(value: &Found<'_>) -> Option<Position> {
    let object = value.object()?;
    let degrees = |object: &Object, name| match object.get(name)? {
        Node::Number(text) => number(text),
        _ => None,
    };
    let latitude = degrees(object, "latitude")?;
    let longitude = degrees(object, "longitude")?;
    (latitude.abs() <= 90.0).then(|| Position {
        latitude,
        longitude: around(longitude),
    })
}

fn number(text: &str) -> Option<f64> {
    Decimal::parse(text)?;
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LEVELS, NearCondition, Position, columns_of, parse, place};

    fn circle(text: &str) -> NearCondition {
        parse(text).unwrap()
    }

    fn touches(circle: &NearCondition, position: Position) -> bool {
        let Some(level) = circle.level() else {
            return true;
        };
        let (band, bands) = position.band(level);
        let column = place(position.longitude + 180.0, 360.0, columns_of(band, bands));
        circle.cells(level).contains(&(band, column))
    }

    #[test]
    fn distances_are_those_along_great_circles() {
        let at = |latitude, longitude| Position {
            latitude,
            longitude,
        };
        for (one, other, km) in [
            (at(0.0, 0.0), at(0.0, 1.0), 111.195),
            (at(0.0, 179.5), at(0.0, -179.5), 111.195),
            (at(89.5, 0.0), at(89.5, 180.0), 111.195),
            (at(52.52, 13.405), at(48.8566, 2.3522), 877.46),
            (at(90.0, 0.0), at(-90.0, 77.0), 20_015.114),
            (at(10.0, 10.0), at(10.0, 10.0), 0.0),
        ] {
            let found = one.metres_to(other) / 1_000.0;
            assert!((found - km).abs() < 0.01, "{one:?} {other:?}: {found}");
        }
    }

    #[test]
    fn units_are_lengths_and_km_when_there_are_none() {
        let metres = |text: &str| circle(text).distance_m;
        assert!((metres("1|2") - 50_000.0).abs() < 1e-9);
        assert!((metres("1|2||m") - 50_000.0).abs() < 1e-9);
        assert!((metres("1|2|3") - 3_000.0).abs() < 1e-9);
        assert!((metres("1|2|3|km") - 3_000.0).abs() < 1e-9);
        assert!((metres("1|2|3|m") - 3.0).abs() < 1e-9);
        assert!((metres("-1.5|-2|1|[mi_us]") - 1_609.347_2).abs() < 1e-3);
        for bad in [
            "",
            "1",
            "1|",
            "91|0",
            "0|181",
            "a|b",
            "1|2|-1",
            "1|2|x",
            "1|2|3|kg",
            "1|2|3|miles",
            "1|2|3|km|4",
            "inf|0",
            "1|NaN",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_circle_touches_few_cells() {
        for level in LEVELS {
            let height_km = 180.0 / f64::from(1_u32 << level) * 111.0;
            for latitude in ["0", "45", "-60", "80", "89", "89.99", "-90"] {
                let circle = circle(&format!("{latitude}|179.99|{height_km}"));
                let cells = circle.cells(circle.level().unwrap());
                assert!(cells.len() <= 64, "{latitude} {height_km}: {}", cells.len());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn what_is_near_is_in_a_cell_that_the_circle_touches(
            (latitude, longitude) in (-90.0..=90.0_f64, -180.0..=180.0_f64),
            (exponent, share, bearing) in (0.0..7.4_f64, 0.0..1.0_f64, 0.0..360.0_f64),
        ) {
            let centre = Position { latitude, longitude };
            let circle = NearCondition { centre, distance_m: 10_f64.powf(exponent) };
            // A point at a share of the radius in any direction.
            let angle = circle.distance_m * share.sqrt() / super::EARTH_RADIUS_M;
            let (phi, theta) = (latitude.to_radians(), bearing.to_radians());
            let sine = phi.sin() * angle.cos() + phi.cos() * angle.sin() * theta.cos();
            let across = theta.sin() * angle.sin() * phi.cos();
            let other = Position {
                latitude: sine.clamp(-1.0, 1.0).asin().to_degrees(),
                longitude: super::around(
                    longitude + across.atan2(angle.cos() - phi.sin() * sine).to_degrees(),
                ),
            };
            if centre.metres_to(other) <= circle.distance_m {
                prop_assert!(touches(&circle, other), "{:?} {:?}", circle, other);
            }
        }
    }
}
