"""What stands in hostile bodies where a key or a value should be."""

from collections.abc import Mapping

KEYS = {
    "of a prototype": "__proto__",
    "of a constructor": "constructor",
    "of a prototype's property": "prototype",
    "of Python's class": "__class__",
    "of a path into Python": "__class__.__mro__",
    "of pydantic": "model_config",
    "of pydantic's validator": "model_fields_set",
    "of our own": "token_in",
    "in capitals": "SIDE",
    "with a capital": "TokenIn",
    "with a space behind": "amount ",
    "with a NUL behind": "amount\0",
    "with a zero-width space": "amount\u200b",
    "with a byte order mark": "\ufeffamount",
    "with a right-to-left override": "\u202eamount",
    "with a Cyrillic letter": "\u0430mount",
    "fullwidth": "\uff41\uff4d\uff4f\uff55\uff4e\uff54",
    "with a combining accent": "amo\u0301unt",
    "of an emoji": "\U0001f4a3",
    "of control characters": "".join(map(chr, range(1, 32))),
    "of a newline": "amount\r\nX-Injected: 1",
    "of SQL": "amount'; DROP TABLE orders; --",
    "of markup": "<img src=x onerror=alert(1)>",
    "of a MongoDB operator": "$where",
    "of a JSON pointer": "/amount",
    "of a path": "amount.value",
    "of an array": "amount[]",
    "of a template": "{{7*7}}",
    "that sets the account": "account",
    "that sets the status": "status",
    "that sets the id": "id",
    "that sets the fence": "fence",
    "that sets the time": "accepted_at",
    "that sets another id": "orderId",
    "that names the body": "body",
    "of 50,000 letters": "k" * 50_000,
    "of 10,000 emojis": "\U0001f4a3" * 5_000,
}
"""Names of no field."""

NO_KEYS = {
    "that is empty": "",
    "of an unpaired high surrogate": "\ud800",
    "of an unpaired low surrogate": "x\udfff",
    "of surrogates in the wrong order": "\udc00\ud800",
}
"""Names that cannot be told again."""

TEXTS = {
    "empty": "",
    "a space": " ",
    "a NUL": "\0",
    "SQL that ends a table": "'; DROP TABLE orders; --",
    "SQL that is always true": "' OR '1'='1",
    "SQL that waits": "1; SELECT pg_sleep(10)--",
    "a shell command": "$(sleep 10)",
    "a shell command in a pipe": "SOL|cat /etc/passwd",
    "a template": "{{7*7}}",
    "an expression of Spring": "${7*7}",
    "a format of Python": "{0.__class__}",
    "a format of C": "%s%n%x",
    "an entry for log4j": "${jndi:ldap://localhost/a}",
    "markup": "<script>alert(1)</script>",
    "a path": "../../../etc/passwd",
    "a line of a header": "SOL\r\nX-Injected: 1",
    "a command of Valkey": "*1\r\n$8\r\nFLUSHALL\r\n",
    "a search of MongoDB": '{"$gt": ""}',
    "a filter of LDAP": "*)(uid=*))(|(uid=*",
    "a formula of a sheet": "=1+1|cmd",
    "control characters": "".join(map(chr, range(1, 32))),
    "an unpaired surrogate": "\ud800",
    "surrogates in the wrong order": "\udc00\ud800",
    "a noncharacter": "\uffff",
    "a right-to-left override": "\u202eLOS",
    "a zero-width joiner": "SOL\u200d",
    "a byte order mark": "\ufeffSOL",
    "a combining accent, 500 times": "S" + "\u0301" * 500,
    "an emoji": "\U0001f4a3",
    "50,000 letters": "S" * 50_000,
    "a word of JavaScript": "undefined",
}
"""Strings that are no value of any field."""

LOOKALIKES: Mapping[str, Mapping[str, str]] = {
    "in the other case": {
        "type": "market",
        "side": "buy",
        "tokenIn": "usdc",
        "tokenOut": "sol",
        "swapMode": "exact_in",
    },
    "with a space behind": {
        "type": "MARKET ",
        "side": "BUY ",
        "tokenIn": "USDC ",
        "tokenOut": "SOL ",
        "swapMode": "EXACT_IN ",
    },
    "with a NUL behind": {
        "type": "MARKET\0",
        "side": "BUY\0",
        "tokenIn": "USDC\0",
        "tokenOut": "SOL\0",
        "swapMode": "EXACT_IN\0",
    },
    "with a Cyrillic letter": {
        "type": "\u041cARKET",
        "side": "\u0412UY",
        "tokenIn": "USD\u0421",
        "tokenOut": "S\u041eL",
        "swapMode": "EX\u0410CT_IN",
    },
    "fullwidth": {
        "type": "\uff2dARKET",
        "side": "\uff22UY",
        "tokenIn": "\uff35SDC",
        "tokenOut": "\uff33OL",
        "swapMode": "\uff25XACT_IN",
    },
}
"""For each field that takes a word, what only looks like one of its words."""

NULL = {"null": b"null"}

NO_SCALARS = {
    "true": b"true",
    "false": b"false",
    "an empty array": b"[]",
    "an array": b"[100]",
    "an empty object": b"{}",
    "an object": b'{"value": 100}',
    "a prototype": b'{"__proto__": {"amount": 1}}',
    "500 arrays, closed": b"[" * 500 + b"]" * 500,
}

NO_WORDS = {"a number": b"7", "a number of 5,000 digits": b"7" * 5_000}

ZEROS = {"zero": b"0", "minus zero": b"-0", "a string, zero": b'"0"'}

NUMBERS = {
    "minus zero as a real": b"-0.0",
    "minus one": b"-1",
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "an exponent of 400": b"1e400",
    "an exponent of -400": b"1e-400",
    "an exponent of a million": b"1e1000000",
    "an exponent of minus a million": b"1e-1000000",
    "an exponent of twenty digits": b"1e99999999999999999999",
    "an exponent of minus twenty digits": b"1e-99999999999999999999",
    "an exponent of 10,000 digits": b"1e" + b"9" * 10_000,
    "zero with an enormous exponent": b"0e99999999999999999999",
    "above u64 by far": b"1" + b"0" * 60,
    "60,000 digits": b"9" * 60_000,
    "50,000 digits behind the point": b"0." + b"1" * 50_000,
    "the largest double": b"1.7976931348623157e308",
    "the smallest double": b"5e-324",
}
"""Numbers of no amount, price or count."""

DIGITS = {
    "minus": "-5",
    "an exponent": "1e3",
    "hexadecimal": "0x64",
    "a plus": "+100",
    "NaN": "NaN",
    "sNaN": "sNaN",
    "Infinity": "Infinity",
    "a space before": " 100",
    "a newline behind": "100\n",
    "a NUL behind": "100\0",
    "a thousands comma": "1,000",
    "a thousands underscore": "1_000",
    "a decimal comma": "0,5",
    "Arabic digits": "\u0661\u0660\u0660",
    "Persian digits": "\u06f1\u06f0\u06f0",
    "fullwidth digits": "\uff11\uff10\uff10",
    "mathematical digits": "\U0001d7cf\U0001d7ce",
    "Roman numerals": "\u216d",
    "a letter for a zero": "1O0",
    "a Cyrillic letter for a zero": "1\u043e\u043e",
    "a superscript": "10\u00b2",
    "a currency": "$100",
    "a percentage": "100%",
    "two points": "1.0.0",
    "5,000 digits": "9" * 5_000,
}
"""Strings that are no decimal number, though some may be read as one."""

MOMENTS = {
    "a date": "2036-11-24",
    "no offset": "2036-11-24T12:00:00",
    "a named zone": "2036-11-24T12:00:00[Europe/Paris]",
    "a week date": "2036-W48-1T12:00:00Z",
    "a space in it": "2036-11-24 12:00:00Z",
    "small letters": "2036-11-24t12:00:00z",
    "no seconds": "2036-11-24T12:00Z",
    "a comma before the fraction": "2036-11-24T12:00:00,5Z",
    "a newline behind": "2036-11-24T12:00:00Z\n",
    "the 13th month": "2036-13-01T12:00:00Z",
    "the 30th of February": "2036-02-30T12:00:00Z",
    "the 25th hour": "2036-11-24T25:00:00Z",
    "the 61st minute": "2036-11-24T12:61:00Z",
    "an offset of 99 hours": "2036-11-24T12:00:00+99:00",
    "the year 0": "0000-01-01T00:00:00Z",
    "before the year 1": "0001-01-01T00:00:00+23:59",
    "after the year 9999": "9999-12-31T23:59:59-23:59",
    "the year 10000": "10000-01-01T00:00:00Z",
    "a year before Christ": "-0001-01-01T00:00:00Z",
    "the past": "2016-11-24T12:00:00Z",
    "the epoch": "1970-01-01T00:00:00Z",
    "Unix seconds": "2111053200",
    "Arabic digits": "\u0662\u0660\u0663\u0666-11-24T12:00:00Z",
    "a duration": "PT1H",
    "an interval of SQL": "now() + interval '1 hour'",
    "infinity": "infinity",
    "a word": "tomorrow",
    "an HTTP date": "Mon, 24 Nov 2036 12:00:00 GMT",
}
"""Strings that are no moment, or none that an order can expire at."""

OUT_OF_BOUNDS: dict[str, dict[str, bytes]] = {
    "amount": {
        "above u64": b"18446744073709.551616",
        "a string, above u64": b'"18446744073709.551616"',
        "too fine": b"0.0000001",
        "a string, too fine": b'"0.0000001"',
    },
    "minAmountOut": {"above u64": b"18446744073.709551616", "too fine": b"0.0000000001"},
    "limitPrice": {"41 digits": b"1" * 41, "too fine": b"1e-41"},
    "maxSplits": {"too many": b"6", "a real": b"2.0", "2**63": b"9223372036854775808"},
    "slippageBps": {"too many": b"10001", "a real": b"50.5", "a string": b'"50"'},
}
"""Numbers that a little less of would be good."""
