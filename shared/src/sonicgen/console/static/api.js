// Calls to our own API; an error is a Problem with the sentence that the server gives.

export class Problem extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

export async function problemOf(response) {
  let body = {};
  try { body = await response.json(); } catch { /* no problem+json: a proxy's page */ }
  const said = body.detail || ({ 502: "The server is starting; try again in a moment.", 504: "That took too long; try again." })[response.status];
  return new Problem(response.status, body.code || "failed", said || `The server answered ${response.status}.`);
}

export async function ask(method, path, body = undefined, headers = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, "offline", "The server does not answer; check the connection and try again.");
  }
  if (!response.ok) throw await problemOf(response);
  const isEmpty = response.status === 204;
  return { body: isEmpty ? null : await response.json(), etag: response.headers.get("ETag") };
}

export const get = async (path) => (await ask("GET", path)).body;
export const newKey = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
