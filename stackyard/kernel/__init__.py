"""How any cloud works: requests, declarations, transactions, operations, reconciliation. Knows no room."""
