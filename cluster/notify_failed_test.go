package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

type ledger struct{}

type post struct{ Amount int64 }

// TestFailedNotificationsAreTold: what fails when its sender was told already
// that it was accepted is in the log and in the metrics, whatever handles it.
func TestFailedNotificationsAreTold(t *testing.T) {
	// No key has failed until all were sent: what comes after that is refused.
	var sentAll chan struct{}
	cannotLoad := func() error { <-sentAll; return errors.New("cannot load") }
	fail := func(context.Context, cluster.Envelope) ([]byte, error) { return nil, errBadAmount }
	ledgers := actor.Define("ledger", func(string) *ledger { return &ledger{} },
		actor.OnRequest(func(*ledger, *actor.Context, post) (int, error) { return 0, errBadAmount }),
		actor.OnActivate(func(_ *ledger, c *actor.Context) error {
			if c.Key() == "bad" {
				return cannotLoad()
			}
			return nil
		}),
	)
	funcs := cluster.NewKeyHandler(func(key string) (cluster.ServerHandlerFunc, error) {
		if key == "bad" {
			return nil, cannotLoad()
		}
		return fail, nil
	})
	scoped := cluster.NewScopedHandler(cluster.ScopedHandlerOpts{
		Extract: func(env cluster.Envelope) (string, error) { return env.Key, nil },
		Create:  func(string) (cluster.ServerHandlerFunc, error) { return fail, nil },
	})
	proto := cluster.NewActorHandler(func(key string) (actor.Actor, error) {
		if key == "bad" {
			return nil, cannotLoad()
		}
		return pactor.ReceiveFunc(func(pactor.Context) {}), nil
	})
	for _, c := range []struct {
		name              string
		h                 cluster.ServerHandlerFunc
		key, msgType, arg string
		code              string
	}{
		{"entity: error", cluster.NewActorHandler(ledgers.New), "k", "post", "{}", "test.bad_amount"},
		{"entity: type", cluster.NewActorHandler(ledgers.New), "k", "Missing", "{}", "unknown_type"},
		{"entity: payload", cluster.NewActorHandler(ledgers.New), "k", "post", `{"Amount":"s3cret"}`, "bad_payload"},
		{"entity: activation", cluster.NewActorHandler(ledgers.New), "bad", "post", "{}", "activation_failed"},
		{"func: error", funcs, "k", "post", "", "test.bad_amount"},
		{"func: activation", funcs, "bad", "post", "", "activation_failed"},
		{"scoped: error", scoped, "k", "post", "", "test.bad_amount"},
		{"proto: payload", proto, "k", "google.protobuf.Int64Value", "\x08", "bad_payload"},
		{"proto: activation", proto, "bad", "post", "", "activation_failed"},
		{"plain: error", fail, "k", "post", "", "test.bad_amount"},
		{"middleware: error", wrapped(funcs), "k", "post", "", "test.bad_amount"},
		{"middleware: activation", wrapped(funcs), "bad", "post", "", "activation_failed"},
	} {
		for _, opts := range [][]cluster.EnvelopeOption{nil, {cluster.WithoutAck()}} {
			synctest.Test(t, func(t *testing.T) {
				var counts recorder
				var log bytes.Buffer
				tr := cluster.NewInMemoryTransport().WithLog(quiet)
				stop := startNode(t, cluster.NodeOptions{
					NodeID: "n", Transport: tr, NumShards: 1, Shards: []uint32{0}, Handler: c.h, Metrics: &counts,
					Log: slog.New(slog.NewTextHandler(&log, nil)),
				})
				client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 1})
				sentAll = make(chan struct{})
				const sent = 3
				for range sent {
					if err := client.NotifyKey(t.Context(), c.key, c.msgType, []byte(c.arg), opts...); err != nil {
						t.Errorf("%s: %v", c.name, err)
					}
				}
				close(sentAll)
				synctest.Wait()
				if n := counts.count("notification failed " + c.code); n != sent {
					t.Errorf("%s: counted %d of %d: %v", c.name, n, sent, counts.events)
				}
				stop()
				_ = tr.Close()
				lines := 0
				for line := range strings.Lines(log.String()) {
					if strings.Contains(line, `msg="notification failed"`) && strings.Contains(line, "code="+c.code) {
						lines++
					}
				}
				if lines != sent { // each has its line, as long as they are few
					t.Errorf("%s: %d lines of the log tell:\n%s", c.name, lines, &log)
				}
				if strings.Contains(log.String(), "s3cret") {
					t.Errorf("%s: the log has the payload:\n%s", c.name, &log)
				}
			})
		}
	}
}
