// Many who want one missing preview, fired by the local system; what each of them got arrives line by line.

import { draw } from "./chart.js";
import { byId, duration, el, plural, source } from "./dom.js";

const ALWAYS = ["made", "joined", "found", "s3", "failed"]; // columns of the table, and in this order
const SELDOM = ["sibling", "nearest"]; // where there were any

export function offerHerd(facts) {
  const form = byId("herd-form");
  const [preset, count, button] = [form.elements.preset, form.elements.count, form.querySelector("button")];
  preset.append(...facts.presets.map(({ name }) => el("option", { textContent: name })));
  count.max = facts.herd.most;
  byId("herd").hidden = false;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    byId("herd-said").textContent = `${plural(count.valueAsNumber, "request")} under way …`;
    try {
      show(await fire(facts.herd.path, preset.value, count.value));
    } catch (error) {
      byId("herd-said").textContent = `That did not work: ${error.message}`;
    }
    button.disabled = false;
  });
}

async function fire(address, preset, count) {
  // The header makes it a request that no other site's page can send.
  const response = await fetch(`${address}?${new URLSearchParams({ preset, count })}`, { headers: { "X-Herd": "1" } });
  if (!response.ok) throw new Error(await response.text());
  const answers = [];
  for await (const line of lines(response.body)) answers.push(JSON.parse(line));
  if (answers.length < Number(count)) throw new Error("the local system broke off");
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
  const lanes = inLanes(answers);
  const all = answers.map((each) => source(each.status, each.source).kind);
  const said = [...ALWAYS, ...SELDOM].map((kind) => [all.filter((each) => each === kind).length, kind]);
  const counts = said.filter(([count]) => count).map(([count, kind]) => `${count} ${kind === "s3" ? "from S3" : kind}`);
  byId("herd-said").textContent = `${plural(answers.length, "answer")}: ${counts.join(", ")}.`;
  draw(byId("herd-chart"), lanes);
  byId("herd-table").replaceChildren(table(lanes));
}

// By the replica that answered, the one that made the preview first, S3 last; within each the one that made it, then by the time of asking.
function inLanes(answers) {
  const lanes = new Map();
  for (const { replica, source: said, status, began, ended } of answers) {
    const lane = lanes.get(replica) ?? { replica, waits: [] };
    lane.waits.push({ kind: source(status, said).kind, began, ended });
    lanes.set(replica, lane);
  }
  const rank = (lane) => (lane.waits.some(({ kind }) => kind === "made") ? 0 : lane.replica ? 1 : 2);
  const sorted = [...lanes.values()].sort((one, other) => rank(one) - rank(other));
  const made = ({ kind }) => kind === "made";
  for (const { waits } of sorted) waits.sort((one, other) => made(other) - made(one) || one.began - other.began);
  return sorted;
}

function table(lanes) {
  const seldom = SELDOM.filter((kind) => lanes.some(({ waits }) => waits.some((each) => each.kind === kind)));
  const kinds = [...ALWAYS, ...seldom];
  const heads = ["replica", ...kinds.map((kind) => (kind === "s3" ? "S3" : kind)), "first answer", "last answer"];
  const head = heads.map((textContent, n) => el("th", { scope: "col", className: n ? "number" : "", textContent }));
  const rows = lanes.map(({ replica, waits }) => {
    const ends = waits.map(({ ended }) => ended);
    const count = (kind) => waits.filter((each) => each.kind === kind).length;
    const cells = [...kinds.map(count), duration(Math.min(...ends)), duration(Math.max(...ends))];
    return el(
      "tr",
      {},
      el("th", { scope: "row", textContent: replica || "S3, by nginx" }),
      ...cells.map((textContent) => el("td", { className: "number", textContent })),
    );
  });
  const scroll = el("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: "Answers by replica" });
  scroll.append(el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)));
  return scroll;
}
