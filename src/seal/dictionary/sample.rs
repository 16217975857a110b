//! Generated resources to train a dictionary on: no byte of them comes from a patient.
//!
//! `profiles/dictionary-templates.tsv` has one resource a line, in the JSON that we store and the
//! shape that Synthea exports; `profiles/dictionary-codings.tsv` the codes that stand in them. Text
//! between `$` is replaced: see `Expansion::place`. The same seed gives the same resources.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use foldhash::{HashMap, HashMapExt};

const TEMPLATES: &str = include_str!("../../../profiles/dictionary-templates.tsv");
const CODINGS: &str = include_str!("../../../profiles/dictionary-codings.tsv");
/// Fragments in fragments in fragments.
const DEPTH_MAX: usize = 4;
/// The first of January 1990, in days since the epoch.
const FIRST_DAY: i64 = 7_305;

/// `count` resources, weighted as a chart has them.
pub fn generate(count: usize, seed: u64) -> Vec<Vec<u8>> {
    let source = Source::read();
    let mut dice = Dice(seed);
    let weights: usize = source.templates.iter().map(|(weight, _)| weight).sum();
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        let mut left = dice.below(weights);
        let chosen = source.templates.iter().find(|(weight, _)| {
            let here = left < *weight;
            left = left.saturating_sub(*weight);
            here
        });
        if let Some((_, template)) = chosen {
            let mut text = String::new();
            Expansion::new(&source, &mut dice).expand(template, DEPTH_MAX, &mut text);
            samples.push(text.into_bytes());
        }
    }
    samples
}

/// The two data files, taken apart.
struct Source {
    templates: Vec<(usize, &'static str)>,
    fragments: HashMap<&'static str, &'static str>,
    codings: HashMap<&'static str, Vec<Coding>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Coding {
    system: &'static str,
    code: &'static str,
    display: &'static str,
    unit: &'static str,
    ucum: &'static str,
}

impl Source {
    fn read() -> Self {
        let (mut templates, mut fragments) = (Vec::new(), HashMap::new());
        for (head, text) in TEMPLATES.lines().filter_map(|line| line.split_once('\t')) {
            match head.strip_prefix('=') {
                Some(name) => drop(fragments.insert(name, text)),
                None => templates.push((head.parse().unwrap_or(1), text)),
            }
        }
        let mut codings: HashMap<_, Vec<_>> = HashMap::new();
        for line in CODINGS.lines() {
            let mut fields = line.split('\t');
            let mut next = || fields.next().unwrap_or_default();
            codings.entry(next()).or_default().push(Coding {
                system: next(),
                code: next(),
                display: next(),
                unit: next(),
                ucum: next(),
            });
        }
        Self {
            templates,
            fragments,
            codings,
        }
    }
}

/// One resource in the making: what it refers to several times stays the same.
struct Expansion<'a> {
    source: &'a Source,
    dice: &'a mut Dice,
    /// When it is stored, in ms since the epoch; its ids begin with it.
    stored_ms: u64,
    day: i64,
    seconds: i64,
    zone: &'static str,
    coding: Coding,
    fixed: HashMap<String, String>,
}

impl<'a> Expansion<'a> {
    fn new(source: &'a Source, dice: &'a mut Dice) -> Self {
        let zones = ["+00:00", "-05:00", "-04:00", "+01:00", "+02:00"];
        Self {
            stored_ms: 1_760_000_000_000 + dice.next() % 80_000_000_000,
            day: FIRST_DAY + dice.within(0, 13_000),
            seconds: dice.within(0, 80_000),
            zone: dice.pick(&zones),
            coding: Coding::default(),
            fixed: HashMap::new(),
            source,
            dice,
        }
    }

    fn expand(&mut self, template: &str, depth: usize, out: &mut String) {
        // Every second part stands between two `$`.
        for (index, part) in template.split('$').enumerate() {
            if index % 2 == 0 {
                out.push_str(part);
            } else {
                let (name, argument) = part.split_once(':').unwrap_or((part, ""));
                let text = self.place(name, argument, depth);
                out.push_str(&text);
            }
        }
    }

    /// What stands for a placeholder: `name` or `name:argument`.
    fn place(&mut self, name: &str, argument: &str, depth: usize) -> String {
        match name {
            "uuid" => self.uuid(),
            "patient" | "encounter" | "practitioner" | "organization" | "location" => {
                let fresh = self.uuid();
                self.fixed.entry(name.to_owned()).or_insert(fresh).clone()
            }
            "payer" | "family" | "given" | "clinic" | "city" => {
                let fresh = self.name(name);
                // A payer is the same throughout; people are many.
                match name {
                    "payer" => self.fixed.entry(name.to_owned()).or_insert(fresh).clone(),
                    _ => fresh,
                }
            }
            "updated" => format!("2026-{}T{}Z", self.dice.month_day(), self.dice.time_ms()),
            "date" => date(self.day + self.dice.within(-9_000, 0)),
            "t0" => self.instant(0, ""),
            "t1" => self.instant(900, ""),
            "issued" => {
                let millis = format!(".{:03}", self.dice.below(1000));
                self.instant(0, &millis)
            }
            "code" | "concept" | "name" => self.code(name, argument),
            "unit" => self.coding.unit.to_owned(),
            "ucum" => self.coding.ucum.to_owned(),
            "display" => self.coding.display.to_owned(),
            "pick" => {
                let choices: Vec<_> = argument.split('|').collect();
                self.dice.pick(&choices).to_owned()
            }
            "use" | "base64" if depth > 0 => {
                let fragment = self.source.fragments.get(argument).copied();
                let mut text = String::new();
                self.expand(fragment.unwrap_or_default(), depth - 1, &mut text);
                match name {
                    "use" => text,
                    _ => STANDARD.encode(text.replace("\\n", "\n")),
                }
            }
            _ => self.number(name, argument),
        }
    }

    fn number(&mut self, name: &str, argument: &str) -> String {
        let dice = &mut *self.dice;
        match name {
            "int" => {
                let (low, high) = argument.split_once(':').unwrap_or(("0", "9"));
                let bound = |text: &str| text.parse().unwrap_or(0);
                dice.within(bound(low), bound(high)).to_string()
            }
            "digits" => (0..argument.parse().unwrap_or(1))
                .map(|_| dice.below(10).to_string())
                .collect(),
            "num" => dice.within(50, 150).to_string(),
            "money" => match dice.below(4) {
                0 => dice
                    .pick(&["129.16", "77.49", "140.52", "85.55"])
                    .to_owned(),
                _ => format!("{}.{:02}", dice.within(10, 999), dice.below(100)),
            },
            "value" => match dice.below(3) {
                0 => format!("{}.{}", dice.within(1, 200), dice.below(10)),
                1 => format!("{}.{:02}", dice.within(1, 200), dice.below(100)),
                _ => format!("{}.{}", dice.within(1, 200), dice.next() >> 16),
            },
            "long" => format!("{}.{}", dice.within(0, 99), dice.next() >> 14),
            _ => String::new(),
        }
    }

    fn code(&mut self, form: &str, list: &str) -> String {
        let codings = self.source.codings.get(list).map_or(&[][..], Vec::as_slice);
        let coding = self.dice.pick_early(codings);
        if form == "name" {
            return coding.display.to_owned();
        }
        self.coding = coding;
        let Coding {
            system,
            code,
            display,
            ..
        } = coding;
        let text = format!(r#"{{"system":"{system}","code":"{code}","display":"{display}"}}"#);
        match form {
            "concept" => format!(r#"{{"coding":[{text}],"text":"{display}"}}"#),
            _ => text,
        }
    }

    fn uuid(&mut self) -> String {
        let (a, b) = (self.dice.next(), self.dice.next());
        let ms = format!("{:012x}", self.stored_ms);
        let (high, low) = ms.split_at_checked(8).unwrap_or_default();
        format!(
            "{high}-{low}-7{:03x}-{:04x}-{:012x}",
            a & 0xfff,
            0x8000 | (a >> 16) & 0x3fff,
            b >> 16
        )
    }

    fn instant(&self, later_seconds: i64, millis: &str) -> String {
        let seconds = self.seconds + later_seconds;
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let day = date(self.day);
        format!(
            "{day}T{hour:02}:{minute:02}:{second:02}{millis}{}",
            self.zone
        )
    }

    fn name(&mut self, kind: &str) -> String {
        const GIVEN: [&str; 12] = [
            "Amara", "Bram", "Chidi", "Dalia", "Edda", "Farid", "Greta", "Hugo", "Ines", "Jona",
            "Kira", "Levin",
        ];
        const FAMILY: [&str; 12] = [
            "Abara", "Brandt", "Castillo", "Dubois", "Eklund", "Fontana", "Grau", "Hansen",
            "Ivanova", "Janssen", "Kowalski", "Lindgren",
        ];
        const CITY: [&str; 8] = [
            "Ashford",
            "Brookdale",
            "Clearwater",
            "Eastport",
            "Fairview",
            "Lakeside",
            "Northfield",
            "Springdale",
        ];
        const PAYER: [&str; 7] = [
            "Medicare",
            "Medicaid",
            "Anthem",
            "Humana",
            "Blue Cross Blue Shield",
            "NO_INSURANCE",
            "private",
        ];
        let number = self.dice.below(999);
        match kind {
            "given" => format!("{}{number}", self.dice.pick(&GIVEN)),
            "family" => format!("{}{number}", self.dice.pick(&FAMILY)),
            "city" => self.dice.pick(&CITY).to_owned(),
            "payer" => self.dice.pick(&PAYER).to_owned(),
            _ => match self.dice.below(3) {
                0 => format!("PCP{number}"),
                1 => format!("{} HOSPITAL", self.dice.pick(&CITY).to_uppercase()),
                _ => format!("{} MEDICAL CENTER", self.dice.pick(&CITY).to_uppercase()),
            },
        }
    }
}

/// A date by days since the epoch; good enough for samples: every month has 28 days.
fn date(day: i64) -> String {
    let (year, rest) = (1970 + day / 365, day % 336);
    format!("{year}-{:02}-{:02}", rest / 28 + 1, rest % 28 + 1)
}

/// `SplitMix64`: deterministic, and nothing that needs secrecy comes from it.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    fn within(&mut self, low: i64, high: i64) -> i64 {
        let width = usize::try_from(high - low + 1).unwrap_or(1);
        low + i64::try_from(self.below(width)).unwrap_or(0)
    }

    fn pick<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let index = self.below(choices.len());
        choices.get(index).copied().unwrap_or_default()
    }

    /// Early ones more often: few codes make most of a chart.
    fn pick_early<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let bound = self.below(choices.len()) + 1;
        let index = self.below(bound);
        choices.get(index).copied().unwrap_or_default()
    }

    fn month_day(&mut self) -> String {
        format!("{:02}-{:02}", self.within(1, 12), self.within(1, 28))
    }

    fn time_ms(&mut self) -> String {
        let (hour, minute, second) = (self.below(24), self.below(60), self.below(60));
        format!("{hour:02}:{minute:02}:{second:02}.{:03}", self.below(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::generate;

    #[test]
    fn samples_are_resources_and_the_same_every_time() {
        let samples = generate(300, 7);
        assert_eq!(samples, generate(300, 7));
        assert_ne!(samples, generate(300, 8));
        for sample in &samples {
            let text = String::from_utf8_lossy(sample);
            let parsed: Result<serde_json::Value, _> = serde_json::from_slice(sample);
            assert!(parsed.is_ok(), "{:?} {text}", parsed.err());
            assert!(!text.contains('$'), "{text}");
            assert!(!text.contains(r#":"""#), "{text}");
        }
    }
}
