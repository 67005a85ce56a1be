// A file on its way: to the console with its progress, or, when it is large, into the bucket in parts.
import { ask, Problem } from "./api.js";

const PART_BYTES = 8 * 1024 * 1024; // a multiple of 256 KiB
const MOST_BREAKS = 5;

// Sends a form and resolves to the parsed answer; onProgress gets a share from 0 to 1.
export function sendForm(path, form, headers, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => {
      const body = request.response || {};
      if (request.status >= 200 && request.status < 300) resolve(body);
      else reject(new Problem(request.status, body.code || "failed", body.detail || `The server answered ${request.status}.`));
    };
    request.onerror = () => reject(new Problem(0, "offline", "The connection broke; check it and try again."));
    request.onabort = () => reject(new Problem(0, "cancelled", "It was stopped."));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}

// Sends a file straight into the bucket and resolves to the upload's id; goes on after a break.
export async function sendLarge(file, purpose, onProgress, signal) {
  const { body } = await ask("POST", "/v1/uploads", {
    name: file.name, size_bytes: file.size, purpose, content_type: file.type || "application/octet-stream",
  });
  let at = 0, breaks = 0;
  while (at < file.size) {
    const end = Math.min(at + PART_BYTES, file.size);
    try {
      const response = await fetch(body.url, {
        method: "PUT", signal, body: file.slice(at, end),
        headers: { "Content-Range": `bytes ${at}-${end - 1}/${file.size}` },
      });
      if (response.status >= 500) throw new TypeError("try again");
      if (response.status !== 308 && !response.ok) throw new Problem(response.status, "failed", "The bucket refused the file.");
      at = end;
      breaks = 0;
      onProgress(at / file.size);
    } catch (error) {
      if (!(error instanceof TypeError) || ++breaks > MOST_BREAKS) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * 2 ** breaks));
      at = await arrived(body.url, file.size, at);
    }
  }
  return body.id;
}

async function arrived(url, size, otherwise) {
  try {
    const response = await fetch(url, { method: "PUT", headers: { "Content-Range": `bytes */${size}` } });
    if (response.ok) return size;
    const range = /bytes=0-(\d+)/.exec(response.headers.get("Range") || "");
    return range ? Number(range[1]) + 1 : response.status === 308 ? 0 : otherwise;
  } catch {
    return otherwise;
  }
}
