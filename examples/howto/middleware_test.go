package howto_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/middleware.md

var errNoRight = errors.New("no right to this key")

func init() { cluster.RegisterError("vault.no_right", errNoRight) }

// secret is shared by the nodes and by the front that has authenticated the user.
var secret = []byte("from your configuration")

func sign(user string) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(user))
	return hex.EncodeToString(h.Sum(nil))
}

// owners lets each user reach the key that is named after the user, and no other.
func owners(ctx context.Context, in *cluster.Incoming, next func(context.Context) error) error {
	token, _ := in.Header("token")
	if !hmac.Equal([]byte(token), []byte(sign(in.Key()))) {
		return errNoRight // next is not called: the method does not run
	}
	return next(ctx)
}

type userKey struct{} // of a context: the user that the front has authenticated

// signed puts the user's token on each call of a client.
func signed(ctx context.Context, out *cluster.Outgoing, next func(context.Context) error) error {
	if user, ok := ctx.Value(userKey{}).(string); ok {
		out.SetHeader("token", sign(user))
	}
	return next(ctx)
}

// journal notes what was asked, and how it ended.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(ctx context.Context, in *cluster.Incoming, next func(context.Context) error) error {
	in.OnAnswer(func(err error) { // also where the entity answers later
		j.mu.Lock()
		defer j.mu.Unlock()
		j.lines = append(j.lines, fmt.Sprintf("%s %s %s: %v", in.Kind(), in.Key(), in.Type(), cluster.CodeOf(err)))
	})
	return next(ctx)
}

type (
	Vault struct{ content string }
	Store struct{ Content string }
	Kept  struct{ Content string }
)

func (v *Vault) Store(_ *actor.Context, m Store) (Kept, error) {
	v.content = strings.ToUpper(m.Content)
	return Kept{v.content}, nil
}

var vaults = actor.Define("vault", func(string) *Vault { return &Vault{} }, actor.OnRequest((*Vault).Store))

func TestMiddleware(t *testing.T) {
	testkit.CheckLeaks(t)
	j := &journal{}
	svc, err := clstr.Open(t.Context(), clstr.Options{
		Name: "howto", On: clstr.Memory(), Entities: clstr.Host(vaults), Log: quiet,
		Node:   cluster.NodeOptions{Around: cluster.Chain(j.note, owners)}, // the first is the outermost
		Client: cluster.ClientOptions{Intercept: signed},
	})
	if err != nil {
		t.Fatal(err)
	}
	mine, others := svc.Key(vaults, "ada"), svc.Key(vaults, "grace")
	ada := context.WithValue(t.Context(), userKey{}, "ada")
	if kept, err := clstr.Ask[Kept](ada, mine, Store{"gold"}); err != nil || kept.Content != "GOLD" {
		t.Errorf("%v, %v", kept, err)
	}
	if _, err := clstr.Ask[Kept](ada, others, Store{"lead"}); !errors.Is(err, errNoRight) {
		t.Errorf("got %v", err)
	}
	if err := svc.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if want := []string{"vault ada Store: ", "vault grace Store: vault.no_right"}; !slices.Equal(j.lines, want) {
		t.Errorf("noted %q", j.lines)
	}
}
