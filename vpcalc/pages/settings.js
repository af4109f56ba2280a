// Sliders, fields and choices.

const controls = {}, fields = {}, groups = {}; // of choices, of parameters, of stages

/** Where a slider stops: at every size while they are small, then in steps that grow with them. */
function stops({ min, max, step }) {
  const found = [min];
  const stride = value => step * Math.max(1, Math.floor(value / step / 24));
  for (let value = step > 1 ? step : min + 1; value < max; value += stride(value)) if (value > min) found.push(value);
  return max > min ? [...found, max] : found;
}

function nearest(places, value) {
  const far = places.map(each => Math.abs(each - value));
  return far.indexOf(Math.min(...far));
}

function control(each) {
  const places = stops(each), id = `p-${each.name}`;
  const slide = () => change(each, places[slider.value]);
  const type = () => field.value !== "" && field.checkValidity() && change(each, Number(field.value), field);
  const choose = () => {
    sizes[each.name] = settled()[each.name];
    sizes[`${each.name}~`] = auto.checked;
    update();
  };
  const spoken = `${each.letter}, ${each.meaning}`;
  const slider = el("input", { type: "range", max: places.length - 1, "aria-label": spoken, on: { input: slide } });
  const limits = { min: each.min, max: each.max, inputmode: "numeric", required: "" };
  const field = el("input", { type: "number", id, ...limits, on: { input: type, change: () => update() } });
  const auto = each.auto && el("input", { type: "checkbox", on: { change: choose } });
  fields[each.name] = { slider, field, auto, places };
  const [letter, below] = each.letter.split("_");
  const label = el("label", { for: id }, el("b", {}, letter, below && el("sub", {}, below)), ` ${each.meaning}`);
  return el("div", { class: "control" }, label, slider, field, auto && option(auto, `automatic: ${each.auto}`));
}

const option = (box, text) => el("label", { class: "auto" }, box, text);

function select(name, options) {
  const chosen = () => {
    state[name] = made.value;
    update();
  };
  const inside = options.map(([value, text]) => el("option", { value }, text));
  const made = el("select", { on: { change: chosen } }, ...inside);
  controls[name] = made;
  return made;
}

function square() {
  const choose = () => {
    state.square = controls.square.checked;
    if (state.square) sizes[SQUARE[1]] = sizes[SQUARE[0]];
    update();
  };
  controls.square = el("input", { type: "checkbox", on: { change: choose } });
  return option(controls.square, `square: ${SQUARE[1]} = ${SQUARE[0]}`);
}

function build() {
  const form = byId("settings");
  form.addEventListener("submit", event => event.preventDefault());
  for (const each of PARAMETERS) {
    const made = control(each);
    (each.of ? group(form, each) : form).append(made);
    if (each.name === SQUARE[1]) made.append(square());
  }
  if (DATA.dtypes) {
    const types = select("dtype", Object.keys(DATA.dtypes).map(name => [name, name]));
    form.append(el("label", { class: "choice" }, "element type", types));
  }
  const what = el("label", {}, "show ", select("q", PLOTTED.map(each => [each.id, each.label])));
  const along = el("label", {}, "against ", select("x", AXES.map(each => [each.name, each.letter])));
  byId("chart-choice").append(el("span", { class: "choice" }, what, along));
  byId("digits").addEventListener("change", () => update());
}

/** Settings of all stages are folded: a lecture needs few of them at a time. */
function group(form, { of }) {
  groups[of] ??= el("details", { class: "control" }, el("summary"));
  form.append(groups[of]);
  return groups[of];
}

function change(each, value, typed) {
  if (each.auto) sizes[`${each.name}~`] = false;
  for (const name of alike(each.name)) sizes[name] = value;
  update(typed);
}

/** Controls as the state is; what is being typed stays as it is typed. */
function show(values) {
  for (const { name } of PARAMETERS) {
    const { slider, field, auto, places } = fields[name];
    slider.value = nearest(places, values[name]);
    slider.setAttribute("aria-valuetext", values[name]);
    if (field !== typing) field.value = values[name];
    if (auto) auto.checked = sizes[`${name}~`];
  }
  for (const [of, { firstChild }] of Object.entries(groups)) {
    const entries = PARAMETERS.filter(each => each.of === of).map(({ name }) => values[name]);
    firstChild.textContent = `${of}: ${entries.join(", ")}`;
  }
  if (controls.square) controls.square.checked = state.square;
  for (const name of Object.keys(CHOICES)) if (controls[name]) controls[name].value = state[name];
}
