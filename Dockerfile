# The operator's image with Docker. `make images` makes one without, from the same program and with the same labels;
# test/chart compares flags, labels and the version of Go, which is the toolchain of go.mod.
ARG GO_VERSION=1.26.8
FROM --platform=$BUILDPLATFORM docker.io/library/golang:${GO_VERSION} AS build
ARG TARGETOS
ARG TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY api api
COPY cmd cmd
COPY internal internal
ENV CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false" GOWORK=off GOTOOLCHAIN=local
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH go build -ldflags '-s -w' -o /workspace-controller ./cmd/workspace-controller

FROM scratch
# --build-arg VERSION=v1.2.3 --build-arg REVISION=$(git rev-parse HEAD) --build-arg CREATED=$(git show -s --format=%cI HEAD)
ARG VERSION
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.title="workspace-controller" \
      org.opencontainers.image.description="Runs Workspaces: language models behind inference gateways" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="https://github.com/workspace-operator/workspace-operator" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /workspace-controller /workspace-controller
USER 65532:65532
ENTRYPOINT ["/workspace-controller"]
