// What people read for what the API says in capitals.

const VENUES = {
  RAYDIUM_AMM_V4: "Raydium AMM v4",
  RAYDIUM_CPMM: "Raydium CPMM",
  RAYDIUM_CLMM: "Raydium CLMM",
  METEORA_DLMM: "Meteora DLMM",
  METEORA_DAMM_V1: "Meteora DAMM v1",
  METEORA_DAMM_V2: "Meteora DAMM v2",
};

const REASONS = {
  NO_ROUTE: "No listed pool connects these tokens.",
  INSUFFICIENT_LIQUIDITY: "No pool can take an order of this size.",
  SLIPPAGE_EXCEEDED: "The price moved further than the slippage allows.",
  PRICE_LIMIT: "The price is worse than the limit price.",
  VENUES_UNAVAILABLE: "The venues could not be asked.",
  INTERNAL: "A fault of ours; nothing was filled.",
};

const REFUSALS = {
  ZERO_AMOUNT: "too little for this pool",
  INSUFFICIENT_LIQUIDITY: "too much for this pool",
  POOL_DISABLED: "swaps are switched off",
  NOT_OPEN: "not open yet",
  OVERFLOW: "too much for its arithmetic",
};

const STEPS = {
  PENDING: "Accepted and queued",
  ROUTING: "A worker has claimed it and asks every pool",
  SUBMITTED: "Routed and sent for settlement",
  CONFIRMED: "Filled",
  FAILED: "Failed",
  CANCELLED: "Cancelled before a worker claimed it",
  EXPIRED: "Expired before it was executed",
};

export const FINAL = new Set(["CONFIRMED", "FAILED", "CANCELLED", "EXPIRED"]);

export const venueName = (venue) => VENUES[venue] ?? plain(venue);
export const whyFailed = (reason) => REASONS[reason] ?? plain(reason);
export const whyRefused = (error) => {
  const [code, ...rest] = error.split(": ");
  return REFUSALS[code] ?? (rest.join(": ") || plain(code));
};
export const stepOf = (status) => STEPS[status] ?? plain(status);
export const shortPool = (pool) => `${pool.slice(0, 4)}…${pool.slice(-4)}`;
export const shortId = (id) => `…${id.slice(-8)}`;
export const clock = (at) => new Date(at).toLocaleTimeString([], { hour12: false });

function plain(code) {
  const text = (code ?? "").toLowerCase().replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
