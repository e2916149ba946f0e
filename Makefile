# The front door; CMakeLists.txt is the build. Everything is made under build/.
PREFIX ?= /usr/local
DESTDIR ?=
MODEL ?=
FUZZ_SECONDS ?= 60
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

# Ninja when it works, and only for build folders that do not exist yet.
ifeq ($(shell ninja --version >/dev/null 2>&1 && echo yes),yes)
export CMAKE_GENERATOR ?= Ninja
endif

MAKEFLAGS += --no-print-directory

.PHONY: all deps demo test bench bench-cores bench-load bench-ratio bench-delta bench-kernels bench-mount fuzz trust integration install clean

# build/zipnn, build/libzipnn.a, build/libzipnn.so
all: deps
	cmake --preset release -DCMAKE_INSTALL_PREFIX='$(PREFIX)'
	cmake --build build -j $(JOBS)

# Compiler, cmake and libraries, through apt when something is missing.
deps:
	@tools/install_deps.sh build

# Compress, restore and compare a model: MODEL=FILE, or a synthetic one of 300 MB.
demo: all
	@tools/demo.sh '$(MODEL)'

# Everything that CI checks.
test:
	@tools/install_deps.sh test
	@JOBS=$(JOBS) tools/test.sh

# bench: library, command and peers; bench-load: models into torch; bench-ratio: sizes of real weights beside other
# coders', and whether promises hold; bench-delta: differences; bench-cores: a model of many cores; bench-kernels: loops
# by instruction set. BENCH='--size 200' passes options.
bench bench-cores bench-load bench-ratio bench-delta bench-kernels bench-mount: all
	@JOBS=$(JOBS) tools/bench.sh $@ $(BENCH)

fuzz:
	@tools/install_deps.sh test
	@tools/fuzz.sh $(FUZZ_SECONDS)

# What doc/trust.md claims, in the long form: STAGES='faults kills' for some.
trust:
	@tools/install_deps.sh test
	@JOBS=$(JOBS) tools/trust.sh $(STAGES)

# Other people's programs on archives; downloads their packages.
integration: all
	@tools/test_integration.sh

install: all
	DESTDIR='$(DESTDIR)' cmake --install build

clean:
	rm -rf build
