//! What each act is called in an `AuditEvent`: type, subtype, action, roles of the two sides.
//!
//! Codes of DICOM (PS3.16, CID 400), of FHIR's restful-interaction, and of IHE's BALP.

use serde_json::{Value, json};

use crate::audit::event::Act;

pub(super) const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
pub(super) const AUDIT_ENTITY_TYPE: &str =
    "http://terminology.hl7.org/CodeSystem/audit-entity-type";
pub(super) const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
pub(super) const BALP_ENTITY_TYPE: &str =
    "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
pub(super) const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
pub(super) const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";
pub(super) const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";

const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const LIFECYCLE: &str = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";
const INTERACTION: &str = "http://hl7.org/fhir/restful-interaction";

const SOURCE: (&str, &str) = ("110153", "Source Role ID");
const DESTINATION: (&str, &str) = ("110152", "Destination Role ID");
const APPLICATION: (&str, &str) = ("110150", "Application");

const REST: (&str, &str, &str) = (EVENT_TYPE, "rest", "RESTful Operation");
const AUTHENTICATION: (&str, &str, &str) = (DCM, "110114", "User Authentication");
const SECURITY: (&str, &str, &str) = (DCM, "110113", "Security Alert");
const ACTIVITY: (&str, &str, &str) = (DCM, "110100", "Application Activity");

/// What an act is called.
pub(super) struct Kind {
    event_type: (&'static str, &'static str, &'static str),
    subtype: (&'static str, &'static str, &'static str),
    pub(super) action: &'static str,
    pub(super) client: (&'static str, &'static str),
    pub(super) server: (&'static str, &'static str),
}

impl Kind {
    pub(super) fn event_type(&self) -> Value {
        coding(self.event_type)
    }

    /// Besides the code, the act by this server's own name, so that none is lost in a code that
    /// several share.
    pub(super) fn subtypes(&self, act: Act) -> Value {
        let own = json!({ "system": "urn:vesta:act", "code": act.name() });
        json!([coding(self.subtype), own])
    }
}

fn coding((system, code, display): (&str, &str, &str)) -> Value {
    json!({ "system": system, "code": code, "display": display })
}

/// What comes from the server to the client.
const fn out(code: &'static str, action: &'static str) -> Kind {
    Kind {
        event_type: REST,
        subtype: (INTERACTION, code, code),
        action,
        client: DESTINATION,
        server: SOURCE,
    }
}

/// What goes from the client to the server.
const fn into(code: &'static str, action: &'static str) -> Kind {
    Kind {
        client: SOURCE,
        server: DESTINATION,
        ..out(code, action)
    }
}

/// What moves no data.
const fn security(
    event_type: (&'static str, &'static str, &'static str),
    code: &'static str,
    display: &'static str,
) -> Kind {
    Kind {
        event_type,
        subtype: (DCM, code, display),
        action: "E",
        client: APPLICATION,
        server: APPLICATION,
    }
}

pub(super) const fn kind(act: Act) -> Kind {
    match act {
        Act::Read => out("read", "R"),
        Act::Vread => out("vread", "R"),
        Act::History => out("history", "R"),
        Act::Search => into("search", "E"),
        Act::Create => into("create", "C"),
        Act::Update => into("update", "U"),
        Act::Patch => into("patch", "U"),
        Act::Delete => Kind {
            client: APPLICATION,
            ..into("delete", "D")
        },
        Act::Bundle => into("transaction", "E"),
        Act::Operation | Act::Other => into("operation", "E"),
        Act::Export => Kind {
            event_type: (DCM, "110106", "Export"),
            ..out("operation", "R")
        },
        Act::Erase => Kind {
            event_type: (
                LIFECYCLE,
                "destroy",
                "Destroy/Delete Record Lifecycle Event",
            ),
            client: APPLICATION,
            ..into("operation", "D")
        },
        Act::SignIn => security(AUTHENTICATION, "110122", "Login"),
        Act::SignOut => security(AUTHENTICATION, "110123", "Logout"),
        Act::Token | Act::Introspection => {
            security(AUTHENTICATION, "110126", "Node Authentication")
        }
        Act::Credential | Act::Registration | Act::Account => {
            security(SECURITY, "110137", "User Security Attributes Changed")
        }
        Act::Grant | Act::Revoke => security(SECURITY, "110136", "Security Roles Changed"),
        Act::Client => security(SECURITY, "110131", "Software Configuration"),
        Act::BreakGlass => security(SECURITY, "110127", "Emergency Override Started"),
        Act::Administration | Act::Forget => security(SECURITY, "110134", "Security Configuration"),
        Act::Start => security(ACTIVITY, "110120", "Application Start"),
        Act::Stop => security(ACTIVITY, "110121", "Application Stop"),
    }
}
