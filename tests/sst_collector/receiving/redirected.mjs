// Loaded before the original client: its request goes to ORIGINAL_CLIENT_COLLECTOR instead of the address it has built in.
// Nothing else of it is changed: what it sends, and how, is its own.
import http from "node:http";
import https from "node:https";

https.request = (endpoint, options, answered) => {
  console.log(JSON.stringify({ endpoint }));
  return http.request(process.env.ORIGINAL_CLIENT_COLLECTOR, options, (answer) => {
    console.log(JSON.stringify({ status: answer.statusCode }));
    answer.resume();
    answered(answer);
  });
};
