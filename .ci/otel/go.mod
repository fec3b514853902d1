// A module beside clstr, as a user's would be. It names a current version of
// OpenTelemetry's API and nothing else: the check completes a copy, so that the
// SDK comes in the version that clstr's own go.mod asks for, and must fit.
module github.com/clstr-go/clstr/ci/otel

go 1.26.0

require (
	github.com/clstr-go/clstr v0.0.0
	go.opentelemetry.io/otel v1.47.0
)

replace github.com/clstr-go/clstr => ../..
