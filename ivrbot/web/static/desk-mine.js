import { byId, label, make, texts } from "./page.js";

// What an operator chose once for this browser: his telephone's name in the queues, and the queues that he serves.
const PHONE = "ivrbot-desk-phone";
const QUEUES = "ivrbot-desk-queues";

export const myPhone = () => localStorage.getItem(PHONE) || "";

function myQueues() {
  const kept = localStorage.getItem(QUEUES);
  return kept ? new Set(JSON.parse(kept)) : null;
}

export function isMine(call) {
  const queues = myQueues();
  return !queues || queues.has(call.queue);
}

// What my telephone does with a call now: "ringing", "talking" or nothing.
export function onMyPhone(call, phones) {
  return (myPhone() && phones[call.dossier_id]?.[myPhone()]) || "";
}

export function showMine(changed) {
  const place = byId("mine");
  const phone = make("input", { id: "my-phone", maxlength: "64", autocomplete: "off", spellcheck: "false", value: myPhone() });
  phone.addEventListener("change", () => {
    localStorage.setItem(PHONE, phone.value.trim());
    changed();
  });
  const chosen = myQueues();
  const queues = Object.keys(texts.labels.queues).map((queue) => {
    const box = make("input", { type: "checkbox", value: queue, checked: !chosen || chosen.has(queue) });
    box.addEventListener("change", () => {
      const ticked = [...place.querySelectorAll("input[type=checkbox]")].filter((one) => one.checked);
      const all = ticked.length === Object.keys(texts.labels.queues).length;
      if (all) localStorage.removeItem(QUEUES);
      else localStorage.setItem(QUEUES, JSON.stringify(ticked.map((one) => one.value)));
      changed();
    });
    return make("label", { class: "choice" }, box, " ", label("queues", queue));
  });
  place.append(
    make("label", { for: "my-phone" }, texts.desk_my_phone), phone,
    make("p", { class: "small" }, texts.desk_my_phone_hint),
    make("fieldset", {}, make("legend", {}, texts.desk_my_queues), ...queues),
  );
}
