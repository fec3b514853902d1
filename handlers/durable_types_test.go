package handlers_test

import (
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
)

type base struct{ X int }

// writesOnly cannot read what it has written.
type writesOnly struct{ X int }

func (w writesOnly) MarshalJSON() ([]byte, error) { return []byte(`"x"`), nil }

type namesOnly struct{ X int }

func (n namesOnly) MarshalText() ([]byte, error) { return []byte("x"), nil }

func defined[E any]() (fault string) {
	defer func() {
		if r := recover(); r != nil {
			fault = fmt.Sprint(r)
		}
	}()
	actor.Define("state", func(string) *E { return new(E) }, actor.Durable(actor.Persistence{}))
	return ""
}

// TestStatesThatCannotBeRead once they are stored are refused where the entity is defined, or at the
// activation of one that has a State.
func TestStatesThatCannotBeRead(t *testing.T) {
	for name, fault := range map[string]string{
		"interface": defined[struct{ Of fmt.Stringer }](),
		"deep": defined[struct {
			In []map[string]*struct{ Of error }
		}](),
		"embedded": defined[struct{ *base }](),
		"writes":   defined[struct{ Of writesOnly }](),
		"names":    defined[struct{ Of map[namesOnly]int }](),
		"func":     defined[struct{ Of func() }](),
	} {
		if !strings.Contains(fault, "cannot be stored") {
			t.Errorf("%s: %q", name, fault)
		}
	}
	type tree struct {
		Children []*tree
		By       map[netip.Addr]*big.Int
		At       time.Time
		Any      any
		Text     *wrapperspb.StringValue
		Dep      fmt.Stringer `json:"-"`
		own      fmt.Stringer
		base
	}
	_ = tree{}.own
	if fault := defined[tree](); fault != "" {
		t.Error(fault)
	}
	synctest.Test(t, func(t *testing.T) {
		def := actor.Define("account", func(string) *fickle { return &fickle{struct{ Of fmt.Stringer }{}} }, actor.Durable(actor.Persistence{}),
			actor.OnRequest(func(*fickle, *actor.Context, look) (int, error) { return 0, nil }))
		b := newBank(t, handlers.NewActorHandler(def.New), hosting.Setup{})
		b.fails("a State", b.send("k", look{}), outcome.ErrActivationFailed, outcome.NotStarted)
	})
}
