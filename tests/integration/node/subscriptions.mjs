// Catch-up subscriptions.

import { Reader, client, connect, library, run, several, tell } from "./client.mjs";

const { END, START, eventTypeFilter, excludeSystemEvents, streamNameFilter } = library;
const numbers = (reader) => reader.events.map(({ event }) => event.revision);

const ofStream = async () => {
  await client.appendToStream("s-1", several(300));
  const whole = new Reader(client.subscribeToStream("s-1"));
  const behind = new Reader(client.subscribeToStream("s-1", { fromRevision: 297n }));
  const fresh = new Reader(client.subscribeToStream("s-1", { fromRevision: END }));
  const early = new Reader(client.subscribeToStream("later-1"));
  const readers = [whole, behind, fresh, early];
  for (const reader of readers) await reader.live();
  tell("caught up", readers.map((reader) => reader.caughtUp));
  await client.appendToStream("s-1", several(2));
  await client.appendToStream("later-1", several(1));
  await whole.has(302);
  await behind.has(4);
  await fresh.has(2);
  await early.has(1);
  tell("whole", numbers(whole));
  tell("behind", numbers(behind));
  tell("fresh", numbers(fresh));
  tell("early", numbers(early));
  for (const reader of readers.slice(1)) await reader.stop();
  await client.tombstoneStream("s-1");
  tell("tombstoned", await whole.ended());
  tell("errors", readers.slice(1).map((reader) => reader.error));
};

const ofLog = async () => {
  const log = new Reader(client.subscribeToAll({ fromPosition: START }));
  await log.live();
  await client.appendToStream("s-2", several(5, "Other"));
  await log.has(log.caughtUp[0] + 5);
  const places = log.events.map(({ event }) => Number(event.position.commit));
  tell("log grows", places.every((place, i) => i === 0 || place > places[i - 1]));
  tell("log live", log.events.slice(-5).map(({ event }) => [event.streamId, event.revision]));
  const from = log.events.at(-3).event.position;
  const resumed = new Reader(client.subscribeToAll({ fromPosition: from }));
  await resumed.has(2);
  tell("resumed", numbers(resumed));
  const end = new Reader(client.subscribeToAll({ fromPosition: END }));
  await end.live();
  await client.appendToStream("s-3", several(1));
  await end.has(1);
  tell("from the end", end.events.map(({ event }) => event.streamId));
  for (const reader of [log, resumed, end]) await reader.stop();
};

const filtered = async () => {
  await client.appendToStream("a-1", several(200, "One"));
  await client.appendToStream("b-1", several(3, "Two"));
  const kinds = async (name, filter, count) => {
    const places = [];
    const checkpointReached = async (_, { commit }) => void places.push(Number(commit));
    const reader = new Reader(client.subscribeToAll({ filter: filter({ checkpointReached }) }));
    await reader.live();
    await reader.has(count);
    tell(name, [...new Set(reader.events.map(({ event }) => `${event.streamId} ${event.type}`))]);
    await reader.stop();
    return places;
  };
  const window = { maxSearchWindow: 10, checkpointInterval: 2 };
  const with_ = (make, given) => (more) => make({ ...given, ...more });
  const places = await kinds("type regex", with_(eventTypeFilter, { regex: "^T", ...window }), 3);
  tell("checkpoints", places);
  await kinds("type prefixes", with_(eventTypeFilter, { prefixes: ["Tw", "Oth"] }), 8);
  await kinds("stream regex", with_(streamNameFilter, { regex: "^(a|b)-\\d+$" }), 203);
  await kinds("stream prefixes", with_(streamNameFilter, { prefixes: ["b-"] }), 3);
  await kinds("no system events", excludeSystemEvents, 208);
};

/** A subscription of a client that asks twenty times a second whether its server is there. */
const idle = async () => {
  const asking = connect("&keepAliveInterval=50");
  const reader = new Reader(asking.subscribeToStream("idle-1"));
  await reader.live();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await client.appendToStream("idle-1", several(1));
  await reader.has(1);
  tell("idle", { events: reader.events.length, error: reader.error });
  await reader.stop();
  await asking.dispose();
};

run(async () => {
  await idle();
  await ofStream();
  await ofLog();
  await filtered();
});
