//! Names of people, from the table `profiles/synthetic/names.tsv`.
//!
//! The same draw serves patients and practitioners. A culture that writes in another script gives
//! the name a second time in it. Spec: <https://hl7.org/fhir/R4/datatypes.html#HumanName>.

use vesta_model::r4::types::HumanName;

use super::random::Random;

const TABLE: &str = include_str!("../../../profiles/synthetic/names.tsv");

/// Administrative sex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sex {
    /// `female`
    Female,
    /// `male`
    Male,
}

impl Sex {
    /// The code of the value set administrative-gender.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Female => "female",
            Self::Male => "male",
        }
    }
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Culture {
    weight: i64,
    language: &'static str,
    language_name: &'static str,
    female: Names,
    male: Names,
    family: Names,
}

#[derive(Debug)]
struct Names {
    latin: Vec<&'static str>,
    native: Vec<&'static str>,
}

/// What a person is called.
#[derive(Debug, Clone)]
pub(super) struct FullName {
    /// First names in Latin letters.
    pub(super) given: Vec<&'static str>,
    /// Family name in Latin letters.
    pub(super) family: &'static str,
    /// Given and family name in the culture's own script.
    pub(super) native: Option<(&'static str, &'static str)>,
    /// BCP 47 tag of the language spoken.
    pub(super) language: &'static str,
    /// The language's name.
    pub(super) language_name: &'static str,
}

/// Reads the table.
pub(super) fn cultures() -> Vec<Culture> {
    TABLE.lines().filter_map(culture).collect()
}

fn culture(line: &'static str) -> Option<Culture> {
    if line.starts_with('#') {
        return None;
    }
    let list = |text: Option<&'static str>| -> Vec<&'static str> {
        text.unwrap_or_default()
            .split(',')
            .filter(|name| !name.is_empty())
            .collect()
    };
    let mut columns = line.split('\t');
    let weight = columns.next()?.parse().ok()?;
    let (language, language_name) = (columns.next()?, columns.next()?);
    let latin = [columns.next(), columns.next(), columns.next()].map(list);
    let native = [columns.next(), columns.next(), columns.next()].map(list);
    let [female, male, family] = latin;
    let [native_female, native_male, native_family] = native;
    let names = |latin, native| Names { latin, native };
    Some(Culture {
        weight,
        language,
        language_name,
        female: names(female, native_female),
        male: names(male, native_male),
        family: names(family, native_family),
    })
}

impl Names {
    fn draw(&self, random: &mut Random) -> (&'static str, Option<&'static str>) {
        let last = i64::try_from(self.latin.len()).unwrap_or(1) - 1;
        let at = usize::try_from(random.between(0, last)).unwrap_or(0);
        let latin = self.latin.get(at).copied().unwrap_or_default();
        (latin, self.native.get(at).copied())
    }
}

impl FullName {
    /// Somebody's name, of a culture as common as the table says.
    pub(super) fn draw(cultures: &[Culture], sex: Sex, random: &mut Random) -> Option<Self> {
        let culture = random.weighted(cultures, |culture| culture.weight)?;
        let names = match sex {
            Sex::Female => &culture.female,
            Sex::Male => &culture.male,
        };
        let (given, native_given) = names.draw(random);
        let (family, native_family) = culture.family.draw(random);
        let mut all = vec![given];
        let (middle, _) = names.draw(random);
        if middle != given && native_given.is_none() && random.chance(500) {
            all.push(middle);
        }
        Some(Self {
            given: all,
            family,
            native: native_given.zip(native_family),
            language: culture.language,
            language_name: culture.language_name,
        })
    }

    /// Given names and family name as one text.
    pub(super) fn text(&self) -> String {
        format!("{} {}", self.given.join(" "), self.family)
    }

    /// As a `HumanName` in Latin letters.
    pub(super) fn official(&self, prefix: &str) -> HumanName {
        HumanName {
            r#use: Some("official".into()),
            text: Some(format!("{prefix} {}", self.text()).into()),
            family: Some(self.family.into()),
            given: self.given.iter().map(|given| (*given).into()).collect(),
            prefix: vec![prefix.into()],
            ..HumanName::default()
        }
    }

    /// As a `HumanName` in the culture's own script.
    pub(super) fn in_native_script(&self) -> Option<HumanName> {
        let (given, family) = self.native?;
        Some(HumanName {
            r#use: Some("usual".into()),
            text: Some(format!("{family} {given}").into()),
            family: Some(family.into()),
            given: vec![given.into()],
            ..HumanName::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{FullName, Sex, TABLE, cultures};
    use crate::cli::generate::random::Random;

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(cultures().len(), lines);
        for culture in cultures() {
            for names in [&culture.female, &culture.male, &culture.family] {
                assert!(!names.latin.is_empty() && culture.weight > 0);
                assert!(names.native.is_empty() || names.native.len() == names.latin.len());
            }
        }
    }

    #[test]
    fn names_of_many_cultures_are_drawn() {
        let cultures = cultures();
        let mut random = Random::new(1, 1);
        let drawn: Vec<FullName> = (0..2000)
            .filter_map(|_| FullName::draw(&cultures, Sex::Female, &mut random))
            .collect();
        let accented = drawn.iter().filter(|name| !name.text().is_ascii()).count();
        let native = drawn.iter().filter(|name| name.native.is_some()).count();
        assert_eq!(drawn.len(), 2000);
        assert!(
            accented > 200 && (100..300).contains(&native),
            "{accented} {native}"
        );
    }
}
