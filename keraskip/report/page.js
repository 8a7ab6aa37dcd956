// Draws the charts of a report, and draws them anew when a control or the colour scheme changes.
const charts = await read("charts-data");
const params = await read("parameters-data");
const table = await read("profiles-data");
const slider = document.getElementById("moment");
const boxes = [...document.querySelectorAll("input[name=run]")];
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const parts = [...document.querySelectorAll("details")];
const reached = [...document.querySelectorAll("input, summary, [tabindex]")];
const profiles = rows();
// The Vega view of each chart by the chart's name, for readers who inspect the page.
const views = globalThis.keraskipViews = {};

// The data of the page is compressed JSON.
function read(id) {
  const letters = atob(document.getElementById(id).textContent);
  const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

// Turns the columns into one object for each row. A column of names holds indices into a list.
function rows() {
  const names = Object.keys(table);
  const column = (name) => table[name].names
    ? table[name].values.map((index) => table[name].names[index]) : table[name].values;
  const columns = names.map(column);
  return columns[0].map((_, row) => Object.fromEntries(
    names.map((name, index) => [name, columns[index][row]])));
}

// Paper is white, and as wide whatever the screen is: two charts side by side on A4 and on Letter.
let prints = false;
const FIT = { type: "fit-x", contains: "padding" };
const PRINTED = { first: 690, heat: 690, probes: 690, time: 690, other: 335, high: 110 };

// Darker than letters may be on black (WCAG 2.2, 1.4.3), and the same hues, lighter; and
// the paper.
const LIGHTER = {
  "#d55e00": "#f27a1f", "#0072b2": "#3a9bdc", "#009e73": "#1fb98c", "#ffffff": "#161616",
};
const inTheDark = () => dark.matches && !prints;

function coloured(specification) {
  // Names of runs, which may look like a colour, are in the data only.
  const change = (part, key) => {
    if (key === "data" || !inTheDark()) return part;
    if (Array.isArray(part)) return part.map(change);
    if (part && typeof part === "object") return Object.fromEntries(
      Object.entries(part).map(([name, each]) => [name, change(each, name)]));
    return Object.hasOwn(LIGHTER, part) ? LIGHTER[part] : part;
  };
  return change(structuredClone(specification));
}

function scheme() {
  const isDark = inTheDark();
  const ink = isDark ? "#e6e6e6" : "#1a1a1a";
  const grid = isDark ? "#3a3a3a" : "#e5e5e5";
  const words = { labelColor: ink, titleColor: ink };
  return {
    background: isDark ? "#161616" : "#ffffff", view: { stroke: null }, legend: words,
    point: { size: 18 }, text: { color: ink },
    header: { labelColor: ink, labelFontWeight: 600 },
    axis: { ...words, gridColor: grid, domainColor: ink, tickColor: ink,
      labelFontSize: 11, titleFontSize: 12 },
  };
}

// Vega warns of axes without an extent, which they have where no run is shown, or none has values.
// The bundle has no other way to leave these out: what else Vega says stays.
const NO_EXTENT = /^Infinite extent|domain includes zero: \[(Infinity,-Infinity|,)\]/;
const warn = console.warn.bind(console);
console.warn = (...words) => {
  if (!words.some((word) => NO_EXTENT.test(word))) warn(...words);
};

async function set() {
  const hidden = boxes.filter((box) => !box.checked).map((box) => Number(box.value));
  const label = slider.dataset.labels.split(" ")[slider.value];
  document.getElementById("steps").textContent = label;
  slider.setAttribute("aria-valuetext", "steps " + label);
  await Promise.all(Object.values(views).map((view) =>
    view.signal("hidden", hidden).signal("moment", Number(slider.value)).runAsync()));
  Object.assign(document.body.dataset, { moment: slider.value, hidden: hidden.length });
}

async function drawOne(name) {
  const specification = { ...coloured(charts[name]), params, datasets: { profiles } };
  const width = prints ? PRINTED[name] ?? PRINTED.other : null;
  if (specification.facet) arrange(specification, width);
  else if (prints) Object.assign(specification, { width, autosize: FIT, height: 2 * PRINTED.high });
  if (name === "first") specification.height = firstHeight();
  const options = { actions: false, renderer: "canvas", config: scheme() };
  views[name] = (await vegaEmbed("#chart-" + name, specification, options)).view;
}

// Small charts side by side: how many there is room for, in pixels with the words beside each.
const SMALL = 340, WORDS = 150;

function arrange(specification, width) {
  const room = width ?? document.querySelector("main").clientWidth;
  const columns = prints ? 3 : Math.max(1, Math.floor(room / SMALL));
  specification.columns = columns;
  specification.spec.width = Math.max(120, room / columns - WORDS);
  if (prints) specification.spec.height = PRINTED.high;
}

// The first screen holds the chart and, beside or below it, the cards.
function firstHeight() {
  const short = document.getElementById("chart-first").classList.contains("short");
  return Math.min(short || prints ? 240 : 400, window.innerWidth * 0.56);
}

// Draws the charts that are in sight: closed parts have no width. One call waits for the other.
let last = Promise.resolve();
const draw = (anew) => last = last.then(() => drawNow(anew));

async function drawNow(anew) {
  for (const name of anew ? Object.keys(views) : []) {
    views[name].finalize();
    delete views[name];
  }
  const names = Object.keys(charts).filter((name) => !views[name]
    && document.getElementById("chart-" + name).checkVisibility());
  await Promise.all(names.map(drawOne));
  await set();
  document.body.dataset.drawn = Object.keys(views).length;
}

// A page of a training that goes on loads itself anew, and keeps what its reader set.
const KEPT = "keraskip " + location.pathname;

// What tells the places apart where the keyboard can be.
const nameOf = (place) => [place.tagName, place.id || place.dataset.run
  || place.getAttribute("aria-labelledby") || place.closest("details")?.id].join(" ");

function keep() {
  sessionStorage.setItem(KEPT, JSON.stringify({
    scroll: window.scrollY, moment: slider.value, isLast: slider.value === slider.max,
    hidden: boxes.filter((box) => !box.checked).map((box) => box.dataset.run),
    open: parts.filter((part) => part.open).map((part) => part.id),
    focus: reached.includes(document.activeElement) ? nameOf(document.activeElement) : null,
  }));
}

// Once; a page in a frame may have no storage.
function takeKept() {
  try {
    const text = sessionStorage.getItem(KEPT);
    sessionStorage.removeItem(KEPT);
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function restore() {
  const kept = takeKept();
  if (!kept) return draw();
  slider.value = kept.isLast && kept.moment > 0 ? slider.max : kept.moment;
  boxes.forEach((box) => { box.checked = !kept.hidden.includes(box.dataset.run); });
  parts.forEach((part) => { part.open = kept.open.includes(part.id); });
  await draw();
  reached.find((place) => nameOf(place) === kept.focus)?.focus({ preventScroll: true });
  window.scrollTo(0, kept.scroll);
}

// Paper opens nothing: all parts are printed. Drawing needs no other event, so it is done in time.
let closed = [];

function beginPrint() {
  closed = parts.filter((part) => !part.open);
  closed.forEach((part) => { part.open = true; });
  prints = true;
  draw(true);
}

function endPrint() {
  closed.forEach((part) => { part.open = false; });
  prints = false;
  draw(true);
}

if (document.body.dataset.reloadAfter) {
  window.addEventListener("pagehide", keep);
  setTimeout(() => location.reload(), 1000 * document.body.dataset.reloadAfter);
}
slider.addEventListener("input", set);
boxes.forEach((box) => box.addEventListener("change", set));
parts.forEach((part) => part.addEventListener("toggle", () => draw()));
dark.addEventListener("change", () => draw(true));
window.addEventListener("beforeprint", beginPrint);
window.addEventListener("afterprint", endPrint);
restore();
