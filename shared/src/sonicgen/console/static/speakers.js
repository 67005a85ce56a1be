// Everybody who was heard; one of them in full: rename, merge, split, forget.
import { ask, get } from "./api.js";
import { $, $$, clock, make, plural, toast } from "./dom.js";

const page = $(".speakers-page"), canLabel = page.dataset.canLabel === "1", canOperate = page.dataset.canOperate === "1";
const state = { all: [], next: null, shown: null, done: [] };

$("#more").addEventListener("click", () => load(state.next));
$("#rename").addEventListener("submit", (event) => { event.preventDefault(); change("PATCH", "", { name: $("#new-name").value }); });
$("#merge").addEventListener("submit", (event) => { event.preventDefault(); change("POST", "/merge", { speakers: [$("#other").value] }); });
$("#split").addEventListener("click", () => change("POST", "/split", { voices: chosen() }));
$("#undo").addEventListener("click", undo);
$("#forget").addEventListener("click", forget);
$("#appearances").addEventListener("change", () => { $("#split").disabled = !canLabel || !chosen().length; });
addEventListener("hashchange", open);
load().then(open);

const chosen = () => $$("#appearances input:checked").map((box) => box.value);

async function load(cursor = null) {
  try {
    const { speakers, next } = await get(`/v1/speakers?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    state.all = cursor ? [...state.all, ...speakers] : speakers;
    state.next = next;
  } catch (error) { toast(error.message); }
  $("#more").hidden = !state.next;
  $("#none").hidden = state.all.length > 0;
  $("#speakers tbody").replaceChildren(...state.all.map((one) => make("tr", {},
    make("th", { scope: "row", class: "title" }, make("a", { href: `#${one.id}` }, one.title)),
    make("td", { class: "number" }, String(one.recordings)), make("td", { class: "number" }, clock(one.speech_seconds)),
    make("td", {}, one.has_consent ? "on record" : "none"))));
}

async function open() {
  const id = location.hash.slice(1);
  $("#profile").hidden = !id;
  if (!id) return;
  try {
    state.shown = await get(`/v1/speakers/${encodeURIComponent(id)}`);
  } catch (error) { $("#profile").hidden = true; toast(error.message); return; }
  const one = state.shown;
  $("#profile-name").textContent = one.title;
  $("#profile-facts").textContent = [`${clock(one.speech_seconds)} in ${plural(one.recordings, "recording")}`, one.aliases.length ? `also ${one.aliases.join(", ")}` : null,
    one.consents.length ? `consent of ${one.consents[0].given_at.slice(0, 10)} for ${one.consents[0].purpose}` : "no consent on record"].filter(Boolean).join(" · ");
  $("#new-name").value = one.name || "";
  $("#other").replaceChildren(make("option", { value: "" }, "…"), ...state.all.filter((other) => other.id !== one.id).map((other) => make("option", { value: other.id }, other.title)));
  $("#appearances").replaceChildren(...one.appearances.map((each) => make("li", {}, make("label", { class: "small" }, make("input", { type: "checkbox", value: each.voice, disabled: !canLabel || each.is_inherited }), ` ${each.label} in `),
    make("a", { href: `/recordings/${each.recording}${each.turns.length ? `?t=${each.turns[0][0]}` : ""}` }, each.title),
    make("span", { class: "soft small" }, ` ${clock(each.speech_seconds)}${each.is_confirmed ? ", confirmed" : !each.probability || each.probability < 0.005 ? "" : `, ${Math.round(each.probability * 100)} %`}`))));
  $("#split").disabled = true;
  for (const button of ["#rename button", "#merge button"]) $(button).disabled = !canLabel;
  $("#forget").disabled = !canOperate;
  $("#undo").disabled = !state.done.length || !canLabel;
  $("#profile").focus();
}

async function change(method, tail, body) {
  try {
    const answer = (await ask(method, `/v1/speakers/${state.shown.id}${tail}`, body)).body;
    if (answer.decision) state.done.push(answer.decision);
    toast("Done.");
    await load();
    const next = `#${answer.id || state.shown.id}`;
    if (next === location.hash) await open();
    else location.hash = next;
  } catch (error) { toast(error.message); }
}

async function undo() {
  try {
    await ask("POST", `/v1/speakers/changes/${state.done.pop()}/undo`);
    toast("Taken back.");
  } catch (error) { toast(error.message); }
  await load();
  await open();
}

async function forget() {
  const dialog = $("#confirm");
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  if (dialog.returnValue !== "yes") return;
  try {
    await ask("DELETE", `/v1/speakers/${state.shown.id}`);
    toast("Forgotten.");
    location.hash = "";
    await load();
  } catch (error) { toast(error.message); }
}
