// Asks the provider in argv[2] for each line that it reads, and prints the fingerprint of its credentials.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import * as providers from "@aws-sdk/credential-providers";

const provider = providers[process.argv[2]]();
for await (const _ of createInterface({ input: process.stdin })) {
  const c = await provider({ forceRefresh: true }); // which those without a cache do anyway
  const digest = createHash("sha256").update([c.accessKeyId, c.secretAccessKey, c.sessionToken ?? ""].join("\n")).digest("hex");
  console.log(c.accessKeyId, digest);
}
