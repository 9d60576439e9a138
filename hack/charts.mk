# The published charts of test/charts, rendered with the values that internal/render/pool writes.
CHARTS_GO = GOFLAGS='-trimpath -buildvcs=false' GOWORK=off go

.PHONY: test-charts
test-charts: ## Render every supported chart version and check the objects
	cd test/charts && $(CHARTS_GO) test ./...
