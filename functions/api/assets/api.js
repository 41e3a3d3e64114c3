// The HTTP API, and its errors in words. URLs are relative: the page is beside `api/`, wherever the
// gateway has put both.

const STORED = "sluice.token";
const TIMEOUT_MS = 10_000;

export class Refused extends Error {
  // `faults`: the message of each faulty field. `unsure`: not clearly refused, so that it may have
  // been done, or may well succeed later.
  constructor(message, { status = 0, code = "", faults = {}, retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { status, code, faults, retryAfter });
    this.unsure = status < 400 || status >= 500 || status === 429;
  }
}

export function token() {
  return sessionStorage.getItem(STORED) ?? "";
}

export function keepToken(text) {
  if (text) sessionStorage.setItem(STORED, text);
  else sessionStorage.removeItem(STORED);
}

// A link may bring a token in its fragment, which no server sees; nor shall the history keep it.
export function takeTokenFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return false;
  keepToken(given);
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}

export async function ask(method, path, options) {
  const asking = token();
  try {
    return await answered(asking, method, path, options);
  } finally {
    // Someone else may be looking by now, who must see neither the answer nor that there was none:
    // whoever waits for it waits for ever.
    if (token() !== asking) await new Promise(() => {});
  }
}

async function answered(asking, method, path, { body, key, signal } = {}) {
  const headers = {};
  if (asking) headers.Authorization = `Bearer ${asking}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  const late = AbortSignal.timeout(TIMEOUT_MS);
  let response, answer;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, late]) : late,
    });
    answer = await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    // What is no JSON still has a status, which tells more.
    if (!(error instanceof SyntaxError))
      throw new Refused(
        late.aborted
          ? "The API did not answer in time."
          : "The API cannot be reached. Is the network, or the API, down?",
      );
  }
  if (response.ok && answer) return answer.data ?? answer;
  throw refused(response, answer ?? {});
}

function refused(response, { code, message, details = [] }) {
  const { status, headers } = response;
  const faults = {};
  for (const { field, message: fault } of details) faults[field] ??= fault;
  return new Refused(inWords(status, code, message), {
    status,
    code,
    faults,
    retryAfter: Number(headers.get("Retry-After") ?? 0),
  });
}

function inWords(status, code, message) {
  if (status < 400) return "What the API answered cannot be read.";
  if (status === 401 && !token()) return "The API wants a token: paste one into the field above.";
  // The gateway, which refuses who proves nothing, has no codes; the API tells which scope is wanted.
  if (status === 401 || (status === 403 && !code))
    return "The API does not accept this token: it may be mistyped, expired or revoked.";
  if (status === 403) return `This token does not allow that. ${message}`;
  if (status === 429) return "Too many requests at once; it goes on in a moment.";
  return message || `The API answered with status ${status} and no explanation.`;
}
