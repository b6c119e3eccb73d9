// The bucket's photos, a page at a time, each in every preset. A row loads its previews when it scrolls near the window.

import { byId, bytes, el, path, plural } from "./dom.js";
import { preview } from "./previews.js";

const PHOTOS = new URL("photos", import.meta.url);
const AHEAD = "300px";

export function showPhotos(facts) {
  const [form, list, more] = [byId("search"), byId("photo-list"), byId("more")];
  const rows = new Rows(facts);
  let query = { prefix: "", search: "" };
  let latest = 0;
  let total = 0;

  async function show(cursor) {
    const number = ++latest;
    more.disabled = true;
    byId("photos-status").textContent = "Searching …";
    const found = await find({ ...query, cursor });
    if (number !== latest) return; // a later search has replaced this one
    more.disabled = false;
    if (!cursor) {
      rows.clear();
      list.replaceChildren();
      total = 0;
    }
    total += found?.photos.length ?? 0;
    list.append(...(found?.photos ?? []).map((photo) => rows.row(photo)));
    byId("photos-status").textContent = found ? summary(total, found, query.search) : "Listing the bucket failed.";
    more.hidden = !found?.cursor;
    more.onclick = () => show(found.cursor);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    query = { prefix: form.elements.prefix.value, search: form.elements.search.value };
    show(null);
  });
  show(null);
}

async function find(query) {
  const address = new URL(PHOTOS);
  for (const [name, value] of Object.entries(query)) if (value) address.searchParams.set(name, value);
  const response = await fetch(address).catch(() => null);
  return response?.ok ? response.json() : null;
}

function summary(total, found, search) {
  const searched = search ? `; the last request searched ${plural(found.searched, "name")}` : "";
  return `${plural(total, "photo")}${found.cursor ? " so far" : ""}${searched}.`;
}

class Rows {
  constructor(facts) {
    this.facts = facts;
    this.loads = new Map();
    this.observer = new IntersectionObserver((entries) => this.#load(entries), { rootMargin: AHEAD });
  }

  row(photo) {
    const heading = el("h3", {}, this.#title(photo), el("span", { textContent: ` ${bytes(photo.size)}` }));
    const row = el("article", { className: "photo" }, heading);
    if (!photo.usable) {
      row.append(el("p", { className: "note", textContent: "No path can request previews of this name." }));
      return row;
    }
    const { preview_prefix: prefix, presets } = this.facts;
    const previews = presets.map((each) => preview(each, path(prefix, each.name, photo.name), photo.name));
    row.append(el("div", { className: "previews" }, ...previews.map((each) => each.figure)));
    this.loads.set(row, () => previews.forEach((each) => each.load()));
    this.observer.observe(row);
    return row;
  }

  clear() {
    this.observer.disconnect();
    this.loads.clear();
  }

  #title(photo) {
    const served = this.facts.photos_served && photo.usable;
    const href = path(this.facts.source_prefix, photo.name);
    return served ? el("a", { href, textContent: photo.name }) : photo.name;
  }

  #load(entries) {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      this.observer.unobserve(target);
      this.loads.get(target)?.();
      this.loads.delete(target);
    }
  }
}
