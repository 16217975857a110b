// An OpenID provider for tests: node oidc_provider.mjs REDIRECT_URI. Prints its issuer and serves
// until it is killed. Who somebody is they say themselves, and agree to everything.

import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const ROLES = { patient: ['people'], doctor: ['staff', 'doctors'], stranger: [] };

const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'vesta',
    client_secret: 'vesta-secret-of-this-test',
    redirect_uris: [process.argv[2]],
  }],
  claims: { openid: ['sub', 'role', 'fhirUser'], profile: ['name'] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_context, id) => {
    const [kind, number] = id.split('-');
    const claims = { sub: id, name: `Person ${id}`, role: ROLES[kind], fhirUser: number };
    return { accountId: id, claims: () => claims };
  },
});

const read = async (request) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  return new URLSearchParams(Buffer.concat(parts).toString());
};

const interact = async (request, response) => {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    const accountId = (await read(request)).get('account');
    return provider.interactionFinished(request, response, { login: { accountId } });
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope('openid profile');
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
};

const serve = provider.callback();
server.on('request', (request, response) => {
  if (request.url.startsWith('/interaction/')) {
    interact(request, response).catch((error) => {
      console.error(error);
      response.statusCode = 500;
      response.end();
    });
  } else {
    serve(request, response);
  }
});
console.log(issuer);
