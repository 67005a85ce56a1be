// Unknown voices, one after the other: hear, name, next; by keys alone if one likes.
import { ask, get } from "./api.js";
import { $, $$, clock, make, plural, toast } from "./dom.js";

const canLabel = $(".label-page").dataset.canLabel === "1";
const state = { voice: null, done: [] };

$("#name-form").addEventListener("submit", (event) => { event.preventDefault(); name($("#name").value); });
$("#skip").addEventListener("click", skip);
$("#undo").addEventListener("click", undo);
addEventListener("keydown", (event) => {
  if (!event.altKey || event.ctrlKey || event.metaKey) return;
  const choice = /^Digit([1-9])$/.exec(event.code), key = event.code;
  const target = choice ? $$("#suggestions .take")[Number(choice[1]) - 1] : { KeyS: $("#skip"), KeyU: $("#undo") }[key];
  if (key === "KeyP") playOn();
  else if (!target || target.disabled) return;
  else target.click();
  event.preventDefault();
});
get("/v1/speakers?known=true&limit=500").then(({ speakers }) => $("#people").replaceChildren(...speakers.map((one) => make("option", { value: one.name })))).catch(() => {});
next();

async function next() {
  try {
    const { voices } = await get("/v1/voices?limit=50");
    state.voice = voices[0] || null;
    $("#left").textContent = voices.length ? `${plural(voices.length, "voice")}${voices.length === 50 ? " and more" : ""} without a name` : "";
  } catch (error) { toast(error.message); return; }
  $("#voice").hidden = !state.voice;
  $("#none").hidden = Boolean(state.voice);
  $("#undo").disabled = !state.done.length || !canLabel;
  if (state.voice) show(state.voice);
}

function show(voice) {
  $("#voice-title").textContent = `${voice.title}: ${clock(voice.speech_seconds)} in ${plural(voice.recordings, "recording")}`;
  $("#clips").replaceChildren(...voice.clips.map((clip) => make("li", {},
    make("audio", { controls: true, preload: "none", src: clip.audio_url, "aria-label": `${clip.title} at ${clock(clip.start_seconds)}` }),
    make("p", { class: "small" }, make("a", { href: `/recordings/${clip.recording}?t=${clip.start_seconds}` }, `${clip.title} at ${clock(clip.start_seconds)}`), clip.said ? ` “${clip.said}”` : ""))));
  $("#suggestions").replaceChildren(...voice.suggestions.map((one) => make("span", {},
    make("button", { type: "button", class: "take", disabled: !canLabel, onclick: () => name(one.name) }, `${one.name}, ${Math.round(one.probability * 100)} %`),
    make("button", { type: "button", class: "plain", disabled: !canLabel, onclick: () => refuse(one) }, `not ${one.name}`))));
  $("#name").value = "";
  for (const button of ["#skip", "#name-form button"]) $(button).disabled = !canLabel;
  $("#name").focus();
}

function playOn() {
  const sounds = $$("#clips audio"), playing = sounds.findIndex((sound) => !sound.paused);
  if (playing >= 0) sounds[playing].pause();
  const sound = sounds[(playing + 1) % sounds.length];
  if (sound) { sound.currentTime = 0; sound.play().catch(() => {}); }
}

async function name(text) {
  if (!text.trim() || !canLabel) return;
  try {
    const { body } = await ask("POST", `/v1/voices/${state.voice.id}/name`, { name: text });
    state.done.push(body.decision);
    toast(`${body.name}: ${plural(body.recordings, "recording")}.`);
    await next();
  } catch (error) { toast(error.message); }
}

async function skip() {
  await ask("POST", `/v1/voices/${state.voice.id}/skip`).catch((error) => toast(error.message));
  await next();
}

async function refuse(one) {
  await ask("POST", `/v1/voices/${state.voice.id}/reject`, { speaker: one.id }).catch((error) => toast(error.message));
  await next();
}

async function undo() {
  try {
    await ask("POST", `/v1/speakers/changes/${state.done.pop()}/undo`);
    toast("Taken back.");
  } catch (error) { toast(error.message); }
  await next();
}
