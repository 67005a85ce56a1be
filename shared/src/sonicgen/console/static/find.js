// The start page: one field, live progress, the answer.
import { ask, newKey, Problem } from "./api.js";
import { showAnswer, showTrouble } from "./answer.js";
import { $, clock } from "./dom.js";
import { sendForm, sendLarge } from "./upload.js";

const page = $(".find");
const limits = { maximum: Number(page.dataset.maximum), direct: Number(page.dataset.direct) };
const link = $("#link"), file = $("#file"), chosen = $("#chosen"), answer = $("#answer");
const state = { file: null, events: null, job: null, startedAt: 0, timer: null, stop: null, url: null };

link.addEventListener("input", () => choose(null));
file.addEventListener("change", () => choose(file.files[0] || null));
$("#choose").addEventListener("click", () => file.click());
$("#unchoose").addEventListener("click", () => { choose(null); link.focus(); });
$("#cancel").addEventListener("click", stop);
$("#ask").addEventListener("submit", (event) => { event.preventDefault(); start(); });
link.addEventListener("paste", (event) => {
  const pasted = event.clipboardData?.files?.[0];
  if (pasted) { event.preventDefault(); choose(pasted); start(); }
});
for (const kind of ["dragenter", "dragover"]) addEventListener(kind, (event) => {
  if (![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  page.classList.add("over");
});
addEventListener("dragleave", (event) => { if (!event.relatedTarget) page.classList.remove("over"); });
addEventListener("drop", (event) => {
  page.classList.remove("over");
  const dropped = event.dataTransfer?.files?.[0];
  const text = event.dataTransfer?.getData("text/uri-list") || event.dataTransfer?.getData("text/plain");
  if (!dropped && !text) return;
  event.preventDefault();
  if (dropped) choose(dropped);
  else { choose(null); link.value = text.trim(); }
  start();
});

const running = new URLSearchParams(location.search).get("job");
if (running) follow(running);

function choose(next) {
  state.file = next;
  chosen.hidden = !next;
  link.hidden = Boolean(next);
  if (next) { link.value = ""; $("#chosen-name").textContent = next.name; }
  else file.value = "";
}

async function start() {
  const url = link.value.trim();
  if (!state.file && !url) { link.focus(); return; }
  if (state.file && state.file.size > limits.maximum) {
    trouble(new Problem(413, "too_large", `The file is larger than ${Math.floor(limits.maximum / 1048576)} MB.`));
    return;
  }
  begin(state.file ? state.file.name : url);
  state.url = state.file ? null : url;
  const control = new AbortController();
  state.stop = () => control.abort();
  const key = newKey();
  try {
    const headers = { Prefer: "respond-async", "Idempotency-Key": key };
    let job;
    if (!state.file) job = (await ask("POST", "/v1/find", { url }, headers)).body;
    else if (state.file.size > limits.direct) {
      const upload = await sendLarge(state.file, "find", (share) => say(`Sending, ${Math.round(share * 100)} %…`, share * 10), control.signal);
      job = (await ask("POST", "/v1/find", { upload }, headers)).body;
    } else {
      const form = new FormData();
      form.append("file", state.file);
      job = await sendForm("/v1/find", form, headers, (share) => say(share < 1 ? `Sending, ${Math.round(share * 100)} %…` : "Taking in the file…", share * 10), control.signal);
    }
    history.replaceState(null, "", `/?job=${job.id}`);
    follow(job.id);
  } catch (error) {
    if (error.code === "cancelled" || error.name === "AbortError") end();
    else trouble(error);
  }
}

// Follows a job from its first event on; EventSource comes back by itself, with the id of the last event it saw.
function follow(id) {
  if ($("#progress").hidden) begin("");
  state.job = id;
  state.events?.close();
  const events = new EventSource(`/v1/jobs/${id}/events`);
  state.events = events;
  state.stop = async () => {
    try { await ask("DELETE", `/v1/jobs/${id}`); } catch { /* it was over already */ }
  };
  events.addEventListener("progress", (event) => {
    const told = JSON.parse(event.data);
    say(told.message, told.progress);
  });
  events.addEventListener("result", (event) => {
    end();
    const found = JSON.parse(event.data);
    showAnswer(answer, found, { job: id, file: state.file, url: state.url, canView: page.dataset.canView === "1", canAdd: page.dataset.canAdd === "1", limits });
    answer.hidden = false;
    answer.focus({ preventScroll: true });
  });
  events.addEventListener("error", (event) => {
    if (event.data) {
      const told = JSON.parse(event.data);
      if (told.code === "cancelled") { end(); history.replaceState(null, "", "/"); }
      else trouble(new Problem(told.status_code, told.code, told.error));
    } else if (events.readyState === EventSource.CLOSED) {
      trouble(new Problem(404, "not_found", "This answer is not kept any more; ask again."));
    } else say("The connection broke; coming back…");
  });
}

async function stop() {
  const ending = state.stop;
  $("#cancel").disabled = true;
  await ending?.();
}

function begin(name) {
  answer.hidden = true;
  answer.replaceChildren();
  state.startedAt = performance.now();
  $("#progress").hidden = false;
  $("#cancel").disabled = false;
  $("#go").disabled = true;
  say(name ? `Starting with ${name}…` : "Looking where it stands…", 2);
  clearInterval(state.timer);
  state.timer = setInterval(() => {
    const seconds = (performance.now() - state.startedAt) / 1000;
    $("#elapsed").textContent = seconds < 60 ? `${seconds.toFixed(1)} s` : clock(seconds);
  }, 100);
}

function say(text, percent = undefined) {
  $("#stage").textContent = text;
  if (percent !== undefined) $("#bar").value = percent;
  // A screen reader hears each stage once, not every percent of it.
  const stage = text.replace(/[\d.,]+ ?(%|MB|minutes)?( of)?/g, "");
  if ($("#stage-said").dataset.stage !== stage) { $("#stage-said").dataset.stage = stage; $("#stage-said").textContent = text; }
}

function end() {
  state.events?.close();
  clearInterval(state.timer);
  $("#progress").hidden = true;
  $("#go").disabled = false;
}

function trouble(error) {
  end();
  showTrouble(answer, error);
  answer.hidden = false;
}
