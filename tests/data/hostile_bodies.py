"""Request bodies that no client in good faith sends, each with what it must be refused for.

`corpus` spells them by hand, byte by byte: Python's own JSON would repair half of them. Sizes are
in bytes.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.data import hostile_bodies_values as values

MAX_BODY = 65_536

Spelled = dict[str, bytes]
"""The fields of a body, each as it stands in the JSON text."""

QUOTE: Spelled = {
    "side": b'"BUY"',
    "tokenIn": b'"USDC"',
    "tokenOut": b'"SOL"',
    "amount": b"100",
}
ORDER: Spelled = {"type": b'"MARKET"', **QUOTE}

WORDS = ("side", "tokenIn", "tokenOut", "swapMode", "type")
AMOUNTS = ("amount", "limitPrice", "minAmountOut")
COUNTS = ("maxSplits", "slippageBps")
MOMENT = "expiresAt"
FIELDS = (*WORDS, *AMOUNTS, *COUNTS, MOMENT)
ONLY_ORDERS = frozenset({"type", "limitPrice", "minAmountOut", "slippageBps", MOMENT})
OPTIONAL = frozenset({"limitPrice", "minAmountOut", MOMENT})


@dataclass(frozen=True, slots=True)
class Hostile:
    """A body, and the fields that the refusal must name: "body" is the whole."""

    name: str
    body: bytes
    fields: tuple[str, ...] = ("body",)
    status: int = 400
    headers: Mapping[str, str] = field(default_factory=dict)


def corpus(base: Spelled) -> list[Hostile]:
    """Every hostile body made out of `base`, a good one: `ORDER` or `QUOTE`."""
    cases = [
        *_no_json(base),
        *_no_object(base),
        *_other_formats(base),
        *_other_encodings(base),
        *_keys(base),
        *_values(base),
        *_sizes(base),
    ]
    return cases if base is ORDER else [c for c in cases if not ONLY_ORDERS & {*c.fields}]


def spelled(fields: Spelled) -> bytes:
    """The JSON object of `fields`."""
    pairs = (b'"%s": %s' % (name.encode(), value) for name, value in fields.items())
    return b"{" + b", ".join(pairs) + b"}"


def padded(body: bytes, size: int) -> bytes:
    """`body` with spaces behind it, `size` bytes long."""
    return body + b" " * (size - len(body))


def _text(value: object) -> bytes:
    return json.dumps(value).encode()


def _no_json(base: Spelled) -> Iterator[Hostile]:
    good = spelled(base)
    amount = good.index(b'"amount": ') + len(b'"amount": ')
    before, after = good[:amount], good[amount + len(base["amount"]) :]
    texts = {
        "empty": b"",
        "a space": b" ",
        "whitespace": b" \t\r\n" * 50,
        "a NUL": b"\0",
        "NULs": b"\0" * 1000,
        "a NUL before": b"\0" + good,
        "a NUL behind": good + b"\0",
        "a form feed before": b"\f" + good,
        "a no-break space before": "\u00a0".encode() + good,
        "a line separator behind": good + "\u2028".encode(),
        "an escape sequence of terminals": b"\x1b[2J" + good,
        "a backspace": good + b"\x08",
        "only a brace": b"{",
        "only a closing brace": b"}",
        "a brace too many": good + b"}",
        "cut in a key": good[:5],
        "cut behind a colon": good[:amount],
        "cut in the middle": good[: len(good) // 2],
        "cut by a byte": good[:-1],
        "cut in an escape": b'{"side": "\\u00',
        "an open string": b'{"side": "BUY',
        "a comma too many": good[:-1] + b",}",
        "two commas": good.replace(b", ", b",, ", 1),
        "a comma first": b"{," + good[1:],
        "no comma": good.replace(b", ", b" ", 1),
        "no colon": good.replace(b": ", b" ", 1),
        "semicolons": good.replace(b", ", b"; "),
        "equals signs": good.replace(b": ", b"= "),
        "a key without value": good[:-1] + b', "maxSplits"}',
        "a number as key": good[:-1] + b", 1: 2}",
        "two objects": good + good,
        "an object per line": good + b"\n" + good + b"\n",
        "a word behind": good + b" x",
        "a comment to the end of the line": b"{// why\n" + good[1:],
        "a block comment": b"/* why */" + good,
        "a hash comment": b"# why\n" + good,
        "single quotes": good.replace(b'"', b"'"),
        "typographic quotes": good.replace(b'"', "\u201d".encode()),
        "backquotes": good.replace(b'"', b"`"),
        "no quotes around keys": good.replace(b'"side"', b"side"),
        "a raw newline in a string": good.replace(b"BUY", b"BU\nY"),
        "a raw tab in a string": good.replace(b"BUY", b"BU\tY"),
        "a raw NUL in a string": good.replace(b"BUY", b"BUY\0"),
        "a raw escape character in a string": good.replace(b"BUY", b"\x1bBUY"),
        "an escape of JavaScript": good.replace(b"BUY", b"\\x42UY"),
        "an escape of Python": good.replace(b"BUY", b"\\U00000042UY"),
        "an escape of nothing": good.replace(b"BUY", b"\\BUY"),
        "a short unicode escape": good.replace(b"BUY", b"\\u42"),
        "a unicode escape with a sign": good.replace(b"BUY", b"\\u+042UY"),
        "JSONP": b"order(" + good + b");",
        "a guard against inclusion": b")]}',\n" + good,
        "an endless loop": b"while(1);" + good,
        "a template": b"{{ order }}",
        "an event stream": b"data: " + good + b"\n\n",
        "a record separator": b"\x1e" + good + b"\n",
    }
    numbers = {
        "a hexadecimal amount": b"0x64",
        "an octal amount": b"0o144",
        "a binary amount": b"0b1100100",
        "a leading zero": b"0100",
        "a minus and a leading zero": b"-01",
        "a plus": b"+100",
        "no digit before the point": b".5",
        "no digit behind the point": b"5.",
        "no digit in the exponent": b"1e",
        "a sign alone in the exponent": b"1e+",
        "a point in the exponent": b"1e1.5",
        "two points": b"1.0.0",
        "a minus alone": b"-",
        "two minuses": b"--1",
        "a thousands underscore": b"1_000",
        "a thousands comma": b"1,000",
        "a decimal of Java": b"100L",
        "a big integer of JavaScript": b"100n",
        "a fraction": b"1/3",
        "a sum": b"50+50",
        "Arabic digits": "\u0661\u0660\u0660".encode(),
        "fullwidth digits": "\uff11\uff10\uff10".encode(),
        "mathematical digits": "\U0001d7cf\U0001d7ce".encode(),
        "a superscript": "10\u00b2".encode(),
        "a minus of typography": "\u22121".encode(),
        "undefined": b"undefined",
        "None": b"None",
        "True": b"True",
        "nil": b"nil",
        "nan in small letters": b"nan",
        "Inf": b"Inf",
        "+Infinity": b"+Infinity",
        "a bare word": b"all",
        "a call": b"Number(100)",
        "nothing": b"",
    }
    for name, body in texts.items():
        yield Hostile(f"no JSON: {name}", body)
    for name, number in numbers.items():
        yield Hostile(f"no JSON: {name}", before + number + after)


def _no_object(base: Spelled) -> Iterator[Hostile]:
    good = spelled(base)
    bodies = {
        "null": b"null",
        "true": b"true",
        "false": b"false",
        "zero": b"0",
        "a number": b"7",
        "a real": b"-1.5e3",
        "a number of 60,000 digits": b"9" * 60_000,
        "an exponent of twenty digits": b"1e" + b"9" * 20,
        "NaN": b"NaN",
        "Infinity": b"Infinity",
        "-Infinity": b"-Infinity",
        "a string": b'"order"',
        "an empty string": b'""',
        "the order as a string": _text(good.decode()),
        "an empty array": b"[]",
        "an array of one order": b"[" + good + b"]",
        "an array of 400 orders": b"[" + b",".join([good] * 400) + b"]",
        "an array of 30,000 numbers": b"[" + b",".join([b"1"] * 30_000) + b"]",
        "an array of pairs": _text([[name, value.decode()] for name, value in base.items()]),
        "60,000 open brackets": b"[" * 60_000,
        "30,000 brackets, closed": b"[" * 30_000 + b"]" * 30_000,
        "10,000 open objects": b'{"a":' * 10_000,
        # More than any Python reads; with less, 3.13 leaves it to the fields.
        "10,500 objects, closed": b'{"a":' * 10_500 + b"1" + b"}" * 10_500,
        "brackets and objects in turn": b'[{"a":' * 8_000,
        "100 brackets, closed": b"[" * 100 + b"]" * 100,
    }
    for name, body in bodies.items():
        yield Hostile(f"no object: {name}", body)


def _other_formats(base: Spelled) -> Iterator[Hostile]:
    plain = {name: json.loads(value) for name, value in base.items()}
    good = spelled(base)
    xml = "".join(f"<{name}>{value}</{name}>" for name, value in plain.items())
    form = "&".join(f"{name}={value}" for name, value in plain.items())
    parts = "".join(
        f'--cut\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in plain.items()
    )
    lines = "\n".join(f"{name}: {value}" for name, value in plain.items())
    entity = '<!DOCTYPE order [<!ENTITY file SYSTEM "file:///etc/passwd">]>'
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    formats = {
        ("YAML", "application/yaml"): lines,
        ("YAML that makes an object", "text/yaml"): "!!python/object/apply:os.system ['id']",
        ("YAML of aliases", "text/yaml"): "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]",
        ("TOML", "application/toml"): lines.replace(": ", " = "),
        ("XML", "application/xml"): f"<order>{xml}</order>",
        ("XML with an external entity", "text/xml"): f"{entity}<order>&file;</order>",
        ("XML of a billion laughs", "text/xml"): f"<!DOCTYPE o [{laughs}]><o>&l9;</o>",
        ("SOAP", "application/soap+xml"): f"<soap:Envelope><soap:Body>{xml}</soap:Body>",
        ("HTML", "text/html"): "<!doctype html><script>alert(1)</script>",
        ("a form", "application/x-www-form-urlencoded"): form,
        ("a form of one JSON field", "application/x-www-form-urlencoded"): f"{good.decode()}=",
        ("a form with parts", "multipart/form-data; boundary=cut"): f"{parts}--cut--\r\n",
        ("CSV", "text/csv"): ",".join(plain) + "\n" + ",".join(map(str, plain.values())),
        ("GraphQL", "application/graphql"): "mutation { execute(side: BUY) { orderId } }",
        ("a query string of PHP", "text/plain"): "order[side]=BUY&order[amount]=100",
        ("a serialised array of PHP", "text/plain"): 'a:1:{s:4:"side";s:3:"BUY";}',
        ("a Python dict", "text/plain"): repr(plain),
        ("a Lisp list", "text/plain"): "(execute :side BUY :amount 100)",
        ("HTTP in the body", "message/http"): "POST /api/orders/execute HTTP/1.1\r\nHost: x\r\n",
        ("a shell command", "application/x-sh"): "$(curl http://localhost/)",
        ("an entry for log4j", "application/json"): "${jndi:ldap://localhost/a}",
    }
    binaries = {
        ("MessagePack", "application/msgpack"): b"\x81\xa4side\xa3BUY",
        ("CBOR", "application/cbor"): b"\xa1\x64side\x63BUY",
        ("a BSON document", "application/bson"): b"\x13\0\0\0\x02side\0\x04\0\0\0BUY\0\0",
        ("a protobuf message", "application/x-protobuf"): b"\x0a\x03BUY\x10\x64",
        ("a pickle", "application/octet-stream"): b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        ("a Java object", "application/octet-stream"): b"\xac\xed\0\x05sr\0\x05Order",
        ("a PNG", "image/png"): b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        ("an ELF file", "application/octet-stream"): b"\x7fELF\x02\x01\x01" + bytes(57),
    }
    compressed = {
        "gzip": gzip.compress(good, mtime=0),
        "deflate": zlib.compress(good),
        "identity": gzip.compress(good, mtime=0),
    }
    for (name, kind), text in formats.items():
        yield Hostile(f"another format: {name}", text.encode(), headers={"content-type": kind})
    for (name, kind), body in binaries.items():
        yield Hostile(f"another format: {name}", body, headers={"content-type": kind})
    for encoding, body in compressed.items():
        headers = {"content-encoding": encoding}
        yield Hostile(f"compressed, as {encoding}", body, headers=headers)
    bomb = gzip.compress(bytes(40_000_000), mtime=0)
    yield Hostile("compressed: 40 MB of zeros", bomb, headers={"content-encoding": "gzip"})
    yield Hostile("base64 twice", base64.b64encode(good))
    yield Hostile("base64 in a URL", b"data:application/json;base64," + base64.b64encode(good))
    yield Hostile("hexadecimal", good.hex().encode())
    yield Hostile("percent-encoded", good.replace(b'"', b"%22").replace(b" ", b"%20"))


def _other_encodings(base: Spelled) -> Iterator[Hostile]:
    good = spelled(base)
    yield Hostile("encoding: a byte order mark alone", b"\xef\xbb\xbf")
    yield Hostile("encoding: two byte order marks", b"\xef\xbb\xbf" * 2 + good)
    yield Hostile("encoding: a byte order mark behind", good + b"\xef\xbb\xbf")
    yield Hostile("encoding: a byte order mark", b"\xef\xbb\xbf" + good)
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        yield Hostile(f"encoding: {encoding}", good.decode().encode(encoding))
    yield Hostile("encoding: utf-7", good.decode().encode("utf-7").replace(b"{", b"+AHs-"))
    yield Hostile("encoding: EBCDIC", good.decode().encode("cp037"))
    wrong = {
        "a byte FF": b"\xff",
        "a byte FE": b"\xfe",
        "a continuation byte alone": b"\x80",
        "a slash, overlong": b"\xc0\xaf",
        "a NUL, overlong": b"\xc0\x80",
        "a slash, overlong in three bytes": b"\xe0\x80\xaf",
        "a slash, overlong in four bytes": b"\xf0\x80\x80\xaf",
        "a letter above Unicode": b"\xf4\x90\x80\x80",
        "five bytes": b"\xf8\x88\x80\x80\x80",
        "a letter that is cut off": b"\xe2\x82",
        "Latin-1": "é".encode("latin-1"),
        "a high surrogate": b"\xed\xa0\x80",
        "a low surrogate": b"\xed\xb0\x80",
        "a pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    }
    for name, octets in wrong.items():
        yield Hostile(f"no UTF-8: {name}, alone", octets)
        yield Hostile(f"no UTF-8: {name}, behind", good + octets)
        yield Hostile(f"no UTF-8: {name}, in a value", good.replace(b"USDC", b"USDC" + octets))
        yield Hostile(f"no UTF-8: {name}, in a key", good[:-1] + b', "%s": 1}' % octets)


def _keys(base: Spelled) -> Iterator[Hostile]:
    for name, key in values.KEYS.items():
        body = spelled(base)[:-1] + b", " + _text(key) + b": 1}"
        yield Hostile(f"a key {name}", body, (key,))
    for name, key in values.NO_KEYS.items():
        yield Hostile(f"a key {name}", spelled(base)[:-1] + b", " + _text(key) + b": 1}")
    nested = spelled(base)[:-1] + b', "__proto__": {"side": "SELL", "amount": 1}}'
    yield Hostile("a prototype that is an object", nested, ("__proto__",))
    deep = spelled(base)[:-1] + b', "deep": ' + b"[" * 500 + b"]" * 500 + b"}"
    yield Hostile("an unknown field, 500 deep", deep, ("deep",))
    many = tuple(f"k{n}" for n in range(3_000))
    more = {**base, **dict.fromkeys(many, b"1")}
    yield Hostile("3,000 unknown fields", spelled(more), many)
    wrapped = b'{"order": ' + spelled(base) + b"}"
    missing = tuple(name for name in (*QUOTE, "type") if name in base)
    yield Hostile("the order, wrapped", wrapped, (*missing, "order"))
    yield Hostile("an empty object", b"{}", missing)
    for name, value in base.items():
        twice = spelled(base)[:-1] + b', "%s": %s}' % (name.encode(), value)
        yield Hostile(f"{name} twice, the same", twice)
        other = b'{"%s": null, ' % name.encode() + spelled(base)[1:]
        yield Hostile(f"{name} twice, not the same", other)
        escaped = b"".join(b"\\u%04x" % ord(letter) for letter in name)
        again = spelled(base)[:-1] + b', "%s": %s}' % (escaped, value)
        yield Hostile(f"{name} twice, once in escapes", again)
        rest = {other: value for other, value in base.items() if other != name}
        yield Hostile(f"{name} missing", spelled(rest), (name,))
    inner = spelled(base)[:-1] + b', "deep": [{"a": 1, "a": 2}]}'
    yield Hostile("a key twice, inside of an unknown field", inner)


def _values(base: Spelled) -> Iterator[Hostile]:
    for name in (n for n in FIELDS if base is ORDER or n not in ONLY_ORDERS):
        for what, text in values.TEXTS.items():
            yield _with(base, name, f"a string, {what}", _text(text))
        for what, value in _wrong(name).items():
            yield _with(base, name, what, value)
    for token in (b'"SOL"', b'"So11111111111111111111111111111111111111112"'):
        alike = spelled({**base, "tokenIn": token})
        yield Hostile(f"tokenIn and tokenOut alike, as {token.decode()}", alike, ("tokenOut",))


def _wrong(name: str) -> dict[str, bytes]:
    """What is no value of the field, beside the texts that are no value of any."""
    null = {} if name in OPTIONAL else values.NULL
    if name in WORDS:
        words = {what: _text(alike[name]) for what, alike in values.LOOKALIKES.items()}
        return values.NO_SCALARS | null | values.NO_WORDS | words
    spellings = values.MOMENTS if name == MOMENT else values.DIGITS
    texts = {f"a string, {what}": _text(text) for what, text in spellings.items()}
    bounds = values.OUT_OF_BOUNDS.get(name, {})
    zeros = {} if name == "slippageBps" else values.ZEROS
    return values.NO_SCALARS | null | values.NUMBERS | zeros | texts | bounds


def _with(base: Spelled, name: str, what: str, value: bytes) -> Hostile:
    return Hostile(f"{name}: {what}", spelled({**base, name: value}), (name,))


def _sizes(base: Spelled) -> Iterator[Hostile]:
    good = spelled(base)
    room = MAX_BODY - len(good)
    filled = {
        "an unknown field": (good[:-1] + b', "x": "' + b"x" * (room - 9) + b'"}', ("x",)),
        "a token": (spelled({**base, "tokenIn": b'"USDC' + b"C" * room + b'"'}), ("tokenIn",)),
        "digits": (spelled({**base, "amount": b"100" + b"0" * room}), ("amount",)),
        "brackets": (b"[" * MAX_BODY, ("body",)),
        "zeros": (bytes(MAX_BODY), ("body",)),
        "spaces": (b" " * MAX_BODY, ("body",)),
    }
    for name, (body, fields) in filled.items():
        assert len(body) == MAX_BODY
        yield Hostile(f"64 KiB of {name}", body, fields)
        yield Hostile(f"64 KiB and a byte of {name}", body + body[-1:], (), 413)
    yield Hostile("64 KiB and a byte around a good body", padded(good, MAX_BODY + 1), (), 413)
    yield Hostile("128 KiB of a good body and spaces", padded(good, 2 * MAX_BODY), (), 413)
    yield Hostile("6 MB of spaces", b" " * 6_000_000, (), 413)
    letters = _text("\U0001f4a3")[1:-1] * (MAX_BODY // 12 + 1)
    yield Hostile("64 KiB and a few bytes of escapes", b'{"x": "%s"}' % letters, (), 413)
