//! The generated patients as transaction bundles of one size.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::cli::Failure;
use crate::cli::generate::{self, GenerateSettings};

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
    let settings = GenerateSettings {
        patients,
        seed: SEED,
    };
    let mut material = Material {
        shared: Vec::new(),
        bundles: Vec::new(),
        sizes: Vec::new(),
        resources: 0,
    };
    let mut waiting = Vec::new();
    generate::generate(&settings, &mut |made| {
        let mut bundle: Value = serde_json::from_slice(&made.json)?;
        let entries = bundle.get_mut("entry").and_then(Value::as_array_mut);
        let mut entries = entries.map(std::mem::take).unwrap_or_default();
        material.resources += entries.len();
        if material.shared.len() < 2 {
            material.shared.push((made.file_name, made.json.into()));
            return Ok::<(), Failure>(());
        }
        refer_by_id(&mut entries);
        waiting.extend(entries);
        while waiting.len() >= BUNDLE_ENTRIES {
            let rest = waiting.split_off(BUNDLE_ENTRIES);
            material.add(&std::mem::replace(&mut waiting, rest))?;
        }
        Ok(())
    })?;
    if !waiting.is_empty() {
        material.add(&waiting)?;
    }
    Ok(material)
}

impl Material {
    fn add(&mut self, entries: &[Value]) -> Result<(), Failure> {
        self.sizes.push(entries.len());
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
        self.bundles.push(serde_json::to_vec(&bundle)?.into());
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
