package testkit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/testkit"
)

type adder struct{ n int }

type plus struct{ By int }

type addTotal struct{ Total int }

type wrongTotal struct{ Sum int }

func (a *adder) plus(_ *actor.Context, m plus) (addTotal, error) {
	a.n += m.By
	return addTotal{a.n}, nil
}

func (a *adder) wait(_ *actor.Context, m *wrapperspb.Int64Value) (*durationpb.Duration, error) {
	return &durationpb.Duration{Seconds: m.Value, Nanos: 1}, nil
}

// TestRepliesAreDecodedStrictly in a cluster of this package: a reply type that is not
// the reply's would be a zero value without an error.
func TestRepliesAreDecodedStrictly(t *testing.T) {
	adders := actor.Define("adder", func(string) *adder { return &adder{} }, actor.OnRequest((*adder).plus), actor.OnRequest((*adder).wait))
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		for _, lenient := range []bool{false, true} {
			c := testkit.NewCluster(t, testkit.ClusterOptions{
				Nodes: 1, NumShards: 2, Transport: kind, Handler: handlers.NewActorHandler(adders.New), LenientReplies: lenient,
			})
			for _, client := range []*cluster.Client{c.Client(), c.NewClient(cluster.ClientOptions{})} {
				key := client.Key("k")
				wrong, err := cluster.NewRequest[plus, wrongTotal](key).Request(t.Context(), plus{1})
				checkStrict(t, fmt.Sprintf("lenient %v", lenient), err, lenient, "the reply to plus", `"Total"`, "wrongTotal")
				if lenient && (wrong == nil || wrong.Sum != 0) {
					t.Errorf("got %+v", wrong)
				}
				_, err = cluster.NewRequest[*wrapperspb.Int64Value, *wrapperspb.Int64Value](key).Request(t.Context(), wrapperspb.Int64(3))
				checkStrict(t, fmt.Sprintf("protobuf, lenient %v", lenient), err, lenient, "the reply to google.protobuf.Int64Value", "Int64Value.2")
				_, err = cluster.NewRequest[plus, addTotal](key).Request(t.Context(), plus{1})
				checkStrict(t, "the right type", err, true)
				_, err = cluster.NewRequest[plus, struct{}](key).Request(t.Context(), plus{1})
				checkStrict(t, "one who takes nothing", err, true)
				_, err = cluster.NewRequest[plus, any](key).Request(t.Context(), plus{1})
				checkStrict(t, "one who takes anything", err, true)
			}
		}
	})
}

// TestStubsRepliesAreDecodedStrictly: a stub that answers with another type would pass
// for one that answers zero.
func TestStubsRepliesAreDecodedStrictly(t *testing.T) {
	stub := testkit.StubClient(func(context.Context, cluster.Envelope) ([]byte, error) { return json.Marshal(addTotal{7}) })
	_, err := cluster.NewRequest[plus, wrongTotal](stub.Key("k")).Request(t.Context(), plus{1})
	checkStrict(t, "another type", err, false, "the reply to plus", `"Total"`, "wrongTotal")
	if got, err := cluster.NewRequest[plus, addTotal](stub.Key("k")).Request(t.Context(), plus{1}); err != nil || got.Total != 7 {
		t.Errorf("the right type: %+v, %v", got, err)
	}
}

func checkStrict(t *testing.T, what string, err error, fine bool, says ...string) {
	t.Helper()
	if fine {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	if !errors.Is(err, cluster.ErrReply) || cluster.OutcomeOf(err) != cluster.RanAndFailed {
		t.Errorf("%s: %v (%v)", what, err, cluster.OutcomeOf(err))
		return
	}
	for _, words := range says {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %q does not say %q", what, err, words)
		}
	}
}
