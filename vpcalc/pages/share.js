// Taking it along: a link, the table as text, the chart as a file.

/** The table as texts: its heads, then each row. */
function sheet(joining) {
  const values = settled(), at = inLetters(values);
  const columns = DATA.columns.filter(each => !each.of && each.kind !== "grid");
  const heads = columns.map(each => (each.kind === "bytes" ? `${each.label} (bytes)` : each.label));
  const rows = DATA.rows.filter(row => there(row, values, at)).map(row => {
    const found = shown(row.cells[DATA.main], at);
    const form = found.form === undefined ? "" : joining(wordsOf(found.form));
    return [row.name, form, ...columns.map(column => String(figure(row, column, values, at) ?? ""))];
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
  return [`% ${where()}`, begin, "\\hline", heads, "\\hline", ...rows, "\\hline", "\\end{tabular}"].join("\n");
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

const where = () => PARAMETERS.map(each => `${each.letter} = ${settled()[each.name]}`).join(", ");

async function copy(what, text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { class: "unseen" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  byId("copied").textContent = `${what} is copied.`;
}

const LOOKS = ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-family", "font-size", "paint-order"];

/** The chart as a file of its own: what the style sheet says stands in it as attributes. */
function picture() {
  const from = byId("chart").querySelector("svg"), made = from.cloneNode(true), own = from.querySelectorAll("*");
  made.querySelectorAll("*").forEach((each, place) => {
    for (const name of LOOKS) each.setAttribute(name, getComputedStyle(own[place]).getPropertyValue(name));
    each.removeAttribute("style");
    each.removeAttribute("class");
  });
  const paper = getComputedStyle(document.documentElement).getPropertyValue("--paper");
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
