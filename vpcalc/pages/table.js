// The table. It is built once; after that only what it says changes.

const lines = [];

function table(values, at, figures) {
  const host = byId("table");
  if (!lines.length) {
    const head = each => el("th", { scope: "col", class: looksOf(each) }, each.label);
    host.append(el("thead", {}, el("tr", {}, ...[{ label: DATA.rowLabel }, ...DATA.columns].map(head))));
    lines.push(...DATA.rows.map(line));
    host.append(...lines.map(each => each.body));
  }
  host.classList.toggle("exact", byId("digits").checked);
  DATA.rows.forEach((row, place) => {
    const made = lines[place], found = figures[place], refused = found.refused !== undefined;
    made.body.hidden = !there(row, values, at);
    made.body.classList.toggle("chosen", row === focusRow() && lines.length > 1);
    made.button.setAttribute("aria-pressed", row === focusRow());
    DATA.columns.forEach((column, index) => made.cells[index].replaceChildren(...cell(row, column, values, at)));
    made.formula.hidden = made.details.hidden = refused;
    made.why.textContent = figures.every(each => each.refused === found.refused) ? "" : found.refused || "";
    made.holds.textContent = refused || (DATA.leaves && !row.total) ? "" : domain(row, found);
    if (refused) return;
    formula(made.formula, found.form, found.terms);
    const { steps } = found.item;
    made.details.hidden = !steps || (!steps.length && !found.total);
    if (made.details.open && !made.details.hidden) explain(made, steps, found.total, at, kindOf(row, COLUMNS[DATA.main]));
  });
}

/** What a narrow window has no room for. */
const looksOf = column => (column.minor ? "minor" : "");

function line(row) {
  const choose = () => {
    state.row = row.id;
    update();
  };
  const looks = { type: "button", class: "row", title: "show its formula above", on: { click: choose } };
  const button = el("button", looks, sample(row), row.name);
  const cells = DATA.columns.map(each => el("td", { class: looksOf(each) }));
  const steps = el("ul", { class: "steps" }), source = el("p", { class: "quiet" }, row.source);
  const details = el("details", {}, el("summary", {}, "Where does this come from?", el("span", { class: "unseen" }, ` (${row.name})`)), steps, source);
  details.addEventListener("toggle", () => update());
  const made = { button, cells, steps, details, formula: el("div", { class: "formula" }) };
  Object.assign(made, { why: el("span", { class: "refused" }), holds: el("span", { class: "quiet" }) });
  const under = el("div", {}, made.formula, made.why, made.holds, details);
  const first = el("tr", {}, el("th", { scope: "row" }, button), ...cells);
  const second = el("tr", { class: "under" }, el("td", { colspan: cells.length + 1 }, under));
  return Object.assign(made, { body: el("tbody", { class: row.total ? "total" : "" }, first, second) });
}

/** What stands in a cell. */
function cell(row, column, values, at) {
  if (column.kind === "grid") {
    const sides = (row.cells[column.id] || []).map(law => evaluate(law, at).total);
    return [sides.includes(undefined) ? "–" : sides.join("×")];
  }
  if (column.of) {
    const other = column.kind === "share" ? DATA.rows[DATA.rows.length - 1] : DATA.rows[0];
    const [part, whole] = [row, other].map(each => figure(each, COLUMNS[column.of], values, at));
    if (part === undefined || !whole) return ["–"];
    if (column.kind === "share") return [percent(share(part, whole)), bar(row, share(part, whole))];
    const value = Number(part) / Number(whole);
    return [ratio(value), bar(row, value / 2)];
  }
  const value = figure(row, column, values, at), kind = kindOf(row, column);
  if (value === undefined) return ["–"];
  if (kind === "number" || byId("digits").checked) return [exact(value)];
  return [figureOf(short(value, kind), exact(value))];
}

function domain(row, found) {
  const { tidy } = row.cells[DATA.main];
  const where = tidy && found.tidy ? tidy.valid : found.where.replace("every size", "");
  return where && `holds for ${where}`;
}

/** Operators with what each adds, in proportion to the whole. */
function explain(made, steps, total, at, kind) {
  if (made.explained !== steps) {
    made.explained = steps;
    const unknown = steps.length ? [] : [el("li", {}, "Which operators add up to this form is not known.")];
    const item = step => [el("strong", {}, step.name), el("span", { class: "shapes" }, step.shapes)];
    const empty = () => [el("span", { class: "formula" }), el("span")];
    made.steps.replaceChildren(...unknown, ...steps.map(step => el("li", {}, ...item(step), ...empty())));
  }
  steps.forEach((step, place) => {
    const [, , written, much] = made.steps.children[place].children, value = valueOf(step.form, at);
    formula(written, step.form, termsOf(step.form, at)[0]);
    much.textContent = `${short(value, kind)} · ${percent(share(value, total))}`;
  });
}
