// Numbers, queues, failures, quotas and costs, live.
import { ask, get, newKey } from "./api.js";
import { $, clock, make, plural } from "./dom.js";

const names = { fingerprinted: "new", matched: "copies", pending: "being read", too_short: "too little sound", flag: "not usable", waiting: "waiting" };
const cell = (text, kind = "") => make("td", { class: kind }, text);
const live = $("#live"), events = new EventSource("/v1/status/stream");
let counted = "";

events.onmessage = (event) => { live.textContent = "live"; live.className = "on"; show(JSON.parse(event.data)); };
events.addEventListener("trouble", (event) => { live.textContent = JSON.parse(event.data); live.className = ""; });
events.onerror = () => { live.textContent = "not connected; trying again"; live.className = ""; };
$("#look")?.addEventListener("click", lookAtDeadLetters);
$("#replay")?.addEventListener("click", replay);
loadCosts();

function show(status) {
  const numbers = [["hours in the index", (status.indexed_seconds / 3600).toFixed(2)],
    ...Object.keys(names).filter((key) => status.counts[key]).map((key) => [names[key], status.counts[key]])];
  $("#numbers").replaceChildren(...numbers.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  $("#queues").replaceChildren(...status.queues.map((queue) => make("tr", {}, cell(queue.subscription.split("/").pop()),
    cell(queue.queued, "number"), cell(queue.in_flight, "number"), cell(queue.queued ? clock(queue.oldest_seconds) : "–", "number"))));
  $("#no-queues").hidden = status.queues.length > 0;
  $("#quotas").replaceChildren(...status.quotas.map((quota) => make("p", {}, make("span", { class: "block" }, `${quota.service}: `, make("span", { class: "number" }, `${quota.units.toLocaleString("en")} of ${quota.limit.toLocaleString("en")} units`)),
    make("meter", { min: 0, max: quota.limit || 1, high: quota.limit * 0.8, value: quota.units, "aria-label": `${quota.service}: spent` }))));
  const failed = [...status.failures.recordings.map((one) => ["/recordings/" + one.id, one.title, one.explanation]),
    ...status.failures.sources.map((one) => [null, one.title || one.address, one.explanation])];
  $("#failures").replaceChildren(...failed.map(([address, name, why]) => make("li", {}, address ? make("a", { href: address }, name) : name, make("span", { class: "soft block small" }, why))));
  $("#no-failures").hidden = failed.length > 0;
  $("#empty").hidden = status.recordings.length > 0;
  $("#inbox").textContent = status.inbox || "the inbox bucket";
  const table = $("#latest");
  table.hidden = !status.recordings.length;
  $("tbody", table).replaceChildren(...status.recordings.map((one) => make("tr", {},
    make("td", { class: "title" }, make("a", { href: `/recordings/${one.id}` }, one.title)), cell(clock(one.duration_seconds), "number"),
    make("td", {}, make("span", { class: `state ${one.match_status || "waiting"}` }, names[one.match_status || "waiting"])), cell(one.explanation))));
  const now = JSON.stringify(status.counts);
  if (counted && now !== counted) loadCosts();
  counted = now;
}

async function loadCosts() {
  const { costs } = await get("/v1/costs?by=day").catch(() => ({ costs: [] }));
  const days = costs.slice(-30), currency = days[0]?.currency || "";
  $("#cost-rows").replaceChildren(...days.map((day) => make("tr", {}, cell(day.key), cell(clock(day.transcribed_seconds), "number"), cell(clock(day.saved_seconds), "number"),
    cell(`${Number(day.spent).toFixed(4)} ${day.currency}`, "number"), cell(`${Number(day.saved).toFixed(4)} ${day.currency}`, "number"))));
  $("#costs").replaceChildren(days.length ? chart(days, currency) : make("p", { class: "soft" }, "Nothing is booked yet."));
}

function chart(days, currency) {
  const width = 720, height = 170, base = 140, left = 56, space = "http://www.w3.org/2000/svg";
  const draw = (name, attributes, text = null) => {
    const made = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== null) made.textContent = text;
    return made;
  };
  const most = Math.max(1e-6, ...days.map((day) => Math.max(Number(day.spent), Number(day.saved))));
  const isSeconds = most <= 1e-6; // the stand-in is free: what was not sent is shown in time
  const value = (day, kind) => isSeconds ? (kind === "spent" ? day.transcribed_seconds : day.saved_seconds) : Number(day[kind]);
  $("#spent-name").textContent = isSeconds ? "transcribed" : "spent";
  $("#saved-name").textContent = isSeconds ? "not sent" : "saved";
  const top = Math.max(1e-9, ...days.map((day) => Math.max(value(day, "spent"), value(day, "saved"))));
  const sum = (kind) => days.reduce((all, day) => all + value(day, kind), 0);
  const said = (amount) => isSeconds ? clock(amount) : `${amount.toFixed(4)} ${currency}`;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${plural(days.length, "day")}: ${said(sum("spent"))} ${isSeconds ? "transcribed" : "spent"}, ${said(sum("saved"))} saved` });
  for (const share of [0, 0.5, 1]) {
    const y = base - share * 120;
    svg.append(draw("line", { x1: left, x2: width, y1: y, y2: y }), draw("text", { x: 0, y: y + 4 }, isSeconds ? clock(top * share) : (top * share).toPrecision(2)));
  }
  const slot = (width - left) / Math.max(days.length, 6), bar = Math.min(22, slot * 0.36);
  days.forEach((day, at) => {
    const x = left + at * slot + slot / 2;
    ["spent", "saved"].forEach((kind, which) => {
      const tall = value(day, kind) / top * 120;
      const mark = draw("rect", { class: kind, x: x + (which - 1) * (bar + 1), y: base - tall, width: bar, height: Math.max(tall, 0), rx: 2 });
      mark.append(draw("title", {}, `${day.key}: ${said(value(day, kind))} ${kind}`));
      svg.append(mark);
    });
    if (days.length <= 8 || at % 5 === 0) svg.append(draw("text", { x, y: base + 18, "text-anchor": "middle" }, day.key.slice(5)));
  });
  return svg;
}

async function lookAtDeadLetters() {
  $("#dead-said").textContent = "Looking…";
  try {
    const { dead_letters: letters } = await get("/v1/dead-letters");
    $("#dead-said").textContent = letters.length ? plural(letters.length, "message") : "None.";
    $("#dead").replaceChildren(...letters.map((letter) => make("li", {}, `${letter.subscription || "unknown"}: ${letter.event_type || "message"}, tried ${plural(letter.attempts, "time")}`, make("code", { class: "block small" }, letter.data))));
  } catch (error) { $("#dead-said").textContent = error.message; }
}

async function replay() {
  $("#dead-said").textContent = "Sending…";
  try {
    const { body } = await ask("POST", "/v1/dead-letters/replay", undefined, { "Idempotency-Key": newKey() });
    $("#dead-said").textContent = `${plural(body.dead_letters, "message")} and ${plural(body.stranded, "stranded recording")} were sent again.`;
    $("#dead").replaceChildren();
  } catch (error) { $("#dead-said").textContent = error.message; }
}
