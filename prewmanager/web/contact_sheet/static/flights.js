// Live flights: the reports of all replicas, merged by preview.

import { badge, byId, duration, el, plural } from "./dom.js";

const MAX_COMPLETED = 40;
const GONE_AFTER_MS = 12_000; // an idle replica reports every five seconds

export function watchFlights(facts) {
  const view = new View();
  const toggle = byId("flights-toggle");
  let stream = null;
  let wanted = true;

  function start() {
    stream = new EventSource(new URL("flights", import.meta.url));
    stream.onmessage = (event) => view.receive(JSON.parse(event.data));
    stream.addEventListener("lost", (event) => view.omit(Number(event.data)));
    stream.onopen = () => note(facts.shared ? "" : "Without Redis, only the flights of the replica that served this page.");
    stream.onerror = () => (stream?.readyState === EventSource.CLOSED ? refused() : note("Reconnecting …"));
    toggle.textContent = "Pause";
  }

  function stop() {
    stream.close();
    stream = null;
    toggle.textContent = "Resume";
    note("Paused.");
  }

  function refused() {
    wanted = false;
    stop();
    note("Connection refused: too many viewers?");
  }

  // A hidden page must not hold one of the browser's six connections.
  function update() {
    const needed = wanted && !document.hidden;
    if (needed && !stream) start();
    if (!needed && stream) stop();
  }

  toggle.addEventListener("click", () => {
    wanted = !stream;
    update();
  });
  document.addEventListener("visibilitychange", update);
  update();
}

const note = (text) => (byId("flights-note").textContent = text);

class View {
  constructor() {
    this.replicas = new Map();
    this.drawing = false;
    setInterval(() => this.#draw(), GONE_AFTER_MS / 4);
  }

  receive(report) {
    this.replicas.set(report.replica, { ...report, received: performance.now() });
    this.#prepend(...report.completed.map((flight) => completedRow(flight, report.replica)).reverse());
    if (report.omitted) this.omit(report.omitted);
    this.#draw();
  }

  omit(count) {
    this.#prepend(el("li", { className: "detail", textContent: `… ${plural(count, "entry", "entries")} omitted` }));
  }

  #prepend(...rows) {
    const list = byId("completed");
    list.prepend(...rows);
    while (list.children.length > MAX_COMPLETED) list.lastChild.remove();
  }

  #draw() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      const expired = performance.now() - GONE_AFTER_MS;
      for (const [id, { received }] of this.replicas) if (received < expired) this.replicas.delete(id);
      const reports = [...this.replicas.values()].sort((one, other) => one.name.localeCompare(other.name));
      byId("replicas").replaceChildren(...reports.map(replicaItem));
      byId("in-flight").replaceChildren(...inFlightRows(reports));
    });
  }
}

function replicaItem({ replica, name, in_flight: flights, waiting }) {
  const text = ` ${plural(flights, "flight")}, ${waiting} waiting`;
  return el("li", { title: name }, el("code", { textContent: replica }), text);
}

function inFlightRows(reports) {
  const flights = new Map();
  for (const { replica, flights: reported } of reports) {
    for (const { preview, waiting, seconds } of reported) {
      const flight = flights.get(preview) ?? { preview, waiting: 0, seconds: 0, replicas: [] };
      flight.waiting += waiting;
      flight.seconds = Math.max(flight.seconds, seconds);
      flight.replicas.push(`${waiting} on ${replica}`);
      flights.set(preview, flight);
    }
  }
  const sorted = [...flights.values()].sort((one, other) => other.waiting - one.waiting);
  return sorted.map((flight) => inFlightRow(flight, Math.max(1, sorted[0].waiting)));
}

function inFlightRow({ preview, waiting, seconds, replicas }, most) {
  const bar = el("div");
  bar.style.width = `${(100 * waiting) / most}%`;
  const text = `${waiting} waiting, ${duration(seconds * 1000)} so far: ${replicas.join(", ")}`;
  return row(preview, el("div", { className: "detail", textContent: text }), el("div", { className: "level" }, bar));
}

function completedRow({ preview, outcome, failed, seconds, waiters }, replica) {
  const text = ` ${duration(seconds * 1000)}, ${plural(waiters, "waiter")} on ${replica}`;
  const kind = failed ? "failed" : outcome;
  return row(preview, badge({ kind, text: outcome }), el("span", { className: "detail", textContent: text }));
}

const row = (preview, ...details) => el("li", {}, el("div", { className: "name", textContent: preview }), ...details);
