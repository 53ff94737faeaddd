// Numbers and names written for people, as `accounts/quantity.py`, `accounts/spread.py` and `figures/theme.py` do.

const PREFIXES = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]];

// JavaScript rounds what lies right between two digits up, Python to the even one.
function fixed(value, digits) {
  const text = value.toFixed(digits);
  const rest = Math.abs(value).toFixed(Math.min(100, digits + 60)).split(".")[1] ?? "";
  if (!/^50*$/.test(rest.slice(digits)) || !(Number(text.at(-1)) % 2)) return text;
  return (Number(text) - Math.sign(value) * 10 ** -digits).toFixed(digits);
}
const grouped = (text) => text.replace(/^-?\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ","));
const finite = (value) => typeof value === "number" && Number.isFinite(value);

// To three significant digits.
function rounded(value) {
  const above = Number(value.toExponential().split("e")[1]) - 2;
  if (above <= 0) return Number(fixed(value, Math.min(100, -above)));
  return Number(fixed(value / 10 ** above, 0)) * 10 ** above;
}

function threeDigits(value) {
  const magnitude = value ? Math.floor(Math.log10(Math.abs(value))) : 0;
  return grouped(fixed(value, Math.max(0, 2 - magnitude)));
}
function si(value, unit) {
  if (!finite(value)) return "–";
  if (value === 0) return `0 ${unit}`;
  const near = rounded(value);
  const [scale, prefix] = PREFIXES.find(([least]) => Math.abs(near) >= least) ?? PREFIXES.at(-1);
  return `${threeDigits(near / scale)} ${prefix}${unit}`;
}
const joules = (value) => si(value, "J");
const watts = (value) => si(value, "W");

function seconds(value) {
  if (!finite(value) || Math.abs(value) < 60) return si(value, "s");
  const all = Math.round(value);
  const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const two = (part) => String(part).padStart(2, "0");
  return hours ? `${hours} h ${two(minutes)} min` : `${minutes} min ${two(rest)} s`;
}
function percent(share) {
  if (!finite(share)) return "–";
  const value = 100 * share;
  if (value >= 99.95 && value < 100) return ">99.9 %";
  return `${fixed(value, Math.abs(value) >= 9.995 ? 1 : 2)} %`;
}
function count(value) {
  if (!finite(value)) return "–";
  return Math.abs(value - Math.round(value)) < 1e-9 ? grouped(String(Math.round(value))) : threeDigits(value);
}

// How far a box's or an operation's energy may be off; empty where it is not known.
function spread(of, runs) {
  if (runs > 1) return `± ${joules(of.sd)} (${page.deviation})`;
  return finite(of.low) && finite(of.high) ? `${joules(of.low)} to ${joules(of.high)} (${page.interval})` : "";
}

const HTML = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" };
const safe = (text) => text.replace(/[&<>"']/g, (character) => HTML[character]);

function shorten(name, length) {
  if (name.length <= length) return name;
  const letters = [...name];
  if (letters.length <= length) return name;
  const head = Math.floor(length / 2);
  return `${letters.slice(0, head).join("")}…${letters.slice(letters.length - (length - 1 - head)).join("")}`;
}
function broken(name, width = 72, lines = 4) {
  const letters = [...shorten(name, width * lines)];
  const told = [];
  for (let i = 0; i < letters.length; i += width) told.push(letters.slice(i, i + width).join(""));
  return told.join("\n");
}

// Colours of a level: deeper for a larger share.
function paint(depth) {
  const fill = between(Math.sqrt(Math.min(1, Math.max(0, depth))));
  return { fill, ink: inkOn(fill), edge: between(Math.sqrt(Math.min(1, Math.max(0, depth + 0.35)))) };
}
const channels = (colour) => [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));

function between(at) {
  const place = at * (page.scale.length - 1);
  const index = Math.min(Math.floor(place), page.scale.length - 2);
  const [low, high] = [channels(page.scale[index]), channels(page.scale[index + 1])];
  const mixed = low.map((a, i) => Number(fixed(a + (high[i] - a) * (place - index), 0)));
  return "#" + mixed.map((channel) => channel.toString(16).padStart(2, "0")).join("");
}
function inkOn(fill) {
  const weights = [0.2126, 0.7152, 0.0722];
  const luminance = channels(fill)
    .map((channel) => channel / 255)
    .reduce((sum, c, i) => sum + weights[i] * (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4), 0);
  return luminance < 0.192 ? "#ffffff" : "#03140d";
}
