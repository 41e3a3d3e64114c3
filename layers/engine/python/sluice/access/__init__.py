"""Who may call: tokens of an OpenID Connect issuer, API keys, and what their holders may do."""
