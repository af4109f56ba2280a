// Elements, and formulas whose terms can be lit.

const byId = name => document.getElementById(name);
const colour = row => `var(--c${DATA.rows.indexOf(row) % 8})`;
const DASHES = [null, "9 3", "9 3 2 3", "3 3", "12 3 2 3 2 3", "5 3"];
/** How a row's line is drawn; colours come again after eight, then with other dashes. */
const drawn = row => {
  const place = DATA.rows.indexOf(row);
  return { stroke: colour(row), "stroke-dasharray": DASHES[(place + Math.floor(place / 24)) % DASHES.length] };
};

/** Attributes, listeners (on) and styles of an element, and what is inside. */
function dress(made, { on = {}, css = {}, ...attributes }, inside) {
  for (const [event, heard] of Object.entries(on)) made.addEventListener(event, heard);
  for (const [name, value] of Object.entries(css)) made.style.setProperty(name, value);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...inside.filter(each => each !== null && each !== undefined));
  return made;
}
const el = (tag, attributes = {}, ...inside) => dress(document.createElement(tag), attributes, inside);
const svg = (tag, attributes, ...inside) =>
  dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, inside);

/** A figure with all its digits behind it; a long one may break. */
const figureOf = (text, title) => el("span", { title, class: text.length > 9 ? "long" : null }, text);

const swatch = paint => el("span", { class: "swatch", "aria-hidden": "true", css: { "--of": paint } });
/** A piece of a row's line. */
const sample = row =>
  svg("svg", { class: "sample", "aria-hidden": "true" }, svg("line", { x2: 28, y1: 4, y2: 4, ...drawn(row) }));
function bar(row, part) {
  const css = { "--of": colour(row), width: `${100 * Math.min(1, part)}%` };
  return el("span", { class: "bar", "aria-hidden": "true", css });
}

const PARSED = new Map();
function math(source) {
  if (!PARSED.has(source)) {
    const parsed = new DOMParser().parseFromString(source, "application/xml").documentElement;
    PARSED.set(source, document.importNode(parsed, true));
  }
  return PARSED.get(source).cloneNode(true);
}

/** Each term is a piece of its own, so that long formulas break between terms. */
function pieces(form) {
  return form.flatMap((term, place) => {
    const sign = place || term.n ? [el("span", { class: "sign" }, term.n ? "−" : "+")] : [];
    const inside = math(`<math xmlns="http://www.w3.org/1998/Math/MathML">${term.m}</math>`);
    return [...sign, el("span", { class: "term" }, inside, el("small"))];
  });
}

/** A formula within an element, its terms lit in proportion to what they are of it now. */
function formula(host, number, terms) {
  if (host.dataset.form !== String(number)) {
    host.dataset.form = number;
    host.replaceChildren(...(terms.length ? pieces(wordsOf(number)) : ["0"]));
  }
  const sizes = terms.map(size), all = sum(sizes);
  host.querySelectorAll(":scope > .term").forEach((piece, place) => {
    const part = share(sizes[place], all);
    piece.style.setProperty("--share", part.toFixed(4));
    piece.lastChild.textContent = terms.length > 1 ? percent(part) : "";
  });
}
