// Draws the charts of a report, and draws them anew when a control or the colour scheme changes.
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const charts = read("charts-data");
const table = read("profiles-data");
const slider = document.getElementById("moment");
const boxes = [...document.querySelectorAll("input[name=run]")];
const dark = window.matchMedia("(prefers-color-scheme: dark)");
// The Vega view of each chart by the chart's name, for readers who inspect the page.
const views = globalThis.keraskipViews = {};

// Turns the columns into one object for each row. A column of names holds indices into a list.
function rows() {
  const names = Object.keys(table);
  const column = (name) => table[name].names
    ? table[name].values.map((index) => table[name].names[index]) : table[name].values;
  const columns = names.map(column);
  return columns[0].map((_, row) => Object.fromEntries(
    names.map((name, index) => [name, columns[index][row]])));
}

function scheme() {
  const ink = dark.matches ? "#e6e6e6" : "#1a1a1a";
  const grid = dark.matches ? "#3a3a3a" : "#e5e5e5";
  const words = { labelColor: ink, titleColor: ink };
  return {
    background: dark.matches ? "#161616" : "#ffffff", view: { stroke: null }, legend: words,
    header: { labelColor: ink, labelFontWeight: 600 },
    axis: { ...words, gridColor: grid, domainColor: ink, tickColor: ink,
      labelFontSize: 11, titleFontSize: 12 },
  };
}

async function set() {
  const hidden = boxes.filter((box) => !box.checked).map((box) => box.value);
  const label = slider.dataset.labels.split(" ")[slider.value];
  document.getElementById("steps").textContent = label;
  slider.setAttribute("aria-valuetext", "steps " + label);
  await Promise.all(Object.values(views).map((view) =>
    view.signal("hidden", hidden).signal("moment", Number(slider.value)).runAsync()));
  Object.assign(document.body.dataset, { moment: slider.value, hidden: hidden.length });
}

async function draw() {
  const profiles = rows();
  await Promise.all(Object.entries(charts).map(async ([name, chart]) => {
    const specification = { ...chart, datasets: { ...chart.datasets, profiles } };
    const options = { actions: false, renderer: "canvas", config: scheme() };
    const { view } = await vegaEmbed("#chart-" + name, specification, options);
    views[name]?.finalize();
    views[name] = view;
  }));
  await set();
  document.body.dataset.drawn = "yes";
}

slider.addEventListener("input", set);
boxes.forEach((box) => box.addEventListener("change", set));
dark.addEventListener("change", draw);
draw();
