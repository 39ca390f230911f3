// What the scripts share. Each is run as: node SCRIPT FOLDER PACKAGE URI, where FOLDER holds
// node_modules. They print JSON, a line for each thing that was tried: [name, what came of it].

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [, , folder, name, uri] = process.argv;
const WAIT_MS = 20_000;

export const library = createRequire(`${folder}/package.json`)(name);
const Client = library.KurrentDBClient ?? library.EventStoreDBClient;

export const connect = (options = "") => Client.connectionString(uri + options);
export const client = connect();

/** The option that tells at what a stream is expected to stand; the packages name it differently. */
export const at = (expected) =>
  library.KurrentDBClient ? { streamState: expected } : { expectedRevision: expected };

/** Has `appendToStream` use the call Append in place of BatchAppend. */
export const alone = { credentials: { username: "admin", password: "changeit" } };

export const json = (type, data = {}, rest = {}) => library.jsonEvent({ type, data, ...rest });
export const several = (count, type = "Seen") =>
  Array.from({ length: count }, (_, number) => json(type, { number }));

const plain = (_, value) => {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Map) return Object.fromEntries(value);
  return value;
};

export const tell = (name, value = null) => console.log(JSON.stringify([name, value], plain));

/** What a call came to: its answer, or the fields of its error. */
export const outcome = async (promise) => {
  try {
    return (await promise) ?? null;
  } catch (error) {
    const { type, streamName, groupName, maxAppendSize, requiredMetadataProperties } = error;
    return {
      error: type ?? String(error),
      streamName,
      groupName,
      maxAppendSize,
      requiredMetadataProperties,
      expected: error.expectedState ?? error.expectedVersion,
      actual: error.actualState ?? error.actualVersion,
    };
  }
};

export const attempt = async (name, promise) => tell(name, await outcome(promise));

/** All that a read gives. */
export const all = async (events) => {
  const found = [];
  for await (const event of events) found.push(event);
  return found;
};

export const revisions = async (events) => (await all(events)).map((e) => e.event.revision);

/** The answer of `ask` once it is truthy; fails if that takes too long. */
export const until = async (ask) => {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited in vain for ${ask}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

/** Collects what a subscription tells: its events, and how often it caught up. */
export class Reader {
  constructor(subscription, taken = () => {}) {
    this.subscription = subscription;
    this.events = [];
    this.caughtUp = [];
    this.error = null;
    subscription.on("confirmation", () => (this.confirmed = true));
    subscription.on("caughtUp", () => this.caughtUp.push(this.events.length));
    subscription.on("error", (error) => (this.error = error.type ?? String(error)));
    subscription.on("data", (event) => {
      this.events.push(event);
      taken(event, this.events.length);
    });
  }

  has(count) {
    return until(() => this.error || this.events.length >= count);
  }

  live() {
    return until(() => this.error || this.caughtUp.length);
  }

  ended() {
    return until(() => this.error);
  }

  stop() {
    return this.subscription.unsubscribe();
  }
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Waits until the test has said something. */
export const told = async () => (await lines.next()).value;

/** Run `act`, and end the process. */
export const run = async (act) => {
  try {
    await act();
    tell("done");
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  }
  await client.dispose();
  process.exit();
};
