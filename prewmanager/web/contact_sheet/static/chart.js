// Who waited for whom: a lane for each replica, a line for each who waited, and an arrow from the lane where the preview
// was made to those that waited for it.

import { duration, svg } from "./dom.js";

const LABEL_PX = 20;
const GAP_PX = 10;
const AXIS_PX = 22;
const LANE_PX = 110;
const STEPS_MS = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000];

export function draw(place, lanes) {
  const paint = () => place.replaceChildren(chart(lanes, Math.max(260, place.clientWidth)));
  place.resized?.disconnect();
  place.resized = new ResizeObserver(paint);
  place.resized.observe(place.parentElement);
  paint();
}

function chart(lanes, width) {
  const last = Math.max(...lanes.flatMap(({ waits }) => waits.map(({ ended }) => ended)));
  const x = (milliseconds) => 1 + ((width - 14) * milliseconds) / last;
  const height = lanes.length * (LABEL_PX + LANE_PX + GAP_PX) + AXIS_PX;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": inWords(lanes) });
  picture.append(...lanes.map((_, number) => ground(top(number), width)), ...axis(last, x, height));
  lanes.forEach((lane, number) => picture.append(...drawn(lane, top(number), x)));
  picture.append(...arrows(lanes, x));
  return picture;
}

const top = (number) => number * (LABEL_PX + LANE_PX + GAP_PX);

const lineStep = (waits) => Math.min(6, LANE_PX / waits.length);

function ground(y, width) {
  return svg("rect", { class: "lane", x: 0, y: y + LABEL_PX, width, height: LANE_PX, rx: 4 });
}

function drawn({ replica, waits }, y, x) {
  const title = replica ? `${replica}: ${describe(waits)}` : `S3, by nginx: ${waits.length}`;
  const step = lineStep(waits);
  const lines = waits.map(({ kind, began, ended }, number) => {
    const at = y + LABEL_PX + step * (number + 0.5);
    const thickness = kind === "made" ? 3 : Math.min(3, Math.max(0.5, step * 0.7));
    const ends = { x1: x(began), x2: x(Math.max(ended, began + 1)), y1: at, y2: at };
    return svg("line", { class: `wait ${kind}`, "stroke-width": thickness, ...ends });
  });
  return [svg("text", { x: 1, y: y + 14 }, title), ...lines.slice(1), ...lines.slice(0, 1)];
}

function describe(waits) {
  const count = (kind) => waits.filter((each) => each.kind === kind).length;
  const said = [count("made") && "made it", count("joined") && `${count("joined")} joined`];
  return [...said, count("found") && `${count("found")} found it`, count("failed") && `${count("failed")} failed`]
    .filter(Boolean)
    .join(", ");
}

function arrows(lanes, x) {
  const made = lanes[0].waits[0];
  if (made.kind !== "made") return [];
  return lanes.slice(1).flatMap(({ waits }, number) => {
    const joined = waits.filter(({ kind }) => kind === "joined").map(({ ended }) => ended);
    if (joined.length === 0) return [];
    const [right, to, tip] = [x(made.ended) + 4 * number, top(number + 1) + LABEL_PX, x(Math.min(...joined))];
    return [
      svg("path", { class: "for", d: `M ${x(made.ended)} ${LABEL_PX + 3} H ${right} V ${to - 6} H ${tip} V ${to}` }),
      svg("path", { class: "tip", d: `M ${tip - 4} ${to} h 8 l -4 7 z` }),
    ];
  });
}

function axis(last, x, height) {
  const step = STEPS_MS.find((each) => last / each <= 6) ?? last;
  const marks = Array.from({ length: Math.floor(last / step) + 1 }, (_, number) => number * step);
  return marks.flatMap((milliseconds) => [
    svg("line", { class: "grid", x1: x(milliseconds), x2: x(milliseconds), y1: 0, y2: height - AXIS_PX + 4 }),
    svg("text", { class: "soft", x: Math.max(1, x(milliseconds) - 12), y: height - 4 }, duration(milliseconds)),
  ]);
}

function inWords(lanes) {
  const said = lanes.map(({ replica, waits }) => `${replica ? `replica ${replica}` : "S3"}: ${describe(waits) || waits.length}`);
  return `Who waited for whom. ${said.join("; ")}. The table below has the times.`;
}
