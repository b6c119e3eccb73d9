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
    el("td", {}, el("code", { textContent: preset.fingerprint })),
  );
}

const inWords = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value));
