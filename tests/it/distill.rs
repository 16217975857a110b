//! The tables under `profiles/` come from HL7's package, and come out the same every time.
//!
//! Proves that they hold what <https://hl7.org/fhir/R4/downloads.html> defines.

use std::fs;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use vesta::cli::distill::{self, DistillError};

use crate::support::packs;

const TABLES: [&str; 4] = [
    "r4-codes.tsv",
    "r4-compartments.tsv",
    "r4-search-parameters.tsv",
    "r4-structures.tsv",
];

/// The files of the package, by what the packs call them.
const FILES: [(&str, &str); 7] = [
    ("profiles-types.json", "Bundle-types.json"),
    ("profiles-resources.json", "Bundle-resources.json"),
    ("search-parameters.json", "Bundle-searchParams.json"),
    ("valuesets.json", "Bundle-valuesets.json"),
    ("v2-tables.json", "Bundle-v2-valuesets.json"),
    ("v3-codesystems.json", "Bundle-v3-valuesets.json"),
    (
        "valueset-expansions.json",
        "Bundle-valueset-expansions.json",
    ),
];

const FILTER: &str = r#"{"resourceType": "SearchParameter", "code": "_filter",
    "url": "http://hl7.org/fhir/SearchParameter/filter", "base": ["Resource"], "type": "special"}"#;

/// A package as npm has it.
struct Package(tar::Builder<GzEncoder<fs::File>>);

impl Package {
    fn new(path: &Path) -> Self {
        let file = fs::File::create(path).unwrap();
        Self(tar::Builder::new(GzEncoder::new(file, Compression::none())))
    }

    fn add(&mut self, name: &str, content: &[u8]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len().try_into().unwrap());
        header.set_mode(0o644);
        let path = format!("package/{name}");
        self.0.append_data(&mut header, path, content).unwrap();
    }

    fn finish(self) {
        self.0.into_inner().unwrap().finish().unwrap();
    }
}

/// A package with a handful of definitions; `parameters` are the search parameters of `Patient`.
fn small_package(path: &Path, parameters: &[&str]) {
    let bundle = |entries: &[String]| {
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| format!(r#"{{"resource":{entry}}}"#))
            .collect();
        format!(
            r#"{{"resourceType":"Bundle","entry":[{}]}}"#,
            entries.join(",")
        )
    };
    let structure = |name: &str, kind: &str, base: &str, elements: &str| {
        format!(
            r#"{{"resourceType":"StructureDefinition","name":"{name}","type":"{name}",
            "kind":"{kind}","abstract":{},"text":{{"div":"<div>prose</div>"}},
            "baseDefinition":"http://hl7.org/fhir/StructureDefinition/{base}",
            "snapshot":{{"element":[{{"path":"{name}","min":0,"max":"*"}}{elements}]}}}}"#,
            name == "Element" || name == "Resource"
        )
    };
    let id = |path: &str| {
        format!(
            r#",{{"path":"{path}.id","min":0,"max":"1","type":[
            {{"code":"http://hl7.org/fhirpath/System.String"}}]}}"#
        )
    };
    let gender = r#",{"path":"Patient.gender","short":"prose","min":0,"max":"1","isSummary":true,
        "type":[{"code":"code"}],"constraint":[{"key":"pat-9","severity":"error","human":"prose",
        "expression":"true"}],"binding":{"strength":"required",
        "valueSet":"http://hl7.org/fhir/ValueSet/gender|4.0.1"}}"#;
    let codes = r#"{"resourceType":"CodeSystem","url":"http://x/gender","content":"complete",
        "concept":[{"code":"b","display":"prose","concept":[{"code":"a"},{"code":"c",
        "property":[{"code":"notSelectable","valueBoolean":true}]}]}]}"#;
    let set = r#"{"resourceType":"ValueSet","url":"http://hl7.org/fhir/ValueSet/gender",
        "compose":{"include":[{"system":"http://x/gender"}]}}"#;
    let compartment = r#"{"resourceType":"CompartmentDefinition","code":"Patient","resource":[
        {"code":"Patient","param":["link"]}]}"#;
    let parameter = |code: &&str| {
        format!(
            r#"{{"resourceType":"SearchParameter","url":"http://x/{code}","code":"{code}",
            "base":["Patient"],"type":"token","expression":"Group.{code} | (Patient.{code})"}}"#
        )
    };
    let mut package = Package::new(path);
    let types = [
        structure("Element", "complex-type", "", ""),
        structure("code", "primitive-type", "Element", ""),
    ];
    package.add("Bundle-types.json", bundle(&types).as_bytes());
    let resources = [
        structure("Resource", "resource", "", &id("Resource")),
        structure("Patient", "resource", "Resource", &(id("Patient") + gender)),
        structure("Group", "resource", "Resource", &id("Group")),
        compartment.to_owned(),
    ];
    package.add("Bundle-resources.json", bundle(&resources).as_bytes());
    let parameters: Vec<_> = parameters.iter().map(parameter).collect();
    package.add("Bundle-searchParams.json", bundle(&parameters).as_bytes());
    let terms = [codes.to_owned(), set.to_owned()];
    package.add("Bundle-valuesets.json", bundle(&terms).as_bytes());
    for name in ["v2-valuesets", "v3-valuesets", "valueset-expansions"] {
        package.add(&format!("Bundle-{name}.json"), bundle(&[]).as_bytes());
    }
    package.add("SearchParameter-filter.json", FILTER.as_bytes());
    package.add("Patient-example.json", b"not looked at");
    package.finish();
}

/// The lines of a table without its notes.
fn rows(folder: &Path, table: &str) -> String {
    let text = fs::read_to_string(folder.join(table)).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.fold(String::new(), |rows, row| rows + row + "\n")
}

#[test]
fn definitions_become_rows_without_prose() {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("package.tgz");
    small_package(&package, &["name"]);
    let summary = distill::run(&package, folder.path()).unwrap();
    assert_eq!((summary.types, summary.code_sets), (5, 1));
    assert_eq!((summary.search_parameters, summary.compartments), (2, 1));
    let of = |table| rows(folder.path(), table);
    let structures = "complex\tElement\t\tabstract\n\
        resource\tResource\t\tabstract\n\
        \tid\t0..1\tid\n\
        primitive\tcode\tElement\n\
        resource\tGroup\tResource\n\
        resource\tPatient\tResource\n\
        \tgender\t0..1\tcode\tS\t\thttp://hl7.org/fhir/ValueSet/gender\n\
        \t\tpat-9\terror\ttrue\n";
    assert_eq!(of("r4-structures.tsv"), structures);
    let codes = "http://hl7.org/fhir/ValueSet/gender\n\
        \thttp://x/gender\ta\tb\n";
    assert_eq!(of("r4-codes.tsv"), codes);
    let parameters = "http://hl7.org/fhir/SearchParameter/filter\t_filter\tspecial\n\
        \tGroup\t1\n\
        \tPatient\t2\n\
        http://x/name\tname\ttoken\n\
        \tPatient\t3\t(Patient.name)\n";
    assert_eq!(of("r4-search-parameters.tsv"), parameters);
    assert_eq!(
        of("r4-compartments.tsv"),
        "Patient\n\tPatient\t{def},link\n"
    );
}

#[test]
fn a_number_once_given_stays_with_its_parameter() {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("package.tgz");
    let run = |parameters: &[&str]| {
        small_package(&package, parameters);
        distill::run(&package, folder.path()).unwrap();
        rows(folder.path(), "r4-search-parameters.tsv")
    };
    assert!(run(&["name", "zone"]).contains("\tPatient\t4\t(Patient.zone)\n"));
    let more = run(&["alias", "name"]);
    assert!(more.contains("\tPatient\t3\t(Patient.name)\n"), "{more}");
    assert!(more.contains("\tPatient\t5\t(Patient.alias)\n"), "{more}");
}

#[test]
fn a_package_that_lacks_definitions_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("package.tgz");
    let mut without = Package::new(&package);
    without.add("SearchParameter-filter.json", FILTER.as_bytes());
    without.finish();
    let refused = distill::run(&package, folder.path());
    assert!(matches!(refused, Err(DistillError::Unexpected(_))));
    assert!(!folder.path().join("r4-codes.tsv").exists());
    fs::write(&package, b"not gzip").unwrap();
    let refused = distill::run(&package, folder.path());
    assert!(matches!(refused, Err(DistillError::Read(_))));
}

#[test]
fn the_tables_are_what_the_official_definitions_give() {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("package.tgz");
    let mut writer = Package::new(&package);
    let mut is_there = true;
    for pack in ["fhir-r4-definitions", "fhir-r4-valueset-expansions"] {
        is_there &= packs::for_each_file(pack, "json", |path, content| {
            let file = path.rsplit('/').next().unwrap();
            if let Some((_, name)) = FILES.iter().find(|(known, _)| *known == file) {
                writer.add(name, content);
            }
        });
    }
    writer.add("SearchParameter-filter.json", FILTER.as_bytes());
    writer.finish();
    if !is_there {
        return;
    }
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let numbers = "r4-search-parameters.tsv";
    fs::copy(profiles.join(numbers), folder.path().join(numbers)).unwrap();
    distill::run(&package, folder.path()).unwrap();
    for table in TABLES {
        let distilled = fs::read_to_string(folder.path().join(table)).unwrap();
        let present = fs::read_to_string(profiles.join(table)).unwrap();
        let differing = distilled.lines().zip(present.lines()).find(|(a, b)| a != b);
        assert_eq!(differing, None, "{table}");
        assert_eq!(distilled.len(), present.len(), "{table}");
    }
}
