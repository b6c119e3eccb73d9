// Flights as they happen: each replica's reports, put together by preview.

import { badge, byId, duration, el, plural } from "./dom.js";

const MOST_LANDED = 40;
const GONE_AFTER_MS = 12_000; // an idle replica reports each five seconds

export function watchFlights(facts) {
  const view = new View();
  const toggle = byId("flights-toggle");
  let stream = null;
  let wanted = true;

  function start() {
    stream = new EventSource(new URL("flights", import.meta.url));
    stream.onmessage = (event) => view.take(JSON.parse(event.data));
    stream.addEventListener("lost", (event) => view.lost(Number(event.data)));
    stream.onopen = () => note(facts.shared ? "" : "Of the replica that served this page alone: there is no Redis.");
    stream.onerror = () => (stream?.readyState === EventSource.CLOSED ? refused() : note("Reconnecting …"));
    toggle.textContent = "Pause";
  }

  function stop() {
    stream.close();
    stream = null;
    toggle.textContent = "Go on";
    note("Paused.");
  }

  function refused() {
    wanted = false;
    stop();
    note("The service refuses: perhaps too many look on.");
  }

  // A page that nobody sees must not hold one of the browser's six connections.
  function decide() {
    const needed = wanted && !document.hidden;
    if (needed && !stream) start();
    if (!needed && stream) stop();
  }

  toggle.addEventListener("click", () => {
    wanted = !stream;
    decide();
  });
  document.addEventListener("visibilitychange", decide);
  decide();
}

const note = (text) => (byId("flights-note").textContent = text);

class View {
  constructor() {
    this.replicas = new Map();
    this.drawing = false;
    setInterval(() => this.#draw(), GONE_AFTER_MS / 4);
  }

  take(report) {
    this.replicas.set(report.replica, { ...report, seen: performance.now() });
    byId("landed").prepend(...report.landed.map((flight) => landed(flight, report)).reverse());
    while (byId("landed").children.length > MOST_LANDED) byId("landed").lastChild.remove();
    if (report.omitted) this.lost(report.omitted);
    this.#draw();
  }

  lost(count) {
    byId("landed").prepend(el("li", { className: "how", textContent: `… ${plural(count, "entry", "entries")} left out` }));
  }

  #draw() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      for (const [id, { seen }] of this.replicas) if (performance.now() - seen > GONE_AFTER_MS) this.replicas.delete(id);
      const reports = [...this.replicas.values()].sort((one, other) => one.name.localeCompare(other.name));
      byId("replicas").replaceChildren(...reports.map(replica));
      byId("under-way").replaceChildren(...underWay(reports));
    });
  }
}

function replica(report) {
  const said = `${plural(report.under_way, "flight")}, ${report.waiting} waiting`;
  return el("li", { title: report.name }, el("code", { textContent: report.replica }), ` ${said}`);
}

function underWay(reports) {
  const flights = new Map();
  for (const { replica: id, flights: theirs } of reports) {
    for (const { preview, waiting, seconds } of theirs) {
      const flight = flights.get(preview) ?? { preview, waiting: 0, seconds: 0, where: [] };
      flight.waiting += waiting;
      flight.seconds = Math.max(flight.seconds, seconds);
      flight.where.push(`${waiting} at ${id}`);
      flights.set(preview, flight);
    }
  }
  const sorted = [...flights.values()].sort((one, other) => other.waiting - one.waiting);
  return sorted.map((flight) => flying(flight, Math.max(1, sorted[0].waiting)));
}

function flying(flight, most) {
  const bar = el("div");
  bar.style.width = `${(100 * flight.waiting) / most}%`;
  return el(
    "li",
    {},
    el("div", { className: "name", textContent: flight.preview }),
    el("div", {
      className: "how",
      textContent: `${flight.waiting} waiting for ${duration(flight.seconds * 1000)}: ${flight.where.join(", ")}`,
    }),
    el("div", { className: "level" }, bar),
  );
}

function landed(flight, report) {
  const how = { kind: flight.failed ? "failed" : flight.outcome, says: flight.outcome };
  const said = ` ${duration(flight.seconds * 1000)}, ${flight.waited} waited at ${report.replica}`;
  return el(
    "li",
    {},
    el("div", { className: "name", textContent: flight.preview }),
    badge(how),
    el("span", { className: "how", textContent: said }),
  );
}
