// What is set, which is the address of the page, and the figures there.

const DATA = JSON.parse(document.getElementById("data").textContent);
const PARAMETERS = DATA.parameters;
const AXES = PARAMETERS.filter(each => each.name !== "batch");
const COLUMNS = Object.fromEntries(DATA.columns.map(each => [each.id, each]));
/** Whether a law has a figure above zero anywhere; attention maps of a convolution have none. */
const some = law => law?.cases.some(each => each.form !== undefined && DATA.forms[each.form][0].length);
const PLOTTED = DATA.columns.filter(
  each => (each.kind === "count" || each.kind === "bytes") && DATA.rows.some(row => some(row.cells[each.id])),
);
const SQUARE = DATA.square || [];
const state = {}, sizes = {}; // what is chosen, and what is set: a parameter may have a choice's name

const named = list => Object.fromEntries(list.map(each => [each.id || each.name, each]));
const CHOICES = { dtype: DATA.dtypes || {}, x: named(AXES), q: named(PLOTTED), row: named(DATA.rows) };
if (DATA.memory) {
  const { cards, optimizers } = DATA.memory;
  Object.assign(CHOICES, { card: cards, optimizer: optimizers, attention: DATA.memory.attends ? { eager: 1, fused: 1 } : { eager: 1 } });
}

/** By which the address has a choice. */
const key = name => (PARAMETERS.some(each => each.name === name) ? `${name}~` : name);

/** The state that the address says; what it does not say is as the page begins. */
function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  const first = PLOTTED.find(each => each.id === DATA.main) || PLOTTED[0] || DATA.columns[0];
  const begin = { dtype: DATA.dtype, x: AXES[0].name, q: first.id, row: DATA.focus || DATA.rows[0].id };
  Object.assign(begin, { card: DATA.memory?.card, optimizer: "adamw", attention: "eager" });
  for (const each of PARAMETERS) {
    const value = given.get(each.name) ?? (each.auto ? "auto" : String(each.value));
    if (each.auto) sizes[`${each.name}~`] = value === "auto";
    const number = /^\d{1,15}$/.test(value) ? Number(value) : each.value;
    sizes[each.name] = Math.min(each.max, Math.max(each.min, number));
  }
  const [height, width] = SQUARE;
  const equal = given.has(key("square")) ? given.get(key("square")) === "1" : sizes[height] === sizes[width];
  state.square = SQUARE.length > 0 && equal;
  if (state.square) sizes[width] = sizes[height];
  for (const [name, known] of Object.entries(CHOICES))
    state[name] = Object.hasOwn(known, given.get(key(name)) ?? "") ? given.get(key(name)) : begin[name];
  byId("digits").checked = given.get(key("digits")) === "1";
}

function address() {
  const given = new URLSearchParams();
  for (const each of PARAMETERS) given.set(each.name, sizes[`${each.name}~`] ? "auto" : sizes[each.name]);
  if (SQUARE.length) given.set(key("square"), state.square ? "1" : "0");
  for (const name of Object.keys(CHOICES)) if (state[name] !== undefined) given.set(key(name), state[name]);
  if (byId("digits").checked) given.set(key("digits"), "1");
  return `#${given}`;
}

/** Heads and reduction as vpcalc chooses them where nobody does. */
const AUTO = {
  heads: values => (values.C % 32 === 0 ? values.C / 32 : 1),
  R: values => Math.min(8, values.h, values.w),
};

/** The numbers of all parameters, with one of them changed if asked. */
function settled(changed, value) {
  const values = Object.fromEntries(PARAMETERS.map(each => [each.name, sizes[each.name]]));
  if (changed) for (const name of alike(changed)) values[name] = value;
  for (const { name } of PARAMETERS) if (sizes[`${name}~`] && name !== changed) values[name] = AUTO[name](values);
  return values;
}

/** A parameter and those that go with it: both sides of a square. */
const alike = name => (state.square && SQUARE.includes(name) ? SQUARE : [name]);

const inLetters = values => Object.fromEntries(PARAMETERS.map(each => [each.letter, BigInt(values[each.name])]));

/** What a column multiplies its form by: images, and bytes of an element. */
function times(column, values) {
  const factors = (column.times || []).map(name => (name === "item" ? DATA.dtypes[state.dtype] : values[name]));
  return factors.reduce((all, each) => all * BigInt(each), 1n);
}

/** A figure of a row, in which some of it may be there once for all images; undefined where it is refused. */
function figure(row, column, values, at) {
  const law = row.cells[column.id], once = row.cells[`${column.id}_once`], factor = times(column, values);
  const total = law && evaluate(law, at).total;
  if (total === undefined) return undefined;
  return total * factor - (once ? evaluate(once, at).total * (factor - 1n) : 0n);
}

/** Whether a row has anything at all: the layers above the first are none where there is one. */
const there = (row, values, at) => DATA.kind !== "model" || PLOTTED.some(each => figure(row, each, values, at) !== 0n);

const focusRow = () => CHOICES.row[state.row];
const kindOf = (row, column) => row.kind || column.kind;
