# Every target does its own set-up, in .venv, from hashed lock files. PYTHON names the interpreter (3.11 or later).
PYTHON ?= python3
POSTS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo serve test check load chaos mutations soak cost dashboard-check dashboard-picture bench traffic versus scale growth profile image manifests docs rules lock ci-tools clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

demo: .venv/.demo ## Sample posts through the real worker, without a broker (POSTS=20 ends by itself)
	$(BIN)/moderation-worker demo $(if $(POSTS),--posts $(POSTS))

serve: .venv/.serving ## Install what serving needs: .venv/bin/moderation-worker
	@echo "$(BIN)/moderation-worker is ready; see $(BIN)/moderation-worker run --help"

test: .venv/.all ## All tests, on a real Apache Kafka and a real Prometheus (see ci-tools)
	$(BIN)/pytest

check: .venv/.all ## Static checks: formatting, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

load: .venv/.all ## A crash in the middle of a load: POSTS=50000
	$(BIN)/python -m load_tests --posts $(or $(POSTS),50000)

chaos: .venv/.all ## Faults by a seed, on three workers: SEED=0 FAULTS=200 POSTS=200000 DELIVERY=exactly_once KINDS='kill zombie'
	$(BIN)/python -m load_tests.chaos --seed $(or $(SEED),0) --faults $(or $(FAULTS),200) --posts $(or $(POSTS),200000) \
	  --delivery $(or $(DELIVERY),exactly_once) --out build/chaos $(if $(KINDS),--kinds $(KINDS))

mutations: .venv/.all ## Promises broken on purpose: does the fault lab find each? SEED=0
	$(BIN)/python -m load_tests.chaos.mutants --seed $(or $(SEED),0)

soak: .venv/.all ## Does anything grow at a steady load, in each delivery? MINUTES=30 LOAD=0.8
	$(BIN)/python -m load_tests.soak --minutes $(or $(MINUTES),30) --load $(or $(LOAD),0.8)

cost: .venv/.all ## What exactly once costs: posts/s and latency beside at least once, interleaved
	$(BIN)/python -m load_tests.cost

dashboard-check: .venv/.all ## Does every panel and rule return data? On a real Prometheus, of real workers
	$(BIN)/python -m load_tests.dashboard

dashboard-picture: .venv/.all ## Draw docs/dashboard*.png anew, from live data during an outage
	$(BIN)/python -m load_tests.dashboard --picture docs

TEXTS_OPTION = $(if $(TEXTS),--texts $(TEXTS))
bench: .venv/.all ## The worker beside its peers, interleaved: a table of ratios; TEXTS=folder of lines ROUNDS=3
	$(BIN)/python -m load_tests.peers --rounds $(or $(ROUNDS),3) $(TEXTS_OPTION)

traffic: .venv/.all ## One profile of traffic: PROFILE=burst LOAD=0.2 SECONDS=60 DELIVERY=exactly_once TEXTS=folder
	$(BIN)/python -m load_tests.bench --profile $(or $(PROFILE),steady) --load $(or $(LOAD),0.5) --out build/bench \
	  --seconds $(or $(SECONDS),60) --delivery $(or $(DELIVERY),at_least_once) $(TEXTS_OPTION)

versus: .venv/.all ## Settings side by side: WAYS="MODERATION_BATCH_TOKENS=256 MODERATION_BATCH_TOKENS=512" RATE=100 PROFILE=steady ROUNDS=3
	$(BIN)/python -m load_tests.bench.versus --profile $(or $(PROFILE),steady) --rate $(or $(RATE),100) \
	  --rounds $(or $(ROUNDS),3) $(WAYS)

scale: .venv/.all ## A backlog drained by more processors, partitions and workers of this machine: ROUNDS=3
	$(BIN)/python -m load_tests.scale --rounds $(or $(ROUNDS),3)

growth: .venv/.all ## Time and memory of longer posts, larger backlogs (a million posts) and budgets: build/growth
	$(BIN)/python -m load_tests.growth

profile: .venv/.all ## Where a worker's processor time goes while it drains a backlog; TEXTS=folder of lines
	$(BIN)/python -m load_tests.bench.profile $(TEXTS_OPTION)

image: ## The serving image, by Docker or else by buildah: TAG=latest BASE=python:3.11-slim-bookworm EXTRA=tracing
	deploy/image/build.sh

manifests: .venv/.manifests ## Check an overlay: OVERLAY=deploy/kubernetes/overlays/example EXISTS=Secret/name CRDS=folder of definitions
	$(BIN)/python -m tests.deploy $(or $(OVERLAY),deploy/kubernetes/overlays/example) $(if $(CRDS),--crds $(CRDS)) \
	  $(addprefix --exists ,$(EXISTS))

docs: .venv/.all ## Write the generated pages anew
	$(BIN)/python -m worker.settings > docs/settings.md
	$(BIN)/python -m worker.ops.metrics > docs/metrics.md
	$(BIN)/python -m deploy.grafana
	$(MAKE) rules

RULE = deploy/kubernetes/components/alerts/prometheus-rule.yaml
rules: ## Write the Prometheus operator's rules anew, from deploy/prometheus/rules.yaml
	@sed '/^spec:/q' $(RULE) > $(RULE).new
	sed 's/^./  &/' deploy/prometheus/rules.yaml >> $(RULE).new && mv $(RULE).new $(RULE)

COMPILE = .venv-lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock: ## Resolve the lock files anew
	$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install -q uv
	$(COMPILE) requirements/build.in -o requirements/build.txt
	$(COMPILE) pyproject.toml -o requirements/serving.txt
	$(COMPILE) pyproject.toml --extra demo -o requirements/demo.txt
	$(COMPILE) pyproject.toml --extra tracing -o requirements/tracing.txt
	$(COMPILE) pyproject.toml requirements/manifests.in --extra tracing -o requirements/manifests.txt
	$(COMPILE) pyproject.toml --extra demo --extra tracing --extra modeling --extra dev -o requirements/all.txt

ci-tools: ## What the tests need beside Python: Java, Maven, Prometheus, buildah, mmdebstrap; kustomize (by Go)
	@command -v prometheus >/dev/null && command -v promtool >/dev/null || \
	  { apt-get update -qq && RUNLEVEL=1 apt-get install -y -qq --no-install-recommends prometheus; }  # its service is not wanted
	@command -v buildah >/dev/null && command -v mmdebstrap >/dev/null || \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends buildah mmdebstrap; }
	@command -v kubectl >/dev/null || test -x .cache/bin/kustomize || \
	  GOBIN=$(CURDIR)/.cache/bin go install sigs.k8s.io/kustomize/kustomize/v5@v5.5.0
	@java -version 2>&1 | grep -qE 'version "(1[7-9]|[2-9][0-9])' && command -v mvn >/dev/null || \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends openjdk-17-jre-headless maven; }

clean: ## Remove what the targets made
	rm -rf .venv .venv-lock .cache dist

# One environment grows with what is asked of it: serving < demo < all.
.venv/.serving: requirements/serving.txt pyproject.toml
	$(call install,serving)

.venv/.demo: requirements/demo.txt pyproject.toml
	$(call install,demo)

.venv/.manifests: requirements/manifests.txt pyproject.toml
	$(call install,manifests)

.venv/.all: requirements/all.txt pyproject.toml
	$(call install,all)

define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is not Python 3.11 or later: name one with PYTHON=..." >&2; exit 1; }
	@{ test -f .venv/pyvenv.cfg && $(BIN)/python -m pip --version; } >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(PIP) --require-hashes -r requirements/build.txt -r requirements/$(1).txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch .venv/.$(1)
endef
