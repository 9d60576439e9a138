# The chart of charts/workspace, the operator's image, and releases. Variables: VERSION (v1.2.3), PLATFORMS, PUSH (a
# reference to push the image to).
VERSION ?= $(shell sed -n 's/^appVersion: //p' charts/workspace/Chart.yaml)
PLATFORMS ?= linux/amd64 linux/arm64
PUSH ?=
DIST ?= $(ROOT)/dist
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
chart-lint: $(HELM) ## Lint the chart with the gate off and on
	$(HELM) lint --strict charts/workspace
	$(HELM) lint --strict charts/workspace --set featureGates.gatewayAPIInferenceExtension=true

.PHONY: chart-test
chart-test: chart-lint cluster-build-node ## Test the chart: values, objects, rights, against a real API server and with real Flux
	go -C test/chart test ./...
	go -C hack/release test ./...

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
release: ## Write a release into dist/ (VERSION=v1.2.3)
	rm -rf $(DIST)
	$(MAKE) --no-print-directory images
	rm -rf $(DIST)/programs
	go -C hack/release run . chart --version $(VERSION) --image-digest "$$(cat $(IMAGE_LAYOUT).digest)" --into $(DIST) \
	  $(ROOT)/charts/workspace
	mkdir -p $(DIST)/crds
	cp charts/workspace/files/crds/*.yaml charts/workspace/charts/flux/files/crds/*.yaml $(DIST)/crds/
	tar --sort=name --mode=a+rX,u+w --owner=0 --group=0 --numeric-owner --mtime="$$(git show -s --format=%cI HEAD)" \
	  -C $(DIST)/images -cf $(DIST)/workspace-controller-$(VERSION).oci.tar workspace-controller
	mv $(IMAGE_LAYOUT).digest $(DIST)/workspace-controller-$(VERSION).digest
	rm -rf $(DIST)/images
	go -C hack/release run . checksums $(DIST)
	@cd $(DIST) && sha256sum --quiet --check SHA256SUMS && echo "release: $(VERSION) in $(DIST), $$(wc -l <SHA256SUMS) files"
