import { byId, clock, follow, label, make, readable, texts } from "./page.js";

const clocks = new Map();

function card(call) {
  const time = make("span", { class: "small" }, clock(call.duration_s));
  if (call.live) clocks.set(time, performance.now() / 1000 - call.duration_s);
  const facts = [
    label("gateways", call.gateway), label("languages", call.language), label("branches", call.branch),
    call.arm ? `${label("arms", call.arm)} ${label("stages", call.stage)}` : "", label("levels", call.level),
  ];
  if (!call.live) facts.push([label("dispositions", call.disposition), label("reasons", call.reason)].filter(Boolean).join(": "));
  const lines = call.lines.slice(-4).map((line) => make("div", {}, make("b", {}, `${texts[line.who]}: `), readable(line.text)));
  return make(
    "article", { class: "panel" },
    make("div", { class: "card-top" }, make("strong", {}, label("topics", call.topic) || texts.no_topic), time),
    make("div", { class: "small" }, facts.filter(Boolean).join(" · ")),
    lines.length ? make("div", { class: "last" }, ...lines) : null,
    make("div", { class: "small" }, make("a", { href: `/calls/${call.call_id}` }, texts.live_open), " ", call.dossier ? make("a", { href: `/desk#${call.dossier}` }, texts.nav_desk) : null),
  );
}

follow("/web/live", ({ calls }) => {
  clocks.clear();
  const live = calls.filter((call) => call.live);
  const ended = calls.filter((call) => !call.live);
  byId("none").hidden = live.length > 0;
  byId("now").hidden = !live.length;
  byId("ended").hidden = !ended.length;
  const focused = document.activeElement.getAttribute("href");
  byId("now-cards").replaceChildren(...live.map(card));
  byId("ended-cards").replaceChildren(...ended.map(card));
  if (focused && !document.activeElement?.matches("a")) document.querySelector(`.cards a[href="${CSS.escape(focused)}"]`)?.focus();
});
setInterval(() => {
  if (!byId("lost").hidden || !byId("session-over").hidden) return; // how long a call lasts is not known any more
  for (const [element, since] of clocks) element.textContent = clock(performance.now() / 1000 - since);
}, 1000);
