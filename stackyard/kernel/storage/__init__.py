"""The database and what is kept in it: transactions, rows, migrations, the log of changes, backup."""
