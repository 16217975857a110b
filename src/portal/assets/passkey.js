// The one script of the pages: has the browser make or show a passkey, and sends it with the form.
// Without it, or where a browser knows no passkeys, the form stays hidden.
"use strict";

const form = document.querySelector("form[data-passkey]");

const toBytes = (text) => {
  const plain = text.replace(/-/g, "+").replace(/_/g, "/");
  return Uint8Array.from(atob(plain), (letter) => letter.charCodeAt(0));
};

const toText = (buffer) => {
  const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte));
  return btoa(letters.join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
};

const withBytes = (list) => (list || []).map((item) => ({ ...item, id: toBytes(item.id) }));

const make = async (options) => {
  const publicKey = {
    ...options,
    challenge: toBytes(options.challenge),
    user: { ...options.user, id: toBytes(options.user.id) },
    excludeCredentials: withBytes(options.excludeCredentials),
  };
  const made = await navigator.credentials.create({ publicKey });
  return {
    id: made.id,
    rawId: toText(made.rawId),
    type: made.type,
    extensions: {},
    response: {
      attestationObject: toText(made.response.attestationObject),
      clientDataJSON: toText(made.response.clientDataJSON),
      transports: made.response.getTransports ? made.response.getTransports() : null,
    },
  };
};

const show = async (options) => {
  const publicKey = {
    ...options,
    challenge: toBytes(options.challenge),
    allowCredentials: withBytes(options.allowCredentials),
  };
  const shown = await navigator.credentials.get({ publicKey });
  return {
    id: shown.id,
    rawId: toText(shown.rawId),
    type: shown.type,
    extensions: {},
    response: {
      authenticatorData: toText(shown.response.authenticatorData),
      clientDataJSON: toText(shown.response.clientDataJSON),
      signature: toText(shown.response.signature),
      userHandle: shown.response.userHandle ? toText(shown.response.userHandle) : null,
    },
  };
};

const send = async (event) => {
  event.preventDefault();
  const failure = form.querySelector("[data-failure]");
  failure.hidden = true;
  try {
    const options = JSON.parse(form.dataset.options).publicKey;
    const credential = await (form.dataset.passkey === "make" ? make(options) : show(options));
    form.elements.credential.value = JSON.stringify(credential);
    form.submit();
  } catch (error) {
    failure.hidden = false;
    failure.focus();
  }
};

if (form && window.PublicKeyCredential) {
  form.hidden = false;
  form.addEventListener("submit", send);
}
