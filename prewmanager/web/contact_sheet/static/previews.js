// One preview: fetched by script, because an image element does not expose headers, then shown from memory.

import { badge, bytes, duration, el, source } from "./dom.js";

// Of a browser's six connections to a host, the stream of flights holds one, and one is left to the user.
const MAX_LOADING = 4;
// What an image element sends, so that a preset of format auto responds with the same format.
const ACCEPT = "image/avif,image/webp,image/*,*/*;q=0.8";
const queue = [];
let running = 0;

// Returns the figure of a preview, empty at first, and the function that loads it.
export function preview(preset, address, photo) {
  const frame = el("a", { className: "frame empty", href: address });
  frame.setAttribute("aria-label", `${photo} as ${preset.name}`);
  const details = el("div", {}, line("queued"));
  const figure = el("figure", {}, frame, el("figcaption", {}, el("b", { textContent: preset.name }), details));
  return { figure, load: () => enqueue(() => load(address, frame, details)) };
}

function enqueue(work) {
  queue.push(work);
  next();
}

function next() {
  if (running === MAX_LOADING || queue.length === 0) return;
  running += 1;
  queue.shift()().finally(() => {
    running -= 1;
    next();
  });
}

async function load(address, frame, details) {
  const started = performance.now();
  try {
    // Past the browser's cache, so that X-Preview is this response's.
    const response = await fetch(address, { cache: "no-store", headers: { Accept: ACCEPT } });
    const blob = await response.blob();
    const elapsed = duration(performance.now() - started);
    frame.classList.remove("empty");
    details.replaceChildren(...(await (response.ok ? shown(frame, blob) : explained(response, blob))));
    const steps = response.headers.get("Server-Timing")?.replaceAll(";dur=", " ");
    details.append(line(steps ? `${elapsed}: ${steps}` : elapsed));
    details.append(badge(source(response.status, response.headers.get("X-Preview"))));
  } catch {
    details.replaceChildren(badge(source(0)));
  }
}

async function shown(frame, blob) {
  const image = el("img", { alt: "", src: URL.createObjectURL(blob) });
  frame.replaceChildren(image);
  const format = blob.type.replace("image/", "").toUpperCase();
  try {
    await image.decode();
    return [line(`${image.naturalWidth} × ${image.naturalHeight} px`), line(`${bytes(blob.size)} ${format}`)];
  } catch {
    return [line("not displayable here"), line(`${bytes(blob.size)} ${format}`)];
  }
}

async function explained(response, blob) {
  const problem = await blob.text().then(JSON.parse).catch(() => ({}));
  return [line(problem.title ?? response.statusText)];
}

const line = (text) => el("span", { className: "detail", textContent: text });
