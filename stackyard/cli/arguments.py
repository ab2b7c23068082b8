"""How the values of options are written on the command line."""


def words(text: str) -> list[str]:
    """Several, with commas between."""
    return [word.strip() for word in text.split(",") if word.strip()]


def rule(text: str) -> tuple[str, str]:
    """NAME=VALUE; without a value, an empty one."""
    name, _, value = text.partition("=")
    return name.strip(), value.strip()
