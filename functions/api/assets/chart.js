// The price of a pair over the last minutes: what was quoted here, and what was filled.

const MINUTES = 10;
const [BUY, SELL, FILL] = [0, 1, 2];

export class PriceChart {
  #points = new Map();
  #pair = "";
  #plot = null;

  constructor(root) {
    this.root = root;
    // The colours are the page's, and a canvas does not follow them by itself.
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#rebuild());
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(root);
  }

  show(pair) {
    this.#pair = pair;
    this.#rebuild();
  }

  forget() {
    this.#points.clear();
    this.#rebuild();
  }

  quoted(pair, side, price) {
    this.#add(pair, Date.now() / 1000, side === "BUY" ? BUY : SELL, price);
  }

  filled(pair, at, price, orderId) {
    this.#add(pair, Date.parse(at) / 1000, FILL, price, orderId);
  }

  #add(pair, at, series, price, id = null) {
    const points = this.#points.get(pair) ?? [];
    if (id !== null && points.some((point) => point.id === id)) return;
    const oldest = Date.now() / 1000 - MINUTES * 60;
    if (at < oldest) return;
    points.push({ at, series, price: Number(price), id });
    points.sort((left, right) => left.at - right.at);
    this.#points.set(pair, points.filter((point) => point.at >= oldest));
    if (pair === this.#pair) this.#plot?.setData(this.#data());
  }

  // As the library wants it: the moments, then a column for each series.
  #data() {
    const points = this.#points.get(this.#pair) ?? [];
    const column = (wanted) =>
      points.map(({ series, price }) => (series === wanted ? price : null));
    return [points.map((point) => point.at), column(BUY), column(SELL), column(FILL)];
  }

  #size() {
    return { width: this.root.clientWidth, height: this.root.clientHeight };
  }

  #rebuild() {
    this.#plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const font = "11px system-ui, sans-serif";
    const axis = {
      stroke: colour("--muted"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
      font,
    };
    const line = (name) => ({
      stroke: colour(name),
      width: 2,
      spanGaps: true,
      points: { show: false },
    });
    const [dot, edge] = [colour("--accent"), colour("--panel")];
    const dots = {
      stroke: dot,
      paths: () => null,
      points: { show: true, size: 7, fill: dot, stroke: edge, width: 1 },
    };
    const decimals = (_, prices) => prices.map((price) => price.toFixed(digits(prices)));
    this.#plot = new uPlot(
      {
        ...this.#size(),
        legend: { show: false },
        cursor: { drag: { x: false, y: false } },
        scales: { x: { range: recent }, y: { range: spread } },
        axes: [
          { ...axis, space: 70, size: 26, values: (_, moments) => moments.map(clock) },
          { ...axis, size: 64, values: decimals },
        ],
        series: [{}, line("--buy"), line("--sell"), dots],
      },
      this.#data(),
      this.root,
    );
  }
}

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });

// A minute at least, so that the first points are not all there is.
function recent(_, from, to) {
  const end = to ?? Date.now() / 1000;
  return [Math.min(from ?? end, end - 60), end];
}

// A market that stands still is drawn as a line in the middle, not as noise.
function spread(_, low, high) {
  if (low === null || low === undefined) return [0, 1];
  const margin = Math.max((high - low) * 0.15, high * 0.0003);
  return [low - margin, high + margin];
}

// As many as tell two neighbours on the axis apart.
function digits(prices) {
  const step = prices.length > 1 ? prices[1] - prices[0] : 1;
  let places = 0;
  while (places < 12 && Math.abs(step - Number(step.toFixed(places))) > step / 1000) places += 1;
  return places;
}
