//! Notes of visits: plain text in a `DocumentReference`.
//!
//! Spec: <https://hl7.org/fhir/R4/documentreference.html>.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vesta_model::r4::Resource;
use vesta_model::r4::resources::{
    DocumentReference, DocumentReferenceContent, DocumentReferenceContext,
};
use vesta_model::r4::types::Attachment;

use super::calendar::Day;
use super::chart::{Chart, Reason, Visit};
use super::disease::Setting;
use super::growth::Body;
use super::term::{Term, decimal, loinc, period, term};

const NOTE: Term = loinc("11506-3", "Progress note");
const DISCHARGE: Term = loinc("18842-5", "Discharge summary");
const CLINICAL_NOTE: Term = term(
    "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
    "clinical-note",
    "Clinical Note",
);

/// Check-ups older than this keep no note, in months.
const KEPT_MONTHS: i64 = 26;

/// Writes the note of a stay in hospital, or of a recent check-up.
pub(super) fn record(chart: &mut Chart<'_>, visit: &Visit<'_>, body: &Body, until: Day) {
    let day = visit.start.day();
    let kind = match visit.reason {
        Reason::Acute(episode) => match episode.setting {
            Setting::Ward(_) => DISCHARGE,
            Setting::Emergency => NOTE,
            Setting::Office | Setting::Virtual => return,
        },
        Reason::Checkup | Reason::WellChild if until.months_since(day) < KEPT_MONTHS => NOTE,
        _ => return,
    };
    let text = text(chart, visit, body);
    let id = chart.record.next_id();
    let attachment = Attachment {
        content_type: Some("text/plain; charset=utf-8".into()),
        language: Some("en-US".into()),
        size: u32::try_from(text.len()).ok().map(Into::into),
        data: Some(STANDARD.encode(&text).into()),
        title: Some(kind.display.into()),
        ..Attachment::default()
    };
    let document = DocumentReference {
        id: Some(id.id().into()),
        status: "current".into(),
        doc_status: Some("final".into()),
        r#type: Some(Box::new(kind.concept())),
        category: vec![CLINICAL_NOTE.concept()],
        subject: Some(chart.patient.boxed()),
        date: Some(visit.end.text().into()),
        author: vec![visit.doctor.reference()],
        custodian: Some(Box::new(visit.doctor.site.organization())),
        content: vec![DocumentReferenceContent {
            attachment: Box::new(attachment),
            ..DocumentReferenceContent::default()
        }],
        context: Some(DocumentReferenceContext {
            encounter: vec![visit.id.reference()],
            period: Some(Box::new(period(visit.start, Some(visit.end)))),
            ..DocumentReferenceContext::default()
        }),
        ..DocumentReference::default()
    };
    let document = Resource::DocumentReference(Box::new(document));
    chart.record.put("DocumentReference", &id, document);
}

fn text(chart: &Chart<'_>, visit: &Visit<'_>, body: &Body) -> String {
    let day = visit.start.day();
    let reason = match visit.reason {
        Reason::Acute(episode) => episode.term.display,
        Reason::FollowUp => "Follow-up",
        Reason::WellChild => "Well child visit",
        Reason::Checkup => "General check-up",
    };
    let mut text = format!(
        "{} ({}, {} years)\nSeen {} at {} by {}\n\nReason: {reason}\n",
        chart.person.name.text(),
        chart.person.sex.code(),
        chart.person.years(day),
        day.text(),
        visit.doctor.site.name,
        visit.doctor.title(),
    );
    let measures = (decimal(body.height_mm, 1), decimal(body.weight_hg, 1));
    let problems: Vec<&str> = chart.active(day).map(|p| p.disease.term.display).collect();
    let problems = if problems.is_empty() {
        "none known".to_owned()
    } else {
        problems.join("; ")
    };
    // Writing into a String cannot fail.
    write!(
        text,
        "Height {} cm, weight {} kg\nChronic problems: {problems}\nPlan: continue as agreed.\n",
        measures.0, measures.1
    )
    .unwrap_or_default();
    text
}
