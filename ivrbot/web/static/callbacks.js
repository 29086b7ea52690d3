import { byId, isSessionOver, label, make, post, stamp, texts } from "./page.js";

const LOOK_MS = 5000;
const ENDED = new Set(["done", "given_up"]);

// The list of callers who asked to be called back; `open` shows a dossier.
export function followCallbacks(open) {
  const look = async () => {
    try {
      const response = await fetch("/web/callbacks");
      if (response.ok) list((await response.json()).callbacks, open, look);
    } catch {
      // the page already says that the server is away
    }
  };
  look();
  setInterval(() => document.hidden || look(), LOOK_MS);
}

function list(rows, open, look) {
  const place = byId("callbacks");
  if (place.contains(document.activeElement)) return; // not under somebody's hands
  place.replaceChildren(...rows.map((row) => item(row, open, look)));
  byId("callbacks-none").hidden = rows.length > 0;
}

function item(row, open, look) {
  const when = stamp(row.due_at);
  const late = row.state === "open" && new Date(row.due_at) <= new Date();
  const said = [label("callback_states", row.state), row.result ? label("callback_results", row.result) : ""];
  const number = make("span", { class: "number-place" }, row.number ? ` ${row.number}` : "");
  const dossier = make("button", { type: "button" },
    make("span", {}, make("b", {}, label("topics", row.topic) || texts.no_topic), number, " ",
      late ? make("span", { class: "tag wait" }, texts.callback_due) : null),
    make("span", { class: "small" }, `${label("queues", row.queue)} · ${when}`),
    make("span", { class: "small" }, said.filter(Boolean).join(": "), row.attempts ? ` · ${texts.callback_attempts} ${row.attempts}` : ""),
  );
  dossier.addEventListener("click", () => open(row.dossier_id));
  const acts = make("span", { class: "acts" });
  if (row.number) acts.append(reveal(row, number));
  if (row.state === "open" || row.state === "given_up") acts.append(act(row, "done", look));
  if (row.state === "open") acts.append(act(row, "no_answer", look));
  if (row.state === "given_up") acts.append(act(row, "again", look));
  return make("li", { class: ENDED.has(row.state) ? "ended" : null }, dossier, acts);
}

// The number is shown to who is about to dial it; that he saw it is noted.
function reveal(row, place) {
  const button = make("button", { type: "button" }, texts.callback_number);
  button.addEventListener("click", async () => {
    const response = await post(`/web/callbacks/${encodeURIComponent(row.callback_id)}/number`, {}).catch(() => null);
    if (response?.ok) place.replaceChildren(` ${(await response.json()).number}`);
    else refuse(button);
  });
  return button;
}

function act(row, action, look) {
  const button = make("button", { type: "button", class: action === "done" ? "button" : null }, texts[`callback_${action}`]);
  button.addEventListener("click", async () => {
    button.disabled = true;
    const response = await post(`/web/callbacks/${encodeURIComponent(row.callback_id)}`, { action }).catch(() => null);
    if (!response?.ok) {
      refuse(button);
      return;
    }
    button.blur();
    look();
  });
  return button;
}

// Nothing was done, and the button says so; it can be pressed again.
function refuse(button) {
  button.disabled = false;
  button.parentElement?.querySelector(".notice")?.remove();
  button.after(make("span", { class: "notice bad", role: "alert" }, texts.not_done));
  isSessionOver();
}
