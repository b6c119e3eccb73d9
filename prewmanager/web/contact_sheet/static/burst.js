// A burst of requests for one missing preview, sent by the local system, which reports each response as a line of JSON.

import { draw } from "./chart.js";
import { byId, duration, el, plural, source } from "./dom.js";

const COLUMNS = ["made", "joined", "found", "s3", "failed"];
const RARE_COLUMNS = ["companion", "fallback"]; // only if a response is of this kind
const KINDS = [...COLUMNS, ...RARE_COLUMNS];

export function offerBurst(facts) {
  const form = byId("burst-form");
  const [preset, count, button] = [form.elements.preset, form.elements.count, form.querySelector("button")];
  preset.append(...facts.presets.map(({ name }) => el("option", { textContent: name })));
  count.max = facts.burst.max;
  byId("burst").hidden = false;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    status(`${plural(count.valueAsNumber, "request")} in flight …`);
    try {
      show(await send(facts.burst.path, preset.value, count.value));
    } catch (error) {
      status(`The burst failed: ${error.message}`);
    }
    button.disabled = false;
  });
}

const status = (text) => (byId("burst-status").textContent = text);

async function send(address, preset, count) {
  // Pages of other sites cannot send this header.
  const response = await fetch(`${address}?${new URLSearchParams({ preset, count })}`, { headers: { "X-Burst": "1" } });
  if (!response.ok) throw new Error(await response.text());
  const answers = [];
  for await (const line of lines(response.body)) answers.push(JSON.parse(line));
  if (answers.length < Number(count)) throw new Error("the connection closed before the last response");
  return answers;
}

async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const parts = (rest + read.value).split("\n");
    rest = parts.pop();
    yield* parts;
  }
}

function show(answers) {
  const lanes = groupByReplica(answers);
  const kinds = lanes.flatMap(({ waits }) => waits.map(({ kind }) => kind));
  const counted = KINDS.map((kind) => [kinds.filter((each) => each === kind).length, kind]).filter(([count]) => count);
  const texts = counted.map(([count, kind]) => `${count} ${kind === "s3" ? "from S3" : kind}`);
  status(`${plural(answers.length, "response")}: ${texts.join(", ")}.`);
  draw(byId("burst-chart"), lanes);
  byId("burst-table").replaceChildren(table(lanes));
}

// One lane per replica: first the one that rendered the preview, last S3. In a lane the rendering request comes first, the
// others follow in the order in which they were sent.
function groupByReplica(answers) {
  const lanes = new Map();
  for (const { replica, source: xPreview, status: code, started_ms: started, ended_ms: ended } of answers) {
    const lane = lanes.get(replica) ?? { replica, waits: [] };
    lane.waits.push({ kind: source(code, xPreview).kind, started, ended });
    lanes.set(replica, lane);
  }
  const made = ({ kind }) => kind === "made";
  const rank = ({ replica, waits }) => (waits.some(made) ? 0 : replica ? 1 : 2);
  const order = (one, other) => made(other) - made(one) || one.started - other.started;
  for (const { waits } of lanes.values()) waits.sort(order);
  return [...lanes.values()].sort((one, other) => rank(one) - rank(other));
}

function table(lanes) {
  const rare = RARE_COLUMNS.filter((kind) => lanes.some(({ waits }) => waits.some((each) => each.kind === kind)));
  const kinds = [...COLUMNS, ...rare];
  const heads = ["replica", ...kinds.map((kind) => (kind === "s3" ? "S3" : kind)), "first response", "last response"];
  const head = heads.map((textContent, n) => el("th", { scope: "col", className: n ? "number" : "", textContent }));
  const rows = lanes.map(({ replica, waits }) => {
    const ends = waits.map(({ ended }) => ended);
    const count = (kind) => waits.filter((each) => each.kind === kind).length;
    const cells = [...kinds.map(count), duration(Math.min(...ends)), duration(Math.max(...ends))];
    return el(
      "tr",
      {},
      el("th", { scope: "row", textContent: replica || "S3 via nginx" }),
      ...cells.map((textContent) => el("td", { className: "number", textContent })),
    );
  });
  const scroll = el("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: "Responses by replica" });
  scroll.append(el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)));
  return scroll;
}
