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

.PHONY: all deps deps-test dist dist-test minimal demo test bench bench-apply bench-cores bench-load bench-ratio bench-delta bench-dress bench-kernels bench-mount bench-products bench-sync bench-types gpu fuzz trust integration docs install clean

# build/zipnn, build/libzipnn.a, build/libzipnn.so
all:
	@tools/install_deps.sh build --check
	cmake --preset release -DCMAKE_INSTALL_PREFIX='$(PREFIX)'
	cmake --build build -j $(JOBS)

# Installs what is missing of compiler, cmake and libraries, through apt; `make deps-test` what the tests need too. Nothing else here
# installs anything, but for `make demo` and `make test`, which do all the set-up.
deps:
	@tools/install_deps.sh build
deps-test:
	@tools/install_deps.sh test

# Compress, restore and compare a model: MODEL=FILE, or a synthetic one of 300 MB.
demo: deps
	@$(MAKE) all
	@tools/demo.sh '$(MODEL)'

# Everything that CI checks.
test:
	@tools/install_deps.sh test
	@JOBS=$(JOBS) tools/test.sh

# bench: library, command and peers; bench-load: models into torch; bench-ratio: sizes of real weights beside other
# coders', and whether promises hold; bench-types: quantised types beside memcpy; bench-delta: differences; bench-apply: the same in memory; bench-dress: the
# same weights in another dress; bench-cores: a model of many cores; bench-kernels: loops by instruction set; bench-products: products with packed weights;
# bench-sync: a trainer whose steps go to an engine.
# BENCH='--size 200' passes options.
bench bench-apply bench-cores bench-load bench-ratio bench-delta bench-dress bench-kernels bench-mount bench-products bench-sync bench-types: all
	@JOBS=$(JOBS) tools/bench.sh $@ $(BENCH)

# The GPU's kernels, build/gpu/zipnn.fatbin, and whether they keep to their registers. It takes nvcc; nothing else does.
gpu:
	@tools/build_gpu.sh

fuzz:
	@tools/install_deps.sh test --check
	@tools/fuzz.sh $(FUZZ_SECONDS)

# What doc/trust.md claims, in the long form: STAGES='faults kills' for some.
trust:
	@tools/install_deps.sh test --check
	@JOBS=$(JOBS) tools/trust.sh $(STAGES)

# Other people's programs on archives; downloads their packages.
integration: all
	@tools/test_integration.sh

# What users are given, into dist/: wheels, sdist, programs, checksums. It takes git, dpkg-dev, Python 3.11 with venv, and what
# packaging/requirements.txt and packaging/sources.txt name, from PyPI and Debian.
dist:
	@packaging/dist.py

# The same twice, and used: in fresh environments, on a bare Debian, for the other processor. Minutes.
dist-test:
	@packaging/test_dist.sh

# The decoder without files, threads or a heap, and zipnn.wasm with its reader in JavaScript, into dist/; doc/platforms.md.
minimal:
	@packaging/minimal.py

# The reference of the Python package, from its docstrings: build/docs/index.html.
docs:
	@tools/make_docs.sh

install: all
	DESTDIR='$(DESTDIR)' cmake --install build

clean:
	rm -rf build dist
