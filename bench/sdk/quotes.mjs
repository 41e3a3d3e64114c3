// Quotes pools with the official SDKs: pools as JSON on standard input, what they paid and how long
// it took on standard output. Runs in the folder in which the SDKs are installed, and never asks a
// network: every quote is a pure function of decoded accounts.
//
// in:  {"samples", "pools": [{"venue", "pool", "accounts": {address: base64}, "programs": {address: owner},
//       "clock": {"slot", "unixTimestamp", "epoch"}, "quotes": [{"input", "amount"}]}]}
// out: {"pools": [{"decodeMicros", "quotes": [{"amountOut", "micros"} | {"error"}]} | {"error"}]}

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
// Each SDK with the libraries of its own, whose numbers and keys it recognises.
const beside = (name) => createRequire(require.resolve(name));

const NOWHERE = "http://127.0.0.1:1";

function cpmm() {
  const raydium = require("@raydium-io/raydium-sdk-v2");
  const BN = beside("@raydium-io/raydium-sdk-v2")("bn.js");
  return {
    decode({ pool, accounts }) {
      const state = raydium.CpmmPoolInfoLayout.decode(accounts[pool]);
      const config = raydium.CpmmConfigInfoLayout.decode(accounts[state.configId]);
      const reserve = (side) =>
        raydium.splAccountLayout
          .decode(accounts[state[`vault${side}`]])
          .amount.sub(state[`protocolFeesMint${side}`])
          .sub(state[`fundFeesMint${side}`])
          .sub(state[`creatorFeesMint${side}`]);
      const creatorRate = state.enableCreatorFee ? config.creatorFeeRate : new BN(0);
      return { state, config, creatorRate, a: reserve("A"), b: reserve("B"), mintA: `${state.mintA}` };
    },
    prepare({ state, config, creatorRate, a, b, mintA }, { input, amount }) {
      const isA = input === mintA;
      const onInput = state.feeOn === 0 || state.feeOn === (isA ? 1 : 2);
      const paid = new BN(amount);
      const [reserveIn, reserveOut] = isA ? [a, b] : [b, a];
      return () =>
        raydium.CurveCalculator.swapBaseInput(
          paid,
          reserveIn,
          reserveOut,
          config.tradeFeeRate,
          creatorRate,
          config.protocolFeeRate,
          config.fundFeeRate,
          onInput,
        ).outputAmount;
    },
  };
}

function ammV4() {
  const raydium = require("@raydium-io/raydium-sdk-v2");
  const Liquidity = require("@raydium-io/raydium-sdk-v2/lib/raydium/liquidity/liquidity.js").default;
  const BN = beside("@raydium-io/raydium-sdk-v2")("bn.js");
  return {
    decode({ pool, accounts }) {
      const state = raydium.liquidityStateV4Layout.decode(accounts[pool]);
      const held = (vault) => raydium.splAccountLayout.decode(accounts[vault]).amount;
      return {
        version: 4,
        mintA: { address: `${state.baseMint}`, decimals: state.baseDecimal.toNumber() },
        mintB: { address: `${state.quoteMint}`, decimals: state.quoteDecimal.toNumber() },
        baseReserve: held(state.baseVault).sub(state.baseNeedTakePnl),
        quoteReserve: held(state.quoteVault).sub(state.quoteNeedTakePnl),
      };
    },
    prepare(poolInfo, { input, amount }) {
      const { mintA, mintB } = poolInfo;
      const mintOut = input === mintA.address ? mintB.address : mintA.address;
      const asked = { poolInfo, amountIn: new BN(amount), mintIn: input, mintOut, slippage: 0 };
      return () => Liquidity.prototype.computeAmountOut.call({}, asked).amountOut;
    },
  };
}

function clmm() {
  const raydium = require("@raydium-io/raydium-sdk-v2");
  const own = beside("@raydium-io/raydium-sdk-v2");
  const BN = own("bn.js");
  const { PublicKey } = own("@solana/web3.js");
  const { TickArrayLayout, TickArrayBitmapExtensionLayout } = raydium;
  return {
    decode({ pool, accounts, programs }) {
      const poolInfo = raydium.PoolInfoLayout.decode(accounts[pool]);
      const tickArrays = [];
      // Where there is none, the program makes do with the pool's own bitmap.
      let tickarrayBitmapExtension = TickArrayBitmapExtensionLayout.decode(
        Buffer.alloc(TickArrayBitmapExtensionLayout.span),
      );
      for (const [address, data] of Object.entries(accounts)) {
        if (data.length === TickArrayBitmapExtensionLayout.span) {
          tickarrayBitmapExtension = TickArrayBitmapExtensionLayout.decode(data);
        } else if (data.length === TickArrayLayout.span) {
          const value = TickArrayLayout.decode(data);
          tickArrays.push({ address: new PublicKey(address), value });
        }
      }
      return {
        programId: new PublicKey(programs[pool]),
        poolId: new PublicKey(pool),
        poolInfo,
        configInfo: raydium.ClmmConfigLayout.decode(accounts[poolInfo.configId]),
        tickarrayBitmapExtension,
        tickArrays: tickArrays.sort((a, b) => a.value.startTickIndex - b.value.startTickIndex),
      };
    },
    prepare(state, { input, amount }, clock) {
      const { poolInfo, tickArrays } = state;
      const zeroForOne = input === `${poolInfo.mintA}`;
      const here = raydium.TickArrayUtil.getTickArrayStartIndex(
        poolInfo.tickCurrent,
        poolInfo.tickSpacing,
      );
      const ahead = tickArrays.filter(({ value: { startTickIndex } }) =>
        zeroForOne ? startTickIndex <= here : startTickIndex >= here,
      );
      const asked = {
        ...state,
        tickArrays: zeroForOne ? ahead.reverse() : ahead,
        amountSpecified: new BN(amount),
        sqrtPriceLimitX64: new BN(0),
        zeroForOne,
        isBaseInput: true,
        blockTimestamp: clock.unixTimestamp,
        // Deriving the addresses of arrays that might be needed too is no part of a quote.
        includeExtraTickArrays: false,
      };
      return () => raydium.swapInternal(asked).amountCalculated;
    },
  };
}

function dlmm() {
  const sdk = require("@meteora-ag/dlmm");
  const own = beside("@meteora-ag/dlmm");
  const BN = own("bn.js");
  const { Connection, PublicKey } = own("@solana/web3.js");
  const { unpackMint } = own("@solana/spl-token");
  const program = sdk.createProgram(new Connection(NOWHERE));
  const discriminator = (name) =>
    Buffer.from(sdk.IDL.accounts.find((account) => account.name === name).discriminator);
  const isArray = discriminator("BinArray");
  const isExtension = discriminator("BinArrayBitmapExtension");
  return {
    decode({ pool, accounts, programs, clock }) {
      const lbPair = program.coder.accounts.decode("lbPair", accounts[pool]);
      const binArrays = [];
      let extension = null;
      for (const [address, data] of Object.entries(accounts)) {
        const publicKey = new PublicKey(address);
        const kind = data.subarray(0, 8);
        if (kind.equals(isArray)) {
          binArrays.push({ publicKey, account: program.coder.accounts.decode("binArray", data) });
        } else if (kind.equals(isExtension)) {
          const account = program.coder.accounts.decode("binArrayBitmapExtension", data);
          extension = { publicKey, account };
        }
      }
      const token = (mint, reserve) => {
        const owner = new PublicKey(programs[mint]);
        const info = { data: accounts[mint], owner };
        return { publicKey: mint, reserve, mint: unpackMint(mint, info, owner), owner, amount: 0n };
      };
      const pair = new sdk(
        new PublicKey(pool),
        program,
        lbPair,
        extension,
        token(lbPair.tokenXMint, lbPair.reserveX),
        token(lbPair.tokenYMint, lbPair.reserveY),
        [],
        { epoch: new BN(clock.epoch), unixTimestamp: new BN(clock.unixTimestamp) },
      );
      return { pair, binArrays, mintX: `${lbPair.tokenXMint}` };
    },
    prepare({ pair, binArrays, mintX }, { input, amount }) {
      const paid = new BN(amount);
      const none = new BN(0);
      return () => pair.swapQuote(paid, input === mintX, none, binArrays).outAmount;
    },
  };
}

function dammV2() {
  const sdk = require("@meteora-ag/cp-amm-sdk");
  const own = beside("@meteora-ag/cp-amm-sdk");
  const BN = own("bn.js");
  const { Connection } = own("@solana/web3.js");
  const { coder } = new sdk.CpAmm(new Connection(NOWHERE))._program;
  return {
    decode({ pool, accounts }) {
      const state = coder.accounts.decode("pool", accounts[pool]);
      // Known where the mint is: they only scale the price impact.
      const decimals = (mint) => accounts[mint]?.[44] ?? 0;
      return {
        state,
        mintA: `${state.tokenAMint}`,
        decimalsA: decimals(state.tokenAMint),
        decimalsB: decimals(state.tokenBMint),
      };
    },
    prepare({ state, mintA, decimalsA, decimalsB }, { input, amount }, clock) {
      const point = new BN(state.activationType === 0 ? clock.slot : clock.unixTimestamp);
      const paid = new BN(amount);
      const aToB = input === mintA;
      return () =>
        sdk.swapQuoteExactInput(state, point, paid, 0, aToB, false, decimalsA, decimalsB)
          .outputAmount;
    },
  };
}

function dammV1() {
  const sdk = require("@meteora-ag/dynamic-amm-sdk");
  const { createProgram } = require("@meteora-ag/dynamic-amm-sdk/dist/cjs/src/amm/utils.js");
  const own = beside("@meteora-ag/dynamic-amm-sdk");
  const BN = own("bn.js");
  const { Connection, PublicKey } = own("@solana/web3.js");
  const { AccountLayout, MintLayout } = own("@solana/spl-token");
  const { ammProgram, vaultProgram } = createProgram(new Connection(NOWHERE));
  return {
    decode({ pool, accounts, clock }) {
      const poolState = ammProgram.coder.accounts.decode("pool", accounts[pool]);
      const held = (address) => new BN(`${AccountLayout.decode(accounts[address]).amount}`);
      const vault = (address) => vaultProgram.coder.accounts.decode("vault", accounts[address]);
      const supply = ({ lpMint }) => new BN(`${MintLayout.decode(accounts[lpMint]).supply}`);
      const [vaultA, vaultB] = [vault(poolState.aVault), vault(poolState.bVault)];
      return {
        poolState,
        vaultA,
        vaultB,
        poolVaultALp: held(poolState.aVaultLp),
        poolVaultBLp: held(poolState.bVaultLp),
        vaultALpSupply: supply(vaultA),
        vaultBLpSupply: supply(vaultB),
        vaultAReserve: held(vaultA.tokenVault),
        vaultBReserve: held(vaultB.tokenVault),
        currentTime: clock.unixTimestamp,
        currentSlot: clock.slot,
        depegAccounts: new Map(),
      };
    },
    prepare(state, { input, amount }) {
      const mint = new PublicKey(input);
      const paid = new BN(amount);
      return () => sdk.calculateSwapQuote(mint, paid, state).amountOut;
    },
  };
}

const SDKS = {
  RAYDIUM_CPMM: cpmm,
  RAYDIUM_AMM_V4: ammV4,
  RAYDIUM_CLMM: clmm,
  METEORA_DLMM: dlmm,
  METEORA_DAMM_V2: dammV2,
  METEORA_DAMM_V1: dammV1,
};

const BATCH_NANOSECONDS = 1_000_000;
const WARM_NANOSECONDS = 50_000_000;

function once(action, times) {
  const began = process.hrtime.bigint();
  for (let done = 0; done < times; done += 1) action();
  return Number(process.hrtime.bigint() - began);
}

// The median of batches of about a millisecond each, once the compiler has seen enough of it.
function micros(action, samples) {
  let took = 0;
  let calls = 0;
  while (took < WARM_NANOSECONDS) {
    took += once(action, 1);
    calls += 1;
  }
  const times = Math.max(1, Math.round((BATCH_NANOSECONDS * calls) / took));
  const each = Array.from({ length: samples }, () => once(action, times) / times / 1000);
  each.sort((a, b) => a - b);
  return each[Math.floor(samples / 2)];
}

function measured(sdk, entry, samples) {
  // The DLMM SDK asks the machine for the time of the swap.
  Date.now = () => entry.clock.unixTimestamp * 1000;
  const state = sdk.decode(entry);
  const quotes = entry.quotes.map((asked) => {
    try {
      const quote = sdk.prepare(state, asked, entry.clock);
      return { amountOut: `${quote()}`, micros: micros(quote, samples) };
    } catch (error) {
      return { error: `${error.message ?? error}` };
    }
  });
  return { decodeMicros: micros(() => sdk.decode(entry), samples), quotes };
}

const { samples, pools } = JSON.parse(readFileSync(0));
const sdks = {};
const answers = pools.map((entry) => {
  const accounts = Object.fromEntries(
    Object.entries(entry.accounts).map(([at, data]) => [at, Buffer.from(data, "base64")]),
  );
  try {
    sdks[entry.venue] ??= SDKS[entry.venue]();
    return measured(sdks[entry.venue], { ...entry, accounts }, samples);
  } catch (error) {
    return { error: `${error.message ?? error}` };
  }
});
process.stdout.write(JSON.stringify({ pools: answers }));
