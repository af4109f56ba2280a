// The stages of a model to scale, and what training it holds against a card.

function blocks(values, at) {
  const host = byId("blocks"), rows = DATA.rows.filter(row => row.block);
  const macs = row => figure(row, COLUMNS[DATA.main], values, at);
  byId("blocks-section").hidden = DATA.rows.every(row => macs(row) === undefined);
  if (byId("blocks-section").hidden) return;
  const number = law => Number(evaluate(law, at).total ?? 0n);
  const found = rows.map(row => {
    const [height, width] = row.block.sides.map(number);
    const [channels, depth] = [number(row.block.channels), number(row.block.depth)];
    return { row, height, width, channels, depth, macs: macs(row) ?? 0n };
  });
  const wide = Math.max(280, host.clientWidth), tall = 250, ground = 168;
  const bare = each => each.row.name.replace("stage ", "");
  const grid = each => `${each.height}×${each.width}`, full = each => `${grid(each)} · ${each.channels}`;
  const long = (text, letter) => letter * text.length + 12; // so that words stand beside each other
  const least = Math.max(56, ...found.flatMap(each => [long(bare(each), 7.2), long(grid(each), 7)]));
  const lines = Math.ceil(found.length / Math.max(1, Math.min(found.length, Math.floor(wide / least))));
  const inLine = Math.ceil(found.length / lines), slot = wide / inLine;
  const most = what => Math.max(1, ...found.flatMap(what)), all = sum(found.map(each => each.macs));
  const scale = Math.min(96, slot * 1.2) / most(each => [each.height, each.width]);
  const thick = (slot * 0.34) / most(each => each.channels);
  const said = found.map(
    each =>
      `${each.row.name}: ${each.height} by ${each.width}, ${each.channels} channels, ${each.depth} blocks, ` +
      `${percent(share(each.macs, all))} of the MACs`,
  );
  const frame = { width: wide, height: lines * tall, viewBox: `0 0 ${wide} ${lines * tall}` };
  const looks = { ...frame, role: "img", "aria-label": said.join("; ") };
  const place = (each, index) => {
    const left = (index % inLine) * slot + 6, part = share(each.macs, all), room = slot - 12, fill = colour(each.row);
    const label = (text, y, kind) => svg("text", { x: left, y: ground + y, class: kind }, text);
    const stripe = (width, paint) => svg("rect", { x: left, y: ground + 54, width, height: 8, rx: 3, fill: paint });
    const name = each.row.name.length * 7 > slot ? bare(each) : each.row.name;
    const sides = slot > Math.max(105, long(full(each), 7)) ? full(each) : grid(each);
    return svg(
      "g",
      { transform: `translate(0 ${Math.floor(index / inLine) * tall})` },
      ...cuboid(each, left - 6, slot, scale, thick, ground, fill),
      ...squares(Math.min(each.depth, 48), left, ground + 8, room, fill),
      label(name, 30, ""),
      label(sides, 46, "tick"),
      stripe(room, "var(--line)"),
      stripe(Math.max(1, room * part), fill),
      label(percent(part), 77, "tick"),
    );
  };
  host.replaceChildren(svg("svg", looks, ...found.map(place)));
}

/** Height and depth are the grid, thickness the channels. */
function cuboid(each, left, slot, scale, thick, ground, fill) {
  const h = Math.max(2, each.height * scale), d = Math.max(1, each.width * scale * 0.45);
  const t = Math.max(2, each.channels * thick), x = left + Math.max(4, (slot - t - d) / 2), y = ground - h;
  const looks = { fill, stroke: "var(--paper)", "stroke-width": 1.2 };
  return [
    svg("path", { ...looks, d: `M${x} ${y}l${d} ${-d}h${t}l${-d} ${d}z`, "fill-opacity": 0.55 }),
    svg("path", { ...looks, d: `M${x + t} ${y}l${d} ${-d}v${h}l${-d} ${d}z`, "fill-opacity": 0.75 }),
    svg("rect", { ...looks, x, y, width: t, height: h }),
  ];
}

function squares(number, left, y, room, fill) {
  const step = Math.max(3.5, Math.min(9, room / Math.max(1, number)));
  const at = place => ({ x: left + place * step, y, width: step - 2, height: 6, fill });
  return Array.from({ length: number }, (_, place) => svg("rect", at(place)));
}

/** What is kept in a step, module by module, each in letters of its own; undefined where one is not known. */
function keeps(modules, at) {
  const laws = DATA.memory.laws;
  const all = { saved: 0n, buffers: 0n };
  const valued = (forms, values) => Object.entries(forms).map(([name, form]) => [name, valueOf(form, values)]);
  const follow = (number, values, times) => {
    let law = laws[number];
    while (law && !law.kept) {
      if (Array.isArray(law)) law = laws[law[GUARDS[law[0] - 1](values) ? 2 : 1]];
      else {
        const given = Object.fromEntries(valued(law.given, values));
        law = laws[law.then[follow(modules[law.module], given, times * valueOf(law.times, values))]];
      }
    }
    if (law) for (const [name, value] of valued(law.kept, values)) all[name] += value * times;
    return law?.ends;
  };
  return follow(modules[0], at, 1n) === undefined ? undefined : all;
}

function memory(values, at) {
  const plan = DATA.memory, host = byId("memory");
  byId("memory-section").hidden = false;
  if (!controls.card) byId("memory-choice").append(memoryChoices(plan));
  const forms = keeps(plan.ways[`${state.dtype} ${state.attention}`], { ...at, item: BigInt(DATA.dtypes[state.dtype]) });
  host.dataset.known = Boolean(forms);
  const params = evaluate(DATA.rows.at(-1).cells.params, at).total;
  if (params === undefined) return host.replaceChildren(el("p", { class: "refused" }, "✕ refused at these sizes"));
  const weights = params * BigInt(DATA.dtypes[state.dtype]), moments = BigInt(plan.optimizers[state.optimizer]);
  const { buffers, saved } = forms || { buffers: 0n, saved: 0n };
  const parts = Object.entries({
    weights,
    gradients: weights,
    [`${state.optimizer} state`]: weights * moments,
    buffers,
    input: valueOf(plan.input[state.dtype], at),
    "kept for the backward pass": saved,
  }).filter(([, size]) => size);
  const total = sum(parts.map(([, size]) => size)), card = plan.cards[state.card], room = BigInt(card.memory);
  const least = total - (weights < saved ? weights : saved);
  const beyond = least > room, whole = total > room ? total : room, paint = place => `var(--c${place % 8})`;
  const verdict = beyond ? "✕ Does not fit into" : "Not known whether it fits into";
  const into = ` ${card.name} (${short(room, "bytes")}): `;
  const needs = `at least ${short(least, "bytes")}, ${percent(share(least, room))} of it`;
  const stripe = ([, size], place) =>
    el("span", { css: { flex: `0 0 ${100 * share(size, whole)}%`, background: paint(place) } });
  const written = size => (byId("digits").checked ? exact(size) : short(size, "bytes"));
  const item = ([name, size], place) => {
    const what = el("span", {}, swatch(paint(place)), name);
    return el("li", {}, what, figureOf(written(size), exact(size)));
  };
  const missing = plan.buffers ? "buffers and what autograd keeps are" : "what autograd keeps is";
  const rest = forms
    ? "Gradients come as what is kept goes, so that only the larger of both counts. Gradients of activations and " +
      `workspaces come to it: ${plan.command} has the peak of a whole step.`
    : `At this size ${missing} not known, and not in it; ${plan.command} has it.`;
  host.dataset.total = total;
  host.dataset.least = least;
  host.replaceChildren(
    el("p", { class: beyond ? "refused" : "" }, el("strong", {}, verdict), into, needs),
    el("div", { class: "meter", "aria-hidden": "true" }, ...parts.map(stripe)),
    el("ul", { class: "parts" }, ...parts.map(item)),
    el("p", { class: forms ? "quiet" : "" }, rest),
  );
}

function memoryChoices(plan) {
  const card = select("card", Object.entries(plan.cards).map(([id, each]) => [id, each.name]));
  const optimizer = select("optimizer", Object.keys(plan.optimizers).map(name => [name, name]));
  const attention = select("attention", ["eager", "fused"].map(name => [name, name]));
  for (const name of ["card", "optimizer", "attention"]) controls[name].value = state[name];
  const found = [el("label", {}, "card ", card), el("label", {}, "optimizer ", optimizer)];
  return el("span", { class: "choice" }, ...found, plan.attends ? el("label", {}, "attention ", attention) : null);
}
