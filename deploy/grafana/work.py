"""Rows about the work: model, decisions, dead letters, processes."""

from collections.abc import Sequence

from deploy.grafana.panels import HALF, QUARTER, Panel, Query, lines, number
from deploy.grafana.queries import INTERVAL, JOB, LABEL, WORKER, mean, quantile, rate

INFERENCE: Sequence[Panel] = (
    lines(
        "Scorers busy",
        "Share of the scoring threads' time spent in model calls. Above 85 % for half an hour there is no room left.",
        "percentunit",
        Query(
            f"sum by (instance) (rate(moderation_inference_seconds_sum{{{WORKER}}}{INTERVAL}))"
            f" / sum by (instance) (moderation_scoring_threads{{{WORKER}}})",
            "{{instance}}",
        ),
        limit=0.85,
        top=1,
    ),
    lines(
        "Time of a stage, 95 %",
        "Tokenising: a chunk of records. Queue: a window's wait for its batch. Model: one call.",
        "s",
        Query(quantile(0.95, "moderation_tokenize_seconds"), "tokenising"),
        Query(quantile(0.95, "moderation_queue_wait_seconds"), "queue"),
        Query(quantile(0.95, "moderation_inference_seconds"), "model"),
    ),
    lines(
        "Model calls",
        "How many each second; each holds a batch.",
        "cps",
        Query(rate("moderation_inference_seconds_count"), "calls"),
    ),
    lines(
        "Batch, windows",
        "Windows in one model call; a long post has several.",
        "none",
        Query(mean("moderation_batch_posts"), "mean"),
        Query(quantile(0.95, "moderation_batch_posts"), "95 %"),
        width=QUARTER,
    ),
    lines(
        "Batch, tokens",
        "Tokens in one model call without padding. Full batches are the best use of a CPU, and a sign of load.",
        "none",
        Query(mean("moderation_batch_tokens"), "mean"),
        Query(quantile(0.95, "moderation_batch_tokens"), "95 %"),
        width=QUARTER,
    ),
    lines(
        "Padding",
        "Share of a model call that was padding: wasted work.",
        "percentunit",
        Query(mean("moderation_batch_padding_ratio"), "mean"),
        width=QUARTER,
    ),
    lines(
        "Copies",
        "Share of windows that cost no model call, since the same one was scored lately (hit) or is about to be (shared).",
        "percentunit",
        Query(
            rate("moderation_score_lookups_total", "result", WORKER + ', result=~"hit|shared"')
            + " / scalar("
            + rate("moderation_score_lookups_total")
            + ")",
            "{{result}}",
        ),
        stacked=True,
        width=QUARTER,
    ),
)

DECISIONS: Sequence[Panel] = (
    lines(
        "Decisions",
        "Posts decided, once for each label over its threshold.",
        "cps",
        Query(rate("moderation_decisions_total", "action"), "{{action}}"),
        colours={"allow": "green", "review": "yellow", "block": "red"},
        stacked=True,
    ),
    lines(
        "Posts flagged",
        "Share of scored posts over a label's threshold.",
        "percentunit",
        Query(
            rate("moderation_decisions_total", "label", LABEL + ', action=~"review|block"')
            + " / "
            + rate("moderation_score_count", "label", LABEL),
            "{{label}}",
        ),
    ),
    lines(
        "Posts not scored",
        "Sent to review without a score: too old, or not to be scored.",
        "cps",
        Query(rate("moderation_decisions_total", "label", WORKER + ', label=~"unscored|expired"'), "{{label}}"),
    ),
    lines(
        "Mean score",
        "By label. It moves with the posts, and with model and policy.",
        "none",
        Query(mean("moderation_score", "label", LABEL), "{{label}}"),
        width=HALF,
    ),
    lines(
        "Shift against the day before",
        "Flagged posts of an hour against the share of the day before, in standard deviations. Beyond 5 it may alert.",
        "none",
        Query(f'label:moderation_flagged_posts:shift_sigmas{{{JOB}, label=~"$label"}}', "{{label}}"),
        limit=5,
        width=HALF,
    ),
)

DEAD_LETTERS: Sequence[Panel] = (
    lines(
        "Dead letters by reason",
        "Records that could not become ordinary verdicts; docs/dead-letters.md says what mends each reason.",
        "cps",
        Query(rate("moderation_dead_letters_total", "reason") + " > 0", "{{reason}}"),
        stacked=True,
        width=HALF,
    ),
    lines(
        "Share of dead letters",
        "Over half an hour. Above 5 % it alerts.",
        "percentunit",
        Query(f"job:moderation_dead_letters:ratio_rate30m{{{JOB}}}", "{{job}}"),
        limit=0.05,
    ),
    number(
        "Breaker openings",
        "How often in the range shown too many records failed for reasons that no author can cause.",
        "none",
        Query(f"sum(increase(moderation_breaker_openings_total{{{WORKER}}}[$__range]))", "openings"),
        [(None, "green"), (1, "red")],
        decimals=0,
        height=8,
    ),
)

RUNTIME: Sequence[Panel] = (
    lines(
        "In flight",
        "Records between reading and acknowledgement; at the bound (MODERATION_MAX_IN_FLIGHT_POSTS) intake pauses.",
        "short",
        Query(f"moderation_in_flight_posts{{{WORKER}}}", "{{instance}}"),
    ),
    lines(
        "Memory",
        "Resident memory of a worker, and the bytes of records in flight.",
        "bytes",
        Query(
            f"process_resident_memory_bytes{{{WORKER}}} and on (job, instance) moderation_build_info", "{{instance}}"
        ),
        Query(f"sum(moderation_in_flight_bytes{{{WORKER}}})", "in flight, all"),
    ),
    lines(
        "CPUs used",
        "By worker. Less than its scoring threads while records wait: throttled, or waiting for the broker.",
        "none",
        Query(
            f"rate(process_cpu_seconds_total{{{WORKER}}}{INTERVAL}) and on (job, instance) moderation_build_info",
            "{{instance}}",
        ),
    ),
    lines(
        "Event loop late, 99 %",
        "How late the event loop woke up. Heartbeats share it: near the session timeout workers are given up.",
        "s",
        Query(quantile(0.99, "moderation_event_loop_lag_seconds"), "99 %"),
    ),
    lines(
        "Models in use",
        "Workers by the model they judge by. Two at once only during a rollout.",
        "none",
        Query(f"count by (name, version) (moderation_model_info{{{WORKER}}})", "{{name}} {{version}}"),
        steps=True,
    ),
    lines(
        "Workers",
        "By version; and targets that do not answer.",
        "none",
        Query(f"count by (version) (moderation_build_info{{{WORKER}}})", "{{version}}"),
        Query(
            f"sum((1 - up{{{WORKER}}}) and on (job) group by (job) (last_over_time(moderation_build_info{{{JOB}}}[1d])))",
            "down",
        ),
        colours={"down": "red"},
        steps=True,
    ),
)
