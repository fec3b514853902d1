// Exit codes, and which error has which

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cmd/clstr/internal/drainer"
	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/transport"
)

// Exit codes: clstr help exit-codes documents them. Add, never change.
const (
	exitOK           = 0
	exitFailure      = 1
	exitUsage        = 2
	exitUnreachable  = 3
	exitNoCluster    = 4
	exitUnknownNode  = 5
	exitNotPermitted = 6
	exitUnfinished   = 7
	exitRefused      = 8
	exitLost         = 9
	exitNotSent      = 10 // and the other outcomes of a call behind it
)

// failure is what the command ends with: an exit code, a stable word, a message
// for people and, if there is one, what to do about it.
type failure struct {
	exit    int
	code    string
	outcome string // of a call
	msg     string
	hint    string
}

func (f *failure) Error() string { return f.msg }

// failed gives an error its exit code.
func (a *app) failed(err error) *failure {
	var f *failure
	var unknown *view.UnknownNodeError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &unknown):
		return &failure{exit: exitUnknownNode, code: "unknown_node", msg: err.Error()}
	case errors.Is(err, drainer.ErrGone):
		return &failure{exit: exitUnknownNode, code: "gone", msg: err.Error()}
	case errors.Is(err, view.ErrNoCluster):
		return a.noCluster("its bucket has no record of a cluster: no node has joined yet")
	case errors.Is(err, transport.ErrNotPermitted):
		return &failure{exit: exitNotPermitted, code: "not_permitted", msg: err.Error(),
			hint: fmt.Sprintf("this NATS user may not do that. To read and write the records of a cluster it needs what natsstore.ControlPermissions(%q) lists. For requests it needs publish %s.s.> %s.who and subscribe %s.own _INBOX.NAME.>, with --inbox-prefix _INBOX.NAME (clstr help connection)", a.prefix, a.prefix, a.prefix, a.prefix)}
	case errors.Is(err, natsstore.ErrNoJetStream):
		return a.noCluster("JetStream is not enabled there")
	case errors.Is(err, context.Canceled):
		return &failure{exit: exitFailure, code: "interrupted", msg: "interrupted"}
	case errors.Is(err, transport.ErrDisconnected), errors.Is(err, transport.ErrConnectionLost), errors.Is(err, context.DeadlineExceeded):
		return &failure{exit: exitUnreachable, code: "unreachable", msg: err.Error(),
			hint: "say where the NATS server is by --server, --context or NATS_URL; --timeout waits longer"}
	}
	return &failure{exit: exitFailure, code: "failed", msg: err.Error()}
}

func (a *app) noCluster(why string) *failure {
	return &failure{exit: exitNoCluster, code: "no_cluster", msg: fmt.Sprintf("no live cluster under the prefix %q: %s", a.prefix, why),
		hint: "nodes with a Membership make its records; --prefix names another cluster, --server and --context another server"}
}

// callFailed is the end of a request or notification.
func callFailed(err error) *failure {
	f := &failure{
		exit:    exitNotSent - int(cluster.NotSent) + int(cluster.OutcomeOf(err)),
		code:    cluster.CodeOf(err),
		outcome: cluster.OutcomeOf(err).String(),
		msg:     err.Error(),
	}
	if f.code == "layout_mismatch" {
		f.hint = "--shards and --seed must be the cluster's; without them they are read from its records"
	} else if after, ok := cluster.RetryAfter(err); ok {
		f.hint = fmt.Sprintf("try again after %v", after)
	}
	return f
}

// fail tells what went wrong and returns the exit code.
func (a *app) fail(err error) int {
	f := a.failed(err)
	if a.json {
		type told struct {
			Code     string `json:"code"`
			Message  string `json:"message"`
			Outcome  string `json:"outcome,omitempty"`
			Hint     string `json:"hint,omitempty"`
			ExitCode int    `json:"exit_code"`
		}
		enc := json.NewEncoder(a.err)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		_ = enc.Encode(map[string]told{"error": {f.code, f.msg, f.outcome, f.hint, f.exit}}) // nowhere to say that it failed
		return f.exit
	}
	a.errTerm.prose(a.err, red, "clstr: ", harmless(f.msg))
	if f.outcome != "" {
		a.errTerm.prose(a.err, plain, "", fmt.Sprintf("code: %s, outcome: %s", f.code, f.outcome))
	}
	if f.hint != "" {
		a.errTerm.prose(a.err, bold, "hint: ", harmless(f.hint))
	}
	return f.exit
}
