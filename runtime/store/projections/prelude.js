// What a projection's query finds in its context. The value of this script is a function
// that carries out requests, each a JSON text, and answers with one:
//   {"do": "describe", "emit": ..., "most": ..., "size": ...}
//       what the query asks for; it is told whether it may emit, and how many partitions,
//       of how many characters of state, are held between two requests
//   {"do": "divide", "events": [...]}
//       the partition of each event, and the partitions whose state is not held
//   {"do": "run", "events": [...], "partitions": [...], "states": {...}}
//       what the handlers make of the events
(function () {
  "use strict";

  const { parse, stringify } = JSON;
  const NOT_ALLOWED = "'emit' is not allowed by the projection/configuration/mode";

  const description = {
    all: false, streams: [], categories: [], events: [], every: true, byStream: false,
    shared: false, output: false, deletions: false, links: false,
    reorder: false, lag: 500, resultStream: "", resultPattern: "",
  };
  const handlers = new Map();
  const transforms = [];
  const slots = new Map();
  let folds = false;
  let init, initShared, onAny, onDeleted, onCreated, partitionBy;
  let mayEmit = false;
  let most = 0;
  let mostSize = 0;
  let size = 0;
  let emitted = [];
  let at = 0;

  // --- the query's own words -------------------------------------------------------------

  const FOLLOWING = {
    from: ["when", "partitionBy", "outputState"],
    fromMany: ["when", "partitionBy", "outputState", "foreachStream"],
    divided: ["when"],
    when: ["transformBy", "filterBy", "outputState", "outputTo", "$defines_state_transform"],
    outputState: ["transformBy", "filterBy", "outputTo"],
    transformed: ["transformBy", "filterBy", "outputState", "outputTo"],
    end: [],
  };

  function then(stage) {
    const next = {};
    for (const name of FOLLOWING[stage]) next[name] = CLAUSES[name];
    return next;
  }

  function need(sound, message) {
    if (!sound) throw new TypeError(message);
  }

  function texts(values, what) {
    const list = values.length === 1 && Array.isArray(values[0]) ? values[0] : values;
    need(list.length > 0 && list.every((each) => typeof each === "string"), `${what} expected`);
    return list;
  }

  function handle(name, handler) {
    if (typeof handler !== "function") return;
    if (name === "$init") init = handler;
    else if (name === "$initShared") { initShared = handler; description.shared = true; }
    else if (name === "$any") onAny = handler;
    else if (name === "$created") onCreated = handler;
    else if (name === "$deleted") { onDeleted = handler; description.deletions = true; }
    else handlers.set(name, handler);
  }

  function transform(kind, step) {
    need(typeof step === "function", `${kind} expects a function`);
    transforms.push([kind, step]);
    description.output = true;
    return then("transformed");
  }

  const CLAUSES = {
    when(found) {
      need(found !== null && typeof found === "object", "when expects an object of handlers");
      folds = true;
      for (const name of Object.keys(found)) handle(name, found[name]);
      return then("when");
    },
    partitionBy(choose) {
      need(typeof choose === "function", "partitionBy expects a function");
      partitionBy = choose;
      return then("divided");
    },
    foreachStream() {
      description.byStream = true;
      return then("divided");
    },
    outputState() {
      description.output = true;
      return then("outputState");
    },
    outputTo(stream, pattern) {
      need(typeof stream === "string", "outputTo expects the name of a stream");
      need(pattern === undefined || typeof pattern === "string", "outputTo expects a pattern");
      description.resultStream = stream;
      description.resultPattern = pattern === undefined ? "" : pattern;
      return then("end");
    },
    transformBy: (step) => transform("transformBy", step),
    filterBy: (step) => transform("filterBy", step),
    $defines_state_transform() {
      description.output = true;
    },
  };

  const OPTIONS = {
    $includelinks: ["links", "boolean"],
    reorderevents: ["reorder", "boolean"],
    processinglag: ["lag", "number"],
    resultstreamname: ["resultStream", "string"],
    bistate: ["shared", "boolean"],
  };

  const DEFINING = {
    options(found) {
      for (const name of Object.keys(found)) {
        const option = OPTIONS[name.toLowerCase()];
        need(option !== undefined, `Unrecognized option: ${name}`);
        need(typeof found[name] === option[1], `option ${name} expects a ${option[1]}`);
        description[option[0]] = found[name];
      }
    },
    fromAll() {
      description.all = true;
      return then("fromMany");
    },
    fromStream(stream) {
      description.streams.push(...texts([stream], "the name of a stream"));
      return then("from");
    },
    fromStreams(...streams) {
      description.streams.push(...texts(streams, "names of streams"));
      return then("from");
    },
    fromCategory(...categories) {
      const names = texts(categories, "the name of a category");
      if (names.length === 1) description.categories.push(names[0]);
      else description.streams.push(...names.map((name) => `$ce-${name}`));
      return then("fromMany");
    },
    fromCategories: (...categories) => DEFINING.fromCategory(...categories),
    on_event(name, handler) {
      need(typeof name === "string", "on_event expects the type of an event");
      need(typeof handler === "function", "on_event expects a function");
      folds = true;
      handle(name, handler);
    },
    on_any(handler) {
      need(typeof handler === "function", "on_any expects a function");
      folds = true;
      handle("$any", handler);
    },
  };

  // --- what handlers may call ------------------------------------------------------------

  function named(value, what) {
    need(typeof value === "string" && value.trim() !== "", `${what} must be a text`);
    need(!value.includes("\0"), `${what} must not hold a NUL`);
    return value;
  }

  function extras(metadata) {
    if (metadata === undefined) return "{}";
    need(metadata !== null && typeof metadata === "object", "metadata must be an object");
    return stringify(metadata);
  }

  function put(stream, type, data, json, metadata) {
    if (!mayEmit) throw new Error(NOT_ALLOWED);
    named(stream, "streamId");
    emitted.push({ at, stream, type, data, json, extra: extras(metadata) });
  }

  const ACTING = {
    log() {},
    copyTo() {},
    emit(stream, type, body, metadata) {
      need(body !== null && typeof body === "object", "eventBody must be an object");
      put(stream, named(type, "eventName"), stringify(body), true, metadata);
    },
    linkTo(stream, event, metadata) {
      need(event !== null && typeof event === "object", "event must be an object");
      const number = event.sequenceNumber;
      const source = event.streamId;
      const sound = typeof number === "number" && typeof source === "string";
      if (!sound) throw new Error(`Invalid link to event ${number}@${source}`);
      put(stream, "$>", `${number}@${source}`, false, metadata);
    },
    linkStreamTo(stream, linked, metadata) {
      put(stream, "$@", named(linked, "linkedStreamId"), false, metadata);
    },
  };

  // --- events and states -----------------------------------------------------------------

  function lazily(raw) {
    let value;
    let done = false;
    return function () {
      if (!done) {
        done = true;
        try {
          value = raw === null || raw === "" ? undefined : parse(raw);
        } catch {
          value = undefined;
        }
      }
      return value;
    };
  }

  function envelope(found, partition) {
    const body = lazily(found.json ? found.body : null);
    const metadata = lazily(found.metadata);
    const linkMetadata = lazily(found.linkMetadata);
    return {
      isJson: found.json,
      streamId: found.stream,
      sequenceNumber: found.number,
      eventType: found.type,
      eventId: found.id,
      category: found.category,
      created: found.created,
      partition,
      bodyRaw: found.body,
      metadataRaw: found.metadata,
      linkMetadataRaw: found.linkMetadata,
      get body() { return body(); },
      get data() { return body(); },
      get metadata() { return metadata(); },
      get linkMetadata() { return linkMetadata(); },
    };
  }

  function text(value) {
    const found = value === undefined ? undefined : stringify(value);
    return found === undefined ? "null" : found;
  }

  function restored(pair) {
    size += pair[0].length;
    return { value: parse(pair[0]), state: pair[0], result: pair[1] };
  }

  function slotOf(partition, event) {
    let slot = slots.get(partition);
    if (slot === undefined) {
      slot = { value: init === undefined ? {} : init(), state: "", result: null };
      slots.set(partition, slot);
      if (onCreated !== undefined && partition !== "") onCreated(slot.value, event);
    }
    return slot;
  }

  function sharedSlot() {
    let slot = slots.get("");
    if (slot === undefined) {
      slot = { value: initShared === undefined ? {} : initShared(), state: "", result: null };
      slots.set("", slot);
    }
    return slot;
  }

  function folded(state, event) {
    const handler = handlers.get(event.eventType) || onAny;
    if (handler === undefined) return folds ? state : event.body;
    const next = handler(state, event);
    return next === undefined ? state : next;
  }

  function resultOf(state) {
    let result = state;
    for (const [kind, step] of transforms) {
      if (result === null || result === undefined) return null;
      if (kind === "transformBy") result = step(result);
      else if (step(result) !== true) return null;
    }
    return result === undefined ? null : result;
  }

  function handled(slot, event, deleted) {
    if (deleted) {
      onDeleted(slot.value, null, event.partition, false);
      return slot.value;
    }
    if (event.bodyRaw.trim() === "") return slot.value;
    if (!description.shared) return folded(slot.value, event);
    const shared = sharedSlot();
    const both = folded([slot.value, shared.value], event);
    if (Array.isArray(both)) shared.value = both[1];
    return Array.isArray(both) ? both[0] : both;
  }

  function advance(found, partition, results) {
    const event = envelope(found, partition);
    const slot = slotOf(partition, event);
    slot.value = handled(slot, event, found.deleted);
    if (!description.output) return;
    const state = description.shared ? [slot.value, sharedSlot().value] : slot.value;
    const result = text(resultOf(state));
    if (result === (slot.result === null ? "null" : slot.result)) return;
    slot.result = result;
    results.push({ at, partition, result });
  }

  function partitionOf(found) {
    if (description.byStream) return found.partition;
    if (partitionBy === undefined) return "";
    const partition = partitionBy(envelope(found, ""));
    const known = typeof partition === "string" || typeof partition === "number";
    return known ? String(partition) : null;
  }

  function changed(touched) {
    const states = Object.create(null);
    for (const partition of touched) {
      const slot = slots.get(partition);
      const state = text(slot.value);
      if (state === slot.state) continue;
      size += state.length - slot.state.length;
      slot.state = state;
      states[partition] = [state, slot.result];
    }
    return states;
  }

  // --- requests --------------------------------------------------------------------------

  const REQUESTS = {
    describe(request) {
      for (const name of Object.keys(DEFINING)) delete globalThis[name];
      mayEmit = request.emit;
      most = request.most;
      mostSize = request.size;
      description.events = onAny === undefined ? [...handlers.keys()] : [];
      description.every = description.events.length === 0;
      return description;
    },
    divide(request) {
      const partitions = [];
      for (at = 0; at < request.events.length; at += 1) {
        partitions.push(partitionOf(request.events[at]));
      }
      const asked = new Set(partitions);
      asked.delete(null);
      if (description.shared) asked.add("");
      return { partitions, missing: [...asked].filter((each) => !slots.has(each)) };
    },
    run(request) {
      for (const name of Object.keys(request.states)) {
        slots.set(name, restored(request.states[name]));
      }
      emitted = [];
      const results = [];
      const touched = new Set();
      for (at = 0; at < request.events.length; at += 1) {
        const partition = request.partitions[at];
        if (partition === null) continue;
        touched.add(partition);
        if (description.shared) touched.add("");
        advance(request.events[at], partition, results);
      }
      for (const partition of touched) if (!slots.has(partition)) touched.delete(partition);
      const states = changed(touched);
      if (slots.size > most || size > mostSize) {
        slots.clear();
        size = 0;
      }
      return { emitted, results, states };
    },
  };

  function told(error) {
    try {
      return String(error);
    } catch {
      return "an error that cannot be shown";
    }
  }

  for (const name of ["WebAssembly", "SharedArrayBuffer", "Atomics", "setTimeout", "clearTimeout"]) {
    globalThis[name] = undefined;
  }
  Object.assign(globalThis, DEFINING, ACTING);

  return function (json) {
    const request = parse(json);
    at = -1;
    try {
      return stringify({ answer: REQUESTS[request.do](request) });
    } catch (error) {
      return stringify({ fault: told(error), at });
    }
  };
})()
