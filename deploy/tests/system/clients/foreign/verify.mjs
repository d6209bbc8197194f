// Tokens as a Node service verifies them: the question on stdin, as JSON; on stdout an
// array with the claims of each, or null where it is refused. What is no fault of a
// token ends the process with an error.
import { text } from "node:stream/consumers";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const { jwks_uri: jwksUri, issuer, audience, tokens } = JSON.parse(await text(process.stdin));
const options = { algorithms: ["RS256"], typ: "at+jwt", issuer, audience };
const notTheToken = ["ERR_JOSE_GENERIC", "ERR_JWKS_TIMEOUT", "ERR_JWKS_INVALID"];
const keySet = createRemoteJWKSet(new URL(jwksUri));

async function claimsOf(token) {
  try {
    return (await jwtVerify(token, keySet, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JOSEError) || notTheToken.includes(error.code)) {
      throw error;
    }
    return null;
  }
}

const answers = [];
for (const token of tokens) answers.push(await claimsOf(token));
console.log(JSON.stringify(answers));
