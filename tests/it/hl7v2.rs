//! HL7 v2: messages over MLLP and HTTP, their answers, and what FHIR shows of them.
//!
//! Spec: HL7 v2.5.1 chapters 2 and 3, <https://build.fhir.org/ig/HL7/v2-to-fhir/>.

mod killed;
mod pack;

use http::{Method, StatusCode};
use serde_json::Value;
use vesta::config::hl7v2::{Acknowledge, FeedConfig, Hl7v2Config};

use crate::support::mllp::{Sender, frame};
use crate::support::server::{Answer, Backend, TestServer, on_both_stores};
use crate::support::smart::{ClientKey, SmartClient, issuer, smart_server};

on_both_stores!(
    an_admission_is_readable_when_it_is_acknowledged,
    what_is_wrong_is_answered_with_its_place,
    the_same_message_twice_is_applied_once,
    later_messages_change_and_forget_nothing_else,
    both_acknowledgements_come_when_they_are_asked_for,
    frames_may_be_cut_anywhere,
    a_failed_message_is_put_aside_and_replayed,
    messages_come_over_http_with_a_right_only,
    what_was_kept_survives_the_process,
    a_held_message_waits_for_a_decision,
    what_a_message_wrote_is_taken_back,
    a_merge_links_both_patients,
    somebody_without_an_identifier_is_proposed,
    results_come_as_a_report_with_observations,
);

pub(crate) async fn server(backend: Backend, change: impl FnOnce(&mut Hl7v2Config)) -> TestServer {
    TestServer::start_with(backend, |config| {
        config.hl7v2.listen = Some("127.0.0.1:0".parse().unwrap());
        change(&mut config.hl7v2);
    })
    .await
}

pub(crate) fn message(event: &str, control_id: &str, rest: &str) -> String {
    format!(
        "MSH|^~\\&|ADTAPP|HOSP|VESTA|HERE|20261128093000||{event}|{control_id}|P|2.5.1\n{rest}\n"
    )
}

fn admission(control_id: &str) -> String {
    let rest = "EVN|A01|20261128093000\n\
        PID|1||4711^^^HOSP^MR~99^^^&1.2.3.4&ISO^PI||Doe^Jane^Q^^Dr.||19800229|F||\
        |1 Main St^^Town^^12345^DE^H||555-1234\n\
        PV1|1|I|W1^R2^B3^HOSP||||1001^House^Gregory^^^^^^HOSP|||MED||||||||\
        |V77^^^HOSP|||||||||||||||||||||||||20261128090000";
    message("ADT^A01^ADT_A01", control_id, rest)
}

async fn found(server: &TestServer, query: &str) -> Vec<Value> {
    let answer = server.get(query).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let entries = answer.json()["entry"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    entries
        .iter()
        .map(|entry| entry["resource"].clone())
        .collect()
}

async fn an_admission_is_readable_when_it_is_acknowledged(backend: Backend) {
    let server = server(backend, |_config| {}).await;
    let mut sender = Sender::connect(server.mllp()).await;
    let answer = sender.exchange(&admission("1")).await;
    assert!(
        answer.starts_with("MSH|^~\\&|VESTA|HERE|ADTAPP|HOSP|"),
        "{answer}"
    );
    assert!(answer.ends_with("MSA|AA|1\r"), "{answer}");
    let patients = found(&server, "Patient?identifier=urn:vesta:authority:HOSP|4711").await;
    assert_eq!(patients.len(), 1);
    let patient = &patients[0];
    assert_eq!(patient["name"][0]["family"], "Doe");
    assert_eq!(patient["name"][0]["given"][1], "Q");
    assert_eq!(patient["birthDate"], "1980-02-29");
    assert_eq!(patient["gender"], "female");
    assert_eq!(patient["address"][0]["use"], "home");
    assert_eq!(patient["identifier"][1]["system"], "urn:oid:1.2.3.4");
    let id = patient["id"].as_str().unwrap();
    let visits = found(&server, &format!("Encounter?patient={id}")).await;
    assert_eq!(visits.len(), 1);
    assert_eq!(visits[0]["status"], "in-progress");
    assert_eq!(visits[0]["class"]["code"], "IMP");
    assert_eq!(visits[0]["period"]["start"], "2026-11-28T09:00:00Z");
    let doctor = visits[0]["participant"][0]["individual"]["reference"]
        .as_str()
        .unwrap();
    assert_eq!(
        server.get(doctor).await.json()["name"][0]["family"],
        "House"
    );
    let provenance = found(&server, &format!("Provenance?target=Patient/{id}")).await;
    assert_eq!(provenance.len(), 1);
    assert_eq!(
        provenance[0]["entity"][0]["what"]["identifier"]["value"],
        "1"
    );
    assert_eq!(
        provenance[0]["target"][0]["extension"][0]["valueString"],
        "PID"
    );
}

async fn what_is_wrong_is_answered_with_its_place(backend: Backend) {
    let server = server(backend, |_config| {}).await;
    let mut sender = Sender::connect(server.mllp()).await;
    for (sent, code, error) in [
        ("PID|1".to_owned(), "AR", "ERR|||100^"),
        (
            message("ADT^A01", "", "PID|1||1"),
            "AR",
            "ERR||MSH^1^10^1|101^",
        ),
        (message("ADT^A01", "2", "PV1|1|I"), "AE", "ERR||PID^1|100^"),
        (
            message("ADT^A01", "3", "PID|1||||Doe"),
            "AE",
            "ERR||PID^1^3^1|101^",
        ),
        (
            message("ADT^A99", "4", "PID|1||1"),
            "AE",
            "ERR||MSH^1^9^1|201^",
        ),
        (
            message("XXX^A01", "5", "PID|1||1"),
            "AE",
            "ERR||MSH^1^9^1|200^",
        ),
    ] {
        let answer = sender.exchange(&sent).await;
        assert!(
            answer.contains(&format!("\rMSA|{code}|")),
            "{sent}: {answer}"
        );
        assert!(answer.contains(error), "{sent}: {answer}");
    }
    // None of them is in the way of the next one.
    assert!(sender.exchange(&admission("6")).await.contains("MSA|AA|6"));
    assert_eq!(found(&server, "Patient").await.len(), 1);
}

async fn the_same_message_twice_is_applied_once(backend: Backend) {
    let server = server(backend, |_config| {}).await;
    let mut senders = Vec::new();
    for _ in 0..4 {
        senders.push(Sender::connect(server.mllp()).await);
    }
    for sender in &mut senders {
        sender.send(&admission("1")).await;
    }
    for sender in &mut senders {
        let answer = sender.receive().await.unwrap();
        assert!(answer.contains("MSA|AA|1"), "{answer}");
    }
    assert!(
        senders[0]
            .exchange(&admission("1"))
            .await
            .contains("MSA|AA|1")
    );
    assert_eq!(found(&server, "Provenance").await.len(), 1);
    assert_eq!(found(&server, "Patient").await[0]["meta"]["versionId"], "1");
}

async fn later_messages_change_and_forget_nothing_else(backend: Backend) {
    let server = server(backend, |_config| {}).await;
    let mut sender = Sender::connect(server.mllp()).await;
    assert!(sender.exchange(&admission("1")).await.contains("MSA|AA"));
    let change = "PID|1||4711^^^HOSP^MR||Roe^Jane||||||\"\"\n\
        PV1|1|I|||||||||||||||||V77^^^HOSP|||||||||||||||||||||||||\
        20261128090000|20261130100000";
    let answer = sender.exchange(&message("ADT^A03", "2", change)).await;
    assert!(answer.contains("MSA|AA|2"), "{answer}");
    let patient = &found(&server, "Patient").await[0];
    assert_eq!(patient["name"][0]["family"], "Roe");
    assert_eq!(
        patient["birthDate"], "1980-02-29",
        "what was not sent stays"
    );
    assert_eq!(
        patient["address"],
        Value::Null,
        "what is to be forgotten goes"
    );
    assert_eq!(patient["identifier"].as_array().unwrap().len(), 2);
    let visit = &found(&server, "Encounter").await[0];
    assert_eq!(visit["status"], "finished");
    assert!(visit["participant"].is_array());
    assert_eq!(visit["period"]["end"], "2026-11-30T10:00:00Z");
}

async fn both_acknowledgements_come_when_they_are_asked_for(backend: Backend) {
    let server = server(backend, |config| config.acknowledge = Acknowledge::Received).await;
    let mut sender = Sender::connect(server.mllp()).await;
    let asking = |control_id: &str, conditions: &str| {
        admission(control_id).replace("|P|2.5.1\n", &format!("|P|2.5.1|||{conditions}\n"))
    };
    let answer = sender.exchange(&asking("1", "AL|AL")).await;
    assert!(answer.contains("MSA|CA|1"), "{answer}");
    let answer = sender.receive().await.unwrap();
    assert!(answer.contains("MSA|AA|1"), "{answer}");
    let answer = sender.exchange(&asking("2", "NE|AL")).await;
    assert!(answer.contains("MSA|AA|2"), "{answer}");
    sender.send(&asking("3", "NE|NE")).await;
    let answer = sender.exchange(&asking("4", "AL|NE")).await;
    assert!(answer.contains("MSA|CA|4"), "{answer}");
    // Original mode, acknowledged on receipt.
    let answer = sender.exchange(&admission("5")).await;
    assert!(answer.contains("MSA|AA|5"), "{answer}");
}

async fn frames_may_be_cut_anywhere(backend: Backend) {
    let server = server(backend, |config| config.message_bytes_max = 4_096).await;
    let mut sender = Sender::connect(server.mllp()).await;
    let two = [frame(&admission("1")), frame(&admission("2"))].concat();
    for piece in two.chunks(7) {
        sender.send_raw(piece).await;
    }
    for control_id in ["1", "2"] {
        let answer = sender.receive().await.unwrap();
        assert!(
            answer.ends_with(&format!("MSA|AA|{control_id}\r")),
            "{answer}"
        );
    }
    // A connection that ends in mid-frame leaves nothing.
    sender.send_raw(b"\x0bMSH|^~\\&|cut").await;
    drop(sender);
    let mut sender = Sender::connect(server.mllp()).await;
    sender
        .send_raw(&[b"\x0b", &[b'x'; 5_000][..]].concat())
        .await;
    let answer = sender.receive().await.unwrap();
    assert!(answer.contains("MSA|AR|"), "{answer}");
    assert!(sender.receive().await.is_none());
    assert_eq!(found(&server, "Patient").await.len(), 1);
}

async fn a_failed_message_is_put_aside_and_replayed(backend: Backend) {
    let server = server(backend, |_config| {}).await;
    let mut sender = Sender::connect(server.mllp()).await;
    for family in ["Doe", "Roe"] {
        let other = serde_json::json!({
            "resourceType": "Patient",
            "identifier": [{ "system": "urn:vesta:authority:HOSP", "value": "4711" }],
            "name": [{ "family": family }],
        });
        server.create(&other).await;
    }
    let answer = sender.exchange(&admission("1")).await;
    assert!(answer.contains("MSA|AE|1"), "{answer}");
    let root = issuer(&server).to_owned();
    let failed = server
        .get(&format!("{root}/hl7v2/messages?state=failed"))
        .await
        .json();
    let failed = &failed["messages"].as_array().unwrap()[0];
    assert_eq!(failed["control_id"], "1");
    let id = failed["id"].as_str().unwrap();
    let doubles = found(&server, "Patient?family=Roe").await;
    let double = doubles[0]["id"].as_str().unwrap();
    assert!(
        server
            .delete(&format!("Patient/{double}"))
            .await
            .status
            .is_success()
    );
    let replay = server.request(Method::POST, &format!("{root}/hl7v2/messages/{id}/replay"));
    let replayed = replay.send().await.json();
    assert_eq!(replayed["state"], "applied", "{replayed}");
    let left = server
        .get(&format!("{root}/hl7v2/messages?state=failed"))
        .await
        .json();
    assert_eq!(left["messages"].as_array().unwrap().len(), 0);
    assert_eq!(found(&server, "Encounter").await.len(), 1);
}

async fn post(server: &TestServer, token: Option<&str>, body: String) -> Answer {
    let url = format!("{}/hl7v2", issuer(server));
    let mut call = server
        .request(Method::POST, &url)
        .body(body.replace('\n', "\r"));
    call = call.header("content-type", "application/hl7-v2");
    if let Some(token) = token {
        call = call.header("authorization", &format!("Bearer {token}"));
    }
    call.send().await
}

async fn messages_come_over_http_with_a_right_only(backend: Backend) {
    let server = smart_server(backend).await;
    assert_eq!(post(&server, None, admission("1")).await.status, 401);
    let scopes = ["system/*.cruds", "system/*.cud", "system/Patient.cruds"];
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &scopes);
    let narrow = client.token(&server, "system/Patient.cruds").await;
    let refused = post(&server, Some(&narrow), admission("1")).await;
    refused.assert_refused(403, "forbidden", "scopes");
    let token = client.token(&server, "system/*.cud").await;
    let answer = post(&server, Some(&token), admission("1")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/hl7-v2");
    assert!(answer.text().contains("MSA|AA|1"), "{}", answer.text());
    let broken = post(&server, Some(&token), "PID|1".to_owned()).await;
    assert_eq!(broken.status, 400);
    assert!(broken.text().contains("MSA|AR|"));
    let batch = format!(
        "BHS|^~\\&\n{}{}BTS|2\n",
        admission("2"),
        message("ADT^A01", "3", "PV1|1")
    );
    let answer = post(&server, Some(&token), batch).await.text();
    assert!(
        answer.contains("MSA|AA|2") && answer.contains("MSA|AE|3"),
        "{answer}"
    );
    // Looking at messages shows every record.
    let url = format!("{}/hl7v2/messages?state=failed", issuer(&server));
    let asked = |token: String| {
        let call = server.request(Method::GET, &url);
        call.header("authorization", &format!("Bearer {token}"))
            .send()
    };
    assert_eq!(asked(token).await.status, 403);
    let all = client.token(&server, "system/*.cruds").await;
    let listed = asked(all).await.json();
    assert_eq!(listed["messages"][0]["control_id"], "3");
    assert_eq!(listed["messages"][0]["problems"][0]["place"], "PID");
}

async fn what_was_kept_survives_the_process(backend: Backend) {
    let mut server = server(backend, |config| config.acknowledge = Acknowledge::Received).await;
    let mut sender = Sender::connect(server.mllp()).await;
    for number in 0..20 {
        let answer = sender.exchange(&admission(&number.to_string())).await;
        assert!(answer.contains("MSA|AA|"), "{answer}");
    }
    server.restart().await;
    let provenance = found(&server, "Provenance?_count=50").await;
    assert_eq!(provenance.len(), 20);
    assert_eq!(found(&server, "Patient").await.len(), 1);
}

async fn overseen(server: &TestServer, method: Method, path: &str) -> Value {
    let url = format!("{}/hl7v2/messages{path}", issuer(server));
    let answer = server.request(method, &url).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

fn id_of(listed: &Value) -> String {
    let messages = listed["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1, "{listed}");
    messages[0]["id"].as_str().unwrap().to_owned()
}

async fn a_held_message_waits_for_a_decision(backend: Backend) {
    let server = server(backend, |config| {
        config.feeds = vec![FeedConfig {
            sending_application: "ADTAPP".to_owned(),
            is_held: true,
            ..FeedConfig::default()
        }];
    })
    .await;
    let mut sender = Sender::connect(server.mllp()).await;
    for control_id in ["1", "2"] {
        let answer = sender.exchange(&admission(control_id)).await;
        assert!(answer.contains(&format!("MSA|AA|{control_id}")), "{answer}");
    }
    assert_eq!(found(&server, "Patient").await.len(), 0);
    let held = overseen(&server, Method::GET, "?state=held").await;
    let ids: Vec<_> = held["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].clone())
        .collect();
    assert_eq!(ids.len(), 2);
    let first = ids[0].as_str().unwrap();
    let shown = overseen(&server, Method::GET, &format!("/{first}")).await;
    assert_eq!(
        shown["preview"]["bundle"]["entry"][0]["resource"]["resourceType"],
        "Patient"
    );
    let approved = overseen(&server, Method::POST, &format!("/{first}/approve")).await;
    assert_eq!(approved["state"], "applied", "{approved}");
    assert_eq!(found(&server, "Patient").await.len(), 1);
    let second = ids[1].as_str().unwrap();
    let rejected = overseen(&server, Method::POST, &format!("/{second}/reject")).await;
    assert_eq!(rejected["state"], "rejected");
    let left = overseen(&server, Method::GET, "?state=held").await;
    assert_eq!(left["messages"].as_array().unwrap().len(), 0);
    // A decision is made once.
    let url = format!("{}/hl7v2/messages/{first}/approve", issuer(&server));
    let again = server.request(Method::POST, &url).send().await;
    again.assert_refused(412, "conflict", "applied");
}

#[expect(
    clippy::cognitive_complexity,
    reason = "one story, told in the order in which it happens"
)]
async fn what_a_message_wrote_is_taken_back(backend: Backend) {
    let server = server(backend, |_config| {}).await;
    let before = serde_json::json!({
        "resourceType": "Patient",
        "identifier": [{ "system": "urn:vesta:authority:HOSP", "value": "4711" }],
        "name": [{ "family": "Before" }],
    });
    let patient = format!("Patient/{}", server.create(&before).await);
    let untouched = server.get(&patient).await.json();
    let mut sender = Sender::connect(server.mllp()).await;
    assert!(sender.exchange(&admission("1")).await.contains("MSA|AA|1"));
    assert_eq!(
        server.get(&patient).await.json()["name"][0]["family"],
        "Doe"
    );
    let visits = found(&server, "Encounter").await;
    // One that somebody changed since is left.
    let mut visit = visits[0].clone();
    visit["status"] = "onleave".into();
    let place = format!("Encounter/{}", visit["id"].as_str().unwrap());
    assert_eq!(server.put(&place, &visit).await.status, StatusCode::OK);
    let provenance = &found(&server, "Provenance").await[0];
    let recorded = provenance["entity"][0]["what"]["identifier"]["value"].clone();
    assert_eq!(recorded, "1");
    let id = id_of_message("1", &admission("1"));
    let undone = overseen(&server, Method::POST, &format!("/{id}/undo")).await;
    assert_eq!(undone["state"], "undone");
    assert_eq!(undone["left"], serde_json::json!([place]));
    let mut after = server.get(&patient).await.json();
    after["meta"] = untouched["meta"].clone();
    assert_eq!(after, untouched);
    assert_eq!(found(&server, "Practitioner").await.len(), 0);
    assert_eq!(found(&server, "Encounter").await[0]["status"], "onleave");
    // Once undone it may be applied again.
    let replayed = overseen(&server, Method::POST, &format!("/{id}/replay")).await;
    assert_eq!(replayed["state"], "applied", "{replayed}");
    assert_eq!(
        server.get(&patient).await.json()["name"][0]["family"],
        "Doe"
    );
}

/// The id that a message has, which its sender, control id and content make.
fn id_of_message(control_id: &str, message: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in ["ADTAPP", "HOSP", control_id] {
        hasher.update(part.as_bytes());
        hasher.update(b"\0");
    }
    hasher.update(message.replace('\n', "\r").as_bytes());
    hasher.finalize().to_hex().chars().take(32).collect()
}

async fn a_merge_links_both_patients(backend: Backend) {
    let server = server(backend, |_config| {}).await;
    let mut sender = Sender::connect(server.mllp()).await;
    for (control_id, patient) in [("1", "11"), ("2", "22")] {
        let sent = message(
            "ADT^A28",
            control_id,
            &format!("PID|1||{patient}^^^HOSP^MR||Doe^J"),
        );
        assert!(sender.exchange(&sent).await.contains("MSA|AA"));
    }
    let merge = message(
        "ADT^A40",
        "3",
        "PID|1||11^^^HOSP^MR||Doe^J\nMRG|22^^^HOSP^MR",
    );
    let answer = sender.exchange(&merge).await;
    assert!(answer.contains("MSA|AA|3"), "{answer}");
    let system = "urn:vesta:authority:HOSP";
    let stays = &found(&server, &format!("Patient?identifier={system}|11")).await[0];
    let goes = &found(&server, &format!("Patient?identifier={system}|22")).await[0];
    assert_eq!(goes["active"], false);
    assert_eq!(
        goes["name"][0]["family"], "Doe",
        "nothing of the replaced patient is lost"
    );
    assert_eq!(goes["link"][0]["type"], "replaced-by");
    let other = format!("Patient/{}", stays["id"].as_str().unwrap());
    assert_eq!(goes["link"][0]["other"]["reference"], other);
    assert_eq!(stays["link"][0]["type"], "replaces");
    let id = id_of_message("3", &merge);
    let undone = overseen(&server, Method::POST, &format!("/{id}/undo")).await;
    assert_eq!(undone["left"], serde_json::json!([]));
    for patient in found(&server, "Patient").await {
        assert_eq!(patient["link"], Value::Null, "{patient}");
        assert_ne!(patient["active"], false);
    }
}

async fn somebody_without_an_identifier_is_proposed(backend: Backend) {
    let server = server(backend, |_config| {}).await;
    let mut sender = Sender::connect(server.mllp()).await;
    assert!(sender.exchange(&admission("1")).await.contains("MSA|AA|1"));
    let known = found(&server, "Patient").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let stranger = message("ADT^A08", "2", "PID|1||||Doe^Jane||19800229|F");
    assert!(sender.exchange(&stranger).await.contains("MSA|AE|2"));
    let failed = overseen(&server, Method::GET, "?state=failed").await;
    let shown = overseen(&server, Method::GET, &format!("/{}", id_of(&failed))).await;
    let proposals = &shown["preview"]["proposals"];
    assert_eq!(
        proposals[0]["patient"],
        format!("Patient/{known}"),
        "{shown}"
    );
    assert_eq!(proposals[0]["score"], 75);
    assert_eq!(found(&server, "Patient").await.len(), 1);
}

#[expect(
    clippy::cognitive_complexity,
    reason = "one story, told in the order in which it happens"
)]
async fn results_come_as_a_report_with_observations(backend: Backend) {
    let server = server(backend, |_config| {}).await;
    let mut sender = Sender::connect(server.mllp()).await;
    let rest = "PID|1||4711^^^HOSP^MR||Doe^Jane\n\
        ORC|RE|P1^ORDERS|F1^LAB\n\
        OBR|1|P1^ORDERS|F1^LAB|24323-8^Metabolic panel^LN|||20261127080000|||||||||1^Who^Asked|\
        |||||20261127100000||CH|F\n\
        NTE|1||fasting\n\
        OBX|1|NM|2345-7^Glucose^LN||182|mg/dL^^UCUM|70-105|H|||F\n\
        NTE|1||repeated\n\
        OBX|2|SN|14933-6^Urate^LN||<^5|mg/dL|||||P\n\
        OBX|3|CWE|882-1^ABO group^LN||278149003^A^SCT|||N|||C\n\
        OBX|4|ED|11502-2^Report^LN||^application^pdf^Base64^JVBERi0=||||||F";
    let answer = sender.exchange(&message("ORU^R01", "1", rest)).await;
    assert!(answer.contains("MSA|AA|1"), "{answer}");
    let reports = found(&server, "DiagnosticReport?code=http://loinc.org|24323-8").await;
    assert_eq!(reports.len(), 1);
    let report = &reports[0];
    assert_eq!(report["status"], "final");
    assert_eq!(report["effectiveDateTime"], "2026-11-27T08:00:00Z");
    assert_eq!(report["conclusion"], "fasting");
    assert_eq!(report["result"].as_array().unwrap().len(), 3);
    assert_eq!(report["presentedForm"][0]["contentType"], "application/pdf");
    let glucose = &found(&server, "Observation?code=2345-7").await[0];
    assert_eq!(glucose["valueQuantity"]["value"].to_string(), "182");
    assert_eq!(glucose["valueQuantity"]["code"], "mg/dL");
    assert_eq!(
        glucose["referenceRange"][0]["high"]["value"].to_string(),
        "105"
    );
    assert_eq!(glucose["interpretation"][0]["coding"][0]["code"], "H");
    assert_eq!(glucose["note"][0]["text"], "repeated");
    let urate = &found(&server, "Observation?code=14933-6").await[0];
    assert_eq!(urate["valueQuantity"]["comparator"], "<");
    assert_eq!(urate["status"], "preliminary");
    let group = &found(&server, "Observation?code=882-1").await[0];
    assert_eq!(
        group["valueCodeableConcept"]["coding"][0]["system"],
        "http://snomed.info/sct"
    );
    // A correction is the same observation.
    let corrected = rest.replace("||<^5|mg/dL|||||P", "||^6|mg/dL|||||C");
    let answer = sender.exchange(&message("ORU^R01", "2", &corrected)).await;
    assert!(answer.contains("MSA|AA|2"), "{answer}");
    let urates = found(&server, "Observation?code=14933-6").await;
    assert_eq!(urates.len(), 1);
    assert_eq!(urates[0]["status"], "corrected");
    assert_eq!(urates[0]["valueQuantity"]["comparator"], Value::Null);
}
