import { addLine, byId, follow, isSessionOver, label, make, readable, socketUrl, stamp, texts, timeOfDay } from "./page.js";
import { followCallbacks } from "./callbacks.js";
import { showHand, takeInHand } from "./desk-bank.js";
import { isMine, myPhone, onMyPhone, showMine } from "./desk-mine.js";
import { showDisposition } from "./disposition.js";
import { MAX_UNSENT_BYTES, Sound } from "./sound.js";

let calls = [];
let waiting = new Set();
let phones = {}; // operators' telephones by dossier: {operator1: "ringing"}
let known = null; // dossiers seen so far; what comes later pops up
let rung = ""; // the dossier that my telephone has brought up
let open = "";
let shown = null; // the dossier on the screen
let talk = null; // {id, socket, panel, sound}

function name(call) {
  return call.customer_name || texts.unknown_caller;
}

function item(call) {
  const button = make(
    "button", { type: "button", "aria-current": call.dossier_id === open ? "true" : null },
    make("span", {}, make("b", {}, label("topics", call.topic) || texts.no_topic)),
    make("span", { class: "small" }, `${name(call)} · ${label("reasons", call.reason)}`),
    make(
      "span", { class: "small" },
      timeOfDay(call.created_at), " ",
      call.priority >= 10 ? make("span", { class: "tag hot" }, texts.desk_urgent) : null, " ",
      waiting.has(call.dossier_id) ? make("span", { class: "tag wait" }, texts.desk_waiting) : null, " ",
      onMyPhone(call, phones) ? make("span", { class: "tag hot" }, texts[`desk_${onMyPhone(call, phones)}`]) : null,
    ),
  );
  button.addEventListener("click", () => show(call.dossier_id));
  return make("li", {}, button);
}

function list() {
  const focused = [...byId("calls").querySelectorAll("button")].indexOf(document.activeElement);
  const mine = calls.filter((call) => isMine(call) || onMyPhone(call, phones));
  byId("calls").replaceChildren(...mine.map(item));
  byId("calls-none").hidden = mine.length > 0;
  if (focused >= 0) byId("calls").querySelectorAll("button")[focused]?.focus();
  showTake();
}

async function show(id) {
  open = id;
  const response = await fetch(`/web/dossiers/${encodeURIComponent(id)}`).catch(() => null);
  if (open !== id) return;
  if (!response?.ok) {
    shown = null;
    const why = response?.status === 404 ? texts.desk_no_dossier : texts.desk_not_opened;
    byId("dossier").replaceChildren(make("p", { class: "notice bad", role: "alert" }, why));
    isSessionOver();
    return;
  }
  draw(await response.json());
  list();
}

function facts(dossier) {
  const sure = [label("levels", dossier.level)];
  if (dossier.facts_used.length) sure.push(`${texts.facts} ${dossier.facts_used.map((fact) => label("facts", fact)).join(", ")}`);
  // slots without a name are the flow's own notes, not what the caller said
  const slots = Object.entries(dossier.slots).filter(([slot]) => texts.labels.slots[slot]).map(([slot, value]) => {
    const sure = dossier.confidence[slot] ?? 1;
    const said = `${label("slots", slot)} ${label("slot_values", value)}`;
    return sure < 1 ? `${said} (${texts.desk_heard} ${Math.round(sure * 100)}\u00a0%)` : said;
  });
  const local = document.documentElement.lang;
  const earlier = dossier.contacts.map((one) =>
    [stamp(one.at), label("topics", one.topic) || texts.no_topic, label("outcomes", one.outcome)].join(", "));
  const claims = dossier.claims.map((claim) =>
    `${claim.reference}: ${(claim.amount_minor / 100).toLocaleString(local)} ${claim.currency}, ${claim.merchant}, ${claim.made_on}`);
  const rows = [
    [texts.who, [name(dossier), dossier.caller].filter(Boolean).join(", ")],
    [texts.level, sure.join("; ")],
    [texts.topic, label("topics", dossier.topic) || texts.no_topic],
    [texts.reason, label("reasons", dossier.reason)],
    [texts.queue, label("queues", dossier.queue)],
    [texts.slots, slots.join("; ") || texts.nothing],
    [texts.tried, dossier.tried.join("; ") || texts.nothing],
    [texts.last_words, readable(dossier.last_words) || texts.nothing],
    [texts.last_contacts, earlier.join("; ") || texts.nothing],
    [texts.open_claims, claims.join("; ") || texts.nothing],
    [texts.time, stamp(dossier.created_at)],
  ];
  return make("dl", {}, ...rows.flatMap(([term, text]) => [make("dt", {}, term), make("dd", {}, text)]));
}

function draw(dossier) {
  shown = dossier;
  const lines = make("ol", { class: "lines" });
  for (const line of dossier.transcript) addLine(lines, line.who, line.text);
  byId("dossier").replaceChildren(
    make(
      "div", { class: "dossier-top" },
      make("h2", {}, label("topics", dossier.topic) || texts.no_topic, " ", dossier.priority >= 10 ? make("span", { class: "tag hot" }, texts.desk_urgent) : null),
      make("span", { id: "take-place" }),
    ),
    dossier.suggestion ? make("p", { class: "suggest" }, make("b", {}, `${texts.suggestion}: `), label("suggestions", dossier.suggestion)) : "",
    facts(dossier),
    make("h3", {}, texts.transcript),
    lines,
    make("div", { id: "talk-place" }),
    make("div", { id: "hand-place" }),
    make("div", { id: "disposition-place" }),
  );
  if (talk?.id === open || phones[open]?.[myPhone()] === "talking") takeInHand(byId("hand-place"), dossier);
  else showHand(byId("hand-place"), dossier);
  lines.scrollTop = lines.scrollHeight; // the newest words are what the operator needs
  showDisposition(byId("disposition-place"), dossier);
  showTake();
  if (talk?.id === open) byId("talk-place").replaceChildren(talk.panel);
  byId("dossier").focus({ preventScroll: true });
  if (matchMedia("(max-width: 760px)").matches) byId("dossier").scrollIntoView(); // there it stands below the list
}

function showTake() {
  const place = byId("take-place");
  if (!place) return;
  if (talk?.id === open) {
    place.replaceChildren(button(texts.finish, () => talk.socket.close()));
  } else if (waiting.has(open) && !talk) {
    place.replaceChildren(button(texts.take, () => take(open)));
  } else {
    place.replaceChildren();
  }
}

function button(text, act) {
  const element = make("button", { type: "button", class: "button" }, text);
  element.addEventListener("click", act);
  return element;
}

function take(id) {
  const lines = make("ol", { class: "lines", "aria-live": "polite" });
  const input = make("input", { id: "say", maxlength: "1000", autocomplete: "off" });
  const form = make("form", { class: "write" }, make("label", { for: "say" }, texts.write_caller), input, make("button", { class: "button" }, texts.send));
  const socket = new WebSocket(socketUrl(`/ws/desk/${encodeURIComponent(id)}`));
  socket.binaryType = "arraybuffer";
  const voice = make("p");
  const mine = (talk = { id, socket, panel: make("div", {}, make("h3", {}, texts.with_caller), voice, lines, form) });
  voice.append(button(texts.speak, () => speak(mine, voice)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim() && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "say", text: input.value }));
    input.value = "";
  });
  let joined = false;
  socket.onopen = () => {
    joined = true;
    byId("talk-place")?.replaceChildren(mine.panel);
    if (shown?.dossier_id === id) takeInHand(byId("hand-place"), shown);
    input.focus();
    showTake();
  };
  socket.onmessage = (event) => {
    if (typeof event.data !== "string") {
      mine.sound?.play(event.data);
      return;
    }
    const message = JSON.parse(event.data);
    if (message.type === "said") addLine(lines, message.who, message.text);
    if (message.type === "left") addLine(lines, "system", texts.caller_left);
  };
  socket.onclose = () => {
    if (!joined) byId("talk-place")?.replaceChildren(make("p", { class: "notice bad" }, texts.caller_gone));
    mine.sound?.close();
    voice.remove();
    form.remove();
    if (talk === mine) talk = null;
    showTake();
  };
}

// The operator's microphone and speaker, joined to the caller's through the server.
async function speak(mine, place) {
  try {
    const sound = await Sound.open(
      (pcm) => {
        if (mine.socket.readyState === WebSocket.OPEN && mine.socket.bufferedAmount < MAX_UNSENT_BYTES) mine.socket.send(pcm);
      },
      () => {},
    );
    if (mine.socket.readyState === WebSocket.OPEN) mine.sound = sound;
    else sound.close();
    place.replaceChildren(texts.speaking);
  } catch (error) {
    place.replaceChildren(texts[error.message] || texts.error_microphone);
  }
}

// My telephone rings for a call: its dossier comes up, whatever else is on the screen, unless I am talking.
function popUpRinging() {
  const call = calls.find((one) => onMyPhone(one, phones));
  if (!call) {
    rung = "";
    return false;
  }
  if (rung !== call.dossier_id && !talk) {
    rung = call.dossier_id;
    show(rung);
    byId("popup").replaceChildren(make("b", {}, `${texts.desk_ringing}: `), `${label("topics", call.topic) || texts.no_topic}, ${name(call)}`);
    byId("popup").hidden = false;
  } else if (rung === open && phones[open]?.[myPhone()] === "talking" && byId("hand-place")?.querySelector("h3") == null && shown) {
    byId("popup").hidden = true;
    takeInHand(byId("hand-place"), shown);
  }
  return true;
}

function popUp(call) {
  byId("popup").replaceChildren(
    make("b", {}, `${texts.desk_new}: `), `${label("topics", call.topic) || texts.no_topic}, ${name(call)} `,
    button(texts.take, () => { byId("popup").hidden = true; show(call.dossier_id); }),
  );
  byId("popup").hidden = false;
}

follow("/web/desk", (news) => {
  calls = news.calls;
  waiting = new Set(news.waiting);
  phones = news.phones;
  const fresh = known ? calls.filter((call) => !known.has(call.dossier_id)) : [];
  known = new Set(calls.map((call) => call.dossier_id));
  list();
  const offered = fresh.find(isMine);
  if (popUpRinging() || !offered || talk) return;
  // with a telephone of his own an operator is shown what rings there, not what rings elsewhere
  if (!myPhone()) {
    if (open) popUp(offered);
    else show(offered.dossier_id);
  }
});

showMine(list);

followCallbacks(show);

if (location.hash.length > 1) show(location.hash.slice(1));
