// Elements and words. Names of photos come from users: they become text and property values here, never HTML.

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

export const badge = (how) => el("span", { className: `badge ${how.kind}`, textContent: how.says });

export function bytes(count) {
  if (count < 1000) return `${count} bytes`;
  const [value, unit] = count < 1e6 ? [count / 1e3, "KB"] : [count / 1e6, "MB"];
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
}

export function duration(milliseconds) {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

// The path of a key, encoded as the service and S3 read it.
export const path = (...segments) => `/${segments.flatMap((each) => each.split("/")).map(encodeURIComponent).join("/")}`;

// How an answer came about: X-Preview says it, and S3 sends none.
export function source(status, said) {
  if (status !== 200) return { kind: "failed", says: `failed, ${status}` };
  return said ? { kind: said, says: said } : { kind: "s3", says: "S3" };
}
