// Second factors by the typed clients. Compiled, never called: what the documents
// promise is of the types that browsers have, and other bodies are refused. The servers
// are asked by test_generated_clients.py.
import type { components as Auth } from "./auth.js";
import { auth, users } from "./clients.mjs";
import type { components as Users } from "./users.js";

declare const options: { headers: { Authorization: string } };
declare const text: string;

const STEP_UP = "/api/v1/auth/step_up";
const PASSKEY = "/api/v1/auth/login/passkey";
const PASSKEYS = "/api/v1/users/me/factors/passkeys";

export const refused = [
  // @ts-expect-error
  () => auth.POST(STEP_UP, { body: { login: text } }),
  // @ts-expect-error
  () => auth.POST(PASSKEY, { body: { login: text, credential: {} } }),
  // @ts-expect-error
  () => users.POST(PASSKEYS, { body: { credential: {} } }),
];

// What a browser's `toJSON` makes.
const names = { id: text, rawId: text, type: "public-key" as const };
const client = { clientDataJSON: text };
const made = {
  ...names,
  response: { ...client, attestationObject: text },
} satisfies Users["schemas"]["RegistrationResponseJSON"];
const signed = {
  ...names,
  response: { ...client, authenticatorData: text, signature: text, userHandle: text },
} satisfies Auth["schemas"]["AuthenticationResponseJSON"];

export async function addFactors() {
  const app = await users.POST("/api/v1/users/me/factors/totp", { ...options, body: {} });
  const params = { path: { factor_id: app.data?.id ?? text } };
  const code = { ...options, params, body: { code: app.data?.secret ?? text } };
  const confirmed = await users.POST("/api/v1/users/me/factors/{factor_id}/confirm", code);
  const asked = await users.POST("/api/v1/users/me/factors/passkeys/options", options);
  if (!asked.data) return;
  PublicKeyCredential.parseCreationOptionsFromJSON(asked.data.passkey);
  await users.POST(PASSKEYS, { ...options, body: { name: text, credential: made } });
  const own = await users.GET("/api/v1/users/me/factors", options);
  await users.DELETE("/api/v1/users/me/factors/{factor_id}", { ...options, params });
  return [confirmed.data?.recovery_codes[0], own.data?.factors.map(({ type }) => type)];
}

export async function logIn() {
  const { error } = await auth.POST("/api/v1/auth/login", {
    body: { username: text, password: text },
  });
  if (!error || !("login" in error) || !error.login) return;
  const { factors = [], login, passkey } = error;
  const alone = await auth.POST("/api/v1/auth/login/passkey/options");
  const again = await auth.POST("/api/v1/auth/step_up/options", options);
  for (const asked of [passkey, alone.data?.passkey, again.data?.passkey]) {
    if (asked) PublicKeyCredential.parseRequestOptionsFromJSON(asked);
  }
  const proofs = [{ totp: factors[0] }, { recovery_code: text }, { passkey: signed }];
  for (const proof of proofs) {
    const body = { login, ...proof };
    await auth.POST("/api/v1/auth/login/second_factor", { body });
    await auth.POST(STEP_UP, { ...options, body });
  }
  await auth.POST(STEP_UP, { ...options, body: { login, password: text } });
  await auth.POST(PASSKEY, { body: { login, credential: signed } });
}
