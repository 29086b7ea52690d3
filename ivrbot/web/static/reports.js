// Puts a chart that can be pointed at in the place of each drawn one; without Plotly the drawn ones stay.
const SETTINGS = { displaylogo: false, responsive: true, displayModeBar: false };

function inked(figure, place) {
  const style = getComputedStyle(place);
  figure.layout.font.color = style.color;
  return figure;
}

async function mount(place) {
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
  if (!window.Plotly) return;
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
