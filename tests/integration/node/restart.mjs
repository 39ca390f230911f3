// A server that is stopped and started again under a client that goes on.

import { Reader, at, client, json, library, outcome, revisions, run, tell, told, until } from "./client.mjs";

const { NO_STREAM } = library;

run(async () => {
  const events = Array.from({ length: 20 }, (_, number) => json("Seen", { number }));
  const first = await client.appendToStream("s-1", events.slice(0, 10), at(NO_STREAM));
  tell("first", first);
  const reader = new Reader(client.subscribeToStream("s-1"));
  await reader.has(10);
  await reader.live();
  tell("up");
  await told();
  tell("dropped", await reader.ended());
  const more = () => client.appendToStream("s-1", events.slice(10), at(9n));
  tell("down", (await outcome(more())).error);
  tell("is down");
  await told();
  const second = await until(async () => {
    const answer = await outcome(more());
    return answer.success && answer;
  });
  tell("second", second);
  tell("again", await more());
  const from = reader.events.at(-1).event.revision;
  const resumed = new Reader(client.subscribeToStream("s-1", { fromRevision: from }));
  await resumed.has(10);
  tell("resumed", resumed.events.map(({ event }) => event.revision));
  tell("read", await revisions(client.readStream("s-1")));
});
