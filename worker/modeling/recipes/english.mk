# The English bundle, from data to model card. Each step is a file or a directory: what is there is not made again, and
# an interrupted training goes on from its checkpoint. But a file of DATA that is newer than what was made of it has the students
# looked at again (seconds), and all four pupils are then taught anew (two hours).
#
#   make -j2 -f worker/modeling/recipes/english.mk DATA=... OUT=...          from the teachers' kept scores (3.5 hours)
#   make -j2 -f worker/modeling/recipes/english.mk DATA=... OUT=... TEACH=1  their teachers too (not timed), in an OUT of its own
#
# Each training has one thread: its sums then come in one order, however many cores there are, and on one kind of CPU and one
# PyTorch it gives the same figures again (docs/experiments.md). So two go side by side.
#
# DATA: <source>.train.jsonl and <source>.dev.jsonl (docs/models.md says what a row is), and unlabelled posts in
# reddit/*.zst, one a line. OUT: where everything is made. Maven fetches the encoders. Times: 2 cores that multiply bfloat16.

export OMP_NUM_THREADS := 1

DATA ?= data
OUT ?= english
MODEL ?= .venv/bin/moderation-model
HERE := $(dir $(lastword $(MAKEFILE_LIST)))

LABELLED := $(patsubst %,$(DATA)/%.train.jsonl,hatexplain davidson dynahate mhs toxigen)
SPANS := $(DATA)/toxic_spans.train.jsonl
DEV := $(patsubst %,$(DATA)/%.dev.jsonl,hatexplain davidson dynahate mhs)
TEXTS := $(sort $(wildcard $(DATA)/reddit/*.zst))
MADE_UP := $(OUT)/augmentation.train.jsonl
CONTRASTS := $(OUT)/contrasts.train.jsonl
REDDIT := $(OUT)/unlabelled/reddit.jsonl
CLEAN := $(OUT)/unlabelled/clean.jsonl
COPIES := $(OUT)/unlabelled/perturbed.jsonl
TWICE := $(OUT)/unlabelled/perturbed-twice.jsonl
PUPILS := $(patsubst %,$(OUT)/%,small-0 small-1 plain-0 plain-1)
NAME := english-hate-offensive
VERSION := 2.8.0
NORMALISE := --normalise handles=placeholder urls=placeholder emoji=names repeats=squeeze lookalikes=fold

# Teachers' logits of every post below, without its text, and for the card how the best two were trained:
#
#   english/teachers.npz   teacher-bge, teacher-e5        for student, other, deep and base
#   english/students.npz   student, other, twice deep     for plain-0, small-0
#   english/best.npz       deep, twice base               for plain-1, small-1
#
# The first names the posts of TEXTS too, which an earlier bundle chose. The first two are older than heads of sources that keep
# silent of labels they never learnt: what they say of `offensive` is drawn to 0 in DynaHate's, MHS's and ToxiGen's posts, by a
# quarter in the first, by half in the second. TEACH=1 makes all three anew, without that.
SHIPPED := $(HERE)english
ifdef TEACH
KNOWN := $(OUT)
TEACHERS := $(OUT)/teacher-bge/metrics.json $(OUT)/teacher-e5/metrics.json
STUDENTS := $(OUT)/student/metrics.json $(OUT)/other/metrics.json $(OUT)/deep/metrics.json
BEST := $(OUT)/deep/metrics.json $(OUT)/base/metrics.json
else
KNOWN := $(SHIPPED)
endif
# $(call BY,scores,trainings): whose scores a distillation learns, and with TEACH=1 the teachers that make them.
BY = --scores $(KNOWN)/$(1).npz $(if $(TEACH),--teacher $(patsubst %/,%,$(dir $(2))))

.DELETE_ON_ERROR:
.PHONY: all
all: $(OUT)/bundle/MODEL_CARD.md

$(OUT)/encoders/%/config.json:
	$(MODEL) warm-start $* --out $(@D)

$(MADE_UP): $(LABELLED)
	$(MODEL) augment --out $@ --spelling $^

$(CONTRASTS):
	$(MODEL) augment --contrasts --out $@

$(COPIES): $(LABELLED)
	$(MODEL) perturb --posts $^ --out $@
$(TWICE): $(LABELLED)
	$(MODEL) perturb --posts $^ --copies 2 --out $@

$(REDDIT): $(TEXTS)
	$(MODEL) select --scores $(SHIPPED)/teachers.npz --texts $^ --out $@ --clean-out $(CLEAN)
$(CLEAN): $(REDDIT)
	@touch -c $@

$(OUT)/teacher-bge/metrics.json: $(OUT)/encoders/bge-small-en-v15/config.json
	$(MODEL) train --encoder $(<D) --out $(@D) --train $(LABELLED) --dev $(DEV) --epochs 2 --learning-rate 8e-5

$(OUT)/teacher-e5/metrics.json: $(OUT)/encoders/e5-small-v2/config.json $(MADE_UP)
	$(MODEL) train --encoder $(<D) --out $(@D) --train $(LABELLED) $(MADE_UP) --dev $(DEV) $(NORMALISE) \
	  --source-heads 0.5 --average 0.999 --epochs 2 --learning-rate 8e-5

# Four students. Of Davidson's posts 6 % are hateful, of other sources' 31 to 55 %: they are given each source's log-odds, three of
# them in part, so that no source's style decides, and look more at Davidson's and MHS's posts, the two they rank worst.
LEARN = $(MODEL) distill --encoder $(<D) --out $(@D) $(call BY,teachers,$(TEACHERS)) \
  --teacher-weight 0.3 --unlabelled $(COPIES) $(OTHERS) --train $(LABELLED) $(MADE_UP) --dev $(DEV) \
  $(NORMALISE) --source-heads 0.3 --average 0.999
OTHERS = $(REDDIT) $(CLEAN) $(SPANS)
LEARNT := $(MADE_UP) $(COPIES) $(REDDIT) $(CLEAN) $(TEACHERS)

$(OUT)/student/metrics.json: $(OUT)/encoders/all-minilm-l6-v2/config.json $(LEARNT)
	$(LEARN) --encoder-dropout 0.1 --epochs 2 --learning-rate 1.2e-4 --source-priors 1 --source-weight davidson=3 mhs=1.5

$(OUT)/other/metrics.json: $(OUT)/encoders/all-minilm-l6-v2/config.json $(LEARNT)
	$(LEARN) --encoder-dropout 0.1 --epochs 2 --learning-rate 1.2e-4 --source-priors 0.5 --source-weight davidson=3 mhs=2 --seed 1

# Twelve layers, for one pass.
$(OUT)/deep/metrics.json: $(OUT)/encoders/bge-small-en-v15/config.json $(LEARNT)
	$(LEARN) --epochs 1 --learning-rate 1e-4 --source-priors 0.7 --source-weight davidson=3 mhs=2 --seed 2

# BERT-base, on the sources' posts, one copy of each and the augmentation alone, for it is slow: 85 minutes on two threads.
$(OUT)/base/metrics.json: OTHERS :=
$(OUT)/base/metrics.json: $(OUT)/encoders/google-bert-base-uncased/config.json $(MADE_UP) $(COPIES) $(TEACHERS)
	$(LEARN) --epochs 1 --learning-rate 5e-5 --source-priors 0.7 --source-weight davidson=3 mhs=2 --seed 3

# The mean of two, which began at one encoder.
$(OUT)/mean/metrics.json: $(OUT)/student/metrics.json $(OUT)/other/metrics.json
	rm -rf $(@D)
	$(MODEL) average --classifier $(patsubst %/,%,$(dir $^)) --out $(@D)

# Embeddings of 128 dimensions: a third of the file less. What that loses the students teach, without labels.
# What was learnt from other ones goes.
$(OUT)/encoder-128/config.json: $(OUT)/mean/metrics.json $(STUDENTS) $(BEST) $(REDDIT)
	rm -rf $(@D) $(OUT)/students.npz $(OUT)/best.npz $(PUPILS)
	$(MODEL) warm-start $(<D) --factorise 128 --texts $(LABELLED) $(REDDIT) $(NORMALISE) --out $(@D)

# The small one: four pupils, two of each choice of teachers. The last of each choice is the best and is given twice, so it counts
# double. Two copies of each post, because what is short is not what the students know but posts that they speak of. One pupil of
# each choice learns the contrasts too, by their labels, for these came after the teachers. Those two know more of stance, the other
# two rank Davidson's posts better.
MORE :=
SMALL = $(MODEL) distill --encoder $(<D) --out $(@D) --teacher-weight 1 --unlabelled $(TWICE) $(REDDIT) \
  --train $(DATA)/toxigen.train.jsonl $(MADE_UP) $(MORE) --dev $(DEV) $(NORMALISE) \
  --dropout 0.1 --average 0.999 --epochs 2 --learning-rate 1e-4 --source-weight davidson=2 mhs=1.5
SPOKEN_OF := $(TWICE) $(REDDIT) $(MADE_UP)

$(OUT)/plain-0/metrics.json $(OUT)/small-0/metrics.json: $(OUT)/encoder-128/config.json $(STUDENTS) $(SPOKEN_OF)
	$(SMALL) $(call BY,students,$(STUDENTS) $(lastword $(STUDENTS)))

$(OUT)/plain-1/metrics.json $(OUT)/small-1/metrics.json: $(OUT)/encoder-128/config.json $(BEST) $(SPOKEN_OF)
	$(SMALL) $(call BY,best,$(BEST) $(lastword $(BEST)))

$(OUT)/small-0/metrics.json $(OUT)/small-1/metrics.json: MORE := $(CONTRASTS) --own-labels contrasts
$(OUT)/small-0/metrics.json $(OUT)/small-1/metrics.json: $(CONTRASTS)

$(OUT)/small/metrics.json: $(PUPILS:%=%/metrics.json)
	rm -rf $(@D)
	$(MODEL) average --classifier $(patsubst %/,%,$(dir $^)) --out $(@D)

$(OUT)/bundle/manifest.json: $(OUT)/small/metrics.json
	$(MODEL) export --classifier $(<D) --out $(@D) --name $(NAME) --version $(VERSION) \
	  --calibration $(LABELLED) $(SPANS) $(REDDIT) --dev $(DEV) --typical $(firstword $(TEXTS))

EVALUATE = $(MODEL) evaluate --bundle $(@D) --data $(DEV) --json $@ \
  --baseline --baseline-per-source --train $(LABELLED) --cache $(OUT)/floors

$(OUT)/bundle/evaluation.json: $(OUT)/bundle/manifest.json
	$(EVALUATE) --half report --report $(OUT)/report --unlabelled $(firstword $(TEXTS)) --speed-posts 2000

# Not beside the one above, whose speed is measured.
$(OUT)/bundle/evaluation-all.json: $(OUT)/bundle/manifest.json | $(OUT)/bundle/evaluation.json
	$(EVALUATE)

$(OUT)/bundle/suite.json: $(OUT)/bundle/manifest.json | $(OUT)/bundle/evaluation.json
	$(MODEL) suite --bundle $(@D) --json $@

$(OUT)/bundle/MODEL_CARD.md: $(patsubst %,$(OUT)/bundle/%.json,evaluation evaluation-all suite)
	$(MODEL) card --bundle $(@D) --classifier $(OUT)/small --teachers $(KNOWN)/deep $(KNOWN)/base \
	  --about $(HERE)english.toml \
	  --metrics 'Development posts=$(@D)/evaluation.json' 'All development posts=$(@D)/evaluation-all.json'
