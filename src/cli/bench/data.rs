//! The generated patients as transaction bundles of one size.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::cli::Failure;
use crate::cli::generate::{self, GenerateSettings, GeneratedBundle};

/// Entries of a bundle.
pub(super) const BUNDLE_ENTRIES: usize = 500;

/// The same patients in every run.
const SEED: u64 = 1;

/// What is loaded.
pub(super) struct Material {
    /// What patients refer to by identifier; loaded first, with file names.
    pub(super) shared: Vec<(String, Bytes)>,
    /// The bundles with the patients.
    pub(super) bundles: Vec<Bytes>,
    /// How many resources are in each of them.
    pub(super) sizes: Vec<usize>,
    /// How many resources there are in all.
    pub(super) resources: usize,
}

/// Generates patients and cuts them into bundles of [`BUNDLE_ENTRIES`] entries.
pub(super) fn make(patients: u64) -> Result<Material, Failure> {
    let mut material = Material {
        shared: Vec::new(),
        bundles: Vec::new(),
        sizes: Vec::new(),
        resources: 0,
    };
    material.resources = each(patients, &mut |part| {
        match part {
            Part::Shared(made) => material.shared.push((made.file_name, made.json.into())),
            Part::Patients(entries) => material.add(&entries)?,
        }
        Ok(())
    })?;
    Ok(material)
}

/// Generates patients and writes the bundles as files for `vesta import`, one after another; says
/// how many resources there are.
pub(super) fn write(patients: u64, directory: &Path) -> Result<usize, Failure> {
    let mut number = 0_u32;
    each(patients, &mut |part| {
        match part {
            Part::Shared(made) => fs::write(directory.join(&made.file_name), &made.json)?,
            Part::Patients(entries) => {
                let path = directory.join(format!("patients-{number:05}.json"));
                fs::write(path, bundle_of(&entries)?)?;
                number += 1;
            }
        }
        Ok(())
    })
}

/// What is generated.
enum Part {
    /// What patients refer to by identifier.
    Shared(GeneratedBundle),
    /// Entries of patients, of [`BUNDLE_ENTRIES`] at most.
    Patients(Vec<Value>),
}

/// Generates bundles; says how many resources are in them.
fn each(
    patients: u64,
    take: &mut dyn FnMut(Part) -> Result<(), Failure>,
) -> Result<usize, Failure> {
    let settings = GenerateSettings {
        patients,
        seed: SEED,
    };
    let (mut waiting, mut shared, mut resources) = (Vec::new(), 0, 0);
    generate::generate(&settings, &mut |made| {
        let mut bundle: Value = serde_json::from_slice(&made.json)?;
        let entries = bundle.get_mut("entry").and_then(Value::as_array_mut);
        let mut entries = entries.map(std::mem::take).unwrap_or_default();
        resources += entries.len();
        if shared < 2 {
            shared += 1;
            return take(Part::Shared(made));
        }
        refer_by_id(&mut entries);
        waiting.extend(entries);
        while waiting.len() >= BUNDLE_ENTRIES {
            let rest = waiting.split_off(BUNDLE_ENTRIES);
            take(Part::Patients(std::mem::replace(&mut waiting, rest)))?;
        }
        Ok::<(), Failure>(())
    })?;
    if !waiting.is_empty() {
        take(Part::Patients(waiting))?;
    }
    Ok(resources)
}

fn bundle_of(entries: &[Value]) -> Result<Vec<u8>, Failure> {
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    Ok(serde_json::to_vec(&bundle)?)
}

impl Material {
    fn add(&mut self, entries: &[Value]) -> Result<(), Failure> {
        self.sizes.push(entries.len());
        self.bundles.push(bundle_of(entries)?.into());
        Ok(())
    }

    /// How many resources there are, as a rate counts them.
    pub(super) fn count(&self) -> f64 {
        number(self.resources)
    }

    /// How many resources a bundle has, on average.
    pub(super) fn per_bundle(&self) -> f64 {
        number(self.sizes.iter().sum()) / number(self.sizes.len()).max(1.0)
    }

    /// Writes all bundles as files for `vesta import`.
    pub(super) fn write(&self, directory: &Path) -> Result<(), Failure> {
        fs::create_dir_all(directory)?;
        for (name, bundle) in &self.shared {
            fs::write(directory.join(name), bundle)?;
        }
        for (number, bundle) in self.bundles.iter().enumerate() {
            fs::write(directory.join(format!("patients-{number:05}.json")), bundle)?;
        }
        Ok(())
    }
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// A patient's entries may come to lie in two bundles: they refer to each other by type and id, not
/// by the `fullUrl` that is known within one bundle only.
fn refer_by_id(entries: &mut [Value]) {
    let mut places = HashMap::new();
    for entry in entries.iter() {
        let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str);
        if let (Some(full_url), Some(url)) = (text("/fullUrl"), text("/request/url")) {
            places.insert(full_url.to_owned(), url.to_owned());
        }
    }
    for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
        entry.remove("fullUrl");
        if let Some(resource) = entry.get_mut("resource") {
            replace(resource, &places);
        }
    }
}

fn replace(value: &mut Value, places: &HashMap<String, String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, places)),
        Value::Object(object) => replace_in(object, places),
        _ => {}
    }
}

fn replace_in(object: &mut Map<String, Value>, places: &HashMap<String, String>) {
    for (name, value) in object {
        match value {
            Value::String(text) if name == "reference" => {
                if let Some(place) = places.get(text) {
                    text.clone_from(place);
                }
            }
            other => replace(other, places),
        }
    }
}
