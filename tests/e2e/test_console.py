"""The console of a deployed stack, in a real browser."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Request,
    Route,
    ViewportSize,
    WebSocket,
    WebSocketRoute,
    async_playwright,
    expect,
)

from local.home import PROJECT
from local.http import bearer
from local.stack import Stack

CHROMIUM = shutil.which("chromium")
ARTEFACTS = PROJECT / ".local" / "artefacts"

pytestmark = [
    pytest.mark.e2e,
    # One browser for all, which takes seconds to start, lives on one loop.
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="no browser: `apt-get install chromium` brings it"),
]

# It runs as root in CI, and asks nobody but the stack.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP: ViewportSize = {"width": 1440, "height": 1180}
PHONE: ViewportSize = {"width": 390, "height": 844}
ORDER = {"type": "MARKET", "side": "BUY", "tokenIn": "USDC", "tokenOut": "SOL", "amount": "40"}
SECONDS = 30_000
"""How long the page may take for anything, in milliseconds: the machine may be busy."""


class Complaints:
    """What the browser complained of: errors of scripts, refused loads, breaches of the policy."""

    def __init__(self, page: Page) -> None:
        self._heard: list[str] = []
        self._expected: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", self._error)

    def expect(self, part: str) -> None:
        """One that has `part` in it is what the test is about."""
        self._expected.append(part)

    def unexpected(self) -> list[str]:
        return [heard for heard in self._heard if not any(part in heard for part in self._expected)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._heard.append(message.text)

    def _error(self, error: Error) -> None:
        self._heard.append(str(error))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """In an empty profile that is thrown away."""
    async with await browser.new_context(viewport=DESKTOP) as context:
        context.set_default_timeout(SECONDS)
        yield await context.new_page()


@pytest_asyncio.fixture(loop_scope="module")
async def http(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the account `local`."""
    async with aiohttp.ClientSession(headers=bearer(stack.token)) as session:
        yield session


@pytest_asyncio.fixture(loop_scope="module")
async def complaints(page: Page) -> AsyncIterator[Complaints]:
    """Fails the test for any complaint that it did not expect."""
    complaints = Complaints(page)
    yield complaints
    assert complaints.unexpected() == []


@pytest_asyncio.fixture(loop_scope="module")
async def console(page: Page, stack: Stack, complaints: Complaints) -> Page:
    """The page, live and with a quote."""
    await opened(page, stack)
    return page


async def opened(page: Page, stack: Stack) -> None:
    await page.goto(f"{stack.http}/console#token={stack.token}")
    await live(page)
    await expect(page.locator("#sums dd").first).to_be_visible(timeout=SECONDS)


async def live(page: Page) -> None:
    await expect(page.locator("#live")).to_have_text("live", timeout=SECONDS)


async def placed(page: Page, press: str = "#submit") -> str:
    """The id of the order that the ticket has placed when `press` is clicked."""
    async with page.expect_response("**/api/orders/execute") as answer:
        await page.click(press)
    order_id: str = (await (await answer.value).json())["data"]["orderId"]
    return order_id


async def posted(http: aiohttp.ClientSession, stack: Stack) -> str:
    """The id of an order that came by another way than the page."""
    async with http.post(f"{stack.http}/api/orders/execute", json=ORDER) as response:
        assert response.status == 201
        order_id: str = (await response.json())["data"]["orderId"]
        return order_id


async def filled(http: aiohttp.ClientSession, stack: Stack, order_id: str) -> None:
    async with asyncio.timeout(SECONDS / 1000):
        while True:
            async with http.get(f"{stack.http}/api/orders/{order_id}") as response:
                if (await response.json())["data"]["status"] == "CONFIRMED":
                    return
            await asyncio.sleep(0.2)


def row(page: Page, order_id: str) -> Locator:
    return page.locator(f'#orders tr[data-order="{order_id}"]')


async def confirmed(page: Page, order_id: str) -> None:
    status = row(page, order_id).locator(".status")
    await expect(status).to_contain_text("Confirmed", timeout=SECONDS)


async def test_an_order_is_placed_seen_confirmed_and_explained(
    console: Page, stack: Stack, http: aiohttp.ClientSession
) -> None:
    await console.fill("#amount", "2500.5")
    await expect(console.locator("#venues .first")).to_have_count(1)
    order_id = await placed(console)
    await confirmed(console, order_id)
    await row(console, order_id).get_by_role("button").first.click()

    panel = console.locator("#order")
    await expect(panel.locator(".timeline li")).to_have_count(4)
    await expect(panel.locator(".timeline li").last).to_contain_text("Filled")
    await expect(panel.get_by_role("heading", name="Why this route")).to_be_visible()
    async with http.get(f"{stack.http}/api/orders/{order_id}") as response:
        order = (await response.json())["data"]
    shown = await panel.locator("dl").inner_text()
    assert f"{order['amountOut']} SOL" in shown
    assert order["executionPrice"][:10] in shown
    chosen = {fill["pool"] for fill in order["fills"]}
    pools = panel.locator("tr.chosen th")
    assert {await pool.get_attribute("title") for pool in await pools.all()} == chosen


async def test_each_venue_has_its_price_as_a_bar_and_the_best_is_marked(console: Page) -> None:
    quotes = console.locator("#venues tbody tr")
    best = console.locator("#venues tr.first")

    await expect(quotes).to_have_count(8)
    await expect(best.locator(".best")).to_have_text("best")
    # All at once: the next quote may come at any moment.
    offers = await quotes.evaluate_all(OFFERS)
    by_bar = sorted(offers, key=lambda offer: (-offer[1], Decimal(offer[0])))
    assert [Decimal(price) for price, _ in by_bar] == sorted(Decimal(price) for price, _ in offers)
    assert (by_bar[0][1], by_bar[-1][1]) == (100, 12)
    shares = await console.locator("#venues tr.chosen .share").all_inner_texts()
    assert sum(Decimal(share.removesuffix(" %")) for share in shares) == pytest.approx(100, abs=0.5)


async def test_the_price_is_drawn_by_the_packaged_library(console: Page) -> None:
    plot = console.locator("#chart .uplot canvas")

    await expect(plot).to_be_visible()
    await expect(console.locator("#price-now")).to_contain_text("USDC to buy 1 SOL")
    painted = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
    assert await plot.evaluate(f"canvas => ({painted})(canvas).data.some(part => part > 0)")


async def test_an_order_from_elsewhere_appears_as_its_events_come(
    console: Page, stack: Stack, http: aiohttp.ClientSession
) -> None:
    await confirmed(console, await posted(http, stack))


async def test_what_happened_while_the_network_was_gone_is_seen_after(
    console: Page, stack: Stack, http: aiohttp.ClientSession, complaints: Complaints
) -> None:
    complaints.expect("ERR_INTERNET_DISCONNECTED")
    # Of one that was just being opened when the network came back.
    complaints.expect("closed before the connection is established")
    before = await placed(console)
    await confirmed(console, before)

    await console.context.set_offline(True)
    await expect(console.locator("#live")).to_have_text("offline", timeout=SECONDS)
    meanwhile = await posted(http, stack)
    await expect(console.locator("#trouble")).to_contain_text("cannot be reached", timeout=SECONDS)
    await expect(row(console, meanwhile)).to_have_count(0)
    await console.context.set_offline(False)

    await live(console)
    await confirmed(console, meanwhile)
    await expect(console.locator("#trouble")).to_be_hidden()
    await confirmed(console, await posted(http, stack))


def frame(order_id: str, seq: int, status: str, **others: object) -> str:
    content = {
        "type": "order",
        "orderId": order_id,
        "seq": seq,
        "status": status,
        "txHash": None,
        "executionPrice": None,
        "venue": None,
        "reason": None,
        "at": "2026-11-23T08:00:00.000Z",
    }
    return json.dumps(content | others)


def note(socket: WebSocketRoute, commands: list[Any]) -> None:
    """Answers its pings, and notes what else it is told."""

    def told(message: str | bytes) -> None:
        command = json.loads(message)
        if command == {"action": "ping"}:
            socket.send(json.dumps({"type": "pong"}))
        else:
            commands.append(command)

    socket.on_message(told)


async def test_a_socket_that_was_cut_comes_back_with_the_cursor_and_repeats_change_nothing(
    page: Page, stack: Stack, complaints: Complaints
) -> None:
    sockets: list[WebSocketRoute] = []
    commands: list[list[Any]] = []
    lets_in = asyncio.Event()
    lets_in.set()

    async def served(socket: WebSocketRoute) -> None:
        await lets_in.wait()
        heard: list[Any] = []
        sockets.append(socket)
        commands.append(heard)
        note(socket, heard)

    await page.route_web_socket(re.compile("/live"), served)
    await opened(page, stack)
    order_id = await placed(page)
    status = row(page, order_id).locator(".status")
    sockets[0].send(frame(order_id, 9, "FAILED", reason="PRICE_LIMIT", cursor="c-7"))
    await expect(status).to_contain_text("worse than the limit price")
    read_out = page.locator("[role=status], [role=alert], [aria-live]")
    await expect(read_out.filter(has_text=f"{order_id[-8:]} failed")).to_have_count(1)

    lets_in.clear()
    await sockets[0].close(code=1001)
    await expect(page.locator("#live")).to_have_text("reconnecting")
    lets_in.set()
    await live(page)

    assert commands == [[], [{"action": "subscribe", "after": "c-7"}]]
    # It comes before the replay: a cursor beyond what was missed.
    sockets[1].send(frame(order_id, 9, "FAILED", reason="NO_ROUTE", cursor="c-9"))
    await sockets[1].close(code=1001)
    await expect(page.locator("#live")).to_have_text("reconnecting")
    await live(page)

    assert commands.pop(1) == [{"action": "subscribe", "after": "c-7"}]
    assert commands[1] == [{"action": "subscribe", "after": "c-7"}]
    sockets.pop(1)
    sockets[1].send(json.dumps({"type": "subscribed", "after": "c-7"}))
    sockets[1].send(frame(order_id, 9, "FAILED", reason="NO_ROUTE", cursor="c-7"))
    sockets[1].send(frame(order_id, 8, "CONFIRMED", cursor="c-6"))
    sockets[1].send(json.dumps({"type": "resync", "cursor": "c-8"}))
    refusal = {"type": "error", "code": "CURSOR_INVALID", "message": "None of ours."}
    sockets[1].send(json.dumps(refusal))
    await expect(page.locator("#trouble")).to_have_text("None of ours.")
    await expect(status).to_contain_text("worse than the limit price")
    assert commands[1][1:] == [{"action": "subscribe", "after": "c-8"}]

    await sockets[1].close(code=1001)
    await expect(page.locator("#trouble")).to_be_hidden()
    await live(page)
    assert commands[2] == []


async def test_who_is_not_told_what_was_missed_asks_again(
    page: Page, stack: Stack, complaints: Complaints
) -> None:
    commands: list[Any] = []
    sockets: list[WebSocketRoute] = []

    def served(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        note(socket, commands)

    await page.clock.install()
    await page.route_web_socket(re.compile("/live"), served)
    await opened(page, stack)
    sockets[0].send(json.dumps({"type": "resync", "cursor": "c-1"}))
    asked = {"action": "subscribe", "after": "c-1"}
    async with asyncio.timeout(SECONDS / 1000):
        while commands[-3:] != [asked] * 3:
            await page.clock.run_for(1_000)

    sockets[0].send(json.dumps({"type": "subscribed", "after": "c-1"}))
    order_id = await placed(page)
    sockets[0].send(frame(order_id, 9, "FAILED", reason="NO_ROUTE", cursor="c-2"))
    await expect(row(page, order_id).locator(".status")).to_contain_text("Failed")
    answered = len(commands)
    for _ in range(15):
        await page.clock.run_for(1_000)
    assert len(commands) == answered


async def test_one_socket_is_opened_however_often_the_page_began_and_pinged_each_half_a_minute(
    page: Page, stack: Stack, complaints: Complaints
) -> None:
    complaints.expect("503 (Service Unavailable)")
    sockets: list[WebSocketRoute] = []
    pings: list[Any] = []

    def served(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.on_message(lambda message: answer(socket, message))

    def answer(socket: WebSocketRoute, message: str | bytes) -> None:
        pings.append(json.loads(message))
        socket.send(json.dumps({"type": "pong"}))

    async def refuse(route: Route) -> None:
        await route.fulfill(status=503, json={"code": "UNAVAILABLE", "message": "Not now."})

    await page.clock.install()
    await page.route_web_socket(re.compile("/live"), served)
    await page.route("**/api/markets", refuse, times=1)
    await page.goto(f"{stack.http}/console#token={stack.token}")
    await expect(page.locator("#trouble")).to_have_text("Not now.", timeout=SECONDS)
    await page.fill("#amount", "")
    await page.fill("#token", str(stack.token))
    await page.click("#token-form button")
    await live(page)
    for _ in range(65):
        await page.clock.run_for(1_000)

    assert len(sockets) == 1
    assert len(pings) >= 2
    assert all(ping == {"action": "ping"} for ping in pings)


async def test_an_order_whose_answer_was_lost_is_sent_again_and_stays_one(
    console: Page, complaints: Complaints
) -> None:
    complaints.expect("ERR_FAILED")
    asked: list[Request] = []

    async def lose_the_first(route: Route) -> None:
        asked.append(route.request)
        if len(asked) > 1:
            await route.continue_()
            return
        await route.fetch()
        await route.abort()

    await console.route("**/api/orders/execute", lose_the_first)
    async with console.expect_response("**/api/orders/execute") as answer:
        await console.click("#submit")

    response = await answer.value
    order_id = (await response.json())["data"]["orderId"]
    await confirmed(console, order_id)
    keys = {await request.header_value("idempotency-key") for request in asked}
    assert (len(asked), len(keys)) == (2, 1)
    assert await response.header_value("idempotent-replayed") == "true"


async def test_an_order_whose_answer_keeps_breaking_off_is_asked_again_under_its_key(
    console: Page,
) -> None:
    keys: list[str | None] = []

    async def cut_what_is_not_pressed_again(route: Route) -> None:
        keys.append(await route.request.header_value("idempotency-key"))
        if len(keys) > 4:
            await route.continue_()
            return
        await route.fetch()
        await route.fulfill(status=201, content_type="application/json", body='{"data": {"ord')

    await console.route("**/api/orders/execute", cut_what_is_not_pressed_again)
    await console.click("#submit")
    fault = console.locator("#ticket-fault")
    await expect(fault).to_contain_text("press again, it stays one order", timeout=SECONDS)
    async with console.expect_response("**/api/orders/execute") as answer:
        await console.click("#submit")

    assert await (await answer.value).header_value("idempotent-replayed") == "true"
    assert (len(keys), len(set(keys))) == (5, 1)


async def test_an_open_order_shows_the_latest_that_is_known_of_it_and_of_no_other(
    page: Page, stack: Stack, http: aiohttp.ClientSession, complaints: Complaints
) -> None:
    complaints.expect("503 (Service Unavailable)")
    sockets: list[WebSocketRoute] = []
    await page.route_web_socket(re.compile("/live"), lambda socket: sockets.append(socket))
    await opened(page, stack)
    other, order_id = await placed(page), await placed(page)
    timeline, fault = page.locator("#order .timeline li"), page.locator("#order-fault")
    await row(page, other).get_by_role("button").first.click()
    await expect(timeline.first).to_be_visible()
    await filled(http, stack, order_id)
    asked: list[Request] = []
    answers = [asyncio.Event() for _ in range(3)]

    async def tell_one_more_each_time(route: Route) -> None:
        turn = len(asked)
        asked.append(route.request)
        if turn >= len(answers):
            await route.continue_()
            return
        content = await (await route.fetch()).json()
        del content["data"]["events"][turn + 2 :]
        await answers[turn].wait()
        await route.fulfill(json=content)

    async def refuse(route: Route) -> None:
        await route.fulfill(status=503, json={"code": "UNAVAILABLE", "message": "Not now."})

    events = f"**/api/orders/{order_id}/events"
    await page.route(events, tell_one_more_each_time)
    async with page.expect_request(events):
        await row(page, order_id).get_by_role("button").first.click()
    await expect(timeline).to_have_count(0)
    answers[0].set()
    await expect(timeline).to_have_count(2)

    change = frame(order_id, 9, "CONFIRMED")
    for _ in answers[1:]:
        async with page.expect_request(events):
            sockets[0].send(change)
    answers[2].set()
    await expect(timeline).to_have_count(4)
    async with page.expect_event("requestfinished", lambda request: request == asked[1]):
        answers[1].set()
    await page.evaluate("new Promise(requestAnimationFrame)")
    await expect(timeline).to_have_count(4)

    await page.route(events, refuse, times=1)
    sockets[0].send(change)
    await expect(fault).to_have_text("Not now.")
    await expect(timeline).to_have_count(4)
    sockets[0].send(change)
    await expect(fault).to_be_empty()
    await expect(timeline).to_have_count(4)


async def test_a_fault_is_told_in_words_beside_its_field(
    console: Page, complaints: Complaints
) -> None:
    complaints.expect("400 (Bad Request)")
    amount, fault = console.locator("#amount"), console.locator("#amount-fault")

    await amount.fill("1,5")
    await expect(fault).to_have_text("Not a number: write it like 1250.5")
    await amount.fill("1.1234567")
    await expect(fault).to_have_text("USDC has 6 decimals")
    await expect(amount).to_have_attribute("aria-invalid", "true")
    await console.click("#submit")
    await expect(fault).to_have_text("USDC has 6 decimals")
    await expect(amount).to_be_focused()
    await amount.fill("2")
    await expect(fault).to_be_empty()
    await expect(console.locator("#sums dd").first).to_be_visible()


async def test_an_order_fails_in_words(console: Page) -> None:
    await console.click(".limits summary")
    await console.fill("#limitPrice", "1")
    order_id = await placed(console)

    status = row(console, order_id).locator(".status")
    await expect(status).to_contain_text("The price is worse than the limit price.")


async def test_an_order_that_a_worker_has_is_not_cancelled_and_it_is_told_why(
    console: Page, complaints: Complaints
) -> None:
    complaints.expect("409 (Conflict)")
    order_id = await placed(console)
    await confirmed(console, order_id)

    async def as_if_nobody_had_it(route: Route) -> None:
        content = await (await route.fetch()).json()
        for order in content["data"]["orders"]:
            order |= {"status": "PENDING", "seq": 1}
        await route.fulfill(json=content)

    await console.route("**/api/orders?*", as_if_nobody_had_it)
    await console.reload()
    await row(console, order_id).get_by_role("button", name="Cancel").click()

    words = "The order cannot be cancelled any more: it is CONFIRMED."
    await expect(console.locator("#trouble")).to_have_text(words)


async def test_an_order_is_cancelled_by_its_own_name_and_the_focus_stays_in_its_row(
    console: Page,
) -> None:
    order_id, at = "763a6169-1268-834f-a2a1-af837681f7c4", "2026-11-23T08:00:00.000Z"
    times = {"createdAt": at, "updatedAt": at}
    cancelled = {**ORDER, **times, "orderId": order_id, "seq": 2, "status": "CANCELLED"}

    async def accept(route: Route) -> None:
        await route.fulfill(status=201, json={"data": {"orderId": order_id}})

    async def cancel(route: Route) -> None:
        await route.fulfill(json={"data": cancelled})

    await console.route("**/api/orders/execute", accept)
    await console.route(f"**/api/orders/{order_id}", cancel)
    await placed(console)
    of_the_order = row(console, order_id).get_by_role("button")
    button = of_the_order.and_(console.get_by_role("button", name="Cancel order …7681f7c4 of "))
    await button.press("Enter")

    await expect(row(console, order_id).locator(".status")).to_contain_text("Cancelled")
    await expect(of_the_order).to_have_count(1)
    await expect(of_the_order).to_be_focused()


async def test_a_pair_that_no_pool_has_goes_by_way_of_a_hub(console: Page) -> None:
    await console.select_option("#pair", "JUP/SOL")
    await console.fill("#amount", "3")

    captions = console.locator("#venues caption")
    await expect(captions).to_have_text(["SOL → USDC", "USDC → JUP"], timeout=SECONDS)
    quotes = console.locator("#venues").get_by_role("region", name="USDC → JUP")
    await expect(quotes).to_have_attribute("tabindex", "0")
    await expect(console.locator("#sums")).to_contain_text("SOL → USDC → JUP, ")
    order_id = await placed(console)
    await confirmed(console, order_id)


async def test_a_token_comes_by_the_fragment_leaves_no_trace_and_goes_with_every_request(
    page: Page, stack: Stack, complaints: Complaints
) -> None:
    token = stack.token
    asked: list[Request] = []
    sockets: list[str] = []
    page.on("request", lambda request: asked.append(request))
    page.on("websocket", lambda socket: sockets.append(socket.url))

    await page.goto(f"{stack.http}/console#token={token}")
    await live(page)

    assert page.url == f"{stack.http}/console"
    told = {await each.header_value("authorization") for each in asked if "/api/" in each.url}
    assert told == {f"Bearer {token}"}
    assert sockets == [f"{stack.websocket}?token={token}"]
    await page.reload()
    await live(page)


@pytest.mark.parametrize(
    ("fragment", "words"),
    [
        ("", "The API wants a token: paste one into the field above."),
        (
            "#token=slk_of_nobody",
            "The API does not accept this token: it may be mistyped, expired or revoked.",
        ),
    ],
)
async def test_a_stranger_is_told_so_in_words_until_there_is_a_token(
    page: Page, stack: Stack, complaints: Complaints, fragment: str, words: str
) -> None:
    complaints.expect("401 (Unauthorized)")
    complaints.expect("403 (Forbidden)")

    await page.goto(f"{stack.http}/console{fragment}")

    await expect(page.locator("#trouble")).to_have_text(words, timeout=SECONDS)
    await expect(page.locator("#live")).to_have_text("signed out")
    await page.fill("#token", str(stack.token))
    await page.click("#token-form button")
    await live(page)
    await expect(page.locator("#trouble")).to_be_hidden()


async def test_of_whoever_looked_before_nothing_comes_after_another_token(
    console: Page, complaints: Complaints
) -> None:
    complaints.expect("401 (Unauthorized)")
    complaints.expect("403 (Forbidden)")
    sockets: list[WebSocket] = []
    console.on("websocket", lambda socket: sockets.append(socket))
    await console.reload()
    await live(console)
    asked, answers = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        asked.set()
        response = await route.fetch()
        await answers.wait()
        await route.fulfill(response=response)

    order_id = await placed(console)
    await confirmed(console, order_id)
    await row(console, order_id).get_by_role("button").first.click()
    await expect(console.locator("#order .timeline")).to_be_visible()
    await console.route("**/api/orders?*", late, times=1)
    await placed(console)
    await asked.wait()

    await console.fill("#token", "slk_of_nobody")
    await console.click("#token-form button")
    await expect(console.locator("#live")).to_have_text("signed out")
    async with console.expect_event("requestfinished", lambda request: "orders?" in request.url):
        answers.set()

    await expect(console.locator("#trouble")).to_contain_text("does not accept this token")
    assert sockets[-1].is_closed()
    assert await row(console, order_id).count() == 0
    for place in ["#blotter-count", "#ticket-status", "#order-body"]:
        await expect(console.locator(place)).to_be_empty()
    opened_before = len(sockets)
    for event in ["offline", "online"]:
        await console.evaluate("name => dispatchEvent(new Event(name))", event)
        await expect(console.locator("#live")).to_have_text("signed out")
    assert len(sockets) == opened_before


async def test_what_is_being_placed_is_not_sent_again_for_another_token(
    page: Page, stack: Stack, complaints: Complaints
) -> None:
    complaints.expect("401 (Unauthorized)")
    complaints.expect("403 (Forbidden)")
    complaints.expect("503 (Service Unavailable)")
    await page.clock.install()
    await opened(page, stack)
    submit, asked = page.locator("#submit"), asyncio.Queue[Request]()

    async def never_answer(route: Route) -> None:
        asked.put_nowait(route.request)

    async def be_busy(route: Route) -> None:
        asked.put_nowait(route.request)
        await route.fulfill(status=503, headers={"Retry-After": "20"}, json={})

    for answer, said in [(never_answer, ""), (be_busy, "Trying again")]:
        await page.route("**/api/orders/execute", answer)
        await page.click("#submit")
        await asked.get()
        await expect(page.locator("#ticket-status")).to_contain_text(said)
        await expect(submit).to_have_text("Placing…")

        await page.fill("#token", "slk_of_nobody")
        await page.click("#token-form button")
        await expect(submit).to_have_text("Buy SOL")
        await expect(submit).to_have_attribute("aria-disabled", "false")
        await expect(page.locator("#ticket-status")).to_be_empty()
        await page.clock.run_for(30_000)
        assert asked.empty()
        await expect(page.locator("#ticket-fault")).to_be_empty()

        await page.fill("#token", str(stack.token))
        await page.click("#token-form button")
        await live(page)


async def test_a_token_that_may_only_read_is_told_what_is_missing(
    console: Page, complaints: Complaints
) -> None:
    complaints.expect("403 (Forbidden)")
    refusal = {"code": "FORBIDDEN", "message": "This needs the scope orders:write."}

    async def refuse(route: Route) -> None:
        await route.fulfill(status=403, json=refusal)

    await console.route("**/api/orders/execute", refuse)
    await console.click("#submit")

    words = "This token does not allow that. This needs the scope orders:write."
    await expect(console.locator("#ticket-fault")).to_have_text(words)


async def tab_to(page: Page, target: Locator) -> None:
    """Moves the focus as the keyboard does."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("the keyboard does not reach it")


async def test_everything_is_done_by_the_keyboard_alone(console: Page) -> None:
    side, amount = console.locator('[name="side"][value="BUY"]'), console.locator("#amount")

    await tab_to(console, side)
    await console.keyboard.press("ArrowRight")
    await expect(console.locator("#submit")).to_have_text("Sell SOL")
    await tab_to(console, amount)
    await console.keyboard.press("ControlOrMeta+a")
    await console.keyboard.type("25")
    async with console.expect_response("**/api/orders/execute") as answer:
        await console.keyboard.press("Enter")
    response = await answer.value
    order_id = (await response.json())["data"]["orderId"]
    order = json.loads(response.request.post_data or "")
    assert (order["side"], order["amount"], order["swapMode"]) == ("SELL", "25", "EXACT_OUT")
    await confirmed(console, order_id)

    opener = row(console, order_id).get_by_role("button").first
    await tab_to(console, opener)
    await console.keyboard.press("Enter")
    await expect(console.locator("#order-title")).to_be_focused()
    await expect(console.locator("#order .timeline li")).to_have_count(4)
    await console.keyboard.press("Escape")
    await expect(console.locator("#order")).to_be_hidden()
    await expect(opener).to_be_focused()


async def test_the_amount_keeps_its_token_when_the_side_changes(console: Page) -> None:
    await console.fill("#amount", "750")
    await console.locator("#ticket").get_by_text("Sell", exact=True).click()

    assert await console.input_value("#amount") == "750"
    await expect(console.locator("#mode option:checked")).to_have_text("USDC to receive")


@pytest.mark.parametrize(
    ("name", "scheme", "size"),
    [("light", "light", DESKTOP), ("dark", "dark", DESKTOP), ("phone", "light", PHONE)],
)
async def test_it_fits_and_can_be_read(
    browser: Browser, stack: Stack, name: str, scheme: Literal["light", "dark"], size: ViewportSize
) -> None:
    async with await browser.new_context(color_scheme=scheme, viewport=size) as context:
        page = await context.new_page()
        complaints = Complaints(page)
        await opened(page, stack)
        order_id = await placed(page)
        await confirmed(page, order_id)
        await row(page, order_id).get_by_role("button").first.click()
        await expect(page.locator("#order .timeline li")).to_have_count(4)

        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=picture(name), full_page=True)

        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"]
        assert await page.evaluate(CONTRASTS) == []
        assert complaints.unexpected() == []


OFFERS = """rows => rows.map(row => [
  row.querySelector(".figure").textContent,
  parseFloat(row.querySelector(".bar i").style.width),
])"""
"""The price of each venue, and how long its bar is, in per cent."""


def picture(name: str) -> Path:
    return ARTEFACTS / f"console-{name}.png"


CONTRASTS = """() => {
  const channel = (part) =>
    part <= 10 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([red, green, blue]) =>
    0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = parts(getComputedStyle(element).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
    return [255, 255, 255];
  };
  const faint = new Set();
  for (const element of document.querySelectorAll("main *, header *")) {
    const texts = [...element.childNodes].filter((node) => node.nodeType === 3);
    if (!element.offsetParent || !texts.some((node) => node.data.trim())) continue;
    const [a, b] = [light(parts(getComputedStyle(element).color)), light(ground(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.add(`${element.className || element.tagName} ${contrast.toFixed(2)}`);
  }
  return [...faint];
}"""
"""Which texts have less contrast to what is behind them than WCAG's 4.5 (level AA)."""
