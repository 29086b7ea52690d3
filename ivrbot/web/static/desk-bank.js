import { label, make, post, texts } from "./page.js";

// What may be changed at the bank for the caller in hand: prepared with a reason, then confirmed.

const path = (dossier, ...rest) => ["/web/desk", encodeURIComponent(dossier.dossier_id), ...rest].join("/");

function button(text, act, plain) {
  const element = make("button", { type: "button", class: plain ? null : "button" }, text);
  element.addEventListener("click", act);
  return element;
}

const notice = (kind, ...content) => make("p", { class: `notice ${kind}`, role: "status" }, ...content);

// Takes the caller in hand and shows what can be done for him.
export async function takeInHand(place, dossier) {
  const response = await post(path(dossier, "hand"), {}).catch(() => null);
  if (!place.isConnected) return;
  if (!response?.ok) {
    const why = response?.status === 409 ? texts.hand_other : texts.not_saved;
    place.replaceChildren(notice("bad", why), button(texts.hand_take, () => takeInHand(place, dossier), true));
    return;
  }
  draw(place, dossier, await response.json());
}

export function showHand(place, dossier) {
  place.replaceChildren(button(texts.hand_take, () => takeInHand(place, dossier), true), " ", make("span", { class: "small" }, texts.hand_hint));
}

function draw(place, dossier, known) {
  const changes = make("div", { class: "changes" });
  const ask = (operation, card) => () => form(changes, place, dossier, known, operation, card);
  const cards = (known.cards || []).map((card) => make(
    "li", {}, `${label("card_kinds", card.kind)} ${card.last4}: ${label("card_states", card.status)} `,
    known.may_change && card.status === "blocked" ? button(texts.unblock, ask("unblock_card", card.last4), true) : null,
  ));
  const sms = known.sms_on == null ? null : make(
    "li", {}, `${known.sms_on ? texts.sms_on : texts.sms_off} `,
    known.may_change && !known.sms_on ? button(texts.sms_connect, ask("connect_sms_service", ""), true) : null,
  );
  place.replaceChildren(
    make("h3", {}, texts.at_the_bank),
    dossier.customer_id ? make("ul", { class: "plain" }, ...cards, sms) : make("p", { class: "hint" }, texts.hand_unknown),
    dossier.customer_id && !cards.length ? make("p", { class: "hint" }, texts.bank_silent) : "",
    known.offer ? make("p", { class: "suggest" }, make("b", {}, `${texts.offer}: `), label("offers", known.offer)) : "",
    changes,
  );
}

function form(changes, place, dossier, known, operation, card) {
  const reason = make("input", { id: "change-reason", name: "reason", required: true, minlength: "5", maxlength: "200", autocomplete: "off" });
  const checked = make("input", { type: "checkbox", name: "checked", required: true });
  const answer = make("div", {});
  const asked = make(
    "form", { class: "change" },
    make("h3", {}, [label("changes", operation), card].filter(Boolean).join(" ")),
    make("label", { for: "change-reason" }, texts.change_reason), reason,
    known.must_check ? make("label", { class: "choice" }, checked, " ", texts.change_checked) : null,
    make("p", {}, make("button", { class: "button" }, texts.change_next), " ", button(texts.change_cancel, () => changes.replaceChildren(), true)),
    answer,
  );
  asked.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = { operation, card, reason: reason.value, checked: known.must_check && checked.checked };
    const response = await post(path(dossier, "changes"), body).catch(() => null);
    if (response?.ok) confirm(changes, place, dossier, await response.json());
    else answer.replaceChildren(notice("bad", response?.status === 409 ? texts.hand_lost : texts.change_refused));
  });
  changes.replaceChildren(asked);
  reason.focus();
}

function confirm(changes, place, dossier, prepared) {
  const answer = make("div", {});
  const yes = button(texts.change_confirm, async () => {
    yes.disabled = true;
    const response = await post(path(dossier, "changes", prepared.key), {}).catch(() => null);
    if (response?.ok) {
      const done = await response.json();
      const text = done.unchanged ? texts.change_unchanged : texts.change_done;
      await takeInHand(place, dossier);
      place.append(notice("good", text, done.reference ? ` ${texts.change_reference} ${done.reference}` : ""));
      return;
    }
    // unknown outcome: the same key again does it once; a refusal stays one
    const unknown = !response || response.status === 502;
    yes.disabled = !unknown && response.status !== 503;
    answer.replaceChildren(notice("bad", unknown ? texts.change_unknown : response.status === 409 ? texts.change_rejected : texts.change_away));
  });
  const who = dossier.customer_name || texts.unknown_caller;
  changes.replaceChildren(
    make("div", { class: "change", role: "group", "aria-label": texts.change_confirm },
      make("p", {}, make("b", {}, [label("changes", prepared.operation), prepared.card].filter(Boolean).join(" "), "?")),
      make("p", {}, `${who}. ${texts.change_reason}: ${prepared.reason}`),
      make("p", {}, yes, " ", button(texts.change_cancel, () => changes.replaceChildren(), true)),
      answer),
  );
  yes.focus();
}
