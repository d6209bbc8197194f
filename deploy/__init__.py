"""How the product is run: natively (`local/`) and in containers (`compose/`)."""
