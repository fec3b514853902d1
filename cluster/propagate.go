// The headers that a call hands on to the calls of its handler

package cluster

import (
	"context"
	"maps"
	"strings"

	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
)

// The headers that a call hands on to the calls that its handler makes: W3C's trace
// context, and its baggage.
const (
	traceParent = "traceparent"
	traceState  = "tracestate"
	baggage     = "baggage"
)

// handOn adds to env the headers that the call behind ctx hands on. Headers that the
// options of the call set win, and a call with a trace parent of its own takes no
// trace state from another. Headers that do not fit stay behind: the trace
// may end here, but the call goes on.
func (e *envelopes) handOn(ctx context.Context, env *Envelope) {
	from := dispatch.HeadersOf(ctx)
	if len(from) == 0 {
		return
	}
	own := env.Headers
	size := 0
	for name, value := range own {
		size += len(name) + len(value)
	}
	add := func(name string) {
		value, ok := from[name]
		if _, set := own[name]; !ok || set {
			return
		}
		if size += len(name) + len(value); size > bounds.MaxHeaderBytes || len(env.Headers) >= bounds.MaxHeaders {
			return
		}
		if len(env.Headers) == len(own) { // the map may be an option's, which uses it again
			if env.Headers = maps.Clone(own); own == nil {
				env.Headers = make(map[string]string, 4)
			}
		}
		env.Headers[name] = value
	}
	if _, set := own[traceParent]; !set {
		add(traceParent)
		add(traceState)
	}
	add(baggage)
	for _, name := range e.propagate {
		add(name)
	}
}

// validatePropagate refuses names that no header may have.
func validatePropagate(names []string) error {
	for i, name := range names {
		if name == "" || strings.HasPrefix(strings.ToLower(name), "x-clstr-") {
			return outcome.Errorf(ErrBadOption, "Propagate[%d] is %q: must be the name of a header, without the prefix x-clstr-", i, name)
		}
	}
	return nil
}
