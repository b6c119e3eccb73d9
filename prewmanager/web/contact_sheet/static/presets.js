// The presets' table: what each definition says beyond the defaults.

import { byId, el } from "./dom.js";

export function showPresets(facts) {
  byId("presets").replaceChildren(...facts.presets.map(row));
}

function row(preset) {
  const said = Object.entries(preset.definition).map(([field, value]) => `${field} ${inWords(value)}`);
  return el(
    "tr",
    {},
    el("th", { scope: "row", textContent: preset.name }),
    el("td", { textContent: said.join(", ") }),
    el("td", {}, el("div", { className: "digits" }, ...fingerprints(preset))),
  );
}

// One for each variant: a preset of format auto, or with densities, has several.
function fingerprints(preset) {
  const all = Object.entries(preset.fingerprints);
  return all.map(([name, digits]) => {
    const code = el("code", { textContent: digits });
    return all.length === 1 ? code : el("span", {}, code, ` ${name}`);
  });
}

const inWords = (value) => (Array.isArray(value) ? value.join(" and ") : String(value));
