// One token as a Node service verifies it: the question on stdin, as JSON, the claims or
// the reason on stdout. What is no fault of the token ends the process with an error.
import { text } from "node:stream/consumers";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const { jwksUri, issuer, audience, token } = JSON.parse(await text(process.stdin));
const options = { algorithms: ["RS256"], typ: "at+jwt", issuer, audience };
const notTheToken = ["ERR_JOSE_GENERIC", "ERR_JWKS_TIMEOUT", "ERR_JWKS_INVALID"];

try {
  const keySet = createRemoteJWKSet(new URL(jwksUri));
  const { payload } = await jwtVerify(token, keySet, options);
  console.log(JSON.stringify({ claims: payload }));
} catch (error) {
  if (!(error instanceof errors.JOSEError) || notTheToken.includes(error.code)) {
    throw error;
  }
  console.log(JSON.stringify({ refused: error.code }));
}
