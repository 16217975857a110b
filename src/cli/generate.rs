//! `generate`: synthetic patients as transaction bundles, the same bytes for the same settings.
//!
//! No clock, no thread, no hash map, no floating point: all follows from the seed, and patient
//! `n` is the same however many are made. `hospitals.json` and `practitioners.json` create what
//! is shared once by identifier; a patient's entries are PUTs to their own ids, so that loading a
//! file twice changes nothing. Spec: <https://hl7.org/fhir/R4/http.html#transaction>.

mod allergy;
mod appointment;
mod calendar;
mod care;
mod chart;
mod condition;
mod demographics;
mod directory;
mod disease;
mod document;
mod finding;
mod growth;
mod immunization;
mod laboratory;
mod medication;
mod name;
mod person;
mod procedure;
mod random;
mod record;
mod term;
mod visit;
mod vitals;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use calendar::Day;
use chart::Chart;
use directory::Directory;
use name::Culture;
use person::Person;
use random::Random;
use record::Record;
use vesta_model::r4::Resource;

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenerateSettings {
    /// How many patients.
    pub patients: u64,
    /// Where all chance comes from.
    pub seed: u64,
}

/// Options of `vesta generate`.
#[derive(Debug, Clone, clap::Args)]
pub struct GenerateArguments {
    /// How many patients to make.
    #[arg(long, default_value_t = 20)]
    pub patients: u64,
    /// The same seed gives the same patients.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The directory to write to; it is made when it is not there.
    #[arg(long)]
    pub out: PathBuf,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedBundle {
    /// Its name, `.json` included. In the order of the files, what others refer to comes first.
    pub file_name: String,
    /// The transaction bundle as JSON.
    pub json: Vec<u8>,
}

/// Why there are no patients.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// A resource cannot be written as JSON.
    #[error("cannot write a synthetic resource as JSON: {0}")]
    Json(String),
    /// A table is empty.
    #[error("the table of names or practitioners is empty")]
    Empty,
    /// The directory cannot be written to.
    #[error("cannot write {path}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// The day up to which the world is made; appointments lie behind it.
const UNTIL: Day = Day::of(2026, 1, 1);

/// Makes the bundles one after another: what is shared first, then a bundle a patient.
pub fn generate<E: From<GenerateError>>(
    settings: &GenerateSettings,
    each: &mut dyn FnMut(GeneratedBundle) -> Result<(), E>,
) -> Result<(), E> {
    let cultures = name::cultures();
    let directory = Directory::new(&cultures);
    each(bundle("hospitals", &Directory::hospitals())?)?;
    each(bundle("practitioners", &directory.staff())?)?;
    for number in 0..settings.patients {
        let (id, transaction) =
            patient(&directory, &cultures, settings.seed, number).ok_or(GenerateError::Empty)?;
        each(bundle(&id, &transaction)?)?;
    }
    Ok(())
}

/// Writes the bundles into a directory.
pub fn run(arguments: &GenerateArguments) -> Result<(), GenerateError> {
    let settings = GenerateSettings {
        patients: arguments.patients,
        seed: arguments.seed,
    };
    let out = arguments.out.as_path();
    fs::create_dir_all(out).map_err(|source| cannot_write(out, source))?;
    generate(&settings, &mut |bundle| {
        let path = out.join(&bundle.file_name);
        fs::write(&path, &bundle.json).map_err(|source| cannot_write(&path, source))
    })
}

fn cannot_write(path: &Path, source: io::Error) -> GenerateError {
    GenerateError::Write {
        path: path.to_owned(),
        source,
    }
}

fn bundle(name: &str, transaction: &Resource) -> Result<GeneratedBundle, GenerateError> {
    Ok(GeneratedBundle {
        file_name: format!("{name}.json"),
        json: vesta_model::to_json(transaction).map_err(GenerateError::Json)?,
    })
}

fn patient(
    directory: &Directory,
    cultures: &[Culture],
    seed: u64,
    number: u64,
) -> Option<(String, Resource)> {
    let mut random = Random::new(seed, number);
    let person = Person::draw(directory, cultures, UNTIL, &mut random)?;
    let problems = disease::draw(&person, &mut random);
    let allergies = allergy::draw(&person, &mut random);
    let mut record = Record::new(seed, number);
    let mut chart = Chart {
        person,
        patient: record.next_id(),
        nature: random.next(),
        random,
        record,
        problems,
        allergies,
        prescribed: Vec::new(),
        vaccinated: Vec::new(),
        visits: 0,
        last_visit_end: None,
    };
    demographics::record(&mut chart, number);
    visit::record(&mut chart, UNTIL);
    care::record(&mut chart);
    appointment::record_next(&mut chart, UNTIL);
    demographics::record_provenance(&mut chart);
    let id = chart.patient.id().to_owned();
    Some((id, chart.record.into_transaction()))
}
