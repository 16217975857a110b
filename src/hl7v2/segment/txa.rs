//! TXA with OBX: a document.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::fhir::resource::Node;
use crate::hl7v2::conversion::Conversion;
use crate::hl7v2::datatype::{cwe, ed, ei, ts, xcn};
use crate::hl7v2::draft::{How, Identity};
use crate::hl7v2::element::{Element, text};
use crate::hl7v2::part::Part;
use crate::hl7v2::reading::Reading;
use crate::hl7v2::segment::obr::Scene;

/// Adds a `DocumentReference`.
pub(in crate::hl7v2) fn document(
    conversion: &Conversion<'_>,
    (txa, readings): (&Reading<'_>, &[Reading<'_>]),
    scene: Scene<'_>,
) {
    // TXA-12
    let own = ei::identity(conversion, txa.field(12));
    let identity = own.unwrap_or_else(|| {
        let control_id = conversion.message.head(10).text();
        Identity::made_of("document", &[&scene.patient.key(), &control_id])
    });
    // TXA-19, TXA-17
    let status = match &*txa.field(19).text() {
        "CA" | "OB" => "superseded",
        _ => "current",
    };
    let progress = match &*txa.field(17).text() {
        "AU" | "LA" => Some("final"),
        "DI" | "DO" | "IP" | "IN" | "PA" => Some("preliminary"),
        _ => None,
    };
    // TXA-9, TXA-10, TXA-22
    let authors = txa
        .each(9)
        .filter_map(|xcn| xcn::practitioner(conversion, txa, xcn));
    let authors: Vec<Node> = authors.collect();
    let signers = [10, 22].into_iter().flat_map(|number| txa.each(number));
    let signer = { signers }.find_map(|xcn| xcn::practitioner(conversion, txa, xcn));
    // TXA-4
    let period = Element::new().with("start", ts::date_time(conversion, txa.field(4)));
    let context = Element::new()
        .with_all("encounter", scene.visit.cloned())
        .with("period", period.node());
    // TXA-6, TXA-7
    let written = [6, 7].map(|number| txa.field(number));
    let written = written.into_iter().find(|field| field.has_value());
    let related = ei::identity(conversion, txa.field(13)).map(|parent| {
        let target = Element::new().with("identifier", Some(parent.identifier()));
        let relation = Element::new()
            .with_code("code", "replaces")
            .with("target", target.node());
        Node::Object(relation.into_object())
    });
    let contents = contents(conversion, txa, readings);
    let element = Element::new()
        .with("masterIdentifier", Some(identity.identifier()))
        .with_all("identifier", [identity.identifier()])
        .with_code("status", status)
        .with("docStatus", progress.map(text))
        // TXA-2
        .with("type", cwe::concept(conversion, txa.field(2), Some("0270")))
        .with("subject", Some(scene.patient.reference.clone()))
        .with(
            "date",
            written.and_then(|field| ts::instant(conversion, field)),
        )
        .with_all("author", authors)
        .with("authenticator", signer)
        .with_all("relatesTo", related)
        // TXA-25
        .with_text(
            "description",
            txa.field(25).value().or(txa.field(16).value()),
        )
        .with_all("content", contents)
        .with("context", context.node());
    txa.pass(&[1, 3]);
    conversion.add(
        "DocumentReference",
        txa,
        How::Update(vec![identity]),
        element,
    );
}

/// What the OBX say: documents one by one, lines of text as one.
fn contents(conversion: &Conversion<'_>, txa: &Reading<'_>, readings: &[Reading<'_>]) -> Vec<Node> {
    let mut all = Vec::new();
    let mut lines = Vec::new();
    for obx in readings.iter().filter(|reading| reading.name() == "OBX") {
        let value = obx.field(5);
        obx.pass(&[1, 3, 4, 11, 14]);
        match &*obx.field(2).text() {
            "ED" => all.extend(ed::attachment(conversion, value)),
            "RP" => all.extend(ed::pointer(value)),
            _ => lines.extend(
                value
                    .repetitions()
                    .filter_map(Part::value)
                    .map(Cow::into_owned),
            ),
        }
    }
    let title = txa.field(25).value();
    if !lines.is_empty() || all.is_empty() {
        let attachment = Element::new()
            .with_code("contentType", "text/plain; charset=utf-8")
            .with_code("data", &STANDARD.encode(lines.join("\n")))
            .with_text("title", title);
        if lines.is_empty() {
            conversion.warn(txa.field(12), "comes without a text");
        }
        all.push(Node::Object(attachment.into_object()));
    }
    let contents = all.into_iter().map(|attachment| {
        Node::Object(
            Element::new()
                .with("attachment", Some(attachment))
                .into_object(),
        )
    });
    contents.collect()
}
