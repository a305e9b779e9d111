# The bundle that the worker ships, from data to model card. Each step is a file or a directory: what is there is not
# made again, and an interrupted training goes on from its checkpoint.
#
#   make -f worker/modeling/recipes/english.mk DATA=... OUT=...          from the teachers' kept scores (about an hour)
#   make -f worker/modeling/recipes/english.mk DATA=... OUT=... teach    teachers and their scores too (hours more)
#
# DATA: <source>.train.jsonl and <source>.dev.jsonl (docs/models.md says what a row is), and unlabelled posts in
# $(DATA)/reddit/*.zst, one a line. OUT: where everything is made. Times: 2 cores.

DATA ?= data
OUT ?= english
MODEL ?= .venv/bin/moderation-model
HERE := $(dir $(lastword $(MAKEFILE_LIST)))

LABELLED := hatexplain davidson dynahate mhs toxigen
TAUGHT := $(LABELLED:%=$(DATA)/%.train.jsonl)
SPANS := $(DATA)/toxic_spans.train.jsonl
DEV := $(addprefix $(DATA)/,hatexplain.dev.jsonl davidson.dev.jsonl dynahate.dev.jsonl mhs.dev.jsonl)
TEXTS := $(wildcard $(DATA)/reddit/*.zst)
SCORES := $(HERE)english-teachers.npz
NAME := english-hate-offensive
VERSION := 2.0.0
NORMALISE := handles=placeholder urls=placeholder emoji=names repeats=squeeze lookalikes=fold

.DELETE_ON_ERROR:
.PHONY: all teach
all: $(OUT)/bundle/MODEL_CARD.md $(OUT)/suite.json

$(OUT)/%/config.json:
	$(MODEL) warm-start $* --out $(@D)

$(OUT)/augmentation.train.jsonl: $(TAUGHT)
	$(MODEL) augment --out $@ --spelling $^

$(OUT)/unlabelled/reddit.jsonl: $(SCORES)
	$(MODEL) select --scores $(SCORES) --texts $(TEXTS) --out $@ --clean-out $(@D)/clean.jsonl

STUDENT := --scores $(OUT)/teachers.npz --teacher-weight 0.5 --unlabelled $(OUT)/unlabelled/reddit.jsonl \
  --clean $(OUT)/unlabelled/clean.jsonl --train $(TAUGHT) $(SPANS) $(OUT)/augmentation.train.jsonl --dev $(DEV) \
  --normalise $(NORMALISE) --source-weight toxic_spans=0.5 --source-heads 0.3 --epochs 3 --learning-rate 1e-4

$(OUT)/student/metrics.json: $(OUT)/all-minilm-l6-v2/config.json $(OUT)/augmentation.train.jsonl $(OUT)/unlabelled/reddit.jsonl
	test -f $(OUT)/teachers.npz || cp $(SCORES) $(OUT)/teachers.npz
	$(MODEL) distill --encoder $(<D) --out $(@D) $(STUDENT)

EXPORT = $(MODEL) export --classifier $(OUT)/student --out $(@D) --name $(NAME) --version $(VERSION) \
  --calibration $(TAUGHT) $(SPANS) --dev $(DEV)

$(OUT)/bundle/manifest.json: $(OUT)/student/metrics.json
	$(EXPORT)

$(OUT)/fp32/manifest.json: $(OUT)/student/metrics.json
	$(EXPORT) --quantization fp32

$(OUT)/bundle.json: $(OUT)/bundle/manifest.json $(OUT)/fp32/manifest.json
	$(MODEL) evaluate --bundle $(OUT)/bundle --reference $(OUT)/fp32 --half report --data $(DEV) --json $@ \
	  --baseline --baseline-per-source --train $(TAUGHT) --cache $(OUT)/floors --report $(OUT)/report

$(OUT)/suite.json: $(OUT)/bundle/manifest.json
	$(MODEL) suite --bundle $(OUT)/bundle --json $@

$(OUT)/bundle/MODEL_CARD.md: $(OUT)/bundle.json
	$(MODEL) card --bundle $(OUT)/bundle --classifier $(OUT)/student \
	  --encoder 'all-MiniLM-L6-v2 by sentence-transformers (6 layers of 384, 12 heads; Apache-2.0)' \
	  --vocabulary 'the uncased English WordPiece vocabulary of BERT by Google (30,522 pieces; Apache-2.0)' \
	  --metrics 'Development posts=$(OUT)/bundle.json'

# What came before the kept scores: the teacher, the posts that an earlier bundle chose, and the teacher's scores.
teach: $(OUT)/teacher/metrics.json
	$(MODEL) distill --teacher $(OUT)/teacher --encoder $(OUT)/all-minilm-l6-v2 --out $(OUT)/student $(STUDENT)

$(OUT)/teacher/metrics.json: $(OUT)/bge-small-en-v15/config.json
	$(MODEL) train --encoder $(<D) --out $(@D) --train $(TAUGHT) --dev $(DEV) --epochs 2 --learning-rate 8e-5
