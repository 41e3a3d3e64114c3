// Amounts and prices come as decimal strings and stay exact: a float would round lamports away.

const PATTERN = /^(\d+)(?:\.(\d*))?$/;

export const isDecimal = (text) => PATTERN.test(text);

// How many units of 10^-decimals `text` is, a BigInt; digits beyond them are cut off.
export function units(text, decimals) {
  const [, whole, part = ""] = PATTERN.exec(text);
  return BigInt(whole + part.slice(0, decimals).padEnd(decimals, "0"));
}

export function decimal(amount, decimals) {
  const digits = amount.toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const part = digits.slice(digits.length - decimals).replace(/0+$/, "");
  return part ? `${whole}.${part}` : whole;
}

// For reading: thousands apart, and at most `places` digits behind the point, cut and not rounded.
export function shown(text, places = 9) {
  if (text === null || text === undefined) return "–";
  const [whole, part = ""] = text.split(".");
  const cut = part.slice(0, places);
  return whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") + (cut ? `.${cut}` : "");
}

// A price to read: four digits behind the point, more where it is small.
export function shownPrice(text) {
  if (!text) return "–";
  const [whole, part = ""] = text.split(".");
  return shown(text, whole === "0" ? part.search(/[1-9]/) + 5 : 4);
}

// How far `a` is from `b` in bps of `b`, a number: for bars and labels, never for amounts.
export function bpsBetween(a, b, decimals) {
  const [left, right] = [units(a, decimals), units(b, decimals)];
  return right ? Number(((left - right) * 1_000_000n) / right) / 100 : 0;
}

// `over` per `under`, both decimal strings, to `places` digits behind the point, cut.
export function ratio(over, under, places = 9) {
  const [top, bottom] = [units(over, 18), units(under, 18)];
  return bottom ? decimal((top * 10n ** BigInt(places)) / bottom, places) : null;
}

export function sum(texts, decimals) {
  return decimal(
    texts.reduce((total, text) => total + units(text, decimals), 0n),
    decimals,
  );
}
