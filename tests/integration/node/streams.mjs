// Appends, deletions and metadata.

import { all, alone, at, attempt, client, connect, json, library, outcome, revisions, run, several, tell } from "./client.mjs";

const { ANY, NO_STREAM, STREAM_EXISTS, binaryEvent } = library;

const appends = async () => {
  const text = json("Text", { a: [1, "ü"] }, { metadata: { $correlationId: "x" } });
  const raw = binaryEvent({ type: "Raw", data: Buffer.from([0, 255]), metadata: Buffer.from([1, 2]) });
  await attempt("first", client.appendToStream("s-1", [text, raw], at(NO_STREAM)));
  await attempt("first again", client.appendToStream("s-1", [text, raw], at(NO_STREAM)));
  const found = await all(client.readStream("s-1"));
  tell("same ids", found.map(({ event }, i) => event.id === [text, raw][i].id));
  tell(
    "read",
    found.map(({ event }) => ({
      ...event,
      id: null,
      created: Math.abs(new Date(event.created) - Date.now()) < 3_600_000,
      data: event.isJson ? event.data : [...event.data],
      metadata: event.isJson ? event.metadata : [...event.metadata],
    })),
  );
};

const expectations = async (how, options) => {
  const stream = `e-${how}`;
  const append = (expected, events = several(1), to = stream) =>
    client.appendToStream(to, events, { ...at(expected), ...options });
  await attempt(`${how} exists on none`, append(STREAM_EXISTS));
  await attempt(`${how} 3 on none`, append(3n));
  await attempt(`${how} any`, append(ANY, several(2)));
  await attempt(`${how} no stream on 1`, append(NO_STREAM));
  await attempt(`${how} 0 on 1`, append(0n));
  await attempt(`${how} 5 on 1`, append(5n));
  await attempt(`${how} 1 on 1`, append(1n));
  await attempt(`${how} exists`, append(STREAM_EXISTS));
  await attempt(`${how} nothing`, append(ANY, [], `n-${how}`));
  await attempt(`${how} no type`, append(ANY, json("")));
  const blob = "x".repeat(60_000);
  await attempt(`${how} large`, append(ANY, [json("Large", blob)]));
  const parts = { batchAppendSize: 70_000 };
  const events = Array.from({ length: 6 }, () => json("Large", blob));
  const large = client.appendToStream(stream, events, { ...options, ...parts });
  await attempt(`${how} too large`, large);
  tell(`${how} stored`, await revisions(client.readStream(stream)));
};

const quietFailures = async () => {
  const quiet = connect("&throwOnAppendFailure=false");
  await attempt("quiet", quiet.appendToStream("s-1", several(1), at(NO_STREAM)));
  await quiet.dispose();
};

const inParts = async () => {
  const events = several(300);
  const one = client.appendToStream("p-1", events, { batchAppendSize: 1_000 });
  const others = [2, 3, 4].map((n) => client.appendToStream(`p-${n}`, several(n)));
  await attempt("in parts", Promise.all([one, ...others]));
  const found = await all(client.readStream("p-1"));
  tell("in order", found.every(({ event }, i) => event.id === events[i].id));
};

const deletions = async () => {
  await client.appendToStream("d-1", several(3));
  await attempt("delete at 1", client.deleteStream("d-1", { expectedRevision: 1n }));
  tell("deleted", !!(await client.deleteStream("d-1", { expectedRevision: 2n })).position);
  await attempt("read deleted", all(client.readStream("d-1")));
  await attempt("exists on deleted", client.appendToStream("d-1", several(1), at(STREAM_EXISTS)));
  await client.appendToStream("d-1", several(1), at(NO_STREAM));
  tell("revived", await revisions(client.readStream("d-1")));
  await attempt("delete none", client.deleteStream("d-none"));
  await attempt("tombstone at 7", client.tombstoneStream("d-1", { expectedRevision: 7n }));
  tell("tombstoned", !!(await client.tombstoneStream("d-1")).position);
  await attempt("read tombstoned", all(client.readStream("d-1")));
  await attempt("append tombstoned", client.appendToStream("d-1", several(1)));
  await attempt("append tombstoned alone", client.appendToStream("d-1", several(1), alone));
  await attempt("delete tombstoned", client.deleteStream("d-1"));
  await attempt("tombstone tombstoned", client.tombstoneStream("d-1"));
};

const metadata = async () => {
  await client.appendToStream("m-1", several(5));
  const { metadata: none } = await client.getStreamMetadata("m-1");
  tell("no metadata", none ?? null);
  const given = { maxCount: 2, acl: { readRoles: ["$all"] }, owner: "desk" };
  await attempt("set metadata", client.setStreamMetadata("m-1", given, at(NO_STREAM)));
  tell("metadata", (await client.getStreamMetadata("m-1")).metadata);
  tell("limited", await revisions(client.readStream("m-1")));
  await attempt("set metadata again", client.setStreamMetadata("m-1", {}, at(NO_STREAM)));
};

run(async () => {
  await appends();
  await expectations("batch", {});
  await expectations("alone", alone);
  await quietFailures();
  await inParts();
  await deletions();
  await metadata();
  tell("after all", !!(await outcome(client.appendToStream("s-1", several(1)))).success);
});
