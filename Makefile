# make            build/shakedown        make check      unit, golden, corpus replay, live
# make demo       a suite that passes    make demo-breach  its twin that must breach
# make unit       the fast part of check make bench      costs and accuracy of the engine
# make bench-peers  the same side by side with wrk, h2load, hey and a raw epoll client
# make fuzz       clang, 60 s a target   make lint       format, layers, lone headers, sizes
# make deps       Debian packages        make docs       reference and schema from the tables
# make install    PREFIX, DESTDIR        make format     clang-format, in place
#
# One Makefile, no recursion.  SAN=address|thread|debug|cov selects a variant; each has a build folder of
# its own, so switching between them rebuilds nothing.  `make SAN=address check` works for any target.
# Whatever is built first installs the Debian packages that are missing (ci/deps.sh).

CC     ?= cc
SAN    ?=
B      := build$(if $(SAN),/$(SAN))
PREFIX ?= /usr/local

PKGS   := yaml-0.1 libevent libcurl openssl jansson libpcre2-8 libxml-2.0 libnghttp2 libpq sqlite3 \
          libprotobuf-c libsodium
GEN    := $B/gen
CSTD   := -std=gnu11 -D_GNU_SOURCE -Isrc -isystem $(GEN)
WARN   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef \
          -Wpointer-arith -Wno-missing-field-initializers $(if $(filter true 1,$(CI)),-Werror)
MODE_         := -O2 -g
MODE_address  := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
MODE_thread   := -O1 -g -fsanitize=thread
MODE_debug    := -O0 -g3
MODE_cov      := -O0 -g --coverage
MODE_fuzz     := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
MODE   := $(MODE_$(SAN))
ALL_CFLAGS = $(CSTD) $(WARN) $(MODE) $(PKG_CFLAGS) $(CFLAGS)
ALL_LIBS   = $(MODE) $(LDFLAGS) $(PKG_LIBS) -pthread -lm

# Bottom layer first: a file includes only from its own layer and those before it (make lint).
LAYERS := base net spec stats driver suite run target report cmd
SRC    := $(foreach d,$(LAYERS),$(sort $(wildcard src/$d/*.c)))
PROTO  := $(sort $(patsubst proto/%.proto,%,$(filter-out %/service.proto,$(wildcard proto/*/*/*.proto))))
PROTO_H := $(PROTO:%=$(GEN)/%.pb-c.h)
OBJ    := $(SRC:src/%.c=$B/%.o) $(PROTO:%=$B/proto/%.o)
UNIT   := $(sort $(wildcard tests/unit/*.c))
FUZZ   := $(sort $(basename $(notdir $(wildcard tests/fuzz/fuzz_*.c))))
FUZZ_B := $B/fuzz

all: $B/shakedown

# The flags of the libraries are known only once their packages are there.  Make brings an included
# file up to date before anything else and then starts over, now knowing them.
ifneq ($(filter-out clean,$(or $(MAKECMDGOALS),all)),)
include $B/config.mk
endif

$B/config.mk: Makefile ci/deps.sh
	@ci/deps.sh build
	@mkdir -p $(@D)
	@c=$$(pkg-config --cflags $(PKGS)) && l=$$(pkg-config --libs $(PKGS)) && \
	    printf 'PKG_CFLAGS := %s\nPKG_LIBS := %s\n' "$$c" "$$l" >$@

$B/deps-%: ci/deps.sh
	@ci/deps.sh $*
	@mkdir -p $(@D) && touch $@

$B/shakedown: $B/main.o $(OBJ)
	$(Q_LD)$(CC) -o $@ $^ $(ALL_LIBS)

$B/unit: $(UNIT:%.c=$B/%.o) $(OBJ)
	$(Q_LD)$(CC) -o $@ $^ $(ALL_LIBS) -lcmocka

# One message of the agent fleet through protobuf-c, to be held against Google's encoding.
$B/messages: $B/tests/peers/messages.o $(PROTO:%=$B/proto/%.o)
	$(Q_LD)$(CC) -o $@ $^ $(ALL_LIBS)

$B/tests/peers/messages.o: | $(PROTO_H)

$B/replay_%: $B/tests/fuzz/fuzz_%.o $B/tests/fuzz/replay.o $(OBJ)
	$(Q_LD)$(CC) -o $@ $^ $(ALL_LIBS)

$(FUZZ_B)/fuzz_%: $(FUZZ_B)/tests/fuzz/fuzz_%.o $(OBJ:$B/%=$(FUZZ_B)/%)
	$(Q_LD)clang $(MODE_fuzz) -fsanitize=fuzzer -o $@ $^ $(LDFLAGS) $(PKG_LIBS) -pthread -lm

COMPILE = $(Q_CC)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
$(FUZZ_B)/%.o: CC := clang
$(FUZZ_B)/%.o: MODE := $(MODE_fuzz)

$(FUZZ_B)/%.o: src/%.c | $B/deps-fuzz
	$(COMPILE)

$(FUZZ_B)/tests/%.o: tests/%.c | $B/deps-fuzz
	$(COMPILE)

$B/tests/%.o: tests/%.c | $B/deps-check
	$(COMPILE)

$B/%.o: src/%.c
	$(COMPILE)

# The tables of the certctl surface are part of the program.
$B/target/certctl_schema.o $(FUZZ_B)/target/certctl_schema.o: fixtures/seed/schema.sql

# protoc-c writes a header and a source for each .proto; the header stands for both.
$(GEN)/%.pb-c.h: proto/%.proto $B/config.mk
	@mkdir -p $(GEN) && protoc-c --proto_path=proto --c_out=$(GEN) $<

$B/proto/%.o: $(GEN)/%.pb-c.h
	$(Q_CC)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -w -MMD -MP -c -o $@ $(GEN)/$*.pb-c.c

$(FUZZ_B)/proto/%.o: $(GEN)/%.pb-c.h | $B/deps-fuzz
	$(Q_CC)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -w -MMD -MP -c -o $@ $(GEN)/$*.pb-c.c

$(OBJ) $(OBJ:$B/%=$(FUZZ_B)/%) $(UNIT:%.c=$B/%.o): | $(PROTO_H)

STAGES ?= unit golden replay live
REPLAY := $(FUZZ:fuzz_%=$B/replay_%)

check: $B/shakedown $B/unit $B/messages $(REPLAY) | $B/deps-check
	@ci/check.sh $B $(STAGES)

unit: $B/unit
	@ci/check.sh $B unit

golden live: $B/shakedown $B/messages | $B/deps-check
	@ci/check.sh $B $@

replay: $(REPLAY)
	@ci/check.sh $B replay

demo: $B/shakedown
	$B/shakedown run suites/demo.yaml

demo-breach: $B/shakedown
	$B/shakedown run suites/demo.yaml --preset breach

bench: $B/shakedown $B/beat_floor | $B/deps-bench
	@tests/bench/bench.py $B/shakedown
	@tests/bench/sql.py $B/shakedown
	@tests/bench/flow.py $B/shakedown
	@tests/bench/acme.py $B/shakedown
	@tests/bench/fleet.py $B/shakedown

# A million agents: six minutes, 3 GiB.
bench-million: $B/shakedown | $B/deps-bench
	@tests/bench/fleet.py $B/shakedown million

$B/floor $B/beat_floor: $B/%: tests/bench/%.c
	$(Q_LD)mkdir -p $(@D) && $(CC) $(CSTD) $(WARN) -O2 -o $@ $<

bench-peers: $B/shakedown $B/floor | $B/deps-bench
	@ci/peers.sh $B/peers
	@tests/bench/peers.py $B/shakedown $B/floor $B/peers
	@tests/bench/slow.py $B/shakedown

# What the fuzzers find on their way lands under build/; the committed corpora hold seeds and one
# file for each past finding.
fuzz: $(FUZZ:%=$(FUZZ_B)/%)
	@set -e; for f in $(FUZZ); do \
	    mkdir -p $(FUZZ_B)/corpus/$$f; \
	    echo "  FUZZ $$f"; \
	    $(FUZZ_B)/$$f -max_total_time=$(or $(SECONDS),60) -timeout=10 -print_final_stats=1 \
	        -artifact_prefix=$(FUZZ_B)/$$f- $(FUZZ_B)/corpus/$$f tests/fuzz/corpus/$$f \
	        2>$(FUZZ_B)/$$f.log || { tail -40 $(FUZZ_B)/$$f.log; exit 1; }; \
	    grep -m1 number_of_executed_units $(FUZZ_B)/$$f.log; \
	done

lint: $B/shakedown $B/unit | $B/deps-check
	@ci/lint.sh $B '$(CC) $(CSTD) $(WARN) $(PKG_CFLAGS)' $(LAYERS)

format: | $B/deps-check
	@clang-format -i $$(find src tests -name '*.[ch]')

# Built from the same tables as everything else; `make golden` fails when these files are stale.
docs: $B/shakedown
	$B/shakedown help --markdown >$B/reference.md && mv $B/reference.md docs/reference.md
	$B/shakedown schema >$B/schema.json && mv $B/schema.json docs/suite.schema.json

deps: $B/deps-check

install: $B/shakedown
	install -D -m 755 $< $(DESTDIR)$(PREFIX)/bin/shakedown
	install -d $(DESTDIR)$(PREFIX)/share/shakedown/suites $(DESTDIR)$(PREFIX)/share/shakedown/fixtures
	install -m 644 suites/*.yaml $(DESTDIR)$(PREFIX)/share/shakedown/suites
	cp -R fixtures/. $(DESTDIR)$(PREFIX)/share/shakedown/fixtures

clean:
	rm -rf $B

ifndef V
Q_CC = @echo '  CC   $@';
Q_LD = @echo '  LD   $@';
endif

.PHONY: all check unit golden live replay demo demo-breach bench bench-million bench-peers fuzz lint format docs deps install clean
.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $B -name '*.d' 2>/dev/null)
