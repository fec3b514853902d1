package howto_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/errors.md

var ErrClosed = errors.New("the shop is closed")

type OutOfStock struct{ Left int }

func (e *OutOfStock) Error() string { return fmt.Sprintf("only %d left", e.Left) }

func init() { // in a package that callers and nodes both import
	cluster.RegisterError("shop.closed", ErrClosed)
	cluster.RegisterErrorType[*OutOfStock]("shop.out_of_stock")
}

type (
	Shelf struct {
		left   int
		closed bool
	}
	Take  struct{ N int }
	Shut  struct{}
	Stock struct{ Left int }
)

func (s *Shelf) Take(_ *actor.Context, m Take) (Stock, error) {
	switch {
	case s.closed:
		return Stock{}, fmt.Errorf("taking %d: %w", m.N, ErrClosed)
	case m.N > s.left:
		return Stock{}, &OutOfStock{Left: s.left}
	}
	s.left -= m.N
	return Stock{s.left}, nil
}

func (s *Shelf) Shut(*actor.Context, Shut) (Stock, error) {
	s.closed = true
	return Stock{s.left}, nil
}

var shelves = actor.Define("shelf", func(string) *Shelf { return &Shelf{left: 5} },
	actor.OnRequest((*Shelf).Take), actor.OnRequest((*Shelf).Shut))

// status is the answer of an HTTP front.
func status(w http.ResponseWriter, err error) int {
	switch out := (*OutOfStock)(nil); {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &out), errors.Is(err, ErrClosed):
		return http.StatusConflict // the shop's own answer
	case errors.Is(err, cluster.ErrIDReused), errors.Is(err, cluster.ErrBadEnvelope),
		errors.Is(err, cluster.ErrInvalidMessage), errors.Is(err, cluster.ErrTooLarge):
		return http.StatusBadRequest // the same message fails again
	}
	switch outcome := cluster.OutcomeOf(err); {
	case outcome.NeverRan():
		after, ok := cluster.RetryAfter(err)
		if !ok {
			after = time.Second
		}
		w.Header().Set("Retry-After", fmt.Sprint(max(1, int(after.Seconds()))))
		return http.StatusServiceUnavailable // safe to send again
	case outcome == cluster.MaybeRan:
		return http.StatusGatewayTimeout // look before you send again
	}
	return http.StatusInternalServerError
}

func TestErrors(t *testing.T) {
	svc := testkit.Open(t, shelves)
	shelf := svc.Key(shelves, "shelf-1")

	_, err := clstr.Ask[Stock](t.Context(), shelf, Take{9})
	if out, ok := errors.AsType[*OutOfStock](err); !ok || out.Left != 5 || cluster.CodeOf(err) != "shop.out_of_stock" {
		t.Errorf("got %v", err)
	}
	if _, err := clstr.Ask[Stock](t.Context(), shelf, Shut{}); err != nil {
		t.Fatal(err)
	}
	_, err = clstr.Ask[Stock](t.Context(), shelf, Take{1})
	if !errors.Is(err, ErrClosed) || cluster.OutcomeOf(err) != cluster.RanAndFailed {
		t.Errorf("got %v", err)
	}
	over, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	_, late := clstr.Ask[Stock](over, shelf, Take{1})
	_, nobody := clstr.Ask[Stock](t.Context(), svc.Kind("warehouse").Key("w"), Take{1})
	_, badID := clstr.Ask[Stock](t.Context(), shelf, Take{1}, cluster.WithID(strings.Repeat("i", 999)))
	for _, c := range []struct {
		err  error
		want int
	}{{nil, 200}, {badID, 400}, {err, 409}, {&OutOfStock{}, 409}, {nobody, 503}, {late, 503}, {errors.New("not of a call"), 504}} {
		if got := status(headers{}, c.err); c.want != got && !(c.err == late && got == 504) {
			t.Errorf("%v (%v): %d, want %d", c.err, cluster.OutcomeOf(c.err), got, c.want)
		}
	}
}

// headers is a response, as far as its headers go.
type headers http.Header

func (h headers) Header() http.Header       { return http.Header(h) }
func (headers) Write(b []byte) (int, error) { return len(b), nil }
func (headers) WriteHeader(int)             {}
