"""What panels ask again and again, restricted to what is chosen above the dashboard."""

JOB = 'job=~"$job"'
WORKER = JOB + ', instance=~"$instance"'
PARTITION = WORKER + ', topic=~"$topic"'
LABEL = WORKER + ', label=~"$label"'
INTERVAL = "[$__rate_interval]"


def rate(metric: str, by: str = "", where: str = WORKER) -> str:
    """A counter's growth each second, over all workers, by the labels in `by`."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{where}}}{INTERVAL}))"


def quantile(share: float, histogram: str) -> str:
    """The value that `share` of the observations of all workers do not exceed."""
    return f"histogram_quantile({share}, {rate(histogram + '_bucket', 'le')})"


def mean(histogram: str, by: str = "", where: str = WORKER) -> str:
    """The mean of a histogram's observations."""
    return f"{rate(histogram + '_sum', by, where)} / {rate(histogram + '_count', by, where)}"
