# The one gate is `make check`; .ci/run calls it.
.PHONY: check test format vet

check: format vet test

format:
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-ed:"; gofmt -l .; exit 1; }

vet:
	go vet ./...

test:
	go test -race ./...
