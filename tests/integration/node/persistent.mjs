// Persistent subscriptions.

import { Reader, attempt, client, json, library, run, several, tell, until } from "./client.mjs";

const {
  PARK,
  RETRY,
  SKIP,
  START,
  persistentSubscriptionToAllSettingsFromDefaults: toAll,
  persistentSubscriptionToStreamSettingsFromDefaults: toStream,
  eventTypeFilter,
} = library;
const group = ["s-1", "group"];
const revision = ({ event }) => Number(event.revision);

const management = async () => {
  const settings = toStream({ startFrom: START, checkPointLowerBound: 1, maxRetryCount: 2 });
  await attempt("create", client.createPersistentSubscriptionToStream(...group, settings));
  await attempt("create again", client.createPersistentSubscriptionToStream(...group, settings));
  const other = ["s-2", "other"];
  await client.createPersistentSubscriptionToStream(...other, toStream());
  await client.createPersistentSubscriptionToAll("all", toAll({ startFrom: START }));
  const source = ({ eventSource, groupName }) => `${eventSource} ${groupName}`;
  tell("all groups", (await client.listAllPersistentSubscriptions()).map(source).sort());
  tell("of stream", (await client.listPersistentSubscriptionsToStream("s-1")).map(source));
  tell("of all", (await client.listPersistentSubscriptionsToAll()).map(source));
  const { settings: found } = await client.getPersistentSubscriptionToStreamInfo(...group);
  tell("settings", { startFrom: found.startFrom, maxRetryCount: found.maxRetryCount });
  const updated = toStream({ startFrom: START, checkPointLowerBound: 1, maxRetryCount: 3 });
  await attempt("update", client.updatePersistentSubscriptionToStream(...group, updated));
  const { settings: now } = await client.getPersistentSubscriptionToStreamInfo(...group);
  tell("updated", now.maxRetryCount);
  await attempt("delete", client.deletePersistentSubscriptionToStream(...other));
  await attempt("delete again", client.deletePersistentSubscriptionToStream(...other));
  await attempt("info of none", client.getPersistentSubscriptionToStreamInfo(...other));
};

const consuming = async () => {
  await client.appendToStream("s-1", several(20));
  const seen = [];
  const subscription = client.subscribeToPersistentSubscriptionToStream(...group);
  const reader = new Reader(subscription, (found) => {
    const number = revision(found);
    const first = !seen.includes(number);
    seen.push(number);
    if (number === 3) return subscription.nack(PARK, "no good", found);
    if (number === 5 && first) return subscription.nack(RETRY, "again", found);
    if (number === 7) return subscription.nack(SKIP, "not mine", found);
    return subscription.ack(found);
  });
  await reader.has(21);
  tell("delivered", [...seen].sort((a, b) => a - b));
  const stats = async () => (await client.getPersistentSubscriptionToStreamInfo(...group)).stats;
  await until(async () => Number((await stats()).parkedMessageCount) === 1);
  tell("in flight", await until(async () => (await stats()).totalInFlightMessages === 0));
  const info = await client.getPersistentSubscriptionToStreamInfo(...group);
  tell("connections", info.connections.length);
  await client.replayParkedMessagesToStream(...group);
  await reader.has(22);
  tell("replayed", seen.at(-1));
  await reader.stop();
  tell("error", reader.error);
};

const ofLog = async () => {
  const filter = eventTypeFilter({ prefixes: ["Rare"] });
  await client.createPersistentSubscriptionToAll("rare", toAll({ startFrom: START }), { filter });
  await client.appendToStream("s-3", [json("Rare", { n: 1 }), json("Other"), json("Rare", { n: 2 })]);
  const subscription = client.subscribeToPersistentSubscriptionToAll("rare");
  const reader = new Reader(subscription, (found) => subscription.ack(found));
  await reader.has(2);
  tell("rare", reader.events.map(({ event }) => event.data.n));
  await client.deletePersistentSubscriptionToAll("rare");
  tell("dropped", await reader.ended());
};

const missing = async () => {
  const reader = new Reader(client.subscribeToPersistentSubscriptionToStream("s-1", "none"));
  tell("no such group", await reader.ended());
};

run(async () => {
  await management();
  await consuming();
  await ofLog();
  await missing();
});
