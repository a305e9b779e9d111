"""Rows about the flow: whether the promise is kept, and what Kafka says."""

from collections.abc import Sequence

from deploy.grafana.panels import QUARTER, Panel, Query, lines, number
from deploy.grafana.queries import INTERVAL, JOB, PARTITION, WORKER, quantile, rate

SLO: Sequence[Panel] = (
    number(
        "Partitions late",
        "Share of partitions whose oldest record is older than 30 s, or whose records nobody has read for five minutes."
        " The objective: 1 % of the time at most.",
        "percentunit",
        Query(f"max(job:moderation_late_partitions:ratio{{{JOB}}})", "late"),
        [(None, "green"), (0.001, "orange"), (0.5, "red")],
        decimals=0,
    ),
    number(
        "Budget burn, 1 h",
        "How many times faster than allowed the month's lateness was used up in the last hour. 14.4 for an hour pages.",
        "none",
        Query(f"max(job:moderation_late_partitions:ratio_avg1h{{{JOB}}}) / 0.01", "burn rate"),
        [(None, "green"), (1, "yellow"), (6, "orange"), (14.4, "red")],
        decimals=1,
    ),
    number(
        "Oldest post waiting",
        "Age of the oldest record that was read and has no verdict yet.",
        "s",
        Query(f"max(moderation_consumer_time_lag_seconds{{{PARTITION}}})", "age"),
        [(None, "green"), (10, "yellow"), (30, "red")],
        decimals=1,
    ),
    number(
        "Records waiting",
        "From the oldest record not yet done to the ends of the partitions.",
        "short",
        Query(f"sum(moderation_consumer_lag{{{PARTITION}}})", "records"),
        [(None, "green")],
    ),
    number(
        "Verdicts each second",
        "Records of the output topic that all in-sync replicas acknowledged.",
        "none",
        Query(f'sum(rate(moderation_messages_published_total{{{WORKER}, channel="output"}}{INTERVAL}))', "verdicts"),
        [(None, "green")],
        decimals=0,
    ),
    number(
        "Alerts firing",
        "Alerts of this product that fire now; the runbooks say what to do about each.",
        "none",
        Query(f'count(ALERTS{{alertname=~"Moderation.*", alertstate="firing", {JOB}}}) or vector(0)', "alerts"),
        [(None, "green"), (1, "red")],
    ),
    lines(
        "Time lag by partition",
        "Age of the oldest record read and not yet done. The line is the objective, 30 s.",
        "s",
        Query(
            f"max by (topic, partition) (moderation_consumer_time_lag_seconds{{{PARTITION}}})",
            "{{topic}}-{{partition}}",
        ),
        limit=30,
    ),
    lines(
        "End-to-end latency",
        "From a record's timestamp to the acknowledgement of all its outputs.",
        "s",
        Query(quantile(0.5, "moderation_end_to_end_latency_seconds"), "median"),
        Query(quantile(0.95, "moderation_end_to_end_latency_seconds"), "95 %"),
        Query(quantile(0.99, "moderation_end_to_end_latency_seconds"), "99 %"),
    ),
    lines(
        "Budget burn rate",
        "Lateness over its allowance of 1 %, over the alerts' windows. Critical: 14.4 over 1 h and 5 m, or 6 over 6 h and 30 m.",
        "none",
        *(
            Query(f"max(job:moderation_late_partitions:ratio_avg{window}{{{JOB}}}) / 0.01", window)
            for window in ("5m", "30m", "1h", "6h", "3d")
        ),
        limit=14.4,
    ),
)

KAFKA: Sequence[Panel] = (
    lines(
        "Records in and out",
        "Read, and acknowledged by all in-sync replicas. In without out: the broker does not take outputs, or the model stands.",
        "cps",
        Query(rate("moderation_messages_consumed_total"), "read"),
        Query(rate("moderation_messages_published_total", "channel"), "written: {{channel}}"),
        colours={"written: output": "green", "written: dead_letter": "red"},
    ),
    lines(
        "Lag by partition",
        "Records from the oldest one not yet done to the end, as of the last fetch.",
        "short",
        Query(f"sum by (topic, partition) (moderation_consumer_lag{{{PARTITION}}})", "{{topic}}-{{partition}}"),
    ),
    lines(
        "Commits",
        "Offset commits, or transactions with exactly_once.",
        "cps",
        Query(rate("moderation_commits_total", "status"), "{{status}}"),
        colours={"ok": "green", "failed": "red"},
    ),
    lines(
        "Kafka fails since",
        "How long reading, publishing or committing has failed or got no answer; after a minute it alerts.",
        "s",
        Query(f"max by (doing) (moderation_kafka_failing_seconds{{{WORKER}}})", "{{doing}}"),
        limit=60,
        width=QUARTER,
    ),
    lines(
        "Partitions held",
        "By worker. Stopped: held but not read, since the commit lies outside the log.",
        "none",
        Query(f"moderation_assigned_partitions{{{WORKER}}}", "{{instance}}"),
        Query(f"sum(moderation_stopped_partitions{{{WORKER}}})", "stopped"),
        colours={"stopped": "red"},
        steps=True,
        width=QUARTER,
    ),
    lines(
        "Unrest",
        "Rebalances of the group, producers replaced after a failed send, jumps over deleted records.",
        "none",
        Query(f"max(increase(moderation_rebalances_total{{{WORKER}}}{INTERVAL}))", "rebalances"),
        Query(f"sum(increase(moderation_producer_replacements_total{{{WORKER}}}{INTERVAL}))", "producers replaced"),
        Query(f"sum(increase(moderation_offset_jumps_total{{{WORKER}}}{INTERVAL}))", "offset jumps"),
        stacked=True,
        width=QUARTER,
    ),
    lines(
        "Intake held back",
        "Share of time that intake stood still because memory's bound was reached; and the breaker: 1 tries a few, 2 is open.",
        "none",
        Query(f"max(rate(moderation_paused_seconds_total{{{WORKER}}}{INTERVAL}))", "paused, worst worker"),
        Query(f"max(moderation_breaker_state{{{WORKER}}})", "breaker"),
        colours={"breaker": "red"},
        top=2,
        width=QUARTER,
    ),
)
