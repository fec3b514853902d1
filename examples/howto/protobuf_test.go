package howto_test

import (
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/protobuf.md

type Tally struct{ sum int64 }

func (t *Tally) Add(_ *actor.Context, m *wrapperspb.Int64Value) (*wrapperspb.Int64Value, error) {
	t.sum += m.GetValue()
	return wrapperspb.Int64(t.sum), nil
}

var tallies = actor.Define("tally", func(string) *Tally { return &Tally{} }, actor.OnRequest((*Tally).Add))

func TestProtobuf(t *testing.T) {
	svc := testkit.Open(t, tallies)
	for want := int64(3); want <= 6; want += 3 {
		sum, err := clstr.Ask[*wrapperspb.Int64Value](t.Context(), svc.Key(tallies, "t"), wrapperspb.Int64(3))
		if err != nil || sum.GetValue() != want {
			t.Errorf("%v, %v; want %d", sum, err, want)
		}
	}
}
