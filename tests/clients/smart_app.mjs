// npm fhirclient in a browser page, as an app that a person lets in: first by itself, then launched
// by an EHR. Only its build for browsers is used: what it needs elsewhere and would bring hundreds of
// packages with it is overridden in package.json.
//
// INPUT: clientId, port (where the app is), name, password, launch (of the EHR), patient.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { inBrowser } from './browser.mjs';

const SCOPE = 'openid fhirUser launch/patient offline_access patient/Patient.rs '
  + 'patient/Observation.rs patient/Immunization.rs';
const LAUNCHED = SCOPE.replace('launch/patient', 'launch');

const library = async () => {
  const entry = createRequire(import.meta.url).resolve('fhirclient/package.json');
  return readFile(join(dirname(entry), 'build', 'fhir-client.js'));
};

const page = (script) => `<!doctype html><html lang="en"><title>App</title><main><h1>App</h1>
<p id="state">working</p></main><script src="/fhir-client.js"></script><script>${script}</script>`;

const told = `(text) => { document.getElementById('state').textContent = text; }`;

const pages = ({ base, input }) => ({
  '/alone': page(`FHIR.oauth2.authorize({
    iss: '${base}', clientId: '${input.clientId}', scope: '${SCOPE}', redirectUri: '/callback',
  }).catch((error) => (${told})('failed: ' + error));`),
  '/launch': page(`FHIR.oauth2.authorize({
    clientId: '${input.clientId}', scope: '${LAUNCHED}', redirectUri: '/callback',
  }).catch((error) => (${told})('failed: ' + error));`),
  '/callback': page(`FHIR.oauth2.ready().then(async (client) => {
    const patient = await client.patient.read();
    const results = await client.request('Observation?patient=' + client.patient.id);
    const user = await client.user.read();
    const before = client.state.tokenResponse.access_token;
    await client.refresh();
    const again = await client.patient.read();
    (${told})('done: ' + JSON.stringify({
      patient: patient.id, again: again.id, user: user.resourceType + '/' + user.id,
      observations: results.entry.length, scope: client.state.tokenResponse.scope,
      isNew: before !== client.state.tokenResponse.access_token,
    }));
  }).catch((error) => (${told})('failed: ' + error));`),
});

const serve = async (given) => {
  const script = await library();
  const known = pages(given);
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://app');
    const isScript = pathname === '/fhir-client.js';
    const body = isScript ? script : known[pathname];
    response.writeHead(body ? 200 : 404, {
      'content-type': isScript ? 'text/javascript' : 'text/html; charset=utf-8',
    });
    response.end(body);
  });
  await new Promise((done) => server.listen(given.input.port, '127.0.0.1', done));
  return server;
};

const outcome = async (browser) => {
  const state = browser.locator('#state');
  await browser.waitForFunction(() => /^(done|failed)/.test(
    document.getElementById('state')?.textContent ?? '',
  ));
  const text = await state.textContent();
  if (!text.startsWith('done: ')) throw new Error(text);
  return JSON.parse(text.slice('done: '.length));
};

await inBrowser(async (given) => {
  const { base, input, page: browser, phone, look } = given;
  const server = await serve(given);
  const app = `http://127.0.0.1:${input.port}`;
  const desk = browser.viewportSize();
  const seen = async (name) => {
    await look(browser, name);
    await browser.setViewportSize(phone);
    await look(browser, `${name}-phone`);
    await browser.setViewportSize(desk);
  };
  try {
    await browser.goto(`${app}/alone`);
    await browser.getByLabel('sign-in name').fill(input.name);
    await browser.getByLabel('Password').fill(input.password);
    await browser.getByRole('button', { name: 'Sign in' }).click();
    await browser.getByRole('heading', { name: 'Heart Diary' }).waitFor();
    await seen('consent');
    await browser.getByText('Share only some of it').click();
    await seen('consent-parts');
    await browser.getByText('Vaccinations').click();
    // By keyboard, as who uses no mouse.
    await browser.getByRole('button', { name: 'Connect', exact: true }).focus();
    await browser.keyboard.press('Enter');
    await browser.waitForURL(`${app}/callback**`);
    const alone = await outcome(browser);
    await browser.goto(new URL('/apps', base).href);
    await browser.getByRole('heading', { name: 'Heart Diary' }).waitFor();
    await seen('apps');
    await browser.goto(input.launch);
    await browser.getByRole('button', { name: 'Connect', exact: true }).click();
    await browser.waitForURL(`${app}/callback**`);
    const launched = await outcome(browser);
    await browser.goto(new URL('/apps', base).href);
    await browser.getByRole('button', { name: 'Disconnect' }).first().click();
    await browser.getByRole('button', { name: 'Disconnect' }).first().click();
    await browser.getByText('No app is connected').waitFor();
    await seen('apps-none');
    return { alone, launched };
  } finally {
    server.close();
  }
});
