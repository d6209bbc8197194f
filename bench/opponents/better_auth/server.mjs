// better-auth on Node's own server, as in its documentation, in two processes. The
// differences: no rate limit (it would refuse the bench), and no telemetry.
import cluster from "node:cluster";
import http from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import pg from "pg";

const port = Number(process.env.PORT);
const options = {
    baseURL: `http://127.0.0.1:${port}`,
    secret: process.env.BETTER_AUTH_SECRET,
    database: new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 9 }),
    emailAndPassword: { enabled: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
};

if (cluster.isPrimary) {
    const { runMigrations } = await getMigrations(options);
    await runMigrations();
    await options.database.end();
    for (let worker = 0; worker < 2; worker += 1) cluster.fork();
} else {
    const handler = toNodeHandler(betterAuth(options));
    http.createServer(handler).listen(port, "127.0.0.1");
}
