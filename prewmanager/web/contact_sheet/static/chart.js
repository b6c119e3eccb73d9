// A burst over time: a lane for each replica, a line for each request, and an arrow from the lane where the preview was
// rendered to each lane whose requests joined.

import { duration, svg } from "./dom.js";

const LABEL_PX = 20;
const GAP_PX = 10;
const AXIS_PX = 22;
const LANE_PX = 110;
const STEPS_MS = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000];

export function draw(parent, lanes) {
  const paint = () => parent.replaceChildren(chart(lanes, Math.max(260, parent.clientWidth)));
  parent.resized?.disconnect();
  parent.resized = new ResizeObserver(paint);
  parent.resized.observe(parent.parentElement);
  paint();
}

function chart(lanes, width) {
  const last = Math.max(...lanes.flatMap(({ waits }) => waits.map(({ ended }) => ended)));
  const x = (milliseconds) => 1 + ((width - 14) * milliseconds) / last;
  const height = lanes.length * (LABEL_PX + LANE_PX + GAP_PX) + AXIS_PX;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": describe(lanes) });
  picture.append(...lanes.map((_, number) => background(top(number), width)), ...axis(last, x, height));
  lanes.forEach((lane, number) => picture.append(...drawLane(lane, top(number), x)));
  picture.append(...arrows(lanes, x));
  return picture;
}

const top = (number) => number * (LABEL_PX + LANE_PX + GAP_PX);

const lineStep = (waits) => Math.min(6, LANE_PX / waits.length);

function background(y, width) {
  return svg("rect", { class: "lane", x: 0, y: y + LABEL_PX, width, height: LANE_PX, rx: 4 });
}

function drawLane(lane, y, x) {
  const { waits } = lane;
  const step = lineStep(waits);
  const lines = waits.map(({ kind, started, ended }, number) => {
    const at = y + LABEL_PX + step * (number + 0.5);
    const thickness = kind === "made" ? 3 : Math.min(3, Math.max(0.5, step * 0.7));
    const ends = { x1: x(started), x2: x(Math.max(ended, started + 1)), y1: at, y2: at };
    return svg("line", { class: `wait ${kind}`, "stroke-width": thickness, ...ends });
  });
  return [svg("text", { x: 1, y: y + 14 }, title(lane)), ...lines.slice(1), ...lines.slice(0, 1)];
}

function title({ replica, waits }) {
  if (!replica) return `S3 via nginx: ${waits.length}`;
  const count = (kind) => waits.filter((each) => each.kind === kind).length;
  const kinds = ["made", "joined", "found", "failed"].filter(count);
  return `${replica}: ${kinds.map((kind) => `${count(kind)} ${kind}`).join(", ")}`;
}

function arrows(lanes, x) {
  const made = lanes[0].waits[0];
  if (made.kind !== "made") return [];
  return lanes.slice(1).flatMap(({ waits }, number) => {
    const joined = waits.filter(({ kind }) => kind === "joined").map(({ ended }) => ended);
    if (joined.length === 0) return [];
    const [bend, to, tip] = [x(made.ended) + 4 * number, top(number + 1) + LABEL_PX, x(Math.min(...joined))];
    return [
      svg("path", { class: "arrow", d: `M ${x(made.ended)} ${LABEL_PX + 3} H ${bend} V ${to - 6} H ${tip} V ${to}` }),
      svg("path", { class: "tip", d: `M ${tip - 4} ${to} h 8 l -4 7 z` }),
    ];
  });
}

function axis(last, x, height) {
  const step = STEPS_MS.find((each) => last / each <= 6) ?? last;
  const ticks = Array.from({ length: Math.floor(last / step) + 1 }, (_, number) => number * step);
  return ticks.flatMap((milliseconds) => [
    svg("line", { class: "grid", x1: x(milliseconds), x2: x(milliseconds), y1: 0, y2: height - AXIS_PX + 4 }),
    svg("text", { class: "soft", x: Math.max(1, x(milliseconds) - 12), y: height - 4 }, duration(milliseconds)),
  ]);
}

function describe(lanes) {
  const titles = lanes.map(title);
  return `Requests over time. ${titles.join("; ")}. The table below lists the times.`;
}
