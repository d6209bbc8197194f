"""Attacks on a deployment, by its URL: what a stranger, or a stranger with an account,
may try. They know what is public: the API, the key set, what is answered to them.

`./manage_all.sh attack --url https://...` runs them against any deployment, the suite
against its own stack; docs/testing.md says more. Accounts that it needs it registers.
"""
