# Measures the controller on an API server of its own; see docs/benchmarks.md. Variables: SCENARIO (comma-separated), N,
# SCALE_ARGS (more flags), RESULTS (file that collects a line of JSON for each scenario).
SCALE_GO = CGO_ENABLED=0 GOFLAGS='-trimpath -buildvcs=false' GOWORK=off go
RESULTS ?= dist/scale.jsonl

# A program of its own and not go run: it starts itself as the floor, and signals must reach it.
bin/scale: $(shell find test/scale test/actors -type f) go.mod
	$(SCALE_GO) build -o $@ ./test/scale

.PHONY: scale scale-ci scale-report
scale: build cluster-build-api bin/scale ## Measure the controller (SCENARIO, N)
	@mkdir -p $(dir $(RESULTS))
	bin/scale --results $(RESULTS) $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(N),--n $(N)) $(SCALE_ARGS)

scale-ci: build cluster-build-api bin/scale ## Measure 200 Workspaces, and fail if a count misses its target
	bin/scale --ci --floor=false --n 200 --settle 20 --scenario burst,steady,flip,drift,churn,restart,crowd,delete,fluxlate $(SCALE_ARGS)

scale-report: bin/scale ## Write what `make scale` measured into docs/benchmarks.md
	bin/scale report $(RESULTS) docs/benchmarks.md
