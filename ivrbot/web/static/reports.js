// Puts a chart that can be pointed at in the place of each drawn one; without Plotly the drawn ones stay.
const LIBRARY = "/static/plotly.min.js";
const SETTINGS = { displaylogo: false, responsive: true, displayModeBar: false };

// Two libraries of maps in Plotly, which no chart here uses, put a style sheet into the page and try an image of the
// "data:" scheme as soon as they are read. The content security policy refuses both, so that until the library has
// been read elements without any effect take their place.
const REFUSED = new Set(["style", "img"]);

function refused(create) {
  return (name, ...rest) => create.call(document, REFUSED.has(name) ? "template" : name, ...rest);
}

function load() {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = LIBRARY;
    script.addEventListener("load", resolve);
    script.addEventListener("error", reject);
    document.createElement = refused(Document.prototype.createElement);
    document.head.append(script);
  }).finally(() => { delete document.createElement; });
}

let loading;

function inked(figure, place) {
  const style = getComputedStyle(place);
  figure.layout.font.color = style.color;
  return figure;
}

async function mount(place) {
  await (loading ??= load());
  const figure = inked(JSON.parse(place.dataset.figure), place);
  const drawn = place.firstElementChild;
  const label = drawn ? drawn.getAttribute("aria-label") : "";
  const holder = document.createElement("div");
  holder.className = "live-plot no-print";
  holder.setAttribute("role", "img");
  holder.setAttribute("aria-label", label);
  place.append(holder);
  await window.Plotly.newPlot(holder, figure.data, figure.layout, SETTINGS);
  if (drawn) drawn.classList.add("print-only");
}

function start() {
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      mount(entry.target).catch(() => entry.target.querySelector(".live-plot")?.remove());
    }
  }, { rootMargin: "400px" });
  for (const place of document.querySelectorAll("[data-figure]")) watcher.observe(place);
}

start();
