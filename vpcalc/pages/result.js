// The chosen row in large, what is to be said of all rows, and the inequalities.

function hero(values, at, figures) {
  const row = focusRow(), found = figures[DATA.rows.indexOf(row)], column = COLUMNS[DATA.main];
  const name = row.total || DATA.kind === "module" ? DATA.title : row.name;
  const sides = SQUARE.map(each => values[each]).join(" × ");
  const where = sides || AXES.slice(0, DATA.kind === "module" ? 4 : 2).map(each => `${each.letter} = ${values[each.name]}`).join(", ");
  const refused = found.refused !== undefined, kind = kindOf(row, column), what = row.of || column.label;
  const total = refused ? 0n : figure(row, column, values, at);
  const outcome = refused ? ("item" in found ? "refused" : "beyond this page") : `${short(total, kind)} ${what}`;
  byId("headline").textContent = `${name} at ${where}: ${outcome}`;
  byId("formula").hidden = byId("shares").hidden = refused;
  const counted = `${exact(total)} ${kind === "bytes" ? "bytes " : ""}${what}`;
  byId("finding").textContent = refused ? "" : finding(found, counted);
  if (!refused) light(found);
  const notes = notices(figures);
  byId("notice").hidden = !notes.length;
  byId("notice").classList.toggle("mild", !notes.some(note => note.startsWith("✕")));
  byId("notice").replaceChildren(...notes.map(note => el("p", {}, note)));
}

/** The formula and the bar below it. */
function light(found) {
  const host = byId("formula"), bars = byId("shares"), sizes = found.terms.map(size), all = sum(sizes);
  host.classList.toggle("long", sizes.length > 4);
  formula(host, found.form, found.terms);
  while (bars.children.length > sizes.length) bars.lastChild.remove();
  while (bars.children.length < sizes.length) bars.append(el("span"));
  sizes.forEach((each, place) => {
    bars.children[place].style.flex = `${share(each, all)} 0 0`;
    bars.children[place].style.background = `rgb(var(--heat) / ${(0.3 + 0.7 * share(each, all)).toFixed(3)})`;
  });
}

function finding(found, total) {
  const terms = wordsOf(found.form), sizes = found.terms.map(size), all = sum(sizes);
  if (terms.length < 2) return `Exactly ${total}.`;
  const most = sizes.reduce((best, each, place) => (each > sizes[best] ? place : best), 0);
  const other = terms.length === 2 && sizes[0] !== sizes[1] ? `: it outweighs ${terms[1 - most].t}` : "";
  return `Exactly ${total}. ${terms[most].t} is ${percent(share(sizes[most], all))} of it${other}.`;
}

/** Where the form of a row holds that is shown first: papers print it, but none of a module of the reader's. */
function lattice(row) {
  const own = DATA.kind === "module" || (DATA.kind === "compare" && !row.source);
  return `${own ? "its main form" : "the papers’ form"} (${row.cells[DATA.main].tidy.valid})`;
}

/** Why there is no figure: what code itself says is of one size, so that where it holds is said, too. */
const why = ({ refused, where }) => (DATA.kind === "module" && where ? `where ${where}: ${refused}` : refused);

/** What is refused, and what is off the lattice of the form that papers print; rows of the same together. */
function notices(figures) {
  const refused = new Map(), off = new Map(), others = new Map();
  const add = (map, key, name) => map.set(key, [...(map.get(key) || []), name]);
  DATA.rows.forEach((row, place) => {
    const found = figures[place];
    if (found.refused !== undefined) add(refused, why(found), row.name);
    else if (!found.tidy) add(found.own === false ? others : off, lattice(row), row.name);
  });
  const few = names => (names.length > 4 ? [...names.slice(0, 3), `${names.length - 3} more`] : names).join(", ");
  const of = names => (names.length < figures.length ? `${few(names)}: ` : "");
  const here = "shown is the form that holds here, with what is padded or dropped";
  const outside = (what, names) => `⚠ ${few(names)}: not on the lattice of ${what}; ${here}.`;
  const changed = `⚠ other settings than ${DATA.title} has: shown is the form that holds here, in all of them.`;
  const said = [...refused].map(([why, names]) => `✕ ${of(names)}${why}`);
  return [...said, ...(others.size ? [changed] : []), ...[...off].map(([what, names]) => outside(what, names))];
}

let speaking = 0, spoken = [];
/** What is new is said to those who listen, once nothing moves any more. */
function speak(sentences) {
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    const found = sentences.filter(each => each && !spoken.includes(each));
    spoken = sentences;
    if (found.length) byId("live").textContent = found.map(each => each.replace(/\.?$/, ".")).join(" ");
  }, 700);
}

function conditions(values, at) {
  const known = DATA.crossings || [], host = byId("conditions");
  byId("conditions-section").hidden = !known.length;
  known.forEach((each, place) => {
    if (!host.children[place]) {
      const words = `${each.names[0]} costs more than ${each.names[1]} where `;
      const valid = each.valid && el("span", { class: "quiet" }, ` (exact for ${each.valid})`);
      const inequality = el("span", { class: "wide" }, math(each.mathml));
      host.append(el("li", {}, words, inequality, " ", el("strong"), valid));
    }
    const total = id => figure(CHOICES.row[id], COLUMNS[DATA.main], values, at);
    const value = (id, side) => (each.forms[side] === null ? total(id) : valueOf(each.forms[side], at));
    const [more, less] = [each.more, each.less].map(value);
    const said = host.children[place].querySelector("strong");
    const known = more !== undefined && less !== undefined;
    said.className = more > less ? "good" : "quiet";
    said.textContent = more > less ? "✓ here" : known ? "· not here" : "· refused here";
  });
}
