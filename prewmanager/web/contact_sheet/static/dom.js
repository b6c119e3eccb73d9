// Elements and texts. Names of photos come from users: they become text and property values here, never HTML.

export function el(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function svg(tag, attributes = {}, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

export const byId = (id) => document.getElementById(id);

export const badge = ({ kind, text }) => el("span", { className: `badge ${kind}`, textContent: text });

export function bytes(count) {
  if (count < 1000) return `${count} bytes`;
  const [value, unit] = count < 1e6 ? [count / 1e3, "KB"] : [count / 1e6, "MB"];
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
}

export function duration(milliseconds) {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

// The path of a key, encoded as the service and S3 decode it.
export const path = (...segments) => `/${segments.flatMap((each) => each.split("/")).map(encodeURIComponent).join("/")}`;

// How a response came about, as kind and text; a successful one without X-Preview is S3's.
export function source(status, xPreview) {
  if (status !== 200) return { kind: "failed", text: status ? `failed, ${status}` : "no response" };
  if (!xPreview) return { kind: "s3", text: "S3" };
  return { kind: xPreview === "nearest" ? "fallback" : xPreview, text: xPreview };
}
