// Draws how loud a recording is, each stretch in the colour of who speaks there.
import { resolved } from "./dom.js";

let colours = null;
document.addEventListener("themechange", () => { colours = null; });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { colours = null; });

export function drawWave(canvas, levels, seconds, spoken, now) {
  colours ??= { none: resolved("--edge"), now: resolved("--ink"), voices: Array.from({ length: 8 }, (_, voice) => resolved(`--v${voice}`)) };
  const scale = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
  if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const step = 3, bars = Math.floor(width / step);
  let line = 0;
  for (let bar = 0; bar < bars; bar++) {
    const first = Math.floor(bar * levels.length / bars), last = Math.max(first + 1, Math.floor((bar + 1) * levels.length / bars));
    let level = 0;
    for (let each = first; each < last; each++) level = Math.max(level, levels[each]);
    const moment = (bar + 0.5) / bars * seconds;
    while (line < spoken.length && spoken[line].to < moment) line++;
    const voice = line < spoken.length && spoken[line].from <= moment ? spoken[line].voice : "";
    pen.fillStyle = voice === "" ? colours.none : colours.voices[Number(voice)];
    const tall = Math.max(1, level / 255 * (height - 4));
    pen.fillRect(bar * step, (height - tall) / 2, step - 1, tall);
  }
  if (seconds > 0) {
    pen.fillStyle = colours.now;
    pen.fillRect(Math.min(width - 2, now / seconds * width), 0, 2, height);
  }
}
