// Starts each part of the page with the facts of the replica that served it.

import { offerBurst } from "./burst.js";
import { byId } from "./dom.js";
import { watchFlights } from "./flights.js";
import { showPhotos } from "./photos.js";
import { showPresets } from "./presets.js";

const response = await fetch(new URL("facts", import.meta.url)).catch(() => null);
if (response?.ok) {
  const facts = await response.json();
  showPresets(facts);
  watchFlights(facts);
  if (facts.burst) offerBurst(facts);
  showPhotos(facts);
} else {
  byId("trouble").textContent = "The service does not respond. Reload the page to try again.";
}
