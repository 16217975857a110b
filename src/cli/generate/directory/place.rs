//! Hospitals, clinics and insurers: the table and its resources.
//!
//! The towns are real, all else is invented; telephone numbers are of the range kept for fiction.
//! Spec: <https://hl7.org/fhir/R4/organization.html>, <https://hl7.org/fhir/R4/location.html>.

use vesta_model::r4::Resource;
use vesta_model::r4::resources::{Location, LocationPosition, Organization};
use vesta_model::r4::types::{Address, CodeableConcept, ContactPoint};

use super::{NPI, Payer, SHARED, Site, Town};
use crate::cli::generate::record::Record;
use crate::cli::generate::term::{Term, decimal, identifier, term};

const ORGANIZATION_TYPE: &str = "http://terminology.hl7.org/CodeSystem/organization-type";
const PROVIDER: Term = term(ORGANIZATION_TYPE, "prov", "Healthcare Provider");
const INSURER: Term = term(ORGANIZATION_TYPE, "pay", "Payer");

const ROLE: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
const HOSPITAL: Term = term(ROLE, "HOSP", "Hospital");
const CLINIC: Term = term(ROLE, "OF", "Outpatient facility");

const PHYSICAL: &str = "http://terminology.hl7.org/CodeSystem/location-physical-type";
const BUILDING: Term = term(PHYSICAL, "bu", "Building");

/// Where people are cared for.
pub(super) const SITES: &[Site] = &[
    site(
        "9999900017",
        "Elm Park Hospital",
        true,
        "400 Summit Street",
        WORCESTER,
    ),
    site(
        "9999900025",
        "Riverbend Clinic",
        false,
        "12 Mill Lane",
        LOWELL,
    ),
    site(
        "9999900033",
        "Harbor View Hospital",
        true,
        "1 Harbor Square",
        PROVIDENCE,
    ),
    site(
        "9999900041",
        "Oak Hill Family Health",
        false,
        "88 Oak Hill Road",
        HARTFORD,
    ),
    site(
        "9999900058",
        "Elm City Medical Center",
        true,
        "250 College Green",
        NEW_HAVEN,
    ),
    site(
        "9999900066",
        "Granite Valley Clinic",
        false,
        "31 Canal Street",
        MANCHESTER,
    ),
    site(
        "9999900074",
        "Lakeside Hospital",
        true,
        "77 Shore Drive",
        BURLINGTON,
    ),
    site(
        "9999900082",
        "Lighthouse Community Clinic",
        false,
        "5 Wharf Road",
        PORTLAND,
    ),
];

/// Who pays.
pub(super) const PAYERS: &[Payer] = &[
    payer("payer-1", "Evergreen Mutual Health", false),
    payer("payer-2", "Blue Heron Insurance", false),
    payer("payer-3", "Commonwealth Health Plan", false),
    payer("payer-4", "Senior Public Insurance", true),
];

const WORCESTER: (Town, (i64, i64)) = town(
    "Worcester",
    "Worcester County",
    "MA",
    "01608",
    (422_626, -718_023),
);
const LOWELL: (Town, (i64, i64)) = town(
    "Lowell",
    "Middlesex County",
    "MA",
    "01852",
    (426_334, -713_162),
);
const PROVIDENCE: (Town, (i64, i64)) = town(
    "Providence",
    "Providence County",
    "RI",
    "02903",
    (418_240, -714_128),
);
const HARTFORD: (Town, (i64, i64)) = town(
    "Hartford",
    "Hartford County",
    "CT",
    "06103",
    (417_658, -726_734),
);
const NEW_HAVEN: (Town, (i64, i64)) = town(
    "New Haven",
    "New Haven County",
    "CT",
    "06510",
    (413_083, -729_279),
);
const MANCHESTER: (Town, (i64, i64)) = town(
    "Manchester",
    "Hillsborough County",
    "NH",
    "03101",
    (429_956, -714_548),
);
const BURLINGTON: (Town, (i64, i64)) = town(
    "Burlington",
    "Chittenden County",
    "VT",
    "05401",
    (444_759, -732_121),
);
const PORTLAND: (Town, (i64, i64)) = town(
    "Portland",
    "Cumberland County",
    "ME",
    "04101",
    (436_591, -702_568),
);

const fn town(
    city: &'static str,
    district: &'static str,
    state: &'static str,
    postal_code: &'static str,
    position: (i64, i64),
) -> (Town, (i64, i64)) {
    let town = Town {
        city,
        district,
        state,
        postal_code,
    };
    (town, position)
}

const fn site(
    npi: &'static str,
    name: &'static str,
    is_hospital: bool,
    line: &'static str,
    (town, position): (Town, (i64, i64)),
) -> Site {
    Site {
        npi,
        name,
        is_hospital,
        line,
        town,
        position,
    }
}

const fn payer(code: &'static str, name: &'static str, is_public: bool) -> Payer {
    Payer {
        code,
        name,
        is_public,
    }
}

/// Adds all organisations and places.
pub(super) fn add(record: &mut Record) {
    for site in SITES {
        add_site(record, site);
    }
    for payer in PAYERS {
        let organization = Organization {
            identifier: vec![identifier(SHARED, payer.code)],
            active: Some(true.into()),
            r#type: vec![INSURER.concept()],
            name: Some(payer.name.into()),
            ..Organization::default()
        };
        let organization = Resource::Organization(Box::new(organization));
        record.create_once("Organization", organization, (SHARED, payer.code));
    }
}

fn add_site(record: &mut Record, site: &Site) {
    let kind: CodeableConcept = if site.is_hospital { HOSPITAL } else { CLINIC }.concept();
    let digits = site.npi.len().saturating_sub(2);
    let extension = site
        .npi
        .split_at_checked(digits)
        .map_or("00", |(_, end)| end);
    let telecom = vec![ContactPoint {
        system: Some("phone".into()),
        value: Some(format!("(555) 555-01{extension}").into()),
        r#use: Some("work".into()),
        ..ContactPoint::default()
    }];
    let organization = Organization {
        identifier: vec![identifier(NPI, site.npi)],
        active: Some(true.into()),
        r#type: vec![PROVIDER.concept()],
        name: Some(site.name.into()),
        telecom: telecom.clone(),
        address: vec![address(site)],
        ..Organization::default()
    };
    let organization = Resource::Organization(Box::new(organization));
    let organization = record.create_once("Organization", organization, (NPI, site.npi));
    let value = format!("location-{}", site.npi);
    let (latitude, longitude) = site.position;
    let location = Location {
        identifier: vec![identifier(SHARED, &value)],
        status: Some("active".into()),
        name: Some(site.name.into()),
        mode: Some("instance".into()),
        r#type: vec![kind],
        telecom,
        address: Some(Box::new(address(site))),
        physical_type: Some(Box::new(BUILDING.concept())),
        position: Some(LocationPosition {
            latitude: decimal(latitude, 4).into(),
            longitude: decimal(longitude, 4).into(),
            ..LocationPosition::default()
        }),
        managing_organization: Some(organization.boxed()),
        ..Location::default()
    };
    let location = Resource::Location(Box::new(location));
    record.create_once("Location", location, (SHARED, &value));
}

fn address(site: &Site) -> Address {
    Address {
        r#use: Some("work".into()),
        line: vec![site.line.into()],
        city: Some(site.town.city.into()),
        district: Some(site.town.district.into()),
        state: Some(site.town.state.into()),
        postal_code: Some(site.town.postal_code.into()),
        country: Some("US".into()),
        ..Address::default()
    }
}
