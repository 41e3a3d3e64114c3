"""What Lambda calls: `relay`, imported as `sluice.start` says."""

from sluice.start import handler_of

handler = handler_of("stream.relay")
