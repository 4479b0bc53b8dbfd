// Verify with the published package: standard input has secrets, headers and body as JSON; prints a verdict for each.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Webhook } = createRequire(`${process.cwd()}/`)("standardwebhooks");
const given = JSON.parse(readFileSync(0, "utf-8"));
const verdicts = given.secrets.map((secret) => {
  try {
    new Webhook(secret).verify(given.body, given.headers);
    return "valid";
  } catch (error) {
    return error.message;
  }
});
console.log(JSON.stringify(verdicts));
