"""The laptop's own OpenID Connect issuer: its key is made at `make up` and gone at `make down`."""
