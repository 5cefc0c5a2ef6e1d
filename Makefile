# Everything a developer or a build machine does. `make help` lists the targets.

CARGO      ?= cargo
CLUSTERS   ?= 72
BENCH_CLUSTERS ?= 72 300
HUB_CLUSTERS ?= 72 500
HUB_SCALE  ?= 2000 50
CHART      ?=
CHARTS     ?=
REPO       ?=
ARGS       ?=
VALUES     ?=
PRINT_ONLY ?=
KUBE_BIN   ?= $(CURDIR)/target/kube
# What programs for this machine are built for, when that has to be said.
HOST       ?= $(shell rustc -vV | sed -n 's/^host: //p')
# The version the control plane says it has; that of its modules in tools/kube/go.mod.
KUBE       := 1.36.3
KUBE_VERSION := $(foreach it,gitVersion=v$(KUBE) gitMajor=$(word 1,$(subst ., ,$(KUBE))) gitMinor=$(word 2,$(subst ., ,$(KUBE))), \
  -X k8s.io/component-base/version.$(it))
# The Helm that rendering follows, and the last of the generation before.
HELM       := v4.3.1
HELM3      := v3.22.0
# Plays the kubelets of nodes that are not there.
KWOK       := v0.8.0
# How long each fuzz target runs, which ones, and with what sanitizer.
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?= template_parse template_render functions yaml values archive chart schema release manifest regex \
  versions times kustomize
FUZZ_SANITIZER ?= none
# CPU-bound tests share two cores; more threads only add memory.
TEST_ARGS  ?=

# What the demo deploys: a chart, a git repository, or the example.
ifneq ($(CHART),)
WHAT := --chart $(CHART)
else ifneq ($(REPO),)
WHAT := --repo $(REPO)
else
WHAT := --directory examples/shop
endif

.PHONY: fuzz help build demo test test-rust test-kube lint fmt kube bench bench-helm bench-hub bench-agent bench-demo bench-label \
  build-agent clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

build: ## Build the release binary, target/release/flotilla
	$(CARGO) build --release -p flotilla

build-agent: ## Build the agent alone, static and small, target/HOST/small/fleetagent
	RUSTFLAGS='-C target-feature=+crt-static' $(CARGO) rustc --profile small --target $(HOST) -p flotilla \
	  --features fleetagent --bin fleetagent -- -C link-arg=-Wl,-z,pack-relative-relocs

demo: build ## Hub and CLUSTERS clusters in one process, a deployment to all of them (CHART=, REPO=, ARGS=)
	target/release/flotilla sandbox --clusters $(CLUSTERS) $(WHAT) $(ARGS)

test: lint test-rust test-kube ## Everything that must hold

lint: ## Formatting and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings

test-rust: ## All Rust tests
	$(CARGO) test --workspace --quiet $(TEST_ARGS)

test-kube: ## Conformance, releases shared with Helm, and the product, on real Kubernetes (needs Go; CHARTS=DIR deploys those)
	@if command -v go >/dev/null 2>&1; then \
	  $(MAKE) --no-print-directory kube && \
	  KUBE_BIN=$(KUBE_BIN) $(CARGO) test --quiet -p conformance --test kube -- --nocapture && \
	  KUBE_BIN=$(KUBE_BIN) $(CARGO) test --quiet -p agent --test with_helm -- --nocapture && \
	  KUBE_BIN=$(KUBE_BIN) $(CARGO) test --quiet -p flotilla --test registration -- --nocapture && \
	  KUBE_BIN=$(KUBE_BIN) CHARTS='$(CHARTS)' $(CARGO) test --quiet -p flotilla --test on_kube -- --nocapture; \
	else echo "test-kube: skipped, Go is not installed"; fi

kube: $(KUBE_BIN)/kube $(KUBE_BIN)/kwok-$(KWOK) $(KUBE_BIN)/helm-$(HELM) $(KUBE_BIN)/helm-$(HELM3) ## Build the real control plane, fake nodes and Helm for tests

$(KUBE_BIN)/kube: tools/kube/main.go tools/kube/go.mod
	@mkdir -p $(KUBE_BIN)
	cd tools/kube && go build -trimpath -ldflags='-s -w $(KUBE_VERSION)' -o $(KUBE_BIN)/kube .
	@for name in etcd kube-apiserver kube-controller-manager kube-scheduler kubectl; do \
	  ln -sf kube $(KUBE_BIN)/$$name; done

$(KUBE_BIN)/kwok-$(KWOK):
	GOBIN=$(KUBE_BIN) go install -trimpath -ldflags='-s -w' sigs.k8s.io/kwok/cmd/kwok@$(KWOK)
	mv $(KUBE_BIN)/kwok $@
	ln -sf kwok-$(KWOK) $(KUBE_BIN)/kwok

$(KUBE_BIN)/helm-$(HELM):
	GOBIN=$(KUBE_BIN) go install -trimpath -ldflags='-s -w' helm.sh/helm/v4/cmd/helm@$(HELM)
	mv $(KUBE_BIN)/helm $@
	ln -sf helm-$(HELM) $(KUBE_BIN)/helm

$(KUBE_BIN)/helm-$(HELM3):
	GOBIN=$(KUBE_BIN)/3 go install -trimpath -ldflags='-s -w' helm.sh/helm/v3/cmd/helm@$(HELM3)
	mv $(KUBE_BIN)/3/helm $@
	rmdir $(KUBE_BIN)/3
	ln -sf helm-$(HELM3) $(KUBE_BIN)/helm3

bench: bench-helm bench-hub bench-agent bench-demo ## All benchmarks; each prints a table

bench-helm: ## Rendering side by side with the real helm (CHARTS=DIR, WRITE=1 puts the table into the README)
	@if command -v go >/dev/null 2>&1; then $(MAKE) --no-print-directory $(KUBE_BIN)/helm-$(HELM); fi
	HELM_BIN='$(KUBE_BIN)/helm-$(HELM)' CHARTS='$(CHARTS)' scripts/bench-helm

bench-hub: ## The hub under load, on a real API server if Go is there (HUB_CLUSTERS="72 500", HUB_SCALE="2000 50", WRITE=1)
	@if command -v go >/dev/null 2>&1; then $(MAKE) --no-print-directory $(KUBE_BIN)/kube; fi
	KUBE_BIN='$(KUBE_BIN)' CLUSTERS='$(HUB_CLUSTERS)' SCALE='$(HUB_SCALE)' scripts/bench-hub

bench-agent: build-agent ## The agent on real Kubernetes, against its goals: memory, CPU, requests, drift (needs Go; CHART=, VALUES=, PRINT_ONLY=1, WRITE=1)
	@if command -v go >/dev/null 2>&1; then $(MAKE) --no-print-directory kube && \
	  KUBE_BIN='$(KUBE_BIN)' CHART='$(CHART)' VALUES='$(VALUES)' PRINT_ONLY='$(PRINT_ONLY)' AGENT_BIN='$(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/$(HOST)/small/fleetagent' \
	  scripts/bench-agent; \
	else echo "bench-agent: skipped, Go is not installed"; fi

bench-demo: build ## Time, memory, object sizes and writes of two roll-outs (CHART=, BENCH_CLUSTERS="72 300")
	CHART='$(CHART)' CLUSTERS='$(BENCH_CLUSTERS)' scripts/bench-demo

bench-label: ## What labelling one cluster costs the hub (GITREPOS=300 CLUSTERS=500 RINGS=100)
	$(CARGO) run --profile quick -p hub --example label -- $(or $(GITREPOS),300) $(or $(CLUSTERS),500) $(or $(RINGS),100)

fuzz: ## Fuzz the Helm engine, FUZZ_SECONDS for each of FUZZ_TARGETS (needs cargo-fuzz)
	@for target in $(FUZZ_TARGETS); do \
	  mkdir -p fuzz/corpus/$$target; \
	  dictionary=fuzz/dictionaries/$${target%_*}.dict; \
	  RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run -s $(FUZZ_SANITIZER) $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
	    $$(test -f $$dictionary && echo -dict=$$dictionary) -max_total_time=$(FUZZ_SECONDS) \
	    -rss_limit_mb=2048 -timeout=20 -max_len=16384 || exit 1; \
	done

fmt: ## Format the code
	$(CARGO) fmt --all

clean: ## Remove build results
	$(CARGO) clean
