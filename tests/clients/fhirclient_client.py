"""fhirclient (SMART) against a server of ours: python3 fhirclient_client.py BASE.

It reads every answer into classes generated from the R4 definitions and is strict about them.
Conditional requests are not in it: they go through its session.
"""

import sys

from fhirclient import client as smart
from fhirclient.models.bundle import Bundle, BundleEntry, BundleEntryRequest
from fhirclient.models.codeableconcept import CodeableConcept
from fhirclient.models.fhirdate import FHIRDate
from fhirclient.models.fhirreference import FHIRReference
from fhirclient.models.humanname import HumanName
from fhirclient.models.identifier import Identifier
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException

SYSTEM = "urn:example:fhirclient"


def patient(number, family):
    made = Patient()
    name = HumanName()
    name.family = family
    name.given = ["Grace"]
    identifier = Identifier()
    identifier.system = SYSTEM
    identifier.value = str(number)
    made.name = [name]
    made.identifier = [identifier]
    return made


def observation(subject, text):
    made = Observation()
    made.status = "final"
    made.code = CodeableConcept({"text": text})
    made.subject = FHIRReference({"reference": subject})
    return made


def create_read_update_delete(server):
    created = patient(1, "Hopper").create(server)
    one = Patient.read(created["id"], server)
    assert one.name[0].family == "Hopper"
    assert one.meta.versionId == "1"
    one.birthDate = FHIRDate("1906-12-09")
    updated = one.update(server)
    assert updated["meta"]["versionId"] == "2"
    assert Patient.read(one.id, server).birthDate.isostring == "1906-12-09"
    one.delete()
    try:
        Patient.read("never-there", server)
    except FHIRNotFoundException:
        return
    raise AssertionError("a resource that never was there was read")


def conditional(server):
    url = f"{server.base_uri}Patient"
    headers = {"Content-Type": "application/fhir+json"}
    criteria = f"identifier={SYSTEM}|2"
    create = {**headers, "If-None-Exist": criteria}
    once = patient(2, "Once").as_json()
    answers = [server.session.post(url, json=once, headers=create) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    first, second = [Patient(answer.json()) for answer in answers]
    assert first.id == second.id
    twice = patient(2, "Twice").as_json()
    answer = server.session.put(f"{url}?{criteria}", json=twice, headers=headers)
    assert answer.status_code == 200, answer.text
    assert Patient(answer.json()).id == first.id
    found = list(Patient.where({"identifier": f"{SYSTEM}|2"}).perform_resources_iter(server))
    assert [one.name[0].family for one in found] == ["Twice"]


def entry(resource, full_url=None):
    made = BundleEntry()
    made.fullUrl = full_url
    made.resource = resource
    made.request = BundleEntryRequest({"method": "POST", "url": resource.resource_type})
    return made


def transaction_and_search(server):
    full_url = "urn:uuid:6f2a1c1e-32c4-4b53-8c9f-1a2b3c4d5e6f"
    bundle = Bundle()
    bundle.type = "transaction"
    bundle.entry = [entry(patient(3, "Bundled"), full_url)]
    bundle.entry += [entry(observation(full_url, f"finding {n}")) for n in range(25)]
    answer = Bundle(bundle.create(server))
    assert answer.type == "transaction-response"
    assert all(one.response.status.startswith("201") for one in answer.entry)
    bundled = next(Patient.where({"family": "Bundled"}).perform_resources_iter(server))
    of_patient = Observation.where({"patient": bundled.id, "_count": "10"})
    pages = list(of_patient.perform_iter(server))
    assert [len(page.entry) for page in pages] == [10, 10, 5]
    assert pages[0].total == 25
    texts = {one.code.text for one in of_patient.perform_resources_iter(server)}
    assert len(texts) == 25


def search_with_others(server):
    bundled = next(Patient.where({"family": "Bundled"}).perform_resources_iter(server))
    criteria = {"patient": bundled.id, "_count": "10", "_sort": "-_lastUpdated,_id"}
    of_patient = Observation.where(criteria).include("subject")
    pages = list(of_patient.perform_iter(server))
    modes = [[one.search.mode for one in page.entry] for page in pages]
    assert [page.count("match") for page in modes] == [10, 10, 5], modes
    assert all(page.count("include") == 1 for page in modes), modes
    ids = [one.resource.id for page in pages for one in page.entry if one.search.mode == "match"]
    assert len(set(ids)) == 25
    back = Patient.where({"_id": bundled.id}).include("subject", Observation, reverse=True)
    page = next(back.perform_iter(server))
    types = [one.resource.resource_type for one in page.entry]
    assert types == ["Patient"] + ["Observation"] * 25, types


def main(base):
    settings = {"app_id": "vesta_tests", "api_base": base}
    client = smart.FHIRClient(settings=settings)
    client.prepare()
    statement = client.server.capabilityStatement
    assert statement.fhirVersion == "4.0.1"
    create_read_update_delete(client.server)
    conditional(client.server)
    transaction_and_search(client.server)
    search_with_others(client.server)
    print("ok")


main(sys.argv[1])
