package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
)

// sentinels are all that package cluster exports, by their names;
// TestSentinelsAreAll keeps it so.
var sentinels = map[string]error{
	"ErrTransportClosed":            cluster.ErrTransportClosed,
	"ErrTransportNoShardSubscriber": cluster.ErrTransportNoShardSubscriber,
	"ErrNotOwner":                   cluster.ErrNotOwner,
	"ErrDisconnected":               cluster.ErrDisconnected,
	"ErrConnectionLost":             cluster.ErrConnectionLost,
	"ErrNotPermitted":               cluster.ErrNotPermitted,
	"ErrEnvelopeExpired":            cluster.ErrEnvelopeExpired,
	"ErrReservedHeader":             cluster.ErrReservedHeader,
	"ErrBadEnvelope":                cluster.ErrBadEnvelope,
	"ErrTooLarge":                   cluster.ErrTooLarge,
	"ErrReplyTooLarge":              cluster.ErrReplyTooLarge,
	"ErrInvalidMessage":             cluster.ErrInvalidMessage,
	"ErrEncode":                     cluster.ErrEncode,
	"ErrDecode":                     cluster.ErrDecode,
	"ErrReply":                      cluster.ErrReply,
	"ErrHandlerTimeout":             cluster.ErrHandlerTimeout,
	"ErrPanicked":                   cluster.ErrPanicked,
	"ErrKeyRequired":                cluster.ErrKeyRequired,
	"ErrMissingKeyHeader":           cluster.ErrMissingKeyHeader,
	"ErrOverloaded":                 cluster.ErrOverloaded,
	"ErrFromHandler":                cluster.ErrFromHandler,
	"ErrHandedBack":                 cluster.ErrHandedBack,
	"ErrDraining":                   cluster.ErrDraining,
	"ErrActivationFailed":           cluster.ErrActivationFailed,
	"ErrLayoutMismatch":             cluster.ErrLayoutMismatch,
	"ErrShardOutOfRange":            cluster.ErrShardOutOfRange,
	"ErrCircle":                     cluster.ErrCircle,
	"ErrUnknownKind":                cluster.ErrUnknownKind,
	"ErrUnknownType":                cluster.ErrUnknownType,
	"ErrNotDurable":                 cluster.ErrNotDurable,
	"ErrIDReused":                   cluster.ErrIDReused,
	"ErrBegun":                      cluster.ErrBegun,
	"ErrOutOfOrder":                 cluster.ErrOutOfOrder,
	"ErrUnknownCodec":               cluster.ErrUnknownCodec,
	"ErrDeposed":                    cluster.ErrDeposed,
	"ErrNotStored":                  cluster.ErrNotStored,
	"ErrBadState":                   cluster.ErrBadState,
	"ErrNoStore":                    cluster.ErrNoStore,
	"ErrBadOption":                  cluster.ErrBadOption,
}

// TestSentinelsAreAll reads the source of package cluster: a sentinel more must
// come into the list.
func TestSentinelsAreAll(t *testing.T) {
	files, err := filepath.Glob("../cluster/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				for _, v := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(v.Name, "Err") {
						found = append(found, v.Name)
					}
				}
			}
		}
	}
	slices.Sort(found)
	if listed := slices.Sorted(maps.Keys(sentinels)); len(found) == 0 || !slices.Equal(found, listed) {
		t.Errorf("package cluster exports %q; listed are %q", found, listed)
	}
}

// verdict is what a caller is to find out about a call.
type verdict struct {
	is      error
	code    string
	outcome cluster.Outcome
	hint    time.Duration // of RetryAfter; 0 is none
	cause   error         // nil is none
}

func (v verdict) check(t *testing.T, what string, err error) {
	t.Helper()
	e, ok := errors.AsType[*cluster.Error](err)
	if !ok {
		t.Errorf("%s: got %v, no *cluster.Error", what, err)
		return
	}
	if !errors.Is(err, v.is) || cluster.CodeOf(err) != v.code || cluster.OutcomeOf(err) != v.outcome {
		t.Errorf("%s: got %v, code %s, %v; want %v, code %s, %v", what, err, cluster.CodeOf(err), cluster.OutcomeOf(err), v.is, v.code, v.outcome)
	}
	if hint, ok := cluster.RetryAfter(err); hint != v.hint || ok != (v.hint > 0) {
		t.Errorf("%s: %v: the hint is %v, %v; want %v", what, err, hint, ok, v.hint)
	}
	if v.cause == nil && len(e.Causes) > 0 || v.cause != nil && !(len(e.Causes) == 1 && errors.Is(err, v.cause) && errors.Is(e.Causes[0], v.cause)) {
		t.Errorf("%s: %v: the causes are %v, want %v", what, err, e.Causes, v.cause)
	}
	for name, other := range sentinels {
		if other != v.is && other != v.cause && errors.Is(err, other) {
			t.Errorf("%s: %v is %s too", what, err, name)
		}
	}
	if !strings.Contains(err.Error(), v.is.Error()) {
		t.Errorf("%s: %q does not say %q", what, err, v.is)
	}
}

var errNoRecords = errors.New("no records")

func init() { cluster.RegisterError("testkit_test.no_records", errNoRecords) }

// hintOfOthers is what the refusal of a handler's own call suggests.
const hintOfOthers = 42 * time.Millisecond

// saying returns the error that a message type names: a sentinel as it is, wrapped
// by the application, or as a call of the handler's own has failed with it.
func saying(msgType string) error {
	form, name, _ := strings.Cut(msgType, " ")
	switch is := sentinels[name]; form {
	case "bare":
		return is
	case "wrapped":
		return fmt.Errorf("handler: %w", is)
	default:
		e := outcome.Errorf(is, "of another call").WithCause(errNoRecords)
		e.RetryAfter = hintOfOthers
		return fmt.Errorf("handler: %w", e)
	}
}

type speak struct{ What string }

// TestHandlersReturnSentinels: an error of the library's that a handler returns is
// the same error on the caller's side, and always the handler's: it has run, once,
// whatever the client is told to try again.
func TestHandlersReturnSentinels(t *testing.T) {
	speakers := func(runs *atomic.Int64) map[string]cluster.ServerHandlerFunc {
		plain := func(_ context.Context, env cluster.Envelope) ([]byte, error) {
			runs.Add(1)
			return nil, saying(env.Type)
		}
		speaker := actor.Define("speaker", func(string) *struct{} { return new(struct{}) },
			actor.OnRequest(func(_ *struct{}, _ *actor.Context, m speak) (sum, error) {
				runs.Add(1)
				return sum{}, saying(m.What)
			}))
		keyed := cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) { return plain, nil })
		return map[string]cluster.ServerHandlerFunc{
			"plain": plain, "keyed": keyed, "entity": cluster.NewActorHandler(speaker.New),
			"behind middleware": func(ctx context.Context, env cluster.Envelope) ([]byte, error) { return keyed(ctx, env) },
		}
	}
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		var runs atomic.Int64
		kinds := speakers(&runs)
		c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: kind, Nodes: 2, Kinds: kinds})
		client := c.NewClient(cluster.ClientOptions{RetryOn: slices.Collect(maps.Values(sentinels))})
		calls := int64(0)
		for handler := range kinds {
			for name, is := range sentinels {
				want := verdict{is: is, code: cluster.CodeOf(is), outcome: cluster.RanAndFailed}
				for _, form := range []string{"bare", "wrapped", "relayed"} {
					if form == "relayed" {
						want.hint, want.cause = hintOfOthers, errNoRecords
					}
					to, what := client.Kind(handler).Key(name), form+" "+name
					var err error
					if handler == "entity" {
						_, err = to.Request(within(t, 10*time.Second), speak{what})
					} else {
						_, err = to.RequestRaw(within(t, 10*time.Second), what, nil)
					}
					want.check(t, fmt.Sprintf("%s, %s", handler, what), err)
					if calls++; runs.Load() != calls {
						t.Fatalf("%s, %s: %d calls have run %d times", handler, what, calls, runs.Load())
					}
				}
			}
		}
	})
}
