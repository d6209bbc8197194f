// Second factors by the typed clients: an app, recovery codes and a passkey.
import { newPasskey, totp } from "./authenticator.mjs";
import { auth, baseUrl, email, password, username, users } from "./clients.mjs";

// Compiled, never called: the types refuse other bodies.
export const refused = [
  // @ts-expect-error
  () => auth.POST("/api/v1/auth/step_up", { body: { login: "x" } }),
  // @ts-expect-error
  () => auth.POST("/api/v1/auth/login/passkey", { body: { login: "x", credential: {} } }),
  // @ts-expect-error
  () => users.POST("/api/v1/users/me/factors/passkeys", { body: { credential: {} } }),
];

const answers: unknown[][] = [];

function got<T>({ data, error }: { data?: T; error?: unknown }): T {
  if (!data) throw new Error(JSON.stringify(error));
  return data;
}

// The access token's header; its levels are noted.
function session(step: string, answer: Parameters<typeof got<{ access_token: string }>>[0]) {
  const token = got(answer).access_token;
  const { acr, amr } = JSON.parse(atob(token.split(".")[1]));
  answers.push([step, acr, amr.join(" ")]);
  return { headers: { Authorization: `Bearer ${token}` } };
}

const logIn = () => auth.POST("/api/v1/auth/login", { body: { email, password } });

async function secondStep() {
  const { error } = await logIn();
  if (!error || !("login" in error) || !error.login) throw new Error("no second step");
  answers.push([error.code, ...(error.factors ?? [])]);
  return { login: error.login, passkey: error.passkey };
}

async function signed(options?: PublicKeyCredentialRequestOptionsJSON) {
  if (!options) throw new Error("no passkey is asked for");
  return passkey.get(options);
}

const stepUp = async (held: { headers: { Authorization: string } }) =>
  got(await auth.POST("/api/v1/auth/step_up/options", held));

got(await users.POST("/api/v1/users", { body: { username, email, password } }));
const login = session("password", await logIn());
const first = session(
  "password again",
  await auth.POST("/api/v1/auth/step_up", {
    ...login,
    body: { login: (await stepUp(login)).login, password },
  }),
);

// An app.
const app = got(await users.POST("/api/v1/users/me/factors/totp", { ...first, body: {} }));
const params = { path: { factor_id: app.id } };
const { recovery_codes } = got(
  await users.POST("/api/v1/users/me/factors/{factor_id}/confirm", {
    ...{ ...first, params },
    body: { code: await totp(app.secret) },
  }),
);
// Every code is good once, so this is that of the next half minute.
const code = await totp(app.secret, Date.now() + 30_000);
const second = session(
  "totp",
  await auth.POST("/api/v1/auth/login/second_factor", {
    body: { login: (await secondStep()).login, totp: code },
  }),
);
const stepped = session(
  "recovery code",
  await auth.POST("/api/v1/auth/step_up", {
    ...second,
    body: { login: (await stepUp(second)).login, recovery_code: recovery_codes[0] },
  }),
);

// A passkey.
const passkey = await newPasskey(baseUrl);
const creation = got(await users.POST("/api/v1/users/me/factors/passkeys/options", stepped));
got(
  await users.POST("/api/v1/users/me/factors/passkeys", {
    ...stepped,
    body: { name: "laptop", credential: await passkey.create(creation.passkey) },
  }),
);
const alone = got(await auth.POST("/api/v1/auth/login/passkey/options"));
session(
  "passkey alone",
  await auth.POST("/api/v1/auth/login/passkey", {
    body: { login: alone.login, credential: await signed(alone.passkey) },
  }),
);
const asked = await secondStep();
const third = session(
  "passkey",
  await auth.POST("/api/v1/auth/login/second_factor", {
    body: { login: asked.login, passkey: await signed(asked.passkey) },
  }),
);
const again = await stepUp(third);
const last = session(
  "passkey again",
  await auth.POST("/api/v1/auth/step_up", {
    ...third,
    body: { login: again.login, passkey: await signed(again.passkey) },
  }),
);
const own = got(await users.GET("/api/v1/users/me/factors", last));
answers.push([own.recovery_codes_left, ...own.factors.map(({ type }) => type)]);
const removed = await users.DELETE("/api/v1/users/me/factors/{factor_id}", { ...last, params });
answers.push([removed.response.status]);
console.log(JSON.stringify(answers));
