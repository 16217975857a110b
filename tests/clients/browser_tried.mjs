// Tries what browser.mjs offers on pages written here: node browser_tried.mjs BASE INPUT.

import { inBrowser } from './browser.mjs';

const document = (inside) => `<!doctype html><html lang="en"><head><title>Tried</title>
  <meta name="viewport" content="width=device-width"></head><body>${inside}</body></html>`;

await inBrowser(async ({ base, input, page, person, phone, look }) => {
  const answer = await page.goto(base);
  await page.setContent(document(input.page));
  await look(page, input.name);
  const small = await person({ viewport: phone, javaScriptEnabled: false });
  await small.goto(base);
  await small.setContent(document(input.page));
  await look(small, `${input.name}-phone`);
  const cookies = await page.context().cookies();
  return { status: answer.status(), heading: await page.textContent('h1'), cookies };
});
