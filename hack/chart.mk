# The chart of charts/workspace, the operator's image, and releases. Variables: VERSION (v1.2.3), PLATFORMS, PUSH (a
# reference to push the image to).
VERSION ?= $(shell sed -n 's/^appVersion: //p' charts/workspace/Chart.yaml)
PLATFORMS ?= linux/amd64 linux/arm64
PUSH ?=
DIST ?= $(ROOT)/dist
# Emptied first; what else is in dist, such as results of measurements, stays.
RELEASE := $(DIST)/release
HELM := $(BIN)/helm
IMAGE_LAYOUT := $(DIST)/images/workspace-controller

.PHONY: generate-chart
generate: generate-chart
generate-chart: $(CONTROLLER_GEN) ## Write the chart's CRDs, rules and table of values
	CONTROLLER_GEN=$(CONTROLLER_GEN) hack/chart-generate.sh

# Helm as the tests of the chart know it.
$(HELM): test/chart/go.mod test/chart/go.sum
	@echo "build: $(@F)"
	@mkdir -p $(@D)
	@go -C test/chart build -ldflags '-s -w' -o $@ helm.sh/helm/v4/cmd/helm
	@touch $@

.PHONY: helm
helm: $(HELM) ## Build helm into bin/

.PHONY: chart-lint
chart-lint: $(HELM) ## Lint the chart with each values file of its tests
	@for values in test/chart/testdata/values/*.yaml; do \
	  echo "chart-lint: $$values"; $(HELM) lint --strict --quiet charts/workspace --values "$$values"; \
	done

.PHONY: chart-test
chart-test: chart-lint cluster-build-flux ## Test the chart: values, objects, rights, against a real API server and with real Flux (TEST_ARGS)
	REQUIRE_FLUX=1 go -C test/chart test $(TEST_ARGS) ./...
	go -C hack/release test $(TEST_ARGS) ./...

.PHONY: images
images: programs ## Build the operator's image as an OCI layout in dist/images (PLATFORMS, PUSH)
	@mkdir -p $(DIST)/images
	@go -C hack/release run . image --programs $(DIST)/programs --platforms "$$(tr ' ' , <<<'$(strip $(PLATFORMS))')" \
	  --version $(VERSION) --revision "$$(git rev-parse HEAD)$$(git diff --quiet HEAD -- api cmd internal go.mod go.sum || echo -dirty)" --created "$$(git show -s --format=%cI HEAD)" \
	  --layout $(IMAGE_LAYOUT) --documents $(DIST)/sbom $(if $(PUSH),--push $(PUSH)) >$(IMAGE_LAYOUT).digest.tmp
	@mv $(IMAGE_LAYOUT).digest.tmp $(IMAGE_LAYOUT).digest
	@echo "images: $(IMAGE_LAYOUT) $$(cat $(IMAGE_LAYOUT).digest)"

.PHONY: programs
programs:
	@for platform in $(PLATFORMS); do \
	  echo "build: workspace-controller for $$platform"; \
	  GOOS=$${platform%/*} GOARCH=$${platform#*/} go build -ldflags '-s -w' \
	    -o $(DIST)/programs/$${platform/\//_}/workspace-controller ./cmd/workspace-controller; \
	done

.PHONY: release
release: ## Write a release of what is committed into dist/release (VERSION=v1.2.3)
	@[[ '$(origin VERSION)' != file && '$(VERSION)' =~ ^v[0-9]+\.[0-9]+\.[0-9]+ ]] || \
	  { echo 'release: say which: make release VERSION=v1.2.3' >&2; exit 1; }
	@changes=$$(git status --porcelain); [ -z "$$changes" ] || { printf 'release: not committed:\n%s\n' "$$changes" >&2; exit 1; }
	rm -rf $(RELEASE)
	$(MAKE) --no-print-directory images DIST=$(RELEASE)
	rm -rf $(RELEASE)/programs
	mv $(RELEASE)/images/workspace-controller.digest $(RELEASE)/workspace-controller-$(VERSION).digest
	go -C hack/release run . chart --version $(VERSION) --image-digest "$$(cat $(RELEASE)/workspace-controller-$(VERSION).digest)" \
	  --into $(RELEASE) $(ROOT)/charts/workspace
	mkdir -p $(RELEASE)/crds
	cp charts/workspace/files/crds/*.yaml charts/workspace/charts/flux/files/crds/*.yaml $(RELEASE)/crds/
	@# An OCI archive has the layout at its root.
	tar --sort=name --mode=a+rX,u+w --owner=0 --group=0 --numeric-owner --mtime="$$(git show -s --format=%cI HEAD)" \
	  -C $(RELEASE)/images/workspace-controller -cf $(RELEASE)/workspace-controller-$(VERSION).oci.tar oci-layout index.json blobs
	rm -rf $(RELEASE)/images
	go -C hack/release run . checksums $(RELEASE)
	@cd $(RELEASE) && sha256sum --quiet --check SHA256SUMS && echo "release: $(VERSION) in $(RELEASE), $$(wc -l <SHA256SUMS) files"

.PHONY: release-test
release-test: ## Make a release of HEAD in another directory, look at it, and make its image a second time elsewhere
	RELEASE_TEST=1 go -C hack/release test -count=1 -timeout=30m -run='^TestRelease' -v .
