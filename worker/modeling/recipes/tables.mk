# What the choices behind the English bundle are worth, measured. docs/experiments.md has the results.
#
#   make -f worker/modeling/recipes/tables.mk DATA=... OUT=... TARGET     (OUT is that of english.mk, made before)
#
# heads, encoders and shapes look at the students that taught the small one: they, and so all, want an OUT made with TEACH=1.
#
# ablation    each option of the normaliser and emoji as spare rows of the vocabulary: 3 seeds, in domain and without a source
# choices     an encoder pretrained further on the unlabelled posts, explanation regularisation, near-twins: likewise
# priors      each source's log-odds given in training, and not
# factorised  the mean of both students, with embeddings of 128 dimensions, taught for one more pass over all posts; and that pass without
# terms       what identity terms carry, with explanation regularisation and without
# heads       what one source's head is worth on others' posts, and whether a mixture of heads passes all floors
# explained   plausibility and faithfulness of explanations, and what identity terms carry, by every method
# encoders    architectures side by side
# shapes      TinyBERT's, trained from random weights for that table
# Everything that trains goes on where it was interrupted.

DATA ?= data
OUT ?= english
MODEL ?= .venv/bin/moderation-model
HERE := $(dir $(lastword $(MAKEFILE_LIST)))
TABLES := $(OUT)/tables

LABELLED := $(patsubst %,$(DATA)/%.train.jsonl,hatexplain davidson dynahate mhs toxigen)
DEV := $(patsubst %,$(DATA)/%.dev.jsonl,hatexplain davidson dynahate mhs)
SPANS := $(DATA)/toxic_spans.train.jsonl
TEXTS := $(sort $(wildcard $(DATA)/reddit/*.zst))
ENCODER := $(OUT)/encoders/all-minilm-l6-v2
UNLABELLED := $(patsubst %,$(OUT)/unlabelled/%.jsonl,perturbed reddit clean)
NORMALISE := --normalise handles=placeholder urls=placeholder emoji=names repeats=squeeze lookalikes=fold
BASE := --encoder $(ENCODER) --train $(LABELLED) --dev $(DEV) --learning-rate 1e-4
STUDENT := $(OUT)/student/metrics.json
SHAPES := $(TABLES)/tinybert/metrics.json
EXPLAINED := $(DATA)/hatexplain.dev.jsonl $(DATA)/toxic_spans.dev.jsonl

.DELETE_ON_ERROR:
.PHONY: all ablation choices priors factorised terms heads explained encoders shapes
all: explained factorised terms priors choices ablation heads encoders

$(ENCODER)/config.json:
	rm -rf $(@D)
	$(MODEL) warm-start $(notdir $(@D)) --out $(@D)

$(OUT)/augmentation.train.jsonl: $(LABELLED)
	$(MODEL) augment --out $@ --spelling $^

ablation: $(TABLES)/emoji-rows/config.json $(ENCODER)/config.json
	$(MODEL) ablate $(BASE) --epochs 1 --posts 1500 --out $(TABLES)/ablation --leave-out davidson \
	  --only quotes handles urls numbers emoji repeats lookalikes --also encoder=$(<D)

choices: $(TABLES)/reddit/config.json
	$(MODEL) ablate $(BASE) --epochs 1 --posts 1500 --out $(TABLES)/choices --leave-out davidson --only \
	  --also encoder=$(<D) explanation_weight=1 pair_weight=0.5

# Half of the posts, once.
priors: $(patsubst %,$(TABLES)/priors/%/metrics.json,none half whole weighted heavy heaviest)
PART = $(MODEL) train --encoder $(ENCODER) --dev $(DEV) $(NORMALISE) --fold 0 --epochs 1 --learning-rate 1.2e-4 \
  --source-heads 0.3 --out $(@D) --train $(LABELLED)

$(TABLES)/priors/none/metrics.json: $(ENCODER)/config.json
	$(PART)

$(TABLES)/priors/half/metrics.json: $(ENCODER)/config.json
	$(PART) --source-priors 0.5

$(TABLES)/priors/whole/metrics.json: $(ENCODER)/config.json
	$(PART) --source-priors 1

$(TABLES)/priors/weighted/metrics.json: $(ENCODER)/config.json
	$(PART) --source-priors 1 --source-weight davidson=3 mhs=1.5

$(TABLES)/priors/heavy/metrics.json: $(ENCODER)/config.json
	$(PART) --source-priors 1 --source-weight davidson=4 mhs=4

$(TABLES)/priors/heaviest/metrics.json: $(ENCODER)/config.json
	$(PART) --source-priors 1 --source-weight davidson=8 mhs=8 dynahate=0.5

factorised: $(patsubst %,$(TABLES)/%/metrics.json,factorised continued)
PASS = $(MODEL) distill --encoder $(<D) --out $(@D) --scores $(HERE)english/teachers.npz --teacher-weight 0.3 \
  --unlabelled $(UNLABELLED) $(SPANS) --train $(LABELLED) $(OUT)/augmentation.train.jsonl --dev $(DEV) $(NORMALISE) \
  --source-heads 0.3 --encoder-dropout 0.1 --average 0.999 --epochs 1 --learning-rate 6e-5

$(TABLES)/factorised/metrics.json: $(OUT)/encoder-128/config.json $(OUT)/augmentation.train.jsonl
	$(PASS)

$(TABLES)/continued/metrics.json: $(OUT)/mean/metrics.json $(OUT)/augmentation.train.jsonl
	$(PASS)

terms: $(TABLES)/plain/terms.json $(TABLES)/regularised/terms.json
$(TABLES)/%/terms.json: $(TABLES)/%/metrics.json
	$(MODEL) explain --classifier $(@D) --measure --data $(EXPLAINED) --posts 200 --json $@

TERMS = $(MODEL) train --encoder $(ENCODER) --train $(DATA)/hatexplain.train.jsonl $(DATA)/davidson.train.jsonl \
  --dev $(DEV) --learning-rate 1e-4 --epochs 2 --out $(@D)

$(TABLES)/plain/metrics.json: $(ENCODER)/config.json
	$(TERMS)

$(TABLES)/regularised/metrics.json: $(ENCODER)/config.json
	$(TERMS) --explanation-weight 1

heads: $(OUT)/bundle/evaluation-all.json $(OUT)/deep/metrics.json $(OUT)/base/metrics.json
	$(MODEL) heads --classifier $(OUT)/deep $(OUT)/base $(OUT)/base --data $(DEV) --floors $<

explained: $(patsubst %,$(TABLES)/%.json,occlusion masking gradients)
$(TABLES)/occlusion.json $(TABLES)/masking.json: $(OUT)/bundle/manifest.json
	$(MODEL) explain --bundle $(<D) --method $(basename $(@F)) --measure --data $(EXPLAINED) --posts 200 --json $@

$(TABLES)/gradients.json: $(STUDENT)
	$(MODEL) explain --classifier $(<D) --measure --data $(EXPLAINED) --posts 200 --json $@

encoders: $(TABLES)/encoders/encoders.json
$(TABLES)/encoders/encoders.json: $(STUDENT) $(OUT)/deep/metrics.json $(OUT)/base/metrics.json $(OUT)/small/metrics.json $(SHAPES)
	rm -rf $(@D)
	$(MODEL) encoders --out $(@D) --data $(DEV) --count 600 --classifier \
	  'ELECTRA 6x384=$(OUT)/student' 'ELECTRA 6x384/128=$(OUT)/small' \
	  'ELECTRA 12x384=$(OUT)/deep' 'BERT-base 12x768=$(OUT)/base' \
	  'TinyBERT 4x312=$(TABLES)/tinybert'

# A shape whose own weights cannot be had, from random ones: pretrained shortly, then taught by the students for one pass.
# (ELECTRA-small's twelve layers learn nothing so: after 1,400 steps of distill, at 3e-4, the loss is still that of the base rates.)
shapes: $(SHAPES)
$(TABLES)/tinybert-encoder/config.json: $(ENCODER)/config.json
	rm -rf $(@D)
	$(MODEL) pretrain --texts $(firstword $(TEXTS)) --vocabulary $(<D)/tokenizer.json --steps 300 $(NORMALISE) --out $(@D) \
	  --layers 4 --hidden 312 --embedding 312 --heads 12 --intermediate 1200

$(TABLES)/tinybert/metrics.json: $(TABLES)/tinybert-encoder/config.json $(STUDENT) $(OUT)/other/metrics.json $(OUT)/deep/metrics.json
	$(MODEL) distill --encoder $(<D) --out $(@D) --teacher $(OUT)/student $(OUT)/other $(OUT)/deep --scores $(@D)-teachers.npz --teacher-weight 1 \
	  --unlabelled $(OUT)/unlabelled/perturbed.jsonl $(OUT)/unlabelled/reddit.jsonl --train $(DATA)/toxigen.train.jsonl --dev $(DEV) \
	  $(NORMALISE) --dropout 0.1 --average 0.999 --epochs 1 --learning-rate 3e-4

$(TABLES)/emoji-rows/config.json:
	$(MODEL) warm-start all-minilm-l6-v2 --emoji-rows 200 --texts $(LABELLED) --out $(@D)

$(TABLES)/reddit/config.json: $(ENCODER)/config.json
	rm -rf $(@D)
	$(MODEL) pretrain --encoder $(ENCODER) --texts $(firstword $(TEXTS)) --steps 150 --out $(@D)
