// Clients whose types openapi-typescript makes of the public documents, for a user who
// comes in the environment.
import createClient, { type Middleware } from "openapi-fetch";
import type { paths as Auth } from "./auth.js";
import type { paths as Users } from "./users.js";

declare const process: { env: Record<"GATEWAY_URL" | "NAME" | "PASSWORD", string> };
export const { GATEWAY_URL: baseUrl, NAME: username, PASSWORD: password } = process.env;
export const email = `${username}@example.org`;

// What a browser does of itself.
let cookie = "";
const cookies: Middleware = {
  onRequest({ request }) {
    if (cookie) request.headers.set("Cookie", cookie);
  },
  onResponse({ response }) {
    const set = response.headers.getSetCookie().map((line) => line.split(";")[0]);
    cookie = set.find((pair) => pair.startsWith("refresh_token=")) ?? cookie;
  },
};

export const auth = createClient<Auth>({ baseUrl });
export const users = createClient<Users>({ baseUrl });
auth.use(cookies);
