// FORMS and CONDITIONS stand above: what vpcalc derived, compiled. Here they are evaluated and drawn, never made.

const DATA = JSON.parse(document.getElementById("data").textContent);
const byId = name => document.getElementById(name);
const SVG = "http://www.w3.org/2000/svg";
const DASHES = ["", "9 3", "9 3 2 3", "3 3", "12 3 2 3 2 3", "5 3"];

// -- exact arithmetic -------------------------------------------------------------------------------

/** A quantity at some values: its terms, their sum and the case that holds; or why there is none. */
function evaluate(law, at) {
  for (const item of law.cases) {
    if (!CONDITIONS[item.when](at) || (item.and !== undefined && !CONDITIONS[item.and](at))) continue;
    if (item.form === undefined) return { item, refused: item.refused };
    const [terms, divisor] = FORMS[item.form](at);
    return { item, form: item.form, terms, total: floordiv(terms.reduce((sum, term) => sum + term, 0n), divisor) };
  }
  return { item: null, refused: DATA.beyond || "no form is known at these sizes" };
}

/** The form that papers print where it gives the same, else the one that holds here. */
function shown(law, found, at) {
  if (!law.tidy || found.refused !== undefined) return { ...found, tidy: !law.tidy };
  const [terms, divisor] = FORMS[law.tidy.form](at);
  const sum = terms.reduce((all, term) => all + term, 0n);
  if (sum % divisor !== 0n || sum / divisor !== found.total) return { ...found, tidy: false };
  return { ...found, form: law.tidy.form, terms, tidy: true };
}

const ITEM = { count: ["", "k", "M", "G", "T", "P", "E", "Z", "Y"], bytes: ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"] };

/** Four significant digits and a prefix, rounded half up on whole numbers, as vpcalc writes it. */
function short(number, kind = "count", digits = 4) {
  if (number < 0n) return "−" + short(-number, kind, digits);
  const base = kind === "bytes" ? 1024n : 1000n, units = ITEM[kind];
  let prefix = 0;
  while (prefix < units.length - 1 && number >= base ** BigInt(prefix + 1)) prefix++;
  if (prefix === 0) return `${number} ${units[0]}`.trim();
  for (;;) {
    const unit = base ** BigInt(prefix);
    let decimals = Math.max(0, digits - String(number / unit).length), scaled;
    for (;;) {
      scaled = (number * 10n ** BigInt(decimals) * 2n + unit) / (2n * unit);
      if (scaled >= base * 10n ** BigInt(decimals) && prefix < units.length - 1) break;
      if (String(scaled).length > digits && decimals) { decimals--; continue; }
      const text = String(scaled).padStart(decimals + 1, "0"), cut = text.length - decimals;
      return `${decimals ? text.slice(0, cut) + "." + text.slice(cut) : text} ${units[prefix]}`;
    }
    prefix++;
  }
}
const exact = number => String(number).replace(/\B(?=(\d{3})+$)/g, ",").replace("-", "−");
const share = (part, all) => (all ? Number(part * 1000000n / all) / 1000000 : 0);
const percent = value => (value > 0 && value < 0.0005 ? "<0.1 %" : `${(100 * value).toFixed(1)} %`);
const ratioOf = value => (value >= 1000 || value < 0.001 ? Number(value.toPrecision(3)).toLocaleString("en") : value.toPrecision(3));

// -- the state, which is the address ----------------------------------------------------------------

const PARAMETERS = DATA.parameters, NAMED = Object.fromEntries(PARAMETERS.map(each => [each.name, each]));
const AXES = PARAMETERS.filter(each => each.name !== "batch");
const state = {};

function begin() {
  for (const each of PARAMETERS) { state[each.name] = each.value; if (each.auto) state[each.name + "~"] = true; }
  const pair = DATA.square;
  state.square = Boolean(pair && state[pair[0]] === state[pair[1]]);
  state.dtype = DATA.dtype;
  state.x = AXES[0].name;
  state.q = DATA.main;
  state.row = DATA.focus || DATA.rows[0].id;
  Object.assign(state, DATA.memory ? { card: DATA.memory.card, optimizer: "adamw", attention: "eager" } : {});
}

function read() {
  begin();
  const given = new URLSearchParams(location.hash.slice(1));
  for (const each of PARAMETERS) {
    const value = given.get(each.name);
    if (value === null) continue;
    if (each.auto) state[each.name + "~"] = value === "auto";
    if (/^\d{1,15}$/.test(value)) state[each.name] = Math.min(each.max, Math.max(each.min, Number(value)));
  }
  if (given.has("square") && DATA.square) state.square = given.get("square") === "1";
  if (state.square) for (const name of DATA.square) state[name] = state[DATA.square[0]];
  const known = { dtype: DATA.dtypes, x: NAMED, q: Object.fromEntries(plotted().map(each => [each.id, 1])) };
  known.row = Object.fromEntries(DATA.rows.map(each => [each.id, 1]));
  if (DATA.memory) Object.assign(known, { card: DATA.memory.cards, optimizer: DATA.memory.optimizers, attention: { eager: 1, fused: 1 } });
  for (const [name, values] of Object.entries(known))
    if (given.has(name) && values && Object.hasOwn(values, given.get(name))) state[name] = given.get(name);
}

function address() {
  const given = new URLSearchParams();
  for (const each of PARAMETERS) given.set(each.name, state[each.name + "~"] ? "auto" : state[each.name]);
  if (DATA.square) given.set("square", state.square ? "1" : "0");
  for (const name of ["dtype", "x", "q", "row", "card", "optimizer", "attention"]) if (state[name] !== undefined) given.set(name, state[name]);
  return "#" + given;
}

/** Heads and reduction as vpcalc chooses them where nobody does. */
const AUTO = {
  heads: values => (values.C % 32 === 0 ? values.C / 32 : 1),
  R: values => Math.min(8, values.h, values.w),
};

/** Numbers of the parameters, one of them changed if asked. */
function settled(name, value) {
  const values = {};
  for (const each of PARAMETERS) values[each.name] = state[each.name];
  if (name) {
    values[name] = value;
    if (state.square && DATA.square.includes(name)) for (const other of DATA.square) values[other] = value;
  }
  for (const each of PARAMETERS) if (state[each.name + "~"] && each.name !== name) values[each.name] = AUTO[each.name](values);
  return values;
}

function inLetters(values) {
  const at = {};
  for (const each of PARAMETERS) at[each.letter] = BigInt(values[each.name]);
  return at;
}

/** What a column multiplies its law by. */
function times(column, values) {
  return (column.times || []).reduce((all, name) => all * BigInt(name === "item" ? DATA.dtypes[state.dtype] : values[name]), 1n);
}

/** A figure of a row, or undefined where it is refused. */
function figure(row, column, values, at) {
  const law = row.cells[column.of || column.id];
  if (!law) return undefined;
  const found = evaluate(law, at);
  return found.refused === undefined ? found.total * times(column, values) : undefined;
}

const COLUMNS = Object.fromEntries(DATA.columns.map(each => [each.id, each]));
const plotted = () => DATA.columns.filter(each => each.kind === "count" || each.kind === "bytes");
const focusRow = () => DATA.rows.find(each => each.id === state.row);
const colour = row => `var(--c${DATA.rows.indexOf(row) % 8})`;

// -- elements ---------------------------------------------------------------------------------------

function el(tag, attributes = {}, ...inside) {
  const made = tag.includes(":") ? document.createElementNS(SVG, tag.slice(4)) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, heard] of Object.entries(value)) made.addEventListener(event, heard);
    else if (name.startsWith("--") || name === "color" || name === "width-of") made.style.setProperty(name === "width-of" ? "width" : name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(name, value);
  }
  made.append(...inside.filter(each => each !== null && each !== undefined));
  return made;
}
const svg = (tag, attributes, ...inside) => el("svg:" + tag, attributes, ...inside);

const MATH = new Map();
function math(source) {
  if (!MATH.has(source)) MATH.set(source, document.importNode(new DOMParser().parseFromString(source, "application/xml").documentElement, true));
  return MATH.get(source).cloneNode(true);
}

/** A formula whose terms can be lit: each a piece of its own, so that long ones break between terms. */
function formula(host, number, terms) {
  const form = DATA.forms[number];
  if (host.dataset.form !== String(number)) {
    host.dataset.form = number;
    const pieces = [];
    form.forEach((term, place) => {
      if (place || term.n) pieces.push(el("span", { class: "sign" }, term.n ? "−" : "+"));
      pieces.push(el("span", { class: "term" }, math(`<math xmlns="http://www.w3.org/1998/Math/MathML">${term.m}</math>`), el("small")));
    });
    host.replaceChildren(...(pieces.length ? pieces : ["0"]));
  }
  const all = terms.reduce((sum, term) => sum + (term < 0n ? -term : term), 0n);
  [...host.querySelectorAll(":scope > .term")].forEach((piece, place) => {
    const part = share(terms[place] < 0n ? -terms[place] : terms[place], all);
    piece.style.setProperty("--share", part.toFixed(4));
    piece.lastChild.textContent = terms.length > 1 ? percent(part) : "";
  });
}

// -- settings ---------------------------------------------------------------------------------------

/** Where a slider stops: every size while they are small, then in steps that grow with them. */
function stops(each) {
  const found = [each.min];
  for (let value = each.step > 1 ? each.step : each.min + 1; value <= each.max;) {
    if (value > found[found.length - 1]) found.push(value);
    value += each.step * Math.max(1, Math.floor(value / each.step / 24));
  }
  if (found[found.length - 1] !== each.max) found.push(each.max);
  return found;
}
const nearest = (values, value) => values.reduce((best, each, place) => (Math.abs(each - value) < Math.abs(values[best] - value) ? place : best), 0);
const controls = {};

function build() {
  const form = byId("settings");
  for (const each of PARAMETERS) {
    const places = stops(each), id = "p-" + each.name;
    const spoken = `${each.letter}, ${each.meaning}`;
    const slider = el("input", { type: "range", min: 0, max: places.length - 1, step: 1, "aria-label": spoken, on: { input: () => change(each, places[slider.value]) } });
    const field = el("input", { type: "number", id, min: each.min, max: each.max, step: 1, inputmode: "numeric", required: true,
      on: { input: () => { if (field.checkValidity() && field.value !== "") change(each, Number(field.value), field); }, change: () => update() } });
    const auto = each.auto ? el("input", { type: "checkbox", on: { change: () => { if (!auto.checked) state[each.name] = settled()[each.name]; state[each.name + "~"] = auto.checked; update(); } } }) : null;
    const box = el("div", { class: "control" }, el("label", { for: id }, el("b", {}, each.letter), each.meaning), slider, field,
      auto && el("label", { class: "auto" }, auto, `automatic: ${each.auto}`));
    controls[each.name] = { slider, field, auto, places };
    form.append(box);
    if (DATA.square && each.name === DATA.square[1]) {
      controls.square = el("input", { type: "checkbox", on: { change: () => { state.square = controls.square.checked; if (state.square) state[DATA.square[1]] = state[DATA.square[0]]; update(); } } });
      box.append(el("label", { class: "auto" }, controls.square, `square: ${DATA.square[1]} = ${DATA.square[0]}`));
    }
  }
  if (DATA.dtypes) {
    controls.dtype = select(Object.keys(DATA.dtypes).map(name => [name, name]), "dtype");
    form.append(el("label", { class: "choice" }, "element type", controls.dtype));
  }
  form.addEventListener("submit", event => event.preventDefault());
  controls.x = select(AXES.map(each => [each.name, each.letter]), "x");
  controls.q = select(plotted().map(each => [each.id, each.label]), "q");
  byId("chart-choice").append(el("span", { class: "choice" }, el("label", {}, "show ", controls.q), el("label", {}, "against ", controls.x)));
  byId("digits").addEventListener("change", () => update());
  const buttons = [["Copy link", () => copy("The link", location.href)], ["Copy LaTeX", () => copy("LaTeX", latex())], ["Copy Markdown", () => copy("Markdown", markdown())],
    ["Copy CSV", () => copy("CSV", csv())], ["Download SVG", download], ["Print", () => window.print()]];
  byId("buttons").append(...buttons.map(([label, done]) => el("button", { type: "button", on: { click: done } }, label)));
  byId("about").append(...(DATA.notes || []).map(note => el("p", {}, note)),
    el("p", {}, `Made by vpcalc ${DATA.version}: ${DATA.command}. Every form was derived in Python and is evaluated here in whole numbers of any size.`));
}

function select(options, name) {
  const made = el("select", { on: { change: () => { state[name] = made.value; update(); } } }, ...options.map(([value, label]) => el("option", { value }, label)));
  return made;
}

function change(each, value, typed) {
  state[each.name] = value;
  if (each.auto) state[each.name + "~"] = false;
  if (state.square && DATA.square.includes(each.name)) for (const other of DATA.square) state[other] = value;
  update(typed);
}

let waiting = 0, typing = null;
function update(typed) {
  typing = typed || null;
  if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; render(); });
}

// -- what is shown ----------------------------------------------------------------------------------

function render() {
  const values = settled(), at = inLetters(values);
  for (const each of PARAMETERS) {
    const { slider, field, auto, places } = controls[each.name], value = values[each.name];
    slider.value = nearest(places, value);
    slider.setAttribute("aria-valuetext", String(value));
    if (field !== typing) field.value = value;
    if (auto) auto.checked = state[each.name + "~"];
  }
  if (controls.square) controls.square.checked = state.square;
  for (const name of ["dtype", "x", "q"]) if (controls[name]) controls[name].value = state[name];
  const figures = DATA.rows.map(row => {
    const law = row.cells[DATA.main];
    return law ? shown(law, evaluate(law, at), at) : { refused: "" };
  });
  hero(values, at, figures);
  table(values, at, figures);
  chart(values);
  crossings(values, at);
  if (DATA.blocks) blocks(at, figures);
  if (DATA.memory) memory(values, at);
  try { history.replaceState(null, "", address()); } catch { /* a page in a frame without an address */ }
}

function hero(values, at, figures) {
  const row = focusRow(), place = DATA.rows.indexOf(row), found = figures[place], name = row.total || DATA.kind === "module" ? DATA.title : row.name, column = COLUMNS[DATA.main];
  const where = DATA.square ? `${values[DATA.square[0]]} × ${values[DATA.square[1]]}` : AXES.slice(0, 2).map(each => `${each.letter} = ${values[each.name]}`).join(", ");
  const what = row.of || column.label;
  byId("formula").classList.toggle("long", found.form !== undefined && DATA.forms[found.form].length > 4);
  byId("notice").hidden = true;
  const troubles = [];
  if (found.refused !== undefined) {
    byId("headline").textContent = `${name} at ${where}: ${found.item ? "refused" : "beyond this page"}`;
    byId("formula").replaceChildren();
    byId("shares").replaceChildren();
    byId("finding").textContent = "";
  } else {
    const total = found.total * times(column, values);
    byId("headline").textContent = `${name} at ${where}: ${short(total, row.kind || column.kind)} ${what}`;
    let host = byId("formula").firstElementChild;
    if (!host) byId("formula").append(host = el("div", { class: "formula" }));
    formula(host, found.form, found.terms);
    const sizes = found.terms.map(term => (term < 0n ? -term : term)), all = sizes.reduce((sum, size) => sum + size, 0n);
    const bars = byId("shares");
    while (bars.children.length > sizes.length) bars.lastChild.remove();
    while (bars.children.length < sizes.length) bars.append(el("span", { "--of": `var(--c${bars.children.length % 8})` }));
    sizes.forEach((size, index) => { const bar = bars.children[index]; bar.style.flex = `${share(size, all)} 0 0`; bar.style.background = `rgb(var(--heat) / ${(0.3 + 0.7 * share(size, all)).toFixed(3)})`; });
    byId("finding").textContent = finding(found, sizes, all, total, row.kind === "bytes" ? `bytes ${what}` : what);
  }
  const refusals = new Map(), off = new Map();
  DATA.rows.forEach((each, index) => {
    const other = figures[index], law = each.cells[DATA.main];
    if (other.refused) refusals.set(other.refused, [...(refusals.get(other.refused) || []), each.name]);
    else if (law && law.tidy && !other.tidy) off.set(law.tidy.valid, [...(off.get(law.tidy.valid) || []), each.name]);
  });
  for (const [why, names] of refusals) troubles.push(names.length === DATA.rows.length ? `✕ ${why}` : `✕ ${listed(names)}: ${why}`);
  for (const [valid, names] of off) troubles.push(`⚠ ${listed(names)}: not on the lattice of the papers’ form (${valid}); shown is the form that holds here, with what is padded or dropped.`);
  byId("notice").hidden = !troubles.length;
  byId("notice").classList.toggle("mild", !refusals.size);
  byId("notice").replaceChildren(...troubles.map(each => el("p", {}, each)));
  speak([byId("headline").textContent, byId("finding").textContent, ...troubles].filter(Boolean).join(". "));
}
const listed = names => (names.length > 4 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", "));

function finding(found, sizes, all, total, what) {
  const terms = DATA.forms[found.form];
  const most = sizes.reduce((best, size, place) => (size > sizes[best] ? place : best), 0);
  const said = `Exactly ${exact(total)} ${what}.`;
  if (terms.length < 2) return said;
  return `${said} ${terms[most].t} is ${percent(share(sizes[most], all))} of it${terms.length === 2 && sizes[0] !== sizes[1] ? `: it outweighs ${terms[1 - most].t}` : ""}.`;
}

let speaking = 0;
function speak(text) {
  clearTimeout(speaking);
  speaking = setTimeout(() => { if (byId("live").textContent !== text) byId("live").textContent = text; }, 700);
}

/** The table is built once; after that only its texts change. */
const cells = [];
function table(values, at, figures) {
  const host = byId("table"), digits = byId("digits").checked, focus = focusRow();
  if (!cells.length) {
    host.setAttribute("aria-labelledby", "table-title");
    host.append(el("thead", {}, el("tr", {}, el("th", { scope: "col" }, DATA.rowLabel || "Layer"), ...DATA.columns.map(each => el("th", { scope: "col" }, each.label)))));
    for (const row of DATA.rows) {
      const button = el("button", { type: "button", class: "row", title: "show its formula above", "--of": colour(row), on: { click: () => { state.row = row.id; update(); } } }, el("span", { class: "swatch", "aria-hidden": "true" }), row.name);
      const made = { button, columns: DATA.columns.map(() => el("td")), line: el("div", { class: "formula" }), why: el("span", { class: "refused" }), holds: el("span", { class: "quiet" }), steps: el("ul", { class: "steps" }) };
      made.details = el("details", {}, el("summary", {}, "Where does this come from?"), made.steps, el("p", { class: "quiet" }, row.source || ""));
      made.details.addEventListener("toggle", () => update());
      made.body = el("tbody", { class: row.total ? "total" : "" }, el("tr", {}, el("th", { scope: "row" }, button), ...made.columns),
        el("tr", { class: "under" }, el("td", { colspan: DATA.columns.length + 1 }, el("div", {}, made.line, made.why, made.holds, made.details))));
      cells.push(made);
      host.append(made.body);
    }
  }
  host.classList.toggle("exact", digits);
  const totals = {};
  for (const column of DATA.columns) if (column.kind === "share") totals[column.id] = figure(DATA.rows[DATA.rows.length - 1], { ...COLUMNS[column.of], of: column.of }, values, at);
  const first = figures[0].total;
  DATA.rows.forEach((row, place) => {
    const made = cells[place], found = figures[place];
    made.body.classList.toggle("chosen", row === focus && DATA.rows.length > 1);
    made.button.setAttribute("aria-pressed", String(row === focus));
    DATA.columns.forEach((column, index) => {
      const cell = made.columns[index];
      if (column.kind === "text") { cell.textContent = row.cells[column.id] ?? ""; return; }
      if (column.kind === "grid") { const sides = (row.cells[column.id] || []).map(law => evaluate(law, at).total); cell.textContent = sides.includes(undefined) ? "–" : sides.join("×"); return; }
      if (column.kind === "ratio") {
        const value = found.total !== undefined && first ? Number(found.total) / Number(first) : undefined;
        cell.replaceChildren(value === undefined ? "–" : ratioOf(value), ...(value === undefined ? [] : [el("span", { class: "bar", "aria-hidden": "true", "--of": colour(row), "width-of": `${Math.min(100, value * 50)}%` })]));
        return;
      }
      if (column.kind === "share") {
        const value = figure(row, { ...COLUMNS[column.of], of: column.of }, values, at), part = value !== undefined && totals[column.id] ? share(value, totals[column.id]) : 0;
        cell.replaceChildren(value === undefined ? "–" : percent(part), el("span", { class: "bar", "aria-hidden": "true", "--of": colour(row), "width-of": `${100 * part}%` }));
        return;
      }
      const kind = row.kind || column.kind, value = figure(row, column, values, at);
      cell.textContent = value === undefined ? "–" : digits || kind === "number" ? exact(value) : short(value, kind);
      if (value !== undefined && kind !== "number") cell.title = exact(value);
    });
    made.line.hidden = made.details.hidden = found.refused !== undefined;
    made.why.textContent = figures.every(each => each.refused === found.refused) ? "" : found.refused || "";
    made.holds.textContent = "";
    if (found.refused !== undefined) return;
    formula(made.line, found.form, found.terms);
    const law = row.cells[DATA.main], when = DATA.conditions[found.item.when];
    made.holds.textContent = found.tidy && law.tidy ? (law.tidy.valid ? `holds for ${law.tidy.valid}` : "") : when === "every size" ? "" : `holds for ${when}`;
    const steps = found.item.steps || row.steps;
    made.details.hidden = !steps || !steps.length;
    if (made.details.open && steps) explain(made, steps, found, at);
  });
}

/** Operators with what each adds, in proportion to the whole. */
function explain(made, steps, found, at) {
  if (made.explained !== steps) {
    made.explained = steps;
    made.steps.replaceChildren(...steps.map(step => el("li", {}, el("strong", {}, step.name), step.shapes ? el("span", { class: "shapes" }, step.shapes) : null, el("span", { class: "formula" }), el("span", { class: "much" }))));
  }
  steps.forEach((step, place) => {
    const [terms, divisor] = FORMS[step.form](at), [line, much] = [...made.steps.children[place].children].slice(-2);
    formula(line, step.form, terms);
    const total = floordiv(terms.reduce((sum, term) => sum + term, 0n), divisor);
    much.textContent = `${short(total, "count")} · ${percent(share(total, found.total))}`;
  });
}

// -- the chart --------------------------------------------------------------------------------------

/** Sizes along the axis: every one while they are small, then close enough that no line shows it. */
function sampled(low, high) {
  const found = [];
  for (let value = low; value <= high; value += Math.max(1, Math.floor(value / 96))) found.push(value);
  if (found[found.length - 1] !== high) found.push(high);
  return found;
}

let drawn = { key: "", lines: [], marks: [] };
const drawing = () => {
  const axis = NAMED[state.x], value = settled()[axis.name];
  const high = [axis.step > 1 ? 2048 : 1024, 8192, 65536].map(each => Math.max(axis.min, Math.min(each, axis.max))).find(each => each >= value) || axis.max;
  const others = settled();
  delete others[axis.name];
  if (state.square && DATA.square.includes(axis.name)) for (const name of DATA.square) delete others[name];
  for (const each of PARAMETERS) if (state[each.name + "~"]) others[each.name] = "auto";
  const key = JSON.stringify([state.x, state.q, state.row, state.square, state.dtype, high, others]);
  if (drawn.key !== key) drawn = { key, axis, high, ...curves(axis, high) };
  return drawn;
};

/** Lines of all rows, of the chosen row's terms, and where they cross: by exact values on both sides. */
function curves(axis, high) {
  const column = COLUMNS[state.q], xs = sampled(axis.min, high), focus = focusRow();
  const value = (row, x) => { const values = settled(axis.name, x); return figure(row, column, values, inLetters(values)); };
  const lines = DATA.rows.filter(row => row.cells[column.id] && row.kind === focus.kind).map(row => ({ row, name: row.name, at: x => value(row, x) }));
  const here = settled(), at = inLetters(here), law = focus.cells[DATA.main];
  const found = law && shown(law, evaluate(law, at), at), parts = [];
  if (column.id === DATA.main && found.form !== undefined && DATA.forms[found.form].length > 1 && DATA.forms[found.form].length < 5)
    DATA.forms[found.form].forEach((term, place) => parts.push({ row: focus, part: true, name: term.t, at: x => {
      const values = settled(axis.name, x), [terms, divisor] = FORMS[found.form](inLetters(values));
      return (terms[place] < 0n ? -terms[place] : terms[place]) * times(column, values) / divisor;
    } }));
  for (const line of [...lines, ...parts]) line.points = xs.map(x => line.at(x));
  const pairs = lines.slice(1).map(line => [lines[0], line]);
  if (focus !== DATA.rows[0]) lines.filter(line => line.row !== focus && line.row !== DATA.rows[0]).forEach(line => pairs.push([lines.find(each => each.row === focus), line]));
  if (parts.length === 2) pairs.unshift(parts);
  const marks = [];
  if (DATA.crossing !== false) for (const mark of pairs.flatMap(([one, other]) => (one && other ? crossing(one, other, xs) : []))) {
    const same = marks.find(each => each.x === mark.x && each.more.row === mark.more.row && each.y === mark.y);
    if (same) same.over.push(...mark.over); else marks.push(mark);
  }
  return { lines: [...lines, ...parts], marks, xs };
}

/** Where one begins to cost more than the other for good, to the unit: with padding lines cross to and fro. */
function crossing(one, other, xs) {
  const sign = (x, place) => { const [a, b] = place === undefined ? [one.at(x), other.at(x)] : [one.points[place], other.points[place]]; return a === undefined || b === undefined ? 0 : a > b ? 1 : a < b ? -1 : 0; };
  const found = [];
  let last = 0, from = xs[0];
  for (let place = 0; place < xs.length; place++) {
    const now = sign(xs[place], place);
    if (now === 0) continue;
    if (last !== 0 && now !== last) {
      let [low, high] = [from, xs[place]];
      while (high - low > 1) { const middle = Math.floor((low + high) / 2); if (sign(middle) === now) high = middle; else low = middle; }
      const [more, less] = now > 0 ? [one, other] : [other, one];
      found.push({ x: high, more, over: [less.name], y: more.at(high) });
    }
    last = now; from = xs[place];
  }
  return found.slice(-1).map(mark => ({ ...mark, first: found[0].x }));
}

function chart(values) {
  const host = byId("chart"), wide = Math.max(280, host.clientWidth || 600), narrow = wide < 560;
  const { axis, high, lines, marks, xs } = drawing(), column = COLUMNS[state.q];
  const tall = Math.round(Math.max(300, Math.min(460, wide * .52))), left = 58, right = narrow ? 18 : 128, top = 14, bottom = 40;
  const numbers = lines.flatMap(line => line.part ? [] : line.points).filter(each => each !== undefined && each > 0n).map(Number);
  if (!numbers.length) return host.replaceChildren(el("p", { class: "refused" }, `✕ no figure at any ${axis.letter}, with the other settings as they are`)), byId("crossings").replaceChildren();
  const low = Math.floor(Math.log10(Math.min(...numbers))), most = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...numbers, 1))));
  const start = Math.max(1, axis.min), X = x => left + (wide - left - right) * Math.log(x / start) / Math.log(high / start || 2);
  const Y = y => tall - bottom - (tall - top - bottom) * (Math.log10(Number(y)) - low) / (most - low);
  const made = svg("svg", { width: wide, height: tall, viewBox: `0 0 ${wide} ${tall}`, role: "img", "aria-label": described(values, lines, axis, column), xmlns: SVG });
  const clip = svg("clipPath", { id: "clip" }, svg("rect", { x: left, y: top, width: wide - left - right, height: tall - top - bottom }));
  made.append(svg("defs", {}, clip));
  const every = Math.max(1, Math.ceil((most - low) / 8));
  for (let power = low; power <= most; power += every) made.append(svg("line", { class: "grid", x1: left, x2: wide - right, y1: Y(10 ** power), y2: Y(10 ** power) }), svg("text", { class: "tick", x: left - 7, y: Y(10 ** power) + 4, "text-anchor": "end" }, short(10n ** BigInt(Math.max(0, power)), "count", 1) + ((focusRow().kind || column.kind) === "bytes" ? "B" : "")));
  let before = -99;
  for (let x = 1; x <= high; x *= 2) if (x >= start && X(x) - before > 34) { before = X(x); made.append(svg("line", { class: "grid", x1: X(x), x2: X(x), y1: top, y2: tall - bottom }), svg("text", { class: "tick", x: X(x), y: tall - bottom + 17, "text-anchor": "middle" }, String(x))); }
  made.append(svg("text", { class: "tick", x: (left + wide - right) / 2, y: tall - 6, "text-anchor": "middle" }, `${axis.letter}${state.square && DATA.square.includes(axis.name) ? ` = ${DATA.square.find(each => each !== axis.name)}` : ""}: ${axis.meaning}`));
  const here = values[axis.name], drawnLines = svg("g", { "clip-path": "url(#clip)" });
  const ends = [];
  for (const line of lines) {
    let path = "", open = false;
    line.points.forEach((value, place) => { if (value === undefined || value <= 0n) { open = false; return; } path += `${open ? "L" : "M"}${X(xs[place]).toFixed(1)} ${Y(value).toFixed(1)}`; open = true; });
    if (!path) continue;
    const place = DATA.rows.indexOf(line.row);
    drawnLines.append(svg("path", { class: `curve${line.part ? " part" : ""}${line.row.id === state.row && !line.part ? " focus" : ""}`, d: path, stroke: colour(line.row), "stroke-dasharray": line.part ? null : DASHES[place % DASHES.length] || null }));
    const last = [...line.points].reverse().find(value => value !== undefined && value > 0n);
    ends.push({ y: Math.min(tall - bottom, Math.max(top + 4, Y(last))), name: line.name, row: line.row, part: line.part });
  }
  made.append(drawnLines, svg("line", { class: "here", x1: X(here), x2: X(here), y1: top, y2: tall - bottom }), svg("text", { class: "halo", x: X(here), y: top + 10, "text-anchor": X(here) > wide / 2 ? "end" : "start", dx: X(here) > wide / 2 ? -6 : 6 }, `${axis.letter} = ${here}`));
  for (const line of lines) { const value = line.at(here); if (value !== undefined && value > 0n && !line.part && Y(value) <= tall - bottom) made.append(svg("circle", { cx: X(here), cy: Y(value), r: line.row.id === state.row ? 5.5 : 4, fill: colour(line.row) })); }
  const told = [];
  for (const mark of [...marks].sort((a, b) => a.x - b.x)) {
    if (mark.y <= 0n || Y(mark.y) > tall - bottom) continue;
    const [x, y] = [X(mark.x), Y(mark.y)], near = told.some(other => Math.abs(other[0] - x) < 22 && Math.abs(other[1] - y) < 30);
    told.push([x, y]);
    made.append(svg("circle", { class: "ring", cx: x, cy: y, r: 5 }), svg("text", { class: "halo tick", x, y: near ? y + 19 : y - 9, "text-anchor": "middle" }, String(mark.x)));
  }
  if (!narrow) labels(made, ends, wide - right + 8, top, tall - bottom);
  host.replaceChildren(made, ...(narrow ? [key(ends)] : []));
  const name = axis.letter;
  byId("crossings").replaceChildren(...marks.slice(0, 8).map(mark => el("li", {}, el("span", { class: "mark", "aria-hidden": "true" }), `from ${name} = ${exact(mark.x)} on ${mark.more.name} costs more than ${mark.over.join(", ")}${mark.first < mark.x ? ` (to and fro from ${exact(mark.first)})` : ""}`)));
}

function labels(made, ends, x, top, bottom) {
  const merged = [];
  for (const end of ends.sort((a, b) => a.y - b.y)) {
    const same = merged.find(other => !end.part && !other.part && Math.abs(other.y - end.y) < 1.5);
    if (same) same.name += `, ${end.name}`; else merged.push({ ...end });
  }
  const gap = Math.min(15, (bottom - top) / Math.max(1, merged.length - 1));
  merged.forEach((end, place) => { end.y = Math.max(end.y, place ? merged[place - 1].y + gap : top); });
  for (let place = merged.length - 1; place >= 0; place--) merged[place].y = Math.min(merged[place].y, place === merged.length - 1 ? bottom : merged[place + 1].y - gap);
  for (const end of merged) made.append(svg("text", { class: "halo end", x, y: end.y + 4, color: colour(end.row) }, end.name.length > 19 ? end.name.slice(0, 18) + "…" : end.name));
}
const key = ends => el("p", { class: "quiet" }, ...ends.filter(end => !end.part).flatMap(end => [el("span", { class: "swatch", "--of": colour(end.row) }), `${end.name}  `]));
const described = (values, lines, axis, column) => `${column.label} against ${axis.letter}, both on logarithmic axes. At ${axis.letter} = ${values[axis.name]}: ` + lines.filter(line => !line.part).map(line => { const value = line.at(values[axis.name]); return `${line.name} ${value === undefined ? "refused" : short(value, line.row.kind || column.kind)}`; }).join(", ");

function crossings(values, at) {
  const host = byId("conditions");
  byId("conditions-section").hidden = !(DATA.crossings || []).length;
  (DATA.crossings || []).forEach((each, place) => {
    let line = host.children[place];
    if (!line) host.append(line = el("li", {}, `${each.names[0]} costs more than ${each.names[1]} where `, math(each.mathml), " ", el("strong"), each.valid ? el("span", { class: "quiet" }, ` exact for ${each.valid}`) : ""));
    const [more, less] = ["more", "less"].map((side, index) => {
      if (each.forms[index] !== null && each.forms[index] !== undefined) { const [terms] = FORMS[each.forms[index]](at); return terms.reduce((sum, term) => sum + term, 0n); }
      return figure(DATA.rows.find(row => row.id === each[side]), COLUMNS[DATA.main], values, at);
    });
    const said = line.querySelector("strong"), so = more !== undefined && less !== undefined && more > less;
    said.textContent = more === undefined || less === undefined ? "· refused here" : so ? "✓ here" : "· not here";
    said.className = so ? "good" : "quiet";
  });
}

// -- stages and memory ------------------------------------------------------------------------------

function blocks(at, figures) {
  const host = byId("blocks"), wide = Math.max(280, host.clientWidth || 600), rows = DATA.rows.filter(row => row.block);
  byId("blocks-section").hidden = figures.every(each => each.refused !== undefined);
  if (byId("blocks-section").hidden) return;
  const found = rows.map(row => { const [height, width] = row.block.sides.map(law => Number(evaluate(law, at).total ?? 0n)); return { row, height, width: width || height, channels: Number(evaluate(row.block.channels, at).total ?? 0n), depth: Number(evaluate(row.block.depth, at).total ?? 0n), macs: figures[DATA.rows.indexOf(row)].total ?? 0n }; });
  const tall = 250, floor = 168, slot = wide / found.length, biggest = Math.max(1, ...found.map(each => Math.max(each.height, each.width))), thick = Math.max(1, ...found.map(each => each.channels));
  const scale = Math.min(96, slot * .5) / biggest, across = slot * .34 / thick, all = found.reduce((sum, each) => sum + each.macs, 0n);
  const made = svg("svg", { width: wide, height: tall, viewBox: `0 0 ${wide} ${tall}`, role: "img", "aria-label": found.map(each => `${each.row.name}: ${each.height} by ${each.width}, ${each.channels} channels, ${each.depth} blocks, ${percent(share(each.macs, all))} of the MACs`).join("; ") });
  found.forEach((each, place) => {
    const h = Math.max(2, each.height * scale), d = Math.max(1, each.width * scale * .45), t = Math.max(2, each.channels * across), x = place * slot + Math.max(4, (slot - t - d) / 2), fill = colour(each.row), y = floor - h;
    const line = { stroke: "var(--paper)", "stroke-width": 1.2, fill };
    made.append(svg("path", { ...line, d: `M${x} ${y}l${d} ${-d}h${t}l${-d} ${d}z`, "fill-opacity": .55 }), svg("path", { ...line, d: `M${x + t} ${y}l${d} ${-d}v${h}l${-d} ${d}z`, "fill-opacity": .75 }), svg("rect", { ...line, x, y, width: t, height: h }));
    const part = share(each.macs, all), room = slot - 12, size = Math.min(7, room / Math.max(1, each.depth) - 2);
    for (let block = 0; block < Math.min(each.depth, 48); block++) made.append(svg("rect", { x: place * slot + 6 + (block % Math.max(1, Math.floor(room / (size + 2)))) * (size + 2), y: floor + 8, width: Math.max(1.5, size), height: 6, fill }));
    const label = (text, row, kind) => made.append(svg("text", { x: place * slot + 6, y: floor + row, class: kind || "" }, text));
    label(each.row.name.length * 7 > slot ? each.row.name.replace("stage ", "") : each.row.name, 30);
    label(`${each.height}×${each.width}${slot > 105 ? ` · ${each.channels}` : ""}`, 46, "tick");
    made.append(svg("rect", { x: place * slot + 6, y: floor + 54, width: room, height: 8, fill: "var(--line)", rx: 3 }), svg("rect", { x: place * slot + 6, y: floor + 54, width: Math.max(1, room * part), height: 8, fill, rx: 3 }));
    label(percent(part), 77, "tick");
  });
  host.replaceChildren(made);
}

function memory(values, at) {
  const plan = DATA.memory, host = byId("memory");
  byId("memory-section").hidden = false;
  if (!controls.card) {
    controls.card = select(Object.entries(plan.cards).map(([id, card]) => [id, card.name]), "card");
    controls.optimizer = select(Object.keys(plan.optimizers).map(name => [name, name]), "optimizer");
    controls.attention = select([["eager", "eager attention"], ["fused", "fused attention"]], "attention");
    byId("memory-choice").append(el("span", { class: "choice" }, el("label", {}, "card ", controls.card), el("label", {}, "optimizer ", controls.optimizer), plan.attends ? controls.attention : ""));
    if (plan.attends) controls.attention.setAttribute("aria-label", "attention");
  }
  for (const name of ["card", "optimizer", "attention"]) controls[name].value = state[name];
  const known = plan.ways[`${state.dtype} ${state.attention}`] || [];
  const forms = plan.and === undefined || CONDITIONS[plan.and](at) ? known.find(each => CONDITIONS[each.when](at)) : undefined;
  if (!forms) {
    delete host.dataset.total;
    host.replaceChildren(el("p", { class: "refused" }, `✕ The bytes of this page are those of ${plan.valid}. ${plan.command} has them at every other.`));
    return;
  }
  const bytes = name => { const [terms, divisor] = FORMS[forms[name]](at); return floordiv(terms.reduce((sum, term) => sum + term, 0n), divisor); };
  const weights = bytes("weights"), parts = [["weights", weights], ["gradients", weights], [`${state.optimizer} state`, weights * BigInt(plan.optimizers[state.optimizer])],
    ["buffers", bytes("buffers")], ["input", bytes("input")], ["kept for the backward pass", bytes("saved")]].filter(([, size]) => size);
  const total = parts.reduce((sum, [, size]) => sum + size, 0n), card = plan.cards[state.card], room = BigInt(card.memory), fits = total <= room, all = fits ? room : total;
  host.replaceChildren(
    el("p", {}, el("strong", { class: fits ? "good" : "refused" }, fits ? "✓ fits into " : "✕ does not fit into "), `${card.name} (${short(room, "bytes")}): at least ${short(total, "bytes")}, ${percent(share(total, room))} of it`),
    el("div", { class: "meter", "aria-hidden": "true" }, ...parts.map(([, size], place) => { const bar = el("span"); bar.style.flex = `0 0 ${100 * share(size, all)}%`; bar.style.background = `var(--c${place % 8})`; return bar; })),
    el("ul", { class: "parts" }, ...parts.map(([name, size], place) => el("li", {}, el("span", {}, el("span", { class: "swatch", "--of": `var(--c${place % 8})` }), name), el("span", { title: exact(size) }, byId("digits").checked ? exact(size) : short(size, "bytes"))))),
    el("p", { class: "quiet" }, "The peak of a whole step is higher: gradients of activations and workspaces come to it."));
  host.dataset.total = total;
}

// -- sharing ----------------------------------------------------------------------------------------

/** Rows of the table as texts: heads, then a row each. */
function sheet(written) {
  const values = settled(), at = inLetters(values), columns = DATA.columns.filter(each => ["count", "bytes", "number"].includes(each.kind));
  const rows = DATA.rows.map(row => {
    const law = row.cells[DATA.main], found = law ? shown(law, evaluate(law, at), at) : { refused: "" };
    return [row.name, found.form === undefined ? "" : written(DATA.forms[found.form]), ...columns.map(column => { const value = figure(row, column, values, at); return value === undefined ? "" : String(value); })];
  });
  return [[DATA.rowLabel || "Layer", "Formula", ...columns.map(each => (each.kind === "bytes" ? `${each.label} (bytes)` : each.label))], ...rows];
}
const joined = (form, spelling) => form.map((term, place) => (term.n ? (place ? " - " : "-") : place ? " + " : "") + term[spelling]).join("") || "0";
const where = () => PARAMETERS.map(each => `${each.letter} = ${settled()[each.name]}`).join(", ");
const texEscaped = text => text.replace(/[\\&%$#_{}~^]/g, found => ({ "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}" })[found] || "\\" + found);
function latex() {
  const [heads, ...rows] = sheet(form => `$${joined(form, "l")}$`);
  const line = row => row.map((cell, place) => (place === 1 ? cell : texEscaped(place > 1 ? cell.replace(/\B(?=(\d{3})+$)/g, ",") : cell))).join(" & ") + " \\\\";
  return [`% ${where()}`, `\\begin{tabular}{ll${"r".repeat(heads.length - 2)}}`, "\\hline", line(heads), "\\hline", ...rows.map(line), "\\hline", "\\end{tabular}"].join("\n");
}
function markdown() {
  const [heads, ...rows] = sheet(form => `$${joined(form, "l")}$`), line = row => `| ${row.map((cell, place) => (place === 1 ? cell : cell.replace(/[|\\]/g, "\\$&"))).join(" | ")} |`;
  return [line(heads), `| --- | --- |${" ---: |".repeat(heads.length - 2)}`, ...rows.map(line), "", where()].join("\n");
}
const csv = () => sheet(form => joined(form, "t")).map(row => row.map(cell => (/[",\n]/.test(cell) ? `"${cell.replace(/"/g, '""')}"` : cell)).join(",")).join("\r\n");

async function copy(what, text) {
  try { await navigator.clipboard.writeText(text); } catch {
    const area = el("textarea", { class: "unseen" });
    area.value = text; document.body.append(area); area.select(); document.execCommand("copy"); area.remove();
  }
  byId("copied").textContent = `${what} is copied.`;
}

/** The chart as a file of its own: what the style sheet says stands in it as attributes. */
function picture() {
  const from = byId("chart").querySelector("svg"), made = from.cloneNode(true), own = [...from.querySelectorAll("*")];
  [...made.querySelectorAll("*")].forEach((each, place) => {
    const style = getComputedStyle(own[place]);
    for (const name of ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-family", "font-size", "paint-order", "fill-opacity"]) each.setAttribute(name, style.getPropertyValue(name));
    each.removeAttribute("style"); each.removeAttribute("class");
  });
  made.prepend(svg("rect", { width: "100%", height: "100%", fill: getComputedStyle(document.documentElement).getPropertyValue("--paper") }));
  return new XMLSerializer().serializeToString(made);
}
function download() {
  const link = el("a", { href: URL.createObjectURL(new Blob([picture()], { type: "image/svg+xml" })), download: "vpcalc.svg" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  byId("copied").textContent = "The chart is in vpcalc.svg.";
}

// -- the start --------------------------------------------------------------------------------------

byId("table-title").textContent = DATA.tableTitle || "Side by side";
read();
build();
render();
new ResizeObserver(() => update(typing)).observe(byId("chart"));
window.addEventListener("hashchange", () => { if (location.hash.includes("=") && location.hash !== address()) { read(); update(); } });
