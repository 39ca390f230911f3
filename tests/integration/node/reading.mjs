// Reads of streams and of the log.

import { all, attempt, client, json, library, revisions, run, several, tell } from "./client.mjs";

const { BACKWARDS, END } = library;
const back = { direction: BACKWARDS };

const ofStream = async () => {
  await client.appendToStream("s-1", several(600));
  const read = async (name, options) =>
    tell(name, await revisions(client.readStream("s-1", options)));
  await read("forwards");
  await read("backwards", { ...back, fromRevision: END });
  await read("from 595", { fromRevision: 595n });
  await read("back from 2", { ...back, fromRevision: 2n });
  await read("two", { maxCount: 2 });
  await read("last two", { ...back, fromRevision: END, maxCount: 2 });
  await read("past the end", { fromRevision: 600n });
  await attempt("none", all(client.readStream("none-1")));
};

const ofLog = async () => {
  await client.appendToStream("s-2", several(3, "Other"));
  const places = async (options) => {
    const found = await all(client.readAll(options));
    return found.map(({ event }) => Number(event.position.commit));
  };
  const log = await places();
  tell("log", log);
  tell("log backwards", await places({ ...back, fromPosition: END }));
  const whole = await all(client.readAll());
  const { position } = whole[7].event;
  tell("log from 8th", await places({ fromPosition: position, maxCount: 2 }));
  tell("log back from 8th", await places({ ...back, fromPosition: position, maxCount: 2 }));
  tell("last of the log", await places({ ...back, fromPosition: END, maxCount: 1 }));
};

/** The log, filtered; the older package cannot ask for that. */
const filtered = async () => {
  if (!library.KurrentDBClient) return tell("filtered");
  const kinds = async (filter) => {
    const found = await all(client.readAll({ filter }));
    return [...new Set(found.map(({ event }) => `${event.streamId} ${event.type}`))];
  };
  const types = await kinds(library.eventTypeFilter({ regex: "^Oth" }));
  const streams = await kinds(library.streamNameFilter({ prefixes: ["s-1", "t-"] }));
  tell("filtered", [types, streams]);
};

const links = async () => {
  const link = (data) =>
    library.binaryEvent({ type: "$>", data: Buffer.from(data) });
  await client.appendToStream("l-1", [link("1@s-2"), link("9@s-2"), link("0@gone"), json("Own")]);
  const seen = (found) =>
    found.map(({ event, link }) => [
      event ? [event.streamId, event.revision] : null,
      link ? [link.streamId, link.revision] : null,
    ]);
  tell("links", seen(await all(client.readStream("l-1", { resolveLinkTos: true }))));
  tell("unresolved", seen(await all(client.readStream("l-1"))));
  const log = await all(client.readAll({ ...back, fromPosition: END, resolveLinkTos: true, maxCount: 4 }));
  tell("links of the log", seen(log));
};

const large = async () => {
  const blob = "x".repeat(90_000);
  for (let number = 0; number < 30; number++) await client.appendToStream("b-1", [json("Big", { number, blob })]);
  const found = await all(client.readStream("b-1"));
  tell("large", found.every(({ event }, i) => event.data.number === i && event.data.blob === blob) && found.length);
};

const brokenOff = async () => {
  for await (const { event } of client.readStream("s-1")) if (event.revision === 3n) break;
  tell("after a break", (await revisions(client.readStream("s-1", { maxCount: 1 }))));
};

run(async () => {
  await ofStream();
  await ofLog();
  await filtered();
  await links();
  await large();
  await brokenOff();
});
