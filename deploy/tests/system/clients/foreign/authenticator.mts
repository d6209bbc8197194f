// An authenticator and an app for TOTP, in software. The options are of the types that
// browsers have for them, the credentials of those that the documents promise.
import type { components as Auth } from "./auth.js";
import type { components as Users } from "./users.js";

type Bytes = Uint8Array<ArrayBuffer>;
type Registration = Users["schemas"]["RegistrationResponseJSON"];
type Authentication = Auth["schemas"]["AuthenticationResponseJSON"];

const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const [PRESENT_AND_VERIFIED, ATTESTED] = [5, 64];

const utf8 = (text: string) => new TextEncoder().encode(text);
const join = (...parts: ArrayLike<number>[]): Bytes =>
  Uint8Array.from(parts.flatMap((part) => Array.from(part)));
const sha256 = async (data: Bytes) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", data));
const encoded = (data: Bytes) => {
  const text = btoa(String.fromCharCode(...data));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};
const latin1 = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const decoded = (text: string) =>
  latin1(atob(text.replaceAll("-", "+").replaceAll("_", "/")));

// DER of one half of a signature (RFC 3279 section 2.2.3).
const integer = (half: Bytes) => {
  const number = half.slice(half.findIndex((byte) => byte > 0));
  const padded = join(number[0] > 127 ? [0] : [], number);
  return join([2, padded.length], padded);
};

export async function newPasskey(origin: string) {
  const pair = await crypto.subtle.generateKey(CURVE, true, ["sign", "verify"]);
  const { x = "", y = "" } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const id = crypto.getRandomValues(new Uint8Array(32));
  const names = { id: encoded(id), rawId: encoded(id), type: "public-key" as const };
  const data = async (rpId: string, flags: number) =>
    join(await sha256(utf8(rpId)), [flags, 0, 0, 0, 0]);
  const clientData = (type: string, challenge: string) =>
    utf8(JSON.stringify({ type: `webauthn.${type}`, challenge, origin }));
  let userHandle = "";

  const create = async (options: PublicKeyCredentialCreationOptionsJSON) => {
    userHandle = options.user.id;
    const cose = [0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32]; // ES256, P-256, x
    const key = join(cose, decoded(x), [0x22, 0x58, 32], decoded(y));
    const site = await data(options.rp.id ?? "", PRESENT_AND_VERIFIED | ATTESTED);
    const attested = join(site, new Uint8Array(16), [0, id.length], id, key);
    const none = latin1("\xa3cfmtdnonegattStmt\xa0hauthData"); // CBOR
    const response = {
      clientDataJSON: encoded(clientData("create", options.challenge)),
      attestationObject: encoded(join(none, [0x58, attested.length], attested)),
    };
    return { ...names, response } satisfies Registration;
  };

  const get = async (options: PublicKeyCredentialRequestOptionsJSON) => {
    const client = clientData("get", options.challenge);
    const site = await data(options.rpId ?? "", PRESENT_AND_VERIFIED);
    const hashed = { name: "ECDSA", hash: "SHA-256" };
    const signed = join(site, await sha256(client));
    const raw = new Uint8Array(await crypto.subtle.sign(hashed, pair.privateKey, signed));
    const halves = join(integer(raw.slice(0, 32)), integer(raw.slice(32)));
    const response = {
      clientDataJSON: encoded(client),
      authenticatorData: encoded(site),
      signature: encoded(join([0x30, halves.length], halves)),
      userHandle,
    };
    return { ...names, response } satisfies Authentication;
  };
  return { create, get };
}

// The code of an app (RFC 6238).
export async function totp(secret: string, time = Date.now()) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const digits = [...secret].map((c) => alphabet.indexOf(c).toString(2).padStart(5, "0"));
  const bytes = digits.join("").match(/.{8}/g) ?? [];
  const raw = Uint8Array.from(bytes, (bits) => parseInt(bits, 2));
  const hash = { name: "HMAC", hash: "SHA-1" };
  const key = await crypto.subtle.importKey("raw", raw, hash, false, ["sign"]);
  const step = new DataView(new ArrayBuffer(8));
  step.setUint32(4, Math.floor(time / 30_000));
  const mac = new DataView(await crypto.subtle.sign("HMAC", key, step));
  const number = mac.getUint32(mac.getUint8(19) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}
