// What every page needs: its texts, elements without markup from strings, live streams that come back.

export const texts = JSON.parse(document.body.dataset.texts);
const csrf = document.body.dataset.csrf;
export const byId = (id) => document.getElementById(id);

export function label(kind, code) {
  return (code && texts.labels[kind][code]) || code || "";
}

// Text only ever becomes a text node: nothing that was said can become markup.
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

// Every request of a script that changes something: JSON, and the proof that it comes from a page of this session.
export function post(path, content) {
  return fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf }, body: JSON.stringify(content),
  });
}

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

const zone = document.body.dataset.zone;
const locale = document.documentElement.lang === "ru" ? "ru" : "en-GB";

// A day and time, and a time of day, in the bank's zone, as the pages that the server draws show them.
export function stamp(iso) {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", timeZone: zone }).format(new Date(iso));
}

export function timeOfDay(iso) {
  const today = (at) => new Intl.DateTimeFormat(locale, { dateStyle: "short", timeZone: zone }).format(at);
  if (today(new Date(iso)) !== today(new Date())) return stamp(iso);
  return new Intl.DateTimeFormat(locale, { timeStyle: "medium", timeZone: zone }).format(new Date(iso));
}

// Whether the log-in has ended: the server sends who opens this page anew to the log-in. The page says so.
export async function isSessionOver() {
  const page = await fetch(location.pathname, { method: "HEAD", redirect: "manual" }).catch(() => null);
  const over = page?.type === "opaqueredirect";
  if (over) {
    byId("lost").hidden = true;
    byId("session-over").hidden = false;
  }
  return over;
}

// The browser opens the stream again by itself; until it has, the page says so.
export function follow(path, take) {
  const source = new EventSource(path);
  source.addEventListener("message", (event) => { byId("lost").hidden = true; take(JSON.parse(event.data)); });
  source.addEventListener("open", () => { byId("lost").hidden = true; });
  source.addEventListener("error", async () => {
    byId("lost").hidden = false;
    if (source.readyState !== EventSource.CLOSED || (await isSessionOver())) return;
    setTimeout(() => follow(path, take), 2000);
  });
  window.addEventListener("pagehide", () => source.close());
}

export function socketUrl(path) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}

// Transcripts hold "[code_word]" where a secret was said and "[?]" where nothing could be made out.
export function readable(text) {
  if (text === "[?]") return texts.unclear;
  return /^\[[a-z_]+\]$/.test(text) ? texts.hidden : text;
}

export function addLine(list, who, text) {
  const name = { bot: texts.bot, caller: texts.caller, operator: texts.operator, you: texts.you }[who];
  const kind = who === "you" ? "caller" : who;
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(make("li", { class: kind }, name ? make("span", { class: "who" }, name) : null, readable(text)));
  if (atEnd) list.scrollTop = list.scrollHeight;
}
