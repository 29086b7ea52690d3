import { addLine, byId, clock, isSessionOver, label, socketUrl, texts } from "./page.js";
import { MAX_UNSENT_BYTES, Sound, SoundError } from "./sound.js";

const LOUD = 0.02;
const HOLD_MS = 400;
const KEYS = "0123456789*#";

const lines = byId("lines");
const button = byId("call");
let call = null; // {socket, sound, state, startedAt, spokeAt, botSpokeAt}

function showState(state) {
  if (call) call.state = state;
  byId("state").dataset.state = state;
  const text = texts[`state_${state}`];
  if (byId("state-text").textContent !== text) byId("state-text").textContent = text;
}

function showError(key) {
  byId("error").textContent = key ? texts[key] || texts.error_refused : "";
  byId("error").hidden = !key;
}

function write(who, text) {
  byId("lines-empty").hidden = true;
  addLine(lines, who, text);
}

function inCall(on) {
  button.textContent = on ? texts.hang_up : texts.call;
  button.classList.toggle("busy", on);
  for (const field of byId("choices").elements) field.disabled = on;
  byId("number").disabled ||= byId("who").value !== "other";
  for (const key of byId("keypad").children) key.disabled = !on;
  if (!on) {
    byId("write").hidden = true;
    byId("level").value = 0;
  }
}

function chosenCaller() {
  const who = byId("who").value;
  return who === "other" ? byId("number").value.trim() : who;
}

async function start() {
  showError("");
  lines.replaceChildren();
  byId("lines-empty").hidden = false;
  const mine = (call = { state: "connecting", spokeAt: 0, botSpokeAt: 0 });
  inCall(true);
  showState("connecting");
  try {
    mine.sound = await Sound.open((pcm, level) => heard(mine, pcm, level), (level) => spoken(mine, level));
  } catch (error) {
    if (call === mine) finish(error instanceof SoundError ? error.message : "error_microphone");
    return;
  }
  if (call !== mine) { // hung up while the browser asked for the microphone
    mine.sound.close();
    return;
  }
  mine.socket = new WebSocket(socketUrl("/ws/softphone"));
  mine.socket.binaryType = "arraybuffer";
  const language = new FormData(byId("choices")).get("language") || document.querySelector("[name=language]:checked").value;
  mine.socket.onopen = () => tell(mine, { type: "start", language, caller: chosenCaller() });
  mine.socket.onmessage = (event) => {
    if (typeof event.data === "string") obey(mine, JSON.parse(event.data));
    else mine.sound.play(event.data);
  };
  mine.socket.onclose = () => {
    if (call !== mine) return;
    finish(mine.over ? "" : "error_gone");
    if (!mine.over && !mine.startedAt) isSessionOver();
  };
}

function finish(error) {
  const mine = call;
  call = null;
  mine.sound?.close();
  if (mine.socket && mine.socket.readyState <= WebSocket.OPEN) mine.socket.close();
  inCall(false);
  showState(error ? "idle" : "ended");
  showError(error);
}

function tell(mine, message) {
  if (mine.socket?.readyState === WebSocket.OPEN) mine.socket.send(JSON.stringify(message));
}

function heard(mine, pcm, level) {
  if (call !== mine) return;
  byId("level").value = Math.min(1, level * 4);
  if (level > LOUD) mine.spokeAt = performance.now();
  const socket = mine.socket;
  if (mine.startedAt && socket?.readyState === WebSocket.OPEN && socket.bufferedAmount < MAX_UNSENT_BYTES) socket.send(pcm);
}

function spoken(mine, level) {
  if (call !== mine) return;
  const now = performance.now();
  if (level > LOUD) mine.botSpokeAt = now;
  if (mine.startedAt) byId("clock").textContent = clock((now - mine.startedAt) / 1000);
  if (!["listening", "hearing", "speaking"].includes(mine.state)) return;
  const state = now - mine.botSpokeAt < HOLD_MS ? "speaking" : now - mine.spokeAt < HOLD_MS ? "hearing" : "listening";
  if (state !== mine.state) showState(state);
}

function obey(mine, message) {
  if (call !== mine) return;
  switch (message.type) {
    case "ready":
      mine.startedAt = performance.now();
      showState("listening");
      break;
    case "transcript":
      write(message.who === "caller" ? "you" : "bot", message.text);
      break;
    case "ended":
      mine.over = true;
      ended(mine, message);
      break;
    case "operator_joined":
      write("system", texts.operator_joined);
      showState("operator");
      break;
    case "said":
      write(message.who === "caller" ? "you" : "operator", message.text);
      break;
    case "left":
      write("system", mine.state === "waiting" ? texts.nobody_came : texts.operator_left);
      finish("");
      break;
    case "error":
      finish(`error_${message.code}`);
      break;
  }
}

function ended(mine, message) {
  if (message.escalated_to) write("system", `${texts.escalated} ${label("queues", message.escalated_to)}.`);
  if (!message.waiting) {
    finish("");
    return;
  }
  showState("waiting");
  byId("write").hidden = false;
}

function press(key) {
  if (!call?.startedAt) return;
  tell(call, { type: "key", key });
  const pressed = byId("keypad").querySelector(`[data-key="${CSS.escape(key)}"]`);
  pressed.classList.add("pressed");
  setTimeout(() => pressed.classList.remove("pressed"), 150);
}

button.addEventListener("click", () => {
  if (!call) {
    if (byId("choices").reportValidity()) start();
    return;
  }
  tell(call, { type: "hangup" });
  finish("");
});
byId("keypad").addEventListener("click", (event) => {
  if (event.target.dataset.key) press(event.target.dataset.key);
});
document.addEventListener("keydown", (event) => {
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement.tagName);
  if (!typing && !event.repeat && !event.ctrlKey && !event.metaKey && !event.altKey && KEYS.includes(event.key)) press(event.key);
});
byId("write").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("text").value.trim();
  if (call && text) tell(call, { type: "say", text });
  byId("text").value = "";
});
byId("choices").addEventListener("submit", (event) => event.preventDefault());
byId("who").addEventListener("change", () => {
  const other = byId("who").value === "other";
  byId("number-field").hidden = !other;
  byId("number").disabled = !other;
  if (other) byId("number").focus();
});
