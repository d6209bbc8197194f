/* Passkeys in forms, for pages without other scripts. Other forms of the page are sent
 * once in five seconds.
 *
 * {% load static %}
 * <form method="post" hidden
 *       data-passkey="get" data-options="{{ options }}">
 *   {% csrf_token %}
 *   <input type="hidden" name="credential">
 *   <p role="alert" hidden>That did not work. Try again.</p>
 *   <button type="submit">Use a passkey</button>
 * </form>
 * <script src="{% static 'factors/passkey.js' %}" defer></script>
 *
 * `data-passkey` is "get" to log in or "create" to register one. `options` is the JSON
 * text of PublicKeyCredentialRequestOptionsJSON or PublicKeyCredentialCreationOptionsJSON:
 * json.dumps(shared.auth.passkeys.request_options(…)) or
 * json.dumps(users.factors.registration.options(user)). Django escapes it.
 *
 * The button asks for the passkey, and the form is sent with the JSON text of the answer
 * in `credential`. Without JavaScript, or in a browser without passkeys, the form stays
 * hidden: a page needs another way as well. Where the user cancels, or no passkey fits,
 * the alert is shown.
 */
"use strict";

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const creates = form.dataset.passkey === "create";
  const parser = creates ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON";
  if (!window.PublicKeyCredential?.[parser]) continue;

  const alert = form.querySelector("[role=alert]");
  const button = form.querySelector("button");
  form.hidden = false;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    alert.hidden = true;
    button.disabled = true;
    try {
      const publicKey = PublicKeyCredential[parser](JSON.parse(form.dataset.options));
      const credential = await (creates
        ? navigator.credentials.create({ publicKey })
        : navigator.credentials.get({ publicKey }));
      form.elements.credential.value = JSON.stringify(credential);
      form.submit();
    } catch {
      alert.hidden = false;
      button.disabled = false;
    }
  });
  // A page that comes back from the browser's cache is as it was left.
  addEventListener("pageshow", () => { button.disabled = false; });
}

// After a double click, the page would show the answer to the second request. Only the
// first one brings recovery codes.
for (const form of document.querySelectorAll("form[method=post]:not([data-passkey])")) {
  let sent = -Infinity;
  form.addEventListener("submit", (event) => {
    if (event.timeStamp - sent < 5000) event.preventDefault();
    else sent = event.timeStamp;
  });
}
