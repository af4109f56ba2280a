// Taking it along: a link, the table as text, the chart as a file.

/** The table as texts: its heads, then each row. */
function sheet(joining) {
  const values = settled(), at = inLetters(values);
  const columns = DATA.columns.filter(each => !each.of && each.kind !== "grid");
  const heads = columns.map(each => (each.kind === "bytes" ? `${each.label} (bytes)` : each.label));
  const rows = DATA.rows.filter(row => there(row, values, at)).map(row => {
    const found = shown(row.cells[DATA.main], at);
    const form = found.form === undefined ? "" : joining(wordsOf(found.form));
    return [row.kind === "bytes" ? `${row.name} (bytes)` : row.name, form, ...columns.map(column => String(figure(row, column, values, at) ?? ""))];
  });
  return [[DATA.rowLabel, "Formula", ...heads], ...rows];
}

function latex() {
  const marks = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}" };
  const escaped = text => text.replace(/[\\&%$#_{}~^]/g, found => marks[found] || `\\${found}`);
  const cell = (text, place) => (place === 1 ? text : escaped(place && /^\d+$/.test(text) ? exact(text) : text));
  const [heads, ...rows] = sheet(form => `$${joined(form, "l")}$`).map(row => `${row.map(cell).join(" & ")} \\\\`);
  const numbers = DATA.columns.filter(each => !each.of && each.kind !== "grid").length;
  const begin = `\\begin{tabular}{ll${"r".repeat(numbers)}}`;
  const table = [begin, "\\hline", heads, "\\hline", ...rows, "\\hline", "\\end{tabular}"].join("\n");
  const needs = table.includes("\\text{") ? ["% needs \\usepackage{amsmath}"] : [];
  return [`% ${where()}`, ...needs, table].join("\n");
}

function markdown() {
  const cell = (text, place) => (place === 1 ? text : text.replace(/[|\\]/g, "\\$&"));
  const all = sheet(form => `$${joined(form, "l")}$`);
  const [heads, ...rows] = all.map(row => `| ${row.map(cell).join(" | ")} |`);
  return [heads, `| --- | --- |${" ---: |".repeat(all[0].length - 2)}`, ...rows, "", where()].join("\n");
}

function csv() {
  const quoted = text => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  return sheet(form => joined(form, "t")).map(row => row.map(quoted).join(",")).join("\r\n");
}

/** What a table is of, and at which settings. */
function where() {
  const values = settled(), sizes = PARAMETERS.map(each => `${each.letter} = ${values[each.name]}`);
  const name = DATA.kind === "compare" ? "" : `${DATA.title}: `;
  return name + [...sizes, ...(DATA.dtypes ? [`element type = ${state.dtype}`] : [])].join(", ");
}

/** Where a browser gives no clipboard, the old way; where that is refused too, the text is there to be copied by hand. */
async function copy(what, text) {
  const area = byId("by-hand"), before = document.activeElement;
  try {
    await navigator.clipboard.writeText(text);
    area.hidden = true;
  } catch {
    area.hidden = false;
    area.value = text;
    area.dataset.at = address();
    area.focus();
    area.select();
    area.hidden = document.execCommand("copy");
    if (area.hidden) before.focus();
  }
  byId("copied").textContent = area.hidden ? `${what} is copied.` : "This browser lets no page copy. The text is below, selected.";
}

const LOOKS = ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-family", "font-size", "paint-order"];

const SAVED = 720; // pixels across at least: lines have their names beside them

/** The chart as a file of its own: what the style sheet says stands in it as attributes. */
function picture() {
  const from = plot(settled(), Math.max(SAVED, byId("chart").clientWidth)).picture;
  const host = el("div", { class: "unseen" }, from);
  document.body.append(host);
  const made = from.cloneNode(true), own = from.querySelectorAll("*");
  made.querySelectorAll("*").forEach((each, place) => {
    for (const name of LOOKS) each.setAttribute(name, getComputedStyle(own[place]).getPropertyValue(name));
    each.removeAttribute("style");
    each.removeAttribute("class");
  });
  const paper = getComputedStyle(document.documentElement).getPropertyValue("--paper");
  host.remove();
  made.prepend(svg("rect", { width: "100%", height: "100%", fill: paper }));
  return new XMLSerializer().serializeToString(made);
}

function download() {
  if (!byId("chart").querySelector("svg")) return (byId("copied").textContent = "There is no chart at these settings.");
  const href = URL.createObjectURL(new Blob([picture()], { type: "image/svg+xml" }));
  el("a", { href, download: "vpcalc.svg" }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
  byId("copied").textContent = "The chart is in vpcalc.svg.";
}

const BUTTONS = {
  "Copy link": () => copy("The link", location.href.replace(/#.*/, "") + address()),
  "Copy LaTeX": () => copy("LaTeX", latex()),
  "Copy Markdown": () => copy("Markdown", markdown()),
  "Copy CSV": () => copy("CSV", csv()),
  "Download SVG": download,
  Print: () => window.print(),
};
