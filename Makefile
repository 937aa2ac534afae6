# What a newcomer types: make demo, make test. The rest is below.

TOOL := go tool -modfile=$(CURDIR)/.ci/tools.mod
BIN  := bin/signboard

.PHONY: help
help: ## list what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## the program, as bin/signboard
	@mkdir -p bin
	go build -o $(BIN) ./cmd/signboard

.PHONY: demo
demo: build ## a complete Signboard on embedded parts, on this machine only
	$(BIN) demo

.PHONY: test
test: needs drift build ## everything that checks the product
	go test -count=1 -timeout 40m ./...

.PHONY: test-peers
test-peers: needs ## verdicts held against the real signers', which are built first
	@.ci/peers

.PHONY: needs
needs:
	@.ci/needs

.PHONY: generate
generate: ## what is written by programs: templ's Go code
	cd views && $(TOOL) templ generate

.PHONY: drift
drift: ## fail when generated code is stale
	@.ci/drift "$(TOOL)"

.PHONY: lint
lint: drift ## gofmt, vet, staticcheck, govulncheck
	@.ci/lint "$(TOOL)"

.PHONY: bench
bench: needs ## the measurements, as tables; fails when a target is missed
	@status=0; go -C cmd/signboard test -tags bench -run '^TestBench_' -count=1 -timeout 45m || status=$$?; \
	go test -run '^$$' -bench . ./inventory/verify/... || status=$$?; \
	exit $$status

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (default 1m)
	@.ci/fuzz "$(or $(FUZZTIME),1m)"

.PHONY: clean
clean: ## remove what was built
	rm -rf bin e2e/screenshots
