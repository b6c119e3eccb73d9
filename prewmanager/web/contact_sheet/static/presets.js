// The table of presets: their definitions without the fields at their defaults, and their fingerprints.

import { byId, el } from "./dom.js";

export function showPresets(facts) {
  byId("presets").replaceChildren(...facts.presets.map(row));
}

function row({ name, definition, fingerprints }) {
  const fields = Object.entries(definition).map(([field, value]) => `${field} ${format(value)}`);
  return el(
    "tr",
    {},
    el("th", { scope: "row", textContent: name }),
    el("td", { textContent: fields.join(", ") }),
    el("td", {}, el("div", { className: "digits" }, ...codes(fingerprints))),
  );
}

// One for each variant: a preset of format auto, or with densities, has several.
function codes(fingerprints) {
  const all = Object.entries(fingerprints);
  return all.map(([name, digits]) => {
    const code = el("code", { textContent: digits });
    return all.length === 1 ? code : el("span", {}, code, ` ${name}`);
  });
}

const format = (value) => (Array.isArray(value) ? value.join(" and ") : String(value));
