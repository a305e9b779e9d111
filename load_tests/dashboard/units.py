"""Values as Grafana writes them, for the units that the dashboard uses."""


def written(value: float, unit: str, decimals: int | None) -> str:
    """The value with its unit; `decimals` None: as many as are needed to tell it from its neighbours."""
    match unit:
        case "percentunit":
            return f"{_digits(value * 100, decimals)}%"
        case "s":
            return _seconds(value, decimals)
        case "bytes":
            return _scaled(value, decimals, 1024, ("B", "KiB", "MiB", "GiB"))
        case "cps":
            return _scaled(value, decimals, 1000, ("/s", "K/s", "M/s"))
        case "short":
            return _scaled(value, decimals, 1000, ("", "K", "M"))
        case "none":
            return _digits(value, decimals)
        case _:
            raise ValueError(f"unit {unit} is not known here")


def _digits(value: float, decimals: int | None) -> str:
    return f"{value:.{decimals}f}" if decimals is not None else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _seconds(value: float, decimals: int | None) -> str:
    if abs(value) >= 60:
        return f"{_digits(value / 60, decimals)} min"
    if abs(value) >= 1 or value == 0:
        return f"{_digits(value, decimals)} s"
    return f"{_digits(value * 1000, decimals)} ms"


def _scaled(value: float, decimals: int | None, base: int, units: tuple[str, ...]) -> str:
    for unit in units[:-1]:
        if abs(value) < base:
            return f"{_digits(value, decimals)} {unit}".rstrip()
        value /= base
    return f"{_digits(value, decimals)} {units[-1]}"
