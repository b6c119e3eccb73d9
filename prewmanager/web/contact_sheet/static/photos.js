// The bucket's photos, a page at a time, each in every preset. A row loads when it comes near the window.

import { byId, bytes, el, path, plural } from "./dom.js";
import { preview } from "./previews.js";

const PHOTOS = new URL("photos", import.meta.url);
const AHEAD = "300px";

export function showPhotos(facts) {
  const [form, list, more] = [byId("search"), byId("photo-list"), byId("more")];
  const rows = new Rows(facts);
  let asked = { prefix: "", search: "" };
  let answered = 0;
  let total = 0;

  async function show(cursor) {
    const mine = ++answered;
    more.disabled = true;
    byId("photos-said").textContent = "Looking …";
    const found = await find({ ...asked, cursor });
    if (mine !== answered) return; // another search was begun meanwhile
    more.disabled = false;
    if (!cursor) {
      rows.forget();
      list.replaceChildren();
      total = 0;
    }
    total += found?.photos.length ?? 0;
    list.append(...(found?.photos ?? []).map((photo) => rows.row(photo)));
    byId("photos-said").textContent = found ? outcome(total, found, asked.search) : "The bucket could not be listed.";
    more.hidden = !found?.cursor;
    more.onclick = () => show(found.cursor);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    asked = { prefix: form.elements.prefix.value, search: form.elements.search.value };
    show(null);
  });
  show(null);
}

async function find(asked) {
  const address = new URL(PHOTOS);
  for (const [name, value] of Object.entries(asked)) if (value) address.searchParams.set(name, value);
  const response = await fetch(address).catch(() => null);
  return response?.ok ? response.json() : null;
}

function outcome(total, found, search) {
  const looked = search ? `, ${plural(found.looked_at, "name")} looked at just now` : "";
  return `${plural(total, "photo")}${found.cursor ? ", and there are more" : ""}${looked}.`;
}

class Rows {
  constructor(facts) {
    this.facts = facts;
    this.loads = new Map();
    this.observer = new IntersectionObserver((entries) => this.#came(entries), { rootMargin: AHEAD });
  }

  row(photo) {
    const heading = el("h3", {}, this.#title(photo), el("span", { textContent: ` ${bytes(photo.size)}` }));
    const row = el("article", { className: "photo" }, heading);
    if (!photo.usable) {
      row.append(el("p", { className: "note", textContent: "No path can ask for a preview of this name." }));
      return row;
    }
    const { preview_prefix: prefix, presets } = this.facts;
    const previews = presets.map((each) => preview(each, path(prefix, each.name, photo.name), photo.name));
    row.append(el("div", { className: "previews" }, ...previews.map((each) => each.figure)));
    this.loads.set(row, () => previews.forEach((each) => each.load()));
    this.observer.observe(row);
    return row;
  }

  forget() {
    this.observer.disconnect();
    this.loads.clear();
  }

  #title(photo) {
    const linked = this.facts.photo_links && photo.usable;
    const href = path(this.facts.source_prefix, photo.name);
    return linked ? el("a", { href, textContent: photo.name }) : photo.name;
  }

  #came(entries) {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      this.observer.unobserve(target);
      this.loads.get(target)?.();
      this.loads.delete(target);
    }
  }
}
