"""A Solana RPC over made-up pools in their real account layout, which trade by themselves."""
