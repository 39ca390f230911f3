// Projections.

import { attempt, client, json, outcome, run, tell, until } from "./client.mjs";

const count = (step) => `
fromStream("p-1").when({
  $init() { return { total: 0 }; },
  Added(state, event) { state.total += event.data.amount * ${step}; }
}).outputState();
`;
const name = "totals";
const status = async () => (await client.getProjectionStatus(name)).projectionStatus;
const total = async () => (await outcome(client.getProjectionState(name)))?.total;
const added = (amount) => client.appendToStream("p-1", json("Added", { amount }));

run(async () => {
  await added(2);
  await attempt("create", client.createProjection(name, count(1)));
  tell("first", await until(async () => (await total()) === 2));
  await added(3);
  tell("second", await until(async () => (await total()) === 5));
  tell("result", await client.getProjectionResult(name));
  tell("status", await status());
  tell("listed", (await client.listProjections()).map((each) => each.name).includes(name));
  await attempt("create again", client.createProjection(name, count(1)));
  await attempt("disable", client.disableProjection(name));
  tell("disabled", await until(async () => (await status()) === "Stopped"));
  await attempt("update", client.updateProjection(name, count(10)));
  await attempt("reset", client.resetProjection(name));
  await attempt("enable", client.enableProjection(name));
  tell("third", await until(async () => (await total()) === 50));
  await attempt("none", client.getProjectionState("none"));
  await client.disableProjection(name);
  await until(async () => (await status()) === "Stopped");
  await attempt("delete", client.deleteProjection(name));
  tell("gone", await until(async () => (await outcome(client.getProjectionStatus(name)))?.error));
});
