// A recording: waveform, words that follow the sound, corrections.
import { ask, get } from "./api.js";
import { $, $$, clock, copyText, make, toast } from "./dom.js";
import { drawWave } from "./waveform.js";

const page = $(".recording"), audio = $("#audio"), seek = $("#seek"), canvas = $("#wave");
const id = page.dataset.id;
const state = { etag: page.dataset.etag, levels: null, seconds: Number(page.dataset.seconds), now: null };
const lines = () => $$("#lines > .line");

document.addEventListener("click", (event) => {
  const place = event.target.closest("[data-seek]");
  if (place) play(Number(place.dataset.seek));
  const edit = event.target.closest(".edit");
  if (edit) openEditor(edit.closest(".line"));
});

if (audio) {
  const moment = page.dataset.moment;
  if (moment) audio.addEventListener("loadedmetadata", () => { audio.currentTime = Number(moment); }, { once: true });
  if (moment) show(Number(moment), true);
  audio.addEventListener("timeupdate", () => { seek.value = audio.currentTime; show(audio.currentTime, !audio.paused); });
  seek.addEventListener("input", () => { audio.currentTime = Number(seek.value); show(Number(seek.value), true); });
  canvas.addEventListener("click", (event) => play(event.offsetX / canvas.clientWidth * state.seconds));
  seek.setAttribute("aria-valuetext", clock(Number(seek.value)));
  $("#share").addEventListener("click", async () => {
    const link = new URL(`/recordings/${id}?t=${audio.currentTime.toFixed(1)}`, location.href).href;
    if (await copyText(link)) $("#share-said").textContent = `The link to ${clock(audio.currentTime)} is in the clipboard.`;
  });
  loadWave();
  addEventListener("resize", draw);
  document.addEventListener("themechange", draw);
}
$("#more-lines")?.addEventListener("click", loadLines);

async function loadWave() {
  drawRanges();
  try {
    const wave = await get(`/v1/recordings/${id}/waveform`);
    state.levels = wave.levels;
    state.seconds = wave.seconds || state.seconds;
    seek.max = state.seconds;
    canvas.dataset.ready = "1";
    draw();
  } catch (error) { canvas.setAttribute("aria-label", `No waveform: ${error.message}`); }
}

function draw() {
  if (!state.levels) return;
  const spoken = lines().map((line) => ({ from: Number(line.dataset.from), to: Number(line.dataset.to), voice: line.dataset.voice }));
  drawWave(canvas, state.levels, state.seconds, spoken, audio.currentTime);
}

function drawRanges() {
  $("#ranges").replaceChildren(...$$(".match").map((match) => {
    const mark = make("span", { class: match.classList.contains("unsure") ? "unsure" : "", title: match.textContent.trim().replace(/\s+/g, " ") });
    mark.style.left = `${Number(match.dataset.from) / state.seconds * 100}%`;
    mark.style.width = `${Math.max(0.3, (match.dataset.to - match.dataset.from) / state.seconds * 100)}%`;
    return mark;
  }));
}

function play(seconds) {
  if (!audio) return;
  audio.currentTime = seconds;
  audio.play().catch(() => {});
  show(seconds, true);
}

function show(seconds, scrolls) {
  seek.setAttribute("aria-valuetext", clock(seconds));
  draw();
  const line = lines().find((each) => seconds >= Number(each.dataset.from) - 0.05 && seconds < Number(each.dataset.to));
  if (!line || line === state.now) return;
  state.now?.classList.remove("now");
  state.now?.removeAttribute("aria-current");
  state.now = line;
  line.classList.add("now");
  line.setAttribute("aria-current", "true");
  if (scrolls && $("#follow")?.checked && !$(".line form")) line.scrollIntoView({ block: "nearest" });
}

async function loadLines(event) {
  const button = event.currentTarget;
  button.disabled = true;
  const template = lines()[0];
  const voices = new Map(lines().map((line) => [$(".speaker", line).textContent, line.dataset.voice]));
  let after = lines().length - 1;
  while (after !== null) {
    const page = await get(`/v1/transcripts/${id}/lines?after=${after}&limit=1000`);
    for (const line of page.lines) {
      const made = template.cloneNode(true), name = line.speaker_name || "nobody knows";
      Object.assign(made.dataset, { position: line.position, from: line.start_seconds, to: line.end_seconds, voice: voices.get(name) ?? "" });
      made.id = `line-${line.position}`;
      made.classList.remove("now");
      $(".time", made).textContent = clock(line.start_seconds);
      $(".time", made).dataset.seek = line.start_seconds;
      $(".time", made).setAttribute("aria-label", `Play from ${clock(line.start_seconds)}`);
      $(".speaker", made).textContent = name;
      $(".speaker", made).className = `speaker voice-text-${voices.get(name) || "none"}`;
      $(".text", made).textContent = line.text;
      $("#lines").append(made);
    }
    after = page.next;
  }
  button.parentElement.remove();
  draw();
}

function openEditor(line) {
  $(".line form")?.remove();
  const text = $(".text", line), speaker = $(".speaker", line), before = { text: text.textContent, speaker: speaker.textContent };
  const area = make("textarea", { "aria-label": "What is said" });
  area.value = before.text;
  const name = make("input", { type: "text", value: before.speaker === "nobody knows" ? "" : before.speaker, "aria-label": "Who says it", maxlength: 200 });
  const form = make("form", {}, area, make("div", { class: "row" }, name,
    make("button", { type: "submit", class: "main small" }, "Save"),
    make("button", { type: "button", class: "quiet small", onclick: () => close() }, "Leave it"),
    make("button", { type: "button", class: "quiet small", onclick: () => change("DELETE", "/edit") }, "Undo the last change")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (area.value.trim() !== before.text && !(await change("PATCH", "", { text: area.value }))) return;
    if (name.value.trim() !== (before.speaker === "nobody knows" ? "" : before.speaker)) await change("PATCH", "", { speaker: name.value });
    close();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  line.append(form);
  area.focus();

  function close() {
    form.remove();
    $(".edit", line).focus();
  }

  async function change(method, tail, body = undefined) {
    try {
      const changed = await ask(method, `/v1/transcripts/${id}/lines/${line.dataset.position}${tail}`, body, { "If-Match": state.etag });
      state.etag = changed.etag;
      text.textContent = area.value = changed.body.text;
      speaker.textContent = changed.body.speaker_name || "nobody knows";
      toast("Saved.");
      return true;
    } catch (error) {
      toast(error.status === 412 ? "Somebody changed this transcript meanwhile; load the page again." : error.message);
      return false;
    }
  }
}
