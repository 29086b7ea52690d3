// What the operator says of a call: its real topic and how it ended. Native form elements, so keys alone suffice.
import { label, make, post, texts } from "./page.js";

function topics(branches, chosen) {
  const option = (topic, text) => make("option", { value: topic, selected: topic === chosen }, text);
  return make(
    "select", { id: "real-topic", name: "topic", required: true },
    chosen ? null : make("option", { value: "" }, "—"),
    ...branches.map(({ branch, topics }) => make(
      "optgroup", { label: label("queues", branch) },
      ...topics.map((topic) => option(topic, label("topics", topic))),
    )),
    option("out_of_scope", texts.other_topic),
  );
}

function outcomes(names, chosen) {
  return make(
    "fieldset", { class: "outcomes" },
    make("legend", {}, texts.outcome),
    ...names.map((name) => make(
      "label", {},
      make("input", { type: "radio", name: "outcome", value: name, required: true, checked: name === chosen }),
      " ", label("outcomes", name),
    )),
  );
}

async function send(path, form, answer) {
  const said = Object.fromEntries(new FormData(form));
  let text = texts.not_saved;
  try {
    const response = await post(path, said);
    if (response.ok) text = (await response.json()).new ? texts.saved : texts.already_saved;
  } catch {
    // the connection is gone: nothing was saved, and the answer says so
  }
  answer.replaceChildren(text);
}

export async function showDisposition(place, dossier) {
  if (!dossier.call_id) return;
  const path = `/web/calls/${encodeURIComponent(dossier.call_id)}/disposition`;
  const response = await fetch(path).catch(() => null);
  if (!response?.ok || !place.isConnected) return;
  const { branches, outcomes: names, latest } = await response.json();
  const answer = make("span", { role: "status" });
  const form = make(
    "form", { class: "disposition", "aria-labelledby": "disposition-title" },
    make("h3", { id: "disposition-title" }, texts.say_what),
    make("label", { for: "real-topic" }, texts.real_topic),
    topics(branches, latest?.topic || dossier.topic),
    outcomes(names, latest?.outcome),
    make("label", { for: "note-code" }, texts.note_code),
    make("input", {
      id: "note-code", name: "note_code", maxlength: "32", pattern: "[A-Za-z0-9._\\-]*", autocomplete: "off",
      value: latest?.note_code || "",
    }),
    make("p", {}, make("button", { class: "button" }, texts.save), " ", answer),
  );
  form.addEventListener("input", () => answer.replaceChildren());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(path, form, answer);
  });
  place.replaceChildren(form);
}
