// Sends one envelope as @serverless-stack/core 1.18.4 does: the same request made with the same module of Node, so the
// same bytes on the wire. Chunked, since `write` comes before the length is known; no User-Agent, since Node adds none.
import http from "node:http";
import https from "node:https";

const [endpoint, envelope] = process.argv.slice(2);
const { request } = endpoint.startsWith("https:") ? https : http;

const sent = request(
  endpoint,
  { method: "POST", headers: { "content-type": "application/json" }, timeout: 5000 },
  (answer) => {
    let body = "";
    answer.on("data", (piece) => (body += piece));
    answer.on("end", () => console.log(JSON.stringify({ status: answer.statusCode, body })));
  },
);
sent.on("error", (error) => console.log(JSON.stringify({ status: 0, body: String(error) })));
sent.write(envelope);
sent.end();
