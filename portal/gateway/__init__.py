"""Machines that ask: introspection, forward-auth, short tokens, the sandbox model behind them."""
