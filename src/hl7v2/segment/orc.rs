//! ORC: what all orders have in common, and by which numbers they are known.

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{ei, ts, xcn};
use crate::hl7v2::draft::Identity;
use crate::hl7v2::element::{Element, text};
use crate::hl7v2::reading::Reading;
use crate::hl7v2::structure::order::Order;

const REQUEST_STATUS: &str = "http://hl7.org/fhir/request-status";

/// The numbers of an order.
pub(in crate::hl7v2) struct Numbers {
    /// Of whoever ordered.
    pub(in crate::hl7v2) placer: Option<Identity>,
    /// Of whoever carries it out.
    pub(in crate::hl7v2) filler: Option<Identity>,
    pub(in crate::hl7v2) identifiers: Vec<Node>,
}

impl Numbers {
    /// ORC-2 and ORC-3; what they lack stands in OBR-2 and OBR-3.
    pub(in crate::hl7v2) fn of(conversion: &Conversion<'_>, order: &Order<'_, '_>) -> Self {
        let detail = order.detail.as_ref().map(|noted| noted.segment);
        let detail = detail.filter(|segment| segment.name() == "OBR");
        let both: Vec<&Reading<'_>> = detail.into_iter().chain(order.orc).collect();
        let find = |number: usize| {
            let fields = both.iter().map(|segment| segment.field(number));
            fields.into_iter().find(|field| field.has_value())
        };
        let (placer, filler) = (find(2), find(3));
        let identifier = |field, kind| ei::identifier(conversion, field, kind);
        Self {
            placer: placer.and_then(|field| ei::identity(conversion, field)),
            filler: filler.and_then(|field| ei::identity(conversion, field)),
            identifiers: placer
                .and_then(|field| identifier(field, "PLAC"))
                .into_iter()
                .chain(filler.and_then(|field| identifier(field, "FILL")))
                .collect(),
        }
    }

    /// What the order is told apart by.
    pub(in crate::hl7v2) fn key(&self, conversion: &Conversion<'_>) -> String {
        let best = self.filler.as_ref().or(self.placer.as_ref());
        best.map_or_else(
            || conversion.message.head(10).text().into_owned(),
            |one| format!("{}|{}", one.system, one.value),
        )
    }
}

/// The status of a request: what ORC-5 says of the order, else what ORC-1 does with it.
pub(in crate::hl7v2) fn request_status(
    conversion: &Conversion<'_>,
    orc: Option<&Reading<'_>>,
) -> &'static str {
    let Some(orc) = orc else {
        return "active";
    };
    let (control, status) = (orc.field(1), orc.field(5));
    match &*status.text() {
        "CA" | "DC" | "RP" => return "revoked",
        "CM" => return "completed",
        "ER" => return "entered-in-error",
        "HD" => return "on-hold",
        "A" | "IP" | "SC" => return "active",
        _ => {}
    }
    conversion
        .code("0119", REQUEST_STATUS, control)
        .unwrap_or("unknown")
}

/// Adds what an ORC says to a request.
pub(in crate::hl7v2) fn add_to_request(
    conversion: &Conversion<'_>,
    orc: &Reading<'_>,
    (request, group_member): (&mut Element, &str),
) {
    // ORC-9, ORC-12
    request.set("authoredOn", ts::date_time(conversion, orc.field(9)));
    let requester = orc
        .each(12)
        .find_map(|xcn| xcn::practitioner(conversion, orc, xcn));
    request.set("requester", requester);
    // ORC-4, which is called by another name in a ServiceRequest
    let group = ei::identity(conversion, orc.field(4));
    request.set(group_member, group.map(|identity| identity.identifier()));
}

/// The priority of a request, of HL7 table 0485.
pub(in crate::hl7v2) fn priority(
    conversion: &Conversion<'_>,
    timing: Option<&Reading<'_>>,
) -> Option<Node> {
    // TQ1-9
    let field = timing?.field(9).component(1);
    conversion
        .code("0485", "http://hl7.org/fhir/request-priority", field)
        .map(text)
}
