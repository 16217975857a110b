//! capabilities: what this server does, derived from the definitions it works by.
//!
//! Nothing is claimed by hand that could be looked up. `capability-statement.json` at the top of
//! the repository is this statement, and a test compares the two.
//! Spec: <https://hl7.org/fhir/R4/capabilitystatement.html>,
//! <https://hl7.org/fhir/R4/terminologycapabilities.html>.

use vesta_model::r4::Resource;
use vesta_model::r4::resources::{
    CapabilityStatement, CapabilityStatementImplementation, CapabilityStatementRest,
    CapabilityStatementRestInteraction, CapabilityStatementRestResource,
    CapabilityStatementRestResourceInteraction, CapabilityStatementRestResourceOperation,
    CapabilityStatementRestResourceSearchParam, CapabilityStatementRestSecurity,
    CapabilityStatementSoftware, TerminologyCapabilities, TerminologyCapabilitiesSoftware,
};
use vesta_model::r4::types::{
    Boolean, Canonical, Code, CodeableConcept, Coding, DateTime, Extension, ExtensionValue,
    Markdown, String as FhirString,
};
use vesta_model::r4::types::{Uri, Url};

use crate::config::AccessMode;
use crate::config::rest::RestConfig;
use crate::conformance::registry::Registry;
use crate::conformance::search_parameter::{ParameterKind, SearchParameter};
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::outcome::Outcome;
use crate::search::words;

/// When what the statement says last changed.
const DATE: &str = "2026-11-22";

/// The interactions on a type and its instances.
const TYPE_INTERACTIONS: [&str; 9] = [
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
];

/// The interactions on the whole system.
const SYSTEM_INTERACTIONS: [&str; 4] = ["transaction", "batch", "search-system", "history-system"];

/// The codes of security services.
const SECURITY_SERVICES: &str = "http://terminology.hl7.org/CodeSystem/restful-security-service";

/// Where the endpoints of the authorization server are told.
const OAUTH_URIS: &str = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris";

/// How a client gets in.
const SECURITY_TEXT: &str = "Every request needs an access token with SMART scopes; endpoints and \
     what the authorization server can do are in .well-known/smart-configuration.";

/// What the statement is derived from.
#[derive(Debug, Clone, Copy)]
pub struct StatementParts<'a> {
    /// What R4 defines.
    pub registry: &'a Registry,
    /// The FHIR base URL; without one the statement is about the program, not an instance of it.
    pub base_url: Option<&'a str>,
    /// Choices that FHIR leaves to the server.
    pub rest: &'a RestConfig,
    /// Whether words are indexed, for `_text` and `_content`.
    pub has_words: bool,
    /// How access is decided.
    pub access: AccessMode,
    /// The endpoints of the authorization server: what clients call them, and their URLs.
    pub oauth_endpoints: &'a [(&'static str, String)],
}

/// The JSON of the CapabilityStatement.
pub fn statement(parts: StatementParts<'_>) -> Result<Vec<u8>, Outcome> {
    let implementation = parts.base_url.map(|url| CapabilityStatementImplementation {
        description: string("Vesta FHIR R4 server"),
        url: Some(Url {
            value: Some(url.to_owned()),
            ..Url::default()
        }),
        ..CapabilityStatementImplementation::default()
    });
    let statement = CapabilityStatement {
        name: Some(string("Vesta")),
        title: Some(string("Vesta FHIR R4 server")),
        status: code("active"),
        date: date(),
        publisher: Some(string("The Vesta project")),
        kind: code(if parts.base_url.is_some() {
            "instance"
        } else {
            "capability"
        }),
        software: Some(CapabilityStatementSoftware {
            name: string("Vesta"),
            version: Some(string(env!("CARGO_PKG_VERSION"))),
            ..CapabilityStatementSoftware::default()
        }),
        implementation,
        fhir_version: code("4.0.1"),
        format: vec![code("application/fhir+json"), code("application/fhir+xml")],
        patch_format: vec![
            code("application/json-patch+json"),
            code("application/fhir+json"),
            code("application/fhir+xml"),
        ],
        rest: vec![rest(&parts)],
        ..CapabilityStatement::default()
    };
    write(&Resource::CapabilityStatement(Box::new(statement)))
}

/// The JSON of the CapabilityStatement of a running server, with the definitions in force.
pub fn in_force(ctx: &Context, registry: &Registry) -> Result<Vec<u8>, Outcome> {
    statement(StatementParts {
        registry,
        base_url: Some(&ctx.settings.base_url),
        rest: &ctx.settings.rest,
        has_words: ctx.records.indexer().has_words(),
        access: ctx.settings.access,
        oauth_endpoints: &ctx.settings.oauth_endpoints,
    })
}

/// The JSON of the `TerminologyCapabilities`: this server answers no terminology operation yet.
pub fn terminology(ctx: &Context) -> Result<Vec<u8>, Outcome> {
    let capabilities = TerminologyCapabilities {
        url: Some(Uri {
            value: Some(format!(
                "{}/metadata?mode=terminology",
                ctx.settings.base_url
            )),
            ..Uri::default()
        }),
        name: Some(string("VestaTerminology")),
        title: Some(string("Terminology of the Vesta FHIR R4 server")),
        status: code("active"),
        date: date(),
        kind: code("instance"),
        software: Some(TerminologyCapabilitiesSoftware {
            name: string("Vesta"),
            version: Some(string(env!("CARGO_PKG_VERSION"))),
            ..TerminologyCapabilitiesSoftware::default()
        }),
        ..TerminologyCapabilities::default()
    };
    write(&Resource::TerminologyCapabilities(Box::new(capabilities)))
}

fn rest(parts: &StatementParts<'_>) -> CapabilityStatementRest {
    let interaction = |name: &&str| CapabilityStatementRestInteraction {
        code: code(name),
        ..CapabilityStatementRestInteraction::default()
    };
    CapabilityStatementRest {
        mode: code("server"),
        security: Some(security(parts)),
        resource: ResourceType::all()
            .map(|resource_type| resource(parts, resource_type))
            .collect(),
        interaction: SYSTEM_INTERACTIONS.iter().map(interaction).collect(),
        operation: vec![
            defined("meta", "Resource-meta"),
            own(
                "reindex-status",
                "How far stored resources are indexed by search parameters that came at run time.",
            ),
        ],
        ..CapabilityStatementRest::default()
    }
}

fn security(parts: &StatementParts<'_>) -> CapabilityStatementRestSecurity {
    let security = CapabilityStatementRestSecurity {
        cors: Some(boolean(!parts.rest.cors_origins.is_empty())),
        ..CapabilityStatementRestSecurity::default()
    };
    if parts.access == AccessMode::Open {
        return security;
    }
    let smart = Coding {
        system: Some(Uri {
            value: Some(SECURITY_SERVICES.to_owned()),
            ..Uri::default()
        }),
        code: Some(code("SMART-on-FHIR")),
        ..Coding::default()
    };
    CapabilityStatementRestSecurity {
        extension: (!parts.oauth_endpoints.is_empty())
            .then(|| oauth_uris(parts.oauth_endpoints))
            .into_iter()
            .collect(),
        service: vec![CodeableConcept {
            coding: vec![smart],
            ..CodeableConcept::default()
        }],
        description: Some(Markdown {
            value: Some(SECURITY_TEXT.to_owned()),
            ..Markdown::default()
        }),
        ..security
    }
}

/// Where the endpoints of the authorization server are, for clients that look here for them.
fn oauth_uris(endpoints: &[(&'static str, String)]) -> Extension {
    let named = endpoints.iter().map(|(name, url)| Extension {
        url: (*name).to_owned(),
        value: Some(ExtensionValue::Uri(Uri {
            value: Some(url.clone()),
            ..Uri::default()
        })),
        ..Extension::default()
    });
    Extension {
        url: OAUTH_URIS.to_owned(),
        extension: named.collect(),
        ..Extension::default()
    }
}

fn resource(
    parts: &StatementParts<'_>,
    resource_type: ResourceType,
) -> CapabilityStatementRestResource {
    let name = resource_type.name();
    let interaction = |name: &&str| CapabilityStatementRestResourceInteraction {
        code: code(name),
        ..CapabilityStatementRestResourceInteraction::default()
    };
    let parameters = parts.registry.search_parameters(resource_type);
    let several = parts.rest.conditional_delete_multiple;
    CapabilityStatementRestResource {
        r#type: code(name),
        profile: Some(canonical(format!(
            "http://hl7.org/fhir/StructureDefinition/{name}"
        ))),
        interaction: TYPE_INTERACTIONS.iter().map(interaction).collect(),
        versioning: Some(code("versioned-update")),
        read_history: Some(boolean(true)),
        update_create: Some(boolean(true)),
        conditional_create: Some(boolean(true)),
        conditional_read: Some(code("full-support")),
        conditional_update: Some(boolean(true)),
        conditional_delete: Some(code(if several { "multiple" } else { "single" })),
        reference_policy: vec![code("literal"), code("logical")],
        search_include: include_values(parts.registry, resource_type),
        search_rev_include: reverse_include_values(parts.registry, resource_type),
        search_param: parameters
            .iter()
            .filter(|one| is_served(one, parts.has_words))
            .map(search_parameter)
            .collect(),
        operation: operations(name),
        documentation: documentation(name),
        ..CapabilityStatementRestResource::default()
    }
}

/// What the interactions on a type do that those on others do not.
fn documentation(name: &str) -> Option<Markdown> {
    (name == "Binary").then(|| Markdown {
        value: Some(
            "Read and vread answer the content in its own type, unless Accept or _format names a \
             FHIR format. Create and update take content of any type; X-Security-Context is \
             securityContext."
                .to_owned(),
        ),
        ..Markdown::default()
    })
}

/// The operations on a type and its instances.
fn operations(name: &str) -> Vec<CapabilityStatementRestResourceOperation> {
    let mut operations = vec![
        defined("meta", "Resource-meta"),
        defined("meta-add", "Resource-meta-add"),
        defined("meta-delete", "Resource-meta-delete"),
    ];
    match name {
        "Patient" => operations.push(defined("everything", "Patient-everything")),
        "Encounter" => operations.push(defined("everything", "Encounter-everything")),
        "Observation" => operations.push(defined("lastn", "Observation-lastn")),
        _ => {}
    }
    if name == "Patient" {
        operations.push(own(
            "erase",
            "Destroys the keys that seal a patient's record, and its index entries.",
        ));
    }
    operations
}

/// An operation of the specification.
fn defined(name: &str, definition: &str) -> CapabilityStatementRestResourceOperation {
    CapabilityStatementRestResourceOperation {
        name: string(name),
        definition: canonical(format!(
            "http://hl7.org/fhir/OperationDefinition/{definition}"
        )),
        ..CapabilityStatementRestResourceOperation::default()
    }
}

/// What `_include` may name on a type.
fn include_values(registry: &Registry, resource_type: ResourceType) -> Vec<FhirString> {
    let parameters = registry.search_parameters(resource_type).iter();
    let own = parameters
        .filter(|one| is_included_by(one))
        .map(|one| string(&format!("{resource_type}:{}", one.code)));
    std::iter::once(string("*")).chain(own).collect()
}

/// What `_revinclude` may name: parameters of any type that are made to refer to this one. Those
/// that refer to anything are taken too; named at every type they would be most of the statement.
fn reverse_include_values(registry: &Registry, resource_type: ResourceType) -> Vec<FhirString> {
    let sources = ResourceType::all().flat_map(|source| {
        let parameters = registry.search_parameters(source).iter();
        let referring = parameters
            .filter(move |one| is_included_by(one) && one.targets.contains(&resource_type));
        referring.map(move |one| string(&format!("{source}:{}", one.code)))
    });
    std::iter::once(string("*")).chain(sources).collect()
}

fn is_included_by(parameter: &SearchParameter) -> bool {
    parameter.kind == ParameterKind::Reference && parameter.expression.is_some()
}

/// An operation of this server's own.
fn own(name: &str, text: &str) -> CapabilityStatementRestResourceOperation {
    CapabilityStatementRestResourceOperation {
        name: string(name),
        definition: canonical(format!("urn:vesta:operation:{name}")),
        documentation: Some(Markdown {
            value: Some(text.to_owned()),
            ..Markdown::default()
        }),
        ..CapabilityStatementRestResourceOperation::default()
    }
}

/// Whether a parameter can be searched by: through its expression, or by means of its own.
fn is_served(parameter: &SearchParameter, has_words: bool) -> bool {
    match parameter.code.as_str() {
        "_id" | "_lastUpdated" | "_filter" => true,
        words::TEXT | words::CONTENT => has_words,
        _ => parameter.expression.is_some(),
    }
}

fn search_parameter(parameter: &SearchParameter) -> CapabilityStatementRestResourceSearchParam {
    CapabilityStatementRestResourceSearchParam {
        name: string(&parameter.code),
        definition: Some(canonical(parameter.url.to_string())),
        r#type: code(parameter.kind.name()),
        ..CapabilityStatementRestResourceSearchParam::default()
    }
}

fn write(resource: &Resource) -> Result<Vec<u8>, Outcome> {
    vesta_model::to_json(resource).map_err(Outcome::internal)
}

fn code(text: &str) -> Code {
    Code {
        value: Some(text.to_owned()),
        ..Code::default()
    }
}

fn string(text: &str) -> FhirString {
    FhirString {
        value: Some(text.to_owned()),
        ..FhirString::default()
    }
}

fn boolean(value: bool) -> Boolean {
    Boolean {
        value: Some(value),
        ..Boolean::default()
    }
}

fn canonical(url: String) -> Canonical {
    Canonical {
        value: Some(url),
        ..Canonical::default()
    }
}

fn date() -> DateTime {
    DateTime {
        value: Some(DATE.to_owned()),
        ..DateTime::default()
    }
}
