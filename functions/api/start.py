"""What Lambda calls: `app`, imported as `sluice.start` says."""

from sluice.start import handler_of

handler = handler_of("api.app")
