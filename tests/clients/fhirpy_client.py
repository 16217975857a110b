"""fhirpy against a server of ours: python3 fhirpy_client.py BASE.

Fails with a traceback at the first thing that is not as the client expects it.
"""

import asyncio
import sys

from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import (
    MultipleResourcesFound,
    OperationOutcome,
    ResourceNotFound,
)

SYSTEM = "urn:example:fhirpy"


def patient(client, number, family):
    return client.resource(
        "Patient",
        identifier=[{"system": SYSTEM, "value": str(number)}],
        name=[{"family": family, "given": ["Ada"]}],
    )


def expect(error, act):
    try:
        act()
    except error:
        return
    raise AssertionError(f"{error.__name__} was expected")


def create_read_update_delete(client):
    one = patient(client, 1, "Pascal")
    one.save()
    assert one.id and one["meta"]["versionId"] == "1", one
    read = client.reference("Patient", one.id).to_resource()
    assert read["name"][0]["family"] == "Pascal"
    read["birthDate"] = "1923-06-19"
    read.save()
    assert read["meta"]["versionId"] == "2"
    one.refresh()
    assert one["birthDate"] == "1923-06-19"
    one.delete()
    expect(ResourceNotFound, one.refresh)
    expect(ResourceNotFound, lambda: client.get("Patient", "never-there"))


def conditional(client):
    mine = client.resources("Patient").search(identifier=f"{SYSTEM}|2")
    first, was_created = mine.get_or_create(patient(client, 2, "Once"))
    assert was_created
    again, was_created = mine.get_or_create(patient(client, 2, "Once"))
    assert not was_created and again.id == first.id
    assert mine.count() == 1
    changed, was_created = mine.update(patient(client, 2, "Twice"))
    assert not was_created and changed.id == first.id
    assert mine.get()["name"][0]["family"] == "Twice"
    other = client.resources("Patient").search(identifier=f"{SYSTEM}|3")
    _made, was_created = other.update(patient(client, 3, "Made"))
    assert was_created
    both = client.resources("Patient").search(identifier=f"{SYSTEM}|")
    expect(MultipleResourcesFound, lambda: both.update(patient(client, 4, "Either")))


def transaction(client):
    entries = [
        {
            "fullUrl": "urn:uuid:5d0c6b5b-8f3b-4f5b-9d0a-0c3e0b1f9a01",
            "resource": patient(client, 5, "Bundled").serialize(),
            "request": {"method": "POST", "url": "Patient"},
        }
    ]
    for number in range(25):
        observation = {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "count"},
            "subject": {"reference": entries[0]["fullUrl"]},
            "valueInteger": number,
        }
        request = {"method": "POST", "url": "Observation"}
        entries.append({"resource": observation, "request": request})
    bundle = client.resource("Bundle", type="transaction", entry=entries)
    bundle.save()
    assert bundle["type"] == "transaction-response"
    statuses = {entry["response"]["status"].split()[0] for entry in bundle["entry"]}
    assert statuses == {"201"}, statuses
    bad = client.resource("Bundle", type="transaction", entry=[{"request": {"method": "X"}}])
    expect(OperationOutcome, bad.save)


def search(client):
    bundled = client.resources("Patient").search(family="Bundled").get()
    observations = client.resources("Observation").search(patient=bundled)
    assert observations.count() == 25
    pages = observations.limit(10)
    values = sorted(one["valueInteger"] for one in pages)
    assert values == list(range(25)), values
    assert len(pages.fetch()) == 10
    assert len(pages.fetch_all()) == 25
    assert observations.search(status="amended").first() is None
    only = client.resources("Patient").search(_id=bundled.id).elements("birthDate").get()
    assert "name" not in only


def search_with_others(client):
    bundled = client.resources("Patient").search(family="Bundled").get()
    observations = client.resources("Observation").search(patient=bundled)
    pages = observations.include("Observation", "subject").limit(10)
    bundle = pages.fetch_raw()
    modes = [entry["search"]["mode"] for entry in bundle["entry"]]
    assert modes == ["match"] * 10 + ["include"], modes
    assert len({one.id for one in pages}) == 25
    back = client.resources("Patient").search(_id=bundled.id)
    back = back.revinclude("Observation", "subject").fetch_raw()
    modes = [entry["search"]["mode"] for entry in back["entry"]]
    assert modes == ["match"] + ["include"] * 25, modes
    for sort, order in [("value-quantity", None), ("-_lastUpdated", None), ("family", 1)]:
        resource_type = "Patient" if order else "Observation"
        ordered = client.resources(resource_type).sort(sort).limit(4)
        ids = [one.id for one in ordered]
        assert len(ids) == len(set(ids)) == client.resources(resource_type).count(), sort
    families = [one["name"][0]["family"] for one in client.resources("Patient").sort("family")]
    assert families == sorted(families), families


async def concurrently(base):
    client = AsyncFHIRClient(base)
    saves = [patient(client, 100 + number, "Async").save() for number in range(8)]
    await asyncio.gather(*saves)
    found = client.resources("Patient").search(family="Async").limit(3)
    assert await found.count() == 8
    assert len([one async for one in found]) == 8


def main(base):
    client = SyncFHIRClient(base)
    create_read_update_delete(client)
    conditional(client)
    transaction(client)
    search(client)
    search_with_others(client)
    asyncio.run(concurrently(base))
    print("ok")


main(sys.argv[1])
