// What came out: the candidate, how sure, its sound at that second, its words, its copies; or that there is nothing.
import { ask, newKey } from "./api.js";
import { clock, copyText, make, plural, toast } from "./dom.js";
import { sendForm, sendLarge } from "./upload.js";

const percent = (probability) => probability > 0.9999 ? "over 99.99 %" : `${(probability * 100).toFixed(probability > 0.99 ? 2 : 0)} %`;

export function showTrouble(place, error) {
  place.replaceChildren(make("div", { class: "card bad", role: "alert" }, make("h2", {}, "That did not work"), make("p", {}, error.message)));
}

export function showAnswer(place, found, context) {
  const rejected = [];
  show();

  function show() {
    const left = found.candidates.filter((one) => !rejected.some((other) => other.id === one.video_id));
    const children = left.length ? [candidateCard(left[0], left.length)] : [nothingCard()];
    if (left.length && found.timeline.length > 1) children.push(timelineCard(left));
    place.replaceChildren(...children);
  }

  function candidateCard(one, left) {
    const player = soundOf(one, context.canView);
    const rest = left > 1 ? `Not this: show the next of ${left - 1}` : "Not this";
    return make("article", { class: "card", "aria-label": "Where it is from" },
      make("div", { class: "hit-head" },
        make("h2", {}, context.canView ? make("a", { href: `/recordings/${one.video_id}?t=${one.offset}` }, one.title) : one.title),
        make("span", { class: "moment" }, `at ${one.timestamp}`)),
      make("p", { class: "soft" }, [one.channel_title, one.published_at?.slice(0, 10), one.original && `a copy of ${one.original.title}`].filter(Boolean).join(" · ") || "added by hand"),
      make("p", { class: "sure" }, make("strong", { class: one.sure.replace(" ", "-") }, one.sure),
        make("meter", { min: 0, max: 1, low: 0.5, high: 0.95, optimum: 1, value: one.confidence, "aria-label": "How sure" }),
        make("span", { class: "number" }, percent(one.confidence)),
        make("span", { class: "soft small" }, `${plural(one.aligned_matches, "landmark")} agree`)),
      player.element,
      wordsOf(one, player),
      copiesOf(one),
      make("div", { class: "choices" },
        make("button", { type: "button", class: "quiet", onclick: () => reject(one) }, rest),
        make("button", { type: "button", class: "quiet", onclick: () => share(one) }, "Copy a link to the moment"),
        one.published_uri ? make("a", { class: "button", href: atMoment(one), rel: "noreferrer" }, "Open where it was published") : null,
        rejected.length ? undoButton() : null),
      make("p", { class: "soft small" }, searchedText()));
  }

  function undoButton() {
    return make("button", { type: "button", class: "quiet", onclick: async () => {
      const last = rejected.pop();
      show();
      if (last.decision) await ask("DELETE", `/v1/jobs/${context.job}/rejections/${last.decision}`).catch((error) => toast(error.message));
    } }, "Take that back");
  }

  async function reject(one) {
    const entry = { id: one.video_id, decision: null };
    rejected.push(entry);
    show();
    try {
      entry.decision = (await ask("POST", `/v1/jobs/${context.job}/rejections`, { video_id: one.video_id })).body.id;
      toast("Thank you: that is on record.");
    } catch (error) { toast(error.message); }
  }

  function searchedText() {
    const { recordings, seconds } = found.searched;
    return `${found.query.seconds.toFixed(1)} s were listened to and compared with ${plural(recordings, "recording")} (${(seconds / 3600).toFixed(1)} h) in ${Math.round(found.elapsed_ms)} ms.${found.query.is_cut ? " Only the beginning of the clip was listened to." : ""}${found.query.truncated ? " The clip ends early or is damaged." : ""}`;
  }

  function nothingCard() {
    const tried = rejected.length ? "There is nothing else that it could be." : found.message;
    return make("article", { class: "card", "aria-label": "Nothing found" },
      make("h2", {}, rejected.length ? "No more guesses" : "Not found"), make("p", {}, tried), make("p", { class: "soft" }, searchedText()),
      make("div", { class: "choices" }, context.canAdd ? addButton() : null, rejected.length ? undoButton() : null));
  }

  function addButton() {
    if (!context.file && !context.url) return make("p", { class: "soft small" }, "Choose the file again to add it to the library.");
    return make("button", { type: "button", class: "main", onclick: async (event) => {
      const button = event.currentTarget;
      button.disabled = true;
      try {
        const id = await addToLibrary(context, (share) => { button.textContent = `Adding, ${Math.round(share * 100)} %…`; });
        button.replaceWith(make("p", {}, "It is on its way into the ", make("a", { href: id ? `/recordings/${id}` : "/library" }, "library"), "."));
      } catch (error) { toast(error.message); button.disabled = false; }
    } }, "Add it to the library");
  }

  function timelineCard(left) {
    const whole = found.query.seconds || 1;
    const names = new Map(found.candidates.map((one) => [one.video_id, one]));
    const sound = make("div", {});
    const bar = make("div", { class: "timeline", role: "group", "aria-label": "What the clip is made of" });
    const order = [...new Set(found.timeline.map((part) => part.video_id))];
    for (const part of found.timeline.filter((each) => left.some((one) => one.video_id === each.video_id))) {
      const label = `${clock(part.query_start_seconds)}–${clock(part.query_end_seconds)}: ${part.title} at ${clock(part.reference_start_seconds)}`;
      const button = make("button", { type: "button", title: label, "aria-label": `Play ${label}`, onclick: () => {
        const player = soundOf({ ...names.get(part.video_id), offset: part.reference_start_seconds }, context.canView);
        sound.replaceChildren(make("p", { class: "small" }, label), player.element);
        player.play(part.reference_start_seconds);
      } }, part.title);
      button.style.left = `${part.query_start_seconds / whole * 100}%`;
      button.style.width = `${Math.max(0.5, (part.query_end_seconds - part.query_start_seconds) / whole * 100)}%`;
      button.style.borderColor = `var(--v${order.indexOf(part.video_id) % 8})`;
      bar.append(button);
    }
    return make("section", { class: "card" }, make("h2", {}, `It is made of ${plural(found.timeline.length, "piece")}`), bar, sound);
  }

  async function share(one) {
    if (await copyText(new URL(`/recordings/${one.video_id}?t=${one.offset}`, location.href).href)) toast("The link is in the clipboard.");
  }
}

async function addToLibrary(context, onProgress) {
  const signal = new AbortController().signal;
  if (context.url) return (await ask("POST", "/v1/recordings", { url: context.url }, { "Idempotency-Key": newKey() })).body.id;
  if (context.file.size > context.limits.direct) { await sendLarge(context.file, "add", onProgress, signal); return null; }
  const form = new FormData();
  form.append("file", context.file);
  return (await sendForm("/v1/recordings", form, { "Idempotency-Key": newKey() }, onProgress, signal)).id;
}

// Our own sound when there is one; the player of YouTube only when somebody asks for it.
function soundOf(one, canView) {
  const element = make("div", { class: "player" });
  let audio = null;
  if (one.has_audio && canView) {
    audio = make("audio", { controls: true, preload: "metadata", src: `/v1/recordings/${one.video_id}/audio#t=${one.offset}`, "aria-label": `Sound of ${one.title}` });
    element.append(audio);
  }
  if (one.youtube_id) element.append(make("button", { type: "button", class: "quiet small", onclick: (event) => {
    const start = Math.max(0, Math.floor(one.offset));
    event.currentTarget.replaceWith(make("iframe", {
      src: `https://www.youtube-nocookie.com/embed/${encodeURIComponent(one.youtube_id)}?start=${start}&autoplay=1`,
      title: `${one.title} on YouTube`, allow: "autoplay; fullscreen", allowfullscreen: true, referrerpolicy: "strict-origin-when-cross-origin",
    }));
  } }, "Watch it here on YouTube (contacts youtube-nocookie.com)"));
  return { element, play: (seconds) => { if (audio) { audio.currentTime = seconds; audio.play().catch(() => {}); } }, audio };
}

function wordsOf(one, player) {
  if (!one.lines.length) return make("p", { class: "soft small" }, "What is said there is not known.");
  const who = one.speakers.length ? `${one.speakers.join(" and ")} ${one.speakers.length > 1 ? "speak" : "speaks"} there` : "What is said there";
  return make("div", {}, make("h3", {}, who), make("ul", { class: "said plain-list" }, one.lines.map((line) => make("li", {},
    make("button", { type: "button", class: "link small number", "aria-label": `Play from ${clock(line.start_seconds)}`, onclick: () => player.play(line.start_seconds) }, clock(line.start_seconds)),
    line.speaker_name ? make("strong", { class: "small" }, `${line.speaker_name}: `) : null, line.text))));
}

function copiesOf(one) {
  if (!one.copies.length) return null;
  return make("details", {}, make("summary", {}, `${plural(one.copies.length, "other copy", "other copies")}`), make("ul", {}, one.copies.map((copy) => make("li", {},
    make("a", { href: `/recordings/${copy.id}${copy.seconds === null ? "" : `?t=${copy.seconds}`}` }, copy.title),
    ` ${[copy.is_original ? "the original" : null, copy.seconds === null ? null : `at ${clock(copy.seconds)}`, copy.published_at?.slice(0, 10)].filter(Boolean).join(", ")}`))));
}

function atMoment(one) {
  if (one.youtube_id) return `https://www.youtube.com/watch?v=${encodeURIComponent(one.youtube_id)}&t=${Math.floor(one.offset)}s`;
  return /^https?:\/\//.test(one.published_uri) ? one.published_uri : "#";
}

