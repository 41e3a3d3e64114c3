// What can be traded, as the API lists it.

const places = new Map();
const listed = new Set();

export function learn({ tokens, markets }) {
  for (const { symbol, decimals } of tokens) places.set(symbol, decimals);
  for (const { pair } of markets) listed.add(pair);
}

export const known = () => places.size > 0;

export const decimals = (symbol) => places.get(symbol) ?? 9;

// Whether a swap spends the base token of a listed pair; each price is quote per base.
export const sells = (tokenIn, tokenOut) => listed.has(`${tokenIn}/${tokenOut}`);
