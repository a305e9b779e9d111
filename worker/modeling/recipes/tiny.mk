# Every step of making a model, on made-up posts: from a fresh clone, without data, network or GPU.
#
#   make .venv/.all && make -f worker/modeling/recipes/tiny.mk            (about two minutes on one core)
#   MODERATION_BUNDLE=build/tiny/bundle .venv/bin/moderation-worker classify build/tiny/forum.dev.jsonl
#
# OUT: where everything is made. Each step is a file or a directory: what is there is not made again. The model knows
# its templates, no language: it shows the way, and the tests go it. A model to use takes posts of your own and a
# pretrained encoder (docs/models.md).

OUT ?= build/tiny
MODEL ?= .venv/bin/moderation-model
HERE := $(dir $(lastword $(MAKEFILE_LIST)))

TRAIN := $(OUT)/forum.train.jsonl
DEV := $(OUT)/forum.dev.jsonl
TEXTS := $(OUT)/texts.jsonl
BUNDLE := $(OUT)/bundle
# Learning rates are higher here than a pretrained encoder stands (default 1e-4): these start from next to nothing.
TRAINING := --train $(TRAIN) --dev $(DEV) --max-length 64
# Wider than the bounds of a model to use, which are the defaults: another CPU trains slightly other weights.
EXPORT := --version 1.0.0 --overlap 16 --calibration $(TRAIN) --dev $(DEV) \
  --max-auroc-cost 0.01 --max-flips 0.05 --max-clear-flips 0.03

.DELETE_ON_ERROR:
.PHONY: all tune
all: $(BUNDLE)/MODEL_CARD.md $(OUT)/policy.json $(OUT)/page.html

# Labelled posts for training and development, and texts whose labels nobody looks at.
$(TRAIN):
	$(MODEL) augment --posts 2400 --seed 1 --out $@

$(DEV):
	$(MODEL) augment --posts 800 --seed 2 --out $@

$(TEXTS):
	$(MODEL) augment --posts 6000 --seed 3 --out $@

# An encoder from nothing, its vocabulary too; usually `warm-start all-minilm-l6-v2` stands here.
$(OUT)/encoder/config.json: $(TEXTS)
	$(MODEL) pretrain --texts $(TEXTS) --out $(@D) --train-vocabulary 2000 --size tiny \
	  --layers 4 --hidden 64 --embedding 64 --heads 4 --intermediate 256 --max-length 64 --steps 100

# The student's: half the layers, embeddings factorised.
$(OUT)/small/config.json: $(OUT)/encoder/config.json $(TEXTS)
	$(MODEL) warm-start $(<D) --out $(@D) --layers 0,2 --factorise 32 --texts $(TEXTS)

$(OUT)/teacher/metrics.json: $(OUT)/encoder/config.json $(TRAIN) $(DEV)
	$(MODEL) train --encoder $(<D) --out $(@D) $(TRAINING) --epochs 4 --learning-rate 1e-3 \
	  --source-heads 0.3

# Posts that the teacher never saw: those of the texts that say most, and copies of the labelled ones.
$(OUT)/baseline/manifest.json: $(OUT)/teacher/metrics.json
	$(MODEL) export --classifier $(<D) --out $(@D) --name baseline --quantization fp32 $(EXPORT)

$(OUT)/chosen.jsonl: $(OUT)/baseline/manifest.json $(TEXTS)
	$(MODEL) select --bundle $(<D) --texts $(TEXTS) --count 1200 --pool 4000 --out $@

$(OUT)/copies.jsonl: $(TRAIN)
	$(MODEL) perturb --posts $(TRAIN) --out $@

$(OUT)/student/metrics.json: $(OUT)/small/config.json $(OUT)/teacher/metrics.json $(OUT)/chosen.jsonl $(OUT)/copies.jsonl
	$(MODEL) distill --encoder $(<D) --teacher $(OUT)/teacher --scores $(OUT)/scores.npz \
	  --unlabelled $(OUT)/chosen.jsonl $(OUT)/copies.jsonl --out $(@D) $(TRAINING) --epochs 6 --learning-rate 2e-3 \
	  --normalise emoji=names

$(BUNDLE)/manifest.json: $(OUT)/student/metrics.json
	$(MODEL) export --classifier $(<D) --out $(@D) --name tiny $(EXPORT)

$(OUT)/bundle.json: $(BUNDLE)/manifest.json
	$(MODEL) evaluate --bundle $(<D) --data $(DEV) --half report --json $@ --report $(OUT)/report \
	  --baseline --train $(TRAIN)

$(OUT)/suite.json: $(BUNDLE)/manifest.json
	$(MODEL) suite --bundle $(<D) --json $@

$(OUT)/policy.json: $(BUNDLE)/manifest.json
	$(MODEL) thresholds --bundle $(<D) --data $(DEV) --precision 0.8 --out $@

$(OUT)/page.html: $(BUNDLE)/manifest.json
	$(MODEL) explain --bundle $(<D) --text "Immigrants are vermin and should be thrown out." --html $@

$(BUNDLE)/MODEL_CARD.md: $(OUT)/bundle.json $(OUT)/suite.json
	$(MODEL) card --bundle $(@D) --classifier $(OUT)/student --about $(HERE)tiny.toml \
	  --metrics 'Development posts=$(OUT)/bundle.json'

# Apart from the rest, because Ray starts slowly.
tune: $(OUT)/encoder/config.json $(TRAIN) $(DEV)
	$(MODEL) tune --encoder $(<D) --out $(OUT)/tuned $(TRAINING) --epochs 2 --trials 2 \
	  --search learning_rate=3e-4..3e-3:log dropout=0.1,0.3
