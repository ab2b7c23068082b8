"""Authentication: what a request proves by one method or several, and the token that it gets."""
