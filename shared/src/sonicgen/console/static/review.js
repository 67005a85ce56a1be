// Uncertain matches, one after the other: both sides at the same moment, and a decision.
import { ask, get, newKey } from "./api.js";
import { $, clock, resolved, toast } from "./dom.js";

const page = $(".review"), canDecide = page.dataset.canLabel === "1";
const state = { waiting: [], at: 0, done: [], cursor: null };
const sides = ["query", "reference"];

$("#accept").addEventListener("click", () => decide("accepted"));
$("#reject").addEventListener("click", () => decide("rejected"));
$("#next").addEventListener("click", () => { state.at++; show(); });
$("#undo").addEventListener("click", undo);
for (const button of ["#accept", "#reject"]) $(button).disabled = !canDecide;
addEventListener("keydown", (event) => {
  if (!$("#keys").checked || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  const button = { a: "#accept", r: "#reject", n: "#next", u: "#undo" }[event.key];
  if (button && !$(button).disabled) $(button).click();
  if (event.key === "1" || event.key === "2") toggle($(`#${sides[event.key - 1]}-audio`));
});
load();

async function load() {
  const answer = await get(`/v1/matches?decision=unsure&review=none&limit=50${state.cursor ? `&cursor=${encodeURIComponent(state.cursor)}` : ""}`);
  state.waiting.push(...answer.matches);
  state.cursor = answer.next;
  show();
}

function show() {
  const match = state.waiting[state.at];
  if (!match && state.cursor) { load(); return; }
  $("#pair").hidden = !match;
  $("#none").hidden = Boolean(match);
  const left = state.waiting.length - state.at;
  $("#left").textContent = match ? `${left}${state.cursor ? " and more" : ""} to decide` : "";
  $("#undo").disabled = !state.done.length || !canDecide;
  if (!match) return;
  const titles = { query: match.title, reference: match.reference_title };
  const ids = { query: match.video_id, reference: match.reference_video_id };
  for (const side of sides) {
    const from = match[`${side}_start_seconds`], to = match[`${side}_end_seconds`];
    $(`#${side}-title`).textContent = titles[side];
    $(`#${side}-place`).textContent = `${clock(from)}–${clock(to)}`;
    const audio = $(`#${side}-audio`);
    audio.src = `/v1/recordings/${ids[side]}/audio#t=${from},${to}`;
    audio.setAttribute("aria-label", `Sound of ${titles[side]} from ${clock(from)}`);
    audio.onplay = () => sides.filter((other) => other !== side).forEach((other) => $(`#${other}-audio`).pause());
  }
  $("#grounds").textContent = `${Math.round(match.probability * 100)} % likely; ${Math.round(match.score)} landmarks agree; played ${match.speed.toFixed(3)} times as fast.`;
  draw(match);
}

async function draw(match) {
  for (const side of sides) clear($(`#${side}-picture`));
  let evidence;
  try {
    evidence = await get(`/v1/matches/${match.id}/evidence`);
  } catch (error) {
    for (const side of sides) $(`#${side}-picture`).setAttribute("aria-label", error.message);
    return;
  }
  if (state.waiting[state.at] !== match) return;
  for (const side of sides) {
    const picture = $(`#${side}-picture`), stretch = evidence[`${side}_stretch_seconds`];
    const spectrum = await get(`/v1/matches/${match.id}/spectrogram?side=${side}`).catch(() => null);
    if (state.waiting[state.at] !== match) return;
    drawSide(picture, stretch, evidence[`${side}_landmarks`], evidence.pairs[`${side}_seconds`], evidence.pairs[`${side}_hz`], spectrum);
    picture.setAttribute("aria-label", `Spectrogram: ${evidence[`${side}_peaks`]} landmarks, ${evidence.aligned_peaks} of them agree with the other side`);
  }
}

function clear(picture) {
  picture.getContext("2d").clearRect(0, 0, picture.width, picture.height);
}

const LOWEST_HZ = 100, HIGHEST_HZ = 5512;

function drawSide(picture, [from, to], all, seconds, hertz, spectrum) {
  const pen = picture.getContext("2d"), { width, height } = picture;
  clear(picture);
  if (spectrum) paint(pen, spectrum, width, height);
  const x = (moment) => (moment - from) / Math.max(0.1, to - from) * width;
  const y = (frequency) => height - Math.log(Math.max(LOWEST_HZ, frequency) / LOWEST_HZ) / Math.log(HIGHEST_HZ / LOWEST_HZ) * height;
  const dots = (moments, frequencies, colour, size) => {
    pen.fillStyle = colour;
    moments.forEach((moment, at) => pen.fillRect(x(moment) - size / 2, y(frequencies[at]) - size / 2, size, size));
  };
  dots(all.seconds, all.hz, resolved("--edge"), 3);
  dots(seconds, hertz, resolved("--v1"), 5);
}

function paint(pen, spectrum, width, height) {
  const bytes = Uint8Array.from(atob(spectrum.levels), (letter) => letter.charCodeAt(0));
  const image = new ImageData(spectrum.columns, spectrum.rows), ink = resolved("--v3").match(/\d+/g).map(Number);
  for (let column = 0; column < spectrum.columns; column++) for (let row = 0; row < spectrum.rows; row++) {
    const at = ((spectrum.rows - 1 - row) * spectrum.columns + column) * 4;
    image.data.set([ink[0], ink[1], ink[2], bytes[column * spectrum.rows + row] * 0.6], at);
  }
  createImageBitmap(image).then((bitmap) => {
    pen.globalCompositeOperation = "destination-over";
    pen.drawImage(bitmap, 0, 0, width, height);
    pen.globalCompositeOperation = "source-over";
  });
}

async function decide(verdict) {
  const match = state.waiting[state.at];
  if (!match) return;
  try {
    await ask("PUT", `/v1/matches/${match.id}/review`, { verdict }, { "Idempotency-Key": newKey() });
    state.done.push(match);
    state.waiting.splice(state.at, 1);
    toast(verdict === "accepted" ? "Accepted." : "Rejected.");
    show();
  } catch (error) { toast(error.message); }
}

async function undo() {
  const match = state.done.pop();
  if (!match) return;
  try {
    await ask("DELETE", `/v1/matches/${match.id}/review`);
    state.waiting.splice(state.at, 0, match);
    toast("Taken back.");
  } catch (error) { toast(error.message); }
  show();
}

function toggle(audio) {
  if (audio.paused) audio.play().catch(() => {});
  else audio.pause();
}
