// How it grows: both axes logarithmic, every point and every crossing an exact value.

const MOST_TERMS = 4; // of a formula whose terms have lines of their own

/** Sizes along the axis: every one while they are small, then so close that no line shows it. */
function sampled(low, high) {
  const found = [];
  for (let value = low; value < high; value += Math.max(1, Math.floor(value / 96))) found.push(value);
  return [...found, high];
}

let known = {};
/** The lines, computed again only when something beside the place on the axis has changed. */
function linesNow() {
  const axis = CHOICES.x[state.x], values = settled();
  const within = high => Math.max(axis.min, Math.min(high, axis.max));
  const high = [axis.step > 1 ? 2048 : 1024, 8192, axis.max].map(within).find(each => each >= values[axis.name]);
  for (const name of alike(axis.name)) delete values[name];
  for (const { name } of PARAMETERS) if (sizes[`${name}~`]) values[name] = "auto";
  const key = JSON.stringify([axis, high, values, state.q, state.row, state.square, state.dtype]);
  if (known.key !== key) known = { key, axis, high, ...curves(axis, sampled(axis.min, high)) };
  return known;
}

/** Lines of all rows and of the chosen row's terms, and where they cross. */
function curves(axis, xs) {
  const column = COLUMNS[state.q], focus = focusRow();
  const along = compute => x => {
    const values = settled(axis.name, x);
    return compute(values, inLetters(values));
  };
  const rows = DATA.rows.filter(row => row.cells[column.id] && row.kind === focus.kind);
  const total = row => (values, at) => figure(row, column, values, at);
  const whole = rows.map(row => ({ row, name: row.name, at: along(total(row)) }));
  const found = shown(focus.cells[DATA.main], inLetters(settled())), terms = found.form === undefined ? [] : wordsOf(found.form);
  const apart = column.id === DATA.main && terms.length > 1 && terms.length <= MOST_TERMS;
  const parts = (apart ? terms : []).map((term, place) => {
    const part = (values, at) => {
      if (total(focus)(values, at) === undefined) return undefined; // no more than the whole
      const [all, divisor] = termsOf(found.form, at);
      return (size(all[place]) * times(column, values)) / divisor;
    };
    return { row: focus, name: term.t, part: true, at: along(part) };
  });
  for (const each of [...whole, ...parts]) each.points = xs.map(each.at);
  return { xs, curves: [...whole, ...parts], marks: DATA.crossing === false ? [] : crossings(whole, parts, xs) };
}

/** Crossings of the two terms, of the first row with all others, and of the chosen row with all others. */
function crossings(whole, parts, xs) {
  const chosen = whole.find(each => each.row === focusRow());
  const pairs = parts.length === 2 ? [parts] : [];
  for (const other of whole.slice(1)) pairs.push([whole[0], other]);
  for (const other of whole.slice(1)) if (chosen !== whole[0] && other !== chosen) pairs.push([chosen, other]);
  const marks = [];
  for (const mark of pairs.flatMap(([one, other]) => crossing(one, other, xs))) {
    const same = marks.find(each => each.x === mark.x && each.y === mark.y && each.more === mark.more);
    if (same) same.over.push(...mark.over);
    else marks.push(mark);
  }
  return marks;
}

/** Where one begins to cost more than the other for good, to the unit: with padding lines cross back and forth. */
function crossing(one, other, xs) {
  const compare = (a, b) => (a === undefined || b === undefined || a === b ? 0 : a > b ? 1 : -1);
  const found = [];
  let last = 0, from = xs[0];
  xs.forEach((x, place) => {
    const now = compare(one.points[place], other.points[place]);
    if (now && last && now !== last) {
      let low = from, high = x;
      while (high - low > 1) {
        const middle = Math.floor((low + high) / 2);
        if (compare(one.at(middle), other.at(middle)) === now) high = middle;
        else low = middle;
      }
      found.push({ x: high, more: now > 0 ? one : other, over: [(now > 0 ? other : one).name] });
    }
    if (now) [last, from] = [now, x];
  });
  return found.slice(-1).map(mark => ({ ...mark, first: found[0].x, y: mark.more.at(mark.x) }));
}

/** The frame, in pixels, and where sizes and figures lie in it. */
function frame(wide, axis, high, figures, longest) {
  const letters = Math.max(16, Math.min(longest, Math.floor(wide / 32))); // of a name at the end of a line
  const narrow = wide < 560, tall = Math.round(Math.max(300, Math.min(460, wide * 0.52)));
  const left = 58, right = wide - (narrow ? 18 : 16 + 7 * letters), top = 26, bottom = tall - 40;
  const logs = figures.map(each => Math.log10(Number(each)));
  const low = Math.floor(Math.min(...logs)), most = Math.max(low + 1, Math.ceil(Math.max(...logs)));
  const start = Math.max(1, axis.min);
  const X = x => left + ((right - left) * Math.log(x / start)) / Math.log(Math.max(high / start, 2));
  const Y = y => bottom - ((bottom - top) * (Math.log10(Number(y)) - low)) / (most - low);
  return { narrow, wide, tall, letters, left, right, top, bottom, low, most, start, X, Y };
}

function chart(values) {
  const host = byId("chart"), { axis, marks } = linesNow();
  const { picture, ends, narrow } = plot(values, Math.max(280, host.clientWidth));
  byId("crossings").replaceChildren(...marks.slice(0, 8).map(mark => told(axis, mark)));
  if (picture) return host.replaceChildren(picture, ...(narrow ? [legend(ends)] : []));
  const why = `✕ no figure at any ${axis.letter}, with the other settings as they are`;
  host.replaceChildren(el("p", { class: "refused" }, why));
}

/** The picture, so wide; where it is narrow, names of lines have no room in it. */
function plot(values, wide) {
  const { axis, high, xs, curves, marks } = linesNow(), column = COLUMNS[state.q];
  const positive = value => value !== undefined && value > 0n;
  const figures = curves.filter(each => !each.part).flatMap(each => each.points).filter(positive);
  if (!figures.length) return {};
  const longest = Math.max(...curves.map(each => each.name.length));
  const at = frame(wide, axis, high, figures, longest), here = values[axis.name];
  const inside = { x: at.left, y: at.top, width: at.right - at.left, height: at.bottom - at.top };
  const clip = svg("clipPath", { id: "clip" }, svg("rect", inside));
  const size = { width: at.wide, height: at.tall, viewBox: `0 0 ${at.wide} ${at.tall}` };
  const described = { role: "img", "aria-label": describe(curves, axis, here, column) };
  const picture = svg("svg", { ...size, ...described }, svg("defs", {}, clip), ...grid(at, axis, high, column));
  const drawing = svg("g", { "clip-path": "url(#clip)" }), ends = [];
  for (const each of curves) {
    const path = pathOf(each.points, xs, at, positive);
    if (!path) continue;
    const chosen = each.part ? " part" : each.row === focusRow() ? " focus" : "";
    const looks = each.part ? { stroke: colour(each.row) } : drawn(each.row);
    drawing.append(svg("path", { class: `curve${chosen}`, ...looks, d: path }));
    const y = at.Y(each.points.filter(positive).pop());
    ends.push({ ...each, y: Math.min(at.bottom, Math.max(at.top + 4, y)) });
  }
  const side = at.X(here) > at.wide / 2 ? { "text-anchor": "end", dx: -6 } : { dx: 6 };
  const rule = svg("line", { class: "here", x1: at.X(here), x2: at.X(here), y1: at.top, y2: at.bottom });
  const said = svg("text", { class: "halo", x: at.X(here), y: at.top + 10, ...side }, `${axis.letter} = ${here}`);
  picture.append(drawing, rule, said);
  for (const each of curves.filter(other => !other.part)) {
    const value = each.at(here), r = each.row === focusRow() ? 5.5 : 4;
    const place = positive(value) && { cx: at.X(here), cy: at.Y(value), fill: colour(each.row) };
    if (place) picture.append(svg("circle", { ...place, r }));
  }
  picture.append(...rings(marks.filter(mark => positive(mark.y) && at.Y(mark.y) <= at.bottom), at));
  if (!at.narrow) picture.append(...labels(ends, at));
  return { picture, ends, narrow: at.narrow };
}

function grid(at, axis, high, column) {
  const found = [], unit = kindOf(focusRow(), column) === "bytes" ? "B" : "";
  const rule = (x1, x2, y1, y2) => svg("line", { class: "grid", x1, x2, y1, y2 });
  const text = (x, y, anchor, said) => svg("text", { class: "tick", x, y, "text-anchor": anchor }, said);
  for (let power = at.low; power <= at.most; power += Math.max(1, Math.ceil((at.most - at.low) / 8))) {
    const y = at.Y(10 ** power), said = short(10n ** BigInt(Math.max(0, power)), "count", 1) + unit;
    found.push(rule(at.left, at.right, y, y), text(at.left - 7, y + 4, "end", said));
  }
  let last = -99;
  for (let x = 1; x <= high; x *= 2) {
    if (x < at.start || at.X(x) - last < 34) continue;
    last = at.X(x);
    found.push(rule(last, last, at.top, at.bottom), text(last, at.bottom + 17, "middle", x));
  }
  const title = `${alike(axis.name).length > 1 ? SQUARE.join(" = ") : axis.letter}: ${axis.meaning}`;
  const what = DATA.kind === "module" ? "" : column.label; // of a module each line says what it is of
  return [...found, text((at.left + at.right) / 2, at.tall - 6, "middle", title), text(4, 12, "start", what)];
}

/** A line with gaps where there is no figure. */
function pathOf(points, xs, at, positive) {
  const places = points.map((value, place) => (positive(value) ? place : -1)).filter(place => place >= 0);
  const begins = place => place === 0 || !positive(points[place - 1]);
  const point = place => `${at.X(xs[place]).toFixed(1)} ${at.Y(points[place]).toFixed(1)}`;
  return places.map(place => (begins(place) ? "M" : "L") + point(place)).join("");
}

/** Crossings with their sizes, above the ring or, where there is another, below it. */
function rings(marks, at) {
  const places = marks.map(mark => ({ x: at.X(mark.x), y: at.Y(mark.y), text: mark.x }));
  return places.flatMap(({ x, y, text }) => {
    const covered = places.some(other => Math.abs(other.x - x) < 24 && other.y < y && y - other.y < 40);
    const label = svg("text", { class: "halo tick", x, y: covered ? y + 19 : y - 9, "text-anchor": "middle" }, text);
    return [svg("circle", { class: "ring", cx: x, cy: y, r: 5 }), label];
  });
}

/** Names at the ends of lines, pushed apart; lines that end together have one. */
function labels(ends, at) {
  const found = [];
  for (const end of ends.toSorted((a, b) => a.y - b.y)) {
    const same = found.find(other => !end.part && !other.part && Math.abs(other.y - end.y) < 1.5);
    if (same) same.name += `, ${end.name}`;
    else found.push({ ...end });
  }
  const gap = Math.min(15, (at.bottom - at.top) / Math.max(1, found.length - 1));
  found.forEach((end, place) => (end.y = Math.max(end.y, place ? found[place - 1].y + gap : at.top)));
  found.reverse().forEach((end, place) => (end.y = Math.min(end.y, place ? found[place - 1].y - gap : at.bottom)));
  return found.map(({ name, row, y }) => {
    const said = name.length > at.letters ? `${name.slice(0, at.letters - 1)}…` : name;
    return svg("text", { class: "halo end", x: at.right + 8, y: y + 4, css: { color: colour(row) } }, said);
  });
}

function legend(ends) {
  const whole = ends.filter(end => !end.part);
  return el("p", { class: "quiet legend" }, ...whole.flatMap(end => [el("span", {}, sample(end.row), end.name), " "]));
}

function told(axis, mark) {
  const often = mark.first < mark.x ? ` (back and forth from ${exact(mark.first)})` : "";
  const said = `${exact(mark.x)} on ${mark.more.name} costs more than ${mark.over.join(", ")}${often}`;
  return el("li", {}, el("span", { class: "mark", "aria-hidden": "true" }), `from ${axis.letter} = ${said}`);
}

function describe(curves, axis, here, column) {
  const whole = curves.filter(each => !each.part).map(each => [each, each.at(here)]);
  const said = whole.filter(([, value]) => value !== 0n).map(([each, value]) => {
    return `${each.name} ${value === undefined ? "refused" : short(value, kindOf(each.row, column))}`;
  });
  const axes = `${column.label} against ${axis.letter}, both on logarithmic axes`;
  return `${axes}. At ${axis.letter} = ${here}: ${said.join(", ")}`;
}
