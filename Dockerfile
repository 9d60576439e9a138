# The operator's image with Docker. `make images` makes one without, from the same program; test/chart compares the flags.
ARG GO_VERSION=1.26
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
COPY --from=build /workspace-controller /workspace-controller
USER 65532:65532
ENTRYPOINT ["/workspace-controller"]
