// fhir-kit-client against a server of ours: node fhir_kit_client.mjs BASE.

import assert from 'node:assert/strict';
import { Client } from 'fhir-kit-client';

const SYSTEM = 'urn:example:fhir-kit';
const client = new Client({ baseUrl: process.argv[2] });

const patient = (number, family) => ({
  resourceType: 'Patient',
  identifier: [{ system: SYSTEM, value: String(number) }],
  name: [{ family, given: ['Joan'] }],
});
const status = (answer) => Client.httpFor(answer).response.status;
const refused = (code) => (error) => error.response.status === code
  && error.response.data.resourceType === 'OperationOutcome';

async function createReadUpdateDelete() {
  const created = await client.create({ resourceType: 'Patient', body: patient(1, 'Clarke') });
  assert.equal(status(created), 201);
  const id = created.id;
  const read = await client.read({ resourceType: 'Patient', id });
  assert.deepEqual(read, created);
  const body = { ...read, birthDate: '1917-06-24' };
  const options = { headers: { 'If-Match': 'W/"1"' } };
  const updated = await client.update({ resourceType: 'Patient', id, body, options });
  assert.equal(updated.meta.versionId, '2');
  const stale = client.update({ resourceType: 'Patient', id, body: read, options });
  await assert.rejects(stale, refused(412));
  const jsonPatch = [{ op: 'replace', path: '/birthDate', value: '1917-06-25' }];
  const patched = await client.patch({ resourceType: 'Patient', id, jsonPatch });
  assert.equal(patched.birthDate, '1917-06-25');
  const first = await client.vread({ resourceType: 'Patient', id, version: '1' });
  assert.equal(first.birthDate, undefined);
  const history = await client.history({ resourceType: 'Patient', id });
  assert.equal(history.total, 3);
  await client.delete({ resourceType: 'Patient', id });
  await assert.rejects(client.read({ resourceType: 'Patient', id }), refused(410));
  const unknown = client.read({ resourceType: 'Patient', id: 'never-there' });
  await assert.rejects(unknown, refused(404));
}

async function conditional() {
  const options = { headers: { 'If-None-Exist': `identifier=${SYSTEM}|2` } };
  const request = { resourceType: 'Patient', body: patient(2, 'Once'), options };
  const first = await client.create(request);
  const second = await client.create(request);
  assert.deepEqual([status(first), status(second)], [201, 200]);
  assert.equal(second.id, first.id);
  const searchParams = { identifier: `${SYSTEM}|2` };
  const body = patient(2, 'Twice');
  const changed = await client.update({ resourceType: 'Patient', searchParams, body });
  assert.equal(status(changed), 200);
  assert.equal(changed.id, first.id);
  const bad = client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', x: 1 } });
  await assert.rejects(bad, refused(422));
}

async function transactionAndSearch() {
  const fullUrl = 'urn:uuid:0e6bb6a4-7b0c-4a3a-b6a2-6a1f6f0c7d10';
  const request = (url) => ({ method: 'POST', url });
  const entry = [{ fullUrl, resource: patient(3, 'Bundled'), request: request('Patient') }];
  for (let number = 0; number < 25; number += 1) {
    const resource = {
      resourceType: 'Observation',
      status: 'final',
      code: { text: `finding ${number}` },
      subject: { reference: fullUrl },
    };
    entry.push({ resource, request: request('Observation') });
  }
  const body = { resourceType: 'Bundle', type: 'transaction', entry };
  const answer = await client.transaction({ body });
  assert.equal(answer.type, 'transaction-response');
  assert.ok(answer.entry.every((one) => one.response.status.startsWith('201')));
  const [, id] = answer.entry[0].response.location.match(/Patient\/([^/]+)/);
  const searchParams = { patient: id, _count: 10 };
  let page = await client.search({ resourceType: 'Observation', searchParams });
  const sizes = [];
  const seen = new Set();
  let last = page;
  while (page) {
    sizes.push(page.entry.length);
    page.entry.forEach((one) => seen.add(one.resource.code.text));
    last = page;
    page = await client.nextPage({ bundle: page });
  }
  assert.deepEqual(sizes, [10, 10, 5]);
  assert.equal(seen.size, 25);
  const previous = await client.prevPage({ bundle: last });
  assert.equal(previous.entry.length, 10);
  const posted = await client.search({
    resourceType: 'Observation', searchParams, options: { postSearch: true },
  });
  assert.equal(posted.total, 25);
  const subject = last.entry[0].resource.subject.reference;
  const resolved = await client.resolve({ reference: subject });
  assert.equal(resolved.name[0].family, 'Bundled');
}

async function searchWithOthers() {
  const count = (bundle, mode) => bundle.entry.filter((one) => one.search.mode === mode).length;
  const found = await client.search({
    resourceType: 'Patient', searchParams: { family: 'Bundled', _revinclude: 'Observation:subject' },
  });
  assert.deepEqual([count(found, 'match'), count(found, 'include')], [1, 25]);
  const { id } = found.entry[0].resource;
  const searchParams = {
    patient: id, _count: 10, _include: 'Observation:subject', _sort: '-_lastUpdated,_id',
  };
  let page = await client.search({ resourceType: 'Observation', searchParams });
  const sizes = [];
  const seen = new Set();
  while (page) {
    sizes.push([count(page, 'match'), count(page, 'include')]);
    page.entry.forEach((one) => seen.add(one.resource.id));
    page = await client.nextPage({ bundle: page });
  }
  assert.deepEqual(sizes, [[10, 1], [10, 1], [5, 1]]);
  assert.equal(seen.size, 26);
  const compartment = { resourceType: 'Patient', id };
  const inside = await client.search({
    resourceType: 'Observation', compartment, searchParams: { _total: 'accurate' },
  });
  assert.equal(inside.total, 25);
}

const statement = await client.capabilityStatement();
assert.equal(statement.fhirVersion, '4.0.1');
await createReadUpdateDelete();
await conditional();
await transactionAndSearch();
await searchWithOthers();
console.log('ok');
