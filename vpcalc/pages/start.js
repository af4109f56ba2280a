// Everything at once, once a frame at most.

function render() {
  const values = settled(), at = inLetters(values);
  const figures = DATA.rows.map(row => shown(row.cells[DATA.main], at));
  if (DATA.memory) memory(values, at);
  show(values);
  hero(values, figures);
  table(values, at, figures);
  chart(values);
  conditions(values, at);
  if (DATA.blocks) blocks(at, figures);
  try {
    history.replaceState(null, "", address());
  } catch {
    // a frame that may have no address of its own
  }
}

let waiting = 0, typing = null;
function update(typed = null) {
  typing = typed;
  waiting ||= requestAnimationFrame(() => {
    waiting = 0;
    render();
  });
}

function begin() {
  const press = ([label, done]) => el("button", { type: "button", on: { click: done } }, label);
  byId("buttons").append(...Object.entries(BUTTONS).map(press));
  byId("table-title").textContent = DATA.tableTitle;
  byId("about").append(...DATA.notes.map(note => el("p", {}, note)));
  read();
  build();
  render();
  new ResizeObserver(() => update(typing)).observe(byId("chart"));
  window.addEventListener("hashchange", () => {
    if (!location.hash.includes("=") || location.hash === address()) return;
    read();
    update();
  });
}

begin();
