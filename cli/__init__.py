"""The `sluice` command: for developers and operators, never in a Lambda."""
