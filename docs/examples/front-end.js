"use strict";
// A front end in plain JavaScript: register, verify, log in, refresh in several tabs,
// reset, log out. docs/front-end.md explains it.

const API = document.querySelector('meta[name="api"]').content;
const USERS = "/api/v1/users", AUTH = "/api/v1/auth";
const find = (id) => document.getElementById(id);

// ---- The access token, in memory alone: the refresh token is in a cookie that no script
// can read. All tabs of this origin share the token.

let access = null;
const tabs = new BroadcastChannel("memo");
tabs.onmessage = ({ data }) => { access = data; show(); };

function keep(token) {
  access = token;
  tabs.postMessage(token);
}

// ---- Requests ----------------------------------------------------------------------

async function send(method, path, body) {
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if (access) headers.Authorization = `Bearer ${access}`;
  const options = { method, headers, credentials: "include" };  // for the cookies
  if (body) options.body = JSON.stringify(body);
  const answer = await fetch(API + path, options);
  const isJson = /json/.test(answer.headers.get("Content-Type"));
  const content = isJson ? await answer.json() : null;
  if (!answer.ok) throw Object.assign(new Error(answer.status), content, { answer });
  return content;
}

// With another access token, once, where this one is no longer good.
async function call(method, path, body) {
  const used = access;
  try {
    return await send(method, path, body);
  } catch (problem) {
    if (!used || !/^token_/.test(problem.code)) throw problem;
    await refresh(used);
    return send(method, path, body);
  }
}

// One tab at a time. The others then have its token, and need no request.
function refresh(used) {
  return navigator.locks.request("memo-refresh", async () => {
    if (access !== used) return;
    try {
      keep((await send("POST", `${AUTH}/refresh`)).access_token);
    } catch (problem) {
      // The session has ended, in every tab, unless one has logged in meanwhile. Any other
      // problem may pass.
      if (problem.answer?.status === 401 && access === used) keep(null);
      throw problem;
    }
  });
}

// ---- What the forms do -------------------------------------------------------------

// A link of a mail leads to `front-end.html#verify=TOKEN` or `#reset=TOKEN`. What is
// behind # is sent to no server. It leaves the address bar and the history at once.
const [, purpose, token] = /^#(verify|reset)=([\w=-]+)$/.exec(location.hash) ?? [];
if (purpose) history.replaceState(null, "", location.pathname);

const actions = {
  async register(fields) {
    await send("POST", `${USERS}/`, fields);
    return "Registered. If a mail comes, open its link; then log in.";
  },
  async verify(fields) {
    await call("POST", `${USERS}/verify_email`, { token, ...fields });
    return "The address is confirmed. Log in.";
  },
  async login(fields) {
    keep((await send("POST", `${AUTH}/login`, fields)).access_token);
    return "Logged in.";
  },
  async forgot(fields) {
    return (await send("POST", `${USERS}/password_reset`, fields)).message;
  },
  async reset(fields) {
    await send("POST", `${USERS}/password_reset/confirm`, { token, ...fields });
    keep(null);
    return "The password is set, and all sessions have ended. Log in.";
  },
  async reload() {
    return "";
  },
  async logout() {
    await send("POST", `${AUTH}/logout`);
    keep(null);
    return "Logged out.";
  },
};

// `errors` of a problem is by field, and `detail` is for users too.
function explain(problem) {
  const errors = Object.values(problem.errors ?? {}).flat();
  const wait = problem.answer?.headers.get("Retry-After");
  const texts = errors.length ? errors.map((error) => error.message) : [problem.detail];
  if (wait) texts.push(`Try again in ${wait} s.`);
  return texts.filter(Boolean).join(" ") || "The service cannot be reached.";
}

for (const form of document.forms) {
  form.onsubmit = async (event) => {
    event.preventDefault();
    try {
      find("message").textContent = await actions[form.id](Object.fromEntries(new FormData(form)));
      form.reset();
      if (form.id === purpose) form.hidden = true;
    } catch (problem) {
      find("message").textContent = explain(problem);
    }
    await show();
  };
}

// ---- What there is to see ----------------------------------------------------------

let turns = 0;

async function show() {
  const turn = ++turns;
  let me = null;
  try {
    if (access) me = await call("GET", `${USERS}/me`);
  } catch (problem) {
    find("message").textContent = explain(problem);
  }
  if (turn !== turns) return;  // the answer to a later request counts
  find("name").textContent = me?.username ?? "";
  find("inside").hidden = !me;
  find("outside").hidden = Boolean(me);
}

// A new tab, and one that was loaded again, has the cookie alone.
if (purpose) find(purpose).hidden = false;
refresh(null).catch(() => {}).then(show);
