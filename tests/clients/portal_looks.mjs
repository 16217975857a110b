// Walks through the pages of accounts, once in a wide window and once on a phone without scripts,
// looks at each and checks it with axe-core; then sets up a passkey and signs in with it.

import { createHmac } from 'node:crypto';
import { inBrowser } from './browser.mjs';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

// The code of an authenticator app, RFC 6238.
const code = (secret, step = Math.floor(Date.now() / 30_000)) => {
  const bits = [...secret].map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, '0'));
  const bytes = bits.join('').match(/.{8}/g).map((byte) => parseInt(byte, 2));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', Buffer.from(bytes)).update(counter).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
};

await inBrowser(async ({ base, input, page, person, phone, look, fits }) => {
  const signIn = async (on, name, password = input.password) => {
    await on.goto(`${base}/sign-in`);
    await on.getByLabel('E-mail address or sign-in name').fill(name);
    await on.getByLabel('Password', { exact: true }).fill(password);
    await on.getByRole('button', { name: 'Sign in' }).click();
  };
  const choose = async (on, link) => {
    await on.goto(base + link);
    await on.getByLabel('Your password').fill(input.password);
    await on.getByLabel('The same password once more').fill(input.password);
  };

  const walk = async (on, { administrator, patient, invitation, connect }, suffix) => {
    const see = (name) => look(on, name + suffix);
    await on.goto(`${base}/sign-in`);
    await see('sign-in');
    await signIn(on, patient, 'not the password');
    await see('sign-in-wrong');
    await on.goto(`${base}/register`);
    await see('register');
    await on.getByLabel('Your name').fill('Grace Hopper');
    await on.getByLabel('Your e-mail address').fill('grace@example.org');
    await on.getByRole('button', { name: 'Go on' }).click();
    await see('look-for-mail');
    await on.goto(`${base}/forgot-password`);
    await see('forgot-password');
    await on.goto(`${base}/welcome?t=0`);
    await see('used-link');
    await choose(on, invitation);
    await see('welcome');
    await on.getByRole('button', { name: 'Use this password' }).click();
    await see('second-factor-new');
    const secret = (await on.locator('.secret').first().textContent()).replaceAll(' ', '');
    await on.getByLabel('Six digits from the app').fill('000000');
    await on.getByRole('button', { name: 'Use this app' }).click();
    await see('second-factor-new-wrong');
    await on.getByLabel('Six digits from the app').fill(code(secret));
    await on.getByRole('button', { name: 'Use this app' }).click();
    await see('recovery-codes');
    const recovery = await on.locator('.codes li').first().textContent();
    await on.getByRole('link', { name: 'I have kept them' }).click();
    await on.getByRole('button', { name: 'Sign out' }).click();
    await see('signed-out');
    await signIn(on, input.invited + suffix);
    await see('second-factor');
    await on.getByLabel('Code from your authenticator app').fill(recovery);
    await on.getByRole('button', { name: 'Go on' }).click();
    await see('security-recovery');
    await on.getByRole('button', { name: 'Sign out', exact: true }).click();

    await signIn(on, patient);
    await see('home');
    await on.goto(base + connect);
    await see('connect');
    await on.getByRole('button', { name: 'Connect this account' }).click();
    await see('home-connected');
    await on.getByRole('link', { name: 'Password and security' }).click();
    await see('security');
    await on.goto(`${base}/people`);
    await see('not-for-this-account');
    await on.goto(`${base}/account`);
    await on.getByRole('button', { name: 'Sign out' }).click();

    await signIn(on, administrator);
    const own = (await on.locator('.secret').first().textContent()).replaceAll(' ', '');
    await on.getByLabel('Six digits from the app').fill(code(own));
    await on.getByRole('button', { name: 'Use this app' }).click();
    await on.goto(`${base}/people`);
    await on.locator('details > summary').first().click();
    await see('people');
    return { secret, own };
  };

  const wide = { viewport: { width: 1280, height: 860 } };
  const first = await person(wide);
  await walk(first, input.wide, '-wide');
  const small = await person({ viewport: phone, javaScriptEnabled: false });
  await walk(small, input.phone, '-phone');
  const dark = await person({ ...wide, colorScheme: 'dark' });
  await dark.goto(`${base}/sign-in`);
  await look(dark, 'sign-in-dark');

  // By keyboard alone: the first stop leads past the head, the others follow the eye.
  await page.goto(`${base}/register`);
  const stops = [];
  for (let at = 0; at < 5; at += 1) {
    await page.keyboard.press('Tab');
    stops.push(await page.evaluate(() => {
      const { activeElement: on } = document;
      return on.id || on.textContent.trim();
    }));
  }

  const devices = await page.context().newCDPSession(page);
  await devices.send('WebAuthn.enable');
  await devices.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await signIn(page, input.doctor);
  await page.getByRole('button', { name: 'Set up a passkey' }).click();
  await page.getByText('Your recovery codes').first().waitFor();
  await page.getByRole('link', { name: 'I have kept them' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await signIn(page, input.doctor);
  await look(page, 'second-factor-passkey');
  await page.getByRole('button', { name: 'Use your passkey' }).click();
  await page.getByRole('heading', { name: 'Hello' }).waitFor();
  await page.goto(`${base}/account/security`);
  await look(page, 'security-passkey');
  const passkeys = await page.getByText('Passkey', { exact: true }).count();
  await fits(page);
  return { stops, passkeys };
});
