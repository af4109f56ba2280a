// Everything at once, once a frame at most.

function render() {
  const values = settled(), at = inLetters(values);
  const figures = DATA.rows.map(row => shown(row.cells[DATA.main], at));
  if (DATA.memory) memory(values, at);
  show(values);
  hero(values, at, figures);
  table(values, at, figures);
  chart(values);
  conditions(values, at);
  if (DATA.blocks) blocks(values, at);
  speak([...document.querySelectorAll("#headline, #finding, #notice p, #memory > p:has(strong)")].map(each => each.textContent));
  byId("by-hand").hidden ||= byId("by-hand").dataset.at !== address();
  keep();
}

const REST = 400;
let kept = 0, resting = 0;

/** Put the state into the address: at once, but no oftener than browsers take it, and what a drag ends with for sure. */
function keep() {
  const wait = kept + REST - Date.now();
  if (resting || wait > 0) {
    resting ||= setTimeout(() => {
      resting = 0;
      keep();
    }, wait);
    return;
  }
  kept = Date.now();
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
    if (!location.hash.includes("=")) return keep(); // a place on the page
    if (location.hash === address()) return;
    clearTimeout(resting);
    resting = 0;
    read();
    update();
  });
}

begin();
