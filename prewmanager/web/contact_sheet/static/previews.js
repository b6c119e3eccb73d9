// One preview: fetched, so that its headers can be read, then shown from memory.

import { badge, bytes, duration, el, source } from "./dom.js";

// A browser has six connections to a host; the flights' stream has one, and the user may want one.
const AT_ONCE = 4;
// As for a picture in a page, so that a preset of format auto gives what it would give there.
const ACCEPT = "image/avif,image/webp,image/*,*/*;q=0.8";
const queue = [];
let running = 0;

// The figure of a preview, empty at first, and what fills it.
export function preview(preset, address, photo) {
  const frame = el("a", { className: "frame empty", href: address });
  frame.setAttribute("aria-label", `${photo} as ${preset.name}`);
  const said = el("div", {}, el("span", { className: "how", textContent: "waits its turn" }));
  const figure = el("figure", {}, frame, el("figcaption", {}, el("b", { textContent: preset.name }), said));
  return { figure, load: () => enqueue(() => load(address, frame, said)) };
}

function enqueue(work) {
  queue.push(work);
  next();
}

function next() {
  if (running === AT_ONCE || queue.length === 0) return;
  running += 1;
  queue.shift()().finally(() => {
    running -= 1;
    next();
  });
}

async function load(address, frame, said) {
  const began = performance.now();
  try {
    // Not from the browser's cache: what is told is how the preview came now.
    const response = await fetch(address, { cache: "no-store", headers: { Accept: ACCEPT } });
    const blob = await response.blob();
    const took = performance.now() - began;
    frame.classList.remove("empty");
    said.replaceChildren(...(await (response.ok ? shown(frame, blob) : refused(response, blob))));
    const steps = response.headers.get("Server-Timing")?.replaceAll(";dur=", " ");
    said.append(line(steps ? `${duration(took)}, of it ${steps}` : duration(took)));
    said.append(badge(source(response.status, response.headers.get("X-Preview"))));
  } catch {
    said.replaceChildren(badge({ kind: "failed", says: "no answer" }));
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
    return [line("cannot be shown here"), line(`${bytes(blob.size)} ${format}`)];
  }
}

async function refused(response, blob) {
  const problem = await blob.text().then(JSON.parse).catch(() => ({}));
  return [line(problem.title ?? response.statusText)];
}

const line = (text) => el("span", { className: "how", textContent: text });
