// The table of every operation: built when it is looked for, a page of rows at a time.

const ROWS = 25;
const COLUMNS = [
  ["operation", (one) => one.name],
  ["energy", (one) => one.energy, (one) => joules(one.energy)],
  ["", null, (one) => page.runs > 1 ? `± ${joules(one.sd)}` : finite(one.low) && finite(one.high) ? `${joules(one.low)} … ${joules(one.high)}` : "–"],
  ["share", (one) => one.share, (one) => percent(one.share)],
  ["time", (one) => one.time, (one) => seconds(one.time)],
  // Watts per operation mean nothing where power was modelled.
  ["power", (one) => (one.measured ? (one.power ?? -1) : -1), (one) => (one.measured ? watts(one.power) : "–")],
  ["count", (one) => one.count, (one) => count(one.count)],
  ["type", (one) => one.type],
  ["pass", (one) => one.pass],
  ["basis", (one) => (one.measured ? "measured" : "modelled")],
];

// Operations with the most energy first, of several runs their means: as `Footprints.by("op")` groups them.
function operations() {
  const c = page.columns;
  const all = new Map();
  for (let row = 0; row < c.row_named.length; row++) {
    const named = c.row_named[row];
    const measured = c.row_measured[row];
    const name = spelt(named);
    const key = `${measured}${name}`;
    if (!all.has(key)) {
      const runs = Array.from({ length: page.runs }, () => ({ energy: 0, time: 0 }));
      all.set(key, { name, measured, low: 0, high: 0, count: 0, passes: new Set(), types: new Set(), runs });
    }
    const one = all.get(key);
    one.low += c.row_low_j[row] / page.runs;
    one.high += c.row_high_j[row] / page.runs;
    one.count += c.row_count[row] / page.runs;
    one.passes.add(c.phases[c.named_phase[named]]);
    one.types.add(c.types[c.row_type[row]]);
    one.runs[c.row_run[row]].energy += c.row_energy_j[row];
    one.runs[c.row_run[row]].time += c.row_time_s[row];
  }
  const total = [0, 0];
  for (const one of all.values()) {
    one.energy = sum(one.runs.map((run) => run.energy)) / page.runs;
    one.time = sum(one.runs.map((run) => run.time)) / page.runs;
    const powers = one.runs.filter((run) => run.time > 0).map((run) => run.energy / run.time);
    one.power = powers.length ? sum(powers) / powers.length : null;
    one.sd = page.runs > 1 ? deviation(one.runs.map((run) => run.energy)) : null;
    [one.pass, one.type] = [[...one.passes].join(", "), [...one.types].join(", ")];
    one.sought = `${one.name} ${one.type} ${one.pass}`.toLowerCase();
    total[one.measured] += one.energy;
  }
  const list = [...all.values()];
  for (const one of list) one.share = total[one.measured] > 0 ? one.energy / total[one.measured] : 0;
  return list.sort((a, b) => b.measured - a.measured || b.energy - a.energy || (a.name < b.name ? -1 : 1));
}

class Finder {
  constructor(section) {
    this.section = section;
    this.all = null;
    this.first = 0;
    this.by = { column: 1, down: true };
    const input = section.querySelector("input");
    input.addEventListener("input", () => this.find(input.value));
    for (const [step, button] of [[-ROWS, "previous"], [ROWS, "next"]]) {
      section.querySelector(`[data-page=${button}]`).addEventListener("click", () => this.turn(this.first + step));
    }
    const header = section.querySelector("thead tr");
    COLUMNS.forEach(([name, order], i) => {
      const cell = document.createElement("th");
      cell.scope = "col";
      if (i > 0 && i < 7) cell.className = "num";
      if (order) {
        const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
        button.addEventListener("click", () => this.sort(i));
        cell.append(button);
      } else cell.textContent = page.runs > 1 ? page.deviation : page.interval;
      header.append(cell);
    });
  }

  open() {
    if (this.all) return;
    this.all = operations();
    this.find(this.section.querySelector("input").value);
  }

  find(text) {
    this.all ??= operations();
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.found = this.all.filter((one) => words.every((word) => one.sought.includes(word)));
    this.arrange();
  }

  sort(column) {
    const text = typeof COLUMNS[column][1](this.all[0] ?? { name: "" }) === "string";
    this.by = { column, down: this.by.column === column ? !this.by.down : !text };
    this.arrange();
  }

  arrange() {
    const { column, down } = this.by;
    const of = COLUMNS[column][1];
    const sign = down ? -1 : 1;
    this.found.sort((a, b) => {
      const [one, other] = [of(a), of(b)];
      // Measured before modelled: their joules must not be compared with each other.
      return b.measured - a.measured || (one < other ? -sign : one > other ? sign : 0);
    });
    this.section.querySelectorAll("th").forEach((cell, i) => {
      if (i === column) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    this.turn(0);
  }

  turn(first) {
    this.first = Math.max(0, Math.min(first, this.found.length - 1));
    this.first -= this.first % ROWS;
    const shown = this.found.slice(this.first, this.first + ROWS);
    const body = this.section.querySelector("tbody");
    body.replaceChildren(
      ...shown.map((one) => {
        const row = document.createElement("tr");
        COLUMNS.forEach(([, value, told], i) => {
          const cell = row.insertCell();
          cell.textContent = told ? told(one) : value(one);
          if (i > 0 && i < 7) cell.className = "num";
        });
        return row;
      })
    );
    const end = this.first + shown.length;
    const range = shown.length ? `${count(this.first + 1)}–${count(end)} of ` : "";
    const of = this.found.length === this.all.length ? "" : ` found among ${count(this.all.length)}`;
    this.section.querySelector("output").textContent = `${range}${count(this.found.length)}${of}`;
    this.section.querySelector("[data-page=previous]").disabled = this.first === 0;
    this.section.querySelector("[data-page=next]").disabled = end >= this.found.length;
  }
}
