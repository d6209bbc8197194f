// The main job: on stdout, as JSON, the status of every answer and what the types say
// that it has.
import { auth, email, password, username, users } from "./clients.mjs";

const me = (token = "") =>
  users.GET("/api/v1/users/me", { headers: { Authorization: `Bearer ${token}` } });

// Compiled, never called: the types refuse other bodies.
export const refused = [
  // @ts-expect-error
  () => auth.POST("/api/v1/auth/login", { body: 42 }),
  // @ts-expect-error
  () => auth.POST("/api/v1/auth/login", { body: { email } }),
  // @ts-expect-error
  () => users.POST("/api/v1/users", { body: { username, password } }),
];

const user = await users.POST("/api/v1/users", { body: { username, email, password } });
// A service that verifies addresses first answers 202, without the user.
const made = user.data && "id" in user.data ? user.data : undefined;
const wrong = await auth.POST("/api/v1/auth/login", { body: { email, password: "no" } });
const login = await auth.POST("/api/v1/auth/login", { body: { email, password } });
const before = await me(login.data?.access_token);
const refresh = await auth.POST("/api/v1/auth/refresh");
const after = await me(refresh.data?.access_token);
const logout = await auth.POST("/api/v1/auth/logout");
const revoked = await me(refresh.data?.access_token);

const answers = [
  [user.response.status, made?.username],
  [wrong.response.status, wrong.error?.code],
  [login.response.status, login.data?.token_type],
  [before.response.status, before.data?.email],
  [refresh.response.status, refresh.data?.token_type],
  [after.response.status, after.data?.id === made?.id],
  [logout.response.status, typeof logout.data?.message],
  [revoked.response.status, revoked.error?.code],
];
console.log(JSON.stringify(answers));
